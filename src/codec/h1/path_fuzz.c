/* SPDX-License-Identifier: Apache-2.0
 *
 * Targets and path normalisation: what is normalised stays as it is, keeps its query and has no dot segments. */
#include "base/assert.h"
#include "codec/h1/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static nu_str query_of(nu_str path)
{
    ssize_t at = nu_str_find(path, '?');
    return at < 0 ? NU_STR("") : nu_str_skip(path, (size_t)at);
}

static void check(nu_str before, nu_str after)
{
    NU_ASSERT(after.len <= before.len && nu_str_eq(query_of(before), query_of(after)));
}

static void check_normal(nu_str path, struct nu_arena *a)
{
    nu_str p = nu_path_normalize(path, a);
    if (p.ptr == NULL)
        return;
    NU_ASSERT(p.len <= path.len * 3); /* bytes that may not stand in a path are escaped */
    NU_ASSERT(nu_str_eq(query_of(path), query_of(p)));
    NU_ASSERT(p.ptr[0] == '/');
    NU_ASSERT(nu_str_eq(nu_path_normalize(p, a), p));
    nu_str only = nu_str_first(p, p.len - query_of(p).len), segment;
    while (only.ptr != NULL) {
        segment = nu_str_next(&only, '/');
        NU_ASSERT(!nu_str_eq(segment, NU_STR(".")) && !nu_str_eq(segment, NU_STR("..")));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    nu_str in = nu_str_make(data, size), scheme, authority, path, host;
    for (int connect = 0; connect < 2; connect++)
        if (nu_h1_target_split(in, connect != 0, &scheme, &authority, &path) == NU_TARGET_ABSOLUTE)
            (void)nu_authority_port(authority, &host);
    (void)nu_authority_port(in, &host);
    check_normal(in, &a);
    nu_str merged = nu_path_merge_slashes(in, &a);
    check(in, merged);
    NU_ASSERT(nu_str_search(nu_str_first(merged, merged.len - query_of(merged).len), NU_STR("//")) < 0);
    nu_str plain = nu_path_unescape_slashes(in, &a);
    check(in, plain);
    NU_ASSERT(nu_path_has_escaped_slash(in) || nu_str_eq(in, plain));
    nu_arena_clear(&a);
    return 0;
}
