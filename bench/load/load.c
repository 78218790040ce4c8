// SPDX-License-Identifier: Apache-2.0
/* The load generator of the benchmark: one thread, epoll, HTTP/1.1, HTTP/2 and raw TCP, with or without
 * TLS 1.3. Two ways of driving:
 *
 *   closed loop  (no --rate)  every connection or stream sends its next request as soon as the last one
 *                             is answered: the saturation throughput.
 *   open loop    (--rate R)   requests are due at the points of a Poisson process of R a second, whatever
 *                             the proxy does. Latency counts from the moment a request was due, so a stall
 *                             shows in every request it delayed (no coordinated omission).
 *
 * Every response is checked: status, exact body length, trailers where expected; with --verify also the
 * body's bytes and the origin port that answered. The CPU time of the processes in --watch is sampled at
 * exactly the two ends of the measured window, and at the ends of the --slice pieces it is cut into. The
 * result is one JSON object on standard output. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "h2wire.h"
#include "util.h"

#define NS_PER_MS 1000000ull
#define MAX_ERRORS 1000
#define STALL_NS (3000 * NS_PER_MS)
#define DRAIN_NS (1000 * NS_PER_MS)
#define IDLE_RAMP 128           /* connections being opened at once in --idle */
#define DISCARD_FROM (16 << 10) /* longer rests of bodies are dropped in the kernel, not copied */
#define STREAM_ID_SLOTS 4096
#define MAX_SLICES 4096

enum proto { PROTO_H1, PROTO_H2, PROTO_TCP, PROTO_STREAM };
enum state { ST_CLOSED, ST_CONNECTING, ST_HANDSHAKE, ST_SETTINGS, ST_OPEN };
enum phase { PH_WARMUP, PH_MEASURE, PH_DRAIN, PH_DONE };
enum error { ERR_CONNECT, ERR_TLS, ERR_CLOSED, ERR_STATUS, ERR_BODY, ERR_PROTOCOL, ERR_UNFINISHED, ERR_KINDS };
static const char *const error_names[ERR_KINDS] = {"connect", "tls", "closed", "status", "body", "protocol", "unfinished"};

static struct {
  char host[64];
  uint16_t port;
  enum proto proto;
  int tls, new_conn, grpc, idle, sources;
  unsigned conns, streams;
  uint64_t warmup_ns, duration_ns, slice_ns, verify, body, message, post;
  double rate;
  const char *path, *authority, *header, *targets_file;
  int watch[256];
  size_t watch_len;
} opt = {.conns = 1, .streams = 1, .sources = 1, .duration_ns = 1000 * NS_PER_MS, .body = 1024, .message = 1024,
         .path = "/b/1024", .authority = "bench.example"};

/* One request the generator can send; with --targets there are many, taken in a scrambled order. */
struct target {
  uint8_t *request;
  size_t len;
  unsigned port; /* origin port that must answer; 0: any */
};

struct stream {
  uint32_t id; /* 0: free */
  int head_seen;
  uint64_t due, body;
};

struct conn {
  int fd;
  uint32_t index, epoch;
  enum state state;
  SSL *ssl;
  struct buf in, out;
  int in_ready;
  int answered; /* at least once on this connection */
  int parked;   /* --idle: has had its one request */
  /* HTTP/1.1 and TCP: the one request under way. */
  int busy, in_body, close_after;
  uint64_t due, body_left, body_len;
  const struct target *target;
  /* HTTP/2. */
  struct h2_encoder encoder;
  struct stream *streams;
  uint16_t *by_id; /* (id / 2) % STREAM_ID_SLOTS -> stream index + 1 */
  unsigned streams_busy, streams_max, free_hint;
  uint32_t next_id, received;
  int64_t send_window;
};

static struct conn *conns;
static struct target *targets;
static size_t target_count;
static uint64_t target_seq;
static struct h2_block request_block;
static uint8_t grpc_message[64];
static SSL_CTX *tls;
static int epfd;
static uint8_t scratch[1 << 18];

static enum phase phase;
static uint64_t begin_ns, end_ns, last_progress;
static struct hist latency;
static uint64_t completed, completed_all, bytes_in, errors[ERR_KINDS], error_total, reconnects, opened;
static struct cpu_sample cpu_begin, cpu_end;
static struct mark {
  uint64_t at, completed, bytes, cpu_ns;
} marks[MAX_SLICES + 1];
static size_t mark_count;

/* Open loop: when requests were due that have not found a free connection yet, and free connections. */
static uint64_t *overdue;
static size_t overdue_head, overdue_len, overdue_cap;
static double next_arrival;
static uint64_t arrivals_in_window, rng = 0x9e3779b97f4a7c15ull;
static uint32_t *ready;
static size_t ready_head, ready_len;

static void conn_open(struct conn *c);
static void conn_use(struct conn *c);

/* ---- accounting ---- */

static uint64_t random_next(void) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return rng;
}

static int stopping(void) {
  return phase == PH_DONE || (opt.verify && completed_all >= opt.verify);
}

static void count_error(enum error e) {
  errors[e]++;
  error_total++;
}

static void count_done(uint64_t due) {
  uint64_t now = now_ns();
  last_progress = now;
  completed_all++;
  if (phase == PH_MEASURE) completed++;
  int in_window = opt.rate > 0 ? due >= begin_ns && due < end_ns && begin_ns : phase == PH_MEASURE;
  if (in_window) hist_add(&latency, now - due);
}

/* ---- which connection takes the next request (open loop) ---- */

