/* SPDX-License-Identifier: Apache-2.0
 *
 * What Envoy's guide for proxies at the edge sets and a configuration may leave at its defaults: warned of by
 * `--mode validate` for listeners on public addresses, and filled in by `--profile edge`. */
#ifndef NU_CONFIG_EDGE_H
#define NU_CONFIG_EDGE_H

#include "base/diag.h"

struct envoy_config_bootstrap_v3_Bootstrap;

/* Adds warnings. Main thread. */
void nu_edge_warn(struct nu_diags *d, const struct envoy_config_bootstrap_v3_Bootstrap *msg);

/* Sets what the configuration does not mention, in all listeners, connection managers and clusters; new values live in
 * `a`. Main thread. */
void nu_edge_fill_in(struct nu_arena *a, const struct envoy_config_bootstrap_v3_Bootstrap *msg);

#endif
