/* SPDX-License-Identifier: Apache-2.0
 *
 * type.matcher.v3.StringMatcher and RegexMatcher. Built once from their messages into an arena, immutable, evaluated by any
 * thread without allocation. */
#ifndef NU_NET_STRING_MATCHER_H
#define NU_NET_STRING_MATCHER_H

#include "net/extension.h"

struct nu_regex; /* base/regex.h */
struct envoy_type_matcher_v3_StringMatcher;
struct envoy_type_matcher_v3_RegexMatcher;

enum nu_string_match { NU_MATCH_EXACT, NU_MATCH_PREFIX, NU_MATCH_SUFFIX, NU_MATCH_CONTAINS, NU_MATCH_REGEX };

/* type.matcher.v3.StringMatcher. A regex must match the whole value. */
struct nu_string_matcher {
    enum nu_string_match kind;
    bool ignore_case; /* not for regex */
    nu_str text;      /* the pattern */
    struct nu_regex *regex;
};

/* false: reported. A regex lives as long as f->arena. */
bool nu_string_matcher_build(struct nu_factory *f, const struct envoy_type_matcher_v3_StringMatcher *msg,
                             struct nu_string_matcher *out);
/* A RegexMatcher alone (path regex, safe_regex). NULL: reported. */
struct nu_regex *nu_regex_matcher_build(struct nu_factory *f, const struct envoy_type_matcher_v3_RegexMatcher *msg);
bool nu_string_matcher_match(const struct nu_string_matcher *m, nu_str value);

#endif
