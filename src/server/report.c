/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with a configuration, for people and for tools. */
#include "base/log.h"
#include "server/process.h"

static const char *const kinds[] = {[NU_DIAG_ERROR] = "error", [NU_DIAG_UNSUPPORTED] = "unsupported",
                                    [NU_DIAG_WARNING] = "warning"};

/* file:line:column: path: text */
static void add_line(const struct nu_diag *d, struct nu_sb *out)
{
    nu_sb_add(out, d->file);
    if (d->pos.line > 0)
        nu_sb_printf(out, ":%u:%u", d->pos.line, d->pos.column);
    if (d->file.len > 0)
        nu_sb_lit(out, ": ");
    if (d->path.len > 0)
        nu_sb_printf(out, "%.*s: ", NU_STR_ARG(d->path));
    if (d->kind == NU_DIAG_WARNING)
        nu_sb_lit(out, "warning: ");
    nu_sb_add(out, d->text);
}

void nu_report_text(const struct nu_diags *d, struct nu_sb *out)
{
    for (size_t i = 0; i < d->n; i++) {
        add_line(&d->items[i], out);
        nu_sb_char(out, '\n');
    }
    if (d->n_suppressed > 0)
        nu_sb_printf(out, "... and %zu more\n", d->n_suppressed);
}

void nu_report_json(const struct nu_diags *d, nu_str config, struct nu_sb *out)
{
    nu_sb_lit(out, "{\"config\": ");
    nu_sb_json_str(out, config);
    nu_sb_printf(out, ", \"ok\": %s, \"diagnostics\": [", nu_diags_failed(d) ? "false" : "true");
    for (size_t i = 0; i < d->n; i++) {
        const struct nu_diag *x = &d->items[i];
        nu_sb_printf(out, "%s\n {\"kind\": \"%s\", \"file\": ", i > 0 ? "," : "", kinds[x->kind]);
        nu_sb_json_str(out, x->file);
        if (x->pos.line > 0)
            nu_sb_printf(out, ", \"line\": %u, \"column\": %u", x->pos.line, x->pos.column);
        nu_sb_lit(out, ", \"path\": ");
        nu_sb_json_str(out, x->path);
        nu_sb_lit(out, ", \"message\": ");
        nu_sb_json_str(out, x->text);
        nu_sb_char(out, '}');
    }
    nu_sb_printf(out, "\n], \"not_shown\": %zu}\n", d->n_suppressed);
}

void nu_report_log(const struct nu_diags *d)
{
    struct nu_sb line = {0};
    for (size_t i = 0; i < d->n; i++) {
        line.len = 0;
        add_line(&d->items[i], &line);
        nu_log(config, d->items[i].kind == NU_DIAG_WARNING ? NU_LOG_WARN : NU_LOG_ERROR, "%.*s",
               NU_STR_ARG(nu_sb_str(&line)));
    }
    if (d->n_suppressed > 0)
        nu_log(config, NU_LOG_ERROR, "... and %zu more", d->n_suppressed);
    nu_sb_free(&line);
}
