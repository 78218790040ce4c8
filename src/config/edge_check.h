/* SPDX-License-Identifier: Apache-2.0
 *
 * What `--mode validate` says about listeners on public addresses: settings that Envoy's guide for edge proxies wants and
 * the configuration leaves at their defaults. */
#ifndef NU_CONFIG_EDGE_CHECK_H
#define NU_CONFIG_EDGE_CHECK_H

#include "base/diag.h"

struct envoy_config_bootstrap_v3_Bootstrap;

/* Adds warnings. Main thread. */
void nu_edge_check(struct nu_diags *d, const struct envoy_config_bootstrap_v3_Bootstrap *msg);

#endif
