// SPDX-License-Identifier: Apache-2.0
/* The upstream server of the benchmark: one thread, epoll, prebuilt responses, made so that its own CPU
 * use stays well below that of the proxy in front of it.
 *
 *   --h1 PORT [--h1-ports N]  HTTP/1.1 with keep-alive, on N consecutive ports.
 *                             GET  .../b/N    a body of N bytes of the shared pattern
 *                             POST .../u/N    200 if the request body had N bytes of the pattern, else 400
 *                             GET  /stats     connections and requests so far, as JSON
 *                             Every response names the port it came from, so that routing can be checked.
 *   --h2c PORT                HTTP/2 without TLS; every request gets a body of 1,024 bytes.
 *   --grpc PORT               HTTP/2 without TLS; every request gets a 64-byte message and trailers.
 *   --echo PORT               TCP: sends back what it receives.
 *   --stream PORT             TCP: reads an 8-byte big-endian length, sends that many bytes, and so on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "h2wire.h"
#include "util.h"

enum kind { KIND_H1, KIND_H2C, KIND_GRPC, KIND_ECHO, KIND_STREAM };

#define H2C_BODY 1024
#define GRPC_MESSAGE 64
#define STREAM_CHUNK (PATTERN_PERIOD << 15) /* whole periods, so that chunks join seamlessly */
#define MAX_HEAD 65536

struct listener {
  int fd;
  enum kind kind;
  uint16_t port;
};

struct conn {
  int fd;
  enum kind kind;
  uint16_t port;
  int out_armed, closing;
  struct buf in;
  /* HTTP/1.1: the unsent rest of a prebuilt response, and the request body being read. */
  const uint8_t *rest;
  size_t rest_len;
  int in_body, body_bad, chunked, head_close;
  uint64_t body_left, body_seen, body_expected;
  /* HTTP/2 and echo. */
  struct buf out;
  int preface_seen;
  struct h2_encoder encoder;
  int64_t send_window;
  uint32_t received;
  struct buf blocked; /* stream ids waiting for connection window */
  /* Stream. */
  uint64_t stream_left, stream_pos;
};

static int epfd, stream_fd;
static uint8_t scratch[1 << 18];
static struct {
  uint64_t accepted, requests;
} stats;
static struct h2_block h2c_head, grpc_head, grpc_trailers;
static uint8_t h2c_body[H2C_BODY], grpc_body[GRPC_MESSAGE];

struct response {
  uint16_t port;
  unsigned status;
  size_t body, len;
  uint8_t *data;
};
static struct response *responses;
static size_t response_count;

/* ---- prebuilt HTTP/1.1 responses ---- */

static const struct response *response_get(uint16_t port, unsigned status, size_t body) {
  for (size_t i = 0; i < response_count; i++)
    if (responses[i].body == body && responses[i].port == port && responses[i].status == status) return &responses[i];
  char head[512], date[64];
  time_t t = time(NULL);
  strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&t));
  int n = snprintf(head, sizeof(head),
                   "HTTP/1.1 %u %s\r\nServer: origin\r\nDate: %s\r\nContent-Type: application/octet-stream\r\n"
                   "Cache-Control: public, max-age=60\r\nETag: \"5f2d-%zx\"\r\nX-Port: %u\r\nContent-Length: %zu\r\n\r\n",
                   status, status == 200 ? "OK" : "Bad Request", date, body, port, body);
  responses = xrealloc(responses, (response_count + 1) * sizeof(*responses));
  struct response *r = &responses[response_count++];
  *r = (struct response){port, status, body, (size_t)n + body, xmalloc((size_t)n + body)};
  memcpy(r->data, head, (size_t)n);
  pattern_fill(r->data + n, body, 0);
  return r;
}

/* ---- connections ---- */

static void conn_free(struct conn *c) {
  close(c->fd);
  buf_free(&c->in);
  buf_free(&c->out);
  buf_free(&c->blocked);
  free(c);
}

