/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions: RE2 behind a C interface (Envoy's syntax, semantics, linear time). A compiled expression is
 * immutable and may be used by any thread. */
#ifndef NU_BASE_REGEX_H
#define NU_BASE_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nu_regex;

/* Compiles; NULL: refused, with RE2's reason in error (NUL-terminated, at most cap bytes). Free with nu_regex_free. */
struct nu_regex *nu_regex_new(nu_str pattern, char *error, size_t cap);
/* The same for what Envoy gives to std::regex (stats_tags): RE2 where it takes the pattern, else ECMAScript with lookahead.
 * Only nu_regex_search may be used with it. */
struct nu_regex *nu_regex_new_ecma(nu_str pattern, char *error, size_t cap);
void nu_regex_free(struct nu_regex *re);

/* The whole text / some part of it matches. */
bool nu_regex_full_match(const struct nu_regex *re, nu_str text);
bool nu_regex_partial_match(const struct nu_regex *re, nu_str text);

/* Whether `rewrite` (\0 to \9) may be used with re; false: reason in error. */
bool nu_regex_check_rewrite(const struct nu_regex *re, nu_str rewrite, char *error, size_t cap);
/* Replaces every match by the rewrite; the result is in the arena (the text itself when nothing matched). */
nu_str nu_regex_replace_all(const struct nu_regex *re, nu_str text, nu_str rewrite, struct nu_arena *a);
/* Captures of a full match: group i (0: all) into out[i], at most n; returns how many groups there are + 1, 0: no match.
 * A group that took no part has ptr == NULL. */
unsigned nu_regex_captures(const struct nu_regex *re, nu_str text, nu_str *out, unsigned n);
/* The same for the first part of the text that matches. */
unsigned nu_regex_search(const struct nu_regex *re, nu_str text, nu_str *out, unsigned n);
/* RE2's program size, which RegexMatcher.google_re2.max_program_size limits. */
int nu_regex_program_size(const struct nu_regex *re);

#ifdef __cplusplus
}
#endif

#endif