static void ready_push(struct conn *c) {
  if (c->in_ready) return;
  c->in_ready = 1;
  ready[(ready_head + ready_len++) % opt.conns] = c->index;
}

static struct conn *ready_pop(void) {
  struct conn *c = &conns[ready[ready_head]];
  ready_head = (ready_head + 1) % opt.conns;
  ready_len--;
  c->in_ready = 0;
  return c;
}

static void overdue_push(uint64_t due) {
  if (overdue_len == overdue_cap) {
    size_t cap = overdue_cap ? overdue_cap * 2 : 1024;
    uint64_t *bigger = xmalloc(cap * sizeof(*bigger));
    for (size_t i = 0; i < overdue_len; i++) bigger[i] = overdue[(overdue_head + i) % overdue_cap];
    free(overdue);
    overdue = bigger;
    overdue_head = 0;
    overdue_cap = cap;
  }
  overdue[(overdue_head + overdue_len++) % overdue_cap] = due;
}

static uint64_t overdue_pop(void) {
  uint64_t due = overdue[overdue_head];
  overdue_head = (overdue_head + 1) % overdue_cap;
  overdue_len--;
  return due;
}

/* ---- connection I/O ---- */

static void conn_close(struct conn *c) {
  if (c->state == ST_CLOSED) return;
  if (c->ssl) SSL_free(c->ssl);
  c->ssl = NULL;
  close(c->fd);
  c->fd = -1;
  c->epoch++;
  c->state = ST_CLOSED;
  buf_consume(&c->in, buf_left(&c->in));
  buf_consume(&c->out, buf_left(&c->out));
  c->busy = c->in_body = c->close_after = c->answered = c->parked = 0;
}

static void conn_fail(struct conn *c, enum error e) {
  unsigned lost = opt.proto == PROTO_H2 ? c->streams_busy : (unsigned)c->busy;
  if (lost == 0 && e == ERR_CLOSED) {
    reconnects++;
  } else {
    for (unsigned i = 0; i < lost || i == 0; i++) count_error(e);
  }
  conn_close(c);
  if (!stopping() && error_total < MAX_ERRORS) conn_open(c);
}

static void conn_start(struct conn *c) {
  c->due = now_ns();
  conn_open(c);
}

/* Sends what it can now, keeps the rest. Returns 0 when the connection is dead. */
static int conn_write(struct conn *c, const uint8_t *data, size_t len) {
  size_t sent = 0;
  if (!buf_left(&c->out)) {
    if (c->ssl) {
      int n = SSL_write(c->ssl, data, (int)len);
      if (n > 0) sent = (size_t)n;
      else if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_WRITE) return 0;
    } else {
      ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
      if (n > 0) sent = (size_t)n;
      else if (errno != EAGAIN) return 0;
    }
  }
  buf_append(&c->out, data + sent, len - sent);
  return 1;
}

static int conn_flush(struct conn *c) {
  while (buf_left(&c->out)) {
    const uint8_t *p = c->out.data + c->out.off;
    if (c->ssl) {
      int n = SSL_write(c->ssl, p, (int)buf_left(&c->out));
      if (n <= 0) return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_WRITE;
      buf_consume(&c->out, (size_t)n);
    } else {
      ssize_t n = send(c->fd, p, buf_left(&c->out), MSG_NOSIGNAL);
      if (n < 0) return errno == EAGAIN;
      buf_consume(&c->out, (size_t)n);
    }
  }
  return 1;
}

static void conn_open(struct conn *c) {
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) die("socket: %m");
  set_nodelay(c->fd);
  if (opt.sources > 1) {
    int on = 1;
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(opened % (uint64_t)opt.sources))};
    if (bind(c->fd, (struct sockaddr *)&from, sizeof(from))) die("bind: %m");
  }
  opened++;
  c->state = ST_CONNECTING;
  struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u64 = (uint64_t)c->index << 32 | c->epoch};
  if (epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &ev)) die("epoll_ctl: %m");
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(opt.port)};
  inet_pton(AF_INET, opt.host, &to.sin_addr);
  if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS) conn_fail(c, ERR_CONNECT);
}

/* ---- sending requests ---- */

static const struct target *pick_target(void) {
  /* A fixed stride that shares no factor with the count visits every target once a round. */
  return &targets[target_count == 1 ? 0 : (target_seq++ * 7919) % target_count];
}

static int h2_start(struct conn *c, uint64_t due) {
  unsigned i = c->free_hint;
  while (c->streams[i].id) i = (i + 1) % c->streams_max;
  c->free_hint = (i + 1) % c->streams_max;
  while (c->by_id[(c->next_id / 2) % STREAM_ID_SLOTS]) c->next_id += 2;
  struct stream *s = &c->streams[i];
  *s = (struct stream){.id = c->next_id, .due = due};
  c->by_id[(s->id / 2) % STREAM_ID_SLOTS] = (uint16_t)(i + 1);
  c->next_id += 2;
  c->streams_busy++;

  uint8_t *p = buf_reserve(&c->out, 1100 + 2 * H2_FRAME_HEADER + sizeof(grpc_message));
  size_t n = h2_block_put(&c->encoder, &request_block, p + H2_FRAME_HEADER);
  h2_put_frame(p, (uint32_t)n, H2_HEADERS, (uint8_t)(H2_END_HEADERS | (opt.grpc ? 0 : H2_END_STREAM)), s->id);
  n += H2_FRAME_HEADER;
  if (opt.grpc) {
    h2_put_frame(p + n, sizeof(grpc_message), H2_DATA, H2_END_STREAM, s->id);
    memcpy(p + n + H2_FRAME_HEADER, grpc_message, sizeof(grpc_message));
    n += H2_FRAME_HEADER + sizeof(grpc_message);
    c->send_window -= (int64_t)sizeof(grpc_message);
  }
  c->out.len += n;
  return 1; /* the caller flushes, so that requests share a write */
}

