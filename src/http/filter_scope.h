/* SPDX-License-Identifier: Apache-2.0
 *
 * The statistics of an HTTP filter: "http.<stat_prefix>.<kind>.", tagged as Envoy does. */
#ifndef NU_HTTP_FILTER_SCOPE_H
#define NU_HTTP_FILTER_SCOPE_H

#include "net/extension.h"
#include "stats/stats.h"

/* Main thread, from a factory's create. stat_prefix: as create gets it, "http.<prefix>."; kind: "cors". The scope is kept
 * as long as f->arena. */
struct nu_scope *nu_http_filter_scope(struct nu_factory *f, const struct nu_stat_layout *layout, nu_str stat_prefix,
                                      const char *kind);

#endif
