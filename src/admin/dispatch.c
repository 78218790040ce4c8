/* SPDX-License-Identifier: Apache-2.0
 *
 * From a path to its handler, and /help. Texts and statuses are Envoy's. */
#include <stdarg.h>

#include "admin/request.h"

void nu_admin_fail(struct nu_admin_request *r, unsigned status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nu_sb_add(&r->out, nu_arena_vprintf(r->arena, fmt, ap));
    va_end(ap);
    r->status = status;
}

void nu_admin_request_clear(struct nu_admin_request *r)
{
    if (r->done != NULL)
        r->done(r);
    r->done = NULL;
    r->more = NULL;
    nu_sb_free(&r->out);
}

static void help(struct nu_sb *sb)
{
    nu_sb_lit(sb, "admin commands are:\n");
    for (size_t i = 0; i < nu_admin_n_endpoints; i++) {
        const struct nu_admin_endpoint *e = &nu_admin_endpoints[i];
        nu_sb_printf(sb, "  %s%s: %s\n", e->path, e->mutates ? " (POST)" : "", e->help);
        for (size_t k = 0; k < e->n_params; k++) {
            const struct nu_admin_param *p = &e->params[k];
            nu_sb_printf(sb, "      %s: %s", p->name, p->help);
            if (p->choices != NULL)
                nu_sb_printf(sb, "; One of (%s)", p->choices);
            nu_sb_char(sb, '\n');
        }
    }
}

void nu_admin_help(struct nu_admin_request *r)
{
    help(&r->out);
}

/* The query counts, too: with {exact: /ready} "/ready?" is refused, as by Envoy. */
static bool allowed(const struct nu_admin *a, nu_str path)
{
    for (size_t i = 0; i < a->n_allow_paths; i++)
        if (nu_string_matcher_match(&a->allow_paths[i], path))
            return true;
    return a->n_allow_paths == 0;
}

const struct nu_admin_endpoint *nu_admin_endpoint(nu_str path)
{
    for (size_t i = 0; i < nu_admin_n_endpoints; i++)
        if (nu_str_eq(path, nu_str_from(nu_admin_endpoints[i].path)))
            return &nu_admin_endpoints[i];
    return NULL;
}

void nu_admin_dispatch(struct nu_admin_request *r)
{
    const struct nu_admin_endpoint *e = nu_admin_endpoint(r->path);
    r->status = 200;
    r->content_type = NU_ADMIN_TEXT;
    if (!allowed(r->admin, r->path_and_query)) {
        nu_admin_fail(r, 403, "request to path %.*s not allowed", NU_STR_ARG(r->path_and_query));
    } else if (e == NULL) {
        nu_admin_fail(r, 404, "invalid path. ");
        help(&r->out);
    } else if (e->mutates && !nu_str_eq(r->method, NU_STR("POST"))) {
        nu_admin_fail(r, 405, "Method %.*s not allowed, POST required.", NU_STR_ARG(r->method));
    } else {
        e->run(r);
    }
}