static int request_start(struct conn *c, uint64_t due) {
  if (opt.proto == PROTO_H2) return h2_start(c, due);
  c->busy = 1;
  c->due = due;
  c->target = pick_target();
  if (opt.proto == PROTO_TCP || opt.proto == PROTO_STREAM) {
    c->body_len = c->body_left = opt.proto == PROTO_TCP ? opt.message : opt.body;
    c->in_body = 1;
  }
  return conn_write(c, c->target->request, c->target->len);
}

static int conn_has_room(const struct conn *c) {
  if (opt.proto != PROTO_H2) return !c->busy;
  return c->streams_busy < c->streams_max && (!opt.grpc || c->send_window >= (int64_t)sizeof(grpc_message));
}

/* Gives an open connection work: all it has room for in a closed loop, what is overdue in an open one. */
static void conn_use(struct conn *c) {
  if (c->state != ST_OPEN || c->parked || stopping()) return;
  while (conn_has_room(c)) {
    uint64_t due;
    if (opt.new_conn) {
      due = c->due; /* since before the connection was opened */
    } else if (opt.rate > 0) {
      if (!overdue_len) {
        ready_push(c);
        break;
      }
      due = overdue_pop();
    } else {
      due = now_ns();
    }
    if (!request_start(c, due)) {
      conn_fail(c, ERR_CLOSED);
      return;
    }
  }
  if (!conn_flush(c)) conn_fail(c, ERR_CLOSED);
}

static void request_done(struct conn *c, uint64_t due) {
  count_done(due);
  c->answered = 1;
  if (opt.proto != PROTO_H2) c->busy = c->in_body = 0;
}

/* ---- HTTP/1.1 responses ---- */

static const char *find_header(const char *head, size_t len, const char *name) {
  size_t name_len = strlen(name);
  const char *end = head + len;
  for (const char *p = memchr(head, '\n', len); p; p = memchr(p, '\n', (size_t)(end - p))) {
    p++;
    if ((size_t)(end - p) <= name_len) return NULL;
    if (p[name_len] == ':' && !strncasecmp(p, name, name_len)) {
      p += name_len + 1;
      while (p < end && *p == ' ') p++;
      return p;
    }
  }
  return NULL;
}

static int h1_head(struct conn *c, const char *head, size_t len) {
  if (len < 13 || memcmp(head, "HTTP/1.1 200", 12)) {
    if (opt.verify) fprintf(stderr, "unexpected response: %.*s\n", (int)len, head);
    return ERR_STATUS;
  }
  const char *length = find_header(head, len, "content-length");
  if (!length || strtoull(length, NULL, 10) != opt.body) {
    if (opt.verify) fprintf(stderr, "unexpected length: %.*s\n", (int)len, head);
    return ERR_BODY;
  }
  const char *connection = find_header(head, len, "connection");
  c->close_after = opt.new_conn || (connection && !strncasecmp(connection, "close", 5));
  if (opt.verify && c->target->port) {
    const char *port = find_header(head, len, "x-port");
    if (!port || strtoul(port, NULL, 10) != c->target->port) return ERR_BODY;
  }
  c->in_body = 1;
  c->body_len = c->body_left = opt.body;
  return -1;
}

/* Takes `len` bytes off the wire; `data` is NULL when the kernel has dropped them.
 * Returns an error kind, or -1. */
static int h1_feed(struct conn *c, const uint8_t *data, size_t len) {
  if (buf_left(&c->in)) { /* the beginning of a head is waiting for its end */
    buf_append(&c->in, data, len);
    data = c->in.data + c->in.off;
    len = buf_left(&c->in);
    c->in.off = c->in.len = 0;
  }
  while (len) {
    if (!c->busy) return ERR_PROTOCOL;
    if (!c->in_body) {
      const uint8_t *end = memmem(data, len, "\r\n\r\n", 4);
      if (!end) {
        struct buf rest = {0};
        buf_append(&rest, data, len);
        buf_free(&c->in);
        c->in = rest;
        return -1;
      }
      size_t head = (size_t)(end + 4 - data);
      int e = h1_head(c, (const char *)data, head);
      if (e >= 0) return e;
      data += head;
      len -= head;
    }
    size_t n = len < c->body_left ? len : c->body_left;
    if (opt.verify && n && !pattern_ok(data, n, c->body_len - c->body_left)) return ERR_BODY;
    c->body_left -= n;
    if (data) data += n;
    len -= n;
    if (c->body_left == 0) request_done(c, c->due);
  }
  return -1;
}

/* ---- raw TCP ---- */

static int raw_feed(struct conn *c, const uint8_t *data, size_t len) {
  if (!c->busy || len > c->body_left) return ERR_PROTOCOL;
  if (opt.verify && !pattern_ok(data, len, c->body_len - c->body_left)) return ERR_BODY;
  c->body_left -= len;
  if (c->body_left == 0) request_done(c, c->due);
  return -1;
}

/* ---- HTTP/2 responses ---- */

