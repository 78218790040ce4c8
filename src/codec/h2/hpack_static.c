/* SPDX-License-Identifier: Apache-2.0
 *
 * The static table (RFC 7541 appendix A) and the ids that users give its names. */
#include "base/assert.h"
#include "codec/h2/hpack_priv.h"

#define E(n, v, p) {.name = NU_STR_INIT(n), .value = NU_STR_INIT(v), .pseudo = (p)}

const struct hpack_static hpack_static[NU_HPACK_N_STATIC + 1] = {
    E("", "", NU_H2_REGULAR),
    E(":authority", "", NU_H2_AUTHORITY), /* 1 */
    E(":method", "GET", NU_H2_METHOD), /* 2 */
    E(":method", "POST", NU_H2_METHOD), /* 3 */
    E(":path", "/", NU_H2_PATH), /* 4 */
    E(":path", "/index.html", NU_H2_PATH), /* 5 */
    E(":scheme", "http", NU_H2_SCHEME), /* 6 */
    E(":scheme", "https", NU_H2_SCHEME), /* 7 */
    E(":status", "200", NU_H2_STATUS), /* 8 */
    E(":status", "204", NU_H2_STATUS), /* 9 */
    E(":status", "206", NU_H2_STATUS), /* 10 */
    E(":status", "304", NU_H2_STATUS), /* 11 */
    E(":status", "400", NU_H2_STATUS), /* 12 */
    E(":status", "404", NU_H2_STATUS), /* 13 */
    E(":status", "500", NU_H2_STATUS), /* 14 */
    E("accept-charset", "", NU_H2_REGULAR), /* 15 */
    E("accept-encoding", "gzip, deflate", NU_H2_REGULAR), /* 16 */
    E("accept-language", "", NU_H2_REGULAR), /* 17 */
    E("accept-ranges", "", NU_H2_REGULAR), /* 18 */
    E("accept", "", NU_H2_REGULAR), /* 19 */
    E("access-control-allow-origin", "", NU_H2_REGULAR), /* 20 */
    E("age", "", NU_H2_REGULAR), /* 21 */
    E("allow", "", NU_H2_REGULAR), /* 22 */
    E("authorization", "", NU_H2_REGULAR), /* 23 */
    E("cache-control", "", NU_H2_REGULAR), /* 24 */
    E("content-disposition", "", NU_H2_REGULAR), /* 25 */
    E("content-encoding", "", NU_H2_REGULAR), /* 26 */
    E("content-language", "", NU_H2_REGULAR), /* 27 */
    E("content-length", "", NU_H2_REGULAR), /* 28 */
    E("content-location", "", NU_H2_REGULAR), /* 29 */
    E("content-range", "", NU_H2_REGULAR), /* 30 */
    E("content-type", "", NU_H2_REGULAR), /* 31 */
    E("cookie", "", NU_H2_REGULAR), /* 32 */
    E("date", "", NU_H2_REGULAR), /* 33 */
    E("etag", "", NU_H2_REGULAR), /* 34 */
    E("expect", "", NU_H2_REGULAR), /* 35 */
    E("expires", "", NU_H2_REGULAR), /* 36 */
    E("from", "", NU_H2_REGULAR), /* 37 */
    E("host", "", NU_H2_REGULAR), /* 38 */
    E("if-match", "", NU_H2_REGULAR), /* 39 */
    E("if-modified-since", "", NU_H2_REGULAR), /* 40 */
    E("if-none-match", "", NU_H2_REGULAR), /* 41 */
    E("if-range", "", NU_H2_REGULAR), /* 42 */
    E("if-unmodified-since", "", NU_H2_REGULAR), /* 43 */
    E("last-modified", "", NU_H2_REGULAR), /* 44 */
    E("link", "", NU_H2_REGULAR), /* 45 */
    E("location", "", NU_H2_REGULAR), /* 46 */
    E("max-forwards", "", NU_H2_REGULAR), /* 47 */
    E("proxy-authenticate", "", NU_H2_REGULAR), /* 48 */
    E("proxy-authorization", "", NU_H2_REGULAR), /* 49 */
    E("range", "", NU_H2_REGULAR), /* 50 */
    E("referer", "", NU_H2_REGULAR), /* 51 */
    E("refresh", "", NU_H2_REGULAR), /* 52 */
    E("retry-after", "", NU_H2_REGULAR), /* 53 */
    E("server", "", NU_H2_REGULAR), /* 54 */
    E("set-cookie", "", NU_H2_REGULAR), /* 55 */
    E("strict-transport-security", "", NU_H2_REGULAR), /* 56 */
    E("transfer-encoding", "", NU_H2_REGULAR), /* 57 */
    E("user-agent", "", NU_H2_REGULAR), /* 58 */
    E("vary", "", NU_H2_REGULAR), /* 59 */
    E("via", "", NU_H2_REGULAR), /* 60 */
    E("www-authenticate", "", NU_H2_REGULAR), /* 61 */
};

