/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.network.echo: sends back what it gets, half-close included. */
#include "envoy/extensions/filters/network/echo/v3/echo.nu.h"
#include "net/filter.h"

static enum nu_filter_status on_new_connection(struct nu_net_filter *f)
{
    f->conn->half_close = 1;
    return NU_FILTER_CONTINUE;
}

static enum nu_filter_status on_data(struct nu_net_filter *f, struct nu_buf *data, bool end)
{
    nu_conn_write(f->conn, data, end);
    return NU_FILTER_STOP;
}

/* What the client does not take stops what it may send. */
static void on_high(struct nu_net_filter *f)
{
    nu_conn_read_pause(f->conn);
}

static void on_low(struct nu_net_filter *f)
{
    nu_conn_read_resume(f->conn);
}

static const struct nu_net_filter_ops ops = {
    .on_new_connection = on_new_connection, .on_data = on_data, .on_high = on_high, .on_low = on_low};

static void attach(const struct nu_net_filter_conf *conf, struct nu_conn *c)
{
    struct nu_net_filter *f = nu_arena_new(&c->arena, struct nu_net_filter);
    (void)conf;
    f->ops = &ops;
    nu_conn_add_filter(c, f);
}

static struct nu_net_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    struct nu_net_filter_conf *conf = nu_arena_new(f->arena, struct nu_net_filter_conf);
    (void)msg;
    conf->attach = attach;
    conf->terminal = true;
    return conf;
}

static const struct nu_net_filter_factory factory = {.terminal = true, .create = create};

const struct nu_extension nu_ext_network_filter_echo = {
    .category = "envoy.filters.network",
    .name = "envoy.filters.network.echo",
    .config_type = &envoy_extensions_filters_network_echo_v3_Echo_type,
    .ops = &factory,
};
