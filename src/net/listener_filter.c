/* SPDX-License-Identifier: Apache-2.0 */
#include "net/listener_filter.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "codec/pb/pb.h"
#include "google/protobuf/struct.nu.h"

/* ---- the socket ---- */

bool nu_accepting_peer_ended(const struct nu_accepting *a)
{
    struct pollfd p = {.fd = a->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

enum nu_lf_status nu_accepting_failed_read(ssize_t n)
{
    if (n == 0)
        return NU_LF_REMOTE_CLOSE;
    return errno == EAGAIN || errno == EINTR ? NU_LF_WAIT : NU_LF_CLOSE;
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
