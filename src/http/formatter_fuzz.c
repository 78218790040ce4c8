/* SPDX-License-Identifier: Apache-2.0
 *
 * Format strings: parsed, and run over an empty record, which must never fail. */
#include "base/assert.h"
#include "http/formatter.h"
#include "net/stream_info.h"
#include "worker/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const struct nu_formatter *f, struct nu_arena *a)
{
    struct nu_conn_info conn = {.arena = a};
    struct nu_worker worker = {0};
    struct nu_stream_info info = {.arena = a, .conn = &conn, .worker = &worker, .start_ns = 1, .end_ns = 5000000};
    struct nu_log_entry entry = {.info = &info};
    struct nu_sb one = {0}, two = {0};
    nu_formatter_run(f, &entry, &one);
    nu_formatter_run(f, &entry, &two);
    NU_ASSERT(nu_str_eq(nu_sb_str(&one), nu_sb_str(&two)));
    nu_sb_free(&one);
    nu_sb_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nu_arena a;
    struct nu_format_error err = {0};
    nu_arena_init(&a, NULL);
    const struct nu_formatter *f = nu_formatter_text(&a, nu_str_make(data, size), false, &err);
    NU_ASSERT((f == NULL) == (err.text.ptr != NULL));
    bool pure = nu_str_search(nu_str_make(data, size), NU_STR("%HOSTNAME")) < 0;
    if (f != NULL && pure)
        run(f, &a);
    nu_arena_clear(&a);
    return 0;
}
