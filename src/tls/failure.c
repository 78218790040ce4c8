/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's errors as Envoy tells them: in %DOWNSTREAM_TRANSPORT_FAILURE_REASON% and its upstream counterpart, and in the
 * counters. */
#include <openssl/err.h>

#include "tls/tls_conn.h"
#include "tls/tls_stats.h"

static const char *or_empty(const char *s)
{
    return s != NULL ? s : "";
}

static void add_error(struct nu_sb *sb, uint32_t e)
{
    nu_sb_printf(sb, "%s|%u:%s:%s:%s", sb->len == 0 ? "TLS_error:" : "", e, or_empty(ERR_lib_error_string(e)),
                 or_empty(ERR_func_error_string(e)), or_empty(ERR_reason_error_string(e)));
}

static void count(const struct nu_tls_conn *t, unsigned index)
{
    if (t->ctx != NULL && t->ctx->scope != NULL)
        nu_stat_inc(t->ctx->scope, t->conn->worker->index, index);
}

static void keep(struct nu_tls_conn *t, struct nu_sb *sb)
{
    nu_sb_add(sb, NU_STR(":TLS_error_end"));
    nu_conn_details_edit(t->conn->info)->transport_failure = nu_arena_str(&t->conn->arena, nu_sb_str(sb));
    nu_sb_free(sb);
}

void nu_tls_drain_errors(struct nu_tls_conn *t)
{
    bool counted = false, unverified = false, no_certificate = false;
    struct nu_sb sb = {0};
    for (uint32_t e; (e = ERR_get_error()) != 0;) {
        no_certificate |= ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
        unverified |= ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED;
        counted |= ERR_GET_LIB(e) == ERR_LIB_SYS;
        add_error(&sb, e);
    }
    if (sb.len == 0)
        return;
    nu_str detail = t->hs != NULL ? t->hs->verify_error : NU_STR_NONE;
    if (unverified && detail.len > 0)
        nu_sb_printf(&sb, ":%.*s", NU_STR_ARG(detail));
    else if (no_certificate)
        nu_sb_add(&sb, NU_STR(":peer did not provide required client certificate"));
    if (no_certificate)
        count(t, NU_TLS_STAT_fail_verify_no_cert);
    if (!counted && !unverified && !no_certificate)
        count(t, NU_TLS_STAT_connection_error);
    keep(t, &sb);
}

void nu_tls_system_error(struct nu_tls_conn *t, int error)
{
    struct nu_sb sb = {0};
    ERR_clear_error();
    add_error(&sb, (uint32_t)ERR_PACK(ERR_LIB_SYS, error));
    keep(t, &sb);
}