enum { LONGEST_NAME = 27 };

/* Where the names of each length are: the entries, first of each name only, sorted by the length of the name. */
/* clang-format off */
static const uint8_t by_length[52] = {
    21, 60, 33, 34, 37, 38, 45, 59, 4, 22, 50, 19, 32, 35, 54, 2, 6, 8, 36, 51,
    52, 39, 42, 46, 1, 55, 58, 53, 31, 47, 18, 23, 24, 30, 41, 44, 15, 28, 16, 17,
    26, 27, 29, 61, 40, 57, 48, 25, 43, 49, 56, 20,
};
static const uint8_t length_begins[LONGEST_NAME + 2] = {
    0, 0, 0, 0, 2, 8, 11, 15, 21, 24, 24, 27, 28, 30, 36, 38, 40, 44, 46, 47, 50, 50, 50, 50, 50, 50, 51, 51, 52,
};
/* clang-format on */

unsigned hpack_static_name(nu_str name)
{
    if (name.len > LONGEST_NAME)
        return 0;
    for (unsigned i = length_begins[name.len]; i < length_begins[name.len + 1]; i++)
        if (nu_str_eq(hpack_static[by_length[i]].name, name))
            return by_length[i];
    return 0;
}

enum nu_h2_pseudo hpack_pseudo(nu_str name)
{
    if (name.len == 0 || name.ptr[0] != ':')
        return NU_H2_REGULAR;
    unsigned index = hpack_static_name(name);
    if (index != 0)
        return (enum nu_h2_pseudo)hpack_static[index].pseudo;
    return nu_str_eq(name, NU_STR(":protocol")) ? NU_H2_PROTOCOL : NU_H2_REGULAR;
}

static enum nu_hpack_policy policy_of(nu_str name)
{
    static const nu_str plain[] = {NU_STR_INIT("age"), NU_STR_INIT("content-length"), NU_STR_INIT("etag"),
        NU_STR_INIT("if-modified-since"), NU_STR_INIT("if-none-match"), NU_STR_INIT("location"), NU_STR_INIT("set-cookie"),
        NU_STR_INIT("x-request-id"), NU_STR_INIT("traceparent"), NU_STR_INIT("content-range"), NU_STR_INIT("range")};
    if (nu_str_eq(name, NU_STR("authorization")) || nu_str_eq(name, NU_STR("proxy-authorization")))
        return NU_HPACK_NEVER;
    if (nu_str_eq(name, NU_STR("cookie")))
        return NU_HPACK_COOKIE;
    for (size_t i = 0; i < NU_ARRAY_LEN(plain); i++)
        if (nu_str_eq(name, plain[i]))
            return NU_HPACK_PLAIN;
    return NU_HPACK_ADAPTIVE;
}

void nu_hpack_names_init(struct nu_hpack_names *n, uint16_t (*lookup)(nu_str name), const nu_str *text, uint16_t n_ids)
{
    NU_ASSERT(n_ids <= NU_HPACK_MAX_IDS);
    *n = (struct nu_hpack_names){.lookup = lookup, .text = text, .n_ids = n_ids};
    for (uint16_t id = 1; id < n_ids; id++) {
        n->to_static[id] = (uint8_t)hpack_static_name(text[id]);
        n->policy[id] = (uint8_t)policy_of(text[id]);
    }
    for (unsigned i = 1; i <= NU_HPACK_N_STATIC; i++)
        if (hpack_static[i].pseudo == NU_H2_REGULAR)
            n->of_static[i] = lookup(hpack_static[i].name);
}

enum nu_hpack_policy hpack_policy(const struct nu_hpack_names *n, uint16_t id, nu_str name)
{
    return id != 0 ? (enum nu_hpack_policy)n->policy[id] : policy_of(name);
}
