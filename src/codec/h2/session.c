/* SPDX-License-Identifier: Apache-2.0
 *
 * The session as a whole: its beginning with our SETTINGS, its end, and the frames that are about the connection. */
#include "base/alloc.h"
#include "base/err.h"
#include "codec/h2/h2_priv.h"

const struct nu_h2_options nu_h2_options_default = {
    .hpack_table_size = NU_HPACK_DEFAULT_TABLE,
    .max_concurrent_streams = 1024,
    .initial_stream_window_size = 16u << 20,
    .initial_connection_window_size = 24u << 20,
    .max_outbound_frames = 10000,
    .max_outbound_control_frames = 1000,
    .max_consecutive_inbound_frames_with_empty_payload = 1,
    .max_inbound_priority_frames_per_stream = 100,
    .max_inbound_window_update_frames_per_data_frame_sent = 10,
    .max_field_bytes = 64u << 10,
    .max_head_bytes = 60u << 10,
    .max_headers_count = 100,
    .stream_reset_burst = 1000,
    .stream_reset_rate = 33,
    .premature_reset_total_stream_count = 500,
    .premature_reset_min_lifetime_ms = 1000,
    .stream_send_high = 16u << 20,
    .huffman = true,
};

enum { FIRST_DIRECT = 16384 };

/* ---- frames ---- */

uint8_t *h2_frame(struct nu_h2 *c, uint32_t length, enum h2_frame_type type, uint8_t flags, uint32_t stream_id)
{
    uint8_t *at = nu_buf_reserve(&c->out, c->bufs, H2_FRAME_HEAD + length);
    return h2_put_head(at, length, (uint8_t)type, flags, stream_id);
}

void h2_frame_done(struct nu_h2 *c, uint32_t length)
{
    nu_buf_commit(&c->out, H2_FRAME_HEAD + length);
    h2_want_flush(c);
}

void h2_send_rst(struct nu_h2 *c, struct nu_h2_stream *s, uint32_t id, enum nu_h2_code code)
{
    if (h2_over(c))
        return;
    h2_put32(h2_frame(c, 4, H2_RST_STREAM, 0, id), code);
    h2_frame_done(c, 4);
    if (s != NULL)
        s->wire_out += H2_FRAME_HEAD + 4;
    h2_count(c, NU_H2_COUNT_tx_reset);
    h2_track_outbound(c, true);
}

void h2_send_window_update(struct nu_h2 *c, struct nu_h2_stream *s, uint32_t increment)
{
    h2_put32(h2_frame(c, 4, H2_WINDOW_UPDATE, 0, s != NULL ? s->id : 0), increment);
    h2_frame_done(c, 4);
    if (s != NULL)
        s->wire_out += H2_FRAME_HEAD + 4;
    h2_track_outbound(c, false);
}

void h2_send_settings_ack(struct nu_h2 *c)
{
    h2_frame(c, 0, H2_SETTINGS, H2_ACK, 0);
    h2_frame_done(c, 0);
    h2_track_outbound(c, true);
}

static void send_ping(struct nu_h2 *c, const void *opaque, uint8_t flags)
{
    memcpy(h2_frame(c, 8, H2_PING, flags, 0), opaque, 8);
    h2_frame_done(c, 8);
    h2_track_outbound(c, flags != 0);
}

void h2_send_ping_ack(struct nu_h2 *c, const uint8_t *opaque)
{
    send_ping(c, opaque, H2_ACK);
}

void nu_h2_ping(struct nu_h2 *c, uint64_t opaque)
{
    if (!h2_over(c))
        send_ping(c, &opaque, 0);
}

static void send_goaway(struct nu_h2 *c, uint32_t last_id, enum nu_h2_code code, nu_str reason)
{
    uint32_t length = 8 + (uint32_t)reason.len;
    uint8_t *at = h2_frame(c, length, H2_GOAWAY, 0, 0);
    at = h2_put32(h2_put32(at, last_id), code);
    if (reason.len > 0)
        memcpy(at, reason.ptr, reason.len);
    h2_frame_done(c, length);
    c->goaway_sent = true;
    c->goaway_last_id = last_id;
}