static void h2_control(struct conn *c, uint8_t type, uint8_t flags, const uint8_t *data, uint32_t len) {
  uint8_t *p = buf_reserve(&c->out, H2_FRAME_HEADER + len);
  h2_put_frame(p, len, type, flags, 0);
  if (len) memcpy(p + H2_FRAME_HEADER, data, len);
  c->out.len += H2_FRAME_HEADER + len;
}

static void h2_hello(struct conn *c) {
  const uint8_t settings[] = {0, H2_SET_ENABLE_PUSH, 0, 0, 0, 0, 0, H2_SET_INITIAL_WINDOW, 0, 0x10, 0, 0};
  uint8_t window[4];
  put_be32(window, 1u << 30);
  buf_append(&c->out, H2_PREFACE, H2_PREFACE_LEN);
  h2_control(c, H2_SETTINGS, 0, settings, sizeof(settings));
  h2_control(c, H2_WINDOW_UPDATE, 0, window, 4);
  c->encoder = (struct h2_encoder){0};
  c->send_window = H2_DEFAULT_WINDOW;
  c->next_id = 1;
  c->received = c->streams_busy = c->free_hint = 0;
  c->streams_max = opt.streams;
  memset(c->streams, 0, opt.streams * sizeof(*c->streams));
  memset(c->by_id, 0, STREAM_ID_SLOTS * sizeof(*c->by_id));
}

static void h2_settings(struct conn *c, const uint8_t *p, size_t len) {
  for (size_t i = 0; i + 6 <= len; i += 6) {
    unsigned id = (unsigned)p[i] << 8 | p[i + 1];
    uint32_t value = get_be32(p + i + 2);
    if (id == H2_SET_HEADER_TABLE_SIZE && value < 4096) c->encoder.no_table = 1;
    if (id == H2_SET_MAX_STREAMS && value < c->streams_max && value) c->streams_max = value;
  }
  h2_control(c, H2_SETTINGS, H2_ACK, NULL, 0);
  if (c->state == ST_SETTINGS) c->state = ST_OPEN;
}

/* Whether a header block starts with the static table's ":status: 200". */
static int h2_status_ok(const uint8_t *p, size_t len) {
  size_t i = 0;
  while (i < len && (p[i] & 0xe0) == 0x20) { /* dynamic table size update */
    if ((p[i++] & 0x1f) == 0x1f)
      while (i < len && (p[i++] & 0x80)) {}
  }
  return i < len && p[i] == 0x88;
}

static int h2_stream_end(struct conn *c, struct stream *s, const struct h2_frame *f) {
  uint64_t want = opt.grpc ? sizeof(grpc_message) : opt.body, due = s->due;
  if (s->body != want) return ERR_BODY;
  if (opt.grpc && f->type != H2_HEADERS) return ERR_PROTOCOL; /* no trailers */
  c->by_id[(s->id / 2) % STREAM_ID_SLOTS] = 0;
  s->id = 0;
  c->streams_busy--;
  request_done(c, due);
  return -1;
}

static int h2_body_ok(const uint8_t *p, size_t len, uint64_t offset) {
  if (!opt.grpc) return pattern_ok(p, len, offset);
  for (size_t i = 0; i < len; i++)
    if (offset + i < sizeof(grpc_message) && p[i] != grpc_message[offset + i]) return 0;
  return 1;
}

static int h2_stream_frame(struct conn *c, const struct h2_frame *f, const uint8_t *payload) {
  unsigned slot = c->by_id[(f->stream / 2) % STREAM_ID_SLOTS];
  struct stream *s = slot ? &c->streams[slot - 1] : NULL;
  if (!s || s->id != f->stream) return f->type == H2_DATA || f->type == H2_HEADERS ? ERR_PROTOCOL : -1;
  if (f->type == H2_RST_STREAM) return ERR_PROTOCOL;
  if (f->type == H2_WINDOW_UPDATE) return -1;
  size_t off, len;
  if (!h2_payload(f, payload, &off, &len)) return ERR_PROTOCOL;
  if (f->type == H2_HEADERS) {
    if (!s->head_seen && !h2_status_ok(payload + off, len)) return ERR_STATUS;
    if (s->head_seen && !(f->flags & H2_END_STREAM)) return ERR_PROTOCOL;
    s->head_seen = 1;
  } else {
    if (opt.verify && !h2_body_ok(payload + off, len, s->body)) return ERR_BODY;
    s->body += len;
    c->received += f->len;
    if (c->received > 1u << 29) {
      uint8_t window[4];
      put_be32(window, c->received);
      h2_control(c, H2_WINDOW_UPDATE, 0, window, 4);
      c->received = 0;
    }
  }
  return f->flags & H2_END_STREAM ? h2_stream_end(c, s, f) : -1;
}

static int h2_frame(struct conn *c, const struct h2_frame *f, const uint8_t *payload) {
  if (f->stream) return h2_stream_frame(c, f, payload);
  switch (f->type) {
    case H2_SETTINGS:
      if (!(f->flags & H2_ACK)) h2_settings(c, payload, f->len);
      return -1;
    case H2_PING:
      if (!(f->flags & H2_ACK)) h2_control(c, H2_PING, H2_ACK, payload, f->len);
      return -1;
    case H2_WINDOW_UPDATE:
      if (f->len == 4) c->send_window += get_be32(payload);
      return -1;
    case H2_GOAWAY: return ERR_PROTOCOL;
    default: return -1;
  }
}

