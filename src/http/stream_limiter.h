/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends a response's body at a limited rate: a filter gives it what encode_data gets, and it passes on by
 * nu_http_filter_inject_encoded as a bucket of tokens (one a byte, filled 20 times a second) allows, pausing the sender
 * when it holds more than the stream's buffer limit. For the fault filter and, later, bandwidth limits. */
#ifndef NU_HTTP_STREAM_LIMITER_H
#define NU_HTTP_STREAM_LIMITER_H

#include "event/loop.h"
#include "http/filter.h"

struct nu_stream_limiter {
    struct nu_http_filter *filter;
    struct nu_timer timer;
    struct nu_buf held;
    double tokens, bytes_per_second; /* bytes_per_second is also the most the bucket holds */
    uint64_t filled_ns;
    bool saw_end, saw_trailers, paused;
};

/* kib_per_second > 0. */
void nu_stream_limiter_init(struct nu_stream_limiter *l, struct nu_http_filter *f, uint64_t kib_per_second);
/* From encode_data; takes the data. The filter answers NU_DATA_STOP_NO_BUFFER. */
void nu_stream_limiter_data(struct nu_stream_limiter *l, struct nu_buf *data, bool end);
/* From encode_trailers; what the filter answers. */
enum nu_trailers_status nu_stream_limiter_trailers(struct nu_stream_limiter *l);
/* From on_destroy. */
void nu_stream_limiter_end(struct nu_stream_limiter *l);

#endif
