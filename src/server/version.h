/* SPDX-License-Identifier: Apache-2.0
 *
 * Who we are, and the Envoy release whose behaviour is ours: control planes, dashboards and scripts read it. */
#ifndef NU_SERVER_VERSION_H
#define NU_SERVER_VERSION_H

#include "base/envoy_version.h"

#define NU_VERSION "0.1.0"

#endif
