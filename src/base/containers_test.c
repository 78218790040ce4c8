/* SPDX-License-Identifier: Apache-2.0
 *
 * Arenas, buffers, maps and string functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/map.h"
#include "base/sb.h"

static void note(void *arg)
{
    struct nu_sb *order = ((void **)arg)[0];
    nu_sb_add(order, nu_str_from(((char **)arg)[1]));
}

static void arenas_clean_up_in_reverse(void **state)
{
    (void)state;
    struct nu_arena a;
    struct nu_sb order = {0};
    void *one[] = {&order, (char[]){"1"}}, *two[] = {&order, (char[]){"2"}};
    nu_arena_init(&a, NULL);
    nu_arena_on_clear(&a, note, one);
    nu_arena_on_clear(&a, note, two);
    nu_arena_clear(&a);
    assert_true(nu_str_eq(nu_sb_str(&order), NU_STR("21")));
    nu_sb_free(&order);
}

static void arenas_give_aligned_memory_of_any_size(void **state)
{
    (void)state;
    struct nu_arena a;
    nu_arena_init_sized(&a, 256);
    for (size_t n = 0; n < 3000; n += 7) {
        uint8_t *p = nu_arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 0xab, n);
    }
    assert_non_null(nu_arena_array(&a, int, 0));
    nu_str s = nu_arena_printf(&a, "%d-%s", 7, "x");
    assert_true(nu_str_eq(s, NU_STR("7-x")) && s.ptr[s.len] == '\0');
    nu_arena_clear(&a);
    struct nu_arena empty;
    nu_arena_init(&empty, NULL);
    assert_non_null(nu_arena_array(&empty, int, 0));
    nu_arena_clear(&empty);
}

static void arenas_grow_to_huge_pages(void **state)
{
    (void)state;
    struct nu_arena a;
    nu_arena_init_growing(&a, 1024);
    for (unsigned i = 0; i < 6000; i++)
        memset(nu_arena_alloc(&a, 1000), (int)(i & 0xff), 1000);
    memset(nu_arena_alloc(&a, NU_HUGE_PAGE), 1, NU_HUGE_PAGE); /* larger than what a chunk has */
    assert_int_equal(a.chunk_size, NU_HUGE_PAGE);
    nu_arena_clear(&a);
}

/* Memory that is given back may be used again. */
static void spare_chunks_are_trimmed(void **state)
{
    (void)state;
    struct nu_arena_cache cache = {0};
    struct nu_arena a[100];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < NU_ARRAY_LEN(a); i++) {
            nu_arena_init(&a[i], &cache);
            memset(nu_arena_alloc(&a[i], 3000), (int)i, 3000);
        }
        unsigned n = cache.n;
        nu_arena_cache_trim(&cache, 4, false);
        for (unsigned i = 0; i < NU_ARRAY_LEN(a); i++)
            nu_arena_clear(&a[i]);
        assert_int_equal(cache.n, n + NU_ARRAY_LEN(a));
        nu_arena_cache_trim(&cache, 4, false);
        assert_true(cache.n_cold <= n); /* the others were in use since the last time */
        nu_arena_cache_trim(&cache, 4, true);
        assert_int_equal(cache.n_cold, cache.n - 4);
    }
    nu_arena_cache_clear(&cache);
}

