/* SPDX-License-Identifier: Apache-2.0
 *
 * DNS resolver settings from their messages. */
#ifndef NU_CONFIG_RESOLVER_BUILD_H
#define NU_CONFIG_RESOLVER_BUILD_H

#include "envoy/config/core/v3/address.nu.h"
#include "envoy/config/core/v3/extension.nu.h"
#include "net/dns.h"
#include "net/extension.h"

/* typed_dns_resolver_config of the bootstrap, of a cluster, ...; NULL: nothing is said, or reported. The caller owns it. */
struct nu_resolver_conf *nu_resolver_build(struct nu_factory *f, const void *owner,
                                           const struct envoy_config_core_v3_TypedExtensionConfig *msg);
/* The older form: a list of servers, and TCP. NULL: nothing is said, or reported. */
struct nu_resolver_conf *nu_resolver_build_servers(struct nu_factory *f, const void *owner,
                                                   struct envoy_config_core_v3_Address *const *servers, size_t n,
                                                   bool use_tcp);

#endif
