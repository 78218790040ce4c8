/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that read TLS: facts of the downstream and the upstream connection, and XFCC. No value on plain text. */
#include "base/clock.h"
#include "http/formatter_priv.h"
#include "http/xfcc.h"
#include "tls/info.h"

#define EVAL(name)                                                                                 \
    enum nu_value_kind nu_eval_##name(const struct nu_format_op *op, const struct nu_log_entry *e, struct nu_sb *out)

static const struct nu_tls_info *downstream(const struct nu_log_entry *e)
{
    return e->info->conn != NULL ? nu_conn_tls(e->info->conn) : NULL;
}

static const struct nu_tls_info *upstream(const struct nu_log_entry *e)
{
    return e->info->upstream != NULL ? e->info->upstream->tls : NULL;
}

static enum nu_value_kind fact(const struct nu_format_op *op, const struct nu_tls_info *t, struct nu_sb *out)
{
    struct nu_arena room;
    if (t == NULL)
        return NU_VALUE_NONE;
    nu_arena_init(&room, NULL);
    nu_str text = nu_tls_info_text(t, (enum nu_tls_fact)op->mode, &room);
    enum nu_value_kind kind = text.len > 0 ? nu_eval_text(op, text, out) : NU_VALUE_NONE;
    nu_arena_clear(&room);
    return kind;
}

/* As Envoy has it: of requests only, and from a request's beginning, so that it is negative. */
EVAL(handshake_duration)
{
    const struct nu_tls_info *t = downstream(e);
    (void)op;
    if (t == NULL || e->info->protocol == NU_PROTO_NONE)
        return NU_VALUE_NONE;
    int64_t ns = (int64_t)(t->done_ns - e->info->start_ns);
    return nu_eval_number(out, ns / (int64_t)NU_NS_PER_MS);
}

EVAL(downstream_tls)
{
    return fact(op, downstream(e), out);
}

EVAL(upstream_tls)
{
    return fact(op, upstream(e), out);
}

static enum nu_value_kind validity(const struct nu_format_op *op, const struct nu_tls_info *t, bool end, struct nu_sb *out)
{
    int64_t from, to;
    if (t == NULL || !nu_tls_info_peer_validity(t, &from, &to))
        return NU_VALUE_NONE;
    int64_t seconds = nu_max(end ? to : from, (int64_t)0);
    nu_time_format_run(op->data, false, (uint64_t)seconds * NU_NS_PER_MS * 1000, out);
    return NU_VALUE_TEXT;
}

EVAL(downstream_valid_from)
{
    return validity(op, downstream(e), false, out);
}

EVAL(downstream_valid_to)
{
    return validity(op, downstream(e), true, out);
}

EVAL(upstream_valid_from)
{
    return validity(op, upstream(e), false, out);
}

EVAL(upstream_valid_to)
{
    return validity(op, upstream(e), true, out);
}

EVAL(xfcc_value)
{
    struct nu_arena room;
    if (e->request == NULL)
        return NU_VALUE_NONE;
    nu_arena_init(&room, NULL);
    nu_str header = nu_headers_get_id(e->request, NU_HDR_X_FORWARDED_CLIENT_CERT);
    nu_str value = header.ptr != NULL ? nu_xfcc_value(header, op->a, &room) : NU_STR_NONE;
    enum nu_value_kind kind = nu_eval_text(op, value, out);
    nu_arena_clear(&room);
    return kind;
}
