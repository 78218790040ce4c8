/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of tls/: OCSP responses in DER. */
#ifndef NU_TLS_TEST_OCSP_H
#define NU_TLS_TEST_OCSP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* A response about serial number 0x1234, this update 20260102030405Z, next update 20260103030405Z, or what is said instead. */
struct test_ocsp {
    bool no_next, no_bytes;
    uint8_t status, singles; /* how many single responses: 1 */
    const char *when;        /* thisUpdate */
    uint8_t serial[3];       /* the integer's octets */
};

static inline size_t test_der(uint8_t *out, uint8_t tag, const uint8_t *in, size_t n)
{
    size_t head = n < 128 ? 2 : 3;
    memmove(out + head, in, n);
    out[0] = tag;
    out[1] = n < 128 ? (uint8_t)n : 0x81;
    if (n >= 128)
        out[2] = (uint8_t)n;
    return head + n;
}

static inline size_t test_ocsp_single(uint8_t *out, const struct test_ocsp *s)
{
    uint8_t id[] = {0x30, 15, 0x30, 2, 5, 0, 4, 1, 'n', 4, 1, 'k', 2, 3, 0, 0x12, 0x34};
    uint8_t b[256], t[32];
    const char *when = s->when != NULL ? s->when : "20260102030405Z";
    size_t n = sizeof(id);
    if (s->serial[0] + s->serial[1] + s->serial[2] > 0)
        memcpy(id + 14, s->serial, 3);
    memcpy(b, id, n);
    b[n++] = 0x80;
    b[n++] = 0;
    n += test_der(b + n, 0x18, (const uint8_t *)when, strlen(when));
    if (!s->no_next) {
        size_t m = test_der(t, 0x18, (const uint8_t *)"20260103030405Z", 15);
        n += test_der(b + n, 0xa0, t, m);
    }
    return test_der(out, 0x30, b, n);
}

static inline nu_str test_ocsp(uint8_t *out, struct test_ocsp s)
{
    static const uint8_t head[] = {0xa2, 3, 4, 1, 'r'};
    static const uint8_t type[] = {6, 9, 0x2b, 6, 1, 5, 5, 7, 48, 1, 1};
    uint8_t b[1024], t[1024];
    size_t n = 0, m = 0;
    for (int i = 0; i < s.singles; i++)
        n += test_ocsp_single(t + n, &s);
    n = test_der(t, 0x30, t, n);
    memcpy(b, head, sizeof(head));
    m = sizeof(head);
    m += test_der(b + m, 0x18, (const uint8_t *)"20260102030405Z", 15);
    memcpy(b + m, t, n);
    m = test_der(b, 0x30, b, m + n); /* ResponseData */
    m = test_der(b, 0x30, b, m);     /* BasicOCSPResponse, whose signature nobody reads */
    m = test_der(b, 4, b, m);
    memmove(b + sizeof(type), b, m);
    memcpy(b, type, sizeof(type));
    m = test_der(b, 0x30, b, m + sizeof(type));
    m = test_der(b, 0xa0, b, m);
    if (s.no_bytes)
        m = 0;
    memmove(b + 3, b, m);
    b[0] = 0x0a;
    b[1] = 1;
    b[2] = s.status;
    m = test_der(out, 0x30, b, m + 3);
    return nu_str_make(out, m);
}

#endif
