/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/h1/target.h"

/* unreserved, sub-delims, ":", "@", "[", "]", "%" (RFC 3986 s3.2). */
static const bool authority_char[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
    ['-'] = true, ['.'] = true, ['_'] = true, ['~'] = true,
    ['!'] = true, ['$'] = true, ['&'] = true, ['\''] = true, ['('] = true, [')'] = true, ['*'] = true, ['+'] = true,
    [','] = true, [';'] = true, ['='] = true, [':'] = true, ['@'] = true, ['['] = true, [']'] = true, ['%'] = true,
};

bool nu_authority_ok(nu_str authority)
{
    for (size_t i = 0; i < authority.len; i++)
        if (!authority_char[(uint8_t)authority.ptr[i]])
            return false;
    return true;
}

bool nu_scheme_ok(nu_str scheme)
{
    for (size_t i = 0; i < scheme.len; i++)
        if (!nu_ascii_alnum(scheme.ptr[i]) && memchr("+-.", scheme.ptr[i], 3) == NULL)
            return false;
    return scheme.len > 0 && nu_ascii_alnum(scheme.ptr[0]) && !nu_ascii_digit(scheme.ptr[0]);
}

static bool host_of_url(nu_str host)
{
    bool v6 = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    nu_str inner = v6 ? nu_str_make(host.ptr + 1, host.len - 2) : host;
    for (size_t i = 0; i < inner.len; i++) {
        char c = inner.ptr[i];
        bool hex = nu_ascii_lower(c) >= 'a' && nu_ascii_lower(c) <= 'f';
        if (v6 ? !(nu_ascii_digit(c) || hex || c == ':' || c == '.') : !(nu_ascii_alnum(c) || c == '-' || c == '.'))
            return false;
    }
    return inner.len > 0;
}

bool nu_authority_of_url(nu_str *authority)
{
    ssize_t at = nu_str_find(*authority, '@');
    if (at >= 0)
        *authority = nu_str_skip(*authority, (size_t)at + 1);
    ssize_t colon = nu_str_rfind(*authority, ':');
    ssize_t bracket = nu_str_rfind(*authority, ']');
    if (colon < 0 || colon < bracket)
        return host_of_url(*authority);
    uint64_t port;
    return nu_str_to_u64(nu_str_skip(*authority, (size_t)colon + 1), &port) && port <= 65535 &&
           host_of_url(nu_str_first(*authority, (size_t)colon));
}

/* "host:port", nothing else. */
static bool connect_target_ok(nu_str target)
{
    nu_str same = target;
    return nu_str_rfind(target, ':') > nu_str_rfind(target, ']') && nu_authority_of_url(&same) && same.len == target.len;
}

unsigned nu_authority_port(nu_str authority, nu_str *host)
{
    ssize_t colon = nu_str_rfind(authority, ':');
    ssize_t bracket = nu_str_rfind(authority, ']');
    uint64_t port;
    *host = authority;
    if (colon < 0 || bracket > colon)
        return 0;
    if (bracket < 0 && nu_str_find(authority, ':') != colon) /* a bare IPv6 address */
        return 0;
    if (!nu_str_to_u64(nu_str_skip(authority, (size_t)colon + 1), &port) || port == 0 || port > 65535)
        return 0;
    *host = nu_str_first(authority, (size_t)colon);
    return (unsigned)port;
}

enum nu_target_form nu_h1_target_split(nu_str target, bool connect, nu_str *scheme, nu_str *authority, nu_str *path)
{
    *scheme = *authority = NU_STR_NONE;
    *path = target;
    if (connect)
        return connect_target_ok(target) ? NU_TARGET_AUTHORITY : NU_TARGET_BAD;
    if (target.len > 0 && target.ptr[0] == '/')
        return NU_TARGET_ORIGIN;
    if (nu_str_eq(target, NU_STR("*")))
        return NU_TARGET_ASTERISK;
    ssize_t at = nu_str_search(target, NU_STR("://"));
    if (at <= 0)
        return NU_TARGET_BAD;
    *scheme = nu_str_first(target, (size_t)at);
    if (!nu_str_eq_nocase(*scheme, NU_STR("http")) && !nu_str_eq_nocase(*scheme, NU_STR("https")))
        return NU_TARGET_BAD;
    nu_str rest = nu_str_skip(target, (size_t)at + 3);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;
    *authority = nu_str_first(rest, end);
    *path = nu_str_skip(rest, end);
    if (path->len == 0)
        *path = NU_STR("/");
    return nu_authority_of_url(authority) ? NU_TARGET_ABSOLUTE : NU_TARGET_BAD;
}

/* ---- normalisation ---- */

static size_t path_len(nu_str path)
{
    ssize_t query = nu_str_find(path, '?');
    return query >= 0 ? (size_t)query : path.len;
}

static bool escape_is(const char *p, size_t n, char high, char low)
{
    return n >= 3 && p[0] == '%' && p[1] == high && nu_ascii_lower(p[2]) == low;
}

/* Dots of a whole segment: 1 for ".", 2 for "..", 0 for anything else. */
static unsigned dots(const char *p, size_t n)
{
    if (n == 1 && p[0] == '.')
        return 1;
    return n == 2 && p[0] == '.' && p[1] == '.' ? 2 : 0;
}

