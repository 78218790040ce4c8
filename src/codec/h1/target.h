/* SPDX-License-Identifier: Apache-2.0
 *
 * Request targets (RFC 9112 s3.2) and authorities (RFC 3986 s3.2), and the path normalisations that the connection manager
 * offers. Pure. */
#ifndef NU_CODEC_H1_TARGET_H
#define NU_CODEC_H1_TARGET_H

#include "base/arena.h"
#include "base/str.h"

enum nu_target_form { NU_TARGET_ORIGIN, NU_TARGET_ABSOLUTE, NU_TARGET_AUTHORITY, NU_TARGET_ASTERISK, NU_TARGET_BAD };

/* What form a target has; for the absolute form also its parts (path "/" when it has none; the query stays with it). */
enum nu_target_form nu_h1_target_split(nu_str target, bool connect, nu_str *scheme, nu_str *authority, nu_str *path);

/* ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ), RFC 3986 s3.1. */
bool nu_scheme_ok(nu_str scheme);
/* Whether all characters may stand in an authority. */
bool nu_authority_ok(nu_str authority);
/* The authority of an absolute target: *authority loses its userinfo. What is left must be a host of letters, digits, "-"
 * and "." (or a bracketed IPv6 address) and perhaps a port, as Envoy's URL parser takes it. */
bool nu_authority_of_url(nu_str *authority);
/* The port of "host:port" ("[v6]:port"), 0: none; *host: what stands before it. */
unsigned nu_authority_port(nu_str authority, nu_str *host);

/* Each takes a path with its query and leaves the query alone; the result is the path itself when nothing changes, else
 * in the arena. */

/* Dot segments, escapes that need not be or must be, and "\\" as "/" (Envoy's normalize_path: RFC 3986 s6.2.2). NU_STR_NONE:
 * it cannot be normalised (an escaped NUL, no slash at the start). */
nu_str nu_path_normalize(nu_str path, struct nu_arena *a);
/* "//" to "/". */
nu_str nu_path_merge_slashes(nu_str path, struct nu_arena *a);
/* Whether the path has an escaped slash or backslash (%2F, %5C). */
bool nu_path_has_escaped_slash(nu_str path);
nu_str nu_path_unescape_slashes(nu_str path, struct nu_arena *a);

#endif