void nu_h2_shutdown_notice(struct nu_h2 *c)
{
    if (!h2_over(c) && !c->goaway_sent)
        send_goaway(c, H2_MAX_ID, NU_H2_NO_ERROR, NU_STR(""));
}

void nu_h2_goaway(struct nu_h2 *c, enum nu_h2_code code)
{
    if (h2_over(c))
        return;
    /* s6.8: the last identifier never grows. */
    send_goaway(c, c->goaway_sent ? nu_min(c->goaway_last_id, c->last_peer_id) : c->last_peer_id, code, NU_STR(""));
    h2_count(c, NU_H2_COUNT_goaway_sent);
}

/* ---- the beginning ---- */

static bool has_custom(const struct nu_h2_options *o, uint16_t id)
{
    for (uint32_t i = 0; i < o->n_custom_settings; i++)
        if (o->custom_settings[i].id == id)
            return true;
    return false;
}

static uint8_t *put_setting(const struct nu_h2_options *o, uint8_t *at, uint16_t id, uint32_t value)
{
    return has_custom(o, id) ? at : h2_put32(h2_put16(at, id), value);
}

/* In Envoy's order. */
static void send_settings(struct nu_h2 *c)
{
    const struct nu_h2_options *o = c->opt;
    size_t room = (5 + (size_t)o->n_custom_settings) * 6;
    uint8_t *head = nu_buf_reserve(&c->out, c->bufs, H2_FRAME_HEAD + room), *at = head + H2_FRAME_HEAD;
    if (!c->server)
        at = put_setting(o, at, H2_ENABLE_PUSH, 0);
    for (uint32_t i = 0; i < o->n_custom_settings; i++)
        at = h2_put32(h2_put16(at, o->custom_settings[i].id), o->custom_settings[i].value);
    at = put_setting(o, at, H2_HEADER_TABLE_SIZE, o->hpack_table_size);
    at = put_setting(o, at, H2_ENABLE_CONNECT_PROTOCOL, o->allow_connect);
    at = put_setting(o, at, H2_MAX_CONCURRENT_STREAMS, o->max_concurrent_streams);
    at = put_setting(o, at, H2_INITIAL_WINDOW_SIZE, o->initial_stream_window_size);
    uint32_t length = (uint32_t)(at - head) - H2_FRAME_HEAD;
    h2_put_head(head, length, H2_SETTINGS, 0, 0);
    nu_buf_commit(&c->out, H2_FRAME_HEAD + length);
}

void nu_h2_init(struct nu_h2 *c, bool server, const struct nu_h2_ops *ops, const struct nu_h2_options *opt,
                struct nu_buf_pool *bufs)
{
    NU_ASSERT(opt->initial_stream_window_size <= H2_MAX_WINDOW && opt->initial_connection_window_size <= H2_MAX_WINDOW);
    NU_ASSERT(opt->initial_connection_window_size >= H2_DEFAULT_WINDOW);
    *c = (struct nu_h2){
        .rx_state = server ? RX_PREFACE : RX_HEAD, .ops = ops, .opt = opt, .bufs = bufs, .server = server,
        .peer_max_streams = H2_MAX_ID, .peer_initial_window = H2_DEFAULT_WINDOW, .peer_max_frame = H2_FRAME_MAX,
        .next_id = 1, .goaway_last_id = H2_MAX_ID,
        .send_window = H2_DEFAULT_WINDOW, .recv_window = opt->initial_connection_window_size,
        .direct = FIRST_DIRECT, .reset_tokens = opt->stream_reset_burst, .flush_wanted = true,
    };
    nu_list_init(&c->streams);
    nu_list_init(&c->ready);
    c->table = c->few;
    c->table_cap = NU_H2_FEW_SLOTS;
    /* Until our SETTINGS are acknowledged the peer may use a table of the default size. */
    nu_hpack_decoder_init(&c->decoder, opt->names, nu_max(opt->hpack_table_size, NU_HPACK_DEFAULT_TABLE),
                          opt->max_field_bytes);
    nu_hpack_encoder_init(&c->encoder, opt->names, opt->hpack_table_size, opt->huffman);
    if (!server)
        nu_buf_add(&c->out, bufs, H2_PREFACE, H2_PREFACE_LEN);
    send_settings(c);
    if (c->recv_window > H2_DEFAULT_WINDOW)
        h2_send_window_update(c, NULL, c->recv_window - H2_DEFAULT_WINDOW);
}

