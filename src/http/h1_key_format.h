/* SPDX-License-Identifier: Apache-2.0
 *
 * core.Http1ProtocolOptions.HeaderKeyFormat: how header names are written to HTTP/1 peers. */
#ifndef NU_HTTP_H1_KEY_FORMAT_H
#define NU_HTTP_H1_KEY_FORMAT_H

#include "http/session.h"
#include "net/extension.h"

struct envoy_config_core_v3_Http1ProtocolOptions_HeaderKeyFormat;

/* Fills the case options of h1; msg may be NULL. Errors go to f->diags. */
void nu_h1_key_format_build(struct nu_factory *f,
                            const struct envoy_config_core_v3_Http1ProtocolOptions_HeaderKeyFormat *msg,
                            struct nu_h1_options *h1);

#endif
