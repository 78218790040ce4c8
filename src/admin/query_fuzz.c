/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters of admin requests, as a query and as a field mask. */
#include "admin/field_mask.h"
#include "admin/query.h"
#include "base/assert.h"
#include "codec/pb/pb.h"
#include "envoy/config/cluster/v3/cluster.nu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    nu_str text = nu_str_make(data, size);
    struct nu_params p = nu_params_parse(&a, text);
    NU_ASSERT(p.n <= NU_PARAMS_MAX);
    struct nu_field_mask mask = nu_field_mask_parse(&a, nu_param_get(&p, "mask"));
    struct nu_field_mask valid = {.paths = nu_arena_array(&a, nu_str, mask.n + 1)};
    for (size_t i = 0; i < mask.n; i++)
        if (nu_field_mask_path_valid(&envoy_config_cluster_v3_Cluster_type, mask.paths[i]))
            valid.paths[valid.n++] = mask.paths[i];
    nu_field_mask_trim(NU_PB_NEW(&a, envoy_config_cluster_v3_Cluster), &valid);
    nu_arena_clear(&a);
    return 0;
}
