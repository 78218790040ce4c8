/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/ocsp.h"

#include <openssl/bytestring.h>
#include <openssl/posix_time.h>

#define CONTEXT(n) (CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | (n))
#define CONTEXT_PRIMITIVE(n) (CBS_ASN1_CONTEXT_SPECIFIC | (n))

/* The next element, when it has one of these tags. */
static bool skip_one_of(CBS *in, CBS_ASN1_TAG a, CBS_ASN1_TAG b, CBS_ASN1_TAG c)
{
    return (CBS_peek_asn1_tag(in, a) || CBS_peek_asn1_tag(in, b) || CBS_peek_asn1_tag(in, c)) &&
           CBS_get_any_asn1_element(in, NULL, NULL, NULL);
}

/* GeneralizedTime as DER wants it: YYYYMMDDHHMMSSZ. */
static bool read_time(CBS *in, int64_t *out)
{
    CBS text;
    unsigned v[14];
    if (!CBS_get_asn1(in, &text, CBS_ASN1_GENERALIZEDTIME) || CBS_len(&text) != 15 || CBS_data(&text)[14] != 'Z')
        return false;
    for (int i = 0; i < 14; i++) {
        v[i] = CBS_data(&text)[i] - (unsigned)'0';
        if (v[i] > 9)
            return false;
    }
    struct tm tm = {
        .tm_year = (int)(v[0] * 1000 + v[1] * 100 + v[2] * 10 + v[3]) - 1900,
        .tm_mon = (int)(v[4] * 10 + v[5]) - 1,
        .tm_mday = (int)(v[6] * 10 + v[7]),
        .tm_hour = (int)(v[8] * 10 + v[9]),
        .tm_min = (int)(v[10] * 10 + v[11]),
        .tm_sec = (int)(v[12] * 10 + v[13]),
    };
    return OPENSSL_tm_to_posix(&tm, out) == 1;
}

/* CertID ::= SEQUENCE { hashAlgorithm, issuerNameHash, issuerKeyHash, serialNumber }. The serial number alone tells
 * certificates apart, as in Envoy: this guards against a mistake, not an attack. */
static const char *read_cert_id(CBS *in, struct nu_ocsp *out)
{
    CBS id, serial;
    if (!CBS_get_asn1(in, &id, CBS_ASN1_SEQUENCE))
        return "OCSP CertID is not a well-formed ASN.1 SEQUENCE";
    if (!CBS_get_asn1(&id, NULL, CBS_ASN1_SEQUENCE) || !CBS_get_asn1(&id, NULL, CBS_ASN1_OCTETSTRING) ||
        !CBS_get_asn1(&id, NULL, CBS_ASN1_OCTETSTRING) || !CBS_get_asn1(&id, &serial, CBS_ASN1_INTEGER))
        return "OCSP CertID is not well-formed";
    out->serial = nu_str_make(CBS_data(&serial), CBS_len(&serial));
    return NULL;
}

/* SingleResponse ::= SEQUENCE { certID, certStatus, thisUpdate, nextUpdate [0] OPTIONAL, singleExtensions [1] OPTIONAL } */
static const char *read_single(CBS *in, struct nu_ocsp *out)
{
    CBS single, next;
    int has_next = 0;
    if (!CBS_get_asn1(in, &single, CBS_ASN1_SEQUENCE))
        return "OCSP SingleResponse is not a well-formed ASN.1 SEQUENCE";
    const char *error = read_cert_id(&single, out);
    if (error != NULL)
        return error;
    if (!skip_one_of(&single, CONTEXT_PRIMITIVE(0), CONTEXT(1), CONTEXT_PRIMITIVE(2))) /* good, revoked, unknown */
        return "Unknown OcspCertStatus tag";
    if (!read_time(&single, &out->this_update))
        return "OCSP thisUpdate is not a well-formed GENERALIZEDTIME";
    if (!CBS_get_optional_asn1(&single, &next, &has_next, CONTEXT(0)))
        return "Failed to parse ASN.1 element tag";
    if (has_next && !read_time(&next, &out->next_update))
        return "OCSP nextUpdate is not a well-formed GENERALIZEDTIME";
    return NULL;
}

