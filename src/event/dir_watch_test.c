/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "event/dir_watch.h"

static char dir[64];
static struct nu_loop *loop;
static struct nu_dir_watcher *watcher;

struct one {
    struct nu_dir_watch w;
    unsigned n;
    struct one *ends; /* another one to end */
};

static void on_event(struct nu_dir_watch *w)
{
    struct one *o = nu_container_of(w, struct one, w);
    o->n++;
    if (o->ends != NULL)
        nu_dir_watch_end(&o->ends->w);
}

static const char *path(const char *name)
{
    static char text[4][128];
    static unsigned i;
    i = (i + 1) % 4;
    snprintf(text[i], sizeof(text[i]), "%s/%s", dir, name);
    return text[i];
}

static void put(const char *name)
{
    FILE *f = fopen(path(name), "w");
    assert_non_null(f);
    assert_true(fputs("x", f) >= 0);
    fclose(f);
}

static void move(const char *from, const char *to)
{
    assert_int_equal(rename(path(from), path(to)), 0);
}

static void begin_one(struct one *o, const char *name, bool modified)
{
    assert_int_equal(nu_dir_watch_begin(watcher, &o->w, nu_str_from(dir), nu_str_from(name), modified, on_event), 0);
}

static int begin(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/nuncio-dir-XXXXXX");
    assert_non_null(mkdtemp(dir));
    loop = nu_loop_new();
    watcher = nu_dir_watcher_new(loop);
    return 0;
}

static int end(void **state)
{
    (void)state;
    nu_dir_watcher_free(&watcher);
    nu_loop_turn(loop, NU_MS(0));
    nu_loop_free(&loop);
    static const char *const names[] = {"a", "b", "c", "new"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(path(names[i]));
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

static void hears_of_moves(void **state)
{
    (void)state;
    struct one a = {0}, any = {0}, written = {0};
    put("a");
    begin_one(&a, "a", false);
    begin_one(&any, "", false);
    begin_one(&written, "a", true);
    nu_loop_turn(loop, NU_MS(0));
    assert_int_equal(a.n + any.n + written.n, 0);
    put("new");
    put("a");
    nu_loop_turn(loop, NU_MS(0));
    assert_int_equal(a.n, 0);
    assert_int_equal(any.n, 0);
    assert_int_equal(written.n, 1);
    move("new", "a");
    nu_loop_turn(loop, NU_MS(0));
    assert_int_equal(a.n, 1);
    assert_int_equal(any.n, 1);
    assert_int_equal(written.n, 2);
    put("new");
    move("new", "b");
    put("new");
    move("new", "c");
    nu_loop_turn(loop, NU_MS(0));
    assert_int_equal(a.n, 1);
    assert_int_equal(any.n, 2);
    nu_dir_watch_end(&any.w);
    nu_dir_watch_end(&any.w);
    put("new");
    move("new", "a");
    nu_loop_turn(loop, NU_MS(0));
    assert_int_equal(a.n, 2);
    assert_int_equal(any.n, 2);
    nu_dir_watch_end(&a.w);
    nu_dir_watch_end(&written.w);
}

static void may_end_others_while_telling(void **state)
{
    (void)state;
    struct one b = {0}, a = {.ends = &b};
    begin_one(&a, "", false);
    begin_one(&b, "", false);
    put("new");
    move("new", "a");
    nu_loop_turn(loop, NU_MS(0));
    assert_int_equal(a.n, 1);
    assert_int_equal(b.n, 0);
    a.ends = &a;
    move("a", "b");
    nu_loop_turn(loop, NU_MS(0));
    move("b", "a");
    nu_loop_turn(loop, NU_MS(0));
    assert_int_equal(a.n, 2);
}

static void says_when_there_is_no_directory(void **state)
{
    (void)state;
    struct one a = {0};
    assert_true(nu_dir_watch_begin(watcher, &a.w, NU_STR("/does/not/exist"), NU_STR(""), false, on_event) < 0);
    put("a");
    assert_true(nu_dir_watch_begin(watcher, &a.w, nu_str_from(path("a")), NU_STR(""), false, on_event) < 0);
    nu_dir_watch_end(&a.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hears_of_moves, begin, end),
        cmocka_unit_test_setup_teardown(may_end_others_while_telling, begin, end),
        cmocka_unit_test_setup_teardown(says_when_there_is_no_directory, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
