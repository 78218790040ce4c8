/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP filter "admin": the last one of the admin listener's chain. Collects the request, has it answered, and lets the
 * answer go out in pieces, as fast as the client reads. */
#ifndef NU_ADMIN_FILTER_H
#define NU_ADMIN_FILTER_H

#include "http/filter.h"

struct nu_admin;

struct nu_admin_filter_conf {
    struct nu_http_filter_conf base; /* attach: nu_admin_filter_attach */
    struct nu_admin *admin;
};

void nu_admin_filter_attach(const struct nu_http_filter_conf *conf, struct nu_http_stream *s);

#endif
