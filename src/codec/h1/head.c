/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/h1/head.h"

#include <string.h>

#include "base/assert.h"
#include "codec/h1/chars.h"

static const struct {
    unsigned status;
    nu_str details;
} errors[] = {
#define X(name, status, details) {(status), NU_STR_INIT(details)},
    NU_H1_ERRORS(X)
#undef X
};

static unsigned error_index(int err)
{
    unsigned i = (unsigned)(-1000 - err);
    NU_ASSERT(i < NU_ARRAY_LEN(errors));
    return i;
}

unsigned nu_h1_error_status(int err)
{
    return errors[error_index(err)].status;
}

nu_str nu_h1_error_details(int err)
{
    return errors[error_index(err)].details;
}

/* ---- finding the end ---- */

/* Garbage (TLS on a plain port) is told at once: a request begins with a token, a response with "HTTP/". */
static bool can_begin(const uint8_t *p, size_t n, bool request)
{
    if (!request)
        return memcmp(p, "HTTP/", nu_min(n, (size_t)5)) == 0;
    for (size_t i = 0; i < n && i < 64; i++) {
        if (p[i] == ' ')
            return i > 0;
        if (nu_h1_token[p[i]] == 0)
            return false;
    }
    return true;
}

ssize_t nu_h1_scan(struct nu_h1_scan *s, const uint8_t *base, size_t n, size_t max, bool request)
{
    if (!s->start_checked) {
        if (!can_begin(base, n, request))
            return NU_H1_ERR_SYNTAX;
        s->start_checked = n >= 64;
    }
    while (s->pos < n) {
        const uint8_t *lf = memchr(base + s->pos, '\n', n - s->pos);
        if (lf == NULL) {
            s->pos = (uint32_t)n;
            break;
        }
        uint32_t end = (uint32_t)(lf - base);
        uint32_t len = end - s->line;
        s->pos = end + 1;
        s->lines++;
        bool empty = len == 0 || (len == 1 && base[s->line] == '\r');
        s->line = s->pos;
        if (empty)
            return s->pos > max ? NU_H1_ERR_HEAD_TOO_LARGE : (ssize_t)s->pos;
    }
    return n > max ? NU_H1_ERR_HEAD_TOO_LARGE : 0;
}

/* ---- lines ---- */

struct lines {
    uint8_t *base;
    size_t pos, n;
};

/* The next line without its end. A CR may stand only before LF (s2.2). */
static bool next_line(struct lines *l, uint8_t **line, size_t *len)
{
    uint8_t *start = l->base + l->pos;
    uint8_t *lf = memchr(start, '\n', l->n - l->pos);
    if (lf == NULL)
        return false;
    l->pos = (size_t)(lf - l->base) + 1;
    *line = start;
    *len = (size_t)(lf - start);
    if (*len > 0 && start[*len - 1] == '\r')
        (*len)--;
    return true;
}

/* ---- start lines ---- */

static bool known_method(nu_str m)
{
    /* IANA's registry as far as Envoy's parser knows it. */
    static const char *const methods[] = {
        "GET",        "POST",      "HEAD",        "PUT",    "DELETE",     "OPTIONS",   "CONNECT",  "PATCH",
        "TRACE",      "COPY",      "LOCK",        "MKCOL",  "MOVE",       "PROPFIND",  "PROPPATCH", "SEARCH",
        "UNLOCK",     "BIND",      "REBIND",      "UNBIND", "ACL",        "REPORT",    "MKACTIVITY", "CHECKOUT",
        "MERGE",      "M-SEARCH",  "NOTIFY",      "SUBSCRIBE", "UNSUBSCRIBE", "PURGE", "MKCALENDAR", "LINK",
        "UNLINK",     "SOURCE",
    };
    for (unsigned i = 0; i < NU_ARRAY_LEN(methods); i++)
        if (m.ptr[0] == methods[i][0] && nu_str_eq(m, nu_str_from(methods[i])))
            return true;
    return false;
}

static int parse_version(const uint8_t *p, size_t n, uint8_t *version)
{
    if (n != 8 || memcmp(p, "HTTP/", 5) != 0 || p[6] != '.')
        return NU_H1_ERR_SYNTAX;
    if (p[5] != '1' || (p[7] != '0' && p[7] != '1'))
        return NU_H1_ERR_SYNTAX;
    *version = p[7] == '1' ? NU_H1_VERSION_11 : NU_H1_VERSION_10;
    return 0;
}

