/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /logging: shows and changes log levels. */
#include "admin/request.h"
#include "base/log.h"

static void refuse(struct nu_admin_request *r, const char *why)
{
    nu_admin_fail(r, 400,
                  "error: %s\n\n"
                  "usage: /logging?<name>=<level> (change single level)\n"
                  "usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n"
                  "usage: /logging?level=<level> (change all levels)\n"
                  "usage: /logging?group=<group_name>:<level> (change group of loggers)\n"
                  "levels: trace debug info warning error critical off \n",
                  why);
}

static bool is_module(nu_str name)
{
    for (unsigned i = 0; i < NU_LOG_N_MODULES; i++)
        if (nu_str_eq(name, nu_str_from(nu_log_module_name((enum nu_log_module)i))))
            return true;
    return false;
}

/* "name1:level1,name2:level2"; nothing is changed when any of it is wrong. NULL: done, else why not. */
static const char *set_paths(nu_str paths)
{
    enum nu_log_level level;
    nu_str rest = paths;
    for (int apply = 0; apply < 2; apply++, rest = paths) {
        while (rest.ptr != NULL) {
            nu_str one = nu_str_next(&rest, ',');
            ssize_t colon = nu_str_find(one, ':');
            if (one.len == 0)
                continue;
            if (colon <= 0 || (size_t)colon + 1 == one.len)
                return "empty logger name or empty logger level";
            nu_str name = nu_str_first(one, (size_t)colon);
            if (!nu_log_parse_level(nu_str_skip(one, (size_t)colon + 1), &level))
                return "unknown logger level";
            if (!is_module(name))
                return "unknown logger name";
            if (apply > 0)
                (void)nu_log_set(name, level);
        }
    }
    return NULL;
}

static const char *change(const struct nu_param *p)
{
    enum nu_log_level level;
    if (p->value.len == 0)
        return NULL; /* only asked */
    if (nu_str_eq(p->name, NU_STR("group")))
        return "group parameter requires fine-grain logging to be enabled";
    if (nu_str_eq(p->name, NU_STR("paths")))
        return set_paths(p->value);
    if (!nu_log_parse_level(p->value, &level))
        return "unknown logger level";
    if (nu_str_eq(p->name, NU_STR("level"))) {
        nu_log_set_all(level);
        return NULL;
    }
    return nu_log_set(p->name, level) ? NULL : "unknown logger name";
}

void nu_admin_logging(struct nu_admin_request *r)
{
    const struct nu_param *given = NULL;
    size_t n = 0;
    for (size_t i = 0; i < r->params.n; i++) { /* a form sends its empty fields, too */
        bool empty = r->params.items[i].value.len == 0;
        n += !empty;
        if (!empty || given == NULL)
            given = &r->params.items[i];
    }
    const char *why = n > 1 ? "invalid number of parameters" : given != NULL ? change(given) : NULL;
    if (why != NULL)
        refuse(r, why);
    nu_sb_lit(&r->out, "active loggers:\n");
    for (unsigned i = 0; i < NU_LOG_N_MODULES; i++) {
        unsigned char level = atomic_load_explicit(&nu_log_levels[i], memory_order_relaxed);
        nu_sb_printf(&r->out, "  %s: %s\n", nu_log_module_name((enum nu_log_module)i),
                     nu_log_level_name((enum nu_log_level)level));
    }
    nu_sb_char(&r->out, '\n');
}
