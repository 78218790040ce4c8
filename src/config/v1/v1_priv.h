/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the v1 translation. Each v1 object has a table of its keys (struct v1_schema): v1_open checks a
 * node against it, reports what is wrong, and gives the members by index; a function per object then says what they mean
 * in v3, with the builders below. */
#ifndef NU_CONFIG_V1_V1_PRIV_H
#define NU_CONFIG_V1_V1_PRIV_H

#include "base/sb.h"
#include "config/v1/v1.h"

struct v1 {
    struct nu_arena *arena;
    struct nu_diags *diags;
    const struct nu_tree_doc *doc;
    struct nu_arena *scratch; /* within tcp_proxy.c: what its expansion needs and no node keeps */
    struct nu_sb path;        /* v1's field path of what is being read */
};

/* Reading */

enum v1_type {
    V1_STRING,
    V1_INT,  /* >= 0 */
    V1_BOOL,
    V1_MAP,
    V1_LIST,
};

enum v1_flag {
    V1_REQUIRED = 1 << 0,
    V1_NONEMPTY = 1 << 1,    /* string, list: at least one; integer: more than 0 */
    V1_UNSUPPORTED = 1 << 2, /* v1 has it, nuncio not yet */
    V1_PERCENT = 1 << 3,     /* integer: 0 to 100 */
    V1_STRINGS = 1 << 4,     /* list: of strings */
};

struct v1_key {
    const char *name;
    enum v1_type type;
    unsigned flags;
};

struct v1_schema {
    const char *what; /* "a v1 listener" */
    const struct v1_key *keys;
    size_t n;
};

#define V1_SCHEMA(what_, keys_) {.what = (what_), .keys = (keys_), .n = sizeof(keys_) / sizeof((keys_)[0])}

enum { V1_MAX_KEYS = 32 };

/* A checked object: the member of each key of its schema, NULL where it is absent or wrong. */
struct v1_obj {
    const struct nu_tree *tree;
    const struct nu_tree_member *m[V1_MAX_KEYS];
};

/* Checks `t` against the schema. false: not even a map (reported); otherwise what can be used is in `o`. */
NU_NODISCARD bool v1_open(struct v1 *c, struct v1_obj *o, const struct nu_tree *t, const struct v1_schema *schema);

/* The path grows by ".name", by "[i]", or by ".name[i]" (i < 0: without index); v1_leave(c, what these returned). */
size_t v1_enter(struct v1 *c, const char *name, ssize_t index);
void v1_leave(struct v1 *c, size_t mark);

/* Values of members; the second form's `otherwise` is for NULL. */
static inline nu_str v1_text(const struct nu_tree_member *m)
{
    return m != NULL ? m->value->u.text : NU_STR_NONE;
}
int64_t v1_int_or(const struct nu_tree_member *m, int64_t otherwise);
static inline bool v1_bool_or(const struct nu_tree_member *m, bool otherwise)
{
    return m != NULL ? m->value->u.boolean : otherwise;
}
/* The items of a list member; 0 for NULL. */
static inline size_t v1_count(const struct nu_tree_member *m)
{
    return m != NULL ? m->value->u.list.n : 0;
}

void v1_error(struct v1 *c, struct nu_pos pos, const char *fmt, ...) NU_PRINTF(3, 4);
void v1_unsupported(struct v1 *c, struct nu_pos pos, const char *fmt, ...) NU_PRINTF(3, 4);
void v1_warn(struct v1 *c, struct nu_pos pos, const char *fmt, ...) NU_PRINTF(3, 4);

/* A word of a fixed set and what it is in v3; v3 == NULL: not supported yet. */
struct v1_word {
    const char *v1, *v3;
};
/* What a string member means; NULL: absent, or reported. Ends with {NULL, NULL}. */
const char *v1_word(struct v1 *c, const struct nu_tree_member *m, const struct v1_word *words);
/* The entry that is meant by a text, after a report of the key or word `what`; NULL: none is near. */
const char *v1_nearest(nu_str text, const char *const *names, size_t n);

/* Building: v3 nodes at v1 positions */

struct nu_tree *v1_map(struct v1 *c, struct nu_pos pos);
struct nu_tree *v1_list(struct v1 *c, struct nu_pos pos);
struct nu_tree *v1_str(struct v1 *c, struct nu_pos pos, nu_str text);
struct nu_tree *v1_num(struct v1 *c, struct nu_pos pos, uint64_t value);
struct nu_tree *v1_bool(struct v1 *c, struct nu_pos pos, bool value);
/* A Duration of so many milliseconds: "0.25s". */
struct nu_tree *v1_ms(struct v1 *c, struct nu_pos pos, int64_t ms);

