/* SPDX-License-Identifier: Apache-2.0
 *
 * core.v3.DataSource: bytes from the config, a file or the environment. */
#ifndef NU_NET_DATA_SOURCE_H
#define NU_NET_DATA_SOURCE_H

#include "net/extension.h"

struct envoy_config_core_v3_DataSource;

/* Reads it whole into f->arena; at most `max` bytes (0: no limit). d == NULL gives "". false: reported on d. */
bool nu_data_source_read(struct nu_factory *f, const struct envoy_config_core_v3_DataSource *d, size_t max, nu_str *out);

/* A whole file into the arena; 0 or a negative error (errno tells). */
NU_NODISCARD int nu_file_read(struct nu_arena *a, const char *path, size_t max, nu_str *out);

#endif