static void arm_out(struct conn *c, int on) {
  if (c->out_armed == on) return;
  c->out_armed = on;
  struct epoll_event ev = {.events = on ? EPOLLOUT : EPOLLIN, .data.ptr = c};
  epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &ev);
}

/* Each send function returns 0 when the connection is dead. */
static int h1_send(struct conn *c, const uint8_t *data, size_t len) {
  ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
  if (n < 0) {
    if (errno != EAGAIN) return 0;
    n = 0;
  }
  c->rest = data + n;
  c->rest_len = len - (size_t)n;
  arm_out(c, c->rest_len > 0);
  return 1;
}

static int out_flush(struct conn *c) {
  while (buf_left(&c->out)) {
    ssize_t n = send(c->fd, c->out.data + c->out.off, buf_left(&c->out), MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) return 0;
      break;
    }
    buf_consume(&c->out, (size_t)n);
  }
  arm_out(c, buf_left(&c->out) > 0);
  return 1;
}

static int stream_send(struct conn *c) {
  while (c->stream_left) {
    off_t at = (off_t)(c->stream_pos % STREAM_CHUNK);
    uint64_t want = STREAM_CHUNK - (uint64_t)at;
    if (want > c->stream_left) want = c->stream_left;
    ssize_t n = sendfile(c->fd, stream_fd, &at, want);
    if (n < 0) {
      if (errno != EAGAIN) return 0;
      break;
    }
    c->stream_pos += (uint64_t)n;
    c->stream_left -= (uint64_t)n;
  }
  arm_out(c, c->stream_left > 0);
  return 1;
}

/* ---- HTTP/1.1 ---- */

static int h1_respond(struct conn *c, unsigned status, size_t body) {
  const struct response *r = response_get(c->port, status, body);
  stats.requests++;
  return h1_send(c, r->data, r->len) && (!c->head_close || c->rest_len || (shutdown(c->fd, SHUT_WR), 1));
}

static int h1_stats(struct conn *c) {
  char body[128], text[320];
  int n = snprintf(body, sizeof(body), "{\"accepted\": %llu, \"requests\": %llu}\n", (unsigned long long)stats.accepted,
                   (unsigned long long)stats.requests);
  int len = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, body);
  return send(c->fd, text, (size_t)len, MSG_NOSIGNAL) == len;
}

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

static int h1_body_done(struct conn *c) {
  c->in_body = 0;
  if (c->body_bad || c->body_seen != c->body_expected) return h1_respond(c, 400, 16);
  return h1_respond(c, 200, 16);
}

/* Consumes request body bytes; sets *used. */
static int h1_body(struct conn *c, const uint8_t *p, size_t len, size_t *used) {
  size_t i = 0;
  while (i < len) {
    if (c->chunked && c->body_left == 0) {
      const uint8_t *nl = memchr(p + i, '\n', len - i);
      if (!nl) break;
      if (nl - (p + i) > 1) { /* not the empty line that ends a chunk */
        c->body_left = strtoull((const char *)p + i, NULL, 16);
        if (c->body_left == 0) {
          /* last chunk: the empty line after it must be there too */
          if (len - (size_t)(nl + 1 - p) < 2) break;
          *used = (size_t)(nl + 3 - p);
          return h1_body_done(c);
        }
      }
      i = (size_t)(nl + 1 - p);
      continue;
    }
    size_t n = len - i;
    if (n > c->body_left) n = c->body_left;
    if (!pattern_ok(p + i, n, c->body_seen)) c->body_bad = 1;
    c->body_seen += n;
    c->body_left -= n;
    i += n;
    if (!c->chunked && c->body_left == 0) {
      *used = i;
      return h1_body_done(c);
    }
  }
  *used = i;
  return 1;
}

