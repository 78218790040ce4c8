/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture of the unit tests of this folder: texts into messages, and what was reported. For *_test.c only, after cmocka. */
#ifndef NU_CODEC_PB_TEST_PRIV_H
#define NU_CODEC_PB_TEST_PRIV_H

#include "base/sb.h"
#include "codec/pb/load.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"

struct fixture {
    struct nu_arena arena;
    struct nu_diags diags;
};

static inline int set_up(void **state)
{
    static struct fixture f;
    nu_arena_init(&f.arena, NULL);
    nu_diags_init(&f.diags);
    *state = &f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    nu_diags_clear(&f->diags);
    nu_arena_clear(&f->arena);
    return 0;
}

/* Forgets what was reported before; messages stay. */
static inline void forget(struct fixture *f)
{
    nu_diags_clear(&f->diags);
    nu_diags_init(&f->diags);
}

static inline struct nu_pb_msg *load_as(struct fixture *f, const char *text, const struct nu_pb_type *type,
                                        enum nu_text_format format)
{
    forget(f);
    struct nu_pb_msg *m = nu_pb_load_text(&f->arena, &f->diags, NU_STR("x"), nu_str_from(text), format, type);
    assert_non_null(m);
    return m;
}

static inline struct nu_pb_msg *load(struct fixture *f, const char *yaml, const struct nu_pb_type *type)
{
    return load_as(f, yaml, type, NU_TEXT_YAML);
}

static inline struct nu_pb_msg *load_json(struct fixture *f, const char *json, const struct nu_pb_type *type)
{
    return load_as(f, json, type, NU_TEXT_JSON);
}

static inline const struct envoy_config_bootstrap_v3_Bootstrap *bootstrap(struct fixture *f, const char *yaml)
{
    return (const void *)load(f, yaml, &envoy_config_bootstrap_v3_Bootstrap_type);
}

/* The report of a kind that has `part` in "path: text"; NULL: none. */
static inline const struct nu_diag *found(struct fixture *f, enum nu_diag_kind kind, const char *part)
{
    for (size_t i = 0; i < f->diags.n; i++) {
        const struct nu_diag *d = &f->diags.items[i];
        nu_str line = nu_arena_printf(&f->arena, "%.*s: %.*s", NU_STR_ARG(d->path), NU_STR_ARG(d->text));
        if (d->kind == kind && nu_str_search(line, nu_str_from(part)) >= 0)
            return d;
    }
    return NULL;
}

static inline void show_reports(struct fixture *f)
{
    for (size_t i = 0; i < f->diags.n; i++)
        print_message("%.*s: %.*s\n", NU_STR_ARG(f->diags.items[i].path), NU_STR_ARG(f->diags.items[i].text));
}

static inline void expect_report(struct fixture *f, enum nu_diag_kind kind, const char *part)
{
    if (found(f, kind, part) == NULL) {
        show_reports(f);
        fail_msg("no report has \"%s\"", part);
    }
}

static inline void expect_no_errors(struct fixture *f)
{
    if (nu_diags_failed(&f->diags)) {
        show_reports(f);
        fail_msg("there are errors");
    }
}

#endif
