// SPDX-License-Identifier: Apache-2.0
/* Small helpers shared by the load generator, the origin and the floor proxies. */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);

uint64_t now_ns(void);

/* Every body the origin sends or the load generator uploads is this pattern, so that a
 * receiver can verify any slice of it from its offset alone. */
#define PATTERN_PERIOD 89
static inline uint8_t pattern_byte(uint64_t offset) {
  return (uint8_t)('!' + offset % PATTERN_PERIOD);
}
void pattern_fill(uint8_t *buf, size_t len, uint64_t offset);
int pattern_ok(const uint8_t *buf, size_t len, uint64_t offset);

/* Growable byte buffer; `off` is how much of it has been consumed. */
struct buf {
  uint8_t *data;
  size_t off, len, cap;
};
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_append(struct buf *b, const void *data, size_t n);
void buf_consume(struct buf *b, size_t n);
void buf_free(struct buf *b);
static inline size_t buf_left(const struct buf *b) {
  return b->len - b->off;
}

/* Latency histogram: 64 buckets per power of two, i.e. under 1.6 % error. */
#define HIST_SUB_BITS 6
#define HIST_BUCKETS (64 << HIST_SUB_BITS)
struct hist {
  uint64_t count, sum, max;
  uint64_t bucket[HIST_BUCKETS];
};
void hist_add(struct hist *h, uint64_t ns);
uint64_t hist_quantile(const struct hist *h, double q);

/* CPU time of a set of processes, in two independent accountings of the kernel. */
struct cpu_sample {
  uint64_t ticks;    /* utime + stime of /proc/PID/stat, in clock ticks */
  uint64_t utime;    /* the user part of `ticks` */
  uint64_t sched_ns; /* run time in /proc/PID/task/TID/schedstat, all threads */
};
void cpu_sample(const int *pids, size_t n, struct cpu_sample *out);

int listen_tcp(uint16_t port);
void set_nodelay(int fd);
void parse_address(const char *text, char *host, size_t host_size, uint16_t *port);

#endif
