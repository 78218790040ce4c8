/* SPDX-License-Identifier: Apache-2.0
 *
 * The router: the terminal HTTP filter that forwards to clusters. ext/http_filter/router.c makes its conf. */
#ifndef NU_ROUTER_ROUTER_H
#define NU_ROUTER_ROUTER_H

#include "http/filter.h"
#include "net/access_log.h"

struct nu_scope;
struct nu_stats;

struct nu_router_conf {
    struct nu_http_filter_conf base;
    bool dynamic_stats;          /* per-code statistics of clusters */
    bool suppress_envoy_headers; /* add no x-envoy-* */
    struct nu_access_logs upstream_logs;
    struct nu_scope *scope; /* router/router_stats.def; a reference that goes with the snapshot's arena */
};

/* The router's statistics under "http.<name>." of a connection manager (or of requests that the process itself makes:
 * "async-client"), with a reference. Main thread. */
struct nu_scope *nu_router_scope(struct nu_stats *st, nu_str prefix, nu_str name);

/* base.attach of the conf. */
void nu_router_attach(const struct nu_http_filter_conf *conf, struct nu_http_stream *s);

#endif
