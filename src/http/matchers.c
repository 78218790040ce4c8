/* SPDX-License-Identifier: Apache-2.0 */
#include "http/matchers.h"

#include "codec/pb/pb.h"
#include "envoy/config/route/v3/route_components.nu.h"

/* ---- headers ---- */

static nu_str lower(struct nu_arena *a, nu_str s)
{
    char *p = nu_arena_cstr(a, s);
    for (size_t i = 0; i < s.len; i++)
        p[i] = nu_ascii_lower(p[i]);
    return nu_str_make(p, s.len);
}

static bool set_text(struct nu_factory *f, struct nu_string_matcher *out, enum nu_string_match kind, nu_str text)
{
    *out = (struct nu_string_matcher){.kind = kind, .text = nu_arena_str(f->arena, text)};
    return true;
}

static bool header_pattern(struct nu_factory *f, const struct envoy_config_route_v3_HeaderMatcher *msg,
                           struct nu_header_matcher *out)
{
    out->kind = NU_HEADER_STRING;
    switch (msg->header_match_specifier_case) {
    case envoy_config_route_v3_HeaderMatcher_exact_match_case:
        return set_text(f, &out->string, NU_MATCH_EXACT, msg->exact_match);
    case envoy_config_route_v3_HeaderMatcher_prefix_match_case:
        return set_text(f, &out->string, NU_MATCH_PREFIX, msg->prefix_match);
    case envoy_config_route_v3_HeaderMatcher_suffix_match_case:
        return set_text(f, &out->string, NU_MATCH_SUFFIX, msg->suffix_match);
    case envoy_config_route_v3_HeaderMatcher_contains_match_case:
        return set_text(f, &out->string, NU_MATCH_CONTAINS, msg->contains_match);
    case envoy_config_route_v3_HeaderMatcher_safe_regex_match_case:
        out->string.kind = NU_MATCH_REGEX;
        out->string.regex = nu_regex_matcher_build(f, msg->safe_regex_match);
        return out->string.regex != NULL;
    case envoy_config_route_v3_HeaderMatcher_string_match_case:
        return nu_string_matcher_build(f, msg->string_match, &out->string);
    case envoy_config_route_v3_HeaderMatcher_range_match_case:
        out->kind = NU_HEADER_RANGE;
        out->range_start = msg->range_match->start;
        out->range_end = msg->range_match->end;
        return true;
    case envoy_config_route_v3_HeaderMatcher_present_match_case:
        out->kind = msg->present_match ? NU_HEADER_PRESENT : NU_HEADER_ABSENT;
        return true;
    default:
        out->kind = NU_HEADER_PRESENT;
        return true;
    }
}

bool nu_header_matcher_build(struct nu_factory *f, const struct envoy_config_route_v3_HeaderMatcher *msg,
                             struct nu_header_matcher *out)
{
    *out = (struct nu_header_matcher){.name = lower(f->arena, msg->name),
                                      .invert = msg->invert_match,
                                      .missing_as_empty = msg->treat_missing_header_as_empty};
    return header_pattern(f, msg, out);
}

static bool in_range(const struct nu_header_matcher *m, nu_str value)
{
    int64_t v;
    return nu_str_to_i64(value, &v) && v >= m->range_start && v < m->range_end;
}

static bool value_matches(const struct nu_header_matcher *m, nu_str value)
{
    switch (m->kind) {
    case NU_HEADER_PRESENT:
        return true;
    case NU_HEADER_ABSENT:
        return false;
    case NU_HEADER_RANGE:
        return in_range(m, value);
    case NU_HEADER_STRING:
        return nu_string_matcher_match(&m->string, value);
    }
    return false;
}

/* Of several values of one name, any may match, as in Envoy. */
static bool any_matches(const struct nu_header_matcher *m, const struct nu_http_headers *h, nu_str first)
{
    if (value_matches(m, first))
        return true;
    if (h == NULL || first.ptr == NULL || m->name.ptr[0] == ':')
        return false;
    nu_headers_foreach(e, h)
        if (nu_str_eq(e->name, m->name) && value_matches(m, e->value))
            return true;
    return false;
}

