/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer thread of log files. Workers append lines to a buffer of their own per file; full buffers, and all of them
 * every flush interval, are handed to the thread. When it falls behind by more than a bound, buffers are dropped and
 * counted: a log never blocks a worker. Files are opened once per path, shared, reopened on request. */
#ifndef NU_NET_LOG_WRITER_H
#define NU_NET_LOG_WRITER_H

#include "base/clock.h"
#include "base/sb.h"
#include "base/str.h"
#include "worker/worker.h"

struct nu_log_writer;
struct nu_log_file;

/* flush: --file-flush-interval-msec (10 s by default). min_bytes: --file-flush-min-size-kb. */
struct nu_log_writer *nu_log_writer_new(struct nu_workers *all, nu_ms flush, size_t min_bytes);
/* Writes out everything and joins the thread. */
void nu_log_writer_free(struct nu_log_writer **lw);
/* Main thread. The file of a path ("/dev/stdout" and "/dev/stderr" work as such), shared per path, with a reference;
 * NULL: cannot be opened (errno is set). */
struct nu_log_file *nu_log_file_open(struct nu_log_writer *lw, nu_str path);
struct nu_log_file *nu_log_file_ref(struct nu_log_file *f);
void nu_log_file_unref(struct nu_log_file **f);
/* Any worker: appends one line (copied; the caller gives the newline). */
void nu_log_file_write(struct nu_log_file *f, struct nu_worker *w, nu_str line);
/* Main thread: reopens all files (USR1, /reopen_logs); flushes all now. */
void nu_log_writer_reopen(struct nu_log_writer *lw);
void nu_log_writer_flush(struct nu_log_writer *lw);

/* A worker's own builder for the line at hand; emptied by each user. */
struct nu_sb *nu_log_writer_scratch(struct nu_worker *w);

#endif
