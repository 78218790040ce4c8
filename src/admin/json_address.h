/* SPDX-License-Identifier: Apache-2.0
 *
 * core.v3.Address as JSON. */
#ifndef NU_ADMIN_JSON_ADDRESS_H
#define NU_ADMIN_JSON_ADDRESS_H

#include "admin/json.h"
#include "net/address.h"

/* {"socket_address": {"address": ..., "port_value": ...}} or {"pipe": {"path": ...}}; what is 0 or empty is left out. */
void nu_json_address(struct nu_json *j, const struct nu_address *a);

#endif
