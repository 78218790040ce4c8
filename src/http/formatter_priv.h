/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the formatter: a program is a list of operations; each appends its value and says what kind of value it was.
 * The table of operators is in formatter_ops.c, their evaluation in formatter_eval*.c. */
#ifndef NU_HTTP_FORMATTER_PRIV_H
#define NU_HTTP_FORMATTER_PRIV_H

#include "http/formatter.h"
#include "http/headers.h"

/* What an operation appended. */
enum nu_value_kind {
    NU_VALUE_NONE, /* nothing: the value is missing */
    NU_VALUE_TEXT,
    NU_VALUE_JSON, /* a number, or ready JSON when the operation was asked for it (nu_format_op.json) */
};

struct nu_format_op;
typedef enum nu_value_kind (*nu_format_eval)(const struct nu_format_op *op, const struct nu_log_entry *e,
                                             struct nu_sb *out);

#define NU_FORMAT_NO_LIMIT SIZE_MAX

struct nu_format_op {
    nu_format_eval eval; /* NULL: the literal `a` */
    nu_str a, b;         /* literal, header names, keys: as the operator's parser left them */
    uint16_t mode, mode_b;
    bool json;           /* evaluated alone for JSON: structured values print as JSON */
    size_t max_len;      /* :N, or NU_FORMAT_NO_LIMIT */
    const void *data;    /* compiled time format, metadata path */
    size_t n_data;
};

struct nu_format_program {
    struct nu_format_op *ops;
    size_t n;
    bool omit_empty;
};

/* ---- parsing ---- */

/* Where an operator's argument parser works. */
struct nu_format_parse {
    struct nu_arena *arena;
    struct nu_format_error *err;
    nu_str name, args; /* of the operator at hand */
    size_t position;
};

/* Sets the error; always returns false. */
bool nu_format_fail(struct nu_format_parse *p, const char *fmt, ...) NU_PRINTF(2, 3);
bool nu_format_fail_unsupported(struct nu_format_parse *p, const char *fmt, ...) NU_PRINTF(2, 3);

enum nu_format_syntax {
    NU_SYNTAX_BARE = 0,          /* no parameters, no length */
    NU_SYNTAX_PARAMS = 1,        /* parameters required */
    NU_SYNTAX_OPTIONAL = 2,      /* parameters allowed */
    NU_SYNTAX_LENGTH = 4,        /* :N allowed */
    NU_SYNTAX_UNSUPPORTED = 8,   /* Envoy has it, nuncio does not yet */
};

/* One row of the table, sorted by name. */
struct nu_format_operator {
    const char *name;
    uint8_t syntax; /* enum nu_format_syntax */
    nu_format_eval eval;
    bool (*parse)(struct nu_format_parse *p, struct nu_format_op *op); /* NULL: nothing to do */
    uint16_t mode;
};

/* By name; NULL: Envoy has no such operator. */
const struct nu_format_operator *nu_format_operator_find(nu_str name);

/* Parses a format into p->arena; false: p->err is set. json: a lone operator is to keep its type. */
bool nu_format_program_parse(struct nu_arena *a, nu_str format, bool json, struct nu_format_program *out,
                             struct nu_format_error *err);
void nu_format_program_run(const struct nu_format_program *p, const struct nu_log_entry *e, struct nu_sb *out);

/* ---- times (formatter_time.c) ---- */

struct nu_time_format;
/* Compiles a strftime format with Envoy's %s, %f, %1f...%9f and absl's %E3S, %E*S, %E3f. NULL: it holds a newline. */
const struct nu_time_format *nu_time_format_parse(struct nu_arena *a, nu_str format, bool local);
/* tf NULL: the default, 2026-11-23T14:47:39.270Z. */
void nu_time_format_run(const struct nu_time_format *tf, bool local, uint64_t wall_ns, struct nu_sb *out);

/* ---- evaluation, by theme ---- */

enum nu_value_kind nu_eval_number(struct nu_sb *out, int64_t v);
/* Text with op's :N; ptr == NULL is a missing value. */
enum nu_value_kind nu_eval_text(const struct nu_format_op *op, nu_str s, struct nu_sb *out);

#define NU_FORMAT_EVALS(X)                                                                         \
    X(none) X(constant) X(empty)                                                                   \
    X(start_time) X(emit_time) X(duration) X(common_duration)                                      \
    X(request_header) X(response_header) X(response_trailer) X(protocol) X(upstream_protocol)      \
    X(response_code) X(response_code_details) X(response_flags) X(response_flags_long)             \
    X(counter) X(headers_bytes) X(address) X(address_ip) X(address_port) X(endpoint_id)            \
    X(conn_text) X(stream_text) X(upstream_text) X(connection_id) X(upstream_connection_id)        \
    X(stream_id) X(unique_id) X(access_log_type) X(local_reply_body) X(path) X(query_param)        \
    X(query_params) X(grpc_status) X(dynamic_metadata) X(upstream_metadata) X(route_metadata)      \
    X(filter_state) X(server_name) X(trace_id)                                                     \
    X(handshake_duration) X(downstream_tls) X(downstream_valid_from) X(downstream_valid_to)                              \
    X(upstream_tls) X(upstream_valid_from) X(upstream_valid_to) X(xfcc_value)