static int h1_head(struct conn *c, const char *head, size_t len) {
  const char *path = memchr(head, ' ', len), *end = path ? memchr(path + 1, ' ', len - (size_t)(path + 1 - head)) : NULL;
  if (!end) return 0;
  path++;
  const char *connection = find_header(head, len, "connection");
  c->head_close = connection && !strncasecmp(connection, "close", 5);
  if (head[0] == 'P') {
    const char *length = find_header(head, len, "content-length");
    const char *want = memmem(path, (size_t)(end - path), "/u/", 3);
    c->in_body = 1;
    c->body_bad = !want;
    c->body_expected = want ? strtoull(want + 3, NULL, 10) : 0;
    c->body_seen = 0;
    c->chunked = !length;
    c->body_left = length ? strtoull(length, NULL, 10) : 0;
    return c->chunked || c->body_left ? 1 : h1_body_done(c);
  }
  if (!strncmp(path, "/stats", 6)) return h1_stats(c);
  const char *size = memmem(path, (size_t)(end - path), "/b/", 3);
  return size ? h1_respond(c, 200, strtoul(size + 3, NULL, 10)) : h1_respond(c, 400, 16);
}

static int h1_process(struct conn *c) {
  while (buf_left(&c->in) && !c->rest_len) {
    uint8_t *p = c->in.data + c->in.off;
    size_t len = buf_left(&c->in), used = 0;
    if (c->in_body) {
      if (!h1_body(c, p, len, &used)) return 0;
      if (!used) return 1;
    } else {
      const uint8_t *end = memmem(p, len, "\r\n\r\n", 4);
      if (!end) return len < MAX_HEAD;
      used = (size_t)(end + 4 - p);
      if (!h1_head(c, (const char *)p, used)) return 0;
    }
    buf_consume(&c->in, used);
  }
  return 1;
}

/* ---- HTTP/2 ---- */

static uint8_t *h2_frame_space(struct conn *c, size_t payload) {
  return buf_reserve(&c->out, H2_FRAME_HEADER + payload);
}

static void h2_control(struct conn *c, uint8_t type, uint8_t flags, uint32_t stream, const uint8_t *data, uint32_t len) {
  uint8_t *p = h2_frame_space(c, len);
  h2_put_frame(p, len, type, flags, stream);
  if (len) memcpy(p + H2_FRAME_HEADER, data, len);
  c->out.len += H2_FRAME_HEADER + len;
}

static void h2_headers(struct conn *c, const struct h2_block *b, uint32_t stream) {
  uint8_t *p = h2_frame_space(c, 1100);
  size_t n = h2_block_put(&c->encoder, b, p + H2_FRAME_HEADER);
  h2_put_frame(p, (uint32_t)n, H2_HEADERS, H2_END_HEADERS, stream);
  c->out.len += H2_FRAME_HEADER + n;
}

static void h2_respond(struct conn *c, uint32_t stream) {
  size_t need = c->kind == KIND_GRPC ? GRPC_MESSAGE : H2C_BODY;
  if (c->send_window < (int64_t)need) {
    buf_append(&c->blocked, &stream, sizeof(stream));
    return;
  }
  c->send_window -= (int64_t)need;
  stats.requests++;
  if (c->kind == KIND_H2C) {
    h2_headers(c, &h2c_head, stream);
    h2_control(c, H2_DATA, H2_END_STREAM, stream, h2c_body, H2C_BODY);
  } else {
    h2_headers(c, &grpc_head, stream);
    h2_control(c, H2_DATA, 0, stream, grpc_body, GRPC_MESSAGE);
    h2_control(c, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, stream, grpc_trailers.plain,
               (uint32_t)grpc_trailers.plain_len);
  }
}

static void h2_window_update(struct conn *c, uint32_t n) {
  uint8_t v[4];
  put_be32(v, n);
  h2_control(c, H2_WINDOW_UPDATE, 0, 0, v, 4);
}

static void h2_settings(struct conn *c, const uint8_t *p, size_t len) {
  for (size_t i = 0; i + 6 <= len; i += 6) {
    unsigned id = (unsigned)p[i] << 8 | p[i + 1];
    uint32_t value = get_be32(p + i + 2);
    if (id == H2_SET_HEADER_TABLE_SIZE && value < 4096) c->encoder.no_table = 1;
    if (id == H2_SET_INITIAL_WINDOW && value < H2C_BODY) die("the peer's stream window is too small");
  }
  h2_control(c, H2_SETTINGS, H2_ACK, 0, NULL, 0);
}

