/* SPDX-License-Identifier: Apache-2.0
 *
 * What routes and filters of v1 say about headers: matchers, headers to add, and texts with operators. */
#include "config/v1/v1_priv.h"

enum { H_NAME, H_VALUE, H_REGEX, H_RANGE };
static const struct v1_key header_keys[] = {
    [H_NAME] = {"name", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [H_VALUE] = {"value", V1_STRING, 0},
    [H_REGEX] = {"regex", V1_BOOL, 0},
    [H_RANGE] = {"range_match", V1_MAP, 0},
};
static const struct v1_schema header_schema = V1_SCHEMA("a v1 header matcher", header_keys);

enum { A_KEY, A_VALUE };
static const struct v1_key add_keys[] = {
    [A_KEY] = {"key", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [A_VALUE] = {"value", V1_STRING, V1_REQUIRED},
};
static const struct v1_schema add_schema = V1_SCHEMA("a v1 header to add", add_keys);

static void put_string_matcher(struct v1 *c, struct nu_tree *map, struct nu_tree *text, bool is_regex)
{
    struct nu_tree *match = v1_put_map(c, map, "string_match", text->pos);
    if (is_regex)
        v1_put(c, v1_put_map(c, match, "safe_regex", text->pos), "regex", text);
    else
        v1_put(c, match, "exact", text);
}

void v1_put_matcher(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *value, bool is_regex,
                    struct nu_pos pos)
{
    /* v1 took no value and an empty one for "is there". */
    if (value == NULL || value->value->u.text.len == 0)
        v1_put(c, map, "present_match", v1_bool(c, pos, true));
    else
        put_string_matcher(c, map, value->value, is_regex);
}

void v1_add_header(struct v1 *c, struct nu_tree *list, struct nu_pos pos, const char *name, struct nu_tree *text,
                   bool is_regex)
{
    struct nu_tree *header = v1_add_map(c, list, pos);
    v1_put_lit(c, header, "name", pos, name);
    put_string_matcher(c, header, text, is_regex);
}

static bool is_integer(const struct nu_tree *t)
{
    int64_t v;
    return t != NULL && t->kind == NU_TREE_NUMBER && nu_str_to_i64(t->u.text, &v);
}

/* {start, end}: of 64 bits, negative ones too, half open as in v3. */
static void put_range(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *range)
{
    const struct nu_tree *t = range->value;
    if (!is_integer(nu_tree_get(t, NU_STR("start"))) || !is_integer(nu_tree_get(t, NU_STR("end"))) || t->u.map.n != 2) {
        v1_error(c, t->pos, "a range_match is {\"start\": number, \"end\": number}");
        return;
    }
    v1_put(c, map, "range_match", range->value);
}

void v1_headers(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *headers)
{
    struct v1_obj o;
    if (headers == NULL)
        return;
    struct nu_tree *list = nu_tree_find(map, NU_STR("headers")) != NULL ? nu_tree_find(map, NU_STR("headers"))->value
                                                                        : v1_put_list(c, map, "headers", headers->value->pos);
    for (size_t i = 0; i < v1_count(headers); i++) {
        size_t mark = v1_enter(c, "headers", (ssize_t)i);
        const struct nu_tree *t = headers->value->u.list.items[i];
        if (v1_open(c, &o, t, &header_schema)) {
            struct nu_tree *header = v1_add_map(c, list, t->pos);
            v1_copy(c, header, "name", o.m[H_NAME]);
            if (o.m[H_RANGE] != NULL && o.m[H_VALUE] != NULL)
                v1_error(c, t->pos, "\"value\" and \"range_match\" exclude each other");
            else if (o.m[H_RANGE] != NULL)
                put_range(c, header, o.m[H_RANGE]);
            else
                v1_put_matcher(c, header, o.m[H_VALUE], v1_bool_or(o.m[H_REGEX], false), t->pos);
        }
        v1_leave(c, mark);
    }
}

void v1_headers_to_add(struct v1 *c, struct nu_tree *map, const char *key, const struct nu_tree_member *list)
{
    struct v1_obj o;
    if (list == NULL)
        return;
    struct nu_tree *out = v1_put_list(c, map, key, list->value->pos);
    for (size_t i = 0; i < v1_count(list); i++) {
        size_t mark = v1_enter(c, key, (ssize_t)i);
        const struct nu_tree *t = list->value->u.list.items[i];
        if (v1_open(c, &o, t, &add_schema)) {
            struct nu_tree *header = v1_put_map(c, v1_add_map(c, out, t->pos), "header", t->pos);
            v1_copy(c, header, "key", o.m[A_KEY]);
            if (o.m[A_VALUE] != NULL)
                v1_put(c, header, "value", v1_format(c, o.m[A_VALUE]->value));
        }
        v1_leave(c, mark);
    }
}

/* Operators that have another name today; the others are the same. */
static const struct {
    nu_str v1, v3;
} operators[] = {
    {NU_STR_INIT("%DOWNSTREAM_ADDRESS%"), NU_STR_INIT("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")},
    {NU_STR_INIT("%CLIENT_IP%"), NU_STR_INIT("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")},
};

struct nu_tree *v1_format(struct v1 *c, struct nu_tree *text)
{
    struct nu_sb sb = {0};
    for (nu_str rest = text->u.text; rest.len > 0;) {
        size_t i = 0;
        while (i < NU_ARRAY_LEN(operators) && !nu_str_starts(rest, operators[i].v1))
            i++;
        bool found = i < NU_ARRAY_LEN(operators);
        nu_sb_add(&sb, found ? operators[i].v3 : nu_str_first(rest, 1));
        rest = nu_str_skip(rest, found ? operators[i].v1.len : 1);
    }
    struct nu_tree *out = nu_str_eq(nu_sb_str(&sb), text->u.text) ? text : v1_str(c, text->pos, nu_sb_str(&sb));
    nu_sb_free(&sb);
    return out;
}
