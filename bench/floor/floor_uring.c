// SPDX-License-Identifier: Apache-2.0
/* The floor, with io_uring: the same relay as floor_epoll.c, with multishot accept and receive, a ring of
 * provided buffers, registered files, and one system call per batch of completions.
 *
 *   floor-uring LISTEN_PORT UPSTREAM_PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

#define SQ_ENTRIES 4096
#define CQ_ENTRIES 16384
#define MAX_FILES 16384
#define BUFFERS 64 /* power of two; few enough to stay in the cache */
#define BUFFER_SIZE (128 << 10)
#define GROUP 0
#define MAX_GATHER 16

enum op { OP_ACCEPT, OP_RECV, OP_SEND };
#define OP_MASK 3ull

/* Buffers received from `side` on their way to its peer: a queue of buffer ids; the first `sending` of them
 * are in the one send that is under way. */
struct side {
  int fd, slot;
  struct side *peer;
  uint16_t queue[BUFFERS];
  uint32_t queue_len[BUFFERS];
  unsigned head, count, sending;
  struct iovec gather[MAX_GATHER];
  struct msghdr msg;
  int ended, want_recv;
};

struct pair {
  struct side side[2];
  unsigned pending; /* operations the kernel still has */
  int closing;
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static uint8_t *memory;
static uint16_t upstream_port;
static int free_slots[MAX_FILES], free_slot_count;
static struct side **starved;
static size_t starved_count, starved_cap;
static unsigned returned;

static struct pair *pair_of(struct side *s) {
  return (struct pair *)(s < s->peer ? s : s->peer);
}

static struct io_uring_sqe *next_sqe(void) {
  struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
  if (!sqe) {
    io_uring_submit(&ring);
    sqe = io_uring_get_sqe(&ring);
    if (!sqe) die("submission queue is full");
  }
  return sqe;
}

static void finish(struct side *s, struct io_uring_sqe *sqe, enum op op) {
  sqe->flags |= IOSQE_FIXED_FILE;
  io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)s | op);
  pair_of(s)->pending++;
}

