/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/expiry.h"

#include "base/alloc.h"
#include "stats/stats.h"
#include "tls/certificate_stats.h"
#include "base/assert.h"
#include "tls/context.h"

#define DAY 86400

/* ---- gauges ---- */

static void add(struct nu_tls_expiry *e, const struct nu_scope *ssl, nu_str name, int64_t expires)
{
    struct nu_arena a;
    struct nu_stat_tag tags[2] = {{NU_STR("envoy.tls_certificate"), name}};
    unsigned n_tags = 1;
    nu_arena_init(&a, NULL);
    if (ssl->n_tags > 0)
        tags[n_tags++] = ssl->tags[0];
    struct nu_scope *scope = nu_scope_get(
        ssl->stats, &nu_tls_cert_layout,
        nu_arena_printf(&a, "%.*scertificate.%.*s.", NU_STR_ARG(ssl->prefix), NU_STR_ARG(name)),
        nu_arena_printf(&a, "%.*scertificate.", NU_STR_ARG(ssl->tag_prefix)), tags, n_tags);
    nu_arena_clear(&a);
    nu_gauge_set_wide(scope, NU_TLS_CERT_expiration_unix_time_seconds, (uint64_t)expires);
    e->scopes[e->n++] = scope;
}

/* The new ones are there before the old ones go, so that a gauge that stays keeps its scope. */
void nu_tls_expiry_set(struct nu_tls_expiry *e, const struct nu_scope *ssl, const struct nu_tls_context *c)
{
    struct nu_tls_expiry old = *e;
    e->n = 0;
    e->scopes = nu_calloc(c->n_certs + 1, sizeof(struct nu_scope *));
    for (size_t i = 0; i < c->n_certs; i++)
        add(e, ssl, c->certs[i].name, c->certs[i].not_after);
    nu_str ca = c->validation != NULL ? nu_tls_validation_name(c->validation) : NU_STR("");
    if (ca.len > 0)
        add(e, ssl, ca, nu_tls_validation_expires(c->validation));
    nu_tls_expiry_clear(&old);
}

void nu_tls_expiry_clear(struct nu_tls_expiry *e)
{
    for (size_t i = 0; i < e->n; i++)
        nu_scope_unref(&e->scopes[i]);
    nu_free(e->scopes);
    *e = (struct nu_tls_expiry){0};
}

/* ---- the first of all ---- */

struct first {
    int64_t certificate, ocsp; /* INT64_MAX: none */
};

static void look(const struct nu_tls_context *c, void *arg)
{
    struct first *f = arg;
    for (size_t i = 0; i < c->n_certs; i++) {
        f->certificate = nu_min(f->certificate, c->certs[i].not_after);
        if (c->certs[i].ocsp_response.len > 0)
            f->ocsp = nu_min(f->ocsp, c->certs[i].ocsp_expires);
    }
    if (c->validation != NULL)
        f->certificate = nu_min(f->certificate, nu_tls_validation_expires(c->validation));
}

static struct first find(struct nu_server *server)
{
    struct first f = {INT64_MAX, INT64_MAX};
    nu_tls_contexts_each(server, look, &f);
    return f;
}

uint64_t nu_days_until(int64_t at, int64_t now)
{
    return at > now ? (uint64_t)((at - now) / DAY) : 0;
}

uint32_t nu_tls_days_until_expiry(struct nu_server *server, int64_t now)
{
    int64_t first = find(server).certificate;
    return first == INT64_MAX ? UINT32_MAX : (uint32_t)nu_min(nu_days_until(first, now), (uint64_t)UINT32_MAX);
}

uint64_t nu_tls_seconds_until_ocsp_expiry(struct nu_server *server, int64_t now)
{
    int64_t first = find(server).ocsp;
    return first == INT64_MAX || first <= now ? 0 : (uint64_t)(first - now);
}
