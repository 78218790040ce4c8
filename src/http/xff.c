/* SPDX-License-Identifier: Apache-2.0 */
#include "http/xff.h"

struct nu_xff_address nu_xff_last(nu_str xff, uint32_t skip)
{
    struct nu_xff_address none = {0};
    struct nu_xff_address r = {0};
    for (uint32_t i = 0;; i++) {
        ssize_t comma = nu_str_rfind(xff, ',');
        nu_str last = nu_str_trim(comma >= 0 ? nu_str_skip(xff, (size_t)comma + 1) : xff);
        if (i == skip) {
            r.found = nu_sockaddr_parse_ip(last, 0, &r.address);
            r.single = comma < 0 && skip == 0;
            return r.found ? r : none;
        }
        if (comma < 0)
            return none;
        xff = nu_str_first(xff, (size_t)comma);
    }
}

static bool in_ranges(const struct nu_cidr *ranges, unsigned n, const struct nu_sockaddr *a)
{
    for (unsigned i = 0; i < n; i++)
        if (nu_cidr_contains(&ranges[i], a))
            return true;
    return false;
}

struct nu_xff_address nu_xff_last_untrusted(nu_str xff, const struct nu_cidr *ranges, unsigned n_ranges)
{
    struct nu_xff_address r = {0};
    bool single = nu_str_find(xff, ',') < 0;
    for (;;) {
        ssize_t comma = nu_str_rfind(xff, ',');
        nu_str last = nu_str_trim(comma >= 0 ? nu_str_skip(xff, (size_t)comma + 1) : xff);
        if (!nu_sockaddr_parse_ip(last, 0, &r.address))
            return (struct nu_xff_address){0};
        if (comma < 0 || !in_ranges(ranges, n_ranges, &r.address))
            break;
        xff = nu_str_first(xff, (size_t)comma);
    }
    r.found = true;
    r.single = single;
    return r;
}
