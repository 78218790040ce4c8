/* SPDX-License-Identifier: Apache-2.0
 *
 * The operators: their names, what they may be given, and how their arguments become an operation. Refusals and their
 * texts are Envoy's. Operators that need parts nuncio lacks are in the table as unsupported; those that only read TLS
 * have no value on plain text. */

#include <stdlib.h>
#include <unistd.h>

#include "http/formatter_priv.h"
#include "tls/info.h"

/* ---- headers ---- */

uint16_t nu_header_ref(nu_str name)
{
    static const struct {
        nu_str name;
        uint16_t ref;
    } pseudo[] = {
        {NU_STR_INIT(":method"), NU_REF_METHOD}, {NU_STR_INIT(":path"), NU_REF_PATH},
        {NU_STR_INIT(":authority"), NU_REF_AUTHORITY}, {NU_STR_INIT("host"), NU_REF_AUTHORITY},
        {NU_STR_INIT(":scheme"), NU_REF_SCHEME}, {NU_STR_INIT(":protocol"), NU_REF_PROTOCOL},
        {NU_STR_INIT(":status"), NU_REF_STATUS},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(pseudo); i++)
        if (nu_str_eq(pseudo[i].name, name))
            return pseudo[i].ref;
    return (uint16_t)nu_hdr_lookup(name);
}

static nu_str lower(struct nu_arena *a, nu_str s)
{
    char *copy = nu_arena_cstr(a, s);
    for (size_t i = 0; i < s.len; i++)
        copy[i] = nu_ascii_lower(copy[i]);
    return nu_str_make(copy, s.len);
}

/* RFC 9110 s5.6.2 token, or a pseudo-header; Envoy takes an empty name as well. */
static bool is_header_name(nu_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == ':' && i == 0) ||
                  (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        if (!ok)
            return false;
    }
    return true;
}

static bool parse_headers(struct nu_format_parse *p, struct nu_format_op *op)
{
    nu_str rest = p->args;
    nu_str name = nu_str_next(&rest, '?');
    nu_str alternative = rest.ptr != NULL ? nu_str_next(&rest, '?') : NU_STR("");
    if (rest.ptr != NULL)
        return nu_format_fail(p, "More than 1 alternative header specified in token: %.*s", NU_STR_ARG(p->args));
    op->a = lower(p->arena, name);
    op->b = lower(p->arena, alternative);
    if (!is_header_name(op->a) || !is_header_name(op->b))
        return nu_format_fail(p, "Invalid header configuration. Format string contains invalid characters.");
    op->mode = nu_header_ref(op->a);
    op->mode_b = nu_header_ref(op->b);
    return true;
}

/* ---- choices ---- */

struct choice {
    nu_str text;
    uint16_t value;
};

static bool choose(const struct choice *list, size_t n, nu_str text, uint16_t *out)
{
    for (size_t i = 0; i < n; i++)
        if (nu_str_eq(list[i].text, text)) {
            *out = list[i].value;
            return true;
        }
    return false;
}

/* "WQ|NQ" ":" "ORIG|PATH|ORIG_OR_PATH"; both may be left out. */
static bool parse_path(struct nu_format_parse *p, struct nu_format_op *op)
{
    static const struct choice query[] = {{NU_STR_INIT(""), 0}, {NU_STR_INIT("WQ"), 0}, {NU_STR_INIT("NQ"), 1}};
    static const struct choice which[] = {{NU_STR_INIT(""), NU_PATH_ORIG_OR_PATH},
                                          {NU_STR_INIT("ORIG_OR_PATH"), NU_PATH_ORIG_OR_PATH},
                                          {NU_STR_INIT("PATH"), NU_PATH_PATH},
                                          {NU_STR_INIT("ORIG"), NU_PATH_ORIG}};
    nu_str rest = p->args;
    nu_str first = nu_str_next(&rest, ':');
    nu_str second = rest.ptr != NULL ? nu_str_next(&rest, ':') : NU_STR("");
    if (!choose(query, NU_ARRAY_LEN(query), first, &op->mode_b))
        return nu_format_fail(p, "Invalid PATH option: '%.*s', only 'WQ'/'NQ' are allowed", NU_STR_ARG(first));
    if (!choose(which, NU_ARRAY_LEN(which), second, &op->mode))
        return nu_format_fail(p, "Invalid PATH option: '%.*s', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed",
                              NU_STR_ARG(second));
    return true;
}

