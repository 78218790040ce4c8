/* SPDX-License-Identifier: Apache-2.0
 *
 * /stats, /stats/prometheus and /reset_counters: parameters, and the answer in pieces. What the lines look like is
 * stats/output.h's. */
#include "admin/html.h"
#include "admin/request.h"
#include "base/regex.h"
#include "stats/output.h"

enum buckets { BUCKETS_DEFAULT, BUCKETS_CUMULATIVE, BUCKETS_DISJOINT, BUCKETS_DETAILED, BUCKETS_SUMMARY, BUCKETS_NATIVE };
enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_PROMETHEUS, FORMAT_HTML, FORMAT_ACTIVE_HTML };

struct question {
    struct nu_stats_query query;
    struct nu_regex *filter;
    enum format format;
    enum buckets buckets;
};

struct answer {
    struct nu_stats_output *output;
    struct nu_sb piece; /* HTML: text before it is escaped */
    bool html, begun;
    const struct nu_admin_endpoint *endpoint;
};

/* ---- parameters ---- */

/* The index of `value` in a list of names; -1: none of them. */
static int choice(nu_str value, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (nu_str_eq(value, nu_str_from(names[i])))
            return (int)i;
    return -1;
}

static bool read_format(struct nu_admin_request *r, struct question *q)
{
    static const char *const names[] = {"text", "json", "prometheus", "html", "active-html"};
    nu_str value = nu_param_get(&r->params, "format");
    int i = value.ptr != NULL ? choice(value, names, NU_ARRAY_LEN(names)) : FORMAT_TEXT;
    if (i < 0)
        nu_admin_fail(r, 400, "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n");
    q->format = (enum format)i;
    return i >= 0;
}

static bool read_type(struct nu_admin_request *r, struct question *q)
{
    static const char *const names[] = {"All", "Counters", "Gauges", "Histograms", "TextReadouts"};
    static const unsigned kinds[] = {0, 1u << NU_STAT_COUNTER, 1u << NU_STAT_GAUGE, 1u << NU_STAT_HISTOGRAM,
                                     1u << NU_STAT_TEXT};
    nu_str value = nu_param_get(&r->params, "type");
    int i = value.ptr != NULL ? choice(value, names, NU_ARRAY_LEN(names)) : 0;
    if (i < 0) {
        nu_admin_fail(r, 400, "invalid &type= param");
        return false;
    }
    q->query.kinds = kinds[i];
    return true;
}

static bool read_buckets(struct nu_admin_request *r, struct question *q)
{
    static const char *const names[] = {"", "cumulative", "disjoint", "detailed", "summary", "prometheusnative"};
    nu_str value = nu_param_get(&r->params, "histogram_buckets");
    int i = value.ptr != NULL ? choice(value, names, NU_ARRAY_LEN(names)) : BUCKETS_DEFAULT;
    if (i < 0)
        nu_admin_fail(r, 400,
                      "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n");
    q->buckets = (enum buckets)i;
    return i >= 0;
}

static bool read_filter(struct nu_admin_request *r, struct question *q)
{
    char why[256];
    nu_str value = nu_param_get(&r->params, "filter");
    q->query.used_only = nu_param_has(&r->params, "usedonly");
    q->query.invert = nu_param_has(&r->params, "invert_filter");
    if (value.len == 0)
        return true;
    q->filter = nu_regex_new(value, why, sizeof(why));
    q->query.filter = q->filter;
    if (q->filter == NULL)
        nu_admin_fail(r, 400, "Invalid re2 regex: %s", why);
    return q->filter != NULL;
}

/* ---- the answer ---- */

static bool more(struct nu_admin_request *r, struct nu_sb *sb, size_t bytes)
{
    struct answer *a = r->state;
    if (!a->html)
        return nu_stats_output_more(a->output, sb, bytes);
    if (!a->begun)
        nu_html_begin(sb, r, a->endpoint);
    a->begun = true;
    a->piece.len = 0;
    bool again = nu_stats_output_more(a->output, &a->piece, bytes);
    nu_html_text(sb, nu_sb_str(&a->piece));
    if (!again)
        nu_html_end(sb);
    return again;
}

