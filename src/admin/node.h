/* SPDX-License-Identifier: Apache-2.0
 *
 * The node as Envoy tells it: the configured one, with the release and the extensions of the program. */
#ifndef NU_ADMIN_NODE_H
#define NU_ADMIN_NODE_H

#include "base/arena.h"

struct envoy_config_core_v3_Node;

/* Sets user_agent_name, user_agent_build_version and extensions; what is added lives in the arena or the program. */
void nu_node_complete(struct nu_arena *a, struct envoy_config_core_v3_Node *node);
/* The node of a Bootstrap's wire bytes, completed; an empty one when it has none. */
struct envoy_config_core_v3_Node *nu_node_of(struct nu_arena *a, nu_str bootstrap);

#endif
