// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "util.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void die(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fputc('\n', stderr);
  exit(2);
}

void *xmalloc(size_t n) {
  return xrealloc(NULL, n);
}

void *xcalloc(size_t n, size_t size) {
  void *p = calloc(n, size);
  if (!p) die("out of memory");
  return p;
}

void *xrealloc(void *p, size_t n) {
  p = realloc(p, n);
  if (!p) die("out of memory");
  return p;
}

uint64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void pattern_fill(uint8_t *buf, size_t len, uint64_t offset) {
  for (size_t i = 0; i < len; i++) buf[i] = pattern_byte(offset + i);
}

int pattern_ok(const uint8_t *buf, size_t len, uint64_t offset) {
  static uint8_t reference[PATTERN_PERIOD << 8];
  if (!reference[0]) pattern_fill(reference, sizeof(reference), 0);
  while (len) {
    size_t at = offset % PATTERN_PERIOD, n = sizeof(reference) - at;
    if (n > len) n = len;
    if (memcmp(buf, reference + at, n)) return 0;
    buf += n;
    len -= n;
    offset += n;
  }
  return 1;
}

uint8_t *buf_reserve(struct buf *b, size_t n) {
  if (b->off == b->len) b->off = b->len = 0;
  if (b->len + n > b->cap) {
    if (b->off) {
      memmove(b->data, b->data + b->off, b->len - b->off);
      b->len -= b->off;
      b->off = 0;
    }
    if (b->len + n > b->cap) {
      size_t cap = b->cap ? b->cap : 1024;
      while (cap < b->len + n) cap *= 2;
      b->data = xrealloc(b->data, cap);
      b->cap = cap;
    }
  }
  return b->data + b->len;
}

void buf_append(struct buf *b, const void *data, size_t n) {
  if (!n) return;
  memcpy(buf_reserve(b, n), data, n);
  b->len += n;
}

void buf_consume(struct buf *b, size_t n) {
  b->off += n;
  if (b->off == b->len) b->off = b->len = 0;
}

void buf_free(struct buf *b) {
  free(b->data);
  memset(b, 0, sizeof(*b));
}

static size_t hist_index(uint64_t v) {
  if (v < (1u << HIST_SUB_BITS)) return v;
  unsigned shift = 63u - (unsigned)__builtin_clzll(v) - HIST_SUB_BITS;
  return ((size_t)(shift + 1) << HIST_SUB_BITS) + ((v >> shift) & ((1u << HIST_SUB_BITS) - 1));
}

static uint64_t hist_value(size_t index) {
  if (index < (1u << HIST_SUB_BITS)) return index;
  unsigned shift = (unsigned)(index >> HIST_SUB_BITS) - 1;
  uint64_t low = ((1ull << HIST_SUB_BITS) + (index & ((1u << HIST_SUB_BITS) - 1))) << shift;
  return low + (1ull << shift) / 2;
}

void hist_add(struct hist *h, uint64_t ns) {
  h->count++;
  h->sum += ns;
  if (ns > h->max) h->max = ns;
  h->bucket[hist_index(ns)]++;
}

uint64_t hist_quantile(const struct hist *h, double q) {
  uint64_t rank = (uint64_t)((double)h->count * q), seen = 0;
  if (rank >= h->count) return h->max;
  for (size_t i = 0; i < HIST_BUCKETS; i++) {
    seen += h->bucket[i];
    if (seen > rank) return hist_value(i);
  }
  return h->max;
}

static void add_stat(int pid, struct cpu_sample *out) {
  char path[64], text[1024];
  snprintf(path, sizeof(path), "/proc/%d/stat", pid);
  FILE *f = fopen(path, "r");
  if (!f) die("process %d is gone", pid);
  size_t n = fread(text, 1, sizeof(text) - 1, f);
  fclose(f);
  text[n] = 0;
  const char *after_name = strrchr(text, ')');
  unsigned long utime, stime;
  if (!after_name ||
      sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &utime, &stime) != 2)
    die("cannot parse %s", path);
  out->utime += utime;
  out->ticks += utime + stime;
}

static void add_schedstat(int pid, struct cpu_sample *out) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/task", pid);
  DIR *dir = opendir(path);
  if (!dir) return;
  for (struct dirent *e; (e = readdir(dir));) {
    if (e->d_name[0] == '.') continue;
    char file[400];
    snprintf(file, sizeof(file), "/proc/%d/task/%s/schedstat", pid, e->d_name);
    FILE *f = fopen(file, "r");
    unsigned long long ns;
    if (!f) continue;
    if (fscanf(f, "%llu", &ns) == 1) out->sched_ns += ns;
    fclose(f);
  }
  closedir(dir);
}

void cpu_sample(const int *pids, size_t n, struct cpu_sample *out) {
  memset(out, 0, sizeof(*out));
  for (size_t i = 0; i < n; i++) {
    add_stat(pids[i], out);
    add_schedstat(pids[i], out);
  }
}

int listen_tcp(uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) die("socket: %m");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 4096)) die("cannot listen on port %u: %m", port);
  return fd;
}

void set_nodelay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void parse_address(const char *text, char *host, size_t host_size, uint16_t *port) {
  const char *colon = strrchr(text, ':');
  if (!colon || (size_t)(colon - text) >= host_size) die("not an address: %s", text);
  memcpy(host, text, (size_t)(colon - text));
  host[colon - text] = 0;
  *port = (uint16_t)atoi(colon + 1);
}
