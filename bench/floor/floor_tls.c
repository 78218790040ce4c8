// SPDX-License-Identifier: Apache-2.0
/* The floor for TLS termination: floor_epoll.c's relay with the client side under TLS 1.3 (OpenSSL).
 * Meant for requests and responses that fit one record and one socket buffer.
 *
 *   floor-tls LISTEN_PORT UPSTREAM_PORT CERT KEY
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

struct session {
  struct side {
    int fd, is_upstream;
    struct session *session;
  } client, upstream;
  SSL *ssl;
  int dead;
  struct session *next_dead;
};

static int epfd;
static uint16_t upstream_port;
static SSL_CTX *tls;
static struct session *dead_sessions;
static uint8_t scratch[64 << 10];

static void end(struct session *s) {
  if (s->dead) return;
  s->dead = 1;
  SSL_free(s->ssl);
  close(s->client.fd);
  close(s->upstream.fd);
  s->next_dead = dead_sessions;
  dead_sessions = s;
}

static void add(struct side *side, struct session *s, int fd, int is_upstream) {
  *side = (struct side){fd, is_upstream, s};
  set_nodelay(fd);
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = side};
  if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev)) die("epoll: %m");
}

static void on_accept(int listener) {
  int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client < 0) return;
  int up = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(upstream_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (up < 0 || connect(up, (struct sockaddr *)&a, sizeof(a))) die("upstream: %m");
  fcntl(up, F_SETFL, O_NONBLOCK);
  struct session *s = xcalloc(1, sizeof(*s));
  add(&s->client, s, client, 0);
  add(&s->upstream, s, up, 1);
  s->ssl = SSL_new(tls);
  SSL_set_fd(s->ssl, client);
  SSL_set_accept_state(s->ssl);
}

static void on_event(struct side *side) {
  struct session *s = side->session;
  if (s->dead) return;
  if (side->is_upstream) {
    ssize_t n = recv(side->fd, scratch, sizeof(scratch), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 || SSL_write(s->ssl, scratch, (int)n) != n) end(s);
    return;
  }
  int n = SSL_read(s->ssl, scratch, sizeof(scratch));
  if (n <= 0) {
    if (SSL_get_error(s->ssl, n) != SSL_ERROR_WANT_READ) end(s);
    return;
  }
  if (send(s->upstream.fd, scratch, (size_t)n, MSG_NOSIGNAL) != n) end(s);
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len,
                       void *arg) {
  (void)ssl, (void)arg;
  static const unsigned char protos[] = "\x08http/1.1";
  return SSL_select_next_proto((unsigned char **)out, out_len, protos, 9, in, in_len) == OPENSSL_NPN_NEGOTIATED
             ? SSL_TLSEXT_ERR_OK
             : SSL_TLSEXT_ERR_NOACK;
}

int main(int argc, char **argv) {
  if (argc != 5) die("usage: floor-tls LISTEN_PORT UPSTREAM_PORT CERT KEY");
  upstream_port = (uint16_t)atoi(argv[2]);
  signal(SIGPIPE, SIG_IGN);
  tls = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
  SSL_CTX_set_read_ahead(tls, 1);
  SSL_CTX_set_alpn_select_cb(tls, choose_alpn, NULL);
  if (SSL_CTX_use_certificate_chain_file(tls, argv[3]) != 1 || SSL_CTX_use_PrivateKey_file(tls, argv[4], SSL_FILETYPE_PEM) != 1)
    die("cannot load the certificate");
  epfd = epoll_create1(EPOLL_CLOEXEC);
  int listener = listen_tcp((uint16_t)atoi(argv[1]));
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epfd, EPOLL_CTL_ADD, listener, &ev);
  for (;;) {
    struct epoll_event events[512];
    int n = epoll_wait(epfd, events, ARRAY_LEN(events), -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr) on_event(events[i].data.ptr);
      else on_accept(listener);
    }
    while (dead_sessions) {
      struct session *s = dead_sessions;
      dead_sessions = s->next_dead;
      free(s);
    }
  }
}
