/* SPDX-License-Identifier: Apache-2.0
 *
 * The filter chains of a listener's snapshot. */
#ifndef NU_CONFIG_LISTENER_BUILD_PRIV_H
#define NU_CONFIG_LISTENER_BUILD_PRIV_H

#include "listener/listener_conf.h"
#include "net/extension.h"

struct envoy_config_listener_v3_Listener;

/* Fills chains, default_chain and matcher of c. false: reported. */
bool nu_filter_chains_build(struct nu_factory *f, struct nu_listener_conf *c,
                            const struct envoy_config_listener_v3_Listener *msg);

#endif