/* ---- the end ---- */

void h2_fail(struct nu_h2 *c, enum nu_h2_fail kind, enum nu_h2_code code, nu_str text, nu_str reason)
{
    if (h2_over(c))
        return;
    send_goaway(c, nu_min(c->goaway_last_id, c->last_peer_id), code, reason);
    c->failure = (struct nu_h2_failure){.kind = kind, .code = code, .text = text, .reason = reason};
}

void h2_protocol_error(struct nu_h2 *c, enum nu_h2_code code, nu_str reason)
{
    h2_fail(c, NU_H2_FAIL_PROTOCOL, code, NU_STR("The user callback function failed"), reason);
}

static void close_one(struct nu_h2 *c, struct nu_h2_stream *s, int64_t arg)
{
    (void)arg;
    const struct nu_h2_reset why = {.cause = NU_H2_RESET_CONNECTION, .code = c->failure.code};
    h2_stream_close(c, s, &why);
}

void nu_h2_close(struct nu_h2 *c)
{
    if (c->closed)
        return;
    c->closed = true;
    h2_each_stream(c, close_one, 0);
}

void nu_h2_clear(struct nu_h2 *c)
{
    nu_h2_close(c);
    nu_buf_clear(&c->out, c->bufs);
    nu_buf_clear(&c->block.rest, c->bufs);
    nu_hpack_decoder_clear(&c->decoder);
    nu_hpack_encoder_clear(&c->encoder);
    if (c->table != c->few)
        nu_free(c->table);
    nu_free(c->marks);
    c->table = c->few;
    c->table_cap = NU_H2_FEW_SLOTS;
    c->marks = NULL;
}

void nu_h2_trim(struct nu_h2 *c)
{
    nu_hpack_table_trim(&c->decoder.table);
    nu_hpack_encoder_trim(&c->encoder);
    if (c->n_streams == 0 && c->table != c->few) {
        nu_free(c->table);
        memset(c->few, 0, sizeof(c->few)); /* as they were when the table grew */
        c->table = c->few;
        c->table_cap = NU_H2_FEW_SLOTS;
    }
}

const struct nu_h2_failure *nu_h2_failure(const struct nu_h2 *c)
{
    return c->failure.kind != NU_H2_FAIL_NONE ? &c->failure : NULL;
}

/* ---- flushing ---- */

int nu_h2_flush(struct nu_h2 *c, size_t budget, size_t unsent)
{
    c->flush_wanted = true; /* nobody needs to be told */
    h2_release_outbound(c, unsent);
    while (!h2_over(c) && c->send_window > 0 && c->out.len < budget && !nu_list_empty(&c->ready))
        h2_send_some(c, nu_list_entry(c->ready.next, struct nu_h2_stream, ready));
    c->flush_wanted = false;
    c->direct = budget > c->out.len ? budget - c->out.len : 0;
    h2_mark_outbound(c);
    return c->failure.kind != NU_H2_FAIL_NONE ? NU_ERR_INVALID : 0;
}

bool nu_h2_wants_flush(const struct nu_h2 *c)
{
    return c->flush_wanted || (!h2_over(c) && c->send_window > 0 && !nu_list_empty(&c->ready));
}
