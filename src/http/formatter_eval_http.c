/* SPDX-License-Identifier: Apache-2.0
 *
 * What operators print of headers, paths, metadata and filter state. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "google/protobuf/struct.nu.h"
#include "http/formatter_priv.h"
#include "http/local_reply.h"
#include "http/matchers.h"
#include "http/route.h"
#include "net/upstream_view.h"

#define EVAL(name)                                                                                 \
    enum nu_value_kind nu_eval_##name(const struct nu_format_op *op, const struct nu_log_entry *e, struct nu_sb *out)

/* ---- headers ---- */

nu_str nu_header_ref_get(const struct nu_http_headers *h, uint16_t ref, nu_str name, char *room)
{
    if (h == NULL || name.len == 0)
        return NU_STR_NONE;
    switch ((enum nu_header_ref)ref) {
    case NU_REF_METHOD:
        return h->method;
    case NU_REF_PATH:
        return h->response ? NU_STR_NONE : h->path;
    case NU_REF_AUTHORITY:
        return h->authority;
    case NU_REF_SCHEME:
        return h->scheme;
    case NU_REF_PROTOCOL:
        return h->protocol;
    case NU_REF_STATUS:
        return h->status != 0 ? nu_str_make(room, (size_t)snprintf(room, 5, "%u", (unsigned)(h->status % 1000)))
                              : NU_STR_NONE;
    case NU_REF_PLAIN:
        return nu_headers_get(h, name);
    }
    return nu_headers_get_id(h, (enum nu_hdr)ref);
}

static enum nu_value_kind header(const struct nu_format_op *op, const struct nu_http_headers *h, struct nu_sb *out)
{
    char room[8];
    nu_str value = nu_header_ref_get(h, op->mode, op->a, room);
    if (value.ptr == NULL)
        value = nu_header_ref_get(h, op->mode_b, op->b, room);
    return nu_eval_text(op, value, out);
}

EVAL(request_header)
{
    return header(op, e->request, out);
}

EVAL(response_header)
{
    return header(op, e->response, out);
}

EVAL(response_trailer)
{
    return header(op, e->response_trailers, out);
}

EVAL(headers_bytes)
{
    const struct nu_http_headers *h = op->mode == NU_HEADERS_REQUEST    ? e->request
                                      : op->mode == NU_HEADERS_RESPONSE ? e->response
                                                                        : e->response_trailers;
    return nu_eval_number(out, h != NULL ? (int64_t)nu_headers_bytes(h) : 0);
}

/* ---- paths ---- */

static nu_str path_of(const struct nu_http_headers *h, uint16_t which)
{
    nu_str original = h != NULL ? nu_headers_get_id(h, NU_HDR_ENVOY_ORIGINAL_PATH) : NU_STR_NONE;
    if (h == NULL)
        return NU_STR_NONE;
    if (which == NU_PATH_ORIG)
        return original;
    return which == NU_PATH_ORIG_OR_PATH && original.ptr != NULL ? original : h->path;
}

EVAL(path)
{
    nu_str path = path_of(e->request, op->mode);
    ssize_t query = op->mode_b != 0 ? nu_str_find(path, '?') : -1;
    return nu_eval_text(op, query >= 0 ? nu_str_first(path, (size_t)query) : path, out);
}

EVAL(query_param)
{
    return e->request != NULL ? nu_eval_text(op, nu_query_param(e->request->path, op->a), out) : NU_VALUE_NONE;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = nu_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_decoded(struct nu_sb *out, nu_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        int high = i + 2 < s.len ? hex(s.ptr[i + 1]) : -1, low = i + 2 < s.len ? hex(s.ptr[i + 2]) : -1;
        if (s.ptr[i] == '%' && high >= 0 && low >= 0) {
            nu_sb_char(out, (char)(high << 4 | low));
            i += 2;
        } else {
            nu_sb_char(out, s.ptr[i]);
        }
    }
}

EVAL(query_params)
{
    nu_str path = path_of(e->request, NU_PATH_ORIG_OR_PATH);
    ssize_t query = nu_str_find(path, '?');
    if (query < 0)
        return NU_VALUE_NONE;
    nu_str params = nu_str_skip(path, (size_t)query + 1);
    if (op->mode == 0)
        return nu_eval_text(op, params, out);
    size_t start = out->len;
    put_decoded(out, params);
    if (out->len - start > op->max_len)
        out->len = start + op->max_len;
    return NU_VALUE_TEXT;
}

