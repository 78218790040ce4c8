/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets from files: ConfigSource.path and path_config_source. The file has a DiscoveryResponse, as YAML, JSON or protobuf's
 * wire bytes (by its name), and is read again when it was replaced: when something was moved over it or, with
 * watched_directory, when anything was moved in that directory. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/err.h"
#include "codec/pb/load.h"
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/config/core/v3/config_source.nu.h"
#include "envoy/service/discovery/v3/discovery.nu.h"
#include "event/dir_watch.h"
#include "net/data_source.h"
#include "net/duration.h"
#include "net/server.h"
#include "tls/secret_source.h"
#include "worker/worker.h"

typedef struct envoy_config_core_v3_ConfigSource config_msg;
typedef struct envoy_service_discovery_v3_DiscoveryResponse response_msg;

#define MAX_FILE (16u << 20)

/* Which file it is, for polling. */
struct mark {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec modified;
};

struct nu_secret_source {
    struct nu_secret *secret;
    char *path;
    struct nu_dir_watch watch;
    struct nu_timer poll; /* poll_interval */
    nu_ms interval;
    struct mark mark;
};

static struct nu_loop *loop_of(const struct nu_secret_source *s)
{
    return nu_workers_main(nu_secret_server(s->secret)->workers)->loop;
}

static struct mark look(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct mark){0};
    return (struct mark){.dev = st.st_dev, .ino = st.st_ino, .size = st.st_size, .modified = st.st_mtim};
}

/* ---- reading ---- */

static response_msg *parse(struct nu_arena *a, struct nu_diags *d, nu_str name, nu_str text)
{
    const struct nu_pb_type *type = &envoy_service_discovery_v3_DiscoveryResponse_type;
    struct nu_pb_msg *m;
    d->allow_unknown = true; /* as Envoy without --reject-unknown-dynamic-fields */
    if (nu_str_ends(name, NU_STR(".pb")))
        m = nu_pb_load_wire(a, d, name, text, type);
    else
        m = nu_pb_load_text(a, d, name, text, nu_str_ends(name, NU_STR(".json")) ? NU_TEXT_JSON : NU_TEXT_YAML, type);
    return (response_msg *)(void *)m;
}

static nu_str first_error(const struct nu_diags *d)
{
    return d->n > 0 ? d->items[0].text : NU_STR("unknown");
}

static void read_file(struct nu_secret_source *s, struct nu_arena *a, struct nu_diags *d)
{
    nu_str name = nu_str_from(s->path), text;
    nu_secret_attempt(s->secret);
    s->mark = look(s->path);
    int err = nu_file_read(a, s->path, MAX_FILE, &text);
    if (err != 0) {
        nu_secret_failed(s->secret, nu_arena_printf(a, "cannot read %s: %s", s->path,
                                                    err == NU_ERR_LIMIT ? "larger than 16 MiB" : strerror(errno)));
        return;
    }
    const response_msg *m = parse(a, d, name, text);
    if (m == NULL)
        nu_secret_failed(s->secret, nu_arena_printf(a, "%s: %.*s", s->path, NU_STR_ARG(first_error(d))));
    else
        (void)nu_secret_deliver(s->secret, m->resources, m->n_resources, 0, m->version_info, d, a);
}

static void refresh(struct nu_secret_source *s)
{
    struct nu_arena arena;
    struct nu_diags diags;
    nu_arena_init(&arena, NULL);
    nu_diags_init(&diags);
    read_file(s, &arena, &diags);
    nu_diags_clear(&diags);
    nu_arena_clear(&arena);
}

/* ---- noticing ---- */

static void on_event(struct nu_dir_watch *w)
{
    refresh(nu_container_of(w, struct nu_secret_source, watch));
}

static void on_poll(struct nu_timer *t)
{
    struct nu_secret_source *s = nu_container_of(t, struct nu_secret_source, poll);
    struct mark now = look(s->path);
    nu_timer_arm(loop_of(s), t, s->interval);
    if (now.dev != s->mark.dev || now.ino != s->mark.ino || now.size != s->mark.size ||
        now.modified.tv_sec != s->mark.modified.tv_sec || now.modified.tv_nsec != s->mark.modified.tv_nsec)
        refresh(s);
}

static bool is_directory(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    errno = ENOTDIR;
    return S_ISDIR(st.st_mode);
}

static bool watch(struct nu_factory *f, struct nu_secret_source *s, const struct envoy_config_core_v3_PathConfigSource *m)
{
    nu_str path = nu_str_from(s->path), dir, name;
    bool modified = false;
    if (m != NULL && m->watched_directory != NULL) {
        dir = m->watched_directory->path;
        name = NU_STR("");
        modified = m->watched_directory->watch_modify;
    } else {
        ssize_t slash = nu_str_rfind(path, '/');
        dir = slash < 0 ? NU_STR(".") : nu_str_first(path, (size_t)slash + 1);
        name = nu_str_skip(path, (size_t)(slash + 1));
    }
    if (f->validate_only ? is_directory(nu_arena_cstr(f->arena, dir))
                         : nu_dir_watch_begin(nu_secret_watcher(s->secret), &s->watch, dir, name, modified, on_event) == 0)
        return true;
    nu_pb_error(f->diags, m, m != NULL && m->watched_directory != NULL ? "watched_directory" : NULL,
                "unable to add filesystem watch for file %.*s: %s", NU_STR_ARG(dir), strerror(errno));
    return false;
}

/* ---- the source ---- */

static void stop(struct nu_secret_source *s)
{
    nu_dir_watch_end(&s->watch);
    nu_timer_cancel(loop_of(s), &s->poll);
    nu_free(s->path);
    nu_free(s);
}

static bool begin(struct nu_factory *f, struct nu_secret_source *s, const config_msg *m)
{
    const struct envoy_config_core_v3_PathConfigSource *p = m->path_config_source;
    if (look(s->path).ino == 0) {
        nu_pb_error(f->diags, p != NULL ? (const void *)p : m, "path",
                    "paths must refer to an existing path in the system: '%s' does not exist", s->path);
        return false;
    }
    if (!watch(f, s, p))
        return false;
    if (f->validate_only)
        return true;
    refresh(s);
    if (p != NULL && p->poll_interval != NULL) {
        s->interval = nu_duration_or(p->poll_interval, NU_MS(0));
        nu_timer_arm(loop_of(s), &s->poll, s->interval);
    }
    return true;
}

static struct nu_secret_source *start(struct nu_factory *f, struct nu_secret *secret, const config_msg *m)
{
    nu_str path = m->path_config_source != NULL ? m->path_config_source->path : m->path;
    struct nu_secret_source *s = nu_new(struct nu_secret_source);
    s->secret = secret;
    s->path = nu_alloc(path.len + 1);
    memcpy(s->path, path.ptr != NULL ? path.ptr : "", path.len);
    s->path[path.len] = '\0';
    nu_timer_init(&s->poll, on_poll);
    if (begin(f, s, m))
        return s;
    stop(s);
    return NULL;
}

const struct nu_secret_source_ops nu_secret_file_source = {.start = start, .stop = stop};
