/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/certificate_stats.h"

static const struct nu_stat_def defs[] = {
#define NU_STAT_DEF_FILE "tls/certificate_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) {(name), (doc), (kind), (unit)},
#include "stats/rows.h"
};

const struct nu_stat_layout nu_tls_cert_layout = {.defs = defs, .n = NU_TLS_CERT_N};
