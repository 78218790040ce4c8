/* SPDX-License-Identifier: Apache-2.0
 *
 * overload_manager: the limit of downstream connections. */
#ifndef NU_CONFIG_OVERLOAD_BUILD_H
#define NU_CONFIG_OVERLOAD_BUILD_H

#include "net/extension.h"

struct envoy_config_overload_v3_OverloadManager;

/* Sets *max_connections when a monitor limits them; false: reported. */
bool nu_overload_build(struct nu_factory *f, const struct envoy_config_overload_v3_OverloadManager *msg,
                       uint64_t *max_connections);

#endif
