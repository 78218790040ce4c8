/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of tls/: messages out of YAML, and what was reported. */
#ifndef NU_TLS_TEST_LOAD_H
#define NU_TLS_TEST_LOAD_H

#include <stdio.h>

#include "base/assert.h"
#include "codec/pb/load.h"
#include "codec/pb/pb.h"
#include "net/extension.h"

struct test_load {
    struct nu_arena arena;
    struct nu_diags diags;
    struct nu_factory f;
};

static inline void test_load_begin(struct test_load *t)
{
    nu_arena_init(&t->arena, NULL);
    nu_diags_init(&t->diags);
    t->f = (struct nu_factory){.arena = &t->arena, .diags = &t->diags};
}

static inline void test_load_end(struct test_load *t)
{
    nu_diags_clear(&t->diags);
    nu_arena_clear(&t->arena);
}

/* The first thing reported; "" when there is nothing. Forgets all. */
static inline nu_str test_reported(struct test_load *t)
{
    nu_str out = t->diags.n > 0 ? nu_arena_str(&t->arena, t->diags.items[0].text) : NU_STR("");
    nu_diags_clear(&t->diags);
    nu_diags_init(&t->diags);
    return out;
}

/* The message; its YAML must be good. */
static inline const void *test_message(struct test_load *t, const struct nu_pb_type *type, nu_str yaml)
{
    const struct nu_pb_msg *m = nu_pb_load_text(&t->arena, &t->diags, NU_STR("t.yaml"), yaml, NU_TEXT_YAML, type);
    if (t->diags.n > 0)
        fprintf(stderr, "%.*s\n%.*s\n", NU_STR_ARG(t->diags.items[0].text), NU_STR_ARG(yaml));
    NU_ASSERT(m != NULL && t->diags.n == 0);
    return m;
}

#endif
