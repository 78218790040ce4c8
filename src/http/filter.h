/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP filters: Envoy's interface. They see headers, data and trailers of the request in configured order (decode) and
 * of the response in reverse order (encode), and answer whether the chain goes on. A filter that stopped resumes later,
 * from any event of the same worker. The last filter is the router.
 *
 * A stream has one end (http/stream.c:stream_end). Every side call a filter starts (timer, DNS, request, ...) is
 * cancelled in its on_destroy, or by a cleanup of the stream's arena; after on_destroy nothing calls the filter. */
#ifndef NU_HTTP_FILTER_H
#define NU_HTTP_FILTER_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "http/headers.h"
#include "net/extension.h"
#include "net/stream_info.h"

struct nu_http_filter;
struct nu_http_stream; /* the connection manager's stream */
struct nu_route;
struct nu_scope;
struct nu_conn;
struct nu_pb_msg;

enum nu_headers_status {
    NU_HEADERS_CONTINUE,
    NU_HEADERS_STOP,              /* later filters do not see the headers yet; data still comes to this filter */
    NU_HEADERS_CONTINUE_NO_END,   /* go on, but the stream is not ended by these headers: data will be added */
    NU_HEADERS_STOP_ALL_BUFFER,   /* nothing comes until resumed; data is buffered, 413/500 over the limit */
    NU_HEADERS_STOP_ALL_WATERMARK, /* the same, but over the limit the sender is paused */
};

enum nu_data_status {
    NU_DATA_CONTINUE,        /* buffered data (if any) and this go on */
    NU_DATA_STOP_BUFFER,     /* kept; over the limit 413 (request) or 500 (response) */
    NU_DATA_STOP_WATERMARK,  /* kept; over the limit the sender is paused */
    NU_DATA_STOP_NO_BUFFER,  /* the filter took the data itself */
};

enum nu_trailers_status { NU_TRAILERS_CONTINUE, NU_TRAILERS_STOP };

enum nu_local_reply_status { NU_LOCAL_REPLY_CONTINUE, NU_LOCAL_REPLY_CONTINUE_AND_RESET };

/* Everything may be NULL: nothing to do, continue. Decode and encode never call back into a filter that is on the
 * stack: resuming from inside an operation takes effect when it returns. */
struct nu_http_filter_ops {
    enum nu_headers_status (*decode_headers)(struct nu_http_filter *f, struct nu_http_headers *h, bool end);
    enum nu_data_status (*decode_data)(struct nu_http_filter *f, struct nu_buf *data, bool end);
    enum nu_trailers_status (*decode_trailers)(struct nu_http_filter *f, struct nu_http_headers *t);
    void (*decode_complete)(struct nu_http_filter *f);
    enum nu_headers_status (*encode_informational)(struct nu_http_filter *f, struct nu_http_headers *h);
    enum nu_headers_status (*encode_headers)(struct nu_http_filter *f, struct nu_http_headers *h, bool end);
    enum nu_data_status (*encode_data)(struct nu_http_filter *f, struct nu_buf *data, bool end);
    enum nu_trailers_status (*encode_trailers)(struct nu_http_filter *f, struct nu_http_headers *t);
    void (*encode_complete)(struct nu_http_filter *f);
    /* A local reply is about to be sent through the encoding filters. */
    void (*on_local_reply)(struct nu_http_filter *f, unsigned code, nu_str details);
    /* Just before access logs: the record is final. */
    void (*on_stream_complete)(struct nu_http_filter *f);
    /* Cancel everything. Called once, before the stream's arena goes. */
    void (*on_destroy)(struct nu_http_filter *f);
    /* Response data does not leave fast enough (downstream write buffer or a filter's encode buffer is above its mark) /
     * does again. For whoever produces the response: the router. Counted. */
    void (*on_downstream_high)(struct nu_http_filter *f);
    void (*on_downstream_low)(struct nu_http_filter *f);
};