static void done(struct nu_admin_request *r)
{
    struct answer *a = r->state;
    nu_stats_output_free(&a->output);
    nu_sb_free(&a->piece);
}

static enum nu_hist_mode mode_of(const struct question *q, bool prometheus)
{
    switch (q->buckets) {
    case BUCKETS_CUMULATIVE:
        return NU_HIST_CUMULATIVE;
    case BUCKETS_DISJOINT:
        return NU_HIST_DISJOINT;
    case BUCKETS_DETAILED:
        return NU_HIST_DETAILED;
    case BUCKETS_SUMMARY:
        return NU_HIST_SUMMARY;
    case BUCKETS_DEFAULT:
    case BUCKETS_NATIVE:
        break;
    }
    return prometheus ? NU_HIST_CUMULATIVE : NU_HIST_SUMMARY;
}

static bool mode_fits(struct nu_admin_request *r, const struct question *q, bool prometheus)
{
    if (!prometheus && q->buckets == BUCKETS_NATIVE) {
        nu_admin_fail(r, 400, "Invalid histogram_buckets type for non prometheus stats type");
        return false;
    }
    if (prometheus && q->buckets == BUCKETS_NATIVE) {
        nu_admin_fail(r, 400, "unsupported prometheusnative histogram type when not using protobuf exposition format");
        return false;
    }
    if (prometheus && (q->buckets == BUCKETS_DISJOINT || q->buckets == BUCKETS_DETAILED)) {
        nu_admin_fail(r, 400, "unsupported prometheus histogram bucket mode");
        return false;
    }
    return true;
}

static void start(struct nu_admin_request *r, const struct question *q)
{
    static const enum nu_stats_format formats[] = {NU_STATS_TEXT, NU_STATS_JSON, NU_STATS_PROMETHEUS, NU_STATS_TEXT,
                                                   NU_STATS_TEXT};
    const struct nu_admin_hooks *hooks = r->admin->hooks;
    bool prometheus = q->format == FORMAT_PROMETHEUS;
    if (!mode_fits(r, q, prometheus))
        return;
    if (hooks->flush_stats != NULL)
        hooks->flush_stats(hooks->arg);
    const struct nu_stats_conf *conf = hooks->stats_conf != NULL ? hooks->stats_conf(hooks->arg) : NULL;
    struct answer *a = nu_arena_new(r->arena, struct answer);
    a->output = nu_stats_output_new(r->admin->server->stats, conf, &q->query, formats[q->format],
                                    mode_of(q, prometheus));
    a->html = q->format == FORMAT_HTML || q->format == FORMAT_ACTIVE_HTML;
    a->endpoint = nu_admin_endpoint(NU_STR("/stats"));
    if (a->html)
        r->content_type = NU_ADMIN_HTML;
    else if (q->format == FORMAT_JSON)
        r->content_type = NU_ADMIN_JSON;
    r->state = a;
    r->more = more;
    r->done = done;
}

void nu_admin_stats(struct nu_admin_request *r)
{
    struct question q = {.format = FORMAT_TEXT};
    bool ok = read_format(r, &q) && read_type(r, &q) && read_buckets(r, &q) && read_filter(r, &q);
    if (ok)
        start(r, &q);
    nu_regex_free(q.filter);
}

void nu_admin_stats_prometheus(struct nu_admin_request *r)
{
    struct question q = {.format = FORMAT_PROMETHEUS};
    if (read_buckets(r, &q) && read_filter(r, &q))
        start(r, &q);
    nu_regex_free(q.filter);
}

void nu_admin_reset_counters(struct nu_admin_request *r)
{
    nu_stats_reset_counters(r->admin->server->stats);
    nu_sb_lit(&r->out, "OK\n");
}
