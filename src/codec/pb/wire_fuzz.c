/* SPDX-License-Identifier: Apache-2.0
 *
 * Wire bytes: the input is a bootstrap. */
#include "codec/pb/fuzz_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nu_arena a;
    struct nu_diags d;
    nu_arena_init(&a, NULL);
    nu_diags_init(&d);
    struct nu_pb_msg *m = nu_pb_decode(&a, &d, NU_STR("x.pb"), nu_str_make(data, size),
                                       &envoy_config_bootstrap_v3_Bootstrap_type, NULL);
    if (m != NULL && !nu_diags_failed(&d)) {
        struct nu_sb text = {0};
        nu_pb_validate(&a, &d, m);
        nu_fuzz_wire_round_trip(&a, m);
        nu_pb_print_json(&text, m, NULL);
        nu_sb_free(&text);
    }
    nu_diags_clear(&d);
    nu_arena_clear(&a);
    return 0;
}