static int h2_feed(struct conn *c, const uint8_t *data, size_t len) {
  int stashed = buf_left(&c->in) > 0;
  if (stashed) {
    buf_append(&c->in, data, len);
    data = c->in.data + c->in.off;
    len = buf_left(&c->in);
  }
  size_t used = 0;
  while (len - used >= H2_FRAME_HEADER) {
    struct h2_frame f;
    h2_get_frame(data + used, &f);
    if (f.len > H2_MAX_FRAME) return ERR_PROTOCOL;
    if (len - used < H2_FRAME_HEADER + f.len) break;
    int e = h2_frame(c, &f, data + used + H2_FRAME_HEADER);
    if (e >= 0) return e;
    used += H2_FRAME_HEADER + f.len;
  }
  if (stashed) buf_consume(&c->in, used);
  else buf_append(&c->in, data + used, len - used);
  return -1;
}

/* ---- connection events ---- */

static int feed(struct conn *c, const uint8_t *data, size_t len) {
  bytes_in += len;
  switch (opt.proto) {
    case PROTO_H1: return h1_feed(c, data, len);
    case PROTO_H2: return h2_feed(c, data, len);
    default: return raw_feed(c, data, len);
  }
}

static void conn_established(struct conn *c) {
  if (opt.proto == PROTO_H2) {
    h2_hello(c);
    c->state = ST_SETTINGS;
    if (!conn_flush(c)) conn_fail(c, ERR_CLOSED);
    return;
  }
  c->state = ST_OPEN;
  conn_use(c);
}

static void check_session(struct conn *c) {
  const char *cipher = SSL_get_cipher_name(c->ssl);
  const unsigned char *alpn;
  unsigned alpn_len;
  SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_len);
  if (SSL_version(c->ssl) != TLS1_3_VERSION || strcmp(cipher, "TLS_AES_128_GCM_SHA256"))
    die("TLS negotiated %s with %s", SSL_get_version(c->ssl), cipher);
  if (opt.proto == PROTO_H2 && (alpn_len != 2 || memcmp(alpn, "h2", 2))) die("ALPN did not select h2");
}

static void tls_step(struct conn *c) {
  int n = SSL_do_handshake(c->ssl);
  if (n == 1) {
    check_session(c);
    conn_established(c);
    return;
  }
  int e = SSL_get_error(c->ssl, n);
  if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) conn_fail(c, ERR_TLS);
}

static void on_connected(struct conn *c) {
  int e = 0;
  socklen_t len = sizeof(e);
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len);
  if (e) {
    conn_fail(c, ERR_CONNECT);
    return;
  }
  if (!opt.tls) {
    conn_established(c);
    return;
  }
  c->ssl = SSL_new(tls);
  SSL_set_fd(c->ssl, c->fd);
  SSL_set_tlsext_host_name(c->ssl, opt.authority);
  SSL_set_connect_state(c->ssl);
  c->state = ST_HANDSHAKE;
  tls_step(c);
}

/* Once a response is complete: a connection that is to be closed makes room for a new one. */
static void after_responses(struct conn *c) {
  if (opt.idle && c->answered) {
    c->parked = 1;
    return;
  }
  if (opt.proto == PROTO_H1 && !c->busy && c->close_after) {
    if (!opt.new_conn) reconnects++;
    conn_close(c);
    if (stopping()) return;
    if (opt.new_conn && opt.rate > 0) ready_push(c);
    else conn_start(c);
    return;
  }
  conn_use(c);
  if (c->state == ST_OPEN && !conn_flush(c)) conn_fail(c, ERR_CLOSED);
}

static void on_readable(struct conn *c) {
  for (;;) {
    const uint8_t *data = scratch;
    size_t want = sizeof(scratch);
    ssize_t n;
    if (c->ssl) {
      n = SSL_read(c->ssl, scratch, sizeof(scratch));
      if (n <= 0) {
        int e = SSL_get_error(c->ssl, (int)n);
        if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) return;
        ERR_clear_error();
        n = e == SSL_ERROR_ZERO_RETURN || e == SSL_ERROR_SYSCALL ? 0 : -1;
      }
    } else if (c->in_body && c->body_left >= DISCARD_FROM && !opt.verify) {
      want = c->body_left < 1 << 20 ? c->body_left : 1 << 20;
      n = recv(c->fd, scratch, want, MSG_TRUNC);
      data = NULL;
    } else {
      n = recv(c->fd, scratch, want, 0);
    }
    if (n < 0 && !c->ssl && errno == EAGAIN) return;
    if (n <= 0) {
      conn_fail(c, ERR_CLOSED);
      return;
    }
    int e = feed(c, data, (size_t)n);
    if (e >= 0) {
      conn_fail(c, (enum error)e);
      return;
    }
    uint32_t epoch = c->epoch;
    after_responses(c);
    if (c->epoch != epoch || (!c->ssl && (size_t)n < want)) return;
  }
}

static void on_event(struct conn *c, uint32_t events) {
  uint32_t epoch = c->epoch;
  switch (c->state) {
    case ST_CLOSED: return;
    case ST_CONNECTING:
      if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) on_connected(c);
      return;
    case ST_HANDSHAKE:
      tls_step(c);
      if (c->epoch != epoch || c->state == ST_HANDSHAKE) return;
      break;
    default: break;
  }
  if ((events & EPOLLOUT) && !conn_flush(c)) {
    conn_fail(c, ERR_CLOSED);
    return;
  }
  if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) on_readable(c);
}

/* ---- setting up ---- */