static void start_recv(struct side *s) {
  struct io_uring_sqe *sqe = next_sqe();
  io_uring_prep_recv_multishot(sqe, s->slot, NULL, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = GROUP;
  finish(s, sqe, OP_RECV);
}

static void return_buffer(uint16_t id) {
  io_uring_buf_ring_add(buffers, memory + (size_t)id * BUFFER_SIZE, BUFFER_SIZE, id, io_uring_buf_ring_mask(BUFFERS),
                        (int)returned++);
}

static void start_send(struct side *s) {
  struct io_uring_sqe *sqe = next_sqe();
  unsigned n = s->count < MAX_GATHER ? s->count : MAX_GATHER;
  s->sending = n;
  if (n == 1) {
    unsigned i = s->head % BUFFERS;
    io_uring_prep_send(sqe, s->peer->slot, memory + (size_t)s->queue[i] * BUFFER_SIZE, s->queue_len[i],
                       MSG_NOSIGNAL | MSG_WAITALL);
  } else {
    for (unsigned k = 0; k < n; k++) {
      unsigned i = (s->head + k) % BUFFERS;
      s->gather[k] = (struct iovec){memory + (size_t)s->queue[i] * BUFFER_SIZE, s->queue_len[i]};
    }
    s->msg = (struct msghdr){.msg_iov = s->gather, .msg_iovlen = n};
    io_uring_prep_sendmsg(sqe, s->peer->slot, &s->msg, MSG_NOSIGNAL | MSG_WAITALL);
  }
  finish(s, sqe, OP_SEND);
}

static void begin_close(struct pair *p) {
  if (p->closing) return;
  p->closing = 1;
  for (int i = 0; i < 2; i++) shutdown(p->side[i].fd, SHUT_RDWR);
}

static void maybe_free(struct pair *p) {
  if (!p->closing || p->pending) return;
  for (int i = 0; i < 2; i++) {
    struct side *s = &p->side[i];
    if (s->want_recv) return; /* still in the list of starved sides */
    for (; s->count; s->count--) return_buffer(s->queue[s->head++ % BUFFERS]);
    int none = -1;
    io_uring_register_files_update(&ring, (unsigned)s->slot, &none, 1);
    free_slots[free_slot_count++] = s->slot;
    close(s->fd);
  }
  free(p);
}

static void starve(struct side *s) {
  if (starved_count == starved_cap) {
    starved_cap = starved_cap ? starved_cap * 2 : 64;
    starved = xrealloc(starved, starved_cap * sizeof(*starved));
  }
  s->want_recv = 1;
  starved[starved_count++] = s;
}

static void on_recv(struct side *s, const struct io_uring_cqe *cqe) {
  struct pair *p = pair_of(s);
  if (!(cqe->flags & IORING_CQE_F_MORE)) p->pending--;
  if (cqe->res > 0) {
    unsigned i = (s->head + s->count++) % BUFFERS;
    s->queue[i] = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    s->queue_len[i] = (uint32_t)cqe->res;
    if (!s->sending && !p->closing) start_send(s);
  } else if (cqe->res != -ENOBUFS) {
    s->ended = 1;
    begin_close(p);
  }
  if (!(cqe->flags & IORING_CQE_F_MORE) && !s->ended && !p->closing) starve(s);
  maybe_free(p);
}

static void on_send(struct side *s, const struct io_uring_cqe *cqe) {
  struct pair *p = pair_of(s);
  p->pending--;
  for (; s->sending; s->sending--, s->count--) return_buffer(s->queue[s->head++ % BUFFERS]);
  if (cqe->res < 0) begin_close(p);
  else if (s->count && !p->closing) start_send(s);
  maybe_free(p);
}

static int register_file(int fd) {
  if (!free_slot_count) die("too many connections");
  int slot = free_slots[--free_slot_count];
  if (io_uring_register_files_update(&ring, (unsigned)slot, &fd, 1) != 1) die("cannot register a file");
  return slot;
}

static void on_accept(int listener, const struct io_uring_cqe *cqe) {
  if (!(cqe->flags & IORING_CQE_F_MORE)) {
    struct io_uring_sqe *sqe = next_sqe();
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, OP_ACCEPT);
  }
  if (cqe->res < 0) return;
  int up = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(upstream_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (up < 0 || connect(up, (struct sockaddr *)&a, sizeof(a))) die("upstream: %m");
  struct pair *p = xcalloc(1, sizeof(*p));
  int fds[2] = {cqe->res, up};
  for (int i = 0; i < 2; i++) {
    struct side *s = &p->side[i];
    s->fd = fds[i];
    s->peer = &p->side[1 - i];
    s->slot = register_file(s->fd);
    set_nodelay(s->fd);
  }
  for (int i = 0; i < 2; i++) start_recv(&p->side[i]);
}

static void setup(void) {
  struct io_uring_params params = {
      .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE, .cq_entries = CQ_ENTRIES};
  int e = io_uring_queue_init_params(SQ_ENTRIES, &ring, &params);
  if (e) die("io_uring: %s", strerror(-e));
  io_uring_register_ring_fd(&ring);
  if (io_uring_register_files_sparse(&ring, MAX_FILES)) die("cannot register a file table");
  for (int i = 0; i < MAX_FILES; i++) free_slots[free_slot_count++] = MAX_FILES - 1 - i;
  void *p = mmap(NULL, BUFFERS * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (p == MAP_FAILED) die("mmap: %m");
  buffers = p;
  struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)p, .ring_entries = BUFFERS, .bgid = GROUP};
  if (io_uring_register_buf_ring(&ring, &reg, 0)) die("cannot register the buffer ring");
  io_uring_buf_ring_init(buffers);
  memory = xmalloc((size_t)BUFFERS * BUFFER_SIZE);
  for (int i = 0; i < BUFFERS; i++) return_buffer((uint16_t)i);
  io_uring_buf_ring_advance(buffers, (int)returned);
  returned = 0;
}

int main(int argc, char **argv) {
  if (argc != 3) die("usage: floor-uring LISTEN_PORT UPSTREAM_PORT");
  upstream_port = (uint16_t)atoi(argv[2]);
  signal(SIGPIPE, SIG_IGN);
  setup();
  int listener = listen_tcp((uint16_t)atoi(argv[1]));
  struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
  io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
  io_uring_sqe_set_data64(sqe, OP_ACCEPT);
  for (;;) {
    int e = io_uring_submit_and_wait(&ring, 1);
    if (e < 0 && e != -EINTR) die("io_uring: %s", strerror(-e));
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;
    io_uring_for_each_cqe(&ring, head, cqe) {
      n++;
      struct side *s = (struct side *)(uintptr_t)(cqe->user_data & ~OP_MASK);
      switch ((enum op)(cqe->user_data & OP_MASK)) {
        case OP_ACCEPT: on_accept(listener, cqe); break;
        case OP_RECV: on_recv(s, cqe); break;
        case OP_SEND: on_send(s, cqe); break;
      }
    }
    io_uring_cq_advance(&ring, n);
    io_uring_buf_ring_advance(buffers, (int)returned);
    returned = 0;
    for (size_t i = 0; i < starved_count; i++) {
      struct side *s = starved[i];
      s->want_recv = 0;
      if (!pair_of(s)->closing) start_recv(s);
      else maybe_free(pair_of(s));
    }
    starved_count = 0;
  }
}
