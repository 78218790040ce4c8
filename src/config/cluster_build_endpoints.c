/* SPDX-License-Identifier: Apache-2.0
 *
 * load_assignment: one block of memory for all endpoints of a cluster, since there may be 10,000 clusters. */
#include "base/alloc.h"
#include "codec/pb/hash.h"
#include "codec/pb/pb.h"
#include "config/cluster_build_priv.h"
#include "envoy/config/endpoint/v3/endpoint.nu.h"
#include "google/protobuf/struct.nu.h"

struct packer {
    struct nu_factory *f;
    enum nu_cluster_type type;
    char *text; /* free part */
};

static nu_str put(struct packer *p, nu_str s)
{
    if (s.len == 0)
        return NU_STR("");
    nu_str copy = nu_str_make(memcpy(p->text, s.ptr, s.len), s.len);
    p->text += s.len;
    return copy;
}

static const struct envoy_config_core_v3_Address *address_of(const struct envoy_config_endpoint_v3_LbEndpoint *e)
{
    return e->endpoint != NULL ? e->endpoint->address : NULL;
}

static size_t text_of_endpoint(const struct envoy_config_endpoint_v3_LbEndpoint *e)
{
    if (e->endpoint == NULL)
        return 0;
    const struct envoy_config_core_v3_Address *a = address_of(e);
    return e->endpoint->hostname.len + (a != NULL && a->socket_address != NULL ? a->socket_address->address.len : 0);
}

static size_t text_of(const struct envoy_config_endpoint_v3_LocalityLbEndpoints *l)
{
    size_t n = 0;
    if (l->locality != NULL)
        n = l->locality->region.len + l->locality->zone.len + l->locality->sub_zone.len;
    for (size_t i = 0; i < l->n_lb_endpoints; i++)
        n += text_of_endpoint(l->lb_endpoints[i]);
    return n;
}

static struct nu_assignment *assignment_new(const struct envoy_config_endpoint_v3_ClusterLoadAssignment *msg,
                                            struct packer *p)
{
    size_t n_localities = msg != NULL ? msg->n_endpoints : 0, n = 0, text = 0;
    for (size_t i = 0; i < n_localities; i++) {
        n += msg->endpoints[i]->n_lb_endpoints;
        text += text_of(msg->endpoints[i]);
    }
    size_t head = sizeof(struct nu_assignment) + n_localities * sizeof(struct nu_locality_conf) +
                  n * sizeof(struct nu_endpoint_conf);
    struct nu_assignment *a = nu_zalloc(head + text);
    a->localities = (void *)(a + 1);
    a->endpoints = (void *)(a->localities + n_localities);
    p->text = (char *)a + head;
    return a;
}

/* ---- one endpoint ---- */

/* metadata.filter_metadata["envoy.lb"].canary */
static bool is_canary(const struct envoy_config_core_v3_Metadata *m)
{
    for (size_t i = 0; m != NULL && i < m->n_filter_metadata; i++) {
        const struct google_protobuf_Struct *s = m->filter_metadata[i].value;
        if (s == NULL || !nu_str_eq(m->filter_metadata[i].key, NU_STR("envoy.lb")))
            continue;
        for (size_t k = 0; k < s->n_fields; k++)
            if (nu_str_eq(s->fields[k].key, NU_STR("canary")) && s->fields[k].value != NULL)
                return s->fields[k].value->bool_value;
    }
    return false;
}

struct nu_labels nu_labels_build(struct nu_arena *a, const struct google_protobuf_Struct *s)
{
    if (s == NULL || s->n_fields == 0)
        return (struct nu_labels){0};
    struct nu_label *items = nu_arena_array(a, struct nu_label, s->n_fields);
    for (size_t i = 0; i < s->n_fields; i++)
        items[i] = (struct nu_label){nu_arena_str(a, s->fields[i].key), nu_pb_hash(s->fields[i].value)};
    return (struct nu_labels){items, (uint32_t)s->n_fields};
}

/* metadata.filter_metadata["envoy.transport_socket_match"] */
static struct nu_labels transport_labels(const struct envoy_config_core_v3_Metadata *m)
{
    struct nu_labels out = {0};
    for (size_t i = 0; m != NULL && i < m->n_filter_metadata; i++) {
        struct nu_arena scratch;
        if (!nu_str_eq(m->filter_metadata[i].key, NU_STR("envoy.transport_socket_match")))
            continue;
        nu_arena_init(&scratch, NULL);
        struct nu_labels l = nu_labels_build(&scratch, m->filter_metadata[i].value);
        nu_labels_free(&out);
        out = nu_labels_copy(&l);
        nu_arena_clear(&scratch);
    }
    return out;
}

