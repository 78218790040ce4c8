/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses in x-forwarded-for: a list, the nearest hop last, separated by commas. */
#ifndef NU_HTTP_XFF_H
#define NU_HTTP_XFF_H

#include <stdbool.h>
#include <stdint.h>

#include "net/address.h"

struct nu_xff_address {
    struct nu_sockaddr address;
    bool found;
    bool single; /* the list has just this one */
};

/* The `skip`-th from the right. xff.ptr may be NULL: not found. */
struct nu_xff_address nu_xff_last(nu_str xff, uint32_t skip);
/* The first from the right that is in none of the ranges, or the leftmost when all are. A part that is no address ends the
 * search: not found. */
struct nu_xff_address nu_xff_last_untrusted(nu_str xff, const struct nu_cidr *ranges, unsigned n_ranges);

#endif
