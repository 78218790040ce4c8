/* SPDX-License-Identifier: Apache-2.0
 *
 * /config_dump: what is configured, as a list of dumps, each with its list of resources: bootstrap, clusters, listeners,
 * route tables, secrets; the lists of what control planes send are empty. Written resource by resource: a cluster is decoded
 * from its wire bytes when its turn comes. What is sensitive is redacted. */
#include "admin/cluster_list.h"
#include "admin/config_dump_priv.h"
#include "admin/field_mask.h"
#include "admin/node.h"
#include "admin/request.h"
#include "base/regex.h"
#include "codec/pb/print.h"
#include "codec/pb/redact.h"
#include "codec/pb/wire.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"
#include "envoy/config/cluster/v3/cluster.nu.h"
#include "envoy/config/endpoint/v3/endpoint.nu.h"
#include "envoy/config/listener/v3/listener.nu.h"
#include "envoy/config/listener/v3/listener_components.nu.h"
#include "envoy/config/route/v3/route.nu.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.nu.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.nu.h"
#include "google/protobuf/any.nu.h"
#include "listener/listener.h"
#include "tls/secret.h"

typedef struct envoy_config_bootstrap_v3_Bootstrap bootstrap_msg;
typedef struct envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager hcm_msg;

/* One kind of dump, in the order of the answer. */
enum kind { BOOTSTRAP, CLUSTERS, ENDPOINTS, LISTENERS, SCOPED_ROUTES, ROUTES, SECRETS, N_KINDS };

#define MAX_LISTS 3

struct list {
    const char *name;
    const char *element; /* type of its elements: admin.v3.<type>.<element> */
};

struct section {
    const char *type;             /* admin.v3.<type> */
    struct list lists[MAX_LISTS]; /* that may have something; name NULL: no more */
    const char *key;              /* where an element has its message */
    const char *empty_lists[4]; /* fields that are lists and always empty */
    const char *singles[2];    /* fields that are not lists */
};

static const struct section sections[N_KINDS] = {
    [BOOTSTRAP] = {.type = "BootstrapConfigDump", .singles = {"bootstrap", "last_updated"}},
    [CLUSTERS] = {.type = "ClustersConfigDump",
                  .lists = {{"static_clusters", "StaticCluster"}},
                  .key = "cluster",
                  .empty_lists = {"dynamic_active_clusters", "dynamic_warming_clusters"},
                  .singles = {"version_info"}},
    [ENDPOINTS] = {.type = "EndpointsConfigDump",
                   .lists = {{"static_endpoint_configs", "StaticEndpointConfig"}},
                   .key = "endpoint_config",
                   .empty_lists = {"dynamic_endpoint_configs"}},
    [LISTENERS] = {.type = "ListenersConfigDump",
                   .lists = {{"static_listeners", "StaticListener"}},
                   .key = "listener",
                   .empty_lists = {"dynamic_listeners"},
                   .singles = {"version_info"}},
    [SCOPED_ROUTES] = {.type = "ScopedRoutesConfigDump",
                       .empty_lists = {"inline_scoped_route_configs", "dynamic_scoped_route_configs"}},
    [ROUTES] = {.type = "RoutesConfigDump",
                .lists = {{"static_route_configs", "StaticRouteConfig"}},
                .key = "route_config",
                .empty_lists = {"dynamic_route_configs"}},
    [SECRETS] = {.type = "SecretsConfigDump",
                 .lists = {{"static_secrets", "StaticSecret"},
                           {"dynamic_active_secrets", "DynamicSecret"},
                           {"dynamic_warming_secrets", "DynamicSecret"}},
                 .key = "secret"},
};

/* A resource whose message is decoded already. */
struct item {
    void *msg;
    uint64_t updated_wall_ns;
    nu_str name, version; /* only secrets have them; empty: not said */
};

struct items {
    struct item *items;
    size_t n;
};

