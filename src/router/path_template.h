/* SPDX-License-Identifier: Apache-2.0
 *
 * URI templates of path_match_policy and path_rewrite_policy: "/videos/{lang}/{rest=...}". A template is segments between
 * slashes: a literal, "*" (one segment), "**" (any rest, at most once, no operator behind it), or a variable "{name}" /
 * "{name=pattern}" around such; the last one may be followed by a literal suffix. Since nothing but literals follows
 * "**", matching needs no backtracking. The limits are Envoy's: 5 variables, names of 16 characters. */
#ifndef NU_ROUTER_PATH_TEMPLATE_H
#define NU_ROUTER_PATH_TEMPLATE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

struct nu_factory;
struct nu_pb_msg;

#define NU_PATH_TEMPLATE_VARS 5u

struct nu_path_template;

/* Parses a match template into the arena; NULL: *why says what is wrong (static text). */
const struct nu_path_template *nu_path_template_parse(struct nu_arena *a, nu_str text, const char **why);
/* Whether the whole path (no query) matches. */
bool nu_path_template_match(const struct nu_path_template *t, nu_str path);

/* Parses a rewrite template: literals and {name}; NULL: *why. */
const struct nu_path_template *nu_path_rewrite_parse(struct nu_arena *a, nu_str text, const char **why);
/* Whether every variable that the rewrite uses is one of the match's; else *missing is the first that is not. */
bool nu_path_rewrite_fits(const struct nu_path_template *rewrite, const struct nu_path_template *match,
                          nu_str *missing);
/* The rewritten path in `a`; ptr == NULL: the path does not match the match template. */
nu_str nu_path_rewrite_run(const struct nu_path_template *rewrite, const struct nu_path_template *match, nu_str path,
                           struct nu_arena *a);

/* ops of extensions of the categories "envoy.path.match" and "envoy.path.rewrite". create: the template in f->arena;
 * NULL: reported. */
struct nu_path_template_factory {
    const struct nu_path_template *(*create)(struct nu_factory *f, const struct nu_pb_msg *msg);
};

#endif
