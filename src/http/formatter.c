/* SPDX-License-Identifier: Apache-2.0
 *
 * Formatters: a text program or a JSON tree over one. The grammar is in formatter_parse.c, the operators in
 * formatter_ops.c. */
#include "http/formatter.h"

#include <stdlib.h>

#include "codec/pb/pb.h"
#include "envoy/config/core/v3/substitution_format_string.nu.h"
#include "google/protobuf/struct.nu.h"
#include "http/formatter_priv.h"
#include "net/data_source.h"

/* JSON formats keep their shape; each string is a program. */
enum node_kind { NODE_TEXT, NODE_RAW, NODE_OBJECT, NODE_LIST };

struct nu_json_node {
    enum node_kind kind;
    nu_str raw;                       /* RAW: ready JSON (numbers, booleans, null) */
    struct nu_format_program program; /* TEXT */
    nu_str *keys;                     /* OBJECT, sorted */
    const struct nu_json_node **items;
    size_t n;
};

struct nu_formatter {
    struct nu_format_program program;
    const struct nu_json_node *json; /* NULL: text */
    bool omit_empty;
    nu_str content_type;
};

/* ---- running ---- */

void nu_format_program_run(const struct nu_format_program *p, const struct nu_log_entry *e, struct nu_sb *out)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct nu_format_op *op = &p->ops[i];
        if (op->eval == NULL)
            nu_sb_add(out, op->a);
        else if (op->eval(op, e, out) == NU_VALUE_NONE && !p->omit_empty)
            nu_sb_char(out, '-');
    }
}

/* A string of a JSON format: a lone operator keeps its type, else the whole is a string. false: missing. */
static bool run_text(const struct nu_format_program *p, bool omit_empty, const struct nu_log_entry *e, struct nu_sb *out)
{
    struct nu_sb scratch = {0};
    bool lone = p->n == 1 && p->ops[0].eval != NULL;
    enum nu_value_kind kind = NU_VALUE_TEXT;
    if (lone)
        kind = p->ops[0].eval(&p->ops[0], e, &scratch);
    else
        nu_format_program_run(p, e, &scratch);
    if (kind == NU_VALUE_JSON)
        nu_sb_add(out, nu_sb_str(&scratch));
    else if (kind == NU_VALUE_TEXT)
        nu_sb_json_str(out, nu_sb_str(&scratch));
    else if (!omit_empty)
        nu_sb_lit(out, "null");
    nu_sb_free(&scratch);
    return kind != NU_VALUE_NONE || !omit_empty;
}

static bool run_node(const struct nu_json_node *node, bool omit_empty, const struct nu_log_entry *e, struct nu_sb *out);

static void run_object(const struct nu_json_node *node, bool omit_empty, const struct nu_log_entry *e, struct nu_sb *out)
{
    bool first = true;
    nu_sb_char(out, '{');
    for (size_t i = 0; i < node->n; i++) {
        size_t before = out->len;
        if (!first)
            nu_sb_char(out, ',');
        nu_sb_json_str(out, node->keys[i]);
        nu_sb_char(out, ':');
        if (run_node(node->items[i], omit_empty, e, out))
            first = false;
        else
            out->len = before;
    }
    nu_sb_char(out, '}');
}

static void run_list(const struct nu_json_node *node, bool omit_empty, const struct nu_log_entry *e, struct nu_sb *out)
{
    nu_sb_char(out, '[');
    for (size_t i = 0; i < node->n; i++) {
        if (i > 0)
            nu_sb_char(out, ',');
        if (!run_node(node->items[i], omit_empty, e, out))
            nu_sb_lit(out, "null");
    }
    nu_sb_char(out, ']');
}

static bool run_node(const struct nu_json_node *node, bool omit_empty, const struct nu_log_entry *e, struct nu_sb *out)
{
    switch (node->kind) {
    case NODE_TEXT:
        return run_text(&node->program, omit_empty, e, out);
    case NODE_RAW:
        nu_sb_add(out, node->raw);
        return true;
    case NODE_OBJECT:
        run_object(node, omit_empty, e, out);
        return true;
    case NODE_LIST:
        run_list(node, omit_empty, e, out);
        return true;
    }
    return false;
}

void nu_formatter_run(const struct nu_formatter *f, const struct nu_log_entry *e, struct nu_sb *out)
{
    if (f->json == NULL) {
        nu_format_program_run(&f->program, e, out);
        return;
    }
    run_node(f->json, f->omit_empty, e, out);
    nu_sb_char(out, '\n');
}

nu_str nu_formatter_run_arena(const struct nu_formatter *f, const struct nu_log_entry *e, struct nu_arena *a)
{
    struct nu_sb sb = {0};
    nu_str text;
    if (nu_formatter_is_constant(f, &text))
        return text;
    nu_formatter_run(f, e, &sb);
    text = nu_arena_str(a, nu_sb_str(&sb));
    nu_sb_free(&sb);
    return text;
}