static int h2_frame(struct conn *c, const struct h2_frame *f, const uint8_t *payload) {
  switch (f->type) {
    case H2_DATA:
      c->received += f->len;
      if (c->received > H2_DEFAULT_WINDOW / 2) {
        h2_window_update(c, c->received);
        c->received = 0;
      }
      /* fall through */
    case H2_HEADERS:
      if (f->flags & H2_END_STREAM) h2_respond(c, f->stream);
      return 1;
    case H2_SETTINGS:
      if (!(f->flags & H2_ACK)) h2_settings(c, payload, f->len);
      return 1;
    case H2_PING:
      if (!(f->flags & H2_ACK)) h2_control(c, H2_PING, H2_ACK, 0, payload, f->len);
      return 1;
    case H2_WINDOW_UPDATE:
      if (f->stream == 0 && f->len == 4) c->send_window += get_be32(payload);
      return 1;
    case H2_CONTINUATION: return 0; /* no peer's header block is that large here */
    default: return 1;
  }
}

static int h2_process(struct conn *c) {
  if (!c->preface_seen) {
    if (buf_left(&c->in) < H2_PREFACE_LEN) return 1;
    if (memcmp(c->in.data + c->in.off, H2_PREFACE, H2_PREFACE_LEN)) return 0;
    c->preface_seen = 1;
    buf_consume(&c->in, H2_PREFACE_LEN);
    const uint8_t settings[] = {0, H2_SET_MAX_STREAMS, 0, 0, 4, 0};
    h2_control(c, H2_SETTINGS, 0, 0, settings, sizeof(settings));
  }
  while (buf_left(&c->in) >= H2_FRAME_HEADER) {
    struct h2_frame f;
    const uint8_t *p = c->in.data + c->in.off;
    h2_get_frame(p, &f);
    if (f.len > H2_MAX_FRAME) return 0;
    if (buf_left(&c->in) < H2_FRAME_HEADER + f.len) break;
    if (!h2_frame(c, &f, p + H2_FRAME_HEADER)) return 0;
    buf_consume(&c->in, H2_FRAME_HEADER + f.len);
  }
  while (buf_left(&c->blocked) && c->send_window >= H2C_BODY) {
    uint32_t stream;
    memcpy(&stream, c->blocked.data + c->blocked.off, sizeof(stream));
    buf_consume(&c->blocked, sizeof(stream));
    h2_respond(c, stream);
  }
  return out_flush(c);
}

/* ---- the event loop ---- */

static int raw_process(struct conn *c, const uint8_t *data, size_t len) {
  if (c->kind == KIND_ECHO) {
    buf_append(&c->out, data, len);
    return out_flush(c);
  }
  buf_append(&c->in, data, len);
  while (!c->stream_left && buf_left(&c->in) >= 8) {
    const uint8_t *p = c->in.data + c->in.off;
    c->stream_left = (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
    c->stream_pos = 0;
    buf_consume(&c->in, 8);
    stats.requests++;
    if (!stream_send(c)) return 0;
  }
  return 1;
}

static int on_readable(struct conn *c) {
  ssize_t n = recv(c->fd, scratch, sizeof(scratch), 0);
  if (n < 0) return errno == EAGAIN;
  if (n == 0) return 0;
  if (c->kind == KIND_ECHO || c->kind == KIND_STREAM) return raw_process(c, scratch, (size_t)n);
  buf_append(&c->in, scratch, (size_t)n);
  return c->kind == KIND_H1 ? h1_process(c) : h2_process(c);
}

static int on_writable(struct conn *c) {
  switch (c->kind) {
    case KIND_H1: return h1_send(c, c->rest, c->rest_len) && (c->rest_len || h1_process(c));
    case KIND_STREAM: return stream_send(c);
    default: return out_flush(c);
  }
}

static void on_accept(struct listener *l) {
  for (;;) {
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    set_nodelay(fd);
    struct conn *c = xcalloc(1, sizeof(*c));
    c->fd = fd;
    c->kind = l->kind;
    c->port = l->port;
    c->send_window = H2_DEFAULT_WINDOW;
    stats.accepted++;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev)) die("epoll_ctl: %m");
  }
}

