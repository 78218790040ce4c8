/* SPDX-License-Identifier: Apache-2.0
 *
 * The Envoy release that we say we are, where programs look: the commit, the release, and the form that /server_info,
 * --version and the server.version gauge show. */
#ifndef NU_BASE_ENVOY_VERSION_H
#define NU_BASE_ENVOY_VERSION_H

#define NU_ENVOY_SHA "9e5580933739775e8bce696a57a2e1bc99368f23"
#define NU_ENVOY_SHA_NUMBER 0x9e5580u /* the first six digits: server.version */
#define NU_ENVOY_MAJOR 1
#define NU_ENVOY_MINOR 40
#define NU_ENVOY_PATCH 0
#define NU_ENVOY_VERSION NU_ENVOY_SHA "/1.40.0/Clean/RELEASE/BoringSSL"
#define NU_HOT_RESTART_VERSION "11.104"

#endif
