/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/params.h"

#include <openssl/err.h>

#include "base/sb.h"
#include "codec/pb/pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.nu.h"

typedef struct envoy_extensions_transport_sockets_tls_v3_TlsParameters params_msg;

static uint16_t version(int configured, uint16_t otherwise)
{
    static const uint16_t versions[] = {0, TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    return configured <= 0 || (size_t)configured >= NU_ARRAY_LEN(versions) ? otherwise : versions[configured];
}

/* The list joined by ':', or the default. */
static const char *joined(struct nu_arena *a, const nu_str *items, size_t n, const char *otherwise)
{
    if (n == 0)
        return otherwise;
    struct nu_sb sb = {0};
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            nu_sb_char(&sb, ':');
        nu_sb_add(&sb, items[i]);
    }
    char *s = nu_arena_cstr(a, nu_sb_str(&sb));
    nu_sb_free(&sb);
    return s;
}

static void name_bad_ciphers(SSL_CTX *ctx, const char *list, struct nu_sb *bad)
{
    for (const char *p = list; *p != '\0';) {
        size_t n = strcspn(p, ":+![|]");
        char name[128];
        size_t minus = n > 0 && *p == '-';
        size_t len = nu_min(n - minus, sizeof(name) - 1);
        memcpy(name, p + minus, len);
        name[len] = '\0';
        if (len > 0 && SSL_CTX_set_strict_cipher_list(ctx, name) != 1)
            nu_sb_printf(bad, "%s%s", bad->len > 0 ? ", " : "", name);
        p += n;
        p += *p != '\0';
    }
}

static bool set_ciphers(struct nu_factory *f, const void *owner, SSL_CTX *ctx, const char *list)
{
    if (SSL_CTX_set_strict_cipher_list(ctx, list) == 1)
        return true;
    struct nu_sb bad = {0};
    name_bad_ciphers(ctx, list, &bad);
    nu_pb_error(f->diags, owner, "cipher_suites",
                "Failed to initialize cipher suites %s. The following ciphers were rejected when tried individually: %.*s", list,
                NU_STR_ARG(nu_sb_str(&bad)));
    nu_sb_free(&bad);
    return false;
}

/* What BoringSSL's policy of the same name does. */
static bool apply_fips(SSL_CTX *ctx)
{
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_strict_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                               "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384") == 1 &&
           SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384") == 1 &&
           SSL_CTX_set1_curves_list(ctx, "P-256:P-384") == 1 &&
           SSL_CTX_set1_sigalgs_list(ctx, "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512:ecdsa_secp256r1_sha256:"
                                          "ecdsa_secp384r1_sha384:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:"
                                          "rsa_pss_rsae_sha512") == 1;
}

static bool apply_policies(struct nu_factory *f, const params_msg *m, SSL_CTX *ctx)
{
    for (size_t i = 0; m != NULL && i < m->n_compliance_policies; i++) {
        if (m->compliance_policies[i] != envoy_extensions_transport_sockets_tls_v3_TlsParameters_CompliancePolicy_FIPS_202205) {
            nu_pb_unsupported(f->diags, m, "compliance_policies", "only FIPS_202205 is supported yet");
            return false;
        }
        NU_ASSERT(apply_fips(ctx));
    }
    return true;
}

static bool apply_lists(struct nu_factory *f, const params_msg *m, const void *owner, const struct nu_tls_defaults *d,
                        SSL_CTX *ctx)
{
    const char *ciphers = m != NULL ? joined(f->arena, m->cipher_suites, m->n_cipher_suites, d->ciphers) : d->ciphers;
    const char *curves = m != NULL ? joined(f->arena, m->ecdh_curves, m->n_ecdh_curves, d->curves) : d->curves;
    const char *sigalgs = m != NULL ? joined(f->arena, m->signature_algorithms, m->n_signature_algorithms, NULL) : NULL;
    if (!set_ciphers(f, owner, ctx, ciphers))
        return false;
    if (SSL_CTX_set1_curves_list(ctx, curves) != 1) {
        nu_pb_error(f->diags, owner, "ecdh_curves", "Failed to initialize ECDH curves %s", curves);
        return false;
    }
    if (sigalgs != NULL && SSL_CTX_set1_sigalgs_list(ctx, sigalgs) != 1) {
        nu_pb_error(f->diags, owner, "signature_algorithms", "Failed to initialize TLS signature algorithms %s", sigalgs);
        return false;
    }
    return true;
}

bool nu_tls_params_apply(struct nu_factory *f, const params_msg *m, const void *owner, const struct nu_tls_defaults *d,
                         SSL_CTX *ctx)
{
    uint16_t min = version(m != NULL ? (int)m->tls_minimum_protocol_version : 0, d->min_version);
    uint16_t max = version(m != NULL ? (int)m->tls_maximum_protocol_version : 0, d->max_version);
    int rc = SSL_CTX_set_min_proto_version(ctx, min) & SSL_CTX_set_max_proto_version(ctx, max);
    NU_ASSERT(rc == 1);
    bool ok = apply_lists(f, m, m != NULL ? (const void *)m : owner, d, ctx) && apply_policies(f, m, ctx);
    ERR_clear_error();
    return ok;
}
