/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of v1: URLs tcp://ip:port, tcp://[ip6]:port, tcp://name:port, unix://path; resolvers also as ip:port. */
#include "config/v1/v1_priv.h"
#include "net/address.h"

/* "host:port" or "[ip6]:port". */
static bool split_port(nu_str text, nu_str *host, uint64_t *port)
{
    ssize_t colon = nu_str_rfind(text, ':');
    if (colon <= 0 || !nu_str_to_u64(nu_str_skip(text, (size_t)colon + 1), port) || *port > 65535)
        return false;
    *host = nu_str_first(text, (size_t)colon);
    if (host->ptr[0] != '[')
        return nu_str_find(*host, ':') < 0;
    bool closed = host->len > 2 && host->ptr[host->len - 1] == ']';
    *host = closed ? nu_str_make(host->ptr + 1, host->len - 2) : NU_STR("");
    return closed;
}

static void put_socket(struct v1 *c, struct nu_tree *map, struct nu_pos pos, nu_str host, uint64_t port)
{
    struct nu_tree *socket = v1_put_map(c, v1_put_map(c, map, "address", pos), "socket_address", pos);
    v1_put(c, socket, "address", v1_str(c, pos, host));
    v1_put(c, socket, "port_value", v1_num(c, pos, port));
}

static bool put_tcp(struct v1 *c, struct nu_tree *map, const struct nu_tree *url, nu_str rest, enum v1_host_kind kind)
{
    nu_str host;
    uint64_t port;
    struct nu_sockaddr sock;
    if (!split_port(rest, &host, &port)) {
        v1_error(c, url->pos, "\"%.*s\" is not an address: tcp://%s:port, the port at most 65535", NU_STR_ARG(url->u.text),
                 kind == V1_NAME ? "name" : "ip");
        return false;
    }
    if (kind != V1_NAME && !nu_sockaddr_parse_ip(host, (uint16_t)port, &sock)) {
        v1_error(c, url->pos, "\"%.*s\" is not an IP address; only clusters of type strict_dns and logical_dns take names",
                 NU_STR_ARG(host));
        return false;
    }
    put_socket(c, map, url->pos, host, port);
    return true;
}

bool v1_put_address(struct v1 *c, struct nu_tree *map, const struct nu_tree *url, enum v1_host_kind kind)
{
    nu_str text = url->u.text;
    if (nu_str_starts(text, NU_STR("tcp://")))
        return put_tcp(c, map, url, nu_str_skip(text, 6), kind);
    if (kind == V1_IP_BARE)
        return put_tcp(c, map, url, text, kind);
    if (nu_str_starts(text, NU_STR("unix://"))) {
        if (kind == V1_NAME) {
            v1_error(c, url->pos, "unix:// needs a cluster of type static");
            return false;
        }
        struct nu_tree *pipe = v1_put_map(c, v1_put_map(c, map, "address", url->pos), "pipe", url->pos);
        v1_put(c, pipe, "path", v1_str(c, url->pos, nu_str_skip(text, 7)));
        return true;
    }
    v1_error(c, url->pos, "\"%.*s\" is not an address: it must begin with tcp:// or unix://",
             NU_STR_ARG(nu_str_first(text, 80)));
    return false;
}

void v1_put_any_address(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *port)
{
    int64_t number = v1_int_or(port, 0);
    if (number > 65535)
        v1_error(c, port->value->pos, "a port is at most 65535");
    else
        put_socket(c, map, port->value->pos, NU_STR("0.0.0.0"), (uint64_t)number);
}
