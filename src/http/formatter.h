/* SPDX-License-Identifier: Apache-2.0
 *
 * Envoy's %OPERATOR% language: parsed once into a compiled program, evaluated over a stream's record without a lock or
 * an allocation of its own. Serves access logs, header values, local reply bodies, direct responses, redirects. A
 * formatter lives in the arena it was parsed into, is immutable and may be run by any worker. */
#ifndef NU_HTTP_FORMATTER_H
#define NU_HTTP_FORMATTER_H

#include "base/arena.h"
#include "base/sb.h"
#include "net/access_log.h"

struct nu_formatter;
struct envoy_config_core_v3_SubstitutionFormatString;
struct google_protobuf_Struct;

/* Why a format was refused. */
struct nu_format_error {
    nu_str text;      /* in the arena of the parse; ptr == NULL: no error */
    size_t position;  /* of the operator in its format, in bytes */
    bool unsupported; /* Envoy takes it, nuncio does not yet */
};

/* Parses a text format. omit_empty: a missing value prints nothing instead of "-". NULL: *err says why. */
const struct nu_formatter *nu_formatter_text(struct nu_arena *a, nu_str format, bool omit_empty,
                                             struct nu_format_error *err);
/* A JSON format: one object and a newline; keys sorted, a lone operator keeps its type, missing values are null (or left
 * out: omit_empty). NULL: *err says why. */
const struct nu_formatter *nu_formatter_json(struct nu_arena *a, const struct google_protobuf_Struct *format,
                                             bool omit_empty, struct nu_format_error *err);
/* core.v3.SubstitutionFormatString, in f->arena. NULL: reported against msg. */
const struct nu_formatter *nu_formatter_build(struct nu_factory *f,
                                              const struct envoy_config_core_v3_SubstitutionFormatString *msg);
/* The same for a text in a message's own field (HeaderValue.value, FileAccessLog.format). */
const struct nu_formatter *nu_formatter_build_text(struct nu_factory *f, const void *msg, const char *field,
                                                   nu_str format, bool omit_empty);
/* Envoy's default access log format; static. */
const struct nu_formatter *nu_formatter_default(void);

/* Appends the result. */
void nu_formatter_run(const struct nu_formatter *f, const struct nu_log_entry *e, struct nu_sb *out);
/* The result in an arena (for header values and bodies). */
nu_str nu_formatter_run_arena(const struct nu_formatter *f, const struct nu_log_entry *e, struct nu_arena *a);
/* Whether the result never depends on the entry; then *text is it. */
bool nu_formatter_is_constant(const struct nu_formatter *f, nu_str *text);
/* SubstitutionFormatString.content_type, "application/json" for a JSON format, else "text/plain". */
nu_str nu_formatter_content_type(const struct nu_formatter *f);

#endif
