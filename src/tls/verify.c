/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a peer's certificates satisfy a validation: the chain, then the leaf's names, then its pins. Order, verdicts, texts
 * and alerts are those of Envoy's default validator. */
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/obj.h>

#include "base/sb.h"
#include "tls/validation_priv.h"

/* ---- the chain ---- */

static bool is_crl_error(int error)
{
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_CERT_REVOKED:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
        return true;
    default:
        return false;
    }
}

static struct nu_tls_verify_result chain_failed(const struct nu_tls_validation *v, X509_STORE_CTX *ctx, struct nu_arena *a)
{
    int error = X509_STORE_CTX_get_error(ctx);
    return (struct nu_tls_verify_result){
        .verdict = NU_TLS_FAILED_ERROR,
        .accepted = v->accept_untrusted,
        .alert = (uint8_t)SSL_alert_from_verify_result(error),
        .error = nu_arena_printf(a, "verify cert failed: X509_verify_cert: certificate verification error at depth %d: %s%s",
                                 X509_STORE_CTX_get_error_depth(ctx),
                                 is_crl_error(error) ? "certificate revocation check against provided CRLs failed: " : "",
                                 X509_verify_cert_error_string(error)),
    };
}

/* accepted with NU_TLS_VALIDATED: the chain is good. */
static struct nu_tls_verify_result check_chain(const struct nu_tls_validation *v, const struct nu_tls_verify_input *in,
                                               struct nu_arena *a)
{
    struct nu_tls_verify_result r = {.verdict = NU_TLS_VALIDATED, .accepted = true};
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (X509_STORE_CTX_init(ctx, v->store, sk_X509_value(in->chain, 0), in->chain) != 1 ||
        X509_STORE_CTX_set_default(ctx, in->server ? "ssl_client" : "ssl_server") != 1) {
        r = (struct nu_tls_verify_result){.verdict = NU_TLS_FAILED_ERROR,
                                          .alert = SSL_AD_INTERNAL_ERROR,
                                          .error = NU_STR("verify cert failed: init and setup X509_STORE_CTX")};
    } else {
        X509_VERIFY_PARAM_set_time_posix(X509_STORE_CTX_get0_param(ctx), in->now);
        if (X509_verify_cert(ctx) != 1)
            r = chain_failed(v, ctx, a);
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return r;
}

/* ---- names ---- */

static bool san_match(const struct nu_san_matcher *m, const GENERAL_NAME *name, struct nu_arena *a)
{
    if (name->type != m->type || (m->oid != NULL && OBJ_cmp(name->d.otherName->type_id, m->oid) != 0))
        return false;
    nu_str text = nu_general_name_text(name, a);
    if (m->type == GEN_DNS && m->string.kind == NU_MATCH_EXACT)
        return nu_dns_name_match(m->string.text, text);
    return nu_string_matcher_match(&m->string, text);
}

static bool any_matches(const struct nu_tls_validation *v, const GENERAL_NAMES *names, struct nu_arena *a)
{
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++)
        for (size_t k = 0; k < v->n_sans; k++)
            if (san_match(&v->sans[k], sk_GENERAL_NAME_value(names, i), a))
                return true;
    return false;
}

static bool has_dns_name(const GENERAL_NAMES *names, nu_str wanted, struct nu_arena *a)
{
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS && nu_dns_name_match(wanted, nu_general_name_text(name, a)))
            return true;
    }
    return false;
}

/* Names of any type, with the meaning of wildcards for DNS names. */
static bool has_any_name(const GENERAL_NAMES *names, const struct nu_tls_verify_input *in, struct nu_arena *a)
{
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        nu_str text = nu_general_name_text(name, a);
        for (size_t k = 0; k < in->n_sans; k++)
            if (name->type == GEN_DNS ? nu_dns_name_match(in->sans[k], text) : nu_str_eq(in->sans[k], text))
                return true;
    }
    return false;
}

static void list_names(struct nu_sb *sb, const GENERAL_NAMES *names, struct nu_arena *a)
{
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        if (i > 0)
            nu_sb_lit(sb, ", ");
        nu_sb_add(sb, nu_general_name_text(sk_GENERAL_NAME_value(names, i), a));
    }
    nu_sb_lit(sb, "]");
}

static nu_str names_error(const GENERAL_NAMES *names, const struct nu_tls_verify_input *in, bool listed, struct nu_arena *a)
{
    struct nu_sb sb = {0};
    nu_sb_lit(&sb, "verify cert failed: ");
    if (listed) {
        nu_sb_lit(&sb, "verify SAN list, expected SANs: [");
        for (size_t i = 0; i < in->n_sans; i++) {
            nu_sb_add(&sb, i > 0 ? NU_STR(", ") : NU_STR(""));
            nu_sb_add(&sb, in->sans[i]);
        }
        nu_sb_lit(&sb, "], certificate SANs: [");
    } else {
        nu_sb_lit(&sb, "SAN matcher, certificate SANs are [");
    }
    list_names(&sb, names, a);
    nu_str out = nu_arena_str(a, nu_sb_str(&sb));
    nu_sb_free(&sb);
    return out;
}

