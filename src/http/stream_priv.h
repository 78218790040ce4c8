/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection manager's insides: a connection (struct hcm_conn, http/conn_manager.c) and its streams (struct
 * nu_http_stream: http/stream.c for its life and its response, http/filter_chain.c for the iteration). */
#ifndef NU_HTTP_STREAM_PRIV_H
#define NU_HTTP_STREAM_PRIV_H

#include "http/filter.h"
#include "http/hcm_conf.h"
#include "http/session.h"
#include "http/xff.h"
#include "net/filter.h"

enum hcm_drain {
    HCM_OPEN,
    HCM_DRAINING, /* the next response says "connection: close" */
    HCM_CLOSING,  /* closes when the last stream ends */
};

/* Timers that most configurations do not have. */
struct hcm_timers {
    struct hcm_conn *owner;
    struct nu_timer duration; /* max_connection_duration */
    struct nu_timer head;     /* request_headers_timeout */
};

struct hcm_conn {
    struct nu_net_filter filter;
    struct nu_session_owner owner;
    const struct nu_hcm_conf *conf;
    struct nu_session *session; /* NULL: AUTO has not seen enough yet */
    struct nu_list streams;
    struct hcm_timers *timers; /* NULL: the configuration has neither */
    uint64_t start_ns;
    uint32_t n_requests, n_streams;
    uint8_t drain; /* enum hcm_drain */
    bool closed;   /* the connection is gone or going: no more streams */
    bool end_when_idle; /* told to end: goes with the last stream, even if its response could not say so */
    bool counted_active, counted_upgrade;
};

/* Which way through the chain. */
enum chain_dir { DIR_DECODE, DIR_ENCODE, N_DIRS };

/* What one direction of a stream's filter chain holds. */
struct chain {
    struct nu_http_headers *headers, *trailers;
    struct nu_buf buffered;    /* for a filter that stopped */
    bool has_buffered;         /* buffered exists, maybe empty (a zero byte end must go on) */
    bool streaming;            /* the buffer pauses the sender when full, instead of failing */
    bool saw_end;              /* the last part was seen by the chain */
    bool above_high;           /* we told the sender to pause for `buffered` */
    bool started;              /* headers entered the chain */
    struct nu_http_filter *at; /* filter on the stack, NULL: none */
    bool aborted;              /* decode: a local reply was made; nothing goes on */
};

enum stream_phase {
    STREAM_ACTIVE,
    STREAM_ENDED, /* stream_end ran: waiting for the turn's end */
};

/* The response's progress towards the codec. */
enum response_state { RESPONSE_NONE, RESPONSE_HEADERS, RESPONSE_DONE };

struct nu_http_stream {
    struct nu_stream_user user; /* what the codec calls */
    struct hcm_conn *hc;
    const struct nu_hcm_conf *conf;
    struct nu_codec_stream *codec; /* NULL: the codec's half is gone */
    struct nu_arena arena;
    struct nu_stream_info info;
    struct chain dir[N_DIRS];
    struct nu_http_filter *head, *tail;
    const struct nu_filter_list *filters; /* which list the chain was made from */
    struct nu_route_match route;
    struct nu_route_table *table; /* reference held by the stream */
    uint64_t random;              /* the stream's own value for routing decisions */
    uint64_t buffer_limit;
    nu_ms idle_timeout;
    struct nu_timer idle_timer, request_timer, duration_timer;
    struct nu_list node; /* hc->streams */
    struct nu_task free_task;
    const struct nu_local_reply *pending_reply; /* prepared while a decode filter was on the stack */
    uint16_t downstream_high; /* how often the response's sender was told to stop */
    uint16_t request_pauses;
    uint8_t phase;            /* enum stream_phase */
    uint8_t response_state;   /* enum response_state */
    bool route_cached, chain_made, remote_done, local_done;
    bool is_head, is_upgrade, upgrade_refused, upgraded, is_grpc, is_connect;
    bool saw_connection_close, should_close, head_end;
    bool in_decode, local_reply_sent, logged, internal_request;
    bool codec_reset_done, idle_timed_out, ended_by_peer;
    nu_str original_host, original_path;
};

/* ---- http/filter_chain.c ---- */

/* Offers a part of the message to the chain, from the filter after `from` on (NULL: from the first of that direction).
 * What passes all filters goes to chain_sink_*. */
void chain_headers(struct nu_http_stream *s, enum chain_dir d, struct nu_http_filter *from, bool end);
void chain_data(struct nu_http_stream *s, enum chain_dir d, struct nu_http_filter *from, struct nu_buf *data,
                bool end);
void chain_trailers(struct nu_http_stream *s, enum chain_dir d, struct nu_http_filter *from);
void chain_informational(struct nu_http_stream *s, struct nu_http_headers *h);
/* Drops what is buffered, un-pausing the sender. */
void chain_drop_buffer(struct nu_http_stream *s, enum chain_dir d);

/* Where the encode direction ends (http/stream.c): to the codec. */
void stream_encode_headers(struct nu_http_stream *s, struct nu_http_headers *h, bool end);
void stream_encode_data(struct nu_http_stream *s, struct nu_buf *data, bool end);
void stream_encode_trailers(struct nu_http_stream *s, struct nu_http_headers *t);
void stream_encode_informational(struct nu_http_stream *s, struct nu_http_headers *h);

/* ---- http/stream.c ---- */

struct nu_http_stream *stream_new(struct hcm_conn *hc, struct nu_codec_stream *codec);
/* The one end of a stream, from whatever state: filters are told and destroyed, timers and side calls are cancelled, the
 * access log is written, memory goes at the end of the turn. */
void stream_end(struct nu_http_stream *s);
/* The connection went away below: as above. */
void stream_downstream_gone(struct nu_http_stream *s, nu_str details);
void stream_log(struct nu_http_stream *s, enum nu_log_type type);
/* Tells the terminal filter (and whoever produces the response) to stop or go on. Counted. */
void stream_downstream_high(struct nu_http_stream *s);
void stream_downstream_low(struct nu_http_stream *s);
void stream_pause_request(struct nu_http_stream *s);
void stream_resume_request(struct nu_http_stream *s);

/* ---- http/conn_manager.c ---- */

void hcm_stream_ended(struct hcm_conn *hc, struct nu_http_stream *s);
/* Starts draining: the next response closes. */
void hcm_drain(struct hcm_conn *hc);

/* The route table in use for new streams. */
static inline struct nu_route_table *nu_hcm_routes(const struct nu_hcm_conf *conf)
{
    return conf->routes;
}

/* ---- http/upgrade.c ---- */

/* Whether the stream's upgrade (or CONNECT) is allowed by the connection manager and the route; `out` is the filter list
 * for it. */
bool nu_upgrade_chain(struct nu_http_stream *s, struct nu_filter_list *out);

/* ---- http/forwarding.c: what happens to heads ---- */

/* Request head sanitising and additions (http.md 6.1-6.3), path normalisation, request id. false: the request was answered
 * (a local reply was sent). */
bool forwarding_request(struct nu_http_stream *s, struct nu_http_headers *h);
/* Response head: hop-by-hop, server, date, via, request id, connection. */
void forwarding_response(struct nu_http_stream *s, struct nu_http_headers *h, bool end);

/* ---- http/local_reply.c ---- */

/* Builds status, body and headers of a local reply (mappers, format, gRPC) into `h` and `body`. */
void local_reply_build(struct nu_http_stream *s, const struct nu_local_reply *r, struct nu_http_headers *h,
                       nu_str *body);

#endif