static bool parse_server_name(struct nu_format_parse *p, struct nu_format_op *op)
{
    static const struct choice source[] = {{NU_STR_INIT(""), NU_SNI_ONLY},
                                           {NU_STR_INIT("SNI_ONLY"), NU_SNI_ONLY},
                                           {NU_STR_INIT("SNI_FIRST"), NU_SNI_FIRST},
                                           {NU_STR_INIT("HOST_FIRST"), NU_HOST_FIRST}};
    static const struct choice host[] = {{NU_STR_INIT(""), NU_PATH_ORIG_OR_PATH},
                                         {NU_STR_INIT("ORIG_OR_HOST"), NU_PATH_ORIG_OR_PATH},
                                         {NU_STR_INIT("HOST"), NU_PATH_PATH},
                                         {NU_STR_INIT("ORIG"), NU_PATH_ORIG}};
    nu_str rest = p->args;
    nu_str first = nu_str_next(&rest, ':');
    nu_str second = rest.ptr != NULL ? nu_str_next(&rest, ':') : NU_STR("");
    if (!choose(source, NU_ARRAY_LEN(source), first, &op->mode))
        return nu_format_fail(p,
                              "Invalid REQUESTED_SERVER_NAME option: '%.*s', only 'SNI_ONLY'/'SNI_FIRST'/'HOST_FIRST' "
                              "are allowed",
                              NU_STR_ARG(first));
    if (!choose(host, NU_ARRAY_LEN(host), second, &op->mode_b))
        return nu_format_fail(
            p, "Invalid REQUESTED_SERVER_NAME option: '%.*s', only 'ORIG_OR_HOST'/'HOST'/'ORIG' are allowed",
            NU_STR_ARG(second));
    return true;
}

static bool parse_query_params(struct nu_format_parse *p, struct nu_format_op *op)
{
    static const struct choice forms[] = {{NU_STR_INIT(""), 0}, {NU_STR_INIT("ORIG"), 0}, {NU_STR_INIT("DECODED"), 1}};
    return choose(forms, NU_ARRAY_LEN(forms), p->args, &op->mode) ||
           nu_format_fail(p, "Invalid QUERY_PARAMS option: '%.*s', only 'ORIG'/'DECODED' are allowed",
                          NU_STR_ARG(p->args));
}

static bool parse_query_param(struct nu_format_parse *p, struct nu_format_op *op)
{
    op->a = p->args;
    return true;
}

static bool parse_grpc_status(struct nu_format_parse *p, struct nu_format_op *op)
{
    static const struct choice forms[] = {{NU_STR_INIT(""), NU_GRPC_CAMEL},
                                          {NU_STR_INIT("CAMEL_STRING"), NU_GRPC_CAMEL},
                                          {NU_STR_INIT("SNAKE_STRING"), NU_GRPC_SNAKE},
                                          {NU_STR_INIT("NUMBER"), NU_GRPC_NUMBER}};
    return choose(forms, NU_ARRAY_LEN(forms), p->args, &op->mode) ||
           nu_format_fail(p, "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: %.*s",
                          NU_STR_ARG(p->args));
}

/* ALLOW_WHITESPACES; anything else means nothing, as in Envoy. */
static bool parse_details(struct nu_format_parse *p, struct nu_format_op *op)
{
    op->mode = nu_str_eq(p->args, NU_STR("ALLOW_WHITESPACES"));
    return true;
}

/* ---- times ---- */

static bool parse_time(struct nu_format_parse *p, struct nu_format_op *op)
{
    if (p->args.len == 0)
        return true;
    op->data = nu_time_format_parse(p->arena, p->args, op->mode != 0);
    return op->data != NULL ||
           nu_format_fail(p, "Invalid header configuration. Format string contains newline.");
}

static uint16_t time_point(nu_str name)
{
    static const struct choice points[] = {
        {NU_STR_INIT("DS_RX_BEG"), NU_POINT_DS_RX_BEG}, {NU_STR_INIT("DS_RX_END"), NU_POINT_DS_RX_END},
        {NU_STR_INIT("US_CX_BEG"), NU_POINT_US_CX_BEG}, {NU_STR_INIT("US_CX_END"), NU_POINT_US_CX_END},
        {NU_STR_INIT("US_TX_BEG"), NU_POINT_US_TX_BEG}, {NU_STR_INIT("US_TX_END"), NU_POINT_US_TX_END},
        {NU_STR_INIT("US_RX_BEG"), NU_POINT_US_RX_BEG}, {NU_STR_INIT("US_RX_END"), NU_POINT_US_RX_END},
        {NU_STR_INIT("DS_TX_BEG"), NU_POINT_DS_TX_BEG}, {NU_STR_INIT("DS_TX_END"), NU_POINT_DS_TX_END},
    };
    uint16_t point = NU_POINT_NONE;
    (void)choose(points, NU_ARRAY_LEN(points), name, &point);
    return point;
}

