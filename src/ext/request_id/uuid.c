/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.request_id.uuid: request ids are UUIDs (version 4), as without an extension; its options. */
#include "codec/pb/pb.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.nu.h"
#include "http/hcm_conf.h"

static bool build(struct nu_factory *f, const struct nu_pb_msg *msg, struct nu_request_id_options *out)
{
    const struct envoy_extensions_request_id_uuid_v3_UuidRequestIdConfig *m =
        NU_PB_AS(msg, envoy_extensions_request_id_uuid_v3_UuidRequestIdConfig);
    (void)f;
    out->pack_trace_reason = m == NULL || m->pack_trace_reason == NULL || *m->pack_trace_reason;
    /* use_request_id_for_trace_sampling says how tracing draws lots; without a tracing provider, which is refused until
     * there are any, nothing is drawn. */
    return true;
}

static const struct nu_request_id_factory factory = {.build = build};

const struct nu_extension nu_ext_request_id_uuid = {
    .category = "envoy.request_id",
    .name = "envoy.request_id.uuid",
    .config_type = &envoy_extensions_request_id_uuid_v3_UuidRequestIdConfig_type,
    .ops = &factory,
};
