/* SPDX-License-Identifier: Apache-2.0
 *
 * `nuncio migrate FILE`: Envoy's first configuration format as v3 YAML. */
#ifndef NU_SERVER_MIGRATE_H
#define NU_SERVER_MIGRATE_H

/* Prints the YAML on stdout, what is wrong on stderr; the exit code. */
int nu_migrate(const char *path);

#endif
