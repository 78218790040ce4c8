/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel pipes that a worker lends to connections which splice(2): each for as long as it holds bytes, so few pipes serve
 * many connections. One per worker; nothing here is thread-safe. */
#ifndef NU_WORKER_PIPES_H
#define NU_WORKER_PIPES_H

#include <stdbool.h>

struct nu_pipe {
    struct nu_pipe *next; /* spare */
    int in, out;          /* bytes go in here, and come out there; both non-blocking */
};

/* Zero-initialise. */
struct nu_pipes {
    struct nu_pipe *spare;
    unsigned n_spare, n; /* n: lent ones too */
    unsigned n_skip;     /* so many requests are refused without asking the kernel */
};

/* An empty pipe that the caller owns, of 1 MiB where the kernel allows that; NULL: half of the descriptors that the process
 * may have are in use, too many pipes are, or the kernel gives only tiny ones: do without. */
struct nu_pipe *nu_pipe_take(struct nu_pipes *p);
/* Takes the pipe back and leaves NULL. empty: no byte is in it; one that holds bytes is closed, which drops them. */
void nu_pipe_give(struct nu_pipes *p, struct nu_pipe **pipe, bool empty);
/* Closes spare pipes until at most `keep` are left. */
void nu_pipes_trim(struct nu_pipes *p, unsigned keep);

#endif
