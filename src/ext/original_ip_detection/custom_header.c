/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.http.original_ip_detection.custom_header: another header has the client's address; a request without it may be
 * refused. */
#include "codec/pb/pb.h"
#include "envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header.nu.h"
#include "envoy/type/v3/http_status.nu.h"
#include "http/hcm_conf.h"

struct custom_header {
    struct nu_ip_detection base;
    nu_str name; /* lower case */
    bool trusted;
    unsigned reject_status; /* 0: the next extension is asked */
};

static void detect(const struct nu_ip_detection *d, const struct nu_http_headers *h, const struct nu_conn_info *conn,
                   struct nu_ip_detection_result *out)
{
    const struct custom_header *c = (const struct custom_header *)(const void *)d;
    nu_str value = nu_headers_get(h, c->name);
    (void)conn;
    out->found = value.ptr != NULL && nu_sockaddr_parse_ip(value, 0, &out->address);
    out->allow_trusted_address_checks = c->trusted;
    if (out->found)
        return;
    out->reject_status = c->reject_status;
    out->reject_details = NU_STR("rejecting_because_detection_failed");
}

static const struct nu_ip_detection *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_http_original_ip_detection_custom_header_v3_CustomHeaderConfig *m =
        NU_PB_AS(msg, envoy_extensions_http_original_ip_detection_custom_header_v3_CustomHeaderConfig);
    struct custom_header *c = nu_arena_new(f->arena, struct custom_header);
    if (m == NULL)
        return NULL;
    c->base.detect = detect;
    char *name = nu_arena_cstr(f->arena, m->header_name);
    for (size_t i = 0; i < m->header_name.len; i++)
        name[i] = nu_ascii_lower(name[i]);
    c->name = nu_str_make(name, m->header_name.len);
    c->trusted = m->allow_extension_to_set_address_as_trusted;
    if (m->reject_with_status != NULL) /* only errors refuse; anything else means 403, as in Envoy */
        c->reject_status = m->reject_with_status->code >= 400 ? (unsigned)m->reject_with_status->code : 403;
    return &c->base;
}

static const struct nu_ip_detection_factory factory = {.create = create};

const struct nu_extension nu_ext_original_ip_detection_custom_header = {
    .category = "envoy.http.original_ip_detection",
    .name = "envoy.http.original_ip_detection.custom_header",
    .config_type = &envoy_extensions_http_original_ip_detection_custom_header_v3_CustomHeaderConfig_type,
    .ops = &factory,
};