/* NU_TLS_NOT_VALIDATED: nothing to check names by. */
static struct nu_tls_verify_result check_names(const struct nu_tls_validation *v, const struct nu_tls_verify_input *in,
                                               const GENERAL_NAMES *names, struct nu_arena *a)
{
    bool by_sni = in->n_sans == 0 && in->sni.len > 0;
    if (in->n_sans == 0 && !by_sni && v->n_sans == 0)
        return (struct nu_tls_verify_result){.verdict = NU_TLS_NOT_VALIDATED};
    bool listed_ok = in->n_sans == 0 || has_any_name(names, in, a);
    bool matched = by_sni ? has_dns_name(names, in->sni, a) : v->n_sans == 0 || any_matches(v, names, a);
    if (listed_ok && matched)
        return (struct nu_tls_verify_result){.verdict = NU_TLS_VALIDATED};
    return (struct nu_tls_verify_result){.verdict = NU_TLS_FAILED_SAN,
                                         .alert = SSL_AD_CERTIFICATE_UNKNOWN,
                                         .error = names_error(names, in, !listed_ok, a)};
}

/* ---- pins ---- */

static bool pinned(const struct nu_tls_pin *pins, size_t n, const uint8_t *sha256)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(pins[i].sha256, sha256, SHA256_DIGEST_LENGTH) == 0)
            return true;
    return false;
}

static bool hash_pinned(const struct nu_tls_validation *v, const X509 *leaf)
{
    uint8_t sha256[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    return v->n_hashes > 0 && X509_digest(leaf, EVP_sha256(), sha256, &n) == 1 && pinned(v->hashes, v->n_hashes, sha256);
}

static bool spki_pinned(const struct nu_tls_validation *v, const X509 *leaf)
{
    uint8_t *der = NULL, sha256[SHA256_DIGEST_LENGTH];
    if (v->n_spkis == 0)
        return false;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
    if (n > 0)
        SHA256(der, (size_t)n, sha256);
    OPENSSL_free(der);
    return n > 0 && pinned(v->spkis, v->n_spkis, sha256);
}

/* ---- all of it ---- */

/* What the leaf says beyond its chain. */
static struct nu_tls_verify_result check_leaf(const struct nu_tls_validation *v, const struct nu_tls_verify_input *in,
                                              struct nu_arena *a)
{
    X509 *leaf = sk_X509_value(in->chain, 0);
    bool by_name = in->n_sans > 0 || in->sni.len > 0 || v->n_sans > 0;
    GENERAL_NAMES *names = by_name ? nu_general_names(leaf) : NULL;
    struct nu_tls_verify_result r = check_names(v, in, names, a);
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    if (r.verdict == NU_TLS_FAILED_SAN || v->n_hashes + v->n_spkis == 0)
        return r;
    if (hash_pinned(v, leaf) || spki_pinned(v, leaf))
        return (struct nu_tls_verify_result){.verdict = NU_TLS_VALIDATED};
    return (struct nu_tls_verify_result){.verdict = NU_TLS_FAILED_CERT_HASH,
                                         .alert = SSL_AD_BAD_CERTIFICATE_HASH_VALUE,
                                         .error = NU_STR("verify cert failed: cert hash and spki")};
}

struct nu_tls_verify_result nu_tls_verify(const struct nu_tls_validation *v, const struct nu_tls_verify_input *in,
                                          struct nu_arena *a)
{
    if (in->chain == NULL || sk_X509_num(in->chain) == 0)
        return (struct nu_tls_verify_result){.verdict = NU_TLS_FAILED_ERROR,
                                             .alert = SSL_AD_CERTIFICATE_UNKNOWN,
                                             .error = NU_STR("verify cert failed: empty cert chain")};
    struct nu_tls_verify_result chain = {.verdict = NU_TLS_NOT_VALIDATED, .accepted = true};
    if (v->store != NULL) {
        chain = check_chain(v, in, a);
        if (chain.verdict != NU_TLS_VALIDATED)
            return chain;
    }
    struct nu_tls_verify_result leaf = check_leaf(v, in, a);
    if (leaf.verdict == NU_TLS_NOT_VALIDATED)
        leaf.verdict = chain.verdict;
    /* Without CAs some other rule must have been there, and been kept. */
    leaf.accepted = leaf.verdict == NU_TLS_VALIDATED || v->accept_untrusted;
    if (!leaf.accepted && leaf.verdict == NU_TLS_NOT_VALIDATED)
        leaf.accepted = !nu_tls_validation_wants_certificate(v);
    return leaf;
}
