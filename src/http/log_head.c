/* SPDX-License-Identifier: Apache-2.0 */
#include "http/log_head.h"

#include "base/sb.h"

static void add(struct nu_sb *out, nu_str name, nu_str value)
{
    if (value.ptr != NULL)
        nu_sb_printf(out, "\n'%.*s', '%.*s'", NU_STR_ARG(name), NU_STR_ARG(value));
}

static void add_fields(struct nu_sb *out, const struct nu_http_headers *h)
{
    if (h->response) {
        nu_sb_printf(out, "\n':status', '%u'", h->status);
    } else {
        add(out, NU_STR(":authority"), h->authority);
        add(out, NU_STR(":path"), h->path);
        add(out, NU_STR(":method"), h->method);
        add(out, NU_STR(":scheme"), h->scheme);
        add(out, NU_STR(":protocol"), h->protocol);
    }
    nu_headers_foreach(it, h)
        add(out, it->name, it->value);
}

void nu_log_head_write(enum nu_log_module module, const char *file, int line, const struct nu_stream_info *info,
                       const char *what, const struct nu_http_headers *h, bool end)
{
    struct nu_sb fields = {0};
    add_fields(&fields, h);
    nu_log_write(module, NU_LOG_DEBUG, file, line, "[C%" PRIu64 "][S%" PRIu64 "] %s (end_stream=%s):%s",
                 info->conn->id, info->id, what, end ? "true" : "false", nu_sb_cstr(&fields));
    nu_sb_free(&fields);
}
