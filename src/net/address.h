/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses. struct nu_sockaddr is the small value that every connection carries (IPv4, IPv6; a unix peer has no
 * address worth keeping). struct nu_address is shared, immutable, reference-counted: listeners, hosts, unix paths. */
#ifndef NU_NET_ADDRESS_H
#define NU_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/arena.h"
#include "base/ref.h"
#include "base/sb.h"
#include "base/str.h"

struct nu_sockaddr {
    union {
        sa_family_t family; /* AF_UNSPEC: none; AF_UNIX: a unix socket without a name worth keeping */
        struct sockaddr any;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    };
};

struct nu_address {
    struct nu_ref refs;
    struct nu_sockaddr sock; /* family AF_UNIX: see path */
    nu_str path;             /* unix: path, "@name" for an abstract one */
    uint32_t mode;           /* unix: chmod after bind when not 0 */
    nu_str text;             /* "127.0.0.1:80", "[::1]:80", "/run/x.sock", "@x": as Envoy prints it */
};

/* Parses a numeric IP (no brackets, no port). */
NU_NODISCARD bool nu_sockaddr_parse_ip(nu_str ip, uint16_t port, struct nu_sockaddr *out);
uint16_t nu_sockaddr_port(const struct nu_sockaddr *a);
void nu_sockaddr_set_port(struct nu_sockaddr *a, uint16_t port);
socklen_t nu_sockaddr_len(const struct nu_sockaddr *a);
bool nu_sockaddr_eq(const struct nu_sockaddr *a, const struct nu_sockaddr *b);
bool nu_sockaddr_same_ip(const struct nu_sockaddr *a, const struct nu_sockaddr *b);
bool nu_sockaddr_is_loopback(const struct nu_sockaddr *a);

/* Longest text of an address with port, its NUL included. */
#define NU_SOCKADDR_TEXT 64
/* "1.2.3.4:80", "[::1]:80"; without_port: "1.2.3.4", "::1". Writes into dst (NU_SOCKADDR_TEXT bytes) and returns the
 * view. AF_UNSPEC gives "", AF_UNIX what Envoy prints for a nameless peer. */
nu_str nu_sockaddr_text(const struct nu_sockaddr *a, bool without_port, char *dst);

/* A CIDR range: core.CidrRange. */
struct nu_cidr {
    struct nu_sockaddr base;
    uint8_t bits;
};
NU_NODISCARD bool nu_cidr_make(nu_str ip, uint32_t bits, struct nu_cidr *out);
bool nu_cidr_contains(const struct nu_cidr *c, const struct nu_sockaddr *a);

/* Constructors return a reference. */
struct nu_address *nu_address_from_sock(const struct nu_sockaddr *a);
struct nu_address *nu_address_unix(nu_str path, uint32_t mode);
struct nu_address *nu_address_ref(struct nu_address *a);
void nu_address_unref(struct nu_address **a);
bool nu_address_eq(const struct nu_address *a, const struct nu_address *b);
/* Fills a sockaddr for bind(2)/connect(2); returns its length. */
socklen_t nu_address_sockaddr(const struct nu_address *a, struct sockaddr_storage *out);

#endif
