/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.transport_sockets.tls for upstream connections. */
#include "codec/pb/pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.nu.h"
#include "net/extension.h"
#include "tls/context.h"

static const struct nu_transport_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    return nu_tls_upstream_new(f, NU_PB_AS(msg, envoy_extensions_transport_sockets_tls_v3_UpstreamTlsContext));
}

static const struct nu_transport_factory factory = {.create = create};

const struct nu_extension nu_ext_upstream_transport_tls = {
    .category = "envoy.transport_sockets.upstream",
    .name = "envoy.transport_sockets.tls",
    .config_type = &envoy_extensions_transport_sockets_tls_v3_UpstreamTlsContext_type,
    .ops = &factory,
};
