/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/log.h"
#include "server/migrate.h"
#include "server/options.h"
#include "server/process.h"
#include "server/signals.h"

/* Levels, form and place of the log; false: said why. */
static bool set_up_log(const struct nu_options *o)
{
    enum nu_log_level level;
    const char *why;
    if (nu_log_parse_level(nu_str_from(o->log_level), &level))
        nu_log_set_all(level);
    nu_str rest = nu_str_from(o->component_log_level);
    while (rest.ptr != NULL && rest.len > 0) {
        nu_str name = nu_str_next(&rest, ',');
        nu_str value = name;
        name = nu_str_trim(nu_str_next(&value, ':'));
        if (value.ptr == NULL || !nu_log_parse_level(nu_str_trim(value), &level)) {
            fprintf(stderr, "nuncio: --component-log-level wants NAME:LEVEL,..., not \"%s\"\n", o->component_log_level);
            return false;
        }
        if (!nu_log_set(name, level)) {
            fprintf(stderr, "nuncio: --component-log-level: there is no logger \"%.*s\"\n", NU_STR_ARG(name));
            return false;
        }
    }
    if (o->log_format != NULL && (why = nu_log_set_format(o->log_format)) != NULL) {
        fprintf(stderr, "nuncio: --log-format: %s\n", why);
        return false;
    }
    if (o->log_path != NULL && nu_log_open(o->log_path) != 0) {
        fprintf(stderr, "nuncio: --log-path: cannot open %s\n", o->log_path);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct nu_options o;
    struct nu_sb text = {0};
    enum nu_options_result result = nu_options_parse(argc, argv, &o, &text);
    fputs(nu_sb_cstr(&text), result == NU_OPTIONS_BAD ? stderr : stdout);
    nu_sb_free(&text);
    if (result != NU_OPTIONS_OK)
        return result == NU_OPTIONS_BAD;
    if (o.migrate != NULL)
        return nu_migrate(o.migrate);
    if (!set_up_log(&o))
        return 1;
    nu_signals_block();
    return nu_process_run(&o);
}
