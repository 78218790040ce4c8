/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes JSON as Envoy's admin interface lays it out: one space of indentation, "key": value, empty lists and objects as
 * [] and {}. Commas and line breaks come by themselves. */
#ifndef NU_ADMIN_JSON_H
#define NU_ADMIN_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sb.h"

/* Zero-initialise but for sb. Output may be taken out of sb at any time. */
struct nu_json {
    struct nu_sb *sb;
    unsigned depth;
    bool some;      /* the open list or object has something */
    bool after_key; /* a value comes next, on this line */
};

/* '{' or '['; closed by the same letter's partner. */
void nu_json_open(struct nu_json *j, char bracket);
void nu_json_close(struct nu_json *j, char bracket);
void nu_json_key(struct nu_json *j, const char *name);
void nu_json_key_str(struct nu_json *j, nu_str name);

void nu_json_str(struct nu_json *j, nu_str v);
void nu_json_u64(struct nu_json *j, uint64_t v);
void nu_json_bool(struct nu_json *j, bool v);
/* Text that is JSON already, made for indentation j->depth. */
void nu_json_raw(struct nu_json *j, nu_str v);

/* Key and value. */
void nu_json_kstr(struct nu_json *j, const char *name, nu_str v);
void nu_json_ku64(struct nu_json *j, const char *name, uint64_t v);
void nu_json_kbool(struct nu_json *j, const char *name, bool v);
/* As a string: protobuf's form of 64-bit integers. */
void nu_json_ku64_text(struct nu_json *j, const char *name, uint64_t v);
/* Key and '{' or '['. */
void nu_json_kopen(struct nu_json *j, const char *name, char bracket);

/* protobuf's form of a Duration: "5s", "0.200s". */
nu_str nu_json_duration_ms(uint64_t ms, char dst[32]);
/* protobuf's form of a Timestamp, with milliseconds: "2026-01-31T12:00:00.123Z". */
nu_str nu_json_time(uint64_t wall_ns, char dst[32]);

#endif
