/* SPDX-License-Identifier: Apache-2.0
 *
 * URI templates: a match template, a rewrite template and a path, one a line. */
#include "base/assert.h"
#include "router/path_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nu_arena a;
    const char *why;
    nu_str rest = nu_str_make(data, size), missing = NU_STR_NONE;
    nu_str match_text = nu_str_next(&rest, '\n');
    nu_str rewrite_text = rest.ptr != NULL ? nu_str_next(&rest, '\n') : NU_STR("");
    nu_str path = rest.ptr != NULL ? rest : NU_STR("/");
    nu_arena_init(&a, NULL);
    const struct nu_path_template *match = nu_path_template_parse(&a, match_text, &why);
    const struct nu_path_template *rewrite = nu_path_rewrite_parse(&a, rewrite_text, &why);
    if (match != NULL) {
        bool hit = nu_path_template_match(match, path);
        if (rewrite != NULL && nu_path_rewrite_fits(rewrite, match, &missing))
            NU_ASSERT((nu_path_rewrite_run(rewrite, match, path, &a).ptr != NULL) == hit);
    }
    nu_arena_clear(&a);
    return 0;
}
