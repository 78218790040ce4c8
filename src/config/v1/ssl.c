/* SPDX-License-Identifier: Apache-2.0
 *
 * ssl_context of v1's listeners and clusters: the TLS transport of today. Lists were strings: ALPN names with commas between
 * them, ciphers and curves with colons. */
#include "config/v1/v1_priv.h"

#define TLS "envoy.extensions.transport_sockets.tls.v3."

/* What both have comes first. */
enum {
    S_CERT_CHAIN,
    S_PRIVATE_KEY,
    S_ALPN,
    S_CA,
    S_HASH,
    S_NAMES,
    S_CIPHERS,
    S_CURVES,
    S_COMMON,
    /* listener */
    S_ALT_ALPN = S_COMMON,
    S_REQUIRE,
    S_CRL,
    S_TICKET_KEYS,
    /* cluster */
    S_SNI = S_COMMON,
};

static const struct v1_key listener_keys[] = {
    [S_CERT_CHAIN] = {"cert_chain_file", V1_STRING, V1_REQUIRED},
    [S_PRIVATE_KEY] = {"private_key_file", V1_STRING, V1_REQUIRED},
    [S_ALPN] = {"alpn_protocols", V1_STRING, 0},
    [S_CA] = {"ca_cert_file", V1_STRING, 0},
    [S_HASH] = {"verify_certificate_hash", V1_STRING, 0},
    [S_NAMES] = {"verify_subject_alt_name", V1_LIST, V1_STRINGS},
    [S_CIPHERS] = {"cipher_suites", V1_STRING, V1_NONEMPTY},
    [S_CURVES] = {"ecdh_curves", V1_STRING, V1_NONEMPTY},
    [S_ALT_ALPN] = {"alt_alpn_protocols", V1_STRING, V1_UNSUPPORTED},
    [S_REQUIRE] = {"require_client_certificate", V1_BOOL, 0},
    [S_CRL] = {"crl_file", V1_STRING, 0},
    [S_TICKET_KEYS] = {"session_ticket_key_paths", V1_LIST, V1_STRINGS},
};
static const struct v1_schema listener_schema = V1_SCHEMA("the ssl_context of a v1 listener", listener_keys);

static const struct v1_key cluster_keys[] = {
    [S_CERT_CHAIN] = {"cert_chain_file", V1_STRING, 0},
    [S_PRIVATE_KEY] = {"private_key_file", V1_STRING, 0},
    [S_ALPN] = {"alpn_protocols", V1_STRING, 0},
    [S_CA] = {"ca_cert_file", V1_STRING, 0},
    [S_HASH] = {"verify_certificate_hash", V1_STRING, 0},
    [S_NAMES] = {"verify_subject_alt_name", V1_LIST, V1_STRINGS},
    [S_CIPHERS] = {"cipher_suites", V1_STRING, V1_NONEMPTY},
    [S_CURVES] = {"ecdh_curves", V1_STRING, V1_NONEMPTY},
    [S_SNI] = {"sni", V1_STRING, 0},
};
static const struct v1_schema cluster_schema = V1_SCHEMA("the ssl_context of a v1 cluster", cluster_keys);

/* An empty string was as good as none. */
static bool has(const struct v1_obj *o, int key)
{
    return v1_text(o->m[key]).len > 0;
}

/* map[key] = {filename}. */
static void put_file(struct v1 *c, struct nu_tree *map, const char *key, const struct v1_obj *o, int from)
{
    if (has(o, from))
        v1_copy(c, v1_put_map(c, map, key, o->m[from]->value->pos), "filename", o->m[from]);
}

static void put_split(struct v1 *c, struct nu_tree *map, const char *key, const struct v1_obj *o, int from, char separator)
{
    if (!has(o, from))
        return;
    struct nu_pos pos = o->m[from]->value->pos;
    struct nu_tree *list = v1_put_list(c, map, key, pos);
    for (nu_str rest = v1_text(o->m[from]); rest.ptr != NULL;) {
        nu_str item = nu_str_trim(nu_str_next(&rest, separator));
        if (item.len > 0)
            v1_add(c, list, v1_str(c, pos, item));
    }
}

static void put_params(struct v1 *c, struct nu_tree *common, const struct v1_obj *o)
{
    if (!has(o, S_CIPHERS) && !has(o, S_CURVES))
        return;
    struct nu_tree *params = v1_put_map(c, common, "tls_params", o->tree->pos);
    put_split(c, params, "cipher_suites", o, S_CIPHERS, ':');
    put_split(c, params, "ecdh_curves", o, S_CURVES, ':');
}

