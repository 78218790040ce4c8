/* SPDX-License-Identifier: Apache-2.0
 *
 * Names that connections of a client are made with: a request's (auto_sni, auto_san_validation) or the host's (auto_host_sni);
 * and the protocol that the pool speaks. A pool hands them on as its preamble: the protocol, the SNI, then the certificate's names,
 * each with its length in front. */
#include "base/sb.h"
#include "tls/tls_conn.h"
#include "tls/transport.h"

static void put(struct nu_sb *sb, nu_str s)
{
    uint32_t n = (uint32_t)s.len;
    nu_sb_add(sb, nu_str_make(&n, sizeof(n)));
    nu_sb_add(sb, s);
}

static nu_str take(nu_str *from)
{
    uint32_t n;
    memcpy(&n, from->ptr, sizeof(n));
    nu_str s = nu_str_make(from->ptr + sizeof(n), n);
    *from = nu_str_skip(*from, sizeof(n) + n);
    return s;
}

void nu_tls_pool_key(const struct nu_transport_conf *conf, const struct nu_transport_options *o, struct nu_sb *key)
{
    (void)conf;
    if (o->sni.ptr == NULL && o->n_sans == 0)
        return;
    put(key, o->sni);
    for (size_t i = 0; i < o->n_sans; i++)
        put(key, o->sans[i]);
}

void nu_tls_preamble(const struct nu_transport_conf *conf, const struct nu_transport_options *o, struct nu_worker *w,
                     struct nu_sb *bytes)
{
    (void)w;
    const struct nu_tls_transport *t = (const struct nu_tls_transport *)conf; /* base is first */
    nu_str sni = o->sni;
    if (sni.ptr == NULL && nu_tls_source_wants_host_name(t->source))
        sni = o->host_name;
    if (o->alpn.len == 0 && sni.len == 0 && o->n_sans == 0)
        return;
    put(bytes, o->alpn);
    put(bytes, sni);
    for (size_t i = 0; i < o->n_sans; i++)
        put(bytes, o->sans[i]);
}

void nu_tls_set_preamble(struct nu_conn *c, nu_str bytes)
{
    struct nu_tls_conn *t = nu_tls_conn_of(c);
    t->names = nu_arena_new(&c->arena, nu_str);
    *t->names = nu_arena_str(&c->arena, bytes);
}

struct nu_tls_wanted nu_tls_client_names(const struct nu_tls_conn *t)
{
    struct nu_tls_wanted w = {0};
    if (t->names == NULL)
        return w;
    nu_str rest = *t->names;
    w.alpn = take(&rest);
    nu_str name = take(&rest);
    if (name.len > 0)
        w.sni = name;
    nu_str *list = NULL;
    for (; rest.len > 0; w.n_sans++) {
        if (list == NULL)
            list = nu_arena_array(&t->conn->arena, nu_str, 1 + rest.len / sizeof(uint32_t));
        list[w.n_sans] = take(&rest);
    }
    w.sans = list;
    return w;
}
