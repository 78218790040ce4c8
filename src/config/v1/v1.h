/* SPDX-License-Identifier: Apache-2.0
 *
 * Envoy's first configuration format (JSON, releases 1.0 to 1.8). A v1 tree becomes a v3 tree, in this one place: what
 * comes after (messages, rules, building, `nuncio migrate`) knows only v3. What v1 left to defaults that are others
 * today is written out, so that an old file means what it meant. docs/v1.md says how each part is translated. */
#ifndef NU_CONFIG_V1_V1_H
#define NU_CONFIG_V1_V1_H

#include "codec/tree.h"

/* Whether the root of a configuration has v1's shape: `cluster_manager.clusters`, or `listeners` with v1's addresses or
 * filters, at the top. A v3 bootstrap never has (its cluster_manager is another message). */
bool nu_v1_recognise(const struct nu_tree *tree);

/* The tree of envoy.config.bootstrap.v3.Bootstrap that means the same, in `a`; it shares nodes with `v1`, and every node
 * has the v1 file and the position of what it was made from, so that later reports point into the v1 file. Main thread.
 * Adds to `d` all that is wrong (unknown keys, wrong types, what is missing or contradicts) with v1's field paths, what
 * is not supported yet (NU_DIAG_UNSUPPORTED), and warnings where v3 cannot say quite the same. Never NULL: after errors
 * the tree has what could be translated, and loading it may tell more; it must not be used otherwise. */
struct nu_tree *nu_v1_translate(struct nu_arena *a, struct nu_diags *d, const struct nu_tree *v1);

#endif