/* Time points that Envoy has and our record does not keep. */
static bool is_untracked_point(nu_str name)
{
    static const nu_str names[] = {NU_STR_INIT("DS_CX_BEG"),     NU_STR_INIT("DS_CX_END"), NU_STR_INIT("DS_HS_BEG"),
                                   NU_STR_INIT("DS_HS_END"),     NU_STR_INIT("US_HS_END"),
                                   NU_STR_INIT("DS_RX_HDR_END"), NU_STR_INIT("US_RX_BODY_BEG")};
    for (size_t i = 0; i < NU_ARRAY_LEN(names); i++)
        if (nu_str_eq(names[i], name))
            return true;
    return false;
}

static bool parse_common_duration(struct nu_format_parse *p, struct nu_format_op *op)
{
    nu_str parts[3];
    size_t n = 0;
    for (nu_str rest = p->args; rest.ptr != NULL; n++) {
        if (n == 3)
            return nu_format_fail(p, "Invalid common duration configuration: %.*s.", NU_STR_ARG(p->args));
        parts[n] = nu_str_next(&rest, ':');
    }
    if (n < 2)
        return nu_format_fail(p, "Invalid common duration configuration: %.*s.", NU_STR_ARG(p->args));
    nu_str unit = n == 3 ? parts[2] : NU_STR("ms");
    if (nu_str_eq(unit, NU_STR("ms")))
        op->max_len = 1000000;
    else if (nu_str_eq(unit, NU_STR("us")))
        op->max_len = 1000;
    else if (nu_str_eq(unit, NU_STR("ns")))
        op->max_len = 1;
    else
        return nu_format_fail(p, "Invalid common duration precision: %.*s.", NU_STR_ARG(unit));
    for (size_t i = 0; i < 2; i++)
        if (is_untracked_point(parts[i]))
            return nu_format_fail_unsupported(p, "COMMON_DURATION: the time point %.*s is not supported yet",
                                              NU_STR_ARG(parts[i]));
    op->mode = time_point(parts[0]);
    op->mode_b = time_point(parts[1]);
    return true;
}

/* ---- constants of the process ---- */

static bool parse_environment(struct nu_format_parse *p, struct nu_format_op *op)
{
    const char *value = getenv(nu_arena_cstr(p->arena, p->args));
    /* Envoy stores "-" for an unset variable, in JSON too. */
    nu_str text = value != NULL ? nu_str_first(nu_str_from(value), op->max_len) : NU_STR("-");
    op->a = nu_arena_str(p->arena, text);
    return true;
}

static bool parse_hostname(struct nu_format_parse *p, struct nu_format_op *op)
{
    char name[256] = "";
    if (gethostname(name, sizeof(name) - 1) == 0)
        op->a = nu_arena_str(p->arena, nu_str_from(name));
    return true;
}

/* ---- addresses ---- */

/* A prefix length to mask with; what is not a number means none, as in Envoy. */
static bool parse_mask(struct nu_format_parse *p, struct nu_format_op *op)
{
    uint64_t bits;
    op->mode_b = UINT16_MAX;
    if (nu_str_to_u64(p->args, &bits) && bits <= 128)
        op->mode_b = (uint16_t)bits;
    return true;
}

/* ---- metadata, filter state ---- */

/* NAMESPACE ( ":" KEY )* after any prefix. */
static void set_metadata_path(struct nu_format_parse *p, nu_str args, struct nu_format_op *op)
{
    size_t n = 1;
    for (size_t i = 0; i < args.len; i++)
        n += args.ptr[i] == ':';
    nu_str *path = nu_arena_array(p->arena, nu_str, n);
    nu_str rest = args;
    op->a = nu_str_next(&rest, ':');
    for (n = 0; rest.ptr != NULL; n++)
        path[n] = nu_str_next(&rest, ':');
    op->data = path;
    op->n_data = n;
}

static bool parse_dynamic_metadata(struct nu_format_parse *p, struct nu_format_op *op)
{
    set_metadata_path(p, p->args, op);
    return true;
}

/* Of a host's and a route's metadata only the namespace that load balancing reads is kept. */
static bool parse_lb_metadata(struct nu_format_parse *p, nu_str args, struct nu_format_op *op)
{
    set_metadata_path(p, args, op);
    if (!nu_str_eq(op->a, NU_STR("envoy.lb")))
        return nu_format_fail_unsupported(p, "%.*s of the namespace \"%.*s\" is not supported yet, only of envoy.lb",
                                          NU_STR_ARG(p->name), NU_STR_ARG(op->a));
    return true;
}

static bool parse_upstream_metadata(struct nu_format_parse *p, struct nu_format_op *op)
{
    return parse_lb_metadata(p, p->args, op);
}

