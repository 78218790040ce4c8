/* SPDX-License-Identifier: Apache-2.0
 *
 * From records to the message, from the message to its parts, and the checks that come before a server would look at the
 * name. What only matters later in a handshake (shared ciphers, key shares) is left to the TLS stack behind. */
#include "codec/tls/client_hello.h"

#include "codec/tls/reader.h"

#define RECORD_HEADER 5u
#define MESSAGE_HEADER 4u
#define HANDSHAKE 22
#define CLIENT_HELLO 1
/* RFC 8446 s5.2: 2^14, and what the library lets ciphertext have on top. */
#define RECORD_PLAIN_MAX 16384u
#define RECORD_MAX (RECORD_PLAIN_MAX + 320u)
#define EMPTY_RECORDS_MAX 32u

enum extension { EXT_SERVER_NAME = 0, EXT_ALPN = 16, EXT_ECH = 0xfe0d };

#define FAIL(out, number, text)                                                                    \
    do {                                                                                           \
        static const struct nu_hello_error error_ = {(number), (text)};                            \
        (out)->error = &error_;                                                                    \
        return false;                                                                              \
    } while (0)

/* ---- the message's parts ---- */

bool nu_client_hello_extension(const struct nu_client_hello *h, uint16_t type, nu_str *body)
{
    nu_str rest = h->extensions;
    uint16_t t;
    while (nu_tls_u16(&rest, &t) && nu_tls_vector(&rest, 2, body))
        if (t == type)
            return true;
    return false;
}

bool nu_alpn_next(nu_str *list, nu_str *name)
{
    return nu_tls_vector(list, 1, name);
}

/* struct { NameType name_type; opaque HostName<1..2^16-1>; } ServerName; one, of a host (RFC 6066 s3). */
static bool read_server_name(nu_str body, nu_str *name)
{
    nu_str list;
    uint32_t type;
    return nu_tls_only_vector(body, 2, &list) && nu_tls_number(&list, 1, &type) && type == 0 &&
           nu_tls_only_vector(list, 2, name) && name->len > 0 && name->len <= 255 && nu_str_find(*name, '\0') < 0;
}

/* Malformed lists are no error here: the TLS stack will say so. */
static void read_alpn(nu_str body, nu_str *alpn)
{
    nu_str list, name;
    if (!nu_tls_only_vector(body, 2, &list) || list.len < 2)
        return;
    nu_str rest = list;
    while (rest.len > 0)
        if (!nu_tls_vector(&rest, 1, &name) || name.len == 0)
            return;
    *alpn = list;
}

/* ECHClientHello (RFC 9849 s5): outer (0), or the mark of an inner one (1). */
static bool check_ech(nu_str body)
{
    uint32_t type, ids;
    nu_str enc, payload;
    if (!nu_tls_number(&body, 1, &type))
        return false;
    if (type != 0)
        return true;
    return nu_tls_number(&body, 4, &ids) && nu_tls_number(&body, 1, &ids) && nu_tls_vector(&body, 2, &enc) &&
           nu_tls_vector(&body, 2, &payload) && body.len == 0;
}

/* Well-formed, and each type once. A set, so that thousands of types cost no square. */
static bool check_extensions(nu_str rest)
{
    uint64_t seen[65536 / 64] = {0};
    nu_str body;
    uint16_t type;
    while (rest.len > 0) {
        if (!nu_tls_u16(&rest, &type) || !nu_tls_vector(&rest, 2, &body) || (seen[type / 64] >> type % 64 & 1) != 0)
            return false;
        seen[type / 64] |= 1ull << type % 64;
    }
    return true;
}

/* struct { ProtocolVersion legacy_version; Random random; opaque legacy_session_id<0..32>; CipherSuite cipher_suites<2..>;
 *          opaque legacy_compression_methods<1..>; Extension extensions<..>; } ClientHello; */
static bool split_message(nu_str body, struct nu_client_hello *h)
{
    nu_str random, session_id, compression;
    if (!nu_tls_u16(&body, &h->version) || !nu_tls_take(&body, 32, &random) ||
        !nu_tls_vector(&body, 1, &session_id) || session_id.len > 32 || !nu_tls_vector(&body, 2, &h->ciphers) ||
        h->ciphers.len < 2 || h->ciphers.len % 2 != 0 || !nu_tls_vector(&body, 1, &compression) || compression.len == 0)
        return false;
    return body.len == 0 || (nu_tls_only_vector(body, 2, &h->extensions) && check_extensions(h->extensions));
}

static bool read_message(nu_str message, struct nu_client_hello *h)
{
    nu_str body;
    if (!split_message(message, h))
        FAIL(h, 131, "CLIENTHELLO_PARSE_FAILED");
    if (nu_client_hello_extension(h, EXT_ECH, &body) && !check_ech(body))
        FAIL(h, 137, "DECODE_ERROR");
    if (nu_client_hello_extension(h, EXT_SERVER_NAME, &body) && !read_server_name(body, &h->server_name))
        FAIL(h, 149, "ERROR_PARSING_EXTENSION");
    if (nu_client_hello_extension(h, EXT_ALPN, &body))
        read_alpn(body, &h->alpn);
    return true;
}

