/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/cluster_list.h"

#include "admin/json_address.h"
#include "base/alloc.h"
#include "base/regex.h"
#include "upstream/breaker.h"

static void add(struct nu_cluster *c, void *arg)
{
    struct nu_cluster_list *l = arg;
    if ((l->filter != NULL && !nu_regex_partial_match(l->filter, c->name)) ||
        (l->exact != NULL && !nu_regex_full_match(l->exact, c->name)) || nu_cluster_settings(c) == NULL)
        return;
    if (l->n == l->cap) {
        l->cap = l->cap * 2 + 16;
        l->items = nu_realloc(l->items, l->cap * sizeof(struct nu_cluster *));
    }
    l->items[l->n++] = nu_cluster_ref(c);
}

void nu_cluster_list_fill(struct nu_cluster_list *l, struct nu_cluster_manager *cm)
{
    nu_cluster_manager_each(cm, add, l);
}

void nu_cluster_list_clear(struct nu_cluster_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        nu_cluster_unref(&l->items[i]);
    nu_free(l->items);
    *l = (struct nu_cluster_list){0};
}

/* ---- what is counted of a host ---- */

struct host_stat {
    const char *name;
    size_t offset; /* in struct nu_host_stats */
    bool gauge;
};

/* As Envoy lists them: the text by name, JSON counters first. */
#define STAT(name, gauge) {#name, offsetof(struct nu_host_stats, name), gauge}
static const struct host_stat text_stats[] = {STAT(cx_active, true),   STAT(cx_connect_fail, false),
                                              STAT(cx_total, false),   STAT(rq_active, true),
                                              STAT(rq_error, false),   STAT(rq_pending_active, true),
                                              STAT(rq_success, false), STAT(rq_timeout, false),
                                              STAT(rq_total, false)};
static const struct host_stat json_stats[] = {STAT(cx_connect_fail, false), STAT(cx_total, false),
                                              STAT(rq_error, false),        STAT(rq_success, false),
                                              STAT(rq_timeout, false),      STAT(rq_total, false),
                                              STAT(cx_active, true),        STAT(rq_active, true),
                                              STAT(rq_pending_active, true)};

static uint64_t value_of(const struct nu_host *h, const struct host_stat *s)
{
    const struct nu_atomic_u64 *v = (const void *)((const char *)&h->stats + s->offset);
    return nu_atomic_u64_get(v);
}

/* ---- text ---- */

static void text_breakers(struct nu_sb *sb, const struct nu_cluster *c, enum nu_priority p, const char *name)
{
    static const struct {
        const char *name;
        enum nu_breaker breaker;
    } rows[] = {{"max_connections", NU_BREAKER_CX},
                {"max_pending_requests", NU_BREAKER_PENDING},
                {"max_requests", NU_BREAKER_RQ},
                {"max_retries", NU_BREAKER_RETRY}};
    const struct nu_cluster_info *info = nu_cluster_settings(c);
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++)
        nu_sb_printf(sb, "%.*s::%s::%s::%llu\n", NU_STR_ARG(c->name), name, rows[i].name,
                     (unsigned long long)nu_breaker_limit(c, info, p, rows[i].breaker));
}

static void text_row(struct nu_sb *sb, nu_str prefix, const char *key, nu_str value)
{
    nu_sb_add(sb, prefix);
    nu_sb_add(sb, nu_str_from(key));
    nu_sb_lit(sb, "::");
    nu_sb_add(sb, value);
    nu_sb_char(sb, '\n');
}

static void text_number(struct nu_sb *sb, nu_str prefix, const char *key, uint64_t value)
{
    char text[20];
    text_row(sb, prefix, key, nu_str_make(text, nu_u64_to_text(text, value)));
}

