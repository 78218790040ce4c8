/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON as Google's writer lays it out: one space a level, characters escaped that break scripts or terminals. */
#include "codec/pb/print_out.h"

#include "base/attr.h"

static void break_line(struct nu_pb_out *o, unsigned level)
{
    nu_sb_char(o->sb, '\n');
    for (unsigned i = 0; i < level; i++)
        nu_sb_char(o->sb, ' ');
}

void nu_pb_out_open(struct nu_pb_out *o, struct nu_pb_out_level *level, bool list)
{
    *level = (struct nu_pb_out_level){.list = list};
    nu_sb_char(o->sb, list ? '[' : '{');
    o->indent++;
}

void nu_pb_out_close(struct nu_pb_out *o, const struct nu_pb_out_level *level)
{
    o->indent--;
    if (level->used && !o->compact)
        break_line(o, o->indent);
    nu_sb_char(o->sb, level->list ? ']' : '}');
}

static void next_member(struct nu_pb_out *o, struct nu_pb_out_level *level)
{
    if (level->used)
        nu_sb_char(o->sb, ',');
    if (!o->compact)
        break_line(o, o->indent);
    level->used = true;
}

void nu_pb_out_key(struct nu_pb_out *o, struct nu_pb_out_level *level, nu_str key)
{
    next_member(o, level);
    nu_pb_out_string(o, key);
    nu_sb_char(o->sb, ':');
    if (!o->compact)
        nu_sb_char(o->sb, ' ');
}

void nu_pb_out_item(struct nu_pb_out *o, struct nu_pb_out_level *level)
{
    next_member(o, level);
}

void nu_pb_out_raw(struct nu_pb_out *o, nu_str text)
{
    nu_sb_add(o->sb, text);
}

/* ---- strings ---- */

/* Characters without a shape of their own, or which reorder or end lines. */
static bool must_escape(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = {
        {0, 0x1f},          {'"', '"'},         {'<', '<'},         {'>', '>'},         {'\\', '\\'},
        {0x7f, 0x9f},       {0xad, 0xad},       {0x600, 0x603},     {0x6dd, 0x6dd},     {0x70f, 0x70f},
        {0x17b4, 0x17b5},   {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x2064},   {0x206a, 0x206f},
        {0xfeff, 0xfeff},   {0xfff9, 0xfffb},   {0x1d173, 0x1d17a}, {0xe0001, 0xe0001}, {0xe0020, 0xe007f},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(ranges); i++)
        if (c >= ranges[i].from && c <= ranges[i].to)
            return true;
    return false;
}

/* The character at *p, which it moves on; bytes that are not UTF-8 are U+FFFD. */
static uint32_t next_char(const uint8_t **p, const uint8_t *end)
{
    uint8_t lead = *(*p)++;
    unsigned more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc2 ? 1 : 0;
    uint32_t c = more == 0 ? lead : lead & (0x3fu >> more);
    if (lead >= 0x80 && (more == 0 || lead > 0xf4 || (size_t)(end - *p) < more))
        return 0xfffd;
    for (unsigned i = 0; i < more; i++) {
        if (((*p)[i] & 0xc0) != 0x80)
            return 0xfffd;
        c = c << 6 | ((*p)[i] & 0x3fu);
    }
    *p += more;
    return c;
}

static void add_escape(struct nu_pb_out *o, uint32_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = c > 0 && c < 0x80 ? strchr(from, (int)c) : NULL;
    if (at != NULL)
        nu_sb_printf(o->sb, "\\%c", to[at - from]);
    else if (c < 0x10000)
        nu_sb_printf(o->sb, "\\u%04x", c);
    else
        nu_sb_printf(o->sb, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 | (c & 0x3ff));
}

void nu_pb_out_string(struct nu_pb_out *o, nu_str text)
{
    const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.len;
    nu_sb_char(o->sb, '"');
    while (p < end) {
        const uint8_t *start = p;
        uint32_t c = next_char(&p, end);
        if (must_escape(c))
            add_escape(o, c);
        else if (c == 0xfffd)
            nu_sb_lit(o->sb, "\xef\xbf\xbd");
        else
            nu_sb_add(o->sb, nu_str_make(start, (size_t)(p - start)));
    }
    nu_sb_char(o->sb, '"');
}