#define X(name) enum nu_value_kind nu_eval_##name(const struct nu_format_op *op, const struct nu_log_entry *e, struct nu_sb *out);
NU_FORMAT_EVALS(X)
#undef X

/* op->mode of nu_eval_duration. */
enum nu_duration_kind {
    NU_DURATION_TOTAL,
    NU_DURATION_REQUEST,
    NU_DURATION_REQUEST_TX,
    NU_DURATION_RESPONSE,
    NU_DURATION_RESPONSE_TX,
    NU_DURATION_POOL_READY,
};

/* op->mode of nu_eval_counter. */
enum nu_counter_kind {
    NU_COUNT_ZERO,
    NU_COUNT_BYTES_RECEIVED,
    NU_COUNT_BYTES_SENT,
    NU_COUNT_DS_WIRE_RECEIVED,
    NU_COUNT_DS_WIRE_SENT,
    NU_COUNT_DS_HEADER_RECEIVED,
    NU_COUNT_DS_HEADER_SENT,
    NU_COUNT_US_WIRE_RECEIVED,
    NU_COUNT_US_WIRE_SENT,
    NU_COUNT_US_HEADER_RECEIVED,
    NU_COUNT_US_HEADER_SENT,
    NU_COUNT_US_DECOMPRESSED_RECEIVED,
    NU_COUNT_US_DECOMPRESSED_SENT,
    NU_COUNT_ATTEMPTS,
};

/* op->mode of nu_eval_headers_bytes. */
enum nu_headers_kind { NU_HEADERS_REQUEST, NU_HEADERS_RESPONSE, NU_HEADERS_TRAILERS };

/* op->mode of nu_eval_address*. */
enum nu_address_kind {
    NU_ADDR_DS_REMOTE,
    NU_ADDR_DS_DIRECT_REMOTE,
    NU_ADDR_DS_LOCAL,
    NU_ADDR_DS_DIRECT_LOCAL,
    NU_ADDR_US_LOCAL,
    NU_ADDR_US_REMOTE, /* also %UPSTREAM_HOST% */
};

/* op->mode of nu_eval_conn_text, _stream_text, _upstream_text. */
enum nu_text_kind {
    NU_TEXT_FILTER_CHAIN,
    NU_TEXT_TERMINATION,
    NU_TEXT_DS_TRANSPORT_FAILURE,
    NU_TEXT_JA3,
    NU_TEXT_JA4,
    NU_TEXT_LISTENER,
    NU_TEXT_ROUTE,
    NU_TEXT_VIRTUAL_CLUSTER,
    NU_TEXT_CLUSTER,
    NU_TEXT_CLUSTER_RAW,
    NU_TEXT_HOST_NAME,
    NU_TEXT_HOST_NAME_NO_PORT,
    NU_TEXT_US_TRANSPORT_FAILURE,
    NU_TEXT_US_DETECTED_CLOSE,
};

/* op->mode of nu_eval_grpc_status. */
enum nu_grpc_status_kind { NU_GRPC_CAMEL, NU_GRPC_SNAKE, NU_GRPC_NUMBER };

/* op->mode of nu_eval_path: which path; op->mode_b: without the query. And of nu_eval_server_name: which source first;
 * mode_b: which host header. */
enum nu_path_kind { NU_PATH_ORIG_OR_PATH, NU_PATH_PATH, NU_PATH_ORIG };
enum nu_sni_kind { NU_SNI_ONLY, NU_SNI_FIRST, NU_HOST_FIRST };

/* op->mode of nu_eval_common_duration's two points (mode and mode_b); op->max_len: nanoseconds per unit. */
enum nu_time_point {
    NU_POINT_NONE, /* a name that only filters would set */
    NU_POINT_DS_RX_BEG,
    NU_POINT_DS_RX_END,
    NU_POINT_US_CX_BEG,
    NU_POINT_US_CX_END,
    NU_POINT_US_TX_BEG,
    NU_POINT_US_TX_END,
    NU_POINT_US_RX_BEG,
    NU_POINT_US_RX_END,
    NU_POINT_DS_TX_BEG,
    NU_POINT_DS_TX_END,
};

/* A known header as an operator's argument: pseudo-headers are taken from the map's own fields. */
enum nu_header_ref {
    NU_REF_PLAIN = 0, /* look the name up */
    NU_REF_METHOD = 0x8000,
    NU_REF_PATH,
    NU_REF_AUTHORITY,
    NU_REF_SCHEME,
    NU_REF_PROTOCOL,
    NU_REF_STATUS,
};
/* The argument of a lower-case name: an enum nu_hdr (1...), a pseudo-header, or 0. */
uint16_t nu_header_ref(nu_str lower_name);
/* The value; h may be NULL. Status is printed into `room` (at least 4 bytes). */
nu_str nu_header_ref_get(const struct nu_http_headers *h, uint16_t ref, nu_str name, char *room);

/* JSON text of a google.protobuf.Struct / Value (keys sorted, as Envoy prints metadata). */
struct google_protobuf_Value;
void nu_format_struct(const struct google_protobuf_Struct *s, struct nu_sb *out);
void nu_format_value(const struct google_protobuf_Value *v, struct nu_sb *out);
/* A double as Envoy prints it in JSON. */
void nu_format_double(double d, struct nu_sb *out);

#endif
