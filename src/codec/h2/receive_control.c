/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames other than DATA and heads. Sizes and the kind of stream have been checked (receive.c). */
#include "codec/h2/h2_priv.h"

enum { MAX_SETTINGS = 32 }; /* in one frame, as nghttp2 has it */

/* The rule about a dependency on itself is RFC 7540's (s5.3.1); RFC 9113 only says that the fields are ignored. */
void h2_on_priority(struct nu_h2 *c, const uint8_t *p, uint32_t n)
{
    enum nu_h2_code code = NU_H2_NO_ERROR;
    h2_track_frame(c, n);
    if (n != 5)
        code = NU_H2_FRAME_SIZE_ERROR;
    else if ((h2_get32(p) & H2_MAX_ID) == c->frame.stream_id)
        code = NU_H2_PROTOCOL_ERROR;
    if (code == NU_H2_NO_ERROR || h2_over(c))
        return;
    struct nu_h2_stream *s = h2_find(c, c->frame.stream_id);
    if (s != NULL)
        h2_stream_error(c, s, code, NU_H2_RESET_FAULT, NU_STR("http2.remote_reset"));
    else
        h2_protocol_error(c, code, NU_STR("an invalid PRIORITY"));
}

void h2_on_rst_stream(struct nu_h2 *c, const uint8_t *p, uint32_t n)
{
    uint32_t code = h2_get32(p), id = c->frame.stream_id;
    struct nu_h2_stream *s = h2_find(c, id);
    if (s == NULL) {
        if (h2_is_idle(c, id))
            h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("RST_STREAM on an idle stream"));
        return;
    }
    s->wire_in += H2_FRAME_HEAD + n;
    h2_count(c, NU_H2_COUNT_rx_reset);
    h2_track_reset(c);
    const struct nu_h2_reset why = {.cause = NU_H2_RESET_REMOTE, .code = code,
        .details = code == NU_H2_REFUSED_STREAM ? NU_STR("http2.remote_refuse") : NU_STR("http2.remote_reset")};
    if (!h2_over(c))
        h2_stream_close(c, s, &why);
}

/* ---- SETTINGS (s6.5) ---- */

static void shift_window(struct nu_h2 *c, struct nu_h2_stream *s, int64_t by)
{
    s->send_window += by;
    if (s->send_window > (int64_t)H2_MAX_WINDOW)
        h2_protocol_error(c, NU_H2_FLOW_CONTROL_ERROR, NU_STR("SETTINGS_INITIAL_WINDOW_SIZE overflows a window"));
    else if (by > 0)
        h2_wake(c, s);
    else if (s->send_window <= 0)
        nu_list_remove(&s->ready);
}

static void set_initial_window(struct nu_h2 *c, uint32_t size)
{
    int64_t by = (int64_t)size - (int64_t)c->peer_initial_window;
    c->peer_initial_window = size;
    if (by != 0)
        h2_each_stream(c, shift_window, by);
}

static void invalid_setting(struct nu_h2 *c, nu_str reason)
{
    h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, reason);
}

static void apply_setting(struct nu_h2 *c, uint16_t id, uint32_t value)
{
    switch (id) {
    case H2_HEADER_TABLE_SIZE:
        nu_hpack_encoder_peer_limit(&c->encoder, value);
        break;
    case H2_ENABLE_PUSH:
        if (value > 1 || (!c->server && value != 0)) /* a server must not say 1 */
            invalid_setting(c, NU_STR("an invalid SETTINGS_ENABLE_PUSH"));
        break;
    case H2_MAX_CONCURRENT_STREAMS:
        c->peer_max_streams = value;
        break;
    case H2_MAX_FRAME_SIZE:
        if (value < H2_FRAME_MAX || value > 0xffffff)
            invalid_setting(c, NU_STR("an invalid SETTINGS_MAX_FRAME_SIZE"));
        break; /* we send none that are larger than the least that must be taken */
    case H2_ENABLE_CONNECT_PROTOCOL:
        if (value > 1 || (value == 0 && c->peer_allows_connect))
            invalid_setting(c, NU_STR("an invalid SETTINGS_ENABLE_CONNECT_PROTOCOL"));
        else
            c->peer_allows_connect = value == 1;
        break;
    case H2_INITIAL_WINDOW_SIZE:
        if (value > H2_MAX_WINDOW)
            h2_protocol_error(c, NU_H2_FLOW_CONTROL_ERROR, NU_STR("SETTINGS_INITIAL_WINDOW_SIZE over 2^31-1"));
        break; /* h2_on_settings applies the last one */
    default: /* unknown ones are ignored */
        break;
    }
}

