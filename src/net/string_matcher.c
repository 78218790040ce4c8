/* SPDX-License-Identifier: Apache-2.0 */
#include "net/string_matcher.h"

#include "base/arena.h"
#include "base/regex.h"
#include "codec/pb/pb.h"
#include "envoy/type/matcher/v3/regex.nu.h"
#include "envoy/type/matcher/v3/string.nu.h"

/* ---- regular expressions ---- */

static void free_regex(void *re)
{
    nu_regex_free(re);
}

static struct nu_regex *compile(struct nu_factory *f, const void *owner, const char *field, nu_str pattern)
{
    char error[256];
    struct nu_regex *re = nu_regex_new(pattern, error, sizeof(error));
    if (re == NULL)
        nu_pb_error(f->diags, owner, field, "%s", error);
    else
        nu_arena_on_clear(f->arena, free_regex, re);
    return re;
}

struct nu_regex *nu_regex_matcher_build(struct nu_factory *f, const struct envoy_type_matcher_v3_RegexMatcher *msg)
{
    struct nu_regex *re = compile(f, msg, "regex", msg->regex);
    const uint32_t *max = msg->google_re2 != NULL ? msg->google_re2->max_program_size : NULL;
    if (re == NULL || max == NULL || nu_regex_program_size(re) <= (int64_t)*max)
        return re;
    nu_pb_error(f->diags, msg->google_re2, "max_program_size",
                "regex '%.*s' RE2 program size of %d > max program size of %u. Increase configured max program size if necessary.",
                NU_STR_ARG(msg->regex), nu_regex_program_size(re), *max);
    return NULL;
}

/* ---- strings ---- */

static bool set_text(struct nu_factory *f, struct nu_string_matcher *out, enum nu_string_match kind, nu_str text)
{
    out->kind = kind;
    out->text = nu_arena_str(f->arena, text);
    return true;
}

bool nu_string_matcher_build(struct nu_factory *f, const struct envoy_type_matcher_v3_StringMatcher *msg,
                             struct nu_string_matcher *out)
{
    *out = (struct nu_string_matcher){.ignore_case = msg->ignore_case};
    switch (msg->match_pattern_case) {
    case envoy_type_matcher_v3_StringMatcher_exact_case:
        return set_text(f, out, NU_MATCH_EXACT, msg->exact);
    case envoy_type_matcher_v3_StringMatcher_prefix_case:
        return set_text(f, out, NU_MATCH_PREFIX, msg->prefix);
    case envoy_type_matcher_v3_StringMatcher_suffix_case:
        return set_text(f, out, NU_MATCH_SUFFIX, msg->suffix);
    case envoy_type_matcher_v3_StringMatcher_contains_case:
        return set_text(f, out, NU_MATCH_CONTAINS, msg->contains);
    case envoy_type_matcher_v3_StringMatcher_safe_regex_case:
        if (msg->ignore_case) {
            nu_pb_error(f->diags, msg, "ignore_case", "ignore_case has no effect for safe_regex.");
            return false;
        }
        out->kind = NU_MATCH_REGEX;
        out->regex = nu_regex_matcher_build(f, msg->safe_regex);
        return out->regex != NULL;
    default:
        nu_pb_error(f->diags, msg, NULL, "a match pattern is required");
        return false;
    }
}

static bool ends_nocase(nu_str s, nu_str suffix)
{
    return s.len >= suffix.len && nu_str_eq_nocase(nu_str_skip(s, s.len - suffix.len), suffix);
}

bool nu_string_matcher_match(const struct nu_string_matcher *m, nu_str value)
{
    switch (m->kind) {
    case NU_MATCH_EXACT:
        return m->ignore_case ? nu_str_eq_nocase(value, m->text) : nu_str_eq(value, m->text);
    case NU_MATCH_PREFIX:
        return m->ignore_case ? nu_str_starts_nocase(value, m->text) : nu_str_starts(value, m->text);
    case NU_MATCH_SUFFIX:
        return m->ignore_case ? ends_nocase(value, m->text) : nu_str_ends(value, m->text);
    case NU_MATCH_CONTAINS:
        return (m->ignore_case ? nu_str_search_nocase(value, m->text) : nu_str_search(value, m->text)) >= 0;
    case NU_MATCH_REGEX:
        return nu_regex_full_match(m->regex, value);
    }
    return false;
}
