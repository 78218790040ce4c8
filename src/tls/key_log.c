/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/key_log.h"

#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/address.nu.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.nu.h"
#include "net/log_writer.h"
#include "net/server.h"
#include "tls/tls_conn.h"

struct nu_tls_key_log {
    struct nu_log_file *file; /* a reference; NULL: only validating */
    const struct nu_cidr *local, *remote; /* none: all. In the context's arena */
    size_t n_local, n_remote;
};

static const struct nu_cidr *build_ranges(struct nu_factory *f, struct envoy_config_core_v3_CidrRange *const *ranges, size_t n)
{
    struct nu_cidr *out = nu_arena_array(f->arena, struct nu_cidr, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = ranges[i]->prefix_len != NULL ? *ranges[i]->prefix_len : 0;
        if (!nu_cidr_make(ranges[i]->address_prefix, bits, &out[i]))
            nu_pb_error(f->diags, ranges[i], "address_prefix", "malformed IP address: %.*s", NU_STR_ARG(ranges[i]->address_prefix));
    }
    return out;
}

bool nu_tls_key_log_build(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_TlsKeyLog *m,
                          struct nu_tls_key_log **out)
{
    size_t errors = f->diags->n_errors;
    *out = NULL;
    if (m == NULL)
        return true;
    struct nu_tls_key_log *k = nu_new(struct nu_tls_key_log);
    k->local = build_ranges(f, m->local_address_range, m->n_local_address_range);
    k->n_local = m->n_local_address_range;
    k->remote = build_ranges(f, m->remote_address_range, m->n_remote_address_range);
    k->n_remote = m->n_remote_address_range;
    if (!f->validate_only && f->server != NULL && f->server->log_writer != NULL) {
        k->file = nu_log_file_open(f->server->log_writer, m->path);
        if (k->file == NULL)
            nu_pb_error(f->diags, m, "path", "cannot open %.*s", NU_STR_ARG(m->path));
    }
    *out = k;
    return f->diags->n_errors == errors;
}

void nu_tls_key_log_unref(struct nu_tls_key_log **kp)
{
    struct nu_tls_key_log *k = nu_take(kp);
    if (k == NULL)
        return;
    nu_log_file_unref(&k->file);
    nu_free(k);
}

static bool is_in(const struct nu_cidr *ranges, size_t n, const struct nu_sockaddr *a)
{
    for (size_t i = 0; i < n; i++)
        if (nu_cidr_contains(&ranges[i], a))
            return true;
    return n == 0;
}

static void on_line(const SSL *ssl, const char *text)
{
    const struct nu_conn *c = nu_tls_io_of(ssl)->conn->conn;
    const struct nu_tls_key_log *k = nu_tls_io_of(ssl)->conn->ctx->key_log;
    struct nu_sockaddr local;
    nu_conn_local_sockaddr(c, &local);
    if (k->file == NULL || !is_in(k->local, k->n_local, &local) || !is_in(k->remote, k->n_remote, &c->info->remote))
        return;
    struct nu_sb *sb = nu_log_writer_scratch(c->worker);
    nu_sb_add(sb, nu_str_from(text));
    nu_sb_char(sb, '\n');
    nu_log_file_write(k->file, c->worker, nu_sb_str(sb));
}

void nu_tls_key_log_apply(SSL_CTX *ctx)
{
    SSL_CTX_set_keylog_callback(ctx, on_line);
}