bool nu_formatter_is_constant(const struct nu_formatter *f, nu_str *text)
{
    if (f->json != NULL || f->program.n > 1 || (f->program.n == 1 && f->program.ops[0].eval != NULL))
        return false;
    *text = f->program.n == 1 ? f->program.ops[0].a : NU_STR("");
    return true;
}

nu_str nu_formatter_content_type(const struct nu_formatter *f)
{
    return f->content_type;
}

/* ---- making ---- */

const struct nu_formatter *nu_formatter_text(struct nu_arena *a, nu_str format, bool omit_empty,
                                             struct nu_format_error *err)
{
    struct nu_formatter *f = nu_arena_new(a, struct nu_formatter);
    f->content_type = NU_STR("text/plain");
    f->omit_empty = omit_empty;
    if (!nu_format_program_parse(a, format, false, &f->program, err))
        return NULL;
    f->program.omit_empty = omit_empty;
    return f;
}

static const struct nu_json_node *parse_value(struct nu_arena *a, const struct google_protobuf_Value *v, bool omit_empty,
                                              struct nu_format_error *err);

static int by_key(const void *x, const void *y)
{
    const struct google_protobuf_Struct_FieldsEntry *a = x, *b = y;
    return nu_str_cmp(a->key, b->key);
}

static const struct nu_json_node *parse_struct(struct nu_arena *a, const struct google_protobuf_Struct *s,
                                               bool omit_empty, struct nu_format_error *err)
{
    struct nu_json_node *node = nu_arena_new(a, struct nu_json_node);
    struct google_protobuf_Struct_FieldsEntry *sorted =
        nu_arena_array(a, struct google_protobuf_Struct_FieldsEntry, s->n_fields);
    node->kind = NODE_OBJECT;
    node->n = s->n_fields;
    node->keys = nu_arena_array(a, nu_str, node->n);
    node->items = nu_arena_array(a, const struct nu_json_node *, node->n);
    if (node->n > 0)
        memcpy(sorted, s->fields, node->n * sizeof(*sorted));
    qsort(sorted, node->n, sizeof(*sorted), by_key);
    for (size_t i = 0; i < node->n; i++) {
        node->keys[i] = nu_arena_str(a, sorted[i].key);
        node->items[i] = parse_value(a, sorted[i].value, omit_empty, err);
        if (node->items[i] == NULL)
            return NULL;
    }
    return node;
}

static const struct nu_json_node *parse_list(struct nu_arena *a, const struct google_protobuf_ListValue *l,
                                             bool omit_empty, struct nu_format_error *err)
{
    struct nu_json_node *node = nu_arena_new(a, struct nu_json_node);
    node->kind = NODE_LIST;
    node->n = l->n_values;
    node->items = nu_arena_array(a, const struct nu_json_node *, node->n);
    for (size_t i = 0; i < node->n; i++) {
        node->items[i] = parse_value(a, l->values[i], omit_empty, err);
        if (node->items[i] == NULL)
            return NULL;
    }
    return node;
}

static const struct nu_json_node *parse_value(struct nu_arena *a, const struct google_protobuf_Value *v, bool omit_empty,
                                              struct nu_format_error *err)
{
    struct nu_sb sb = {0};
    if (v->kind_case == google_protobuf_Value_struct_value_case)
        return parse_struct(a, v->struct_value, omit_empty, err);
    if (v->kind_case == google_protobuf_Value_list_value_case)
        return parse_list(a, v->list_value, omit_empty, err);
    struct nu_json_node *node = nu_arena_new(a, struct nu_json_node);
    if (v->kind_case == google_protobuf_Value_string_value_case) {
        node->kind = NODE_TEXT;
        if (!nu_format_program_parse(a, v->string_value, true, &node->program, err))
            return NULL;
        node->program.omit_empty = omit_empty;
        return node;
    }
    node->kind = NODE_RAW;
    nu_format_value(v, &sb);
    node->raw = nu_arena_str(a, nu_sb_str(&sb));
    nu_sb_free(&sb);
    return node;
}

const struct nu_formatter *nu_formatter_json(struct nu_arena *a, const struct google_protobuf_Struct *format,
                                             bool omit_empty, struct nu_format_error *err)
{
    struct nu_formatter *f = nu_arena_new(a, struct nu_formatter);
    *err = (struct nu_format_error){0};
    f->content_type = NU_STR("application/json");
    f->omit_empty = omit_empty;
    f->json = parse_struct(a, format, omit_empty, err);
    return f->json != NULL ? f : NULL;
}