static struct target make_target(const char *authority, const char *path, unsigned port) {
  struct target t = {.port = port};
  if (opt.proto == PROTO_TCP) {
    t.len = opt.message;
    t.request = xmalloc(t.len);
    pattern_fill(t.request, t.len, 0);
    return t;
  }
  if (opt.proto == PROTO_STREAM) {
    t.len = 8;
    t.request = xmalloc(8);
    put_be32(t.request, (uint32_t)(opt.body >> 32));
    put_be32(t.request + 4, (uint32_t)opt.body);
    return t;
  }
  char length[64] = "";
  if (opt.post) snprintf(length, sizeof(length), "Content-Length: %llu\r\n", (unsigned long long)opt.post);
  char head[2048];
  int n = snprintf(head, sizeof(head),
                   "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load/1.0\r\nAccept: */*\r\nAccept-Language: en-US,en;q=0.5\r\n"
                   "Cookie: session=8f4c2a9d7b1e4f60a3; theme=dark\r\n%s%s%s\r\n",
                   opt.post ? "POST" : "GET", path, authority, opt.header ? opt.header : "", opt.header ? "\r\n" : "", length);
  t.len = (size_t)n + opt.post;
  t.request = xmalloc(t.len);
  memcpy(t.request, head, (size_t)n);
  pattern_fill(t.request + n, opt.post, 0);
  return t;
}

static void make_targets(void) {
  if (!opt.targets_file) {
    targets = xmalloc(sizeof(*targets));
    targets[0] = make_target(opt.authority, opt.path, 0);
    target_count = 1;
    return;
  }
  FILE *f = fopen(opt.targets_file, "r");
  if (!f) die("%s: %m", opt.targets_file);
  char authority[256], path[512];
  unsigned port;
  while (fscanf(f, "%255s %511s %u", authority, path, &port) == 3) {
    targets = xrealloc(targets, (target_count + 1) * sizeof(*targets));
    targets[target_count++] = make_target(authority, path, port);
  }
  fclose(f);
  if (!target_count) die("%s has no targets", opt.targets_file);
}

static void make_block(void) {
  const struct h2_field get[] = {{2, 1, ":method", "GET"},
                                 {opt.tls ? 7 : 6, 1, ":scheme", opt.tls ? "https" : "http"},
                                 {1, 0, ":authority", opt.authority},
                                 {4, 0, ":path", opt.path},
                                 {58, 0, "user-agent", "load/1.0"},
                                 {19, 0, "accept", "*/*"},
                                 {17, 0, "accept-language", "en-US,en;q=0.5"},
                                 {32, 0, "cookie", "session=8f4c2a9d7b1e4f60a3; theme=dark"}};
  const struct h2_field grpc[] = {{3, 1, ":method", "POST"},
                                  {opt.tls ? 7 : 6, 1, ":scheme", opt.tls ? "https" : "http"},
                                  {1, 0, ":authority", opt.authority},
                                  {4, 0, ":path", "/bench.Echo/Call"},
                                  {0, 0, "te", "trailers"},
                                  {31, 0, "content-type", "application/grpc"},
                                  {58, 0, "user-agent", "load/1.0"}};
  if (opt.grpc) h2_block_build(&request_block, grpc, ARRAY_LEN(grpc));
  else h2_block_build(&request_block, get, ARRAY_LEN(get));
  put_be32(grpc_message + 1, sizeof(grpc_message) - 5);
  pattern_fill(grpc_message + 5, sizeof(grpc_message) - 5, 0);
}

static void make_tls(void) {
  tls = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF); /* no resumption: every handshake is a full one */
  SSL_CTX_set_read_ahead(tls, 1);
  SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
  const unsigned char *alpn = (const unsigned char *)(opt.proto == PROTO_H2 ? "\x02h2" : "\x08http/1.1");
  if (!SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") || !SSL_CTX_set1_groups_list(tls, "X25519") ||
      SSL_CTX_set_alpn_protos(tls, alpn, alpn[0] + 1u))
    die("cannot set up TLS");
}

