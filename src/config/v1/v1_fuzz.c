/* SPDX-License-Identifier: Apache-2.0
 *
 * The v1 translation, of JSON: what it makes loads or is reported, and prints as YAML that reads. */
#include "base/assert.h"
#include "codec/json/json.h"
#include "codec/pb/load.h"
#include "codec/yaml/print.h"
#include "config/v1/v1.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nu_arena a;
    struct nu_diags d;
    struct nu_sb yaml = {0};
    nu_arena_init(&a, NULL);
    nu_diags_init(&d);
    const struct nu_tree *v1 = nu_json_read(&a, &d, NU_STR("fuzz.json"), nu_str_make(data, size));
    if (v1 != NULL) {
        (void)nu_v1_recognise(v1);
        const struct nu_tree *v3 = nu_v1_translate(&a, &d, v1);
        (void)nu_pb_load(&a, &d, v3, &envoy_config_bootstrap_v3_Bootstrap_type);
        if (!nu_diags_failed(&d)) {
            nu_yaml_print(&yaml, v3);
            NU_ASSERT(nu_config_parse(&a, &d, NU_STR("fuzz.yaml"), nu_sb_str(&yaml), NU_TEXT_YAML) != NULL);
        }
    }
    nu_sb_free(&yaml);
    nu_diags_clear(&d);
    nu_arena_clear(&a);
    return 0;
}