/* Any other version of a request is as unwanted as HTTP/0.9 and gets the same answer, as from Envoy. */
static int parse_request_version(const uint8_t *p, size_t n, uint8_t *version)
{
    bool well_formed = n == 8 && memcmp(p, "HTTP/", 5) == 0 && p[5] >= '0' && p[5] <= '9' && p[6] == '.' &&
                       p[7] >= '0' && p[7] <= '9';
    if (parse_version(p, n, version) == 0)
        return 0;
    *version = NU_H1_VERSION_09;
    return well_formed ? 0 : NU_H1_ERR_SYNTAX;
}

/* request-line = method SP request-target SP HTTP-version (s3); "GET /x" alone is HTTP/0.9. */
static int parse_request_line(struct nu_h1_head *h, const struct nu_h1_rules *r, const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n && nu_h1_token[p[i]] != 0)
        i++;
    if (i == 0 || i == n || p[i] != ' ')
        return NU_H1_ERR_SYNTAX;
    h->method = nu_str_make(p, i);
    if (!r->allow_custom_methods && !known_method(h->method))
        return NU_H1_ERR_SYNTAX;
    const uint8_t *target = p + i + 1;
    size_t rest = n - i - 1;
    const uint8_t *sp = memchr(target, ' ', rest);
    size_t target_len = sp != NULL ? (size_t)(sp - target) : rest;
    if (!nu_h1_target_ok(target, target_len))
        return NU_H1_ERR_SYNTAX;
    h->target = nu_str_make(target, target_len);
    h->version = NU_H1_VERSION_09;
    return sp == NULL ? 0 : parse_request_version(sp + 1, rest - target_len - 1, &h->version);
}

static bool value_ok(nu_str value)
{
    return nu_h1_value_run((const uint8_t *)value.ptr, value.len) == value.len;
}

/* status-line = HTTP-version SP status-code SP [ reason-phrase ] (s4); the last SP may be missing. */
static int parse_status_line(struct nu_h1_head *h, const uint8_t *p, size_t n)
{
    if (n < 12 || p[8] != ' ' || (n > 12 && p[12] != ' '))
        return NU_H1_ERR_SYNTAX;
    int err = parse_version(p, 8, &h->version);
    if (err != 0)
        return err;
    for (size_t i = 9; i < 12; i++)
        if (p[i] < '0' || p[i] > '9')
            return NU_H1_ERR_SYNTAX;
    h->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
    if (h->status < 100)
        return NU_H1_ERR_SYNTAX;
    h->reason = n > 13 ? nu_str_make(p + 13, n - 13) : NU_STR("");
    return value_ok(h->reason) ? 0 : NU_H1_ERR_CHARACTERS;
}

/* ---- what fields mean for the framing ---- */

/* Content-Length = 1*DIGIT, once (s6.2; a repeated equal value is refused as Envoy does). */
static int note_length(struct nu_h1_head *h, nu_str value)
{
    if (h->has_length || !nu_str_to_u64(value, &h->length) || h->length > INT64_MAX)
        return NU_H1_ERR_CONTENT_LENGTH;
    h->has_length = true;
    return 0;
}

/* "chunked" and nothing else, once (s6.1). */
static int note_transfer_encoding(struct nu_h1_head *h, nu_str value)
{
    if (h->has_transfer_encoding || !nu_str_eq_nocase(value, NU_STR("chunked")))
        return NU_H1_ERR_TRANSFER_CODING;
    h->has_transfer_encoding = h->chunked = true;
    return 0;
}

static void note_connection(struct nu_h1_head *h, nu_str list)
{
    while (list.ptr != NULL) {
        nu_str token = nu_str_trim(nu_str_next(&list, ','));
        h->close |= nu_str_eq_nocase(token, NU_STR("close"));
        h->keep_alive |= nu_str_eq_nocase(token, NU_STR("keep-alive"));
        h->upgrade_token |= nu_str_eq_nocase(token, NU_STR("upgrade"));
    }
}

