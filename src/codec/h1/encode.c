/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/h1/encode.h"

nu_str nu_h1_reason(unsigned status)
{
    switch (status) {
#define X(code, text)                                                                              \
    case code:                                                                                     \
        return NU_STR(text);
        X(100, "Continue")
        X(101, "Switching Protocols")
        X(102, "Processing")
        X(103, "Early Hints")
        X(200, "OK")
        X(201, "Created")
        X(202, "Accepted")
        X(203, "Non-Authoritative Information")
        X(204, "No Content")
        X(205, "Reset Content")
        X(206, "Partial Content")
        X(207, "Multi-Status")
        X(208, "Already Reported")
        X(226, "IM Used")
        X(300, "Multiple Choices")
        X(301, "Moved Permanently")
        X(302, "Found")
        X(303, "See Other")
        X(304, "Not Modified")
        X(305, "Use Proxy")
        X(307, "Temporary Redirect")
        X(308, "Permanent Redirect")
        X(400, "Bad Request")
        X(401, "Unauthorized")
        X(402, "Payment Required")
        X(403, "Forbidden")
        X(404, "Not Found")
        X(405, "Method Not Allowed")
        X(406, "Not Acceptable")
        X(407, "Proxy Authentication Required")
        X(408, "Request Timeout")
        X(409, "Conflict")
        X(410, "Gone")
        X(411, "Length Required")
        X(412, "Precondition Failed")
        X(413, "Payload Too Large")
        X(414, "URI Too Long")
        X(415, "Unsupported Media Type")
        X(416, "Range Not Satisfiable")
        X(417, "Expectation Failed")
        X(421, "Misdirected Request")
        X(422, "Unprocessable Entity")
        X(423, "Locked")
        X(424, "Failed Dependency")
        X(425, "Too Early")
        X(426, "Upgrade Required")
        X(428, "Precondition Required")
        X(429, "Too Many Requests")
        X(431, "Request Header Fields Too Large")
        X(500, "Internal Server Error")
        X(501, "Not Implemented")
        X(502, "Bad Gateway")
        X(503, "Service Unavailable")
        X(504, "Gateway Timeout")
        X(505, "HTTP Version Not Supported")
        X(506, "Variant Also Negotiates")
        X(507, "Insufficient Storage")
        X(508, "Loop Detected")
        X(510, "Not Extended")
        X(511, "Network Authentication Required")
        X(599, "Last Unassigned Server Error Code")
#undef X
    default:
        return NU_STR("Unknown");
    }
}

uint8_t *nu_h1_put_field_proper(uint8_t *at, nu_str name, nu_str value)
{
    uint8_t *start = at;
    at = nu_h1_put_field(at, name, value);
    bool upper = true;
    for (size_t i = 0; i < name.len; i++) { /* a word begins after any character that is no letter or digit */
        uint8_t c = start[i];
        bool letter = c >= 'a' && c <= 'z', other = letter || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
        if (upper && letter)
            start[i] = (uint8_t)(c - 0x20);
        upper = !other;
    }
    return at;
}

uint8_t *nu_h1_put_chunk_head(uint8_t *at, uint64_t size)
{
    static const char digits[] = "0123456789abcdef";
    int shift = 60;
    while (shift > 0 && (size >> shift) == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *at++ = (uint8_t)digits[size >> shift & 15];
    *at++ = '\r';
    *at++ = '\n';
    return at;
}
