/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/general_name.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/mem.h>
#include <openssl/obj.h>

static nu_str string_text(const ASN1_STRING *s, struct nu_arena *a)
{
    return nu_arena_str(a, nu_str_make(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)));
}

/* NUL bytes are part of the text, so that "good\0evil" is not "good". */
static nu_str utf8_text(const ASN1_STRING *s, struct nu_arena *a)
{
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, s);
    nu_str out = n > 0 ? nu_arena_str(a, nu_str_make(text, (size_t)n)) : NU_STR("");
    OPENSSL_free(text);
    return out;
}

static nu_str number_text(BIGNUM *bn, struct nu_arena *a)
{
    char *digits = bn != NULL ? BN_bn2dec(bn) : NULL;
    nu_str out = digits != NULL ? nu_arena_str(a, nu_str_from(digits)) : NU_STR("");
    OPENSSL_free(digits);
    BN_free(bn);
    return out;
}

static nu_str object_text(const ASN1_OBJECT *o, struct nu_arena *a)
{
    char text[256];
    int n = OBJ_obj2txt(text, sizeof(text), o, 1);
    return n > 0 && (size_t)n < sizeof(text) ? nu_arena_str(a, nu_str_make(text, (size_t)n)) : NU_STR("");
}

static nu_str other_text(const ASN1_TYPE *v, struct nu_arena *a)
{
    switch (v->type) {
    case V_ASN1_BOOLEAN:
        return v->value.boolean ? NU_STR("true") : NU_STR("false");
    case V_ASN1_ENUMERATED:
        return number_text(ASN1_ENUMERATED_to_BN(v->value.enumerated, NULL), a);
    case V_ASN1_INTEGER:
        return number_text(ASN1_INTEGER_to_BN(v->value.integer, NULL), a);
    case V_ASN1_OBJECT:
        return object_text(v->value.object, a);
    case V_ASN1_BMPSTRING:
    case V_ASN1_UNIVERSALSTRING:
        return utf8_text(v->value.asn1_string, a);
    case V_ASN1_BIT_STRING:
    case V_ASN1_OCTET_STRING:
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_T61STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_GENERALSTRING:
    case V_ASN1_UTCTIME:
    case V_ASN1_GENERALIZEDTIME:
    case V_ASN1_VISIBLESTRING:
    case V_ASN1_UTF8STRING:
    case V_ASN1_SET:
    case V_ASN1_SEQUENCE:
        return string_text(v->value.asn1_string, a);
    default:
        return NU_STR("");
    }
}

static nu_str address_text(const ASN1_OCTET_STRING *ip, struct nu_arena *a)
{
    char text[INET6_ADDRSTRLEN];
    int n = ASN1_STRING_length(ip);
    if (n != 4 && n != 16)
        return NU_STR("");
    inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), text, sizeof(text));
    return nu_arena_str(a, nu_str_from(text));
}

nu_str nu_general_name_text(const GENERAL_NAME *name, struct nu_arena *a)
{
    switch (name->type) {
    case GEN_DNS:
        return string_text(name->d.dNSName, a);
    case GEN_URI:
        return string_text(name->d.uniformResourceIdentifier, a);
    case GEN_EMAIL:
        return string_text(name->d.rfc822Name, a);
    case GEN_IPADD:
        return address_text(name->d.iPAddress, a);
    case GEN_OTHERNAME:
        return name->d.otherName->value != NULL ? other_text(name->d.otherName->value, a) : NU_STR("");
    default:
        return NU_STR("");
    }
}

GENERAL_NAMES *nu_general_names(const X509 *x)
{
    return X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
}

/* One label: the part before the '*' and the part after it must be there. */
static bool label_match(nu_str label, nu_str pattern)
{
    ssize_t star = nu_str_find(pattern, '*');
    nu_str before = nu_str_first(pattern, (size_t)star), after = nu_str_skip(pattern, (size_t)star + 1);
    return nu_str_find(after, '*') < 0 && label.len + 1 >= pattern.len && nu_str_starts_nocase(label, before) &&
           nu_str_eq_nocase(nu_str_skip(label, label.len - after.len), after);
}

bool nu_dns_name_match(nu_str name, nu_str in_certificate)
{
    if (nu_str_eq_nocase(name, in_certificate))
        return true;
    nu_str parent = name, pattern_parent = in_certificate;
    nu_str label = nu_str_next(&parent, '.'), pattern = nu_str_next(&pattern_parent, '.');
    if (parent.ptr == NULL || pattern_parent.ptr == NULL || !nu_str_eq_nocase(parent, pattern_parent))
        return false;
    /* An internationalised label has its encoding in it, where a '*' means nothing (RFC 6125 s7.2). */
    return nu_str_find(pattern, '*') >= 0 && nu_str_find(pattern_parent, '*') < 0 &&
           !nu_str_starts_nocase(pattern, NU_STR("xn--")) && label_match(label, pattern);
}