static void settings_acknowledged(struct nu_h2 *c, uint32_t n)
{
    if (n != 0) {
        h2_protocol_error(c, NU_H2_FRAME_SIZE_ERROR, NU_STR("an acknowledgement of SETTINGS with settings"));
        return;
    }
    if (c->settings_acked) {
        c->glitches++;
        return;
    }
    c->settings_acked = true;
    nu_hpack_decoder_limit(&c->decoder, c->opt->hpack_table_size);
}

void h2_on_settings(struct nu_h2 *c, const uint8_t *p, uint32_t n)
{
    if ((c->frame.flags & H2_ACK) != 0) {
        settings_acknowledged(c, n);
        return;
    }
    if (n % 6 != 0) {
        h2_protocol_error(c, NU_H2_FRAME_SIZE_ERROR, NU_STR("SETTINGS of a wrong size"));
        return;
    }
    if (n / 6 > MAX_SETTINGS) {
        h2_protocol_error(c, NU_H2_ENHANCE_YOUR_CALM, NU_STR("too many settings in a frame"));
        return;
    }
    int64_t window = -1;
    for (uint32_t i = 0; i < n && !h2_over(c); i += 6) {
        apply_setting(c, h2_get16(p + i), h2_get32(p + i + 2));
        if (h2_get16(p + i) == H2_INITIAL_WINDOW_SIZE)
            window = h2_get32(p + i + 2); /* a walk over all streams: once */
    }
    if (window >= 0 && !h2_over(c))
        set_initial_window(c, (uint32_t)window);
    if (h2_over(c))
        return;
    c->settings_received = true;
    h2_send_settings_ack(c);
    if (c->ops->on_settings != NULL)
        c->ops->on_settings(c);
}

/* ---- the others ---- */

/* We never allow pushing, and clients must not (s8.4). */
void h2_on_push_promise(struct nu_h2 *c, const uint8_t *p, uint32_t n)
{
    (void)p;
    (void)n;
    h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("PUSH_PROMISE"));
}

void h2_on_ping(struct nu_h2 *c, const uint8_t *p, uint32_t n)
{
    uint64_t opaque;
    (void)n;
    if ((c->frame.flags & H2_ACK) == 0) {
        h2_send_ping_ack(c, p);
        return;
    }
    memcpy(&opaque, p, sizeof(opaque));
    if (c->ops->on_ping_ack != NULL)
        c->ops->on_ping_ack(c, opaque);
}

static void close_unseen(struct nu_h2 *c, struct nu_h2_stream *s, int64_t last_id)
{
    const struct nu_h2_reset why = {.cause = NU_H2_RESET_GOAWAY, .code = NU_H2_REFUSED_STREAM,
        .details = NU_STR("http2.remote_refuse")};
    if (s->id > last_id)
        h2_stream_close(c, s, &why);
}

void h2_on_goaway(struct nu_h2 *c, const uint8_t *p, uint32_t n)
{
    uint32_t last_id = h2_get32(p) & H2_MAX_ID, code = h2_get32(p + 4);
    (void)n;
    c->goaway_received = true;
    if (c->ops->on_goaway != NULL)
        c->ops->on_goaway(c, last_id, code);
    if (!c->server && !h2_over(c))
        h2_each_stream(c, close_unseen, last_id);
}

static void connection_window(struct nu_h2 *c, uint32_t increment)
{
    if (increment == 0) {
        h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("WINDOW_UPDATE of 0"));
        return;
    }
    bool blocked = c->send_window <= 0;
    c->send_window += increment;
    if (c->send_window > (int64_t)H2_MAX_WINDOW)
        h2_protocol_error(c, NU_H2_FLOW_CONTROL_ERROR, NU_STR("WINDOW_UPDATE overflows the connection's window"));
    else if (blocked && c->send_window > 0 && !nu_list_empty(&c->ready))
        h2_want_flush(c);
}

void h2_on_window_update(struct nu_h2 *c, const uint8_t *p, uint32_t n)
{
    uint32_t increment = h2_get32(p) & H2_MAX_WINDOW, id = c->frame.stream_id;
    h2_track_frame(c, n);
    if (h2_over(c))
        return;
    if (id == 0) {
        connection_window(c, increment);
        return;
    }
    struct nu_h2_stream *s = h2_find(c, id);
    if (s == NULL) {
        if (h2_is_idle(c, id))
            h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("WINDOW_UPDATE on an idle stream"));
        return;
    }
    s->wire_in += H2_FRAME_HEAD + n;
    if (increment == 0) {
        h2_stream_error(c, s, NU_H2_PROTOCOL_ERROR, NU_H2_RESET_FAULT, NU_STR("http2.remote_reset"));
        return;
    }
    s->send_window += increment;
    if (s->send_window > (int64_t)H2_MAX_WINDOW)
        h2_stream_error(c, s, NU_H2_FLOW_CONTROL_ERROR, NU_H2_RESET_FAULT, NU_STR("http2.remote_reset"));
    else
        h2_wake(c, s);
}
