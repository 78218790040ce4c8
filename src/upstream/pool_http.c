/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP pools: a client's connection carries a session (HTTP/1: one stream at a time). */
#include "http/session.h"
#include "upstream/count.h"
#include "upstream/pool_priv.h"

#define CLIENT_OF_FILTER(f) nu_container_of(f, struct nu_pool_client, filter)
#define CLIENT_OF_OWNER(o) nu_container_of(o, struct nu_pool_client, owner)

/* ---- the session's owner ---- */

static void on_protocol_error(struct nu_session_owner *o, unsigned status, nu_str details)
{
    struct nu_pool_client *c = CLIENT_OF_OWNER(o);
    (void)details;
    /* A server that says 408 on an idle connection only explains why it closes. */
    if (status != 408 || c->serving)
        NU_CLUSTER_INC(c->host->cluster, c->conn->worker, upstream_cx_protocol_error);
    if (c->state == NU_CLIENT_CLOSED)
        return;
    c->protocol_error = true;
    nu_pool_client_close(c);
}

static void on_go_away(struct nu_session_owner *o)
{
    struct nu_pool_client *c = CLIENT_OF_OWNER(o);
    NU_CLUSTER_INC(c->pool->cluster, c->pool->worker, upstream_cx_close_notify);
}

static void on_stream_end(struct nu_session_owner *o, struct nu_codec_stream *s, bool reset)
{
    (void)s;
    struct nu_pool_client *c = CLIENT_OF_OWNER(o);
    if (!c->serving || c->state == NU_CLIENT_CLOSED)
        return; /* a closing connection releases its request itself */
    if (reset)
        nu_pool_client_close(c);
    else
        nu_pool_client_done(c, nu_session_reusable(c->session));
}

static const struct nu_session_owner_ops owner_ops = {
    .on_protocol_error = on_protocol_error, .on_go_away = on_go_away, .on_stream_end = on_stream_end};

/* ---- the connection's filter ---- */

static enum nu_filter_status on_data(struct nu_net_filter *f, struct nu_buf *data, bool end)
{
    struct nu_pool_client *c = CLIENT_OF_FILTER(f);
    c->session->ops->dispatch(c->session, data, end);
    return NU_FILTER_STOP;
}

static void on_high(struct nu_net_filter *f)
{
    struct nu_pool_client *c = CLIENT_OF_FILTER(f);
    c->session->ops->on_high(c->session);
}

static void on_low(struct nu_net_filter *f)
{
    struct nu_pool_client *c = CLIENT_OF_FILTER(f);
    c->session->ops->on_low(c->session);
}

static const struct nu_net_filter_ops filter_ops = {.on_data = on_data, .on_high = on_high, .on_low = on_low};

/* ---- what differs from TCP ---- */

static void on_open(struct nu_pool_client *c)
{
    c->owner.ops = &owner_ops;
    c->session = nu_h1_client_new(c->conn, &c->owner, &c->info->h1);
    c->filter.ops = &filter_ops;
    nu_conn_add_filter(c->conn, &c->filter);
    nu_conn_start(c->conn);
}

static void on_ready(struct nu_pool_client *c, struct nu_list *node)
{
    struct nu_http_pool_request *req = nu_list_entry(node, struct nu_http_pool_request, node);
    struct nu_codec_stream *s = c->session->ops->new_stream(c->session, req->user);
    NU_ASSERT(s != NULL); /* an idle session always takes one */
    req->on_ready(req, s, c->conn, c->session);
}

static void on_failure(struct nu_list *node, enum nu_pool_failure why, nu_str reason)
{
    struct nu_http_pool_request *req = nu_list_entry(node, struct nu_http_pool_request, node);
    req->on_failure(req, why, reason);
}

static void set_pool(struct nu_list *node, struct nu_pool *pool)
{
    nu_list_entry(node, struct nu_http_pool_request, node)->pool = pool;
}

/* A response that lasts until the connection ends is complete now; any other stream is reset. */
static void on_closed(struct nu_pool_client *c)
{
    c->session->ops->on_close(c->session, c->protocol_error ? NU_RESET_PROTOCOL_ERROR : NU_RESET_CONN_TERMINATION);
}

static const struct nu_pool_ops ops = {.on_open = on_open,
                                       .on_ready = on_ready,
                                       .on_failure = on_failure,
                                       .set_pool = set_pool,
                                       .on_closed = on_closed,
                                       .http = true};

void nu_http_pool_start(struct nu_host *host, struct nu_cluster_info *info, enum nu_priority priority,
                        struct nu_worker *w, struct nu_http_pool_request *req)
{
    req->started_ns = nu_loop_now_ns(w->loop);
    nu_pool_request(nu_pool_get(host, info, priority, w, &ops, req->options), &req->node);
}

void nu_http_pool_cancel(struct nu_http_pool_request *req)
{
    if (req->pool != NULL)
        nu_pool_cancel(req->pool, &req->node, false);
}
