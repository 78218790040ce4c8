/* SPDX-License-Identifier: Apache-2.0
 *
 * What a secret says: its message and, for secrets from SDS, what is in the files that it names. */
#include <openssl/sha.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "codec/pb/wire.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.nu.h"
#include "net/data_source.h"
#include "tls/certificate.h"
#include "tls/secret_priv.h"
#include "tls/validation.h"

#define MAX_FILE (16u << 20)
#define MAX_READS 10 /* until all files are the same twice */

/* ---- the sources of data in it ---- */

static void visit(source_msg *d, void (*fn)(source_msg *d, void *arg), void *arg)
{
    if (d != NULL)
        fn(d, arg);
}

static void each_source(const secret_msg *m, void (*fn)(source_msg *d, void *arg), void *arg)
{
    if (m->tls_certificate != NULL) {
        visit(m->tls_certificate->certificate_chain, fn, arg);
        visit(m->tls_certificate->private_key, fn, arg);
        visit(m->tls_certificate->pkcs12, fn, arg);
        visit(m->tls_certificate->password, fn, arg);
        visit(m->tls_certificate->ocsp_staple, fn, arg);
    }
    if (m->validation_context != NULL) {
        visit(m->validation_context->trusted_ca, fn, arg);
        visit(m->validation_context->crl, fn, arg);
    }
    for (size_t i = 0; m->session_ticket_keys != NULL && i < m->session_ticket_keys->n_keys; i++)
        visit(m->session_ticket_keys->keys[i], fn, arg);
    if (m->generic_secret != NULL) {
        visit(m->generic_secret->secret, fn, arg);
        for (size_t i = 0; i < m->generic_secret->n_secrets; i++)
            visit(m->generic_secret->secrets[i].value, fn, arg);
    }
}

struct each_file {
    void (*fn)(nu_str path, void *arg);
    void *arg;
};

static void on_source(source_msg *d, void *arg)
{
    struct each_file *e = arg;
    if (d->specifier_case == envoy_config_core_v3_DataSource_filename_case)
        e->fn(d->filename, e->arg);
}

void nu_secret_each_file(const secret_msg *m, void (*fn)(nu_str path, void *arg), void *arg)
{
    struct each_file e = {fn, arg};
    each_source(m, on_source, &e);
}

const directory_msg *nu_secret_watched_directory(const secret_msg *m)
{
    if (m->tls_certificate != NULL)
        return m->tls_certificate->watched_directory;
    return m->validation_context != NULL ? m->validation_context->watched_directory : NULL;
}

/* ---- files ---- */

struct reading {
    struct nu_factory f;
    SHA256_CTX sha;
    bool inlining; /* the contents go into the message */
    bool ok;
};

static void read_file(source_msg *d, void *arg)
{
    struct reading *r = arg;
    nu_str content;
    if (d->specifier_case != envoy_config_core_v3_DataSource_filename_case)
        return;
    if (!nu_data_source_read(&r->f, d, MAX_FILE, &content)) {
        r->ok = false;
        return;
    }
    SHA256_Update(&r->sha, &content.len, sizeof(content.len));
    SHA256_Update(&r->sha, content.ptr, content.len);
    if (!r->inlining)
        return;
    d->specifier_case = envoy_config_core_v3_DataSource_inline_bytes_case;
    d->inline_bytes = content;
}

static bool read_files(struct nu_factory *f, struct nu_arena *a, const secret_msg *m, bool inlining, uint8_t *digest)
{
    struct reading r = {.f = *f, .inlining = inlining, .ok = true};
    r.f.arena = a;
    SHA256_Init(&r.sha);
    each_source(m, read_file, &r);
    SHA256_Final(digest, &r.sha);
    return r.ok;
}

/* ---- values ---- */

static secret_msg *copy(struct nu_arena *a, struct nu_diags *d, const secret_msg *m)
{
    struct nu_sb wire = {0};
    nu_pb_encode(&wire, m);
    struct nu_pb_msg *out = nu_pb_decode(a, d, NU_STR(""), nu_sb_str(&wire),
                                         &envoy_extensions_transport_sockets_tls_v3_Secret_type, NULL);
    nu_sb_free(&wire);
    return (secret_msg *)(void *)out;
}

