/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.network.direct_response: answers every connection with the same bytes and closes it. */
#include "codec/pb/pb.h"
#include "envoy/extensions/filters/network/direct_response/v3/config.nu.h"
#include "net/data_source.h"
#include "net/filter.h"

/* Envoy's own limit of a DataSource is none; this bounds a mistaken file name. */
#define MAX_RESPONSE (64u << 20)

struct direct_conf {
    struct nu_net_filter_conf base;
    nu_str response; /* lives as long as the snapshot, which the connection holds */
};

struct direct {
    struct nu_net_filter base;
    const struct direct_conf *conf;
};

static enum nu_filter_status on_new_connection(struct nu_net_filter *f)
{
    const struct direct *d = nu_container_of(f, struct direct, base);
    struct nu_buf data = {0};
    f->conn->half_close = 1;
    if (f->conn->stream != NULL)
        f->conn->stream->response_code_details = NU_STR("direct_response");
    if (d->conf->response.len > 0) {
        nu_buf_add_block(&data, &f->conn->worker->bufs, NULL, (const uint8_t *)d->conf->response.ptr,
                         d->conf->response.len);
        nu_conn_write(f->conn, &data, true);
    }
    nu_conn_close(f->conn, NU_CLOSE_FLUSH);
    return NU_FILTER_STOP;
}

static const struct nu_net_filter_ops ops = {.on_new_connection = on_new_connection};

static void attach(const struct nu_net_filter_conf *conf, struct nu_conn *c)
{
    struct direct *d = nu_arena_new(&c->arena, struct direct);
    d->base.ops = &ops;
    d->conf = (const struct direct_conf *)conf; /* base is first */
    nu_conn_add_filter(c, &d->base);
}

static struct nu_net_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_filters_network_direct_response_v3_Config *m =
        NU_PB_AS(msg, envoy_extensions_filters_network_direct_response_v3_Config);
    struct direct_conf *c = nu_arena_new(f->arena, struct direct_conf);
    c->base.attach = attach;
    c->base.terminal = true;
    if (m->response != NULL && !nu_data_source_read(f, m->response, MAX_RESPONSE, &c->response))
        return NULL;
    return &c->base;
}

static const struct nu_net_filter_factory factory = {.terminal = true, .create = create};

const struct nu_extension nu_ext_network_filter_direct_response = {
    .category = "envoy.filters.network",
    .name = "envoy.filters.network.direct_response",
    .config_type = &envoy_extensions_filters_network_direct_response_v3_Config_type,
    .ops = &factory,
};
