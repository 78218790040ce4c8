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
        struct item {
            SSL_SESSION *session;
            nu_str name; /* own memory */
        } *items; /* oldest first */
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

static void forget(struct list *l, uint32_t at)
{
    SSL_SESSION_free(l->items[at].session);
    nu_free((void *)(uintptr_t)l->items[at].name.ptr);
    memmove(&l->items[at], &l->items[at + 1], (l->n - at - 1) * sizeof(*l->items));
    l->n--;
}

void nu_tls_sessions_free(struct nu_tls_sessions **sp)
{
    struct nu_tls_sessions *s = nu_take(sp);
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->n_loops; i++) {
        while (s->lists[i].n > 0)
            forget(&s->lists[i], s->lists[i].n - 1);
        nu_free(s->lists[i].items);
    }
    nu_free(s);
}

void nu_tls_sessions_put(struct nu_tls_sessions *s, unsigned worker, nu_str name, SSL_SESSION *session)
{
    struct list *l = &s->lists[worker];
    while (l->n >= s->max)
        forget(l, 0);
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 1 : nu_min(2 * l->cap, s->max);
        l->items = nu_realloc(l->items, l->cap * sizeof(*l->items));
    }
    char *copy = nu_alloc(name.len + 1);
    memcpy(copy, name.len > 0 ? name.ptr : "", name.len);
    l->items[l->n++] = (struct item){.session = session, .name = nu_str_make(copy, name.len)};
}

SSL_SESSION *nu_tls_sessions_get(struct nu_tls_sessions *s, unsigned worker, nu_str name)
{
    struct list *l = &s->lists[worker];
    for (uint32_t i = l->n; i > 0; i--) {
        SSL_SESSION *found = l->items[i - 1].session;
        if (!nu_str_eq(l->items[i - 1].name, name))
            continue;
        SSL_SESSION_up_ref(found);
        if (SSL_SESSION_should_be_single_use(found))
            forget(l, i - 1);
        return found;
    }
    return NULL;
}
