/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/assert.h"

static void (*handler)(int sig, void *arg);
static void *handler_arg;

static sigset_t ours(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    return set;
}

void nu_signals_block(void)
{
    sigset_t set = ours();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void on_ready(struct nu_watch *w, uint32_t ready)
{
    struct signalfd_siginfo info;
    (void)ready;
    while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        handler((int)info.ssi_signo, handler_arg);
}

void nu_signals_watch(struct nu_watch *w, struct nu_loop *loop, void (*on_signal)(int sig, void *arg), void *arg)
{
    sigset_t set = ours();
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    NU_ASSERT(fd >= 0);
    handler = on_signal;
    handler_arg = arg;
    nu_loop_watch_level(loop, w, fd, NU_READABLE, false, on_ready);
}

void nu_signals_unwatch(struct nu_watch *w, struct nu_loop *loop)
{
    if (w->fd >= 0)
        nu_loop_close(loop, w);
}
