/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.http.header_mutation: changes headers and trailers of both directions and the query parameters of the
 * request, by its own conf and then by those of the route's levels. */
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.nu.h"
#include "google/protobuf/struct.nu.h"
#include "http/filter.h"
#include "http/formatter.h"
#include "http/header_mutation.h"
#include "http/query.h"

struct query_mutation {
    enum nu_query_action action;
    nu_str key;
    const struct nu_formatter *value; /* NULL: NU_QUERY_REMOVE */
};

/* The conf of one level. */
struct mutations {
    const struct nu_header_mutations *request, *response, *request_trailers, *response_trailers;
    struct query_mutation *query;
    size_t n_query;
};

struct header_mutation_conf {
    struct nu_http_filter_conf base;
    struct mutations own;
    bool most_specific_wins;
};

struct header_mutation {
    struct nu_http_filter base;
    const struct header_mutation_conf *conf;
    const struct mutations *levels[5]; /* in the order of application */
    unsigned n_levels;                 /* 0: not known yet */
};

static struct header_mutation *of(struct nu_http_filter *f)
{
    return nu_container_of(f, struct header_mutation, base);
}

/* The levels of the route that the request had when they were first asked for; the last one wins. */
static void find_levels(struct header_mutation *m)
{
    const void *route[4];
    if (m->n_levels > 0)
        return;
    m->levels[m->n_levels++] = &m->conf->own;
    unsigned n = nu_http_filter_route_confs(&m->base, route);
    for (unsigned i = 0; i < n; i++)
        m->levels[m->n_levels++] = route[m->conf->most_specific_wins ? i : n - 1 - i];
}

static struct nu_log_entry entry_of(struct header_mutation *m)
{
    struct nu_http_stream *s = m->base.stream;
    return (struct nu_log_entry){.info = nu_http_stream_info(s), .request = nu_http_stream_request(s)};
}

static void change_query(const struct mutations *l, struct nu_http_headers *h, const struct nu_log_entry *e)
{
    struct nu_query q;
    if (l->n_query == 0 || h->path.ptr == NULL)
        return;
    nu_query_parse(&q, h->arena, h->path);
    for (size_t i = 0; i < l->n_query; i++) {
        const struct query_mutation *m = &l->query[i];
        nu_str value = m->value != NULL ? nu_formatter_run_arena(m->value, e, h->arena) : NU_STR("");
        nu_query_change(&q, m->action, m->key, value);
    }
    h->path = nu_query_path(&q, h->path);
}

static enum nu_headers_status decode_headers(struct nu_http_filter *f, struct nu_http_headers *h, bool end)
{
    struct header_mutation *m = of(f);
    const struct nu_log_entry e = entry_of(m);
    (void)end;
    find_levels(m);
    for (unsigned i = 0; i < m->n_levels; i++) {
        nu_header_mutations_apply(m->levels[i]->request, h, &e);
        change_query(m->levels[i], h, &e);
    }
    return NU_HEADERS_CONTINUE;
}

static enum nu_trailers_status decode_trailers(struct nu_http_filter *f, struct nu_http_headers *t)
{
    struct header_mutation *m = of(f);
    const struct nu_log_entry e = entry_of(m);
    find_levels(m);
    for (unsigned i = 0; i < m->n_levels; i++)
        nu_header_mutations_apply(m->levels[i]->request_trailers, t, &e);
    return NU_TRAILERS_CONTINUE;
}

static enum nu_headers_status encode_headers(struct nu_http_filter *f, struct nu_http_headers *h, bool end)
{
    struct header_mutation *m = of(f);
    struct nu_log_entry e = entry_of(m);
    (void)end;
    e.response = h;
    find_levels(m);
    for (unsigned i = 0; i < m->n_levels; i++)
        nu_header_mutations_apply(m->levels[i]->response, h, &e);
    return NU_HEADERS_CONTINUE;
}

static enum nu_trailers_status encode_trailers(struct nu_http_filter *f, struct nu_http_headers *t)
{
    struct header_mutation *m = of(f);
    struct nu_log_entry e = entry_of(m);
    e.response = nu_http_stream_response(f->stream);
    e.response_trailers = t;
    find_levels(m);
    for (unsigned i = 0; i < m->n_levels; i++)
        nu_header_mutations_apply(m->levels[i]->response_trailers, t, &e);
    return NU_TRAILERS_CONTINUE;
}

static const struct nu_http_filter_ops filter_ops = {
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
    .encode_headers = encode_headers,
    .encode_trailers = encode_trailers,
};

