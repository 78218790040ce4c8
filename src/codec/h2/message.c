/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of messages (RFC 9113 s8.2, s8.3; RFC 8441 s4), on fields as they are decoded and on whole header blocks; and
 * the limits on heads, which count all that the peer sent. */
#include "codec/h1/chars.h"
#include "codec/h1/target.h"
#include "codec/h2/h2_priv.h"

/* Bits of block.seen; those below 1 << NU_H2_PROTOCOL + 1 are the pseudo-header fields. */
enum seen {
    SEEN_REGULAR = 1 << (NU_H2_PROTOCOL + 1),
    SEEN_HOST = SEEN_REGULAR << 1,
    SEEN_SLASH_PATH = SEEN_REGULAR << 2, /* ":path" begins with "/" */
    SEEN_STAR_PATH = SEEN_REGULAR << 3,  /* is "*" */
    SEEN_HTTP = SEEN_REGULAR << 4,       /* ":scheme" is http or https */
    SEEN_OPTIONS = SEEN_REGULAR << 5,
    SEEN_CONNECT = SEEN_REGULAR << 6,
};
static inline bool has(const struct nu_h2 *c, unsigned bits)
{
    return (c->block.seen & bits) != 0;
}
static inline unsigned bit(enum nu_h2_pseudo which)
{
    return 1u << which;
}

/* ---- characters ---- */

/* A token of lower-case letters (s8.2.1); RFC 9110 s5.6.2. */
static bool name_ok(nu_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (nu_h1_token[(uint8_t)s.ptr[i]] != (uint8_t)s.ptr[i] || s.ptr[i] == 0)
            return false;
    return s.len > 0;
}

static bool token_ok(nu_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (nu_h1_token[(uint8_t)s.ptr[i]] == 0)
            return false;
    return s.len > 0;
}

static bool value_ok(const struct nu_h2_options *o, nu_str s)
{
    if (nu_h1_value_run((const uint8_t *)s.ptr, s.len) != s.len)
        return false;
    if (nu_likely(!o->disallow_obs_text))
        return true;
    for (size_t i = 0; i < s.len; i++)
        if ((uint8_t)s.ptr[i] >= 0x80)
            return false;
    return true;
}

/* No blanks and no controls: those have been looked for, but for SP and HTAB. */
static bool path_ok(nu_str s)
{
    return s.len > 0 && memchr(s.ptr, ' ', s.len) == NULL && memchr(s.ptr, '\t', s.len) == NULL;
}

/* ---- pseudo-header fields (s8.3) ---- */

static bool status_ok(struct nu_h2 *c, struct nu_h2_stream *s, nu_str value)
{
    uint64_t status;
    if (value.len != 3 || !nu_str_to_u64(value, &status) || status < 100 || status == 101) /* s8.6 */
        return false;
    c->block.status = (uint16_t)status;
    if (status < 200)
        s->block = NU_H2_INFORMATIONAL;
    return true;
}

static bool method_ok(struct nu_h2 *c, nu_str value)
{
    if (nu_str_eq(value, NU_STR("CONNECT")))
        c->block.seen |= SEEN_CONNECT;
    else if (nu_str_eq(value, NU_STR("OPTIONS")))
        c->block.seen |= SEEN_OPTIONS;
    return token_ok(value);
}

static bool pseudo_value_ok(struct nu_h2 *c, struct nu_h2_stream *s, const struct nu_h2_field *f)
{
    switch ((enum nu_h2_pseudo)f->pseudo) {
    case NU_H2_AUTHORITY:
        return f->value.len > 0 && nu_authority_ok(f->value);
    case NU_H2_METHOD:
        return method_ok(c, f->value);
    case NU_H2_PATH:
        if (f->value.len > 0 && f->value.ptr[0] == '/')
            c->block.seen |= SEEN_SLASH_PATH;
        else if (nu_str_eq(f->value, NU_STR("*")))
            c->block.seen |= SEEN_STAR_PATH;
        return path_ok(f->value);
    case NU_H2_SCHEME:
        if (nu_str_eq_nocase(f->value, NU_STR("http")) || nu_str_eq_nocase(f->value, NU_STR("https")))
            c->block.seen |= SEEN_HTTP;
        return nu_scheme_ok(f->value);
    case NU_H2_STATUS:
        return status_ok(c, s, f->value);
    case NU_H2_PROTOCOL:
        return c->opt->allow_connect && token_ok(f->value);
    case NU_H2_REGULAR:
        break;
    }
    return false;
}

static enum h2_verdict check_pseudo(struct nu_h2 *c, struct nu_h2_stream *s, const struct nu_h2_field *f, nu_str *reason)
{
    unsigned mine = bit((enum nu_h2_pseudo)f->pseudo);
    bool of_response = f->pseudo == NU_H2_STATUS;
    if (has(c, SEEN_REGULAR) || s->block == NU_H2_TRAILERS)
        *reason = NU_STR("a pseudo-header field in the wrong place");
    else if (f->pseudo == NU_H2_REGULAR || of_response == c->server)
        *reason = NU_STR("an unknown pseudo-header field");
    else if (has(c, mine))
        *reason = NU_STR("a pseudo-header field twice");
    else if (!pseudo_value_ok(c, s, f))
        *reason = NU_STR("an invalid pseudo-header field");
    else
        c->block.seen |= (uint16_t)mine;
    return reason->len > 0 ? H2_BAD_FIELD : H2_FINE;
}

/* ---- regular fields (s8.2) ---- */

static bool length_ok(struct nu_h2_stream *s, nu_str value)
{
    uint64_t length;
    if (s->block == NU_H2_TRAILERS || s->has_length || !nu_str_to_u64(value, &length))
        return false;
    s->has_length = true;
    s->content_length = length;
    return true;
}

