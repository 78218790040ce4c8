/* SPDX-License-Identifier: Apache-2.0
 *
 * /clusters, cluster by cluster. */
#include "admin/cluster_list.h"
#include "admin/request.h"
#include "base/regex.h"

struct answer {
    struct nu_cluster_list list;
    size_t at;
    struct nu_json json;
    bool begun;
};

static bool more_text(struct nu_admin_request *r, struct nu_sb *sb, size_t bytes)
{
    struct answer *a = r->state;
    size_t before = sb->len;
    while (a->at < a->list.n && sb->len - before < bytes)
        nu_cluster_text(sb, a->list.items[a->at++]);
    return a->at < a->list.n;
}

static bool more_json(struct nu_admin_request *r, struct nu_sb *sb, size_t bytes)
{
    struct answer *a = r->state;
    size_t before = sb->len;
    a->json.sb = sb;
    if (!a->begun) {
        nu_json_open(&a->json, '{');
        if (a->list.n > 0)
            nu_json_kopen(&a->json, "cluster_statuses", '[');
    }
    a->begun = true;
    while (a->at < a->list.n && sb->len - before < bytes)
        nu_cluster_json(&a->json, a->list.items[a->at++]);
    if (a->at < a->list.n)
        return true;
    if (a->list.n > 0)
        nu_json_close(&a->json, ']');
    nu_json_close(&a->json, '}');
    nu_sb_char(sb, '\n');
    return false;
}

static void done(struct nu_admin_request *r)
{
    struct answer *a = r->state;
    nu_cluster_list_clear(&a->list);
}

void nu_admin_clusters(struct nu_admin_request *r)
{
    struct answer *a = nu_arena_new(r->arena, struct answer);
    nu_str pattern = nu_param_get(&r->params, "filter");
    char why[256];
    struct nu_regex *filter = pattern.len > 0 ? nu_regex_new(pattern, why, sizeof(why)) : NULL;
    if (pattern.len > 0 && filter == NULL) {
        nu_admin_fail(r, 400, "Invalid re2 regex");
        return;
    }
    a->list.filter = filter;
    nu_cluster_list_fill(&a->list, r->admin->server->clusters);
    a->list.filter = NULL;
    nu_regex_free(filter);
    bool json = nu_str_eq(nu_param_get(&r->params, "format"), NU_STR("json"));
    if (json)
        r->content_type = NU_ADMIN_JSON;
    r->state = a;
    r->more = json ? more_json : more_text;
    r->done = done;
}
