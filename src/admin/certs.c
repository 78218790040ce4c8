/* SPDX-License-Identifier: Apache-2.0
 *
 * /certs: the certificates of every TLS context, their CAs, names and ends, as Envoy lays them out. */
#include <time.h>

#include "admin/json.h"
#include "admin/request.h"
#include "base/clock.h"
#include "tls/context.h"
#include "tls/expiry.h"
#include "tls/info.h"

struct certs {
    struct nu_json json;
    struct nu_arena *arena;
    int64_t now; /* wall seconds */
};

/* protobuf's form of a Timestamp of whole seconds. */
static void write_time(struct nu_json *j, const char *name, int64_t seconds)
{
    char text[40];
    struct tm tm;
    time_t t = (time_t)seconds;
    gmtime_r(&t, &tm);
    nu_json_kstr(j, name, nu_str_make(text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm)));
}

static void write_names(struct certs *c, X509 *x, int type, const char *key)
{
    size_t n;
    const nu_str *names = nu_x509_sans(x, type, c->arena, &n);
    for (size_t i = 0; i < n; i++) {
        nu_json_open(&c->json, '{');
        nu_json_kstr(&c->json, key, names[i]);
        nu_json_close(&c->json, '}');
    }
}

static void write_ocsp(struct certs *c, const struct nu_tls_certificate *cert)
{
    nu_json_kopen(&c->json, "ocsp_details", '{');
    write_time(&c->json, "valid_from", cert->ocsp_begins);
    write_time(&c->json, "expiration", cert->ocsp_expires != 0 ? cert->ocsp_expires : c->now); /* as Envoy */
    nu_json_close(&c->json, '}');
}

/* cert: NULL for a CA. */
static void write_certificate(struct certs *c, X509 *x, nu_str origin, const struct nu_tls_certificate *cert)
{
    struct nu_json *j = &c->json;
    int64_t not_before, not_after;
    nu_x509_validity(x, &not_before, &not_after);
    nu_json_open(j, '{');
    nu_json_kstr(j, "path", origin);
    nu_json_kstr(j, "serial_number", nu_x509_serial(x, c->arena));
    nu_json_kopen(j, "subject_alt_names", '[');
    write_names(c, x, GEN_DNS, "dns");
    write_names(c, x, GEN_URI, "uri");
    write_names(c, x, GEN_IPADD, "ip_address");
    nu_json_close(j, ']');
    nu_json_ku64_text(j, "days_until_expiration", nu_days_until(not_after, c->now));
    write_time(j, "valid_from", not_before);
    write_time(j, "expiration_time", not_after);
    if (cert != NULL && cert->ocsp_response.len > 0)
        write_ocsp(c, cert);
    nu_json_close(j, '}');
}

static void write_context(const struct nu_tls_context *ctx, void *arg)
{
    struct certs *c = arg;
    size_t n_cas = ctx->validation != NULL ? nu_tls_validation_n_cas(ctx->validation) : 0;
    nu_json_open(&c->json, '{');
    nu_json_kopen(&c->json, "ca_cert", '[');
    for (size_t i = 0; i < n_cas; i++)
        write_certificate(c, nu_tls_validation_ca(ctx->validation, i), nu_tls_validation_origin(ctx->validation), NULL);
    nu_json_close(&c->json, ']');
    nu_json_kopen(&c->json, "cert_chain", '[');
    for (size_t i = 0; i < ctx->n_certs; i++)
        write_certificate(c, ctx->certs[i].leaf, ctx->certs[i].origin, &ctx->certs[i]);
    nu_json_close(&c->json, ']');
    nu_json_close(&c->json, '}');
}

void nu_admin_certs(struct nu_admin_request *r)
{
    struct certs c = {.json.sb = &r->out, .arena = r->arena, .now = (int64_t)(nu_clock_wall_ns() / NU_NS_PER_SEC)};
    r->content_type = NU_ADMIN_JSON;
    nu_json_open(&c.json, '{');
    nu_json_kopen(&c.json, "certificates", '[');
    nu_tls_contexts_each(r->admin->server, write_context, &c);
    nu_json_close(&c.json, ']');
    nu_json_close(&c.json, '}');
    nu_sb_char(&r->out, '\n');
}
