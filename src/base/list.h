/* SPDX-License-Identifier: Apache-2.0
 *
 * Intrusive doubly linked list with a sentinel. An unlinked node points to itself or is zero. */
#ifndef NU_BASE_LIST_H
#define NU_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct nu_list {
    struct nu_list *next, *prev;
};

static inline void nu_list_init(struct nu_list *l)
{
    l->next = l->prev = l;
}

static inline bool nu_list_empty(const struct nu_list *l)
{
    return l->next == l;
}

/* Whether a node (not a head) is in a list. */
static inline bool nu_list_linked(const struct nu_list *n)
{
    return n->next != NULL && n->next != n;
}

static inline void nu_list_insert_after(struct nu_list *at, struct nu_list *n)
{
    n->prev = at;
    n->next = at->next;
    at->next->prev = n;
    at->next = n;
}

static inline void nu_list_push_front(struct nu_list *head, struct nu_list *n)
{
    nu_list_insert_after(head, n);
}

static inline void nu_list_push_back(struct nu_list *head, struct nu_list *n)
{
    nu_list_insert_after(head->prev, n);
}

/* Unlinks; harmless on an unlinked node. */
static inline void nu_list_remove(struct nu_list *n)
{
    if (n->next == NULL)
        return;
    n->next->prev = n->prev;
    n->prev->next = n->next;
    n->next = n->prev = n;
}

/* Unlinks and returns the first node; NULL when the list is empty. */
static inline struct nu_list *nu_list_pop_front(struct nu_list *head)
{
    struct nu_list *n = head->next;
    if (n == head)
        return NULL;
    nu_list_remove(n);
    return n;
}

/* Moves all nodes of `from` to the empty list `to`. */
static inline void nu_list_take_all(struct nu_list *from, struct nu_list *to)
{
    nu_list_init(to);
    if (nu_list_empty(from))
        return;
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    nu_list_init(from);
}

/* The body may unlink `it`. */
#define nu_list_foreach(it, head)                                                                  \
    for (struct nu_list *it = (head)->next, *it##_next = it->next; it != (head);                   \
         it = it##_next, it##_next = it->next)

#define nu_list_entry(node, type, member) nu_container_of(node, type, member)

#endif