static nu_str host_of(const struct nu_http_headers *h, uint16_t which)
{
    nu_str original = h != NULL ? nu_headers_get_id(h, NU_HDR_ENVOY_ORIGINAL_HOST) : NU_STR_NONE;
    if (h == NULL)
        return NU_STR_NONE;
    if (which == NU_PATH_ORIG)
        return original;
    return which == NU_PATH_ORIG_OR_PATH && original.ptr != NULL ? original : h->authority;
}

static bool in_a_name(char ch)
{
    return (ch >= '0' && ch <= '9') || (nu_ascii_lower(ch) >= 'a' && nu_ascii_lower(ch) <= 'z') || ch == '.' || ch == '-' || ch == '_';
}

/* A client may have any bytes in its SNI. One that cannot be a name is marked and has '_' for what does not belong there. */
static enum nu_value_kind eval_name(const struct nu_format_op *op, nu_str name, struct nu_sb *out)
{
    struct nu_sb clean = {0};
    bool good = true;
    for (size_t i = 0; good && i < name.len; i++)
        good = in_a_name(name.ptr[i]);
    if (good)
        return nu_eval_text(op, name, out);
    nu_sb_lit(&clean, "invalid:");
    for (size_t i = 0; i < name.len; i++)
        nu_sb_char(&clean, in_a_name(name.ptr[i]) ? name.ptr[i] : '_');
    enum nu_value_kind kind = nu_eval_text(op, nu_sb_str(&clean), out);
    nu_sb_free(&clean);
    return kind;
}

EVAL(server_name)
{
    nu_str sni = e->info->conn != NULL ? nu_conn_details(e->info->conn)->requested_server_name : NU_STR_NONE;
    nu_str host = op->mode != NU_SNI_ONLY ? host_of(e->request, op->mode_b) : NU_STR_NONE;
    nu_str first = op->mode == NU_HOST_FIRST ? host : sni, second = op->mode == NU_HOST_FIRST ? sni : host;
    nu_str name = first.len > 0 ? first : second;
    if (name.len == 0)
        return NU_VALUE_NONE;
    return name.ptr == sni.ptr ? eval_name(op, name, out) : nu_eval_text(op, name, out);
}

/* ---- gRPC ---- */

EVAL(grpc_status)
{
    static const char *const names[][2] = {
        {"OK", "OK"},
        {"Canceled", "CANCELLED"},
        {"Unknown", "UNKNOWN"},
        {"InvalidArgument", "INVALID_ARGUMENT"},
        {"DeadlineExceeded", "DEADLINE_EXCEEDED"},
        {"NotFound", "NOT_FOUND"},
        {"AlreadyExists", "ALREADY_EXISTS"},
        {"PermissionDenied", "PERMISSION_DENIED"},
        {"ResourceExhausted", "RESOURCE_EXHAUSTED"},
        {"FailedPrecondition", "FAILED_PRECONDITION"},
        {"Aborted", "ABORTED"},
        {"OutOfRange", "OUT_OF_RANGE"},
        {"Unimplemented", "UNIMPLEMENTED"},
        {"Internal", "INTERNAL"},
        {"Unavailable", "UNAVAILABLE"},
        {"DataLoss", "DATA_LOSS"},
        {"Unauthenticated", "UNAUTHENTICATED"},
    };
    uint64_t code;
    if (e->request == NULL || !nu_headers_is_grpc(e->request))
        return NU_VALUE_NONE;
    nu_str text = e->response_trailers != NULL ? nu_headers_get_id(e->response_trailers, NU_HDR_GRPC_STATUS) : NU_STR_NONE;
    if (text.ptr == NULL && e->response != NULL)
        text = nu_headers_get_id(e->response, NU_HDR_GRPC_STATUS);
    if (text.ptr == NULL && e->info->response_code != 0)
        code = nu_grpc_status_of_http(e->info->response_code);
    else if (!nu_str_to_u64(text, &code))
        return NU_VALUE_NONE;
    if (op->mode == NU_GRPC_NUMBER || code >= NU_ARRAY_LEN(names))
        return nu_eval_number(out, (int64_t)code);
    return nu_eval_text(op, nu_str_from(names[code][op->mode == NU_GRPC_SNAKE]), out);
}

/* ---- metadata ---- */

void nu_format_double(double d, struct nu_sb *out)
{
    if (!isfinite(d)) {
        nu_sb_lit(out, "null");
        return;
    }
    if (d == trunc(d) && fabs(d) < 1e15) {
        nu_sb_printf(out, "%.0f", d);
        return;
    }
    char text[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof(text), "%.*g", precision, d);
        if (strtod(text, NULL) == d)
            break;
    }
    nu_sb_add(out, nu_str_from(text));
}

