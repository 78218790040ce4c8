/* SPDX-License-Identifier: Apache-2.0
 *
 * What a PROXY header said about a connection: made by the listener filter that read it, used by the transport that writes
 * one to the upstream. Envoy's filter state envoy.network.proxy_protocol_options. */
#ifndef NU_NET_PROXY_DATA_H
#define NU_NET_PROXY_DATA_H

#include "codec/proxy_protocol/proxy_protocol.h"
#include "net/stream_info.h"

struct nu_proxy_data {
    struct nu_sockaddr source, destination;
    const struct nu_pp_tlv *tlvs; /* those that may be passed on */
    size_t n_tlvs;
};

/* Keeps it with the connection; `data` must live in the connection's arena. */
void nu_proxy_data_set(struct nu_conn_info *info, const struct nu_proxy_data *data);
/* What was kept, or else the connection's own addresses. */
struct nu_proxy_data nu_proxy_data_of(const struct nu_conn_info *info);

/* A pair of addresses as headers carry it: UNSPEC unless both are IPv4 or both are IPv6. */
struct nu_pp_addresses nu_proxy_addresses(const struct nu_sockaddr *source, const struct nu_sockaddr *destination);

#endif