static inline int note_field(struct nu_h1_head *h, const char *name, size_t len, nu_str value)
{
    switch (len) {
    case 4:
        h->n_hosts += memcmp(name, "host", 4) == 0;
        break;
    case 6:
        if (memcmp(name, "expect", 6) == 0)
            h->expect_continue = nu_str_eq_nocase(value, NU_STR("100-continue"));
        break;
    case 7:
        h->has_upgrade |= memcmp(name, "upgrade", 7) == 0;
        break;
    case 10:
        if (memcmp(name, "connection", 10) == 0)
            note_connection(h, value);
        break;
    case 14:
        if (memcmp(name, "content-length", 14) == 0)
            return note_length(h, value);
        break;
    case 17:
        if (memcmp(name, "transfer-encoding", 17) == 0)
            return note_transfer_encoding(h, value);
        break;
    default:
        break;
    }
    return 0;
}

/* ---- field lines ---- */

/* Lower-cases the name up to the colon; its length, 0: not a token followed by ":" (a blank before the colon included). */
static inline size_t field_name(uint8_t *p, size_t n, bool keep_case, bool *underscore)
{
    size_t i = keep_case ? 0 : nu_h1_lower_run(p, n);
    for (; i < n && p[i] != ':'; i++) {
        uint8_t lower = nu_h1_token[p[i]];
        if (lower == 0)
            return 0;
        *underscore |= lower == '_';
        if (!keep_case)
            p[i] = lower;
    }
    return i < n ? i : 0;
}

static nu_str trim_value(const uint8_t *p, size_t n)
{
    while (n > 0 && (p[0] == ' ' || p[0] == '\t')) {
        p++;
        n--;
    }
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
        n--;
    return nu_str_make(p, n);
}

/* The name in lower case for the checks, when the caller wants to keep the original. */
static const char *lower_name(const uint8_t *name, size_t len, char copy[32])
{
    if (len >= 32)
        return (const char *)name; /* longer than any name that matters here */
    for (size_t i = 0; i < len; i++)
        copy[i] = (char)nu_h1_token[name[i]];
    return copy;
}

/* Notes what the field says, and keeps it. */
static inline int take_field(struct nu_h1_head *h, const struct nu_h1_rules *r, const uint8_t *base, const uint8_t *p,
                             size_t name_len, bool underscore, nu_str value)
{
    if (nu_unlikely(underscore) && r->underscores != 0) {
        if (r->underscores == 1)
            return NU_H1_ERR_UNDERSCORE;
        h->n_underscore_dropped++;
        return 0;
    }
    char copy[32];
    const char *name = r->keep_case ? lower_name(p, name_len, copy) : (const char *)p;
    int err = note_field(h, name, name_len, value);
    if (err != 0)
        return err;
    if (h->n >= r->max_fields || h->n >= h->cap)
        return NU_H1_ERR_TOO_MANY_FIELDS;
    h->fields[h->n++] = (struct nu_h1_field){
        .name = (uint32_t)(p - base),
        .name_len = (uint16_t)name_len,
        .value = (uint32_t)((const uint8_t *)value.ptr - base),
        .value_len = (uint32_t)value.len,
    };
    return 0;
}

/* field-line = field-name ":" OWS field-value OWS (s5). 0 or a negative error. */
static int parse_field(struct nu_h1_head *h, const struct nu_h1_rules *r, const uint8_t *base, uint8_t *p, size_t n)
{
    bool underscore = false;
    size_t name_len = field_name(p, n, r->keep_case, &underscore);
    if (name_len == 0 || name_len > UINT16_MAX)
        return NU_H1_ERR_SYNTAX;
    nu_str value = trim_value(p + name_len + 1, n - name_len - 1);
    if (!value_ok(value))
        return NU_H1_ERR_CHARACTERS;
    return take_field(h, r, base, p, name_len, underscore, value);
}

/* obs-fold (s5.2) is refused in requests; a response's is read as blanks. */
static int unfold(const struct nu_h1_rules *r, struct lines *l, uint8_t *line, size_t *len)
{
    while (l->pos < l->n && (l->base[l->pos] == ' ' || l->base[l->pos] == '\t')) {
        uint8_t *more;
        size_t more_len;
        if (r->request)
            return NU_H1_ERR_SYNTAX;
        size_t gap_from = (size_t)(line - l->base) + *len;
        if (!next_line(l, &more, &more_len))
            return NU_H1_ERR_SYNTAX;
        memset(l->base + gap_from, ' ', (size_t)(more - l->base) - gap_from);
        *len = (size_t)(more - line) + more_len;
    }
    return 0;
}