static uint32_t health_flags(int32_t status)
{
    switch (status) {
    case envoy_config_core_v3_HealthStatus_UNHEALTHY:
    case envoy_config_core_v3_HealthStatus_TIMEOUT:
        return NU_HEALTH(FAILED_EDS_HEALTH);
    case envoy_config_core_v3_HealthStatus_DRAINING:
        return NU_HEALTH(EDS_STATUS_DRAINING);
    case envoy_config_core_v3_HealthStatus_DEGRADED:
        return NU_HEALTH(DEGRADED_EDS_HEALTH);
    default:
        return 0;
    }
}

static void build_static_address(struct packer *p, const struct envoy_config_core_v3_SocketAddress *sa,
                                 struct nu_endpoint_conf *e)
{
    struct nu_sockaddr sock;
    if (sa->port_specifier_case == envoy_config_core_v3_SocketAddress_named_port_case)
        nu_pb_error(p->f->diags, sa, "named_port",
                    "an IP address needs port_value; names of ports are not resolved. Consider setting the cluster type "
                    "to STRICT_DNS or LOGICAL_DNS");
    else if (!nu_sockaddr_parse_ip(sa->address, (uint16_t)sa->port_value, &sock))
        nu_pb_error(p->f->diags, sa, "address",
                    "malformed IP address: %.*s. Consider setting the cluster type to STRICT_DNS or LOGICAL_DNS",
                    NU_STR_ARG(sa->address));
    else
        e->address = nu_address_from_sock(&sock);
}

static void build_address(struct packer *p, const struct envoy_config_endpoint_v3_LbEndpoint *msg,
                          struct nu_endpoint_conf *e)
{
    const struct envoy_config_core_v3_Address *a = address_of(msg);
    if (a == NULL) {
        nu_pb_error(p->f->diags, msg->endpoint != NULL ? (const void *)msg->endpoint : (const void *)msg, NULL,
                    "endpoint.address must be set");
        return;
    }
    const struct envoy_config_core_v3_SocketAddress *sa = a->socket_address;
    if (a->pipe != NULL)
        e->address = nu_address_unix(a->pipe->path, a->pipe->mode);
    else if (sa == NULL)
        return; /* the loader has said so: the oneof is required */
    else if (p->type == NU_CLUSTER_STATIC)
        build_static_address(p, sa, e);
    else {
        e->dns_name = put(p, sa->address);
        e->port = (uint16_t)sa->port_value;
    }
}

static void build_endpoint(struct packer *p, const struct envoy_config_endpoint_v3_LbEndpoint *msg, uint32_t locality,
                           struct nu_endpoint_conf *e)
{
    build_address(p, msg, e);
    if (msg->endpoint != NULL)
        e->hostname = put(p, msg->endpoint->hostname);
    e->locality = locality;
    e->weight = msg->load_balancing_weight != NULL ? *msg->load_balancing_weight : 1;
    e->health_flags = health_flags(msg->health_status);
    e->canary = is_canary(msg->metadata);
    e->labels = transport_labels(msg->metadata);
}

/* ---- the whole ---- */

static void build_locality(struct packer *p, const struct envoy_config_endpoint_v3_LocalityLbEndpoints *msg,
                           struct nu_locality_conf *l)
{
    *l = (struct nu_locality_conf){.priority = msg->priority,
                                   .weight = msg->load_balancing_weight != NULL ? *msg->load_balancing_weight : 0,
                                   .labels = transport_labels(msg->metadata)};
    if (msg->locality == NULL)
        return;
    l->region = put(p, msg->locality->region);
    l->zone = put(p, msg->locality->zone);
    l->sub_zone = put(p, msg->locality->sub_zone);
}

static void check_logical(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                          const struct nu_assignment *a)
{
    if (a->n_localities == 1 && a->n_endpoints == 1)
        return;
    if (a->n_endpoints == 0)
        nu_pb_error(f->diags, msg, "load_assignment", "LOGICAL_DNS clusters must have a single host");
    else
        nu_pb_error(f->diags, msg, "load_assignment",
                    "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint");
}

struct nu_assignment *nu_assignment_build(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                                          enum nu_cluster_type type)
{
    const struct envoy_config_endpoint_v3_ClusterLoadAssignment *la = msg->load_assignment;
    struct packer p = {.f = f, .type = type};
    struct nu_assignment *a = assignment_new(la, &p);
    for (size_t i = 0; la != NULL && i < la->n_endpoints; i++) {
        const struct envoy_config_endpoint_v3_LocalityLbEndpoints *l = la->endpoints[i];
        build_locality(&p, l, &a->localities[i]);
        for (size_t k = 0; k < l->n_lb_endpoints; k++)
            build_endpoint(&p, l->lb_endpoints[k], (uint32_t)i, &a->endpoints[a->n_endpoints++]);
        a->n_localities++;
    }
    if (type == NU_CLUSTER_LOGICAL_DNS)
        check_logical(f, msg, a);
    return a;
}
