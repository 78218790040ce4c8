/* SPDX-License-Identifier: Apache-2.0 */
#include "net/filter.h"

#include "base/assert.h"
#include "net/conn_priv.h"

void nu_conn_add_filter(struct nu_conn *c, struct nu_net_filter *f)
{
    f->conn = c;
    f->next = NULL;
    f->prev = c->filters_tail;
    f->new_connection_done = false;
    if (c->filters_tail != NULL)
        c->filters_tail->next = f;
    else
        c->filters_head = f;
    c->filters_tail = f;
}

static bool alive(const struct nu_conn *c)
{
    return c->state == NU_CONN_OPEN || c->state == NU_CONN_CONNECTING;
}

static enum nu_filter_status begin(struct nu_net_filter *f)
{
    if (f->new_connection_done)
        return NU_FILTER_CONTINUE;
    f->new_connection_done = true;
    return f->ops->on_new_connection != NULL ? f->ops->on_new_connection(f) : NU_FILTER_CONTINUE;
}

/* Envoy's onContinueReading: a filter that sees its first bytes is begun first; each stops those behind it. */
static void run_from(struct nu_net_filter *f, struct nu_conn *c, bool end)
{
    for (; f != NULL; f = f->next) {
        if (begin(f) == NU_FILTER_STOP || !alive(c))
            return;
        if (c->in.len == 0 && !end)
            continue;
        if (f->ops->on_data == NULL)
            continue;
        if (f->ops->on_data(f, &c->in, end) == NU_FILTER_STOP || !alive(c))
            return;
    }
}

void nu_filters_on_data(struct nu_conn *c, bool end)
{
    run_from(c->filters_head, c, end);
}

void nu_filters_on_passed(struct nu_conn *c, size_t n)
{
    for (struct nu_net_filter *f = c->filters_head; f != NULL; f = f->next)
        if (f->ops->on_passed != NULL)
            f->ops->on_passed(f, n);
}

void nu_net_filter_continue(struct nu_net_filter *f)
{
    struct nu_conn *c = f->conn;
    if (!alive(c))
        return;
    run_from(f->next, c, c->read_end);
    if (alive(c) && nu_conn_can_read(c))
        nu_conn_queue_read(c);
}

void nu_filters_start(struct nu_conn *c)
{
    for (struct nu_net_filter *f = c->filters_head; f != NULL; f = f->next)
        if (begin(f) == NU_FILTER_STOP || !alive(c))
            return;
}

bool nu_filters_on_write(struct nu_conn *c, struct nu_buf *data, bool end)
{
    for (struct nu_net_filter *f = c->filters_tail; f != NULL; f = f->prev)
        if (f->ops->on_write != NULL && f->ops->on_write(f, data, end) == NU_FILTER_STOP)
            return false;
    return true;
}

bool nu_conn_has_write_filters(const struct nu_conn *c)
{
    for (const struct nu_net_filter *f = c->filters_head; f != NULL; f = f->next)
        if (f->ops->on_write != NULL)
            return true;
    return false;
}

void nu_filters_on_event(struct nu_conn *c, enum nu_conn_event ev)
{
    for (struct nu_net_filter *f = c->filters_head; f != NULL; f = f->next)
        if (f->ops->on_event != NULL)
            f->ops->on_event(f, ev);
}

void nu_filters_on_high(struct nu_conn *c)
{
    for (struct nu_net_filter *f = c->filters_head; f != NULL; f = f->next)
        if (f->ops->on_high != NULL)
            f->ops->on_high(f);
}

void nu_filters_on_low(struct nu_conn *c)
{
    for (struct nu_net_filter *f = c->filters_head; f != NULL; f = f->next)
        if (f->ops->on_low != NULL)
            f->ops->on_low(f);
}

void nu_filters_on_late_write(struct nu_conn *c)
{
    for (struct nu_net_filter *f = c->filters_head; f != NULL; f = f->next)
        if (f->ops->on_late_write != NULL)
            f->ops->on_late_write(f);
}

void nu_filters_free(struct nu_conn *c)
{
    for (struct nu_net_filter *f = c->filters_tail; f != NULL; f = f->prev)
        if (f->ops->on_free != NULL)
            f->ops->on_free(f);
}