/* First member of a filter's own struct, in the stream's arena. Fields belong to the chain. */
struct nu_http_filter {
    const struct nu_http_filter_ops *ops;
    struct nu_http_stream *stream;
    struct nu_http_filter *next, *prev;
    const struct nu_http_filter_entry *entry; /* which configured filter this is */
    uint8_t decode_state, encode_state;       /* http/filter_chain.c */
    bool on_stack_decode, on_stack_encode;
    bool decode_saw_end, encode_saw_end;
};

/* A configured filter; first member of the extension's own conf, in the snapshot's arena. */
struct nu_http_filter_conf {
    /* Makes the filter (in the stream's arena: nu_http_stream_arena) and adds it with nu_http_stream_add_filter. */
    void (*attach)(const struct nu_http_filter_conf *conf, struct nu_http_stream *s);
};

/* One element of http_filters. */
struct nu_http_filter_entry {
    nu_str name; /* the key in typed_per_filter_config */
    const struct nu_extension *ext;
    const struct nu_http_filter_conf *conf;
    unsigned index; /* position in the chain */
    bool disabled;  /* off until a route enables it */
    bool terminal;
};

/* ops of an extension of category "envoy.filters.http". */
struct nu_http_filter_factory {
    bool terminal;
    /* conf in f->arena; NULL: reported to f->diags. stat_prefix: "http.<prefix>." */
    const struct nu_http_filter_conf *(*create)(struct nu_factory *f, const struct nu_pb_msg *msg, nu_str stat_prefix);
    /* The filter's own route-level conf (immutable, f->arena); NULL op: none allowed. */
    const void *(*create_route)(struct nu_factory *f, const struct nu_pb_msg *msg);
};

/* ---- what a filter may ask and do (http/stream.c, http/filter_chain.c) ---- */

struct nu_arena *nu_http_stream_arena(struct nu_http_stream *s);
struct nu_worker *nu_http_stream_worker(struct nu_http_stream *s);
struct nu_stream_info *nu_http_stream_info(struct nu_http_stream *s);
struct nu_conn *nu_http_stream_conn(struct nu_http_stream *s); /* downstream; NULL: an internal caller */
struct nu_server *nu_http_stream_server(struct nu_http_stream *s);
/* Request and response headers; NULL until they exist. */
struct nu_http_headers *nu_http_stream_request(struct nu_http_stream *s);
struct nu_http_headers *nu_http_stream_response(struct nu_http_stream *s);
struct nu_http_headers *nu_http_stream_request_trailers(struct nu_http_stream *s);

/* Adds a filter at the end of the chain; from attach only. */
void nu_http_stream_add_filter(struct nu_http_stream *s, struct nu_http_filter *f);

/* The route: looked up at the first call and kept; NULL: none matches. */
const struct nu_route *nu_http_stream_route(struct nu_http_stream *s);
/* The whole result of the lookup (http/route.h): the chosen weighted cluster, whether https is demanded. */
struct nu_route_match;
const struct nu_route_match *nu_http_stream_route_match(struct nu_http_stream *s);
/* The stream's own random value: decisions about it are repeatable. */
uint64_t nu_http_stream_random(const struct nu_http_stream *s);
/* The connection manager's statistics, "http.<stat_prefix>.". */
struct nu_scope *nu_http_stream_scope(const struct nu_http_stream *s);
/* The request came from an internal address (x-envoy-internal). */
bool nu_http_stream_is_internal(const struct nu_http_stream *s);
/* Whether the whole request was received. */
bool nu_http_stream_request_complete(const struct nu_http_stream *s);
/* The route is looked up again when it is next asked for (headers changed). */
void nu_http_stream_clear_route_cache(struct nu_http_stream *s);
/* The most specific route-level conf of this filter (weighted cluster, route, virtual host, route table); NULL: none. */
const void *nu_http_filter_route_conf(const struct nu_http_filter *f);
/* All of them, least specific first; returns how many (at most 4). */
unsigned nu_http_filter_route_confs(const struct nu_http_filter *f, const void *out[4]);

