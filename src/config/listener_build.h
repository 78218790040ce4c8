/* SPDX-License-Identifier: Apache-2.0
 *
 * A listener's snapshot from its message. */
#ifndef NU_CONFIG_LISTENER_BUILD_H
#define NU_CONFIG_LISTENER_BUILD_H

#include "listener/listener_conf.h"
#include "net/extension.h"

struct envoy_config_listener_v3_Listener;
struct envoy_config_core_v3_Address;
struct envoy_config_core_v3_SocketOption;

/* The snapshot, with one reference; NULL: reported to f->diags. f->arena is not used: the snapshot and its chains have
 * arenas of their own. Chains that the running listener of that name has already are shared with it. */
struct nu_listener_conf *nu_listener_build(struct nu_factory *f, const struct envoy_config_listener_v3_Listener *msg);

/* The address to listen on (admin too): a reference, or NULL: reported. */
struct nu_address *nu_listen_address_build(struct nu_factory *f, const struct envoy_config_core_v3_Address *msg);

/* socket_options (admin too), in the arena. */
const struct nu_socket_option *nu_socket_options_build(struct nu_arena *a,
                                                       struct envoy_config_core_v3_SocketOption *const *msgs, size_t n);

#endif