static void put_list(const struct google_protobuf_ListValue *l, struct nu_sb *out)
{
    nu_sb_char(out, '[');
    for (size_t i = 0; i < l->n_values; i++) {
        if (i > 0)
            nu_sb_char(out, ',');
        nu_format_value(l->values[i], out);
    }
    nu_sb_char(out, ']');
}

void nu_format_value(const struct google_protobuf_Value *v, struct nu_sb *out)
{
    switch (v->kind_case) {
    case google_protobuf_Value_number_value_case:
        nu_format_double(v->number_value, out);
        return;
    case google_protobuf_Value_string_value_case:
        nu_sb_json_str(out, v->string_value);
        return;
    case google_protobuf_Value_bool_value_case:
        nu_sb_add(out, v->bool_value ? NU_STR("true") : NU_STR("false"));
        return;
    case google_protobuf_Value_struct_value_case:
        nu_format_struct(v->struct_value, out);
        return;
    case google_protobuf_Value_list_value_case:
        put_list(v->list_value, out);
        return;
    default:
        nu_sb_lit(out, "null");
    }
}

/* Keys in order: the next larger one each time; metadata is small. */
void nu_format_struct(const struct google_protobuf_Struct *s, struct nu_sb *out)
{
    nu_str last = NU_STR_NONE;
    nu_sb_char(out, '{');
    for (size_t k = 0; k < s->n_fields; k++) {
        size_t next = s->n_fields;
        for (size_t i = 0; i < s->n_fields; i++)
            if ((last.ptr == NULL || nu_str_cmp(s->fields[i].key, last) > 0) &&
                (next == s->n_fields || nu_str_cmp(s->fields[i].key, s->fields[next].key) < 0))
                next = i;
        if (next == s->n_fields)
            break;
        if (last.ptr != NULL)
            nu_sb_char(out, ',');
        last = s->fields[next].key;
        nu_sb_json_str(out, last);
        nu_sb_char(out, ':');
        nu_format_value(s->fields[next].value, out);
    }
    nu_sb_char(out, '}');
}

static const struct google_protobuf_Value *find(const struct google_protobuf_Struct *s, nu_str key)
{
    for (size_t i = 0; s != NULL && i < s->n_fields; i++)
        if (nu_str_eq(s->fields[i].key, key))
            return s->fields[i].value;
    return NULL;
}

/* The value under a path; a lone string prints as text, everything else as JSON. */
static enum nu_value_kind metadata(const struct nu_format_op *op, const struct google_protobuf_Struct *s,
                                   struct nu_sb *out)
{
    const nu_str *path = op->data;
    const struct google_protobuf_Value *v = NULL;
    size_t start = out->len;
    if (s == NULL)
        return NU_VALUE_NONE;
    for (size_t i = 0; i < op->n_data; i++) {
        v = find(s, path[i]);
        if (v == NULL)
            return NU_VALUE_NONE;
        s = v->kind_case == google_protobuf_Value_struct_value_case ? v->struct_value : NULL;
    }
    if (v == NULL) {
        nu_format_struct(s, out);
    } else if (v->kind_case == google_protobuf_Value_string_value_case && !op->json) {
        return nu_eval_text(op, v->string_value, out);
    } else if (v->kind_case == google_protobuf_Value_null_value_case) {
        return NU_VALUE_NONE;
    } else {
        nu_format_value(v, out);
    }
    if (out->len - start > op->max_len)
        out->len = start + op->max_len;
    return NU_VALUE_JSON;
}

EVAL(dynamic_metadata)
{
    const struct nu_dynamic_metadata *m = e->info->metadata;
    while (m != NULL && !nu_str_eq(m->filter, op->a))
        m = m->next;
    return metadata(op, m != NULL ? m->fields : NULL, out);
}

EVAL(upstream_metadata)
{
    const struct nu_upstream_info *u = e->info->upstream;
    return metadata(op, u != NULL && u->host != NULL ? nu_view_host_lb_metadata(u->host) : NULL, out);
}

EVAL(route_metadata)
{
    return metadata(op, e->info->route != NULL ? e->info->route->metadata_envoy_lb : NULL, out);
}

EVAL(filter_state)
{
    const struct nu_filter_state *f = nu_filter_state_get(e->info, op->a);
    if (f == NULL)
        return NU_VALUE_NONE;
    if (op->mode != 0 || !op->json)
        return nu_eval_text(op, f->text, out);
    nu_sb_json_str(out, f->text);
    return NU_VALUE_JSON;
}