struct dump {
    struct nu_arena arena;      /* of the bootstrap and what was parsed; the heap */
    struct nu_arena scratch;    /* of one resource */
    bootstrap_msg *bootstrap;
    uint64_t bootstrap_wall_ns;
    struct nu_cluster_list clusters;
    struct items listeners, routes, secrets[MAX_LISTS];
    struct nu_regex *name_regex;
    struct nu_field_mask mask;  /* n == 0: none */
    bool only;                  /* `resource`: elements of one list, not dumps */
    enum kind kind;             /* what comes next: */
    size_t list, at;
    bool begun, section_open, list_open, nothing;
    bool shown[N_KINDS];
    struct nu_json json;
};

/* ---- what there is ---- */

static void *decode_redacted(struct nu_arena *a, nu_str bytes, const struct nu_pb_type *type)
{
    struct nu_diags d;
    nu_diags_init(&d);
    struct nu_pb_msg *m = nu_pb_decode(a, &d, NU_STR("bootstrap"), bytes, type, NULL);
    nu_diags_clear(&d);
    nu_pb_redact(m);
    return m;
}

static bool wanted(const struct dump *d, nu_str name)
{
    return d->name_regex == NULL || nu_regex_full_match(d->name_regex, name);
}

struct lookup {
    nu_str name;
    uint64_t updated_wall_ns;
};

static void look(const struct nu_listener_status *s, void *arg)
{
    struct lookup *l = arg;
    if (nu_str_eq(s->name, l->name))
        l->updated_wall_ns = s->conf->updated_wall_ns;
}

static void add_routes(struct dump *d, const struct envoy_config_listener_v3_FilterChain *c, uint64_t updated_wall_ns)
{
    for (size_t i = 0; i < c->n_filters; i++) {
        const struct google_protobuf_Any *any = c->filters[i]->typed_config;
        const hcm_msg *hcm =
            any != NULL
                ? NU_PB_AS(any->msg, envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager)
                : NULL;
        if (hcm != NULL && hcm->route_config != NULL && wanted(d, hcm->route_config->name))
            d->routes.items[d->routes.n++] =
                (struct item){.msg = hcm->route_config, .updated_wall_ns = updated_wall_ns};
    }
}

static void find_listeners(struct dump *d, struct nu_listener_manager *lm)
{
    const struct envoy_config_bootstrap_v3_Bootstrap_StaticResources *r = d->bootstrap->static_resources;
    size_t n = r != NULL ? r->n_listeners : 0, n_routes = 0;
    for (size_t i = 0; i < n; i++) {
        const struct envoy_config_listener_v3_Listener *l = r->listeners[i];
        for (size_t k = 0; k < l->n_filter_chains; k++)
            n_routes += l->filter_chains[k]->n_filters;
        n_routes += l->default_filter_chain != NULL ? l->default_filter_chain->n_filters : 0;
    }
    d->listeners.items = nu_arena_array(&d->arena, struct item, n);
    d->routes.items = nu_arena_array(&d->arena, struct item, n_routes);
    for (size_t i = 0; i < n; i++) {
        struct envoy_config_listener_v3_Listener *l = r->listeners[i];
        struct lookup found = {.name = l->name, .updated_wall_ns = d->bootstrap_wall_ns};
        nu_listener_manager_each(lm, look, &found);
        if (wanted(d, l->name))
            d->listeners.items[d->listeners.n++] = (struct item){.msg = l, .updated_wall_ns = found.updated_wall_ns};
        for (size_t k = 0; k < l->n_filter_chains; k++)
            add_routes(d, l->filter_chains[k], found.updated_wall_ns);
        if (l->default_filter_chain != NULL)
            add_routes(d, l->default_filter_chain, found.updated_wall_ns);
    }
}

/* Those of SDS without a value yet are warming, as Envoy has it. */
static size_t list_of(const struct nu_secret *s)
{
    return s->is_static ? 0 : s->value != NULL ? 1 : 2;
}

static void count_secret(const struct nu_secret *s, void *arg)
{
    ++((struct dump *)arg)->secrets[list_of(s)].n;
}

