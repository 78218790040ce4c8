/* SPDX-License-Identifier: Apache-2.0
 *
 * Expands NU_STAT_DEF_FILE with NU_STAT_ROW(field, name, kind, unit, doc) for each line; then forgets both.
 *
 * CODES_ALWAYS shows its "completed" before the first response, too. HISTOGRAM_SEEN is shown once it has recorded something; COUNTER_WITH(other, ...) once the counter `other` (its full
 * enumerator) is not 0. */
#define COUNTER(field, doc) NU_STAT_ROW(field, #field, NU_STAT_COUNTER, NU_UNIT_NONE, doc)
#define COUNTER_AS(field, name, doc) NU_STAT_ROW(field, name, NU_STAT_COUNTER, NU_UNIT_NONE, doc)
#define GAUGE(field, doc) NU_STAT_ROW(field, #field, NU_STAT_GAUGE, NU_UNIT_NONE, doc)
#define GAUGE_AS(field, name, doc) NU_STAT_ROW(field, name, NU_STAT_GAUGE, NU_UNIT_NONE, doc)
#define HISTOGRAM(field, unit, doc) NU_STAT_ROW(field, #field, NU_STAT_HISTOGRAM, NU_UNIT_##unit, doc)
#define HISTOGRAM_AS(field, name, unit, doc) NU_STAT_ROW(field, name, NU_STAT_HISTOGRAM, NU_UNIT_##unit, doc)
#define HISTOGRAM_SEEN(field, unit, doc)                                                                               \
    NU_STAT_ROW(field, #field, NU_STAT_HISTOGRAM | NU_STAT_LAZY, NU_UNIT_##unit, doc)
#define HISTOGRAM_SEEN_AS(field, name, unit, doc)                                                                      \
    NU_STAT_ROW(field, name, NU_STAT_HISTOGRAM | NU_STAT_LAZY, NU_UNIT_##unit, doc)
#define COUNTER_WITH(other, field, name, doc) NU_STAT_ROW(field, name, NU_STAT_COUNTER | NU_STAT_LAZY, other, doc)
#define CODES_ALWAYS(field, name, doc) NU_STAT_ROW(field, name, NU_STAT_CODES, 1, doc)
#define CODES(field, name, doc) NU_STAT_ROW(field, name, NU_STAT_CODES, NU_UNIT_NONE, doc)
#include NU_STAT_DEF_FILE
#undef COUNTER
#undef COUNTER_AS
#undef GAUGE
#undef GAUGE_AS
#undef HISTOGRAM
#undef HISTOGRAM_AS
#undef HISTOGRAM_SEEN
#undef HISTOGRAM_SEEN_AS
#undef COUNTER_WITH
#undef CODES
#undef CODES_ALWAYS
#undef NU_STAT_ROW
#undef NU_STAT_DEF_FILE
