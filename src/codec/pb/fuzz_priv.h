/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets of the loader and of the wire reader have in common. For *_fuzz.c only. */
#ifndef NU_CODEC_PB_FUZZ_PRIV_H
#define NU_CODEC_PB_FUZZ_PRIV_H

#include "base/assert.h"
#include "codec/pb/hash.h"
#include "codec/pb/load.h"
#include "codec/pb/print.h"
#include "codec/pb/wire.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"

/* Through the wire and back, a message says the same. */
static inline void nu_fuzz_wire_round_trip(struct nu_arena *a, const struct nu_pb_msg *m)
{
    /* A Struct is three messages a level, a text has 100 levels. */
    static const struct nu_pb_wire_options deep = {.max_depth = 1000};
    struct nu_sb first = {0}, second = {0};
    struct nu_diags d;
    nu_diags_init(&d);
    nu_pb_encode(&first, m);
    const struct nu_pb_msg *again = nu_pb_decode(a, &d, NU_STR("wire"), nu_sb_str(&first), m->type, &deep);
    NU_ASSERT(again != NULL && !nu_diags_failed(&d));
    NU_ASSERT(nu_pb_hash(again) == nu_pb_hash(m));
    nu_pb_encode(&second, again);
    NU_ASSERT(nu_str_eq(nu_sb_str(&first), nu_sb_str(&second)));
    nu_diags_clear(&d);
    nu_sb_free(&first);
    nu_sb_free(&second);
}

/* What is printed as JSON reads back equal, unless it is too deep for a text: one value in place of a list, and an Any from
 * the wire, have fewer levels than their JSON. */
static inline void nu_fuzz_json_round_trip(struct nu_arena *a, const struct nu_pb_msg *m)
{
    struct nu_sb text = {0};
    struct nu_diags d;
    nu_diags_init(&d);
    nu_pb_print_json(&text, m, NULL);
    const struct nu_pb_msg *again = nu_pb_load_text(a, &d, NU_STR("x.json"), nu_sb_str(&text), NU_TEXT_JSON, m->type);
    bool too_deep = d.n > 0 && nu_str_starts(d.items[0].text, NU_STR("nested deeper"));
    NU_ASSERT(too_deep || (again != NULL && !nu_diags_failed(&d) && nu_pb_hash(again) == nu_pb_hash(m)));
    nu_diags_clear(&d);
    nu_sb_free(&text);
}

/* A text as a bootstrap: no crash, and when it has no errors, it survives both round trips. */
static inline void nu_fuzz_text(const uint8_t *data, size_t size, enum nu_text_format format)
{
    struct nu_arena a;
    struct nu_diags d;
    nu_arena_init(&a, NULL);
    nu_diags_init(&d);
    const struct nu_pb_msg *m = nu_pb_load_text(&a, &d, NU_STR("x"), nu_str_make(data, size), format,
                                                &envoy_config_bootstrap_v3_Bootstrap_type);
    if (m != NULL && !nu_diags_failed(&d)) {
        nu_fuzz_wire_round_trip(&a, m);
        nu_fuzz_json_round_trip(&a, m);
    }
    nu_diags_clear(&d);
    nu_arena_clear(&a);
}

#endif