static void add_secret(const struct nu_secret *s, void *arg)
{
    struct dump *d = arg;
    struct items *list = &d->secrets[list_of(s)];
    struct nu_sb bytes = {0};
    if (!wanted(d, s->name))
        return;
    struct envoy_extensions_transport_sockets_tls_v3_Secret nameless = {
        .pb.type = &envoy_extensions_transport_sockets_tls_v3_Secret_type, .name = s->name};
    nu_pb_encode(&bytes, s->value != NULL ? s->value : &nameless);
    list->items[list->n++] = (struct item){
        .msg = decode_redacted(&d->arena, nu_sb_str(&bytes), &envoy_extensions_transport_sockets_tls_v3_Secret_type),
        .updated_wall_ns = s->updated_wall_ns,
        .name = nu_arena_str(&d->arena, s->name),
        .version = s->is_static || s->value != NULL ? nu_arena_str(&d->arena, s->version) : NU_STR("uninitialized"),
    };
    nu_sb_free(&bytes);
}

static void find_secrets(struct dump *d, struct nu_secrets *all)
{
    nu_secrets_each(all, count_secret, d);
    for (size_t i = 0; i < MAX_LISTS; i++) {
        d->secrets[i].items = nu_arena_array(&d->arena, struct item, d->secrets[i].n);
        d->secrets[i].n = 0;
    }
    nu_secrets_each(all, add_secret, d);
}

static void find_all(struct dump *d, struct nu_admin *a)
{
    d->bootstrap = decode_redacted(&d->arena, a->hooks->bootstrap(a->hooks->arg), &envoy_config_bootstrap_v3_Bootstrap_type);
    if (d->bootstrap == NULL)
        d->bootstrap = NU_PB_NEW(&d->arena, envoy_config_bootstrap_v3_Bootstrap);
    if (d->bootstrap->node == NULL)
        d->bootstrap->node = NU_PB_NEW(&d->arena, envoy_config_core_v3_Node);
    nu_node_complete(&d->arena, d->bootstrap->node);
    d->bootstrap_wall_ns = a->hooks->bootstrap_loaded_wall_ns(a->hooks->arg);
    find_listeners(d, a->server->listeners);
    find_secrets(d, a->server->secrets);
    d->clusters.exact = d->name_regex;
    nu_cluster_list_fill(&d->clusters, a->server->clusters);
}

static size_t n_elements(const struct dump *d, enum kind k, size_t list)
{
    switch (k) {
    case CLUSTERS:
    case ENDPOINTS:
        return d->clusters.n;
    case LISTENERS:
        return d->listeners.n;
    case ROUTES:
        return d->routes.n;
    case SECRETS:
        return d->secrets[list].n;
    case BOOTSTRAP:
    case SCOPED_ROUTES:
    case N_KINDS:
        break;
    }
    return 0;
}

/* One resource; msg == NULL: its configuration is not there (any more). May live in d->scratch. */
static struct item element(struct dump *d, enum kind k, size_t list, size_t i)
{
    const struct nu_cluster *c = i < d->clusters.n ? d->clusters.items[i] : NULL;
    switch (k) {
    case CLUSTERS:
        if (c->message == NULL)
            break;
        return (struct item){.msg = decode_redacted(&d->scratch, nu_str_make(c->message, c->message_len),
                                                    &envoy_config_cluster_v3_Cluster_type),
                             .updated_wall_ns = c->updated_wall_ns};
    case ENDPOINTS:
        return (struct item){.msg = nu_dump_endpoints(&d->scratch, c)};
    case LISTENERS:
        return d->listeners.items[i];
    case ROUTES:
        return d->routes.items[i];
    case SECRETS:
        return d->secrets[list].items[i];
    case BOOTSTRAP:
    case SCOPED_ROUTES:
    case N_KINDS:
        break;
    }
    return (struct item){0};
}

