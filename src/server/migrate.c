/* SPDX-License-Identifier: Apache-2.0 */
#include "server/migrate.h"

#include <stdio.h>

#include "codec/pb/load.h"
#include "codec/yaml/print.h"
#include "config/bootstrap.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"
#include "server/process.h"

int nu_migrate(const char *path)
{
    struct nu_arena a;
    struct nu_diags d;
    struct nu_sb out = {0};
    bool was_v1;
    nu_arena_init(&a, NULL);
    nu_diags_init(&d);
    struct nu_tree *t = nu_bootstrap_tree(&a, &d, &(struct nu_bootstrap_source){.path = nu_str_from(path)}, &was_v1);
    if (t != NULL && !was_v1)
        nu_diag_add(&d, NU_DIAG_ERROR, nu_str_from(path), (struct nu_pos){0}, NU_STR(""),
                    "this is not Envoy's first (v1) format: nothing to migrate");
    else if (t != NULL)
        (void)nu_pb_load(&a, &d, t, &envoy_config_bootstrap_v3_Bootstrap_type); /* adds what is wrong */
    bool ok = t != NULL && !nu_diags_failed(&d);
    nu_report_text(&d, &out);
    fputs(nu_sb_cstr(&out), stderr);
    out.len = 0;
    if (ok)
        nu_yaml_print(&out, t);
    fputs(nu_sb_cstr(&out), stdout);
    nu_sb_free(&out);
    nu_diags_clear(&d);
    nu_arena_clear(&a);
    return ok ? 0 : 1;
}
