/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/node.h"

#include "base/envoy_version.h"
#include "codec/pb/wire.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/type/v3/semantic_version.nu.h"
#include "google/protobuf/struct.nu.h"
#include "net/extension.h"

typedef struct envoy_config_core_v3_Node node_msg;

#define BOOTSTRAP_NODE 1u /* field number */

static void add_text(struct nu_arena *a, struct google_protobuf_Struct_FieldsEntry *e, const char *key, const char *value)
{
    e->key = nu_str_from(key);
    e->value = NU_PB_NEW(a, google_protobuf_Value);
    e->value->kind_case = google_protobuf_Value_string_value_case;
    e->value->string_value = nu_str_from(value);
}

static struct envoy_config_core_v3_BuildVersion *build_version(struct nu_arena *a)
{
    static const char *const texts[][2] = {{"build.type", "RELEASE"},
                                           {"revision.sha", NU_ENVOY_SHA},
                                           {"revision.status", "Clean"},
                                           {"ssl.version", "BoringSSL"}};
    struct envoy_config_core_v3_BuildVersion *b = NU_PB_NEW(a, envoy_config_core_v3_BuildVersion);
    b->version = NU_PB_NEW(a, envoy_type_v3_SemanticVersion);
    b->version->major_number = NU_ENVOY_MAJOR;
    b->version->minor_number = NU_ENVOY_MINOR;
    b->version->patch = NU_ENVOY_PATCH;
    b->metadata = NU_PB_NEW(a, google_protobuf_Struct);
    b->metadata->n_fields = NU_ARRAY_LEN(texts);
    b->metadata->fields = nu_arena_array(a, struct google_protobuf_Struct_FieldsEntry, NU_ARRAY_LEN(texts));
    for (size_t i = 0; i < NU_ARRAY_LEN(texts); i++)
        add_text(a, &b->metadata->fields[i], texts[i][0], texts[i][1]);
    return b;
}

static void add_url(nu_str *urls, size_t *n, const struct nu_pb_type *type)
{
    if (type != NULL)
        urls[(*n)++] = nu_pb_name(type->name);
}

static void add_extensions(struct nu_arena *a, node_msg *node)
{
    size_t n = 0;
    while (nu_extensions[n] != NULL)
        n++;
    node->extensions = nu_arena_array(a, struct envoy_config_core_v3_Extension *, n);
    node->n_extensions = n;
    for (size_t i = 0; i < n; i++) {
        const struct nu_extension *from = nu_extensions[i];
        struct envoy_config_core_v3_Extension *e = NU_PB_NEW(a, envoy_config_core_v3_Extension);
        e->name = nu_str_from(from->name);
        e->category = nu_str_from(from->category);
        e->type_urls = nu_arena_array(a, nu_str, 2);
        add_url(e->type_urls, &e->n_type_urls, from->config_type);
        if (from->route_config_type != from->config_type)
            add_url(e->type_urls, &e->n_type_urls, from->route_config_type);
        node->extensions[i] = e;
    }
}

void nu_node_complete(struct nu_arena *a, node_msg *node)
{
    node->user_agent_name = NU_STR("envoy");
    node->user_agent_version_type_case = envoy_config_core_v3_Node_user_agent_build_version_case;
    node->user_agent_build_version = build_version(a);
    add_extensions(a, node);
}

/* ---- finding the node without decoding all of the bootstrap ---- */

static bool varint(nu_str *rest, uint64_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < 10 && i < rest->len; i++) {
        uint8_t byte = (uint8_t)rest->ptr[i];
        *out |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *rest = nu_str_skip(*rest, i + 1u);
            return true;
        }
    }
    return false;
}

/* The bytes of the first message field `number`; what is not a message or a varint ends the search. */
static nu_str find_field(nu_str bytes, uint32_t number)
{
    uint64_t key, len;
    while (bytes.len > 0 && varint(&bytes, &key) && varint(&bytes, &len)) {
        if ((key & 7) == 0)
            continue;
        if ((key & 7) != 2 || len > bytes.len)
            break;
        if (key >> 3 == number)
            return nu_str_first(bytes, (size_t)len);
        bytes = nu_str_skip(bytes, (size_t)len);
    }
    return NU_STR("");
}

node_msg *nu_node_of(struct nu_arena *a, nu_str bootstrap)
{
    struct nu_diags d;
    nu_diags_init(&d);
    struct nu_pb_msg *m = nu_pb_decode(a, &d, NU_STR("bootstrap"), find_field(bootstrap, BOOTSTRAP_NODE),
                                       &envoy_config_core_v3_Node_type, NULL);
    nu_diags_clear(&d);
    node_msg *node = m != NULL ? (node_msg *)(void *)m : NU_PB_NEW(a, envoy_config_core_v3_Node);
    nu_node_complete(a, node);
    return node;
}
