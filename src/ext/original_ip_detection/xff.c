/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.http.original_ip_detection.xff: the client is found in x-forwarded-for, behind a number of trusted hops or behind
 * those whose addresses are trusted. */
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/address.nu.h"
#include "envoy/extensions/http/original_ip_detection/xff/v3/xff.nu.h"
#include "http/hcm_conf.h"
#include "http/xff.h"

struct xff {
    struct nu_ip_detection base;
    uint32_t hops;
    struct nu_cidr *ranges; /* of trusted proxies */
    unsigned n_ranges;
    bool by_ranges, append;
};

static bool is_trusted(const struct xff *x, const struct nu_sockaddr *a)
{
    for (unsigned i = 0; i < x->n_ranges; i++)
        if (nu_cidr_contains(&x->ranges[i], a))
            return true;
    return false;
}

static void detect(const struct nu_ip_detection *d, const struct nu_http_headers *h, const struct nu_conn_info *conn,
                   struct nu_ip_detection_result *out)
{
    const struct xff *x = (const struct xff *)(const void *)d;
    nu_str list = nu_headers_get_id(h, NU_HDR_X_FORWARDED_FOR);
    struct nu_xff_address a = {0};
    out->append_xff = x->append;
    if (x->by_ranges && !is_trusted(x, &conn->remote)) {
        out->append_xff = true; /* the peer is the client, whatever it sent; it is the list's next hop */
        return;
    }
    if (list.ptr != NULL)
        a = x->by_ranges ? nu_xff_last_untrusted(list, x->ranges, x->n_ranges) : nu_xff_last(list, x->hops);
    out->found = a.found;
    out->address = a.address;
    out->allow_trusted_address_checks = a.single;
}

static bool build_ranges(struct nu_factory *f,
                         const struct envoy_extensions_http_original_ip_detection_xff_v3_XffTrustedCidrs *m,
                         struct xff *x)
{
    bool ok = true;
    x->by_ranges = true;
    x->ranges = nu_arena_array(f->arena, struct nu_cidr, m->n_cidrs);
    x->n_ranges = (unsigned)m->n_cidrs;
    for (size_t i = 0; i < m->n_cidrs; i++) {
        const struct envoy_config_core_v3_CidrRange *r = m->cidrs[i];
        if (nu_cidr_make(r->address_prefix, r->prefix_len != NULL ? *r->prefix_len : 0, &x->ranges[i]))
            continue;
        nu_pb_error(f->diags, r, "address_prefix", "malformed IP address: %.*s", NU_STR_ARG(r->address_prefix));
        ok = false;
    }
    return ok;
}

static const struct nu_ip_detection *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_http_original_ip_detection_xff_v3_XffConfig *m =
        NU_PB_AS(msg, envoy_extensions_http_original_ip_detection_xff_v3_XffConfig);
    struct xff *x = nu_arena_new(f->arena, struct xff);
    if (m == NULL)
        return NULL;
    x->base.detect = detect;
    x->hops = m->xff_num_trusted_hops;
    x->append = m->skip_xff_append != NULL && !*m->skip_xff_append;
    if (m->xff_trusted_cidrs != NULL && m->xff_num_trusted_hops > 0) {
        nu_pb_error(f->diags, m, "xff_trusted_cidrs", "Cannot set both xff_num_trusted_hops and xff_trusted_cidrs");
        return NULL;
    }
    if (m->xff_trusted_cidrs != NULL && !build_ranges(f, m->xff_trusted_cidrs, x))
        return NULL;
    return &x->base;
}

static const struct nu_ip_detection_factory factory = {.create = create};

const struct nu_extension nu_ext_original_ip_detection_xff = {
    .category = "envoy.http.original_ip_detection",
    .name = "envoy.http.original_ip_detection.xff",
    .config_type = &envoy_extensions_http_original_ip_detection_xff_v3_XffConfig_type,
    .ops = &factory,
};