static void report(struct nu_factory *f, const void *msg, const char *field, const struct nu_format_error *err)
{
    if (err->unsupported)
        nu_pb_unsupported(f->diags, msg, field, "%.*s", NU_STR_ARG(err->text));
    else
        nu_pb_error(f->diags, msg, field, "%.*s", NU_STR_ARG(err->text));
}

const struct nu_formatter *nu_formatter_build_text(struct nu_factory *f, const void *msg, const char *field,
                                                   nu_str format, bool omit_empty)
{
    struct nu_format_error err;
    const struct nu_formatter *made = nu_formatter_text(f->arena, format, omit_empty, &err);
    if (made == NULL)
        report(f, msg, field, &err);
    return made;
}

const struct nu_formatter *nu_formatter_build(struct nu_factory *f,
                                              const struct envoy_config_core_v3_SubstitutionFormatString *msg)
{
    struct nu_format_error err;
    const struct nu_formatter *made;
    nu_str text = msg->text_format;
    bool omit = msg->omit_empty_values;
    if (msg->n_formatters > 0) {
        nu_pb_unsupported(f->diags, msg, "formatters", "formatter extensions are not supported yet");
        return NULL;
    }
    if (msg->json_format != NULL) {
        made = nu_formatter_json(f->arena, msg->json_format, omit, &err);
    } else {
        if (msg->text_format_source != NULL && !nu_data_source_read(f, msg->text_format_source, 0, &text))
            return NULL;
        made = nu_formatter_text(f->arena, text, omit, &err);
    }
    if (made == NULL) {
        report(f, msg, msg->json_format != NULL ? "json_format" : NULL, &err);
        return NULL;
    }
    if (msg->content_type.len > 0) {
        struct nu_formatter *own = nu_arena_new(f->arena, struct nu_formatter);
        *own = *made;
        own->content_type = nu_arena_str(f->arena, msg->content_type);
        made = own;
    }
    return made;
}

/* ---- the default format ---- */

#define TEXT(literal) {.a = NU_STR_INIT(literal), .max_len = NU_FORMAT_NO_LIMIT}
#define OP(...) {.max_len = NU_FORMAT_NO_LIMIT, __VA_ARGS__}

const struct nu_formatter *nu_formatter_default(void)
{
    /* [%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS%
     * %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%"
     * "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n */
    static const struct nu_format_op ops[] = {
        TEXT("["),
        OP(.eval = nu_eval_start_time),
        TEXT("] \""),
        OP(.eval = nu_eval_request_header, .a = NU_STR_INIT(":method"), .mode = NU_REF_METHOD),
        TEXT(" "),
        OP(.eval = nu_eval_request_header, .a = NU_STR_INIT("x-envoy-original-path"),
           .mode = NU_HDR_ENVOY_ORIGINAL_PATH, .b = NU_STR_INIT(":path"), .mode_b = NU_REF_PATH),
        TEXT(" "),
        OP(.eval = nu_eval_protocol),
        TEXT("\" "),
        OP(.eval = nu_eval_response_code),
        TEXT(" "),
        OP(.eval = nu_eval_response_flags),
        TEXT(" "),
        OP(.eval = nu_eval_counter, .mode = NU_COUNT_BYTES_RECEIVED),
        TEXT(" "),
        OP(.eval = nu_eval_counter, .mode = NU_COUNT_BYTES_SENT),
        TEXT(" "),
        OP(.eval = nu_eval_duration, .mode = NU_DURATION_TOTAL),
        TEXT(" "),
        OP(.eval = nu_eval_response_header, .a = NU_STR_INIT("x-envoy-upstream-service-time"),
           .mode = NU_HDR_ENVOY_UPSTREAM_SERVICE_TIME),
        TEXT(" \""),
        OP(.eval = nu_eval_request_header, .a = NU_STR_INIT("x-forwarded-for"), .mode = NU_HDR_X_FORWARDED_FOR),
        TEXT("\" \""),
        OP(.eval = nu_eval_request_header, .a = NU_STR_INIT("user-agent"), .mode = NU_HDR_USER_AGENT),
        TEXT("\" \""),
        OP(.eval = nu_eval_request_header, .a = NU_STR_INIT("x-request-id"), .mode = NU_HDR_X_REQUEST_ID),
        TEXT("\" \""),
        OP(.eval = nu_eval_request_header, .a = NU_STR_INIT(":authority"), .mode = NU_REF_AUTHORITY),
        TEXT("\" \""),
        OP(.eval = nu_eval_address, .mode = NU_ADDR_US_REMOTE),
        TEXT("\"\n"),
    };
    static const struct nu_formatter standard = {
        .program = {.ops = (struct nu_format_op *)(uintptr_t)ops, .n = NU_ARRAY_LEN(ops)},
        .content_type = NU_STR_INIT("text/plain"),
    };
    return &standard;
}
