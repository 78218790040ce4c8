/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing follows Envoy 1.40: the order of keys, empty Subject and URI, and that a header in the form of JSON stays JSON
 * whatever is configured. */
#include "http/xfcc.h"

#include "base/sb.h"
#include "tls/info.h"

/* What an element is made of. */
struct details {
    const struct nu_xfcc_conf *conf;
    const struct nu_tls_info *tls;
    struct nu_arena *arena;
};

static nu_str fact(const struct details *d, enum nu_tls_fact what)
{
    nu_str s = nu_tls_info_text(d->tls, what, d->arena);
    return s.ptr != NULL ? s : NU_STR("");
}

/* ---- as text ---- */

static void add_pair(struct nu_sb *sb, nu_str key, nu_str value, bool quoted)
{
    if (sb->len > 0)
        nu_sb_char(sb, ';');
    nu_sb_add(sb, key);
    nu_sb_lit(sb, "=");
    if (quoted)
        nu_sb_char(sb, '"');
    nu_sb_add(sb, value);
    if (quoted)
        nu_sb_char(sb, '"');
}

/* A pair for each name; returns how many. */
static size_t add_names(const struct details *d, struct nu_sb *sb, nu_str key, enum nu_tls_fact what)
{
    size_t n;
    const nu_str *names = nu_tls_info_sans(d->tls, what, d->arena, &n);
    for (size_t i = 0; i < n; i++)
        add_pair(sb, key, names[i], false);
    return n;
}

static void write_text(const struct details *d, struct nu_sb *sb)
{
    const struct nu_xfcc_conf *c = d->conf;
    (void)add_names(d, sb, NU_STR("By"), NU_TLS_LOCAL_URI_SANS);
    add_pair(sb, NU_STR("Hash"), fact(d, NU_TLS_PEER_FINGERPRINT_256), false);
    if (c->cert)
        add_pair(sb, NU_STR("Cert"), fact(d, NU_TLS_PEER_CERT), true);
    if (c->chain)
        add_pair(sb, NU_STR("Chain"), fact(d, NU_TLS_PEER_CHAIN), true);
    if (c->subject)
        add_pair(sb, NU_STR("Subject"), fact(d, NU_TLS_PEER_SUBJECT), true);
    if (c->uri && add_names(d, sb, NU_STR("URI"), NU_TLS_PEER_URI_SANS) == 0)
        add_pair(sb, NU_STR("URI"), NU_STR(""), false);
    if (c->dns)
        (void)add_names(d, sb, NU_STR("DNS"), NU_TLS_PEER_DNS_SANS);
    if (c->issuer)
        add_pair(sb, NU_STR("Issuer"), fact(d, NU_TLS_PEER_ISSUER), true);
}

/* ---- as JSON ---- */

static void add_key(struct nu_sb *sb, nu_str key)
{
    nu_sb_char(sb, sb->ptr[sb->len - 1] == '{' ? '"' : ',');
    if (sb->ptr[sb->len - 1] == ',')
        nu_sb_char(sb, '"');
    nu_sb_add(sb, key);
    nu_sb_lit(sb, "\":");
}

static void add_member(struct nu_sb *sb, nu_str key, nu_str value)
{
    if (value.len == 0)
        return;
    add_key(sb, key);
    nu_sb_json_str(sb, value);
}

static void add_array(struct nu_sb *sb, nu_str key, const nu_str *list, size_t n)
{
    if (n == 0)
        return;
    add_key(sb, key);
    for (size_t i = 0; i < n; i++) {
        nu_sb_char(sb, i == 0 ? '[' : ',');
        nu_sb_json_str(sb, list[i]);
    }
    nu_sb_char(sb, ']');
}

static void add_name_array(const struct details *d, struct nu_sb *sb, nu_str key, enum nu_tls_fact what)
{
    size_t n;
    const nu_str *names = nu_tls_info_sans(d->tls, what, d->arena, &n);
    add_array(sb, key, names, n);
}

static void write_json(const struct details *d, struct nu_sb *sb)
{
    const struct nu_xfcc_conf *c = d->conf;
    size_t n_pems = 0;
    const nu_str *pems = c->cert || c->chain ? nu_tls_info_chain_pem(d->tls, d->arena, &n_pems) : NULL;
    nu_sb_char(sb, '{');
    add_name_array(d, sb, NU_STR("by"), NU_TLS_LOCAL_URI_SANS);
    add_member(sb, NU_STR("hash"), fact(d, NU_TLS_PEER_FINGERPRINT_256));
    if (c->cert && n_pems > 0)
        add_member(sb, NU_STR("cert"), pems[0]);
    if (c->chain)
        add_array(sb, NU_STR("chain"), pems, n_pems);
    if (c->subject)
        add_member(sb, NU_STR("subject"), fact(d, NU_TLS_PEER_SUBJECT));
    if (c->uri)
        add_name_array(d, sb, NU_STR("uri"), NU_TLS_PEER_URI_SANS);
    if (c->dns)
        add_name_array(d, sb, NU_STR("dns"), NU_TLS_PEER_DNS_SANS);
    if (c->issuer)
        add_member(sb, NU_STR("issuer"), fact(d, NU_TLS_PEER_ISSUER));
    nu_sb_char(sb, '}');
}