static const struct nu_pb_type *element_type(enum kind k)
{
    switch (k) {
    case CLUSTERS:
        return &envoy_config_cluster_v3_Cluster_type;
    case ENDPOINTS:
        return &envoy_config_endpoint_v3_ClusterLoadAssignment_type;
    case LISTENERS:
        return &envoy_config_listener_v3_Listener_type;
    case ROUTES:
        return &envoy_config_route_v3_RouteConfiguration_type;
    case SECRETS:
        return &envoy_extensions_transport_sockets_tls_v3_Secret_type;
    case BOOTSTRAP:
    case SCOPED_ROUTES:
    case N_KINDS:
        break;
    }
    return NULL;
}

/* ---- masks ---- */

static bool in_list(nu_str name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n && names[i] != NULL; i++)
        if (nu_str_eq(name, nu_str_from(names[i])))
            return true;
    return false;
}

/* Which of the lists it is; MAX_LISTS: none of those that may have something. */
static size_t find_list(const struct section *s, nu_str name)
{
    for (size_t i = 0; i < MAX_LISTS && s->lists[i].name != NULL; i++)
        if (nu_str_eq(name, nu_str_from(s->lists[i].name)))
            return i;
    return MAX_LISTS;
}

static bool is_list(const struct section *s, nu_str name)
{
    return find_list(s, name) < MAX_LISTS || in_list(name, s->empty_lists, NU_ARRAY_LEN(s->empty_lists));
}

static bool is_single(const struct section *s, nu_str name)
{
    return in_list(name, s->singles, NU_ARRAY_LEN(s->singles));
}

/* Whether a whole dump has that path. */
static bool dump_has(enum kind k, nu_str path)
{
    nu_str rest = path, first = nu_str_next(&rest, '.');
    if (!is_list(&sections[k], first) && !is_single(&sections[k], first))
        return false;
    if (rest.ptr == NULL)
        return true;
    return k == BOOTSTRAP && nu_str_eq(first, NU_STR("bootstrap")) &&
           nu_field_mask_path_valid(&envoy_config_bootstrap_v3_Bootstrap_type, rest);
}

/* Whether an element of a dump's list has that path. */
static bool element_has(enum kind k, nu_str path)
{
    nu_str rest = path, first = nu_str_next(&rest, '.');
    if (nu_str_eq(first, NU_STR("last_updated")) && k != ENDPOINTS)
        return rest.ptr == NULL;
    if (k == SECRETS && (nu_str_eq(first, NU_STR("name")) || nu_str_eq(first, NU_STR("version_info"))))
        return rest.ptr == NULL;
    return nu_str_eq(first, nu_str_from(sections[k].key)) &&
           (rest.ptr == NULL || nu_field_mask_path_valid(element_type(k), rest));
}

static bool all_paths(const struct dump *d, enum kind k, bool (*has)(enum kind, nu_str))
{
    for (size_t i = 0; i < d->mask.n; i++)
        if (!has(k, d->mask.paths[i]))
            return false;
    return true;
}

/* Whether the mask lets a field through; *below: what it wants of the field's message (n == 0: all of it). */
static bool masked(struct dump *d, struct nu_arena *a, const char *field, struct nu_field_mask *below)
{
    bool all;
    *below = (struct nu_field_mask){0};
    if (d->mask.n == 0)
        return true;
    *below = nu_field_mask_below(a, &d->mask, nu_str_from(field), &all);
    if (all)
        below->n = 0;
    return all || below->n > 0;
}

/* ---- writing ---- */

static void print(struct nu_json *j, const void *msg, bool as_any)
{
    struct nu_sb text = {0};
    nu_pb_print_json(&text, msg, &(struct nu_pb_print_options){.as_any = as_any, .indent = j->depth});
    nu_json_raw(j, nu_sb_str(&text));
    nu_sb_free(&text);
}

static void write_type(struct nu_json *j, const char *type, const char *element_name)
{
    struct nu_sb text = {0};
    nu_sb_printf(&text, "type.googleapis.com/envoy.admin.v3.%s", type);
    if (element_name != NULL)
        nu_sb_printf(&text, ".%s", element_name);
    nu_json_kstr(j, "@type", nu_sb_str(&text));
    nu_sb_free(&text);
}

static void write_time(struct nu_json *j, uint64_t wall_ns)
{
    char text[32];
    if (wall_ns != 0)
        nu_json_kstr(j, "last_updated", nu_json_time(wall_ns, text));
}

