/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.transport_sockets.raw_buffer for upstream connections: plain bytes, as without any transport. */
#include "codec/pb/pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.nu.h"
#include "net/extension.h"
#include "net/transport.h"

static const struct nu_transport_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    (void)f;
    (void)msg; /* it has no fields */
    return &nu_raw_buffer;
}

static const struct nu_transport_factory factory = {.create = create};

const struct nu_extension nu_ext_upstream_transport_raw_buffer = {
    .category = "envoy.transport_sockets.upstream",
    .name = "envoy.transport_sockets.raw_buffer",
    .config_type = &envoy_extensions_transport_sockets_raw_buffer_v3_RawBuffer_type,
    .ops = &factory,
};
