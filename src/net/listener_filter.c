/* SPDX-License-Identifier: Apache-2.0 */
#include "net/listener_filter.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "google/protobuf/struct.nu.h"

/* What is peeked at in memory of the stack. */
#define PEEK_ON_STACK 16384u

/* ---- the socket ---- */

static bool peer_ended(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

enum nu_lf_status nu_accepting_run(const struct nu_listener_filter_conf *conf, struct nu_accepting *a)
{
    enum nu_lf_status status = conf->run(conf, a);
    if (status != NU_LF_WAIT || !peer_ended(a->fd))
        return status;
    /* What came together with the end may have been the rest. */
    status = conf->run(conf, a);
    return status == NU_LF_WAIT ? NU_LF_REMOTE_CLOSE : status;
}

enum nu_lf_status nu_accepting_failed_read(ssize_t n)
{
    if (n == 0)
        return NU_LF_REMOTE_CLOSE;
    return errno == EAGAIN || errno == EINTR ? NU_LF_WAIT : NU_LF_CLOSE;
}

enum nu_lf_status nu_accepting_peek(const struct nu_listener_filter_conf *conf, struct nu_accepting *a, size_t first,
                                    size_t most,
                                    enum nu_lf_status (*look)(const struct nu_listener_filter_conf *conf,
                                                              struct nu_accepting *a, nu_str seen))
{
    char room[PEEK_ON_STACK];
    for (size_t size = first;; size = nu_min(2 * size, most)) {
        char *to = size <= sizeof(room) ? room : nu_alloc(size);
        ssize_t n = recv(a->fd, to, size, MSG_PEEK);
        enum nu_lf_status status = n > 0 ? look(conf, a, nu_str_make(to, (size_t)n)) : nu_accepting_failed_read(n);
        if (to != room)
            nu_free(to);
        if (status != NU_LF_WAIT || n != (ssize_t)size || size == most)
            return status;
    }
}

/* ---- the record ---- */

struct nu_conn_details *nu_accepting_details(struct nu_accepting *a)
{
    a->info->arena = &a->arena; /* until the connection takes it over */
    return nu_conn_details_edit(a->info);
}

static struct google_protobuf_Struct *metadata_of(struct nu_accepting *a, nu_str name_space)
{
    struct nu_conn_details *d = nu_accepting_details(a);
    struct nu_dynamic_metadata *m = d->metadata;
    while (m != NULL && !nu_str_eq(m->filter, name_space))
        m = m->next;
    if (m == NULL) {
        m = nu_arena_new(&a->arena, struct nu_dynamic_metadata);
        m->filter = name_space;
        m->fields = NU_PB_NEW(&a->arena, google_protobuf_Struct);
        m->next = d->metadata;
        d->metadata = m;
    }
    /* Ours alone until a connection has the record. */
    return (struct google_protobuf_Struct *)(uintptr_t)m->fields;
}

void nu_accepting_add_metadata(struct nu_accepting *a, nu_str name_space, nu_str key, nu_str value)
{
    struct google_protobuf_Struct *s = metadata_of(a, name_space);
    for (size_t i = 0; i < s->n_fields; i++)
        if (nu_str_eq(s->fields[i].key, key))
            return;
    struct google_protobuf_Struct_FieldsEntry *fields =
        nu_arena_array(&a->arena, struct google_protobuf_Struct_FieldsEntry, s->n_fields + 1);
    if (s->n_fields > 0)
        memcpy(fields, s->fields, s->n_fields * sizeof(*fields));
    struct google_protobuf_Value *v = NU_PB_NEW(&a->arena, google_protobuf_Value);
    v->kind_case = google_protobuf_Value_string_value_case;
    v->string_value = nu_arena_str(&a->arena, value);
    fields[s->n_fields].key = key;
    fields[s->n_fields].value = v;
    s->fields = fields;
    s->n_fields++;
}