/* Adds to a map, or to a list. The position of the key is that of the value. */
void v1_put(struct v1 *c, struct nu_tree *map, const char *key, struct nu_tree *value);
void v1_add(struct v1 *c, struct nu_tree *list, struct nu_tree *item);
/* The same with new maps and lists, which are returned. */
struct nu_tree *v1_put_map(struct v1 *c, struct nu_tree *map, const char *key, struct nu_pos pos);
struct nu_tree *v1_put_list(struct v1 *c, struct nu_tree *map, const char *key, struct nu_pos pos);
struct nu_tree *v1_add_map(struct v1 *c, struct nu_tree *list, struct nu_pos pos);
void v1_put_lit(struct v1 *c, struct nu_tree *map, const char *key, struct nu_pos pos, const char *text);
/* An Any: map[key] = {"@type": type.googleapis.com/TYPE}, returned to be filled. */
struct nu_tree *v1_put_any(struct v1 *c, struct nu_tree *map, const char *key, struct nu_pos pos, const char *type);
/* An extension: {name, typed_config: {"@type"}} added to a list; the typed_config is returned. */
struct nu_tree *v1_add_ext(struct v1 *c, struct nu_tree *list, struct nu_pos pos, const char *name, const char *type);

/* Members taken over; nothing when NULL. v1_copy shares the node. */
void v1_copy(struct v1 *c, struct nu_tree *map, const char *key, const struct nu_tree_member *m);
void v1_copy_ms(struct v1 *c, struct nu_tree *map, const char *key, const struct nu_tree_member *m);
void v1_copy_word(struct v1 *c, struct nu_tree *map, const char *key, const struct nu_tree_member *m,
                  const struct v1_word *words);
/* map[key] = {numerator, denominator: HUNDRED} (FractionalPercent) */
void v1_put_percent(struct v1 *c, struct nu_tree *map, const char *key, struct nu_pos pos, uint64_t numerator);

/* Parts that several objects have */

enum v1_host_kind {
    V1_IP,   /* tcp://ip:port, unix://path */
    V1_NAME, /* tcp://name:port */
    V1_IP_BARE, /* V1_IP, or ip:port */
};
/* map["address"] = core.v3.Address of a URL; false: reported. */
bool v1_put_address(struct v1 *c, struct nu_tree *map, const struct nu_tree *url, enum v1_host_kind kind);
/* The same of a bare port on all interfaces (1.0 to 1.2). */
void v1_put_any_address(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *port);

/* list "access_log" of v1 -> `access_log` of v3, added to `map`. */
void v1_access_logs(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *logs);
/* One file: path, format (may be empty). Returns the AccessLog. */
struct nu_tree *v1_add_file_log(struct v1 *c, struct nu_tree *list, struct nu_tree *path);

/* Header matchers, added to map["headers"]. */
void v1_headers(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *headers);
/* map[key] = StringMatcher or present_match in place (HeaderMatcher, QueryParameterMatcher). */
void v1_put_matcher(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *value, bool is_regex,
                    struct nu_pos pos);
/* {name, string_match: {exact: text}} / safe_regex, added to a list of HeaderMatcher. */
void v1_add_header(struct v1 *c, struct nu_tree *list, struct nu_pos pos, const char *name, struct nu_tree *text,
                   bool is_regex);
/* [{key, value}] -> map[key] = [HeaderValueOption]. */
void v1_headers_to_add(struct v1 *c, struct nu_tree *map, const char *key, const struct nu_tree_member *list);
/* A text with v1's operators replaced by those of today. */
struct nu_tree *v1_format(struct v1 *c, struct nu_tree *text);

/* Filters: {name, config} */

struct v1_filter {
    const struct nu_tree *tree; /* the whole entry */
    nu_str name;
    struct nu_pos name_pos;
    const struct nu_tree *config; /* a map, empty when absent */
};
/* false: reported. */
NU_NODISCARD bool v1_open_filter(struct v1 *c, struct v1_filter *f, const struct nu_tree *t);
/* Reports a name that is none of `known`, or one of those not supported yet. */
void v1_unknown_filter(struct v1 *c, const struct v1_filter *f, const char *kind, const char *const *known,
                       const char *const *later);

/* The objects */

void v1_listener(struct v1 *c, struct nu_tree *listeners, const struct nu_tree *t);
void v1_hcm(struct v1 *c, struct nu_tree *filters, const struct v1_filter *f);
/* One route of a v1 tcp_proxy that has been chosen: the filter for its cluster. */
void v1_cluster(struct v1 *c, struct nu_tree *clusters, const struct nu_tree *t);
/* ssl_context: a new TransportSocket. */
struct nu_tree *v1_listener_ssl(struct v1 *c, const struct nu_tree_member *m);
struct nu_tree *v1_cluster_ssl(struct v1 *c, const struct nu_tree_member *m);
void v1_route_config(struct v1 *c, struct nu_tree *hcm, const struct nu_tree *t);
void v1_route(struct v1 *c, struct nu_tree *routes, const struct nu_tree *t);
/* Adds typed_per_filter_config of the cors filter for a vhost's or route's `cors`. */
void v1_cors(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *cors, bool of_route);
/* Adds the v3 filters to hcm["http_filters"]; buffer's time goes to `hcm` itself. */
void v1_http_filters(struct v1 *c, struct nu_tree *hcm, const struct nu_tree_member *filters);

/* tcp_proxy: the filter chains of a listener whose last filter it is. `before` has the v3 filters of those before. */
void v1_tcp_chains(struct v1 *c, struct nu_tree *chains, const struct nu_tree *before, const struct v1_filter *f);

#endif
