/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"

bool nu_sockaddr_parse_ip(nu_str ip, uint16_t port, struct nu_sockaddr *out)
{
    char text[INET6_ADDRSTRLEN];
    *out = (struct nu_sockaddr){.family = AF_UNSPEC};
    if (ip.len == 0 || ip.len >= sizeof(text) || memchr(ip.ptr, '\0', ip.len) != NULL)
        return false;
    memcpy(text, ip.ptr, ip.len);
    text[ip.len] = '\0';
    if (inet_pton(AF_INET, text, &out->in4.sin_addr) == 1) {
        out->in4.sin_family = AF_INET;
        out->in4.sin_port = htons(port);
        return true;
    }
    if (inet_pton(AF_INET6, text, &out->in6.sin6_addr) == 1) {
        out->in6.sin6_family = AF_INET6;
        out->in6.sin6_port = htons(port);
        return true;
    }
    return false;
}

uint16_t nu_sockaddr_port(const struct nu_sockaddr *a)
{
    if (a->family == AF_INET)
        return ntohs(a->in4.sin_port);
    return a->family == AF_INET6 ? ntohs(a->in6.sin6_port) : 0;
}

void nu_sockaddr_set_port(struct nu_sockaddr *a, uint16_t port)
{
    if (a->family == AF_INET)
        a->in4.sin_port = htons(port);
    else if (a->family == AF_INET6)
        a->in6.sin6_port = htons(port);
}

socklen_t nu_sockaddr_len(const struct nu_sockaddr *a)
{
    if (a->family == AF_INET)
        return sizeof(a->in4);
    return a->family == AF_INET6 ? sizeof(a->in6) : sizeof(a->family);
}

bool nu_sockaddr_same_ip(const struct nu_sockaddr *a, const struct nu_sockaddr *b)
{
    if (a->family != b->family)
        return false;
    if (a->family == AF_INET)
        return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
    if (a->family == AF_INET6)
        return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
    return true;
}

bool nu_sockaddr_eq(const struct nu_sockaddr *a, const struct nu_sockaddr *b)
{
    return nu_sockaddr_same_ip(a, b) && nu_sockaddr_port(a) == nu_sockaddr_port(b);
}

bool nu_sockaddr_is_loopback(const struct nu_sockaddr *a)
{
    if (a->family == AF_INET)
        return ntohl(a->in4.sin_addr.s_addr) >> 24 == 127;
    if (a->family != AF_INET6)
        return false;
    const struct in6_addr *ip = &a->in6.sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(ip) || (IN6_IS_ADDR_V4MAPPED(ip) && ip->s6_addr[12] == 127);
}

/* The four numbers, without NUL; returns the end. */
static char *put_ip4(char *dst, const struct in_addr *ip)
{
    uint32_t bytes = ntohl(ip->s_addr);
    for (int shift = 24; shift >= 0; shift -= 8) {
        dst += nu_u64_to_text(dst, bytes >> shift & 0xff);
        if (shift > 0)
            *dst++ = '.';
    }
    return dst;
}

nu_str nu_sockaddr_text(const struct nu_sockaddr *a, bool without_port, char *dst)
{
    char *end = dst;
    bool bracket = a->family == AF_INET6 && !without_port;
    if (a->family != AF_INET && a->family != AF_INET6) {
        *dst = '\0';
        return nu_str_make(dst, 0);
    }
    if (bracket)
        *end++ = '[';
    if (a->family == AF_INET) {
        end = put_ip4(end, &a->in4.sin_addr);
    } else {
        inet_ntop(AF_INET6, &a->in6.sin6_addr, end, INET6_ADDRSTRLEN);
        end += strlen(end);
    }
    if (bracket)
        *end++ = ']';
    if (!without_port) {
        *end++ = ':';
        end += nu_u64_to_text(end, nu_sockaddr_port(a));
    }
    *end = '\0';
    return nu_str_make(dst, (size_t)(end - dst));
}

/* ---- CIDR ---- */