bool nu_header_matcher_match(const struct nu_header_matcher *m, const struct nu_http_headers *h)
{
    nu_str value = h != NULL ? nu_headers_get(h, m->name) : NU_STR_NONE;
    if (value.ptr == NULL && m->missing_as_empty)
        value = NU_STR("");
    if (value.ptr == NULL) {
        /* A missing header matches only what asks for its absence; inversion counts for presence alone. */
        bool absent = m->kind == NU_HEADER_ABSENT;
        return (absent || m->kind == NU_HEADER_PRESENT) && absent != m->invert;
    }
    return any_matches(m, h, value) != m->invert;
}

bool nu_header_matchers_build(struct nu_factory *f, struct envoy_config_route_v3_HeaderMatcher **msgs, size_t n,
                              struct nu_header_matchers *out)
{
    bool ok = true;
    out->items = nu_arena_array(f->arena, struct nu_header_matcher, n);
    out->n = n;
    for (size_t i = 0; i < n; i++)
        ok = nu_header_matcher_build(f, msgs[i], &out->items[i]) && ok;
    return ok;
}

bool nu_header_matchers_match(const struct nu_header_matchers *m, const struct nu_http_headers *h)
{
    for (size_t i = 0; i < m->n; i++)
        if (!nu_header_matcher_match(&m->items[i], h))
            return false;
    return true;
}

/* ---- query parameters ---- */

bool nu_query_matcher_build(struct nu_factory *f, const struct envoy_config_route_v3_QueryParameterMatcher *msg,
                            struct nu_query_matcher *out)
{
    *out = (struct nu_query_matcher){.name = nu_arena_str(f->arena, msg->name)};
    if (msg->string_match != NULL)
        return nu_string_matcher_build(f, msg->string_match, &out->string);
    out->present_only = true;
    out->want_present = msg->query_parameter_match_specifier_case !=
                            envoy_config_route_v3_QueryParameterMatcher_present_match_case ||
                        msg->present_match;
    return true;
}

nu_str nu_query_param(nu_str path, nu_str name)
{
    ssize_t query = nu_str_find(path, '?');
    if (query < 0)
        return NU_STR_NONE;
    nu_str rest = nu_str_skip(path, (size_t)query + 1);
    ssize_t fragment = nu_str_find(rest, '#');
    if (fragment >= 0)
        rest = nu_str_first(rest, (size_t)fragment);
    while (rest.ptr != NULL) {
        nu_str pair = nu_str_next(&rest, '&');
        ssize_t eq = nu_str_find(pair, '=');
        nu_str key = eq >= 0 ? nu_str_first(pair, (size_t)eq) : pair;
        if (nu_str_eq(key, name))
            return eq >= 0 ? nu_str_skip(pair, (size_t)eq + 1) : NU_STR("");
    }
    return NU_STR_NONE;
}

bool nu_query_matcher_match(const struct nu_query_matcher *m, nu_str path)
{
    nu_str value = nu_query_param(path, m->name);
    if (m->present_only)
        return (value.ptr != NULL) == m->want_present;
    return value.ptr != NULL && nu_string_matcher_match(&m->string, value);
}

/* ---- cookies ---- */

static nu_str strip_quotes(nu_str s)
{
    if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
        return (nu_str){s.ptr + 1, s.len - 2};
    return s;
}

nu_str nu_cookie_value(const struct nu_http_headers *h, nu_str name)
{
    if (!nu_headers_has_id(h, NU_HDR_COOKIE))
        return NU_STR_NONE;
    nu_headers_foreach(e, h) {
        nu_str rest = e->id == NU_HDR_COOKIE ? e->value : NU_STR_NONE;
        while (rest.ptr != NULL) {
            nu_str pair = nu_str_trim(nu_str_next(&rest, ';'));
            ssize_t eq = nu_str_find(pair, '=');
            if (eq >= 0 && nu_str_eq(nu_str_trim(nu_str_first(pair, (size_t)eq)), name))
                return strip_quotes(nu_str_trim(nu_str_skip(pair, (size_t)eq + 1)));
        }
    }
    return NU_STR_NONE;
}
