/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of header changes from config: request_headers_to_add and its kin (core.v3.HeaderValueOption with formatter
 * values) and headers_to_remove. Used by routes, virtual hosts, route tables, weighted clusters, the header_mutation
 * filter and local_reply_config. Immutable, in the snapshot's arena. */
#ifndef NU_HTTP_HEADER_MUTATION_H
#define NU_HTTP_HEADER_MUTATION_H

#include "http/formatter.h"
#include "http/headers.h"

struct nu_header_mutations;
struct envoy_config_core_v3_HeaderValueOption;
struct envoy_config_common_mutation_rules_v3_HeaderMutation;

/* Builds from an `owner` message's fields: n_add options of field add_field (at most 1000, checked by the API's rules)
 * and n_remove names of remove_field. Refuses what Envoy refuses: removal and adding of
 * ":"-prefixed headers and of host; bad names. Empty lists give a non-NULL object that does nothing.
 * NULL: reported. */
const struct nu_header_mutations *nu_header_mutations_build(struct nu_factory *f, const void *owner,
                                                            const char *add_field,
                                                            struct envoy_config_core_v3_HeaderValueOption **add,
                                                            size_t n_add, const char *remove_field,
                                                            const nu_str *remove, size_t n_remove);
/* From common.mutation_rules.v3.HeaderMutation lists (the header_mutation filter): appends and removals in their order. A
 * removal may be of any header, pseudo-headers too (then the message is refused where it is sent). */
const struct nu_header_mutations *
nu_header_mutations_build_list(struct nu_factory *f, const void *owner, const char *field,
                               struct envoy_config_common_mutation_rules_v3_HeaderMutation **list, size_t n);

/* Applies removals, then additions (Envoy's order for routes). `e` supplies what formatter values read; values are made
 * in h->arena. m may be NULL. */
void nu_header_mutations_apply(const struct nu_header_mutations *m, struct nu_http_headers *h,
                               const struct nu_log_entry *e);
/* Whether applying does nothing at all. m may be NULL. */
bool nu_header_mutations_empty(const struct nu_header_mutations *m);

#endif
