/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP pools: a connection is given away once, to a session that adds its filter and closes it. What the pool keeps is
 * connections whose session went away before they were made. */
#include "upstream/pool_priv.h"

static void on_open(struct nu_pool_client *c)
{
    (void)c; /* nothing is read before a session owns the connection */
}

static void on_ready(struct nu_pool_client *c, struct nu_list *node)
{
    struct nu_tcp_pool_request *req = nu_list_entry(node, struct nu_tcp_pool_request, node);
    nu_timer_cancel(c->pool->worker->loop, &c->timer);
    req->on_ready(req, c->conn);
}

static void on_failure(struct nu_list *node, enum nu_pool_failure why, nu_str reason)
{
    struct nu_tcp_pool_request *req = nu_list_entry(node, struct nu_tcp_pool_request, node);
    req->on_failure(req, why, reason);
}

static void set_pool(struct nu_list *node, struct nu_pool *pool)
{
    nu_list_entry(node, struct nu_tcp_pool_request, node)->pool = pool;
}

static const struct nu_pool_ops ops = {
    .on_open = on_open, .on_ready = on_ready, .on_failure = on_failure, .set_pool = set_pool};

void nu_tcp_pool_start(struct nu_host *host, struct nu_cluster_info *info, enum nu_priority priority,
                       struct nu_worker *w, const struct nu_transport_options *options, struct nu_tcp_pool_request *req)
{
    req->started_ns = nu_loop_now_ns(w->loop);
    nu_pool_request(nu_pool_get(host, info, priority, w, &ops, options), &req->node);
}

void nu_tcp_pool_cancel(struct nu_tcp_pool_request *req)
{
    if (req->pool != NULL)
        nu_pool_cancel(req->pool, &req->node, true);
}
