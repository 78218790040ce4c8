/* SPDX-License-Identifier: Apache-2.0
 *
 * Access log filters: which records a logger writes; also what local_reply_config's mappers ask. Immutable, in the
 * snapshot's arena. */
#ifndef NU_HTTP_ACCESS_LOG_FILTER_H
#define NU_HTTP_ACCESS_LOG_FILTER_H

#include "net/access_log.h"

struct nu_log_filter;
struct envoy_config_accesslog_v3_AccessLogFilter;

/* In f->arena; NULL: reported. */
const struct nu_log_filter *nu_log_filter_build(struct nu_factory *f,
                                                const struct envoy_config_accesslog_v3_AccessLogFilter *msg);
/* filter may be NULL: everything agrees. */
bool nu_log_filter_match(const struct nu_log_filter *filter, const struct nu_log_entry *e);

#endif