static void text_host(struct nu_sb *sb, const struct nu_cluster *c, const struct nu_host *h)
{
    struct nu_sb prefix = {0}, health = {0};
    nu_sb_printf(&prefix, "%.*s::%.*s::", NU_STR_ARG(c->name), NU_STR_ARG(h->address->text));
    nu_str p = nu_sb_str(&prefix);
    for (size_t i = 0; i < NU_ARRAY_LEN(text_stats); i++)
        text_number(sb, p, text_stats[i].name, value_of(h, &text_stats[i]));
    nu_host_health_text(h, &health);
    text_row(sb, p, "hostname", h->hostname);
    text_row(sb, p, "health_flags", nu_sb_str(&health));
    text_number(sb, p, "weight", nu_atomic_u32_get(&h->weight));
    text_row(sb, p, "region", h->region);
    text_row(sb, p, "zone", h->zone);
    text_row(sb, p, "sub_zone", h->sub_zone);
    text_row(sb, p, "canary", h->canary ? NU_STR("true") : NU_STR("false"));
    text_number(sb, p, "priority", h->priority);
    text_row(sb, p, "success_rate", NU_STR("-1")); /* outlier detection's: none yet */
    text_row(sb, p, "local_origin_success_rate", NU_STR("-1"));
    nu_sb_free(&prefix);
    nu_sb_free(&health);
}

void nu_cluster_text(struct nu_sb *sb, const struct nu_cluster *c)
{
    const struct nu_cluster_info *info = nu_cluster_settings(c);
    const struct nu_host_set *s = nu_cluster_hosts(c);
    if (info == NULL) /* removed while the answer was on its way */
        return;
    nu_str shown = info->alt_stat_name.len > 0 ? info->alt_stat_name : c->name;
    nu_sb_printf(sb, "%.*s::observability_name::%.*s\n", NU_STR_ARG(c->name), NU_STR_ARG(shown));
    text_breakers(sb, c, NU_PRIORITY_DEFAULT, "default_priority");
    text_breakers(sb, c, NU_PRIORITY_HIGH, "high_priority");
    nu_sb_printf(sb, "%.*s::added_via_api::%s\n", NU_STR_ARG(c->name), c->added_via_api ? "true" : "false");
    for (uint32_t p = 0; s != NULL && p < s->n_priorities; p++)
        for (uint32_t i = 0; i < s->priorities[p].n_all; i++)
            text_host(sb, c, s->priorities[p].all[i]);
}

/* ---- JSON: protobuf's, without what is 0 or empty ---- */

static void json_breakers(struct nu_json *j, const struct nu_cluster *c, enum nu_priority p)
{
    const struct nu_cluster_info *info = nu_cluster_settings(c);
    nu_json_open(j, '{');
    if (p == NU_PRIORITY_HIGH)
        nu_json_kstr(j, "priority", NU_STR("HIGH"));
    nu_json_ku64(j, "max_connections", nu_breaker_limit(c, info, p, NU_BREAKER_CX));
    nu_json_ku64(j, "max_pending_requests", nu_breaker_limit(c, info, p, NU_BREAKER_PENDING));
    nu_json_ku64(j, "max_requests", nu_breaker_limit(c, info, p, NU_BREAKER_RQ));
    nu_json_ku64(j, "max_retries", nu_breaker_limit(c, info, p, NU_BREAKER_RETRY));
    nu_json_close(j, '}');
}

static void json_stats_of(struct nu_json *j, const struct nu_host *h)
{
    nu_json_kopen(j, "stats", '[');
    for (size_t i = 0; i < NU_ARRAY_LEN(json_stats); i++) {
        uint64_t value = value_of(h, &json_stats[i]);
        nu_json_open(j, '{');
        if (json_stats[i].gauge)
            nu_json_kstr(j, "type", NU_STR("GAUGE"));
        if (value != 0)
            nu_json_ku64_text(j, "value", value);
        nu_json_kstr(j, "name", nu_str_from(json_stats[i].name));
        nu_json_close(j, '}');
    }
    nu_json_close(j, ']');
}