static void attach(const struct nu_http_filter_conf *conf, struct nu_http_stream *s)
{
    struct header_mutation *m = nu_arena_new(nu_http_stream_arena(s), struct header_mutation);
    m->base.ops = &filter_ops;
    m->conf = (const struct header_mutation_conf *)(const void *)conf;
    nu_http_stream_add_filter(s, &m->base);
}

/* ---- configuration ---- */

typedef struct envoy_extensions_filters_http_header_mutation_v3_Mutations mutations_msg;

static bool refuse(struct nu_factory *f, const void *msg, const char *field, const char *why)
{
    nu_pb_error(f->diags, msg, field, "%s", why);
    return false;
}

static bool build_query_append(struct nu_factory *f, const struct envoy_config_core_v3_KeyValueAppend *a,
                               struct query_mutation *m)
{
    static const enum nu_query_action actions[] = {NU_QUERY_APPEND, NU_QUERY_ADD_IF_ABSENT, NU_QUERY_OVERWRITE_OR_ADD,
                                                   NU_QUERY_OVERWRITE_IF_EXISTS};
    const struct envoy_config_core_v3_KeyValuePair *r = a->record;
    if (r == NULL)
        return refuse(f, a, a->entry != NULL ? "entry" : NULL, "No record specified for append mutation.");
    if (r->value == NULL || r->value->kind_case != google_protobuf_Value_string_value_case)
        return refuse(f, r, "value", "Only string value is allowed for record value.");
    m->action = actions[(size_t)a->action % NU_ARRAY_LEN(actions)];
    m->key = nu_arena_str(f->arena, r->key);
    m->value = nu_formatter_build_text(f, r, "value", r->value->string_value, true);
    return m->value != NULL;
}

static bool build_query(struct nu_factory *f, const struct envoy_config_core_v3_KeyValueMutation *k,
                        struct query_mutation *m)
{
    if (k->append != NULL && k->remove.len > 0)
        return refuse(f, k, "remove", "Only one of 'append'/'remove' can be specified.");
    if (k->append != NULL)
        return build_query_append(f, k->append, m);
    if (k->remove.len == 0)
        return refuse(f, k, NULL, "One of 'append'/'remove' must be specified.");
    *m = (struct query_mutation){.action = NU_QUERY_REMOVE, .key = nu_arena_str(f->arena, k->remove)};
    return true;
}

#define BUILD(list) nu_header_mutations_build_list(f, m, #list, m->list, m->n_##list)

static bool build(struct nu_factory *f, const mutations_msg *m, struct mutations *out)
{
    bool ok = true;
    if (m == NULL)
        return true;
    out->request = BUILD(request_mutations);
    out->response = BUILD(response_mutations);
    out->request_trailers = BUILD(request_trailers_mutations);
    out->response_trailers = BUILD(response_trailers_mutations);
    out->n_query = m->n_query_parameter_mutations;
    out->query = nu_arena_array(f->arena, struct query_mutation, out->n_query);
    for (size_t i = 0; i < out->n_query; i++)
        ok = build_query(f, m->query_parameter_mutations[i], &out->query[i]) && ok;
    return ok && out->request != NULL && out->response != NULL && out->request_trailers != NULL &&
           out->response_trailers != NULL;
}

static const struct nu_http_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg, nu_str stat_prefix)
{
    const struct envoy_extensions_filters_http_header_mutation_v3_HeaderMutation *m =
        NU_PB_AS(msg, envoy_extensions_filters_http_header_mutation_v3_HeaderMutation);
    struct header_mutation_conf *c = nu_arena_new(f->arena, struct header_mutation_conf);
    (void)stat_prefix;
    if (m == NULL || !build(f, m->mutations, &c->own))
        return NULL;
    c->base.attach = attach;
    c->most_specific_wins = m->most_specific_header_mutations_wins;
    return &c->base;
}

static const void *create_route(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_filters_http_header_mutation_v3_HeaderMutationPerRoute *m =
        NU_PB_AS(msg, envoy_extensions_filters_http_header_mutation_v3_HeaderMutationPerRoute);
    struct mutations *c = nu_arena_new(f->arena, struct mutations);
    return m != NULL && build(f, m->mutations, c) ? c : NULL;
}

static const struct nu_http_filter_factory factory = {.create = create, .create_route = create_route};

const struct nu_extension nu_ext_http_filter_header_mutation = {
    .category = "envoy.filters.http",
    .name = "envoy.filters.http.header_mutation",
    .config_type = &envoy_extensions_filters_http_header_mutation_v3_HeaderMutation_type,
    .route_config_type = &envoy_extensions_filters_http_header_mutation_v3_HeaderMutationPerRoute_type,
    .ops = &factory,
};
