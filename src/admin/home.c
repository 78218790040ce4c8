/* SPDX-License-Identifier: Apache-2.0
 *
 * The page at /, and the pages of /stats?format=html. */
#include "admin/html.h"

static const char style[] =
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:68em;padding:0 1em;color:#222;background:#fff}"
    "h1{font-size:1.3em;margin:0 0 1em}h1 small{font-weight:normal;color:#666}"
    "section{border-top:1px solid #ddd;padding:.6em 0;display:grid;grid-template-columns:15em 1fr;gap:0 1em}"
    "section p{margin:0;color:#444}form{margin:0}"
    "label{display:grid;grid-template-columns:11em 16em 1fr;gap:.6em;margin:.35em 0;align-items:baseline}"
    "label span{color:#777;font-size:.85em}input:not([type=checkbox]),select{font:inherit;width:100%;box-sizing:border-box}"
    "input[type=checkbox]{justify-self:start}"
    "button{font:inherit;font-family:ui-monospace,monospace;border:1px solid #bbb;border-radius:4px;background:#f3f3f3;"
    "padding:.1em .5em;cursor:pointer;text-align:left}button.post{border-color:#c66;background:#fbeeee}"
    "pre{font:13px/1.4 ui-monospace,monospace;white-space:pre-wrap;word-break:break-all}"
    "a{color:#06c}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}section{border-color:#444}section p{color:#bbb}"
    "button{background:#2b2b2b;color:#ddd;border-color:#666}button.post{background:#3a2222}a{color:#6af}"
    "input,select{background:#222;color:#ddd;border:1px solid #555}label span,h1 small{color:#999}}";

void nu_html_text(struct nu_sb *sb, nu_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '<':
            nu_sb_lit(sb, "&lt;");
            break;
        case '>':
            nu_sb_lit(sb, "&gt;");
            break;
        case '&':
            nu_sb_lit(sb, "&amp;");
            break;
        case '"':
            nu_sb_lit(sb, "&quot;");
            break;
        case '\'':
            nu_sb_lit(sb, "&#39;");
            break;
        default:
            nu_sb_char(sb, text.ptr[i]);
        }
    }
}

static void text(struct nu_sb *sb, const char *s)
{
    nu_html_text(sb, nu_str_from(s));
}

/* refresh_s: how often the page loads itself again; 0: never. */
static void head(struct nu_sb *sb, unsigned refresh_s)
{
    nu_sb_lit(sb, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width\">\n");
    if (refresh_s > 0)
        nu_sb_printf(sb, "<meta http-equiv=\"refresh\" content=\"%u\">\n", refresh_s);
    nu_sb_printf(sb, "<title>Envoy Admin</title>\n<style>%s</style>\n</head>\n<body>\n", style);
}

/* ---- forms ---- */

static void options(struct nu_sb *sb, const char *choices, nu_str chosen)
{
    nu_str rest = nu_str_from(choices);
    while (rest.ptr != NULL) {
        nu_str one = nu_str_trim(nu_str_next(&rest, ','));
        nu_sb_printf(sb, "<option%s>", chosen.ptr != NULL && nu_str_eq(one, chosen) ? " selected" : "");
        nu_html_text(sb, one);
        nu_sb_lit(sb, "</option>");
    }
}

/* Each input says which form it belongs to: they stand beside it, not in it. */
static void field(struct nu_sb *sb, const struct nu_admin_endpoint *e, const struct nu_admin_param *p,
                  const struct nu_params *given)
{
    const char *id = e->path + 1;
    nu_str value = given != NULL ? nu_param_get(given, p->name) : NU_STR_NONE;
    nu_sb_printf(sb, "<label>%s ", p->name);
    if (p->choices != NULL) {
        nu_sb_printf(sb, "<select form=\"%s\" name=\"%s\">", id, p->name);
        options(sb, p->choices, value);
        nu_sb_lit(sb, "</select>");
    } else if (p->is_switch) {
        nu_sb_printf(sb, "<input type=\"checkbox\" form=\"%s\" name=\"%s\"%s>", id, p->name,
                     value.ptr != NULL ? " checked" : "");
    } else {
        nu_sb_printf(sb, "<input form=\"%s\" name=\"%s\" value=\"", id, p->name);
        nu_html_text(sb, value);
        nu_sb_lit(sb, "\">");
    }
    nu_sb_lit(sb, "<span>");
    text(sb, p->help);
    nu_sb_lit(sb, "</span></label>\n");
}

static void form(struct nu_sb *sb, const struct nu_admin_endpoint *e, const struct nu_params *given)
{
    nu_sb_printf(sb, "<section><form id=\"%s\" action=\"%s\" method=\"%s\"><button%s>%s</button></form>\n<div><p>",
                 e->path + 1, e->path + 1, e->mutates ? "post" : "get", e->mutates ? " class=\"post\"" : "", e->path + 1);
    text(sb, e->help);
    nu_sb_lit(sb, "</p>\n");
    for (size_t i = 0; i < e->n_params; i++)
        field(sb, e, &e->params[i], given);
    nu_sb_lit(sb, "</div></section>\n");
}

void nu_html_begin(struct nu_sb *sb, const struct nu_admin_request *r, const struct nu_admin_endpoint *e)
{
    bool active = nu_str_eq(nu_param_get(&r->params, "format"), NU_STR("active-html"));
    head(sb, active ? 5 : 0);
    nu_sb_lit(sb, "<h1><a href=\"/\">Envoy Admin</a></h1>\n");
    form(sb, e, &r->params);
    nu_sb_lit(sb, "<pre>\n");
}

void nu_html_end(struct nu_sb *sb)
{
    nu_sb_lit(sb, "</pre>\n</body>\n</html>\n");
}

void nu_admin_home(struct nu_admin_request *r)
{
    struct nu_sb *sb = &r->out;
    r->content_type = NU_ADMIN_HTML;
    head(sb, 0);
    nu_sb_lit(sb, "<h1>Envoy Admin <small>served by nuncio; red buttons change something</small></h1>\n");
    for (size_t i = 0; i < nu_admin_n_endpoints; i++)
        if (nu_admin_endpoints[i].run != nu_admin_home)
            form(sb, &nu_admin_endpoints[i], NULL);
    nu_sb_lit(sb, "</body>\n</html>\n");
}
