/* SPDX-License-Identifier: Apache-2.0
 *
 * Disk layers: a folder tree; a file's path with dots is the key, its content the value. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sb.h"
#include "worker/runtime_priv.h"

#define MAX_DEPTH 64u
#define MAX_FILE 65536u

struct walk {
    struct nu_sb path, key;
    void (*fn)(nu_str key, nu_str value, void *arg);
    void *arg;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/* Comment lines (#) do not count; white space at the end does not either. */
static nu_str value_of(char *text, size_t n)
{
    size_t to = 0;
    nu_str rest = nu_str_make(text, n);
    while (rest.ptr != NULL) {
        nu_str line = nu_str_next(&rest, '\n');
        if (line.len > 0 && line.ptr[0] == '#')
            continue;
        memmove(text + to, line.ptr, line.len);
        to += line.len;
        if (rest.ptr != NULL)
            text[to++] = '\n';
    }
    while (to > 0 && is_space(text[to - 1]))
        to--;
    return nu_str_make(text, to);
}

static void read_file(struct walk *w)
{
    static _Thread_local char text[MAX_FILE];
    int fd = open(nu_sb_cstr(&w->path), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    if (n >= 0)
        w->fn(nu_sb_str(&w->key), value_of(text, (size_t)n), w->arg);
}

static bool walk_dir(struct walk *w, unsigned depth);

static void walk_entry(struct walk *w, const char *name, unsigned depth)
{
    size_t path = w->path.len, key = w->key.len;
    nu_sb_printf(&w->path, "/%s", name);
    nu_sb_printf(&w->key, key > 0 ? ".%s" : "%s", name);
    struct stat st;
    if (stat(nu_sb_cstr(&w->path), &st) == 0) {
        if (S_ISDIR(st.st_mode))
            (void)walk_dir(w, depth + 1); /* a folder that cannot be read has no keys */
        else if (S_ISREG(st.st_mode))
            read_file(w);
    }
    w->path.len = path;
    w->key.len = key;
}

static bool walk_dir(struct walk *w, unsigned depth)
{
    DIR *d = depth < MAX_DEPTH ? opendir(nu_sb_cstr(&w->path)) : NULL;
    if (d == NULL)
        return false;
    struct dirent *e;
    while ((e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            walk_entry(w, e->d_name, depth);
    closedir(d);
    return true;
}

bool nu_runtime_read_dir(const char *dir, void (*fn)(nu_str key, nu_str value, void *arg), void *arg)
{
    struct walk w = {.fn = fn, .arg = arg};
    nu_sb_add(&w.path, nu_str_from(dir));
    bool ok = walk_dir(&w, 0);
    nu_sb_free(&w.path);
    nu_sb_free(&w.key);
    return ok;
}