static int parse_field_lines(struct nu_h1_head *h, const struct nu_h1_rules *r, struct lines *l)
{
    uint8_t *line;
    size_t len;
    while (next_line(l, &line, &len)) {
        if (len == 0)
            return 0;
        int err = unfold(r, l, line, &len);
        if (err == 0)
            err = parse_field(h, r, l->base, line, len);
        if (err != 0)
            return err;
    }
    return NU_H1_ERR_SYNTAX;
}

int nu_h1_parse_fields(struct nu_h1_head *h, const struct nu_h1_rules *r, uint8_t *base, size_t n)
{
    struct lines l = {.base = base, .n = n};
    return parse_field_lines(h, r, &l);
}

/* Content-Length beside Transfer-Encoding (s6.1): refused, or the length is dropped. HTTP/1.0 has no chunked. */
static int check_framing(struct nu_h1_head *h, const struct nu_h1_rules *r)
{
    bool bodiless = !r->request && (h->status < 200 || h->status == 204);
    if (bodiless && (h->has_transfer_encoding || h->length > 0)) /* RFC 9112 s6.1, RFC 9110 s8.6 */
        return NU_H1_ERR_SYNTAX;
    if (!h->chunked)
        return 0;
    if (h->version == NU_H1_VERSION_10)
        return NU_H1_ERR_TRANSFER_CODING;
    if (!h->has_length)
        return 0;
    if (!r->allow_chunked_length)
        return NU_H1_ERR_LENGTH_AND_CHUNKED;
    h->has_length = false;
    return 0;
}

static int parse_start_line(struct nu_h1_head *h, const struct nu_h1_rules *r, struct lines *l)
{
    uint8_t *line;
    size_t len;
    *h = (struct nu_h1_head){.fields = h->fields, .cap = h->cap};
    if (!next_line(l, &line, &len))
        return NU_H1_ERR_SYNTAX;
    return r->request ? parse_request_line(h, r, line, len) : parse_status_line(h, line, len);
}

int nu_h1_parse(struct nu_h1_head *h, const struct nu_h1_rules *r, uint8_t *base, size_t n)
{
    struct lines l = {.base = base, .n = n};
    int err = parse_start_line(h, r, &l);
    if (err == 0)
        err = parse_field_lines(h, r, &l);
    return err != 0 ? err : check_framing(h, r);
}

/* ---- the same in one pass, for heads as nearly all are ---- */

static uint8_t *skip_blanks(uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* Behind the line end at p; NULL: there is none, or not all of it. */
static uint8_t *skip_line_end(uint8_t *p, const uint8_t *end)
{
    if (p < end && *p == '\r')
        p++;
    return p < end && *p == '\n' ? p + 1 : NULL;
}

/* One field line at p, and what is behind it; NULL: this one needs the two-step form. A value ends at the first byte that
 * none may have, which is the line end or a fault. */
static inline uint8_t *read_field(struct nu_h1_head *h, const struct nu_h1_rules *r, const uint8_t *base, uint8_t *p,
                                  const uint8_t *end)
{
    bool underscore = false;
    size_t name_len = field_name(p, (size_t)(end - p), r->keep_case, &underscore);
    if (name_len == 0 || name_len > UINT16_MAX)
        return NULL;
    uint8_t *value = skip_blanks(p + name_len + 1, end);
    uint8_t *stop = value + nu_h1_value_run(value, (size_t)(end - value));
    uint8_t *next = skip_line_end(stop, end);
    while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    if (next == NULL || take_field(h, r, base, p, name_len, underscore, nu_str_make(value, (size_t)(stop - value))) != 0)
        return NULL;
    return next;
}

size_t nu_h1_parse_whole(struct nu_h1_head *h, const struct nu_h1_rules *r, uint8_t *base, size_t n)
{
    struct lines l = {.base = base, .n = n};
    if (parse_start_line(h, r, &l) != 0)
        return 0;
    uint8_t *p = base + l.pos, *end = base + n;
    while (p < end && *p > ' ') {
        p = read_field(h, r, base, p, end);
        if (p == NULL)
            return 0;
    }
    p = skip_line_end(p, end);
    if (p == NULL || h->n + h->n_underscore_dropped > h->cap) /* that many lines: the two-step form tells what follows */
        return 0;
    return check_framing(h, r) == 0 ? (size_t)(p - base) : 0;
}
