/* SPDX-License-Identifier: Apache-2.0 */
#include "net/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/filesystem_stats.h"
#include "stats/stats.h"

#define PATIENCE_MS 20000
#define NEVER NU_SECONDS(3600)
/* As in log_writer.c: what may wait in one worker's buffer. */
#define MAX_WAITING (4u << 20)

struct fixture {
    char folder[64], path[96];
    struct nu_workers *all;
    struct nu_stats *stats;
    struct nu_log_writer *lw;
};

static struct fixture *fixture_new(nu_ms flush, size_t min_bytes)
{
    struct fixture *f = calloc(1, sizeof(*f));
    snprintf(f->folder, sizeof(f->folder), "/tmp/log_writer_test.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/log", f->folder);
    f->all = nu_workers_new(2); /* their threads do not run: this one is all workers */
    f->stats = nu_stats_new(f->all->n + 2);
    f->all->stats = f->stats;
    f->lw = nu_log_writer_new(f->all, flush, min_bytes);
    return f;
}

static void fixture_free(struct fixture *f)
{
    char command[128];
    nu_log_writer_free(&f->lw);
    nu_workers_free(&f->all);
    nu_stats_free(&f->stats);
    snprintf(command, sizeof(command), "rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
}

static struct nu_log_file *open_log(struct fixture *f)
{
    struct nu_log_file *file = nu_log_file_open(f->lw, nu_str_from(f->path));
    assert_non_null(file);
    return file;
}

static void put(const struct fixture *f, struct nu_log_file *file, unsigned worker, const char *line)
{
    nu_log_file_write(file, &f->all->workers[worker], nu_str_from(line));
}

static char *content(const char *path)
{
    static char text[256];
    FILE *in = fopen(path, "re");
    size_t n = in != NULL ? fread(text, 1, sizeof(text) - 1, in) : 0;
    text[n] = '\0';
    if (in != NULL)
        fclose(in);
    return text;
}

static void wait_content(const char *path, const char *wanted)
{
    for (int i = 0; i < PATIENCE_MS && strcmp(content(path), wanted) != 0; i++)
        usleep(1000);
    assert_string_equal(content(path), wanted);
}

static uint64_t stat_of(const struct fixture *f, unsigned index)
{
    struct nu_scope *s =
        nu_scope_get(f->stats, &nu_filesystem_layout, NU_STR("filesystem."), NU_STR("filesystem."), NULL, 0);
    uint64_t v = nu_stat_read(s, index, NULL);
    nu_scope_unref(&s);
    return v;
}

static void lines_wait_for_a_flush(void **state)
{
    struct fixture *f = fixture_new(NEVER, 1u << 20);
    struct nu_log_file *file = open_log(f);
    (void)state;
    put(f, file, 0, "one\n");
    put(f, file, 0, "two\n");
    put(f, file, 1, "other worker\n");
    assert_string_equal(content(f->path), "");
    nu_log_writer_flush(f->lw);
    assert_string_equal(content(f->path), "one\ntwo\nother worker\n");
    assert_int_equal(stat_of(f, NU_FS_write_buffered), 3);
    assert_int_equal(stat_of(f, NU_FS_write_completed), 2); /* one a worker */
    nu_log_writer_flush(f->lw); /* nothing is there */
    assert_int_equal(stat_of(f, NU_FS_write_completed), 2);
    nu_log_file_unref(&file);
    fixture_free(f);
}

static void a_full_buffer_is_written_at_once(void **state)
{
    struct fixture *f = fixture_new(NEVER, 8);
    struct nu_log_file *file = open_log(f);
    (void)state;
    put(f, file, 0, "1234\n");
    put(f, file, 0, "5678\n");
    wait_content(f->path, "1234\n5678\n");
    assert_int_equal(stat_of(f, NU_FS_flushed_by_timer), 0);
    nu_log_file_unref(&file);
    fixture_free(f);
}

static void time_flushes(void **state)
{
    struct fixture *f = fixture_new(NU_MS(5), 1u << 20);
    struct nu_log_file *file = open_log(f);
    (void)state;
    put(f, file, 2, "from the main thread\n");
    wait_content(f->path, "from the main thread\n");
    assert_true(stat_of(f, NU_FS_flushed_by_timer) > 0);
    nu_log_file_unref(&file);
    fixture_free(f);
}

static void the_end_writes_everything(void **state)
{
    struct fixture *f = fixture_new(NEVER, 1u << 20);
    struct nu_log_file *file = open_log(f);
    (void)state;
    put(f, file, 0, "last\n");
    nu_log_file_unref(&file);
    nu_log_writer_free(&f->lw);
    assert_null(f->lw);
    assert_string_equal(content(f->path), "last\n");
    fixture_free(f);
}

static void a_path_has_one_file(void **state)
{
    struct fixture *f = fixture_new(NEVER, 1u << 20);
    struct nu_log_file *file = open_log(f), *same = open_log(f);
    (void)state;
    assert_ptr_equal(file, same);
    nu_log_file_unref(&file);
    put(f, same, 0, "still there\n");
    nu_log_writer_flush(f->lw);
    assert_string_equal(content(f->path), "still there\n");
    nu_log_file_unref(&same);
    file = open_log(f); /* after the last reference: appends to what is there */
    put(f, file, 0, "again\n");
    nu_log_writer_flush(f->lw);
    assert_string_equal(content(f->path), "still there\nagain\n");
    nu_log_file_unref(&file);
    fixture_free(f);
}

static void a_file_that_is_closed_has_its_lines(void **state)
{
    struct fixture *f = fixture_new(NEVER, 1u << 20);
    struct nu_log_file *file = open_log(f);
    (void)state;
    put(f, file, 0, "late\n");
    nu_log_file_unref(&file); /* wakes the writer */
    wait_content(f->path, "late\n");
    fixture_free(f);
}

static void reopening_follows_the_name(void **state)
{
    struct fixture *f = fixture_new(NEVER, 1u << 20);
    struct nu_log_file *file = open_log(f);
    char old[128];
    (void)state;
    snprintf(old, sizeof(old), "%s.1", f->path);
    put(f, file, 0, "old\n");
    assert_int_equal(rename(f->path, old), 0);
    nu_log_writer_reopen(f->lw);
    nu_log_writer_flush(f->lw);
    put(f, file, 0, "new\n");
    nu_log_writer_flush(f->lw);
    assert_string_equal(content(old), "old\n");
    assert_string_equal(content(f->path), "new\n");
    nu_log_file_unref(&file);
    fixture_free(f);
}

static void reopening_that_fails_keeps_the_file(void **state)
{
    struct fixture *f = fixture_new(NEVER, 1u << 20);
    struct nu_log_file *file = open_log(f);
    char old[128];
    (void)state;
    snprintf(old, sizeof(old), "%s.1", f->path);
    assert_int_equal(rename(f->path, old), 0);
    assert_int_equal(mkdir(f->path, 0700), 0); /* cannot be opened as a file */
    nu_log_writer_reopen(f->lw);
    nu_log_writer_flush(f->lw);
    put(f, file, 0, "kept\n");
    nu_log_writer_flush(f->lw);
    assert_string_equal(content(old), "kept\n");
    assert_int_equal(stat_of(f, NU_FS_reopen_failed), 1);
    nu_log_file_unref(&file);
    fixture_free(f);
}

static void what_cannot_be_opened_is_told(void **state)
{
    struct fixture *f = fixture_new(NEVER, 1u << 20);
    (void)state;
    errno = 0;
    assert_null(nu_log_file_open(f->lw, NU_STR("/no/such/folder/log")));
    assert_int_equal(errno, ENOENT);
    fixture_free(f);
}

/* A disk that is full loses lines, counts them, and is tried again. */
static void a_full_disk_is_counted(void **state)
{
    struct fixture *f = fixture_new(NEVER, 1u << 20);
    struct nu_log_file *file = nu_log_file_open(f->lw, NU_STR("/dev/full"));
    (void)state;
    assert_non_null(file);
    for (unsigned i = 1; i <= 2; i++) {
        put(f, file, 0, "lost\n");
        nu_log_writer_flush(f->lw);
        assert_int_equal(stat_of(f, NU_FS_write_failed), i);
    }
    assert_int_equal(stat_of(f, NU_FS_write_completed), 0);
    nu_log_file_unref(&file);
    fixture_free(f);
}

/* A pipe that nobody reads: the writer is stuck, workers go on, memory is bounded. */
static void a_writer_that_is_stuck_blocks_nobody(void **state)
{
    struct fixture *f = fixture_new(NEVER, 1);
    (void)state;
    assert_int_equal(mkfifo(f->path, 0600), 0);
    int reader = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct nu_log_file *file = open_log(f);
    static char line[64 * 1024];
    memset(line, 'x', sizeof(line));
    unsigned n_lines = 3 * MAX_WAITING / sizeof(line);
    for (unsigned i = 0; i < n_lines; i++)
        nu_log_file_write(file, &f->all->workers[0], nu_str_make(line, sizeof(line)));
    uint64_t kept = stat_of(f, NU_FS_write_buffered), dropped = stat_of(f, NU_FS_write_failed);
    assert_int_equal(kept + dropped, n_lines);
    /* The writer may have taken what fits twice: once before it got stuck. */
    assert_true(kept * sizeof(line) <= 2 * MAX_WAITING && dropped > 0);
    signal(SIGPIPE, SIG_IGN);
    close(reader); /* the writer hears EPIPE */
    nu_log_file_unref(&file);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_wait_for_a_flush),
        cmocka_unit_test(a_full_buffer_is_written_at_once),
        cmocka_unit_test(time_flushes),
        cmocka_unit_test(the_end_writes_everything),
        cmocka_unit_test(a_path_has_one_file),
        cmocka_unit_test(a_file_that_is_closed_has_its_lines),
        cmocka_unit_test(reopening_follows_the_name),
        cmocka_unit_test(reopening_that_fails_keeps_the_file),
        cmocka_unit_test(what_cannot_be_opened_is_told),
        cmocka_unit_test(a_full_disk_is_counted),
        cmocka_unit_test(a_writer_that_is_stuck_blocks_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
