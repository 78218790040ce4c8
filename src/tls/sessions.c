/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/sessions.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Envoy has no bound on max_session_keys. */
#define MOST 4096u

struct nu_tls_sessions {
    unsigned n_loops;
    uint32_t max;
    struct list {
        SSL_SESSION **items; /* oldest first */
        uint32_t n, cap;
    } lists[];
};

struct nu_tls_sessions *nu_tls_sessions_new(unsigned n_loops, uint32_t max)
{
    struct nu_tls_sessions *s = nu_zalloc(sizeof(*s) + n_loops * sizeof(*s->lists));
    s->n_loops = n_loops;
    s->max = nu_min(max, MOST);
    return s;
}

void nu_tls_sessions_free(struct nu_tls_sessions **sp)
{
    struct nu_tls_sessions *s = nu_take(sp);
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->n_loops; i++) {
        for (uint32_t k = 0; k < s->lists[i].n; k++)
            SSL_SESSION_free(s->lists[i].items[k]);
        nu_free(s->lists[i].items);
    }
    nu_free(s);
}

static void remove_at(struct list *l, uint32_t at)
{
    memmove(&l->items[at], &l->items[at + 1], (l->n - at - 1) * sizeof(*l->items));
    l->n--;
}

void nu_tls_sessions_put(struct nu_tls_sessions *s, unsigned worker, SSL_SESSION *session)
{
    struct list *l = &s->lists[worker];
    while (l->n >= s->max) {
        SSL_SESSION_free(l->items[0]);
        remove_at(l, 0);
    }
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 1 : nu_min(2 * l->cap, s->max);
        l->items = nu_realloc(l->items, l->cap * sizeof(*l->items));
    }
    l->items[l->n++] = session;
}

SSL_SESSION *nu_tls_sessions_get(struct nu_tls_sessions *s, unsigned worker)
{
    struct list *l = &s->lists[worker];
    if (l->n == 0)
        return NULL;
    SSL_SESSION *newest = l->items[l->n - 1];
    if (SSL_SESSION_should_be_single_use(newest))
        l->n--;
    else
        SSL_SESSION_up_ref(newest);
    return newest;
}