/* ---- the header ---- */

static bool is_json(nu_str header)
{
    return header.len >= 2 && header.ptr[0] == '[' && header.ptr[header.len - 1] == ']';
}

/* before: what is there, and stays; empty: nothing. */
static nu_str with_element(const struct details *d, nu_str before)
{
    struct nu_sb element = {0};
    bool json = before.len > 0 ? is_json(before) : d->conf->json;
    nu_str comma = before.len > 0 ? NU_STR(",") : NU_STR(""), open = NU_STR(""), close = NU_STR("");
    if (json)
        write_json(d, &element);
    else
        write_text(d, &element);
    if (json && before.len > 0) {
        before.len--; /* its ']' comes last again */
        if (nu_str_trim(nu_str_skip(before, 1)).len == 0)
            comma = NU_STR("");
    } else if (json) {
        open = NU_STR("[");
    }
    if (json)
        close = NU_STR("]");
    nu_str parts[] = {before, comma, open, nu_sb_str(&element), close};
    nu_str all = nu_arena_concat(d->arena, parts, NU_ARRAY_LEN(parts));
    nu_sb_free(&element);
    return all;
}

void nu_xfcc_apply(const struct nu_xfcc_conf *c, const struct nu_tls_info *tls, struct nu_http_headers *h,
                   struct nu_arena *a)
{
    if (c->mode == NU_XFCC_ALWAYS_FORWARD_ONLY)
        return;
    if (c->mode == NU_XFCC_SANITIZE || tls == NULL || !nu_tls_info_has_peer(tls)) {
        nu_headers_remove_id(h, NU_HDR_X_FORWARDED_CLIENT_CERT);
        return;
    }
    if (c->mode == NU_XFCC_FORWARD_ONLY)
        return;
    struct details d = {c, tls, a};
    nu_str before = c->mode == NU_XFCC_APPEND_FORWARD ? nu_headers_get_id(h, NU_HDR_X_FORWARDED_CLIENT_CERT) : NU_STR("");
    nu_headers_set_id(h, NU_HDR_X_FORWARDED_CLIENT_CERT, nu_header_value_clean(with_element(&d, before), a));
}

/* ---- reading ---- */

/* Where an unquoted `separator` or the end is; -1: a quote is open at the end. */
static ssize_t find_unquoted(nu_str s, char separator)
{
    bool quoted = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\\' && i + 1 < s.len && (s.ptr[i + 1] == '"' || s.ptr[i + 1] == '\\'))
            i++;
        else if (s.ptr[i] == '"')
            quoted = !quoted;
        else if (s.ptr[i] == separator && !quoted)
            return (ssize_t)i;
    }
    return quoted ? -1 : (ssize_t)s.len;
}

static nu_str unquote(nu_str s, struct nu_arena *a)
{
    if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
        s = nu_str_make(s.ptr + 1, s.len - 2);
    char *out = nu_arena_alloc(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\\' && i + 1 < s.len && (s.ptr[i + 1] == '"' || s.ptr[i + 1] == '\\'))
            i++;
        out[n++] = s.ptr[i];
    }
    return nu_str_make(out, n);
}

/* Cuts at the first unquoted separator. false: malformed. */
static bool next_part(nu_str *rest, char separator, nu_str *part)
{
    ssize_t at = find_unquoted(*rest, separator);
    if (at < 0)
        return false;
    *part = nu_str_first(*rest, (size_t)at);
    *rest = (size_t)at < rest->len ? nu_str_skip(*rest, (size_t)at + 1) : NU_STR_NONE;
    return true;
}

/* In one element. */
static nu_str value_in(nu_str element, nu_str key, struct nu_arena *a)
{
    nu_str rest = element, pair;
    while (rest.ptr != NULL && next_part(&rest, ';', &pair)) {
        nu_str value = pair, name = nu_str_trim(nu_str_next(&value, '='));
        if (nu_str_eq_nocase(name, key))
            return value.ptr != NULL ? unquote(nu_str_trim(value), a) : NU_STR("");
    }
    return NU_STR_NONE;
}

nu_str nu_xfcc_value(nu_str header, nu_str key, struct nu_arena *a)
{
    nu_str rest = header, element, found = NU_STR_NONE;
    while (rest.ptr != NULL && found.ptr == NULL && next_part(&rest, ',', &element))
        found = value_in(element, key, a);
    return found;
}