static void parse_options(int argc, char **argv) {
  enum { O_TO, O_PROTO, O_TLS, O_CONNS, O_STREAMS, O_WARMUP, O_DURATION, O_RATE, O_PATH, O_AUTHORITY, O_HEADER, O_TARGETS,
         O_BODY, O_POST, O_MESSAGE, O_NEW, O_GRPC, O_WATCH, O_IDLE, O_VERIFY, O_SOURCES, O_SLICE };
  static const struct option options[] = {
      {"to", 1, 0, O_TO},             {"proto", 1, 0, O_PROTO},     {"tls", 0, 0, O_TLS},         {"conns", 1, 0, O_CONNS},
      {"streams", 1, 0, O_STREAMS},   {"warmup", 1, 0, O_WARMUP},   {"duration", 1, 0, O_DURATION}, {"rate", 1, 0, O_RATE},
      {"path", 1, 0, O_PATH},         {"authority", 1, 0, O_AUTHORITY}, {"header", 1, 0, O_HEADER}, {"targets", 1, 0, O_TARGETS},
      {"body", 1, 0, O_BODY},         {"post", 1, 0, O_POST},       {"message", 1, 0, O_MESSAGE}, {"new-conn", 0, 0, O_NEW},
      {"grpc", 0, 0, O_GRPC},         {"watch", 1, 0, O_WATCH},     {"idle", 0, 0, O_IDLE},       {"verify", 1, 0, O_VERIFY},
      {"sources", 1, 0, O_SOURCES},   {"slice", 1, 0, O_SLICE},
      {0, 0, 0, 0}};
  static const char *const protos[] = {"h1", "h2", "tcp", "stream"};
  for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (o) {
      case O_TO: parse_address(optarg, opt.host, sizeof(opt.host), &opt.port); break;
      case O_PROTO:
        for (opt.proto = PROTO_H1; opt.proto < ARRAY_LEN(protos) && strcmp(optarg, protos[opt.proto]);) opt.proto++;
        if (opt.proto == ARRAY_LEN(protos)) die("no such protocol: %s", optarg);
        break;
      case O_TLS: opt.tls = 1; break;
      case O_CONNS: opt.conns = (unsigned)atoi(optarg); break;
      case O_STREAMS: opt.streams = (unsigned)atoi(optarg); break;
      case O_WARMUP: opt.warmup_ns = (uint64_t)atoi(optarg) * NS_PER_MS; break;
      case O_DURATION: opt.duration_ns = (uint64_t)atoi(optarg) * NS_PER_MS; break;
      case O_RATE: opt.rate = atof(optarg); break;
      case O_PATH: opt.path = optarg; break;
      case O_AUTHORITY: opt.authority = optarg; break;
      case O_HEADER: opt.header = optarg; break;
      case O_TARGETS: opt.targets_file = optarg; break;
      case O_BODY: opt.body = strtoull(optarg, NULL, 10); break;
      case O_POST: opt.post = strtoull(optarg, NULL, 10); break;
      case O_MESSAGE: opt.message = strtoull(optarg, NULL, 10); break;
      case O_NEW: opt.new_conn = 1; break;
      case O_GRPC: opt.grpc = 1; break;
      case O_WATCH:
        for (char *p = strtok(optarg, ","); p && opt.watch_len < ARRAY_LEN(opt.watch); p = strtok(NULL, ","))
          opt.watch[opt.watch_len++] = atoi(p);
        break;
      case O_IDLE: opt.idle = 1; break;
      case O_VERIFY: opt.verify = strtoull(optarg, NULL, 10); break;
      case O_SLICE: opt.slice_ns = (uint64_t)atoi(optarg) * NS_PER_MS; break;
      case O_SOURCES: opt.sources = atoi(optarg); break;
      default: exit(2);
    }
  }
  if (!opt.port || !opt.conns || !opt.streams) die("--to, --conns and --streams must be given and positive");
  if (opt.streams > STREAM_ID_SLOTS / 4) die("too many streams");
  if (opt.rate > 0 && opt.proto == PROTO_STREAM) die("--rate makes no sense for a stream");
}

/* ---- running ---- */

static void schedule_arrivals(uint64_t now) {
  while (phase < PH_DRAIN && (uint64_t)next_arrival <= now) {
    uint64_t due = (uint64_t)next_arrival;
    if (begin_ns && due >= begin_ns && due < end_ns) arrivals_in_window++;
    overdue_push(due);
    double u = (double)((random_next() >> 11) + 1) * 0x1.0p-53;
    next_arrival += -log(u) * 1e9 / opt.rate;
  }
  while (overdue_len && ready_len) {
    struct conn *c = ready_pop();
    if (opt.new_conn) {
      c->due = overdue_pop();
      conn_open(c);
    } else {
      conn_use(c);
    }
  }
}

static void mark(const struct cpu_sample *cpu) {
  if (mark_count < ARRAY_LEN(marks)) marks[mark_count++] = (struct mark){now_ns(), completed, bytes_in, cpu->sched_ns};
}

static void advance_phase(uint64_t now) {
  if (phase == PH_WARMUP && now >= begin_ns) {
    phase = PH_MEASURE;
    cpu_sample(opt.watch, opt.watch_len, &cpu_begin);
    bytes_in = 0;
    begin_ns = now_ns();
    end_ns = begin_ns + opt.duration_ns;
    mark(&cpu_begin);
  } else if (phase == PH_MEASURE && now >= end_ns) {
    cpu_sample(opt.watch, opt.watch_len, &cpu_end);
    mark(&cpu_end);
    end_ns = now;
    phase = opt.rate > 0 ? PH_DRAIN : PH_DONE;
  } else if (phase == PH_MEASURE && opt.slice_ns && now - marks[mark_count - 1].at >= opt.slice_ns &&
             end_ns - now >= opt.slice_ns / 2) {
    struct cpu_sample cpu;
    cpu_sample(opt.watch, opt.watch_len, &cpu);
    mark(&cpu);
  } else if (phase == PH_DRAIN && (latency.count >= arrivals_in_window || now >= end_ns + DRAIN_NS)) {
    phase = PH_DONE;
  }
  if (error_total >= MAX_ERRORS || (opt.verify && completed_all >= opt.verify)) phase = PH_DONE;
  if (phase < PH_DRAIN && now - last_progress > STALL_NS && opt.proto != PROTO_STREAM) {
    count_error(ERR_UNFINISHED);
    phase = PH_DONE;
  }
}

static void poll_once(uint64_t until) {
  struct epoll_event events[256];
  uint64_t now = now_ns();
  struct timespec wait = {0};
  if (until > now) wait = (struct timespec){(time_t)((until - now) / 1000000000u), (long)((until - now) % 1000000000u)};
  int n = epoll_pwait2(epfd, events, ARRAY_LEN(events), &wait, NULL);
  for (int i = 0; i < n; i++) {
    struct conn *c = &conns[events[i].data.u64 >> 32];
    if (c->epoch == (uint32_t)events[i].data.u64) on_event(c, events[i].events);
  }
}

