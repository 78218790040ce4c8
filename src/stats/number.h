/* SPDX-License-Identifier: Apache-2.0
 *
 * Doubles as text: the fewest digits that read back as the same value, in the two notations that Envoy uses. */
#ifndef NU_STATS_NUMBER_H
#define NU_STATS_NUMBER_H

#include "base/sb.h"

/* As in text output: "1.0333333333333334", "515", "nan"; an exponent only from 1e16 on and below 1e-4. */
void nu_sb_double(struct nu_sb *sb, double v);
/* As in JSON: the shorter of fixed and exponent ("300000" is "3e+05"), "null" for NaN. */
void nu_sb_json_double(struct nu_sb *sb, double v);

#endif
