/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/json.h"

#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"

static void line(struct nu_json *j)
{
    nu_sb_char(j->sb, '\n');
    for (unsigned i = 0; i < j->depth; i++)
        nu_sb_char(j->sb, ' ');
}

/* What comes before a value or a key. */
static void begin(struct nu_json *j)
{
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    if (j->some)
        nu_sb_char(j->sb, ',');
    if (j->depth > 0)
        line(j);
    j->some = true;
}

void nu_json_open(struct nu_json *j, char bracket)
{
    begin(j);
    nu_sb_char(j->sb, bracket);
    j->depth++;
    j->some = false;
}

void nu_json_close(struct nu_json *j, char bracket)
{
    NU_ASSERT(j->depth > 0);
    j->depth--;
    if (j->some)
        line(j);
    nu_sb_char(j->sb, bracket);
    j->some = true; /* the one around it has this */
}

void nu_json_key_str(struct nu_json *j, nu_str name)
{
    begin(j);
    nu_sb_json_str(j->sb, name);
    nu_sb_lit(j->sb, ": ");
    j->after_key = true;
}

void nu_json_key(struct nu_json *j, const char *name)
{
    nu_json_key_str(j, nu_str_from(name));
}

void nu_json_raw(struct nu_json *j, nu_str v)
{
    begin(j);
    nu_sb_add(j->sb, v);
}

void nu_json_str(struct nu_json *j, nu_str v)
{
    begin(j);
    nu_sb_json_str(j->sb, v);
}

void nu_json_u64(struct nu_json *j, uint64_t v)
{
    begin(j);
    nu_sb_u64(j->sb, v);
}

void nu_json_bool(struct nu_json *j, bool v)
{
    nu_json_raw(j, v ? NU_STR("true") : NU_STR("false"));
}

void nu_json_kstr(struct nu_json *j, const char *name, nu_str v)
{
    nu_json_key(j, name);
    nu_json_str(j, v);
}

void nu_json_ku64(struct nu_json *j, const char *name, uint64_t v)
{
    nu_json_key(j, name);
    nu_json_u64(j, v);
}

void nu_json_kbool(struct nu_json *j, const char *name, bool v)
{
    nu_json_key(j, name);
    nu_json_bool(j, v);
}

void nu_json_ku64_text(struct nu_json *j, const char *name, uint64_t v)
{
    char text[20];
    nu_json_kstr(j, name, nu_str_make(text, nu_u64_to_text(text, v)));
}

void nu_json_kopen(struct nu_json *j, const char *name, char bracket)
{
    nu_json_key(j, name);
    nu_json_open(j, bracket);
}

nu_str nu_json_duration_ms(uint64_t ms, char dst[32])
{
    int n = ms % 1000 == 0 ? snprintf(dst, 32, "%llus", (unsigned long long)(ms / 1000))
                           : snprintf(dst, 32, "%llu.%03us", (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
    return nu_str_make(dst, (size_t)n);
}

nu_str nu_json_time(uint64_t wall_ns, char dst[32])
{
    time_t seconds = (time_t)(wall_ns / NU_NS_PER_SEC);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(dst, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(dst + n, 32 - n, ".%03uZ", (unsigned)(wall_ns % NU_NS_PER_SEC / NU_NS_PER_MS));
    return nu_str_make(dst, n);
}