static const uint8_t *ip_bytes(const struct nu_sockaddr *a)
{
    return a->family == AF_INET ? (const uint8_t *)&a->in4.sin_addr : (const uint8_t *)&a->in6.sin6_addr;
}

static void mask_to(uint8_t *ip, unsigned n_bytes, unsigned bits)
{
    for (unsigned i = 0; i < n_bytes; i++) {
        unsigned keep = bits > i * 8 ? nu_min(bits - i * 8, 8u) : 0;
        ip[i] &= (uint8_t)(0xff00u >> keep);
    }
}

/* A length beyond the address's is the whole address, as Envoy takes it. */
bool nu_cidr_make(nu_str ip, uint32_t bits, struct nu_cidr *out)
{
    if (!nu_sockaddr_parse_ip(ip, 0, &out->base))
        return false;
    unsigned n_bytes = out->base.family == AF_INET ? 4 : 16;
    out->bits = (uint8_t)nu_min(bits, n_bytes * 8);
    uint8_t *bytes = out->base.family == AF_INET ? (uint8_t *)&out->base.in4.sin_addr
                                                 : (uint8_t *)&out->base.in6.sin6_addr;
    mask_to(bytes, n_bytes, out->bits);
    return true;
}

bool nu_cidr_contains(const struct nu_cidr *c, const struct nu_sockaddr *a)
{
    if (a->family != c->base.family)
        return false;
    const uint8_t *net = ip_bytes(&c->base), *ip = ip_bytes(a);
    unsigned whole = c->bits / 8, rest = c->bits % 8;
    if (memcmp(net, ip, whole) != 0)
        return false;
    return rest == 0 || ((net[whole] ^ ip[whole]) & (uint8_t)(0xff00u >> rest)) == 0;
}

/* ---- shared addresses ---- */

static struct nu_address *address_new(size_t text_len, char **text)
{
    struct nu_address *a = nu_zalloc(sizeof(*a) + text_len + 1);
    nu_ref_init(&a->refs);
    *text = (char *)(a + 1);
    return a;
}

struct nu_address *nu_address_from_sock(const struct nu_sockaddr *sock)
{
    char buf[NU_SOCKADDR_TEXT], *text;
    nu_str s = nu_sockaddr_text(sock, false, buf);
    struct nu_address *a = address_new(s.len, &text);
    a->sock = *sock;
    memcpy(text, s.ptr, s.len);
    a->text = nu_str_make(text, s.len);
    return a;
}

struct nu_address *nu_address_unix(nu_str path, uint32_t mode)
{
    char *text;
    struct nu_address *a = address_new(path.len, &text);
    a->sock.family = AF_UNIX;
    a->mode = mode;
    if (path.len > 0)
        memcpy(text, path.ptr, path.len);
    a->path = a->text = nu_str_make(text, path.len);
    return a;
}

struct nu_address *nu_address_ref(struct nu_address *a)
{
    nu_ref_take(&a->refs);
    return a;
}

void nu_address_unref(struct nu_address **ap)
{
    struct nu_address *a = nu_take(ap);
    if (a != NULL && nu_ref_drop(&a->refs))
        nu_free(a);
}

bool nu_address_eq(const struct nu_address *a, const struct nu_address *b)
{
    if (a->sock.family != b->sock.family)
        return false;
    return a->sock.family == AF_UNIX ? nu_str_eq(a->path, b->path) : nu_sockaddr_eq(&a->sock, &b->sock);
}

static socklen_t unix_sockaddr(nu_str path, struct sockaddr_un *out)
{
    NU_ASSERT(path.len < sizeof(out->sun_path));
    out->sun_family = AF_UNIX;
    memcpy(out->sun_path, path.ptr, path.len);
    if (path.len > 0 && path.ptr[0] == '@') { /* abstract: no terminator, the length counts */
        out->sun_path[0] = '\0';
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    }
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
}

socklen_t nu_address_sockaddr(const struct nu_address *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (a->sock.family == AF_UNIX)
        return unix_sockaddr(a->path, (struct sockaddr_un *)out);
    memcpy(out, &a->sock, sizeof(a->sock));
    return nu_sockaddr_len(&a->sock);
}
