/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pb/pb.h"
#include "envoy/config/accesslog/v3/accesslog.nu.h"
#include "google/protobuf/any.nu.h"
#include "http/access_log_filter.h"
#include "net/access_log.h"

static struct nu_access_log *build_one(struct nu_factory *f, const struct envoy_config_accesslog_v3_AccessLog *msg)
{
    const struct nu_extension *ext =
        nu_extension_resolve(f, "envoy.access_loggers", msg, "typed_config", msg->typed_config);
    if (ext == NULL)
        return NULL;
    const struct nu_access_log_factory *factory = ext->ops;
    struct nu_access_log *log = factory->create(f, msg->typed_config->msg);
    if (!nu_extension_made(f, ext, msg, log) || msg->filter == NULL)
        return log;
    log->filter = nu_log_filter_build(f, msg->filter);
    return log->filter != NULL ? log : NULL;
}

bool nu_access_logs_build(struct nu_factory *f, struct envoy_config_accesslog_v3_AccessLog **msgs, size_t n,
                          struct nu_access_logs *out)
{
    bool ok = true;
    *out = (struct nu_access_logs){.items = nu_arena_array(f->arena, struct nu_access_log *, n)};
    for (size_t i = 0; i < n; i++) {
        struct nu_access_log *log = build_one(f, msgs[i]);
        if (log != NULL)
            out->items[out->n++] = log;
        ok = ok && log != NULL;
    }
    return ok;
}

void nu_access_logs_run(const struct nu_access_logs *logs, const struct nu_log_entry *e)
{
    for (size_t i = 0; i < logs->n; i++)
        if (nu_log_filter_match(logs->items[i]->filter, e))
            logs->items[i]->log(logs->items[i], e);
}
