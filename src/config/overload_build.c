/* SPDX-License-Identifier: Apache-2.0 */
#include "config/overload_build.h"

#include "codec/pb/pb.h"
#include "envoy/config/overload/v3/overload.nu.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.nu.h"
#include "google/protobuf/any.nu.h"

typedef struct envoy_config_overload_v3_ResourceMonitor monitor_msg;
typedef struct envoy_extensions_resource_monitors_downstream_connections_v3_DownstreamConnectionsConfig limit_msg;

static const nu_str limit_name = NU_STR_INIT("envoy.resource_monitors.global_downstream_max_connections");

/* Envoy finds resource monitors by name and type both. */
static bool build_monitor(struct nu_factory *f, const monitor_msg *m, uint64_t *max_connections)
{
    const struct google_protobuf_Any *any = m->typed_config;
    if (any == NULL || any->type_url.len == 0) {
        nu_pb_error(f->diags, m, NULL, "a resource monitor needs a typed_config with a type URL");
        return false;
    }
    const limit_msg *limit =
        NU_PB_AS(any->msg, envoy_extensions_resource_monitors_downstream_connections_v3_DownstreamConnectionsConfig);
    if (limit == NULL) {
        if (any->msg != NULL || !nu_diags_failed(f->diags))
            nu_pb_unsupported(f->diags, m, "typed_config", "the resource monitor %.*s is not supported yet",
                              NU_STR_ARG(any->type_url));
        return false;
    }
    if (!nu_str_eq(m->name, limit_name)) {
        nu_pb_error(f->diags, m, "name", "a resource monitor with this typed_config must have the name '%.*s'",
                    NU_STR_ARG(limit_name));
        return false;
    }
    *max_connections = (uint64_t)limit->max_active_downstream_connections;
    return true;
}

bool nu_overload_build(struct nu_factory *f, const struct envoy_config_overload_v3_OverloadManager *msg,
                       uint64_t *max_connections)
{
    bool ok = true;
    for (size_t i = 0; i < msg->n_resource_monitors; i++) {
        for (size_t k = 0; k < i; k++) {
            if (!nu_str_eq(msg->resource_monitors[i]->name, msg->resource_monitors[k]->name))
                continue;
            nu_pb_error(f->diags, msg->resource_monitors[i], "name", "Duplicate resource monitor %.*s",
                        NU_STR_ARG(msg->resource_monitors[i]->name));
            ok = false;
            break;
        }
        ok = build_monitor(f, msg->resource_monitors[i], max_connections) && ok;
    }
    /* refresh_interval asks how often monitors are polled; this one is always up to date. */
    return ok;
}