/* Random operations on a buffer and on a plain array come to the same bytes. */
static void buffers_hold_what_was_put_in(void **state)
{
    (void)state;
    struct nu_buf_pool pool = {0};
    struct nu_buf b = {0}, other = {0};
    static uint8_t model[1 << 16], piece[5000];
    size_t n = 0;
    nu_buf_pool_init(&pool);
    srand(1);
    for (int round = 0; round < 3000; round++) {
        size_t k = (size_t)rand() % 3000;
        for (size_t i = 0; i < k; i++)
            piece[i] = (uint8_t)rand();
        switch (rand() % 5) {
        case 0:
            if (n + k > sizeof(model))
                break;
            nu_buf_add(&b, &pool, piece, k);
            memcpy(model + n, piece, k);
            n += k;
            break;
        case 1:
            if (n + k > sizeof(model))
                break;
            nu_buf_prepend(&b, &pool, piece, k);
            memmove(model + k, model, n);
            memcpy(model, piece, k);
            n += k;
            break;
        case 2:
            k = k < n ? k : n;
            nu_buf_drain(&b, &pool, k);
            memmove(model, model + k, n - k);
            n -= k;
            break;
        case 3: /* out and in again, at the end */
            k = k < n ? k : n;
            nu_buf_move_n(&other, &b, &pool, k);
            nu_buf_move(&b, &other);
            memcpy(piece, model, k);
            memmove(model, model + k, n - k);
            memcpy(model + n - k, piece, k);
            break;
        case 4:
            k = k < n ? k : n;
            if (k > 0)
                assert_memory_equal(nu_buf_linearize(&b, &pool, k), model, k);
            break;
        }
        nu_buf_check(&b);
        assert_int_equal(b.len, n);
        if (n > 0) {
            size_t from = (size_t)rand() % n;
            uint8_t byte = model[n - 1];
            const uint8_t *hit = memchr(model + from, byte, n - from);
            assert_int_equal(nu_buf_find(&b, byte, from), hit - model);
        }
    }
    static uint8_t got[sizeof(model)];
    nu_buf_copy_out(&b, 0, got, n);
    assert_memory_equal(got, model, n);
    nu_buf_clear(&b, &pool);
    nu_buf_pool_clear(&pool);
}

static void maps_find_what_is_left(void **state)
{
    (void)state;
    static char keys[2000][8];
    struct nu_map m = {0};
    for (size_t i = 0; i < NU_ARRAY_LEN(keys); i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        assert_null(nu_map_put(&m, nu_str_from(keys[i]), keys[i]));
    }
    for (size_t i = 0; i < NU_ARRAY_LEN(keys); i += 3)
        assert_ptr_equal(nu_map_del(&m, nu_str_from(keys[i])), keys[i]);
    for (size_t i = 0; i < NU_ARRAY_LEN(keys); i++)
        assert_ptr_equal(nu_map_get(&m, nu_str_from(keys[i])), i % 3 == 0 ? NULL : keys[i]);
    size_t seen = 0;
    nu_map_foreach(slot, &m) seen++;
    assert_int_equal(seen, m.n);
    assert_ptr_equal(nu_map_put(&m, nu_str_from("k1"), keys[0]), keys[1]);
    assert_null(nu_map_del(&m, NU_STR("none")));
    nu_map_free(&m);
}

static void strings(void **state)
{
    (void)state;
    uint64_t u;
    int64_t i;
    double d;
    assert_true(nu_str_to_u64(NU_STR("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(nu_str_to_u64(NU_STR("18446744073709551616"), &u));
    assert_false(nu_str_to_u64(NU_STR(""), &u) || nu_str_to_u64(NU_STR("+1"), &u) || nu_str_to_u64(NU_STR("1 "), &u));
    assert_true(nu_str_hex_to_u64(NU_STR("fF"), &u) && u == 255);
    assert_true(nu_str_to_i64(NU_STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_false(nu_str_to_i64(NU_STR("9223372036854775808"), &i));
    assert_true(nu_str_to_double(NU_STR("1.5"), &d) && d > 1.4 && d < 1.6);
    assert_int_equal(nu_str_search(NU_STR("abcabd"), NU_STR("abd")), 3);
    assert_int_equal(nu_str_search_nocase(NU_STR("xABD"), NU_STR("abd")), 1);
    assert_int_equal(nu_str_rfind(NU_STR("a:b:c"), ':'), 3);
    assert_true(nu_str_eq(nu_str_trim(NU_STR(" \ta b ")), NU_STR("a b")));
    assert_int_equal(nu_str_distance(NU_STR("adress"), NU_STR("address"), 3), 1);
    nu_str rest = NU_STR("a,,b");
    assert_true(nu_str_eq(nu_str_next(&rest, ','), NU_STR("a")));
    assert_true(nu_str_eq(nu_str_next(&rest, ','), NU_STR("")));
    assert_true(nu_str_eq(nu_str_next(&rest, ','), NU_STR("b")) && rest.ptr == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arenas_clean_up_in_reverse), cmocka_unit_test(arenas_give_aligned_memory_of_any_size),
        cmocka_unit_test(arenas_grow_to_huge_pages), cmocka_unit_test(spare_chunks_are_trimmed),
        cmocka_unit_test(buffers_hold_what_was_put_in), cmocka_unit_test(maps_find_what_is_left),
        cmocka_unit_test(strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
