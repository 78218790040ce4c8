/* SPDX-License-Identifier: Apache-2.0
 *
 * Runtime: layered keys (static, disk, admin) that override settings while the process runs. Changed on the main thread;
 * workers read an immutable snapshot through a slot. */
#ifndef NU_WORKER_RUNTIME_H
#define NU_WORKER_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/sb.h"
#include "base/str.h"
#include "worker/slot.h"

struct nu_runtime;
struct nu_workers;

struct nu_runtime *nu_runtime_new(struct nu_workers *all);
void nu_runtime_free(struct nu_runtime **rt);

/* Layers, in the order of the bootstrap; later ones win. Main thread. */
int nu_runtime_add_static(struct nu_runtime *rt, nu_str name); /* returns the layer's index */
int nu_runtime_add_admin(struct nu_runtime *rt, nu_str name);
int nu_runtime_add_disk(struct nu_runtime *rt, nu_str name, nu_str root, nu_str subdirectory, bool append_cluster,
                        nu_str cluster);
/* Sets a key of a layer (values are text: "50", "true", "0.5", a JSON fraction). Takes effect at nu_runtime_publish. */
void nu_runtime_set(struct nu_runtime *rt, int layer, nu_str key, nu_str value);
/* Removes all keys of a layer. */
void nu_runtime_clear(struct nu_runtime *rt, int layer);
/* Reads disk layers again and makes the new snapshot current. */
void nu_runtime_publish(struct nu_runtime *rt);
/* The admin layer's index; -1: none (then /runtime_modify is refused). */
int nu_runtime_admin_layer(const struct nu_runtime *rt);
/* /runtime as JSON, Envoy's form. Main thread. */
void nu_runtime_dump(const struct nu_runtime *rt, struct nu_sb *out);

/* Any worker; rt may be NULL (defaults). O(1); a process without keys answers at once. */
uint64_t nu_runtime_u64(const struct nu_runtime *rt, nu_str key, uint64_t fallback);
bool nu_runtime_bool(const struct nu_runtime *rt, nu_str key, bool fallback);
double nu_runtime_double(const struct nu_runtime *rt, nu_str key, double fallback);
/* featureEnabled: random % 100 < value (percent). */
bool nu_runtime_percent(const struct nu_runtime *rt, nu_str key, uint64_t fallback_percent, uint64_t random);
/* FractionalPercent: random % denominator < numerator; the key may hold an integer (of 100) or a fraction. */
bool nu_runtime_fraction(const struct nu_runtime *rt, nu_str key, uint32_t numerator, uint32_t denominator,
                         uint64_t random);
/* Whether any key at all is set: lets hot paths skip composing keys. */
bool nu_runtime_has_keys(const struct nu_runtime *rt);

#endif