static void write_text(struct dump *d, const char *name, nu_str text)
{
    struct nu_field_mask none;
    if (text.len > 0 && (!d->only || masked(d, &d->scratch, name, &none)))
        nu_json_kstr(&d->json, name, text);
}

static void write_element(struct dump *d, size_t i)
{
    const struct section *s = &sections[d->kind];
    struct nu_field_mask below = {0}, none;
    struct item item = element(d, d->kind, d->list, i);
    if (item.msg == NULL)
        return;
    nu_json_open(&d->json, '{');
    if (d->only)
        write_type(&d->json, s->type, s->lists[d->list].element);
    if (d->kind == SECRETS) {
        write_text(d, "name", item.name);
        write_text(d, "version_info", item.version);
        if (!d->only || masked(d, &d->scratch, "last_updated", &none))
            write_time(&d->json, item.updated_wall_ns);
    }
    if (!d->only || masked(d, &d->scratch, s->key, &below)) {
        if (below.n > 0)
            nu_field_mask_trim(item.msg, &below);
        nu_json_key(&d->json, s->key);
        print(&d->json, item.msg, true);
    }
    if (d->kind != SECRETS && (!d->only || masked(d, &d->scratch, "last_updated", &none)))
        write_time(&d->json, item.updated_wall_ns);
    nu_json_close(&d->json, '}');
    nu_arena_clear(&d->scratch);
}

static void write_bootstrap(struct dump *d)
{
    struct nu_field_mask below, none;
    nu_json_open(&d->json, '{');
    write_type(&d->json, sections[BOOTSTRAP].type, NULL);
    if (masked(d, &d->scratch, "bootstrap", &below)) {
        if (below.n > 0)
            nu_field_mask_trim(d->bootstrap, &below);
        nu_json_key(&d->json, "bootstrap");
        print(&d->json, d->bootstrap, false);
    }
    if (masked(d, &d->scratch, "last_updated", &none))
        write_time(&d->json, d->bootstrap_wall_ns);
    nu_json_close(&d->json, '}');
    nu_arena_clear(&d->scratch);
}

static void open_section(struct dump *d)
{
    if (!d->only) {
        nu_json_open(&d->json, '{');
        write_type(&d->json, sections[d->kind].type, NULL);
        d->list = 0;
    }
    d->section_open = true;
}

/* Whether there is a list to write, now or after this one. */
static bool has_list(const struct dump *d)
{
    return d->list < MAX_LISTS && sections[d->kind].lists[d->list].name != NULL;
}

/* One that has nothing is not begun. */
static void open_list(struct dump *d)
{
    const char *name = sections[d->kind].lists[d->list].name;
    struct nu_field_mask none;
    d->at = 0;
    d->list_open = d->only || (n_elements(d, d->kind, d->list) > 0 && masked(d, &d->scratch, name, &none));
    if (!d->list_open)
        d->list++;
    else if (!d->only)
        nu_json_kopen(&d->json, name, '[');
}

static void close_list(struct dump *d)
{
    if (!d->only)
        nu_json_close(&d->json, ']');
    d->list_open = false;
    d->list = d->only ? MAX_LISTS : d->list + 1;
}

static void close_section(struct dump *d)
{
    if (!d->only)
        nu_json_close(&d->json, '}');
    d->section_open = false;
    d->kind++;
}

/* One step of the answer. */
static void step(struct dump *d)
{
    if (!d->shown[d->kind]) {
        d->kind++;
    } else if (d->kind == BOOTSTRAP) {
        write_bootstrap(d);
        d->kind++;
    } else if (!d->section_open) {
        open_section(d);
    } else if (!has_list(d)) {
        close_section(d);
    } else if (!d->list_open) {
        open_list(d);
    } else if (d->at < n_elements(d, d->kind, d->list)) {
        write_element(d, d->at++);
    } else {
        close_list(d);
    }
}

