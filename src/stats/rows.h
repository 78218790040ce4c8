/* SPDX-License-Identifier: Apache-2.0
 *
 * Expands NU_STAT_DEF_FILE with NU_STAT_ROW(field, name, kind, unit, doc) for each line; then forgets both. */
#define COUNTER(field, doc) NU_STAT_ROW(field, #field, NU_STAT_COUNTER, NU_UNIT_NONE, doc)
#define COUNTER_AS(field, name, doc) NU_STAT_ROW(field, name, NU_STAT_COUNTER, NU_UNIT_NONE, doc)
#define GAUGE(field, doc) NU_STAT_ROW(field, #field, NU_STAT_GAUGE, NU_UNIT_NONE, doc)
#define GAUGE_AS(field, name, doc) NU_STAT_ROW(field, name, NU_STAT_GAUGE, NU_UNIT_NONE, doc)
#define HISTOGRAM(field, unit, doc) NU_STAT_ROW(field, #field, NU_STAT_HISTOGRAM, NU_UNIT_##unit, doc)
#define HISTOGRAM_AS(field, name, unit, doc) NU_STAT_ROW(field, name, NU_STAT_HISTOGRAM, NU_UNIT_##unit, doc)
#define CODES(field, name, doc) NU_STAT_ROW(field, name, NU_STAT_CODES, NU_UNIT_NONE, doc)
#include NU_STAT_DEF_FILE
#undef COUNTER
#undef COUNTER_AS
#undef GAUGE
#undef GAUGE_AS
#undef HISTOGRAM
#undef HISTOGRAM_AS
#undef CODES
#undef NU_STAT_ROW
#undef NU_STAT_DEF_FILE
