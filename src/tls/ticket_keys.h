/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of session tickets (RFC 5077, RFC 8446 s4.6.1): 16 bytes of name, 32 of HMAC-SHA256, 32 of AES-256-CBC, as Envoy's
 * TlsSessionTicketKeys has them. The first encrypts, all decrypt. Contexts without keys of their own use the process's, which
 * are random, change once a day, and do not change when the configuration does: tickets survive a reload. */
#ifndef NU_TLS_TICKET_KEYS_H
#define NU_TLS_TICKET_KEYS_H

#include <openssl/ssl.h>

#include "event/loop.h"
#include "worker/slot.h"

#define NU_TICKET_KEY_BYTES 80u

struct nu_ticket_key {
    uint8_t name[16], hmac[32], aes[32];
};
_Static_assert(sizeof(struct nu_ticket_key) == NU_TICKET_KEY_BYTES, "as in the file");

/* Immutable. */
struct nu_ticket_keys {
    size_t n;
    struct nu_ticket_key keys[];
};

/* The process's keys. */
struct nu_ticket_ring {
    struct nu_workers *workers;
    struct nu_slot current; /* struct nu_ticket_keys */
    struct nu_timer timer;  /* main loop */
};

/* Main thread. */
void nu_ticket_ring_init(struct nu_ticket_ring *r, struct nu_workers *workers);
void nu_ticket_ring_clear(struct nu_ticket_ring *r);

/* What SSL_CTX_set_tlsext_ticket_key_cb wants: 1 done, 2 done and a new ticket is due, 0 no such key, -1 error. */
int nu_ticket_keys_process(const struct nu_ticket_keys *keys, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *hmac,
                           bool encrypt);

#endif