static bool more(struct nu_admin_request *r, struct nu_sb *sb, size_t bytes)
{
    struct dump *d = r->state;
    size_t before = sb->len;
    d->json.sb = sb;
    if (!d->begun) {
        nu_json_open(&d->json, '{');
        if (!d->nothing)
            nu_json_kopen(&d->json, "configs", '[');
    }
    d->begun = true;
    while (d->kind < N_KINDS && sb->len - before < bytes)
        step(d);
    if (d->kind < N_KINDS)
        return true;
    if (!d->nothing)
        nu_json_close(&d->json, ']');
    nu_json_close(&d->json, '}');
    nu_sb_char(sb, '\n');
    return false;
}

static void done(struct nu_admin_request *r)
{
    struct dump *d = r->state;
    nu_regex_free(d->name_regex);
    nu_cluster_list_clear(&d->clusters);
    nu_arena_clear(&d->scratch);
    nu_arena_clear(&d->arena);
}

/* ---- parameters ---- */

/* `resource`: the list of one dump. false: answered. */
static bool choose_resource(struct nu_admin_request *r, struct dump *d, nu_str resource, bool eds)
{
    for (enum kind k = 0; k < N_KINDS; k++) {
        const struct section *s = &sections[k];
        if (k == ENDPOINTS && !eds)
            continue;
        if (is_single(s, resource)) {
            nu_admin_fail(r, 400, "%.*s is not a repeated field. Use ?mask=%.*s to get only this field",
                          NU_STR_ARG(resource), NU_STR_ARG(resource));
            return false;
        }
        if (!is_list(s, resource))
            continue;
        d->only = true;
        d->list = find_list(s, resource);
        d->nothing = d->list == MAX_LISTS || n_elements(d, k, d->list) == 0;
        d->shown[k] = !d->nothing;
        if (!d->nothing && !all_paths(d, k, element_has)) {
            nu_admin_fail(r, 400, "FieldMask %.*s could not be successfully used.",
                          NU_STR_ARG(nu_param_get(&r->params, "mask")));
            return false;
        }
        return true;
    }
    nu_admin_fail(r, 404, "%.*s not found in config dump", NU_STR_ARG(resource));
    return false;
}

/* All dumps, or those that have every path of the mask. false: answered. */
static bool choose_all(struct nu_admin_request *r, struct dump *d, bool eds)
{
    bool any = false;
    for (enum kind k = 0; k < N_KINDS; k++) {
        d->shown[k] = (k != ENDPOINTS || eds) && all_paths(d, k, dump_has);
        any = any || d->shown[k];
    }
    if (!any)
        nu_admin_fail(r, 400, "FieldMask %.*s could not be successfully applied to any configs.",
                      NU_STR_ARG(nu_param_get(&r->params, "mask")));
    return any;
}

static bool read_regex(struct nu_admin_request *r, struct dump *d)
{
    char why[256];
    nu_str pattern = nu_param_get(&r->params, "name_regex");
    if (pattern.len == 0)
        return true;
    d->name_regex = nu_regex_new(pattern, why, sizeof(why));
    if (d->name_regex == NULL)
        nu_admin_fail(r, 400, "INVALID_ARGUMENT: Error while parsing name_regex from %.*s: %s", NU_STR_ARG(pattern), why);
    return d->name_regex != NULL;
}

void nu_admin_config_dump(struct nu_admin_request *r)
{
    struct dump *d = nu_arena_new(r->arena, struct dump);
    nu_str resource = nu_param_get(&r->params, "resource");
    bool eds = nu_param_has(&r->params, "include_eds");
    nu_arena_init_sized(&d->arena, 65536);
    nu_arena_init(&d->scratch, NULL);
    r->state = d;
    r->done = done;
    r->content_type = NU_ADMIN_PLAIN;
    if (!read_regex(r, d))
        return;
    d->mask = nu_field_mask_parse(&d->arena, nu_param_get(&r->params, "mask"));
    find_all(d, r->admin);
    if (resource.len > 0 ? choose_resource(r, d, resource, eds) : choose_all(r, d, eds)) {
        r->content_type = NU_ADMIN_JSON;
        r->more = more;
    }
}
