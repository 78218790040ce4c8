/* SPDX-License-Identifier: Apache-2.0 */
#include "listener/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

/* The kernel lowers it to net.core.somaxconn, Envoy's default. */
#define MAX_BACKLOG 65535

static bool set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static bool apply_options(int fd, const struct nu_listen_options *o, enum nu_socket_state state)
{
    for (size_t i = 0; i < o->n_options; i++) {
        const struct nu_socket_option *so = &o->options[i];
        if (so->state != state)
            continue;
        const void *value = so->bytes.ptr != NULL ? (const void *)so->bytes.ptr : (const void *)&so->number;
        socklen_t len = so->bytes.ptr != NULL ? (socklen_t)so->bytes.len : sizeof(so->number);
        if (setsockopt(fd, so->level, so->name, value, len) != 0)
            return false;
    }
    return true;
}

/* What accepted sockets inherit on Linux, so that accepting costs no setsockopt(2). */
static bool set_inherited(int fd, const struct nu_listen_options *o)
{
    bool ok = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (!o->keepalive)
        return ok;
    ok = ok && set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (o->keepalive_probes > 0)
        ok = ok && set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, o->keepalive_probes);
    if (o->keepalive_time_s > 0)
        ok = ok && set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, o->keepalive_time_s);
    if (o->keepalive_interval_s > 0)
        ok = ok && set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, o->keepalive_interval_s);
    return ok;
}

static bool prepare_ip(int fd, int family, const struct nu_listen_options *o)
{
    bool v6 = family == AF_INET6;
    if (!set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) || !set_inherited(fd, o))
        return false;
    if (v6 && !set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !o->ipv4_compat))
        return false;
    if (o->reuse_port && !set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1))
        return false;
    if (o->freebind && !set_int(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_FREEBIND : IP_FREEBIND, 1))
        return false;
    return !o->transparent ||
           set_int(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, 1);
}

static bool bind_to(int fd, const struct nu_address *a)
{
    struct sockaddr_storage ss;
    bool path = a->sock.family == AF_UNIX && a->path.len > 0 && a->path.ptr[0] != '@';
    socklen_t len = nu_address_sockaddr(a, &ss);
    if (path)
        unlink(((struct sockaddr_un *)&ss)->sun_path); /* what a dead process left, as Envoy does */
    if (bind(fd, (struct sockaddr *)&ss, len) != 0)
        return false;
    return !path || a->mode == 0 || chmod(((struct sockaddr_un *)&ss)->sun_path, a->mode) == 0;
}

/* A bound socket, or -1 with errno. */
static int open_one(const struct nu_address *a, const struct nu_listen_options *o)
{
    int family = a->sock.family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if ((family == AF_UNIX || prepare_ip(fd, family, o)) && apply_options(fd, o, NU_SOCKET_PREBIND) &&
        bind_to(fd, a) && apply_options(fd, o, NU_SOCKET_BOUND))
        return fd;
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

/* The address a socket was bound to: another one than asked for when the port was 0. */
static struct nu_address *bound_address(int fd, const struct nu_address *wanted)
{
    struct nu_sockaddr sock = {.family = AF_UNSPEC};
    socklen_t len = sizeof(sock);
    if (wanted->sock.family == AF_UNIX)
        return nu_address_unix(wanted->path, wanted->mode);
    NU_ASSERT(getsockname(fd, &sock.any, &len) == 0);
    return nu_address_from_sock(&sock);
}

static void close_fds(struct nu_listen_socket *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        close(s->fds[i]);
}

static struct nu_address *copy_address(const struct nu_address *a)
{
    return a->sock.family == AF_UNIX ? nu_address_unix(a->path, a->mode) : nu_address_from_sock(&a->sock);
}

static struct nu_listen_socket *open_all(const struct nu_address *address, const struct nu_listen_options *o,
                                         unsigned n_fds, struct nu_sb *why)
{
    struct nu_listen_socket *s = nu_zalloc(sizeof(*s) + n_fds * sizeof(s->fds[0]));
    for (unsigned i = 0; i < n_fds; i++) {
        s->fds[i] = open_one(i == 0 ? address : s->address, o);
        if (s->fds[i] < 0) {
            nu_sb_printf(why, "cannot bind '%.*s': %s", NU_STR_ARG(address->text), strerror(errno));
            close_fds(s, i);
            nu_address_unref(&s->address);
            nu_free(s);
            return NULL;
        }
        if (i == 0)
            s->address = bound_address(s->fds[0], address);
    }
    s->refs = 1;
    s->n_fds = n_fds;
    s->backlog = o->backlog > 0 ? o->backlog : MAX_BACKLOG;
    s->options_hash = o->hash;
    s->wanted = copy_address(address);
    return s;
}

struct nu_listen_socket *nu_listen_socket_get(struct nu_list *table, const struct nu_address *address,
                                              const struct nu_listen_options *o, unsigned n, uint64_t owner,
                                              struct nu_sb *why)
{
    if (address->sock.family == AF_UNIX || nu_sockaddr_port(&address->sock) != 0)
        owner = 0;
    nu_list_foreach(node, table) {
        struct nu_listen_socket *s = nu_list_entry(node, struct nu_listen_socket, node);
        if (nu_address_eq(s->wanted, address) && s->options_hash == o->hash && s->owner == owner) {
            s->refs++;
            return s;
        }
    }
    bool per_worker = o->reuse_port && address->sock.family != AF_UNIX;
    struct nu_listen_socket *s = open_all(address, o, per_worker ? n : 1, why);
    if (s == NULL)
        return NULL;
    s->owner = owner;
    nu_list_push_back(table, &s->node);
    return s;
}

bool nu_listen_socket_listen(struct nu_listen_socket *s)
{
    for (unsigned i = 0; i < s->n_fds && !s->listening; i++)
        if (listen(s->fds[i], s->backlog) != 0)
            return false;
    s->listening = true;
    return true;
}

void nu_listen_socket_unref(struct nu_listen_socket **sp)
{
    struct nu_listen_socket *s = nu_take(sp);
    if (s == NULL || --s->refs > 0)
        return;
    nu_list_remove(&s->node);
    close_fds(s, s->n_fds);
    nu_address_unref(&s->wanted);
    nu_address_unref(&s->address);
    nu_free(s);
}