static nu_str eds_health(uint32_t flags)
{
    if ((flags & NU_HEALTH(EDS_STATUS_DRAINING)) != 0)
        return NU_STR("DRAINING");
    if ((flags & NU_HEALTH(FAILED_EDS_HEALTH)) != 0)
        return NU_STR("UNHEALTHY");
    return (flags & NU_HEALTH(DEGRADED_EDS_HEALTH)) != 0 ? NU_STR("DEGRADED") : NU_STR("HEALTHY");
}

static void json_health(struct nu_json *j, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } rows[] = {{NU_HEALTH(DEGRADED_ACTIVE_HC), "failed_active_degraded_check"},
                {NU_HEALTH(PENDING_DYNAMIC_REMOVAL), "pending_dynamic_removal"},
                {NU_HEALTH(PENDING_ACTIVE_HC), "pending_active_hc"},
                {NU_HEALTH(EXCLUDED_VIA_IMMEDIATE_HC_FAIL), "excluded_via_immediate_hc_fail"},
                {NU_HEALTH(ACTIVE_HC_TIMEOUT), "active_hc_timeout"}};
    nu_json_kopen(j, "health_status", '{');
    if ((flags & NU_HEALTH(FAILED_ACTIVE_HC)) != 0)
        nu_json_kbool(j, "failed_active_health_check", true);
    if ((flags & NU_HEALTH(FAILED_OUTLIER_CHECK)) != 0)
        nu_json_kbool(j, "failed_outlier_check", true);
    nu_json_kstr(j, "eds_health_status", eds_health(flags));
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++)
        if ((flags & rows[i].flag) != 0)
            nu_json_kbool(j, rows[i].name, true);
    nu_json_close(j, '}');
}

static void some_str(struct nu_json *j, const char *name, nu_str v)
{
    if (v.len > 0)
        nu_json_kstr(j, name, v);
}

static void json_host(struct nu_json *j, const struct nu_host *h)
{
    nu_json_open(j, '{');
    nu_json_key(j, "address");
    nu_json_address(j, h->address);
    json_stats_of(j, h);
    json_health(j, nu_atomic_u32_get(&h->health_flags));
    if (nu_atomic_u32_get(&h->weight) != 0)
        nu_json_ku64(j, "weight", nu_atomic_u32_get(&h->weight));
    some_str(j, "hostname", h->hostname);
    if (h->priority != 0)
        nu_json_ku64(j, "priority", h->priority);
    nu_json_kopen(j, "locality", '{');
    some_str(j, "region", h->region);
    some_str(j, "zone", h->zone);
    some_str(j, "sub_zone", h->sub_zone);
    nu_json_close(j, '}');
    nu_json_close(j, '}');
}

void nu_cluster_json(struct nu_json *j, const struct nu_cluster *c)
{
    const struct nu_cluster_info *info = nu_cluster_settings(c);
    const struct nu_host_set *s = nu_cluster_hosts(c);
    if (info == NULL)
        return;
    nu_json_open(j, '{');
    nu_json_kstr(j, "name", c->name);
    if (c->added_via_api)
        nu_json_kbool(j, "added_via_api", true);
    if (s != NULL && s->n_all > 0) {
        nu_json_kopen(j, "host_statuses", '[');
        for (uint32_t p = 0; p < s->n_priorities; p++)
            for (uint32_t i = 0; i < s->priorities[p].n_all; i++)
                json_host(j, s->priorities[p].all[i]);
        nu_json_close(j, ']');
    }
    nu_json_kopen(j, "circuit_breakers", '{');
    nu_json_kopen(j, "thresholds", '[');
    json_breakers(j, c, NU_PRIORITY_DEFAULT);
    json_breakers(j, c, NU_PRIORITY_HIGH);
    nu_json_close(j, ']');
    nu_json_close(j, '}');
    nu_json_kstr(j, "observability_name", info->alt_stat_name.len > 0 ? info->alt_stat_name : c->name);
    some_str(j, "eds_service_name", info->service_name);
    nu_json_close(j, '}');
}