static bool parse_metadata(struct nu_format_parse *p, struct nu_format_op *op)
{
    static const nu_str later[] = {NU_STR_INIT("CLUSTER"), NU_STR_INIT("LISTENER"),
                                   NU_STR_INIT("LISTENER_FILTER_CHAIN"), NU_STR_INIT("VIRTUAL_HOST")};
    nu_str rest = p->args;
    nu_str type = nu_str_next(&rest, ':');
    nu_str path = rest.ptr != NULL ? rest : NU_STR("");
    if (nu_str_eq(type, NU_STR("DYNAMIC"))) {
        op->eval = nu_eval_dynamic_metadata;
        set_metadata_path(p, path, op);
        return true;
    }
    if (nu_str_eq(type, NU_STR("UPSTREAM_HOST"))) {
        op->eval = nu_eval_upstream_metadata;
        return parse_lb_metadata(p, path, op);
    }
    if (nu_str_eq(type, NU_STR("ROUTE"))) {
        op->eval = nu_eval_route_metadata;
        return parse_lb_metadata(p, path, op);
    }
    for (size_t i = 0; i < NU_ARRAY_LEN(later); i++)
        if (nu_str_eq(type, later[i]))
            return nu_format_fail_unsupported(p, "METADATA of type %.*s is not supported yet", NU_STR_ARG(type));
    return nu_format_fail(p, "%.*s is not supported type of metadata", NU_STR_ARG(type));
}

/* KEY [ ":" PLAIN|TYPED|FIELD [ ":" field ] ]. */
static bool parse_filter_state(struct nu_format_parse *p, struct nu_format_op *op)
{
    nu_str rest = p->args;
    op->a = nu_str_next(&rest, ':');
    nu_str type = rest.ptr != NULL ? nu_str_next(&rest, ':') : NU_STR("");
    nu_str field = rest.ptr != NULL ? nu_str_next(&rest, ':') : NU_STR("");
    if (op->a.len == 0)
        return nu_format_fail(p, "Invalid filter state configuration, key cannot be empty.");
    bool plain = nu_str_eq(type, NU_STR("PLAIN"));
    bool by_field = nu_str_eq(type, NU_STR("FIELD"));
    if (!plain && !by_field && type.len > 0 && !nu_str_eq(type, NU_STR("TYPED")))
        return nu_format_fail(p, "Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.");
    if (by_field != (field.len > 0))
        return nu_format_fail(p, "Invalid filter state serialize type, FIELD should be used with the field name.");
    if (by_field)
        return nu_format_fail_unsupported(p, "FILTER_STATE with FIELD is not supported yet");
    op->mode = plain;
    return true;
}

/* ---- the table ---- */

#define BARE NU_SYNTAX_BARE
#define PARAMS NU_SYNTAX_PARAMS
#define OPTIONAL NU_SYNTAX_OPTIONAL
#define LENGTH NU_SYNTAX_LENGTH
#define LATER NU_SYNTAX_UNSUPPORTED
#define DS_TLS(name, fact) {name, BARE, nu_eval_downstream_tls, NULL, fact}
#define US_TLS(name, fact) {name, BARE, nu_eval_upstream_tls, NULL, fact}
#define NOT_YET(name) {name, LATER | OPTIONAL | LENGTH, NULL, NULL, 0}