/* ResponseData ::= SEQUENCE { version [0] DEFAULT v1, responderID, producedAt, responses SEQUENCE OF SingleResponse,
 * responseExtensions [1] OPTIONAL } */
static const char *read_data(CBS *in, struct nu_ocsp *out)
{
    CBS data, version, responses;
    int has_version = 0;
    uint64_t v = 0;
    if (!CBS_get_asn1(in, &data, CBS_ASN1_SEQUENCE))
        return "OCSP ResponseData is not a well-formed ASN.1 SEQUENCE";
    if (!CBS_get_optional_asn1(&data, &version, &has_version, CONTEXT(0)) ||
        (has_version && (!CBS_get_asn1_uint64(&version, &v) || v != 0)))
        return "OCSP ResponseData version is not supported";
    if (!skip_one_of(&data, CONTEXT(1), CONTEXT(2), CONTEXT(2))) /* by name, by key */
        return "Unknown choice for Responder ID";
    if (!CBS_get_asn1(&data, NULL, CBS_ASN1_GENERALIZEDTIME) || !CBS_get_asn1(&data, &responses, CBS_ASN1_SEQUENCE))
        return "Expected sequence of ASN.1 elements.";
    if (CBS_len(&responses) == 0)
        return "OCSP Response must be for one certificate only";
    const char *error = read_single(&responses, out);
    if (error == NULL && CBS_len(&responses) != 0)
        return "OCSP Response must be for one certificate only";
    return error;
}

static bool is_basic(const CBS *oid)
{
    static const uint8_t basic[] = {0x2b, 6, 1, 5, 5, 7, 48, 1, 1}; /* 1.3.6.1.5.5.7.48.1.1 */
    return CBS_mem_equal(oid, basic, sizeof(basic));
}

/* ResponseBytes ::= SEQUENCE { responseType OID, response OCTET STRING } with a BasicOCSPResponse in it. */
static const char *read_bytes(CBS *in, struct nu_ocsp *out)
{
    CBS bytes, type, response, basic;
    if (!CBS_get_asn1(in, &bytes, CBS_ASN1_SEQUENCE))
        return "OCSP ResponseBytes is not a well-formed SEQUENCE";
    if (!CBS_get_asn1(&bytes, &type, CBS_ASN1_OBJECT))
        return "Input is not a well-formed ASN.1 OBJECT";
    if (!CBS_get_asn1(&bytes, &response, CBS_ASN1_OCTETSTRING))
        return "Expected ASN.1 OCTETSTRING for response";
    if (!is_basic(&type))
        return "Unknown OCSP Response type";
    if (!CBS_get_asn1(&response, &basic, CBS_ASN1_SEQUENCE))
        return "OCSP BasicOCSPResponse is not a wellf-formed ASN.1 SEQUENCE"; /* sic */
    return read_data(&basic, out);
}

/* OCSPResponse ::= SEQUENCE { responseStatus ENUMERATED, responseBytes [0] OPTIONAL } */
const char *nu_ocsp_read(nu_str der, struct nu_ocsp *out)
{
    CBS in, response, status, bytes;
    int has_bytes = 0;
    *out = (struct nu_ocsp){0};
    CBS_init(&in, (const uint8_t *)der.ptr, der.len);
    if (!CBS_get_asn1(&in, &response, CBS_ASN1_SEQUENCE))
        return "OCSP Response is not a well-formed ASN.1 SEQUENCE";
    if (CBS_len(&in) != 0)
        return "Data contained more than a single OCSP response";
    if (!CBS_get_asn1(&response, &status, CBS_ASN1_ENUMERATED) || CBS_len(&status) != 1)
        return "OCSP ResponseStatus is not a well-formed ASN.1 ENUMERATED";
    if (CBS_data(&status)[0] != 0)
        return "OCSP response was unsuccessful";
    if (!CBS_get_optional_asn1(&response, &bytes, &has_bytes, CONTEXT(0)))
        return "Failed to parse ASN.1 element tag";
    if (!has_bytes)
        return "OCSP response has no body";
    return read_bytes(&bytes, out);
}