/* Fields that have a rule of their own; by their first letters, as nearly all others are out after one look. */
static bool special_ok(struct nu_h2 *c, struct nu_h2_stream *s, const struct nu_h2_field *f)
{
    nu_str n = f->name;
    switch (n.len) {
    case 2:
        return !nu_str_eq(n, NU_STR("te")) || nu_str_eq_nocase(f->value, NU_STR("trailers"));
    case 4:
        if (!nu_str_eq(n, NU_STR("host")) || !c->server || s->block == NU_H2_TRAILERS)
            return true;
        if (has(c, SEEN_HOST) || f->value.len == 0 || !nu_authority_ok(f->value))
            return false;
        c->block.seen |= SEEN_HOST;
        return true;
    case 7:
        return !nu_str_eq(n, NU_STR("upgrade"));
    case 10:
        return !nu_str_eq(n, NU_STR("connection")) && !nu_str_eq(n, NU_STR("keep-alive"));
    case 14:
        return !nu_str_eq(n, NU_STR("content-length")) || length_ok(s, f->value);
    case 16:
        return !nu_str_eq(n, NU_STR("proxy-connection"));
    case 17:
        return !nu_str_eq(n, NU_STR("transfer-encoding"));
    default:
        return true;
    }
}

static enum h2_verdict check_underscore(struct nu_h2 *c, const struct nu_h2_field *f)
{
    if (!c->server || c->opt->underscores == NU_H2_UNDERSCORES_ALLOW || nu_str_find(f->name, '_') < 0)
        return H2_FINE;
    if (c->opt->underscores == NU_H2_UNDERSCORES_DROP) {
        h2_count(c, NU_H2_COUNT_dropped_headers_with_underscores);
        return H2_SKIP_FIELD;
    }
    h2_count(c, NU_H2_COUNT_requests_rejected_with_underscores_in_headers);
    return H2_UNDERSCORE;
}

static bool is_cookie(const struct nu_h2_field *f)
{
    return f->name.len == 6 && memcmp(f->name.ptr, "cookie", 6) == 0;
}

enum h2_verdict h2_check_field(struct nu_h2 *c, struct nu_h2_stream *s, struct nu_h2_field *f, nu_str *reason)
{
    size_t bytes = c->block.bytes + f->name.len + f->value.len; /* each is below 2^28 */
    c->block.bytes = (uint32_t)nu_min(bytes, (size_t)UINT32_MAX / 2);
    c->block.n_fields += !is_cookie(f);
    if (bytes > c->opt->max_head_bytes || c->block.n_fields > c->opt->max_headers_count)
        return H2_TOO_LARGE;
    if (!f->clean_name || !f->clean_value) {
        bool pseudo = f->name.len > 0 && f->name.ptr[0] == ':';
        if ((!f->clean_name && !pseudo && !name_ok(f->name)) || !value_ok(c->opt, f->value)) {
            *reason = NU_STR("a character that no field may have");
            return H2_BAD_FIELD;
        }
        nu_hpack_mark_clean(&c->decoder);
    }
    if (f->pseudo != NU_H2_REGULAR || f->name.ptr[0] == ':')
        return check_pseudo(c, s, f, reason);
    c->block.seen |= SEEN_REGULAR;
    if (!special_ok(c, s, f)) {
        *reason = NU_STR("a field that this message must not have");
        return H2_BAD_FIELD;
    }
    return check_underscore(c, f);
}

/* ---- whole blocks ---- */

static bool request_ok(const struct nu_h2 *c)
{
    unsigned all = bit(NU_H2_METHOD) | bit(NU_H2_SCHEME) | bit(NU_H2_PATH);
    if (has(c, SEEN_CONNECT) && !has(c, bit(NU_H2_PROTOCOL))) /* s8.5 */
        return (c->block.seen & (all | bit(NU_H2_AUTHORITY))) == (bit(NU_H2_METHOD) | bit(NU_H2_AUTHORITY));
    if ((c->block.seen & all) != all || !has(c, bit(NU_H2_AUTHORITY) | SEEN_HOST))
        return false;
    if (has(c, bit(NU_H2_PROTOCOL)) && (!has(c, SEEN_CONNECT) || !has(c, bit(NU_H2_AUTHORITY)))) /* RFC 8441 s4 */
        return false;
    return !has(c, SEEN_HTTP) || has(c, SEEN_SLASH_PATH) || (has(c, SEEN_STAR_PATH) && has(c, SEEN_OPTIONS));
}

/* Which responses have no body, whatever their fields say (RFC 9110 s6.4.1). */
static bool response_ok(struct nu_h2 *c, struct nu_h2_stream *s)
{
    unsigned status = c->block.status;
    if (!has(c, bit(NU_H2_STATUS)))
        return false;
    if (status < 200) {
        if (s->has_length)
            return false;
        return !c->block.end_stream;
    }
    if (status == 204 && s->has_length && s->content_length != 0)
        return false;
    s->no_body = s->head_request || status == 204 || status == 304;
    if (s->no_body || (s->connect && status < 300))
        s->has_length = false;
    return true;
}

enum h2_verdict h2_check_block(struct nu_h2 *c, struct nu_h2_stream *s, nu_str *reason)
{
    if (s->block != NU_H2_TRAILERS) {
        if (c->server ? !request_ok(c) : !response_ok(c, s)) {
            *reason = NU_STR("a head without what it must have");
            return H2_BAD_MESSAGE;
        }
        if (c->server && has(c, SEEN_CONNECT)) {
            s->connect = true;
            s->has_length = false;
        }
    }
    if (c->block.end_stream && s->has_length && s->body_received != s->content_length) {
        *reason = NU_STR("a body of another length than content-length");
        return H2_BAD_MESSAGE;
    }
    return H2_FINE;
}