/* Resume after a stop. */
void nu_http_filter_continue_decode(struct nu_http_filter *f);
void nu_http_filter_continue_encode(struct nu_http_filter *f);
/* Data buffered by the chain, that filters from here on will see; NULL: none. May be changed. */
struct nu_buf *nu_http_filter_decode_buffer(struct nu_http_filter *f);
struct nu_buf *nu_http_filter_encode_buffer(struct nu_http_filter *f);
/* Adds data while in decode_headers/decode_data/decode_trailers of this filter: the filters behind it see it in order.
 * streaming: over the limit pause the sender instead of failing. Moves. */
void nu_http_filter_add_decoded(struct nu_http_filter *f, struct nu_buf *data, bool streaming);
void nu_http_filter_add_encoded(struct nu_http_filter *f, struct nu_buf *data, bool streaming);
/* Sends data to the filters behind, at any time after the headers went on. Moves. */
void nu_http_filter_inject_decoded(struct nu_http_filter *f, struct nu_buf *data, bool end);
void nu_http_filter_inject_encoded(struct nu_http_filter *f, struct nu_buf *data, bool end);

/* Ends the request here: a response made by the proxy, through the encoding filters, local_reply_config applied. `more`
 * (may be NULL) may add headers. flag: NU_N_RESPONSE_FLAGS for none. If response headers went out already the stream
 * is reset. Everything is copied. */
struct nu_local_reply {
    unsigned status;
    nu_str body;          /* text/plain unless `more` sets content-type */
    nu_str details;       /* %RESPONSE_CODE_DETAILS%; borrowed: literal or stream arena */
    int grpc_status;      /* -1: from the HTTP status */
    void (*more)(struct nu_http_headers *h, void *arg);
    void *arg;
};
void nu_http_stream_local_reply(struct nu_http_stream *s, const struct nu_local_reply *r);

/* For a terminal filter (the router): the response. Headers are taken over (they live in the stream's arena). */
void nu_http_stream_respond_informational(struct nu_http_stream *s, struct nu_http_headers *h);
void nu_http_stream_respond_headers(struct nu_http_stream *s, struct nu_http_headers *h, bool end, nu_str details);
void nu_http_stream_respond_data(struct nu_http_stream *s, struct nu_buf *data, bool end);
void nu_http_stream_respond_trailers(struct nu_http_stream *s, struct nu_http_headers *t);
/* The response cannot be completed. */
void nu_http_stream_reset(struct nu_http_stream *s, nu_str details);
/* Whether response headers have gone to the codec. */
bool nu_http_stream_responded(const struct nu_http_stream *s);

/* Flow control of the request: the terminal filter cannot take more / can. Counted. */
void nu_http_stream_pause_request(struct nu_http_stream *s);
void nu_http_stream_resume_request(struct nu_http_stream *s);

/* Flow control of the response, for a filter that holds its data back: who produces it stops / goes on. Counted. */
void nu_http_stream_pause_response(struct nu_http_stream *s);
void nu_http_stream_resume_response(struct nu_http_stream *s);

/* Bytes that may be buffered for this stream in each direction; 0: no limit. */
uint64_t nu_http_stream_buffer_limit(const struct nu_http_stream *s);
void nu_http_stream_set_buffer_limit(struct nu_http_stream *s, uint64_t bytes);

/* Runs the request again from the first filter with changed headers (internal redirect). The request must be complete and
 * buffered whole (or empty). false: not possible; nothing happened. */
bool nu_http_stream_recreate(struct nu_http_stream *s, struct nu_buf *body);

/* Idle timer: something moved (any direction). The chain calls it; filters that move bytes otherwise do too. */
void nu_http_stream_activity(struct nu_http_stream *s);
/* The route's idle timeout replaces the connection manager's (0: none). */
void nu_http_stream_set_idle_timeout(struct nu_http_stream *s, nu_ms timeout);
/* The request is an upgrade that was allowed (101 or CONNECT 200 switches to raw bytes both ways). */
bool nu_http_stream_is_upgrade(const struct nu_http_stream *s);

#endif