// clang-format off
static const struct nu_format_operator operators[] = {
    {"ACCESS_LOG_TYPE", BARE, nu_eval_access_log_type, NULL, 0},
    {"BYTES_RECEIVED", BARE, nu_eval_counter, NULL, NU_COUNT_BYTES_RECEIVED},
    {"BYTES_RETRANSMITTED", BARE, nu_eval_counter, NULL, NU_COUNT_ZERO},
    {"BYTES_SENT", BARE, nu_eval_counter, NULL, NU_COUNT_BYTES_SENT},
    NOT_YET("CEL"),
    {"CLUSTER_METADATA", LATER | PARAMS | LENGTH, NULL, NULL, 0},
    NOT_YET("COALESCE"),
    {"COMMON_DURATION", PARAMS, nu_eval_common_duration, parse_common_duration, 0},
    {"CONNECTION_ID", BARE, nu_eval_connection_id, NULL, 0},
    {"CONNECTION_TERMINATION_DETAILS", BARE, nu_eval_conn_text, NULL, NU_TEXT_TERMINATION},
    {"CUSTOM_FLAGS", BARE, nu_eval_empty, NULL, 0},
    {"DOWNSTREAM_CX_RTT", LATER, NULL, NULL, 0},
    {"DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", BARE, nu_eval_counter, NULL, NU_COUNT_DS_HEADER_RECEIVED},
    {"DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", BARE, nu_eval_counter, NULL, NU_COUNT_DS_HEADER_SENT},
    {"DOWNSTREAM_DETECTED_CLOSE_TYPE", LATER, NULL, NULL, 0},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS", BARE, nu_eval_address, NULL, NU_ADDR_DS_DIRECT_LOCAL},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID", BARE, nu_eval_endpoint_id, NULL, NU_ADDR_DS_DIRECT_LOCAL},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT", OPTIONAL, nu_eval_address_ip, parse_mask, NU_ADDR_DS_DIRECT_LOCAL},
    {"DOWNSTREAM_DIRECT_LOCAL_PORT", BARE, nu_eval_address_port, NULL, NU_ADDR_DS_DIRECT_LOCAL},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", BARE, nu_eval_address, NULL, NU_ADDR_DS_DIRECT_REMOTE},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", OPTIONAL, nu_eval_address_ip, parse_mask, NU_ADDR_DS_DIRECT_REMOTE},
    {"DOWNSTREAM_DIRECT_REMOTE_PORT", BARE, nu_eval_address_port, NULL, NU_ADDR_DS_DIRECT_REMOTE},
    {"DOWNSTREAM_HANDSHAKE_DURATION", BARE, nu_eval_handshake_duration, NULL, 0},
    {"DOWNSTREAM_HEADER_BYTES_RECEIVED", BARE, nu_eval_counter, NULL, NU_COUNT_DS_HEADER_RECEIVED},
    {"DOWNSTREAM_HEADER_BYTES_SENT", BARE, nu_eval_counter, NULL, NU_COUNT_DS_HEADER_SENT},
    {"DOWNSTREAM_LOCAL_ADDRESS", BARE, nu_eval_address, NULL, NU_ADDR_DS_LOCAL},
    {"DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", BARE, nu_eval_endpoint_id, NULL, NU_ADDR_DS_LOCAL},
    {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", OPTIONAL, nu_eval_address_ip, parse_mask, NU_ADDR_DS_LOCAL},
    {"DOWNSTREAM_LOCAL_CLOSE_REASON", LATER, NULL, NULL, 0},
    DS_TLS("DOWNSTREAM_LOCAL_DNS_SAN", NU_TLS_LOCAL_DNS_SANS),
    DS_TLS("DOWNSTREAM_LOCAL_EMAIL_SAN", NU_TLS_LOCAL_EMAIL_SANS),
    DS_TLS("DOWNSTREAM_LOCAL_IP_SAN", NU_TLS_LOCAL_IP_SANS),
    DS_TLS("DOWNSTREAM_LOCAL_OTHERNAME_SAN", NU_TLS_LOCAL_OTHERNAME_SANS),
    {"DOWNSTREAM_LOCAL_PORT", BARE, nu_eval_address_port, NULL, NU_ADDR_DS_LOCAL},
    DS_TLS("DOWNSTREAM_LOCAL_SUBJECT", NU_TLS_LOCAL_SUBJECT),
    DS_TLS("DOWNSTREAM_LOCAL_URI_SAN", NU_TLS_LOCAL_URI_SANS),
    DS_TLS("DOWNSTREAM_PEER_CERT", NU_TLS_PEER_CERT),
    {"DOWNSTREAM_PEER_CERT_V_END", OPTIONAL, nu_eval_downstream_valid_to, parse_time, 0},
    {"DOWNSTREAM_PEER_CERT_V_START", OPTIONAL, nu_eval_downstream_valid_from, parse_time, 0},
    DS_TLS("DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1", NU_TLS_PEER_CHAIN_FINGERPRINTS_1),
    DS_TLS("DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256", NU_TLS_PEER_CHAIN_FINGERPRINTS_256),
    DS_TLS("DOWNSTREAM_PEER_CHAIN_SERIALS", NU_TLS_PEER_CHAIN_SERIALS),
    DS_TLS("DOWNSTREAM_PEER_DNS_SAN", NU_TLS_PEER_DNS_SANS),
    DS_TLS("DOWNSTREAM_PEER_EMAIL_SAN", NU_TLS_PEER_EMAIL_SANS),
    DS_TLS("DOWNSTREAM_PEER_FINGERPRINT_1", NU_TLS_PEER_FINGERPRINT_1),
    DS_TLS("DOWNSTREAM_PEER_FINGERPRINT_256", NU_TLS_PEER_FINGERPRINT_256),
    DS_TLS("DOWNSTREAM_PEER_IP_SAN", NU_TLS_PEER_IP_SANS),
    DS_TLS("DOWNSTREAM_PEER_ISSUER", NU_TLS_PEER_ISSUER),
    DS_TLS("DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256", NU_TLS_PEER_ISSUER_FINGERPRINT_256),
    DS_TLS("DOWNSTREAM_PEER_ISSUER_SERIAL", NU_TLS_PEER_ISSUER_SERIAL),
    DS_TLS("DOWNSTREAM_PEER_OTHERNAME_SAN", NU_TLS_PEER_OTHERNAME_SANS),
    DS_TLS("DOWNSTREAM_PEER_SERIAL", NU_TLS_PEER_SERIAL),
    DS_TLS("DOWNSTREAM_PEER_SUBJECT", NU_TLS_PEER_SUBJECT),
    DS_TLS("DOWNSTREAM_PEER_URI_SAN", NU_TLS_PEER_URI_SANS),
    {"DOWNSTREAM_REMOTE_ADDRESS", BARE, nu_eval_address, NULL, NU_ADDR_DS_REMOTE},
    {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", OPTIONAL, nu_eval_address_ip, parse_mask, NU_ADDR_DS_REMOTE},
    {"DOWNSTREAM_REMOTE_PORT", BARE, nu_eval_address_port, NULL, NU_ADDR_DS_REMOTE},
    DS_TLS("DOWNSTREAM_TLS_CIPHER", NU_TLS_CIPHER),
    DS_TLS("DOWNSTREAM_TLS_GROUP", NU_TLS_CURVE),
    DS_TLS("DOWNSTREAM_TLS_SESSION_ID", NU_TLS_SESSION_ID),
    DS_TLS("DOWNSTREAM_TLS_VERSION", NU_TLS_VERSION),
    {"DOWNSTREAM_TRANSPORT_FAILURE_REASON", BARE, nu_eval_conn_text, NULL, NU_TEXT_DS_TRANSPORT_FAILURE},
    {"DOWNSTREAM_WIRE_BYTES_RECEIVED", BARE, nu_eval_counter, NULL, NU_COUNT_DS_WIRE_RECEIVED},
    {"DOWNSTREAM_WIRE_BYTES_SENT", BARE, nu_eval_counter, NULL, NU_COUNT_DS_WIRE_SENT},
    {"DURATION", BARE, nu_eval_duration, NULL, NU_DURATION_TOTAL},
    {"DYNAMIC_METADATA", PARAMS | LENGTH, nu_eval_dynamic_metadata, parse_dynamic_metadata, 0},
    {"EMIT_TIME", OPTIONAL, nu_eval_emit_time, parse_time, 0},
    {"EMIT_TIME_LOCAL", OPTIONAL, nu_eval_emit_time, parse_time, 1},
    {"ENVIRONMENT", PARAMS | LENGTH, nu_eval_constant, parse_environment, 0},
    {"FILTER_CHAIN_NAME", BARE, nu_eval_conn_text, NULL, NU_TEXT_FILTER_CHAIN},
    {"FILTER_STATE", OPTIONAL | LENGTH, nu_eval_filter_state, parse_filter_state, 0},
    {"GRPC_STATUS", OPTIONAL, nu_eval_grpc_status, parse_grpc_status, 0},
    {"GRPC_STATUS_NUMBER", BARE, nu_eval_grpc_status, NULL, NU_GRPC_NUMBER},
    {"HOSTNAME", BARE, nu_eval_constant, parse_hostname, 0},
    {"LISTENER_NAME", BARE, nu_eval_conn_text, NULL, NU_TEXT_LISTENER},
    {"LOCAL_REPLY_BODY", BARE, nu_eval_local_reply_body, NULL, 0},
    {"METADATA", OPTIONAL | LENGTH, NULL, parse_metadata, 0},
    {"PACKETS_RETRANSMITTED", BARE, nu_eval_counter, NULL, NU_COUNT_ZERO},
    {"PATH", OPTIONAL | LENGTH, nu_eval_path, parse_path, 0},
    {"PROTOCOL", BARE, nu_eval_protocol, NULL, 0},
    {"QUERY_PARAM", PARAMS | LENGTH, nu_eval_query_param, parse_query_param, 0},
    {"QUERY_PARAMS", OPTIONAL | LENGTH, nu_eval_query_params, parse_query_params, 0},
    {"REQ", PARAMS | LENGTH, nu_eval_request_header, parse_headers, 0},
    {"REQUESTED_SERVER_NAME", OPTIONAL | LENGTH, nu_eval_server_name, parse_server_name, 0},
    {"REQUEST_DURATION", BARE, nu_eval_duration, NULL, NU_DURATION_REQUEST},
    {"REQUEST_HEADER", PARAMS | LENGTH, nu_eval_request_header, parse_headers, 0},
    {"REQUEST_HEADERS_BYTES", BARE, nu_eval_headers_bytes, NULL, NU_HEADERS_REQUEST},
    {"REQUEST_TX_DURATION", BARE, nu_eval_duration, NULL, NU_DURATION_REQUEST_TX},
    {"RESP", PARAMS | LENGTH, nu_eval_response_header, parse_headers, 0},
    {"RESPONSE_CODE", BARE, nu_eval_response_code, NULL, 0},
    {"RESPONSE_CODE_DETAILS", OPTIONAL, nu_eval_response_code_details, parse_details, 0},
    {"RESPONSE_DURATION", BARE, nu_eval_duration, NULL, NU_DURATION_RESPONSE},
    {"RESPONSE_FLAGS", BARE, nu_eval_response_flags, NULL, 0},
    {"RESPONSE_FLAGS_LONG", BARE, nu_eval_response_flags_long, NULL, 0},
    {"RESPONSE_HEADER", PARAMS | LENGTH, nu_eval_response_header, parse_headers, 0},
    {"RESPONSE_HEADERS_BYTES", BARE, nu_eval_headers_bytes, NULL, NU_HEADERS_RESPONSE},
    {"RESPONSE_TRAILER", PARAMS | LENGTH, nu_eval_response_trailer, parse_headers, 0},
    {"RESPONSE_TRAILERS_BYTES", BARE, nu_eval_headers_bytes, NULL, NU_HEADERS_TRAILERS},
    {"RESPONSE_TX_DURATION", BARE, nu_eval_duration, NULL, NU_DURATION_RESPONSE_TX},
    {"ROUNDTRIP_DURATION", BARE, nu_eval_none, NULL, 0},
    {"ROUTE_NAME", BARE, nu_eval_stream_text, NULL, NU_TEXT_ROUTE},
    {"ROUTE_RESOLUTION_COUNT", LATER, NULL, NULL, 0},
    {"ROUTE_RESOLUTION_TIME_US", LATER, NULL, NULL, 0},
    {"SPAN_ID", BARE, nu_eval_trace_id, NULL, 1},
    {"START_TIME", OPTIONAL, nu_eval_start_time, parse_time, 0},
    {"START_TIME_LOCAL", OPTIONAL, nu_eval_start_time, parse_time, 1},
    {"STREAM_ID", BARE, nu_eval_stream_id, NULL, 0},
    {"TLS_JA3_FINGERPRINT", BARE, nu_eval_conn_text, NULL, NU_TEXT_JA3},
    {"TLS_JA4_FINGERPRINT", BARE, nu_eval_conn_text, NULL, NU_TEXT_JA4},
    {"TRACE_ID", BARE, nu_eval_trace_id, NULL, 0},
    {"TRAILER", PARAMS | LENGTH, nu_eval_response_trailer, parse_headers, 0},
    NOT_YET("TYPED_CEL"),
    {"UNIQUE_ID", BARE, nu_eval_unique_id, NULL, 0},
    {"UPSTREAM_CLUSTER", BARE, nu_eval_stream_text, NULL, NU_TEXT_CLUSTER},
    {"UPSTREAM_CLUSTER_RAW", BARE, nu_eval_stream_text, NULL, NU_TEXT_CLUSTER_RAW},
    {"UPSTREAM_CONNECTION_ID", BARE, nu_eval_upstream_connection_id, NULL, 0},
    {"UPSTREAM_CONNECTION_IDS_ATTEMPTED", LATER, NULL, NULL, 0},
    {"UPSTREAM_CONNECTION_POOL_READY_DURATION", BARE, nu_eval_duration, NULL, NU_DURATION_POOL_READY},
    {"UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", BARE, nu_eval_counter, NULL, NU_COUNT_US_DECOMPRESSED_RECEIVED},
    {"UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", BARE, nu_eval_counter, NULL, NU_COUNT_US_DECOMPRESSED_SENT},
    {"UPSTREAM_DETECTED_CLOSE_TYPE", BARE, nu_eval_upstream_text, NULL, NU_TEXT_US_DETECTED_CLOSE},
    {"UPSTREAM_FILTER_STATE", LATER | OPTIONAL | LENGTH, NULL, NULL, 0},
    {"UPSTREAM_HEADER_BYTES_RECEIVED", BARE, nu_eval_counter, NULL, NU_COUNT_US_HEADER_RECEIVED},
    {"UPSTREAM_HEADER_BYTES_SENT", BARE, nu_eval_counter, NULL, NU_COUNT_US_HEADER_SENT},
    {"UPSTREAM_HOST", BARE, nu_eval_address, NULL, NU_ADDR_US_REMOTE},
    {"UPSTREAM_HOSTS_ATTEMPTED", LATER, NULL, NULL, 0},
    {"UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", LATER, NULL, NULL, 0},
    {"UPSTREAM_HOST_NAME", BARE, nu_eval_upstream_text, NULL, NU_TEXT_HOST_NAME},
    {"UPSTREAM_HOST_NAMES_ATTEMPTED", LATER, NULL, NULL, 0},
    {"UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT", LATER, NULL, NULL, 0},
    {"UPSTREAM_HOST_NAME_WITHOUT_PORT", BARE, nu_eval_upstream_text, NULL, NU_TEXT_HOST_NAME_NO_PORT},
    {"UPSTREAM_LOCAL_ADDRESS", BARE, nu_eval_address, NULL, NU_ADDR_US_LOCAL},
    {"UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", OPTIONAL, nu_eval_address_ip, parse_mask, NU_ADDR_US_LOCAL},
    {"UPSTREAM_LOCAL_CLOSE_REASON", LATER, NULL, NULL, 0},
    US_TLS("UPSTREAM_LOCAL_DNS_SAN", NU_TLS_LOCAL_DNS_SANS),
    US_TLS("UPSTREAM_LOCAL_IP_SAN", NU_TLS_LOCAL_IP_SANS),
    {"UPSTREAM_LOCAL_PORT", BARE, nu_eval_address_port, NULL, NU_ADDR_US_LOCAL},
    US_TLS("UPSTREAM_LOCAL_URI_SAN", NU_TLS_LOCAL_URI_SANS),
    {"UPSTREAM_METADATA", PARAMS | LENGTH, nu_eval_upstream_metadata, parse_upstream_metadata, 0},
    US_TLS("UPSTREAM_PEER_CERT", NU_TLS_PEER_CERT),
    {"UPSTREAM_PEER_CERT_V_END", OPTIONAL, nu_eval_upstream_valid_to, parse_time, 0},
    {"UPSTREAM_PEER_CERT_V_START", OPTIONAL, nu_eval_upstream_valid_from, parse_time, 0},
    US_TLS("UPSTREAM_PEER_DNS_SAN", NU_TLS_PEER_DNS_SANS),
    US_TLS("UPSTREAM_PEER_IP_SAN", NU_TLS_PEER_IP_SANS),
    US_TLS("UPSTREAM_PEER_ISSUER", NU_TLS_PEER_ISSUER),
    US_TLS("UPSTREAM_PEER_SUBJECT", NU_TLS_PEER_SUBJECT),
    US_TLS("UPSTREAM_PEER_URI_SAN", NU_TLS_PEER_URI_SANS),
    {"UPSTREAM_PROTOCOL", BARE, nu_eval_upstream_protocol, NULL, 0},
    {"UPSTREAM_REMOTE_ADDRESS", BARE, nu_eval_address, NULL, NU_ADDR_US_REMOTE},
    {"UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", BARE, nu_eval_endpoint_id, NULL, NU_ADDR_US_REMOTE},
    {"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", OPTIONAL, nu_eval_address_ip, parse_mask, NU_ADDR_US_REMOTE},
    {"UPSTREAM_REMOTE_PORT", BARE, nu_eval_address_port, NULL, NU_ADDR_US_REMOTE},
    {"UPSTREAM_REQUEST_ATTEMPT_COUNT", BARE, nu_eval_counter, NULL, NU_COUNT_ATTEMPTS},
    US_TLS("UPSTREAM_SERVER_NAME", NU_TLS_SNI),
    US_TLS("UPSTREAM_TLS_CIPHER", NU_TLS_CIPHER),
    US_TLS("UPSTREAM_TLS_GROUP", NU_TLS_CURVE),
    US_TLS("UPSTREAM_TLS_SESSION_ID", NU_TLS_SESSION_ID),
    US_TLS("UPSTREAM_TLS_VERSION", NU_TLS_VERSION),
    {"UPSTREAM_TRANSPORT_FAILURE_REASON", BARE, nu_eval_upstream_text, NULL, NU_TEXT_US_TRANSPORT_FAILURE},
    {"UPSTREAM_WIRE_BYTES_RECEIVED", BARE, nu_eval_counter, NULL, NU_COUNT_US_WIRE_RECEIVED},
    {"UPSTREAM_WIRE_BYTES_SENT", BARE, nu_eval_counter, NULL, NU_COUNT_US_WIRE_SENT},
    {"VIRTUAL_CLUSTER_NAME", BARE, nu_eval_stream_text, NULL, NU_TEXT_VIRTUAL_CLUSTER},
    {"XFCC_VALUE", PARAMS, nu_eval_xfcc_value, parse_query_param, 0},
};
// clang-format on

const struct nu_format_operator *nu_format_operator_find(nu_str name)
{
    size_t low = 0, high = NU_ARRAY_LEN(operators);
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = nu_str_cmp(nu_str_from(operators[mid].name), name);
        if (order == 0)
            return &operators[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}