static bool unreserved(char c)
{
    return nu_ascii_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Characters that a canonical path has only escaped. */
static bool must_escape(char c)
{
    return c == '"' || c == '<' || c == '>' || c == '^' || c == '`' || c == '{' || c == '|' || c == '}';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = nu_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool needs_normalizing(nu_str path, size_t end)
{
    for (size_t i = 0; i < end; i++) {
        char c = path.ptr[i];
        if (c == '\\' || c == '%' || must_escape(c) || (c == '/' && i + 1 < end && path.ptr[i + 1] == '.'))
            return true;
    }
    return false;
}

/* A '%' that began no escape begins one when what follows was unescaped ("%2%64" -> "%2d"): it becomes "%25" then, as in
 * Envoy, so that nobody behind unescapes twice. k: bytes in out. Returns how many were added. */
static size_t guard_stray(char *out, size_t k, size_t *stray)
{
    if (*stray == SIZE_MAX || k != *stray + 3)
        return 0;
    char *at = out + *stray;
    if (hex_digit(at[1]) < 0 || hex_digit(at[2]) < 0)
        return 0;
    memmove(at + 3, at + 1, 2);
    memcpy(at + 1, "25", 2);
    *stray = SIZE_MAX;
    return 2;
}

/* Characters as they should be (RFC 3986 s6.2.2.2): unreserved ones plain, forbidden ones escaped, "\" as "/". `out` has
 * room for three times n. The length, or -1 for an escaped NUL. */
static ssize_t canonical_characters(const char *p, size_t n, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t k = 0;
    size_t stray = SIZE_MAX; /* where the last '%' went that began no escape */
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        int high = c == '%' && i + 2 < n ? hex_digit(p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(p[i + 2]) : -1;
        if (low >= 0) {
            char plain = (char)(high << 4 | low);
            if (plain == '\0')
                return -1;
            if (unreserved(plain)) {
                out[k++] = plain;
                i += 2;
                k += guard_stray(out, k, &stray);
                continue;
            }
        } else if (c == '%') {
            stray = k;
        }
        if (must_escape(c)) {
            out[k++] = '%';
            out[k++] = digits[(uint8_t)c >> 4];
            out[k++] = digits[(uint8_t)c & 15];
        } else {
            out[k++] = c == '\\' ? '/' : c;
            k += guard_stray(out, k, &stray);
        }
    }
    return (ssize_t)k;
}

/* Takes dot segments away, in place (RFC 3986 s5.2.4); the length left. */
static size_t remove_dots(char *p, size_t end)
{
    size_t n = 0;
    for (size_t i = 0; i < end;) { /* at a slash */
        size_t start = i + 1, stop = start;
        while (stop < end && p[stop] != '/')
            stop++;
        unsigned k = dots(p + start, stop - start);
        if (k == 2) /* drop the last segment that was written */
            while (n > 0 && p[--n] != '/')
                ;
        p[n++] = '/';
        if (k > 0 && stop < end)
            n--; /* the next slash stands for it */
        if (k == 0) {
            memmove(p + n, p + start, stop - start);
            n += stop - start;
        }
        i = stop;
    }
    if (n == 0)
        p[n++] = '/';
    return n;
}

nu_str nu_path_normalize(nu_str path, struct nu_arena *a)
{
    size_t end = path_len(path);
    if (path.len == 0 || path.ptr[0] != '/')
        return NU_STR_NONE;
    if (!needs_normalizing(path, end))
        return path;
    char *out = nu_arena_alloc(a, 3 * end + path.len - end + 1);
    ssize_t canonical = canonical_characters(path.ptr, end, out);
    if (canonical < 0)
        return NU_STR_NONE;
    size_t n = remove_dots(out, (size_t)canonical);
    memcpy(out + n, path.ptr + end, path.len - end);
    return nu_str_make(out, n + path.len - end);
}

nu_str nu_path_merge_slashes(nu_str path, struct nu_arena *a)
{
    size_t end = path_len(path), n = 0;
    if (nu_str_search(nu_str_first(path, end), NU_STR("//")) < 0)
        return path;
    char *out = nu_arena_alloc(a, path.len);
    for (size_t i = 0; i < end; i++)
        if (path.ptr[i] != '/' || n == 0 || out[n - 1] != '/')
            out[n++] = path.ptr[i];
    memcpy(out + n, path.ptr + end, path.len - end);
    return nu_str_make(out, n + path.len - end);
}

/* '/' or '\' for an escape at p; 0: none. */
static char escaped_slash(const char *p, size_t n)
{
    if (escape_is(p, n, '2', 'f'))
        return '/';
    return escape_is(p, n, '5', 'c') ? '\\' : '\0';
}

bool nu_path_has_escaped_slash(nu_str path)
{
    size_t end = path_len(path);
    for (size_t i = 0; i < end; i++)
        if (path.ptr[i] == '%' && escaped_slash(path.ptr + i, end - i) != '\0')
            return true;
    return false;
}

nu_str nu_path_unescape_slashes(nu_str path, struct nu_arena *a)
{
    size_t end = path_len(path), n = 0;
    char *out = nu_arena_alloc(a, path.len);
    for (size_t i = 0; i < end; i++) {
        char c = escaped_slash(path.ptr + i, end - i);
        out[n++] = c != '\0' ? c : path.ptr[i];
        if (c != '\0')
            i += 2;
    }
    memcpy(out + n, path.ptr + end, path.len - end);
    return nu_str_make(out, n + path.len - end);
}