static void build_fixed_responses(void) {
  const struct h2_field ok[] = {{8, 1, ":status", "200"},
                                {54, 0, "server", "origin"},
                                {33, 0, "date", "Mon, 01 Jan 2024 00:00:00 GMT"},
                                {31, 0, "content-type", "application/octet-stream"},
                                {24, 0, "cache-control", "public, max-age=60"},
                                {28, 0, "content-length", "1024"}};
  const struct h2_field grpc[] = {{8, 1, ":status", "200"}, {31, 0, "content-type", "application/grpc"}};
  const struct h2_field trailers[] = {{0, 0, "grpc-status", "0"}};
  h2_block_build(&h2c_head, ok, ARRAY_LEN(ok));
  h2_block_build(&grpc_head, grpc, ARRAY_LEN(grpc));
  h2_block_build(&grpc_trailers, trailers, ARRAY_LEN(trailers));
  pattern_fill(h2c_body, sizeof(h2c_body), 0);
  put_be32(grpc_body + 1, GRPC_MESSAGE - 5);
  pattern_fill(grpc_body + 5, GRPC_MESSAGE - 5, 0);

  stream_fd = memfd_create("stream", MFD_CLOEXEC);
  uint8_t *chunk = xmalloc(STREAM_CHUNK);
  pattern_fill(chunk, STREAM_CHUNK, 0);
  if (stream_fd < 0 || write(stream_fd, chunk, STREAM_CHUNK) != (ssize_t)STREAM_CHUNK) die("memfd: %m");
  free(chunk);
}

int main(int argc, char **argv) {
  static const struct option options[] = {{"h1", 1, 0, 'h'},   {"h1-ports", 1, 0, 'n'}, {"h2c", 1, 0, '2'},
                                          {"grpc", 1, 0, 'g'}, {"echo", 1, 0, 'e'},     {"stream", 1, 0, 's'},
                                          {0, 0, 0, 0}};
  struct listener listeners[256];
  size_t count = 0;
  int h1_port = 0, h1_ports = 1;
  for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    enum kind kind;
    switch (o) {
      case 'h': h1_port = atoi(optarg); continue;
      case 'n': h1_ports = atoi(optarg); continue;
      case '2': kind = KIND_H2C; break;
      case 'g': kind = KIND_GRPC; break;
      case 'e': kind = KIND_ECHO; break;
      case 's': kind = KIND_STREAM; break;
      default: return 2;
    }
    listeners[count++] = (struct listener){.kind = kind, .port = (uint16_t)atoi(optarg)};
  }
  for (int i = 0; h1_port && i < h1_ports && count < ARRAY_LEN(listeners); i++)
    listeners[count++] = (struct listener){.kind = KIND_H1, .port = (uint16_t)(h1_port + i)};

  signal(SIGPIPE, SIG_IGN);
  build_fixed_responses();
  epfd = epoll_create1(EPOLL_CLOEXEC);
  for (size_t i = 0; i < count; i++) {
    listeners[i].fd = listen_tcp(listeners[i].port);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &listeners[i]};
    epoll_ctl(epfd, EPOLL_CTL_ADD, listeners[i].fd, &ev);
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct epoll_event events[512];
    int n = epoll_wait(epfd, events, ARRAY_LEN(events), -1);
    for (int i = 0; i < n; i++) {
      void *p = events[i].data.ptr;
      if (p >= (void *)listeners && p < (void *)(listeners + count)) {
        on_accept(p);
        continue;
      }
      struct conn *c = p;
      int alive = events[i].events & EPOLLOUT ? on_writable(c) : on_readable(c);
      if (!alive) conn_free(c);
    }
  }
}
