/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of api/ from one form into another, for tests that compare with other implementations.
 *
 * usage: pb_tool                 requests on stdin, answers on stdout, until the end of stdin
 *        pb_tool check TYPE FILE...    loads and validates each file, prints its reports and a verdict
 *
 * A request is the line "FROM TO TYPE LENGTH" and LENGTH bytes; FROM is wire, json or yaml (the API's rules are not
 * applied), TO is wire, json, compact, primitives, yaml or hash. An answer is the line "ok LENGTH" or "error LENGTH" and as
 * many bytes; those of an error are reports, one a line. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "codec/json/json.h"
#include "codec/pb/hash.h"
#include "codec/pb/load_priv.h"
#include "codec/pb/print.h"
#include "codec/pb/wire.h"
#include "codec/yaml/print.h"

static void print_diags(struct nu_sb *out, const struct nu_diags *d)
{
    static const char *const kinds[] = {"error", "unsupported", "warning"};
    for (size_t i = 0; i < d->n; i++) {
        const struct nu_diag *item = &d->items[i];
        nu_sb_printf(out, "%.*s:%u:%u: %s: %.*s: %.*s\n", NU_STR_ARG(item->file), item->pos.line, item->pos.column,
                     kinds[item->kind], NU_STR_ARG(item->path), NU_STR_ARG(item->text));
    }
}

static struct nu_pb_msg *read_message(struct nu_arena *a, struct nu_diags *d, nu_str from, nu_str bytes,
                                      const struct nu_pb_type *type)
{
    struct loader l = {.arena = a, .diags = d};
    if (nu_str_eq(from, NU_STR("wire")))
        return nu_pb_decode(a, d, NU_STR("input"), bytes, type, NULL);
    bool yaml = nu_str_eq(from, NU_STR("yaml"));
    struct nu_tree *t = nu_config_parse(a, d, NU_STR("input"), bytes, yaml ? NU_TEXT_YAML : NU_TEXT_JSON);
    return t != NULL ? nu_pb_load_message(&l, t, type, NULL) : NULL;
}

/* As migrate writes YAML: from a tree. */
static void write_yaml(struct nu_sb *out, const struct nu_pb_msg *m)
{
    struct nu_arena a;
    struct nu_diags d;
    struct nu_sb json = {0};
    nu_arena_init(&a, NULL);
    nu_diags_init(&d);
    nu_pb_print_json(&json, m, NULL);
    const struct nu_tree *t = nu_json_read(&a, &d, NU_STR("json"), nu_sb_str(&json));
    if (t != NULL)
        nu_yaml_print(out, t);
    nu_sb_free(&json);
    nu_diags_clear(&d);
    nu_arena_clear(&a);
}

static void write_message(struct nu_sb *out, nu_str to, const struct nu_pb_msg *m)
{
    struct nu_pb_print_options options = {
        .compact = nu_str_eq(to, NU_STR("compact")),
        .primitives = nu_str_eq(to, NU_STR("primitives")),
    };
    if (nu_str_eq(to, NU_STR("wire")))
        nu_pb_encode(out, m);
    else if (nu_str_eq(to, NU_STR("yaml")))
        write_yaml(out, m);
    else if (nu_str_eq(to, NU_STR("hash")))
        nu_sb_printf(out, "%016" PRIx64, nu_pb_hash(m));
    else
        nu_pb_print_json(out, m, &options);
}

static void answer(nu_str from, nu_str to, nu_str type_name, nu_str bytes)
{
    struct nu_arena a;
    struct nu_diags d;
    struct nu_sb out = {0};
    struct nu_pb_msg *m = NULL;
    nu_arena_init(&a, NULL);
    nu_diags_init(&d);
    const struct nu_pb_type *type = nu_pb_find_type(type_name);
    if (type != NULL)
        m = read_message(&a, &d, from, bytes, type);
    bool ok = m != NULL && !nu_diags_failed(&d);
    if (ok)
        write_message(&out, to, m);
    else
        print_diags(&out, &d);
    printf("%s %zu\n", ok ? "ok" : "error", out.len);
    fwrite(nu_sb_str(&out).ptr, 1, out.len, stdout);
    fflush(stdout);
    nu_sb_free(&out);
    nu_diags_clear(&d);
    nu_arena_clear(&a);
}

static int serve(void)
{
    char from[16], to[16], type[256];
    size_t n;
    while (scanf("%15s %15s %255s %zu", from, to, type, &n) == 4) {
        (void)getchar();
        /* Exactly as large, so that the sanitizer sees a read past the end. */
        char *bytes = nu_alloc(n > 0 ? n : 1);
        if (fread(bytes, 1, n, stdin) != n)
            return 1;
        answer(nu_str_from(from), nu_str_from(to), nu_str_from(type), nu_str_make(bytes, n));
        nu_free(bytes);
    }
    return 0;
}

static bool read_file(const char *path, struct nu_sb *out)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return false;
    for (size_t n = 1; n > 0;) {
        nu_sb_reserve(out, 65536);
        n = fread(out->ptr + out->len, 1, 65536, f);
        out->len += n;
    }
    fclose(f);
    return true;
}

static void check_file(const char *path, const struct nu_pb_type *type)
{
    struct nu_arena a;
    struct nu_diags d;
    struct nu_sb text = {0}, out = {0};
    nu_arena_init(&a, NULL);
    nu_diags_init(&d);
    nu_str name = nu_str_from(path);
    if (!read_file(path, &text)) {
        perror(path);
    } else {
        struct nu_pb_msg *m = nu_str_ends(name, NU_STR(".pb"))
                                  ? nu_pb_load_wire(&a, &d, name, nu_sb_str(&text), type)
                                  : nu_pb_load_text(&a, &d, name, nu_sb_str(&text), NU_TEXT_BY_NAME, type);
        print_diags(&out, &d);
        printf("%.*s%s: %s\n", NU_STR_ARG(nu_sb_str(&out)), path, m == NULL || nu_diags_failed(&d) ? "refused" : "ok");
    }
    nu_sb_free(&out);
    nu_sb_free(&text);
    nu_diags_clear(&d);
    nu_arena_clear(&a);
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return serve();
    const struct nu_pb_type *type = argc > 2 ? nu_pb_find_type(nu_str_from(argv[2])) : NULL;
    if (type == NULL || strcmp(argv[1], "check") != 0) {
        fprintf(stderr, "usage: %s [check TYPE FILE...]\n", argv[0]);
        return 2;
    }
    for (int i = 3; i < argc; i++)
        check_file(argv[i], type);
    return 0;
}