/* ---- records ---- */

/* How far the records of a ClientHello have been put together. */
struct assembly {
    nu_str message;  /* what there is of it */
    char *scratch;   /* where it is put together once a second record has some of it */
    unsigned n_empty;
};

static bool begins(nu_str in, const char *word)
{
    return nu_str_starts(in, nu_str_from(word));
}

static bool check_first_bytes(nu_str in, struct nu_client_hello *out)
{
    if (begins(in, "GET ") || begins(in, "POST ") || begins(in, "HEAD ") || begins(in, "PUT "))
        FAIL(out, 156, "HTTP_REQUEST");
    if (begins(in, "CONNE"))
        FAIL(out, 155, "HTTPS_PROXY_REQUEST");
    return true;
}

static bool check_record_header(nu_str header, uint32_t len, struct nu_client_hello *out)
{
    if (header.ptr[1] != 3)
        FAIL(out, 247, "WRONG_VERSION_NUMBER");
    if (len > RECORD_MAX)
        FAIL(out, 146, "ENCRYPTED_LENGTH_TOO_LONG");
    return true;
}

static bool check_record(uint8_t type, nu_str body, struct assembly *a, struct nu_client_hello *out)
{
    if (body.len > RECORD_PLAIN_MAX)
        FAIL(out, 134, "DATA_LENGTH_TOO_LONG");
    if (body.len == 0 && ++a->n_empty > EMPTY_RECORDS_MAX)
        FAIL(out, 219, "TOO_MANY_EMPTY_FRAGMENTS");
    if (type != HANDSHAKE)
        FAIL(out, 225, "UNEXPECTED_RECORD");
    return true;
}

static void append(struct assembly *a, nu_str body)
{
    if (a->message.len == 0) {
        a->message = body;
        return;
    }
    if (a->message.ptr != a->scratch)
        memcpy(a->scratch, a->message.ptr, a->message.len);
    if (body.len > 0)
        memcpy(a->scratch + a->message.len, body.ptr, body.len);
    a->message = nu_str_make(a->scratch, a->message.len + body.len);
}

static bool check_message_header(nu_str message, struct nu_client_hello *out)
{
    uint32_t type, len;
    if (!nu_tls_number(&message, 1, &type) || !nu_tls_number(&message, 3, &len))
        return true; /* not there yet */
    if (len > NU_HELLO_MESSAGE_MAX)
        FAIL(out, 150, "EXCESSIVE_MESSAGE_SIZE");
    return true;
}

static bool check_message(uint32_t type, nu_str behind, struct nu_client_hello *out)
{
    if (type != CLIENT_HELLO)
        FAIL(out, 223, "UNEXPECTED_MESSAGE");
    if (behind.len > 0)
        FAIL(out, 255, "EXCESS_HANDSHAKE_DATA");
    return true;
}

/* The whole message, once it is there. */
static enum nu_hello_status try_message(const struct assembly *a, struct nu_client_hello *out)
{
    nu_str rest = a->message, body;
    uint32_t type = 0;
    if (!check_message_header(a->message, out))
        return NU_HELLO_ERROR;
    if (!nu_tls_number(&rest, 1, &type) || !nu_tls_vector(&rest, 3, &body))
        return NU_HELLO_MORE;
    return check_message(type, rest, out) && read_message(body, out) ? NU_HELLO_DONE : NU_HELLO_ERROR;
}

/* Takes one record. MORE: the record was complete and more is needed, or (*in unchanged) it is not complete. */
static enum nu_hello_status take_record(nu_str *in, struct assembly *a, struct nu_client_hello *out)
{
    nu_str rest = *in, header, body;
    uint32_t len = 0;
    if (!nu_tls_take(&rest, RECORD_HEADER, &header))
        return NU_HELLO_MORE;
    nu_str length = nu_str_skip(header, 3);
    out->looked_at += RECORD_HEADER;
    if (!nu_tls_number(&length, 2, &len) || !check_record_header(header, len, out))
        return NU_HELLO_ERROR;
    if (!nu_tls_take(&rest, len, &body))
        return NU_HELLO_MORE;
    out->looked_at += len;
    if (!check_record((uint8_t)header.ptr[0], body, a, out))
        return NU_HELLO_ERROR;
    append(a, body);
    *in = rest;
    return try_message(a, out);
}

enum nu_hello_status nu_client_hello_parse(nu_str in, char *scratch, struct nu_client_hello *out)
{
    struct assembly a = {.scratch = scratch};
    enum nu_hello_status status = NU_HELLO_MORE;
    size_t all = in.len, before = 0;
    *out = (struct nu_client_hello){.server_name = NU_STR(""), .alpn = NU_STR("")};
    if (in.len >= RECORD_HEADER && !check_first_bytes(in, out)) {
        out->looked_at = RECORD_HEADER;
        return NU_HELLO_ERROR;
    }
    while (status == NU_HELLO_MORE && in.len != before) {
        before = in.len;
        status = take_record(&in, &a, out);
    }
    if (status == NU_HELLO_MORE)
        out->looked_at = all;
    return status;
}
