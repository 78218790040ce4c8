/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/ticket_keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include "base/alloc.h"
#include "worker/worker.h"

/* A key encrypts for a day and decrypts for one more, which is longer than a session lives by default (two hours). */
#define LIFE NU_SECONDS(24 * 3600)
#define KEPT 2u

static void drop(void *old)
{
    struct nu_ticket_keys *k = old;
    OPENSSL_cleanse(k->keys, k->n * sizeof(*k->keys));
    nu_free(k);
}

static void rotate(struct nu_ticket_ring *r)
{
    const struct nu_ticket_keys *old = nu_slot_get(&r->current);
    size_t n = old == NULL ? 1 : nu_min(old->n + 1, (size_t)KEPT);
    struct nu_ticket_keys *k = nu_zalloc(sizeof(*k) + n * sizeof(*k->keys));
    k->n = n;
    RAND_bytes((uint8_t *)&k->keys[0], sizeof(k->keys[0]));
    if (old != NULL)
        memcpy(&k->keys[1], &old->keys[0], (n - 1) * sizeof(*k->keys));
    nu_slot_publish(r->workers, &r->current, k, drop);
    nu_timer_arm(nu_workers_main(r->workers)->loop, &r->timer, LIFE);
}

static void on_timer(struct nu_timer *t)
{
    rotate(nu_container_of(t, struct nu_ticket_ring, timer));
}

void nu_ticket_ring_init(struct nu_ticket_ring *r, struct nu_workers *workers)
{
    r->workers = workers;
    nu_timer_init(&r->timer, on_timer);
    rotate(r);
}

void nu_ticket_ring_clear(struct nu_ticket_ring *r)
{
    nu_timer_cancel(nu_workers_main(r->workers)->loop, &r->timer);
    void *keys = nu_slot_get(&r->current);
    if (keys != NULL)
        drop(keys);
}

static int encrypt_with(const struct nu_ticket_key *k, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *hmac)
{
    memcpy(name, k->name, sizeof(k->name));
    RAND_bytes(iv, EVP_CIPHER_iv_length(EVP_aes_256_cbc()));
    bool ok = EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv) == 1 &&
              HMAC_Init_ex(hmac, k->hmac, sizeof(k->hmac), EVP_sha256(), NULL) == 1;
    return ok ? 1 : -1;
}

int nu_ticket_keys_process(const struct nu_ticket_keys *keys, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *hmac,
                           bool encrypt)
{
    if (encrypt)
        return encrypt_with(&keys->keys[0], name, iv, cipher, hmac);
    for (size_t i = 0; i < keys->n; i++) {
        const struct nu_ticket_key *k = &keys->keys[i];
        if (memcmp(name, k->name, sizeof(k->name)) != 0)
            continue;
        bool ok = HMAC_Init_ex(hmac, k->hmac, sizeof(k->hmac), EVP_sha256(), NULL) == 1 &&
                  EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv) == 1;
        return !ok ? -1 : i == 0 ? 1 : 2;
    }
    return 0;
}
