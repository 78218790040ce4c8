// SPDX-License-Identifier: Apache-2.0
/* The floor, with epoll: the least work a user-space TCP proxy can do per byte on this kernel.
 * One thread; one upstream connection per client connection, opened on accept and kept; bytes are relayed
 * without being looked at. A real proxy also has to parse, route and pool.
 *
 *   floor-epoll LISTEN_PORT UPSTREAM_PORT [--splice]
 *
 * --splice moves the bytes through a kernel pipe instead of user memory. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

#define BUFFER (128 << 10)

/* One direction ends in `peer`; what `peer` could not take yet waits in `rest` or in the pipe. */
struct side {
  int fd, armed_out;
  struct side *peer;
  struct buf rest;
  int pipe[2];
  size_t piped;
  int dead;
  struct side *next_dead;
};

static int epfd, use_splice;
static struct side *dead_pairs; /* freed after the batch of events that may still name them */
static uint16_t upstream_port;
static uint8_t scratch[BUFFER];

static void arm(struct side *s, int in, int out) {
  struct epoll_event ev = {.events = (in ? EPOLLIN : 0u) | (out ? EPOLLOUT : 0u), .data.ptr = s};
  epoll_ctl(epfd, EPOLL_CTL_MOD, s->fd, &ev);
}

static int blocked(const struct side *s) {
  return s->piped || buf_left(&s->rest);
}

static int push(struct side *from) {
  struct side *to = from->peer;
  while (from->piped) {
    ssize_t n = splice(from->pipe[0], NULL, to->fd, NULL, from->piped, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0) return errno == EAGAIN;
    from->piped -= (size_t)n;
  }
  while (buf_left(&from->rest)) {
    ssize_t n = send(to->fd, from->rest.data + from->rest.off, buf_left(&from->rest), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN;
    buf_consume(&from->rest, (size_t)n);
  }
  return 1;
}

static int relay(struct side *from) {
  if (use_splice) {
    ssize_t n = splice(from->fd, NULL, from->pipe[1], NULL, 1 << 20, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return 0;
    from->piped += (size_t)n;
    return push(from);
  }
  ssize_t n = recv(from->fd, scratch, sizeof(scratch), 0);
  if (n < 0) return errno == EAGAIN;
  if (n == 0) return 0;
  ssize_t sent = send(from->peer->fd, scratch, (size_t)n, MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno != EAGAIN) return 0;
    sent = 0;
  }
  buf_append(&from->rest, scratch + sent, (size_t)(n - sent));
  return 1;
}

static int add(struct side *s, int fd, struct side *peer) {
  s->fd = fd;
  s->peer = peer;
  if (use_splice) {
    if (pipe2(s->pipe, O_NONBLOCK | O_CLOEXEC)) die("pipe: %m");
    fcntl(s->pipe[1], F_SETPIPE_SZ, 1 << 20);
  }
  set_nodelay(fd);
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
  return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
}

static void on_accept(int listener) {
  for (;;) {
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    int up = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(upstream_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (up < 0 || connect(up, (struct sockaddr *)&a, sizeof(a))) die("upstream: %m");
    fcntl(up, F_SETFL, O_NONBLOCK);
    struct side *pair = xcalloc(2, sizeof(*pair));
    if (add(&pair[0], client, &pair[1]) || add(&pair[1], up, &pair[0])) die("epoll: %m");
  }
}

static void close_pair(struct side *s) {
  struct side *pair = s < s->peer ? s : s->peer;
  for (int i = 0; i < 2; i++) {
    pair[i].dead = 1;
    close(pair[i].fd);
    buf_free(&pair[i].rest);
    if (use_splice) {
      close(pair[i].pipe[0]);
      close(pair[i].pipe[1]);
    }
  }
  pair->next_dead = dead_pairs;
  dead_pairs = pair;
}

static void free_dead(void) {
  while (dead_pairs) {
    struct side *pair = dead_pairs;
    dead_pairs = pair->next_dead;
    free(pair);
  }
}

static void on_event(struct side *s, uint32_t events) {
  if (s->dead) return;
  struct side *peer = s->peer;
  int alive = 1;
  if (events & EPOLLOUT) {
    alive = push(peer);
    if (alive && !blocked(peer)) {
      arm(s, !blocked(s), 0);
      arm(peer, 1, blocked(s));
      s->armed_out = 0;
    }
  }
  if (alive && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !blocked(s)) {
    alive = relay(s);
    if (alive && blocked(s) && !peer->armed_out) {
      peer->armed_out = 1;
      arm(s, 0, blocked(peer));
      arm(peer, !blocked(peer), 1);
    }
  }
  if (!alive) close_pair(s);
}

int main(int argc, char **argv) {
  if (argc < 3) die("usage: floor-epoll LISTEN_PORT UPSTREAM_PORT [--splice]");
  upstream_port = (uint16_t)atoi(argv[2]);
  use_splice = argc > 3 && !strcmp(argv[3], "--splice");
  signal(SIGPIPE, SIG_IGN);
  epfd = epoll_create1(EPOLL_CLOEXEC);
  int listener = listen_tcp((uint16_t)atoi(argv[1]));
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epfd, EPOLL_CTL_ADD, listener, &ev);
  for (;;) {
    struct epoll_event events[512];
    int n = epoll_wait(epfd, events, ARRAY_LEN(events), -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr) on_event(events[i].data.ptr, events[i].events);
      else on_accept(listener);
    }
    free_dead();
  }
}