static void run(void) {
  uint64_t now = now_ns();
  last_progress = now;
  begin_ns = now + opt.warmup_ns;
  end_ns = begin_ns + opt.duration_ns;
  next_arrival = (double)now;
  for (unsigned i = 0; i < opt.conns; i++) {
    if (opt.new_conn && opt.rate > 0) ready_push(&conns[i]);
    else conn_start(&conns[i]);
  }
  while (phase < PH_DONE) {
    now = now_ns();
    advance_phase(now);
    if (opt.rate > 0) schedule_arrivals(now);
    uint64_t until = now + 20 * NS_PER_MS;
    if (phase < PH_MEASURE && begin_ns < until) until = begin_ns;
    if (phase == PH_MEASURE && end_ns < until) until = end_ns;
    if (opt.rate > 0 && phase < PH_DRAIN && (uint64_t)next_arrival < until) until = (uint64_t)next_arrival;
    if (phase < PH_DONE) poll_once(until);
  }
  if (opt.rate > 0)
    for (uint64_t i = latency.count; i < arrivals_in_window; i++) count_error(ERR_UNFINISHED);
}

/* Opens all connections, sends one request on each, then holds them until standard input ends. */
static void run_idle(void) {
  unsigned started = 0, held = 0;
  uint64_t give_up = now_ns() + 60000 * NS_PER_MS;
  while (held < opt.conns && error_total == 0 && now_ns() < give_up) {
    while (started < opt.conns && started - held < IDLE_RAMP) conn_open(&conns[started++]);
    poll_once(now_ns() + 20 * NS_PER_MS);
    held = (unsigned)completed_all;
  }
  printf("held %u\n", held);
  fflush(stdout);
  for (struct pollfd in = {.fd = 0, .events = POLLIN}; poll(&in, 1, 0) == 0;) poll_once(now_ns() + 50 * NS_PER_MS);
}

static void report(void) {
  double seconds = (double)(end_ns - begin_ns) / 1e9;
  struct rusage self;
  getrusage(RUSAGE_SELF, &self);
  printf("{\"completed\": %llu, \"completed_all\": %llu, \"seconds\": %.6f, \"bytes_in\": %llu, \"reconnects\": %llu, "
         "\"opened\": %llu, ",
         (unsigned long long)completed, (unsigned long long)completed_all, seconds, (unsigned long long)bytes_in,
         (unsigned long long)reconnects, (unsigned long long)opened);
  printf("\"errors\": {");
  for (int i = 0, first = 1; i < ERR_KINDS; i++) {
    if (!errors[i]) continue;
    printf("%s\"%s\": %llu", first ? "" : ", ", error_names[i], (unsigned long long)errors[i]);
    first = 0;
  }
  printf("}, \"latency_us\": {\"count\": %llu, \"mean\": %.2f, \"p50\": %.2f, \"p90\": %.2f, \"p99\": %.2f, \"p999\": %.2f, "
         "\"max\": %.2f}, ",
         (unsigned long long)latency.count, latency.count ? (double)latency.sum / (double)latency.count / 1e3 : 0,
         (double)hist_quantile(&latency, 0.5) / 1e3, (double)hist_quantile(&latency, 0.9) / 1e3,
         (double)hist_quantile(&latency, 0.99) / 1e3, (double)hist_quantile(&latency, 0.999) / 1e3, (double)latency.max / 1e3);
  printf("\"slices\": [");
  for (size_t i = 1; i < mark_count; i++) {
    const struct mark *a = &marks[i - 1], *b = &marks[i];
    printf("%s{\"seconds\": %.6f, \"completed\": %llu, \"bytes_in\": %llu, \"sched_us\": %.3f}", i > 1 ? ", " : "",
           (double)(b->at - a->at) / 1e9, (unsigned long long)(b->completed - a->completed),
           (unsigned long long)(b->bytes - a->bytes), (double)(b->cpu_ns - a->cpu_ns) / 1e3);
  }
  printf("], ");
  double tick_us = 1e6 / (double)sysconf(_SC_CLK_TCK);
  printf("\"cpu\": {\"stat_us\": %.0f, \"user_us\": %.0f, \"sched_us\": %.3f}, \"self_cpu_us\": %.0f}\n",
         (double)(cpu_end.ticks - cpu_begin.ticks) * tick_us, (double)(cpu_end.utime - cpu_begin.utime) * tick_us,
         (double)(cpu_end.sched_ns - cpu_begin.sched_ns) / 1e3,
         (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec) * 1e6 + (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec));
}

int main(int argc, char **argv) {
  parse_options(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_TIMERSLACK, 1000);
  if (opt.tls) make_tls();
  if (opt.proto == PROTO_H2) make_block();
  make_targets();
  epfd = epoll_create1(EPOLL_CLOEXEC);
  conns = xcalloc(opt.conns, sizeof(*conns));
  ready = xcalloc(opt.conns, sizeof(*ready));
  for (unsigned i = 0; i < opt.conns; i++) {
    conns[i].fd = -1;
    conns[i].index = i;
    if (opt.proto == PROTO_H2) {
      conns[i].streams = xcalloc(opt.streams, sizeof(struct stream));
      conns[i].by_id = xcalloc(STREAM_ID_SLOTS, sizeof(uint16_t));
    }
  }
  if (opt.idle) run_idle();
  else run();
  report();
  return error_total || (opt.verify && completed_all < opt.verify) ? 1 : 0;
}