static void put_certificate(struct v1 *c, struct nu_tree *common, const struct v1_obj *o)
{
    if (!has(o, S_CERT_CHAIN) && !has(o, S_PRIVATE_KEY))
        return;
    struct nu_pos pos = o->tree->pos;
    struct nu_tree *certificate = v1_add_map(c, v1_put_list(c, common, "tls_certificates", pos), pos);
    put_file(c, certificate, "certificate_chain", o, S_CERT_CHAIN);
    put_file(c, certificate, "private_key", o, S_PRIVATE_KEY);
}

/* A name was compared with DNS names and URIs. */
static void put_names(struct v1 *c, struct nu_tree *validation, const struct v1_obj *o)
{
    static const char *const kinds[] = {"DNS", "URI"};
    if (v1_count(o->m[S_NAMES]) == 0)
        return;
    struct nu_tree *list = v1_put_list(c, validation, "match_typed_subject_alt_names", o->m[S_NAMES]->value->pos);
    for (size_t i = 0; i < v1_count(o->m[S_NAMES]); i++) {
        struct nu_tree *name = o->m[S_NAMES]->value->u.list.items[i];
        for (size_t k = 0; k < NU_ARRAY_LEN(kinds); k++) {
            struct nu_tree *matcher = v1_add_map(c, list, name->pos);
            v1_put_lit(c, matcher, "san_type", name->pos, kinds[k]);
            v1_put(c, v1_put_map(c, matcher, "matcher", name->pos), "exact", name);
        }
    }
}

static void put_validation(struct v1 *c, struct nu_tree *common, const struct v1_obj *o, bool crl)
{
    if (!has(o, S_CA) && !has(o, S_HASH) && v1_count(o->m[S_NAMES]) == 0 && !crl)
        return;
    struct nu_tree *validation = v1_put_map(c, common, "validation_context", o->tree->pos);
    put_file(c, validation, "trusted_ca", o, S_CA);
    if (has(o, S_HASH)) {
        struct nu_tree *hash = o->m[S_HASH]->value;
        v1_add(c, v1_put_list(c, validation, "verify_certificate_hash", hash->pos), hash);
    }
    put_names(c, validation, o);
    if (crl)
        put_file(c, validation, "crl", o, S_CRL);
}

static void put_common(struct v1 *c, struct nu_tree *context, const struct v1_obj *o, bool crl)
{
    struct nu_tree *common = v1_put_map(c, context, "common_tls_context", o->tree->pos);
    put_params(c, common, o);
    put_certificate(c, common, o);
    put_validation(c, common, o, crl);
    put_split(c, common, "alpn_protocols", o, S_ALPN, ',');
}

static void put_ticket_keys(struct v1 *c, struct nu_tree *context, const struct nu_tree_member *paths)
{
    if (v1_count(paths) == 0)
        return;
    struct nu_pos pos = paths->value->pos;
    struct nu_tree *keys = v1_put_list(c, v1_put_map(c, context, "session_ticket_keys", pos), "keys", pos);
    for (size_t i = 0; i < v1_count(paths); i++) {
        struct nu_tree *path = paths->value->u.list.items[i];
        v1_put(c, v1_add_map(c, keys, path->pos), "filename", path);
    }
}

static struct nu_tree *transport(struct v1 *c, struct nu_tree *out, struct nu_pos pos, const char *type)
{
    v1_put_lit(c, out, "name", pos, "envoy.transport_sockets.tls");
    return v1_put_any(c, out, "typed_config", pos, type);
}

struct nu_tree *v1_listener_ssl(struct v1 *c, const struct nu_tree_member *m)
{
    struct v1_obj o;
    struct nu_tree *out = v1_map(c, m->value->pos);
    size_t mark = v1_enter(c, "ssl_context", -1);
    if (v1_open(c, &o, m->value, &listener_schema)) {
        struct nu_tree *context = transport(c, out, m->value->pos, TLS "DownstreamTlsContext");
        put_common(c, context, &o, has(&o, S_CRL));
        v1_copy(c, context, "require_client_certificate", o.m[S_REQUIRE]);
        put_ticket_keys(c, context, o.m[S_TICKET_KEYS]);
    }
    v1_leave(c, mark);
    return out;
}

struct nu_tree *v1_cluster_ssl(struct v1 *c, const struct nu_tree_member *m)
{
    struct v1_obj o;
    struct nu_tree *out = v1_map(c, m->value->pos);
    size_t mark = v1_enter(c, "ssl_context", -1);
    if (v1_open(c, &o, m->value, &cluster_schema)) {
        struct nu_tree *context = transport(c, out, m->value->pos, TLS "UpstreamTlsContext");
        put_common(c, context, &o, false);
        if (has(&o, S_SNI))
            v1_copy(c, context, "sni", o.m[S_SNI]);
    }
    v1_leave(c, mark);
    return out;
}
