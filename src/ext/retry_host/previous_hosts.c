/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.retry_host_predicates.previous_hosts: another attempt goes to a host that was not tried yet. */
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.nu.h"
#include "net/extension.h"
#include "router/retry_policy.h"

static bool refuse(const struct nu_retry_host_predicate *p, struct nu_host *const *tried, unsigned n_tried,
                   const struct nu_host *candidate)
{
    (void)p;
    for (unsigned i = 0; i < n_tried; i++)
        if (tried[i] == candidate)
            return true;
    return false;
}

static const struct nu_retry_host_predicate previous_hosts = {.refuse = refuse};

static const struct nu_retry_host_predicate *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    (void)f;
    (void)msg;
    return &previous_hosts;
}

static const struct nu_retry_host_predicate_factory factory = {.create = create};

const struct nu_extension nu_ext_retry_host_previous_hosts = {
    .category = "envoy.retry_host_predicates",
    .name = "envoy.retry_host_predicates.previous_hosts",
    .config_type = &envoy_extensions_retry_host_previous_hosts_v3_PreviousHostsPredicate_type,
    .ops = &factory,
};
