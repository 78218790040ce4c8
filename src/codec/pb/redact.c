/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pb/redact.h"

#include "codec/pb/scalar.h"
#include "google/protobuf/any.nu.h"

static void redact_message(const struct nu_pb_type *type, char *msg, bool sensitive);

/* One value; messages: a pointer to it. */
static void redact_value(const struct nu_pb_field *f, char *at, bool sensitive)
{
    static const nu_str redacted = NU_STR_INIT("[redacted]");
    if (f->kind == NU_PB_MESSAGE) {
        char *msg;
        memcpy(&msg, at, sizeof(msg));
        if (msg != NULL)
            redact_message(&nu_pb_types[f->sub], msg, sensitive);
    } else if (sensitive && (f->kind == NU_PB_STRING || f->kind == NU_PB_BYTES)) {
        memcpy(at, &redacted, sizeof(redacted));
    } else if (sensitive) {
        memset(at, 0, nu_pb_scalar_size(f->kind));
    }
}

static void redact_list(const struct nu_pb_field *f, char *msg, bool sensitive)
{
    size_t n, size = f->label == NU_PB_MAP ? nu_pb_types[f->sub].size : nu_pb_scalar_size(f->kind);
    char *items;
    memcpy(&n, msg + f->aux, sizeof(n));
    memcpy(&items, msg + f->offset, sizeof(items));
    for (size_t i = 0; i < n; i++) {
        if (f->label == NU_PB_REPEATED)
            redact_value(f, items + i * size, sensitive);
        else /* an entry: its value, which is its second field */
            redact_value(&nu_pb_fields[nu_pb_types[f->sub].first_field + 1],
                         items + i * size + nu_pb_fields[nu_pb_types[f->sub].first_field + 1].offset, sensitive);
    }
}

static void redact_field(const struct nu_pb_field *f, char *msg, bool sensitive)
{
    static const void *const nothing = NULL;
    sensitive = sensitive || (f->flags & NU_PB_SENSITIVE) != 0;
    switch ((enum nu_pb_label)f->label) {
    case NU_PB_SINGLE:
        if ((f->flags & NU_PB_IN_ONEOF) != 0 ? nu_pb_oneof_has(f, msg) : !nu_pb_is_default(f->kind, msg + f->offset))
            redact_value(f, msg + f->offset, sensitive);
        break;
    case NU_PB_OPTIONAL:
        if (*(const bool *)(const void *)(msg + f->aux))
            redact_value(f, msg + f->offset, sensitive);
        break;
    case NU_PB_WRAPPER:
        if (sensitive)
            memcpy(msg + f->offset, &nothing, sizeof(nothing));
        break;
    case NU_PB_REPEATED:
    case NU_PB_MAP:
        redact_list(f, msg, sensitive);
        break;
    }
}

static void redact_any(struct google_protobuf_Any *any, bool sensitive)
{
    if (any->msg != NULL)
        redact_message(any->msg->type, (char *)any->msg, sensitive);
    else if (sensitive)
        any->value = NU_STR("");
}

static void redact_message(const struct nu_pb_type *type, char *msg, bool sensitive)
{
    if (type->well_known == NU_PB_ANY) {
        redact_any((struct google_protobuf_Any *)(void *)msg, sensitive);
        return;
    }
    for (uint16_t i = 0; i < type->n_fields; i++)
        redact_field(&nu_pb_fields[type->first_field + i], msg, sensitive);
}

void nu_pb_redact(void *msg)
{
    if (msg != NULL)
        redact_message(((const struct nu_pb_msg *)msg)->type, msg, false);
}