/* Files that belong together are changed one after another: what was read is good when the next reading finds the same. */
static bool fill(struct nu_factory *f, struct nu_secret_value *v, const secret_msg *m, bool from_sds)
{
    v->given = copy(&v->arena, f->diags, m);
    v->msg = v->given;
    if (v->given == NULL)
        return false;
    for (int i = 0; i < MAX_READS; i++) {
        uint8_t again[SHA256_DIGEST_LENGTH];
        secret_msg *with_files = from_sds ? copy(&v->arena, f->diags, m) : NULL;
        struct nu_arena scratch;
        nu_arena_init(&scratch, NULL);
        bool ok = read_files(f, &v->arena, from_sds ? with_files : v->given, from_sds, v->files) &&
                  read_files(f, &scratch, v->given, false, again);
        nu_arena_clear(&scratch);
        if (!ok)
            return false;
        if (memcmp(again, v->files, sizeof(again)) != 0)
            continue;
        v->msg = from_sds ? with_files : v->given;
        return true;
    }
    nu_pb_error(f->diags, m, NULL, "its files change all the time");
    return false;
}

struct nu_secret_value *nu_secret_value_new(struct nu_factory *f, const secret_msg *m, bool from_sds)
{
    struct nu_secret_value *v = nu_new(struct nu_secret_value);
    nu_arena_init(&v->arena, NULL);
    bool watched = from_sds || nu_secret_watched_directory(m) != NULL;
    if (!watched) /* its users read the files, once */
        v->given = v->msg = copy(&v->arena, f->diags, m);
    if (watched ? fill(f, v, m, from_sds) : v->given != NULL)
        return v;
    nu_secret_value_free(&v);
    return NULL;
}

void nu_secret_value_free(struct nu_secret_value **vp)
{
    struct nu_secret_value *v = nu_take(vp);
    if (v == NULL)
        return;
    nu_arena_clear(&v->arena);
    nu_free(v);
}

/* ---- checks ---- */

int nu_secret_case(enum nu_secret_kind kind)
{
    static const int cases[] = {
        [NU_SECRET_CERTIFICATE] = envoy_extensions_transport_sockets_tls_v3_Secret_tls_certificate_case,
        [NU_SECRET_VALIDATION] = envoy_extensions_transport_sockets_tls_v3_Secret_validation_context_case,
        [NU_SECRET_TICKET_KEYS] = envoy_extensions_transport_sockets_tls_v3_Secret_session_ticket_keys_case,
        [NU_SECRET_GENERIC] = envoy_extensions_transport_sockets_tls_v3_Secret_generic_secret_case,
    };
    return cases[kind];
}

const char *nu_secret_kind_name(enum nu_secret_kind kind)
{
    static const char *const names[] = {
        [NU_SECRET_CERTIFICATE] = "TlsCertificate",
        [NU_SECRET_VALIDATION] = "CertificateValidationContext",
        [NU_SECRET_TICKET_KEYS] = "TlsSessionTicketKeys",
        [NU_SECRET_GENERIC] = "GenericSecret",
    };
    return names[kind];
}

/* Without a CA it may be the part of a combined context that has none. */
static bool stands_alone(const struct envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext *m)
{
    return m->trusted_ca != NULL || m->system_root_certs != NULL ||
           (m->crl == NULL && m->n_match_typed_subject_alt_names == 0 && m->n_match_subject_alt_names == 0 &&
            !m->allow_expired_certificate);
}

bool nu_secret_check(struct nu_factory *f, const secret_msg *m)
{
    struct nu_factory scratch = *f;
    struct nu_arena arena;
    bool ok = true;
    nu_arena_init(&arena, NULL);
    scratch.arena = &arena;
    if (m->tls_certificate != NULL) {
        struct nu_tls_certificate c;
        ok = nu_tls_certificate_load(&scratch, m->tls_certificate, m->name, &c);
        nu_tls_certificate_clear(&c);
    } else if (m->validation_context != NULL && stands_alone(m->validation_context)) {
        struct nu_tls_validation *v = nu_tls_validation_load(&scratch, m->validation_context, m->name);
        ok = v != NULL;
        nu_tls_validation_clear(v);
    }
    nu_arena_clear(&arena);
    return ok;
}
