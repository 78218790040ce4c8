/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/select.h"

/* The first certificate of each key type that has a name. */
struct nu_tls_by_type {
    struct {
        bool set;
        size_t cert;
    } types[3]; /* ECDSA, RSA, others */
};

static unsigned type_of(const struct nu_tls_candidate *c)
{
    return c->curve != NU_CURVE_NONE ? 0 : c->rsa ? 1 : 2;
}

static void add_name(struct nu_arena *a, struct nu_tls_names *names, nu_str name, size_t cert)
{
    nu_str key = nu_str_starts(name, NU_STR("*.")) ? nu_str_skip(name, 1) : name;
    struct nu_tls_by_type *by = nu_map_get(&names->map, key);
    if (by == NULL) {
        by = nu_arena_new(a, struct nu_tls_by_type);
        nu_map_put(&names->map, key, by);
    }
    unsigned type = type_of(&names->certs[cert]);
    if (by->types[type].set)
        return;
    by->types[type].set = true;
    by->types[type].cert = cert;
}

static void free_map(void *arg)
{
    nu_map_free(arg);
}

struct nu_tls_names *nu_tls_names_new(struct nu_arena *a, const struct nu_tls_candidate *certs, size_t n)
{
    struct nu_tls_names *names = nu_arena_new(a, struct nu_tls_names);
    names->certs = certs;
    names->n = n;
    nu_arena_on_clear(a, free_map, &names->map);
    for (size_t i = 0; i < n; i++) {
        names->has_rsa |= certs[i].rsa;
        for (size_t k = 0; k < certs[i].n_names; k++)
            add_name(a, names, certs[i].names[k], i);
    }
    return names;
}

/* ---- choosing ---- */

struct search {
    const struct nu_tls_names *names;
    const struct nu_tls_client *client;
    enum nu_ocsp_policy policy;
    int64_t now;
    bool found, has_candidate;
    struct nu_tls_choice choice, candidate;
};

static enum nu_staple staple(const struct search *s, const struct nu_tls_candidate *c)
{
    if (!s->client->asks_ocsp)
        return NU_STAPLE_NOT_ASKED;
    if (c->has_response && (c->response_expires == 0 || c->response_expires > s->now))
        return NU_STAPLE_SEND;
    if (c->must_staple || s->policy == NU_OCSP_MUST || (s->policy == NU_OCSP_STRICT && c->has_response))
        return NU_STAPLE_FAIL;
    return NU_STAPLE_OMIT;
}

/* A certificate that fits ends the search; an RSA one is kept for a client that would rather have ECDSA. */
static void look_at(struct search *s, size_t cert)
{
    const struct nu_tls_candidate *c = &s->names->certs[cert];
    struct nu_tls_choice choice = {.cert = cert, .staple = staple(s, c)};
    if (choice.staple == NU_STAPLE_FAIL)
        return;
    if ((c->curve & s->client->curves) != 0 || (s->client->curves == 0 && c->curve == NU_CURVE_NONE)) {
        s->found = true;
        s->choice = choice;
    } else if (c->curve == NU_CURVE_NONE && !s->has_candidate) {
        s->has_candidate = true;
        s->candidate = choice;
    }
}

static void look_up(struct search *s, nu_str name)
{
    const struct nu_tls_by_type *by = nu_map_get(&s->names->map, name);
    for (unsigned i = 0; by != NULL && i < NU_ARRAY_LEN(by->types) && !s->found; i++)
        if (by->types[i].set)
            look_at(s, by->types[i].cert);
}

static void take_candidate(struct search *s)
{
    if (s->found || !s->has_candidate)
        return;
    s->found = true;
    s->choice = s->candidate;
}

static void by_sni(struct search *s)
{
    nu_str sni = s->client->sni;
    look_up(s, sni);
    take_candidate(s);
    ssize_t dot = sni.len > 1 ? nu_str_find(nu_str_skip(sni, 1), '.') : -1;
    if (s->found || dot < 0 || (size_t)dot + 2 >= sni.len)
        return;
    look_up(s, nu_str_skip(sni, (size_t)dot + 1));
    take_candidate(s);
}

static void by_scan(struct search *s)
{
    s->has_candidate = false;
    for (size_t i = 0; i < s->names->n && !s->found && (s->client->curves != 0 || s->names->has_rsa); i++)
        look_at(s, i);
    take_candidate(s);
}

struct nu_tls_choice nu_tls_choose(const struct nu_tls_names *names, const struct nu_tls_client *client,
                                   enum nu_ocsp_policy policy, bool full_scan, int64_t now)
{
    struct search s = {.names = names, .client = client, .policy = policy, .now = now};
    if (client->sni.len > 0)
        by_sni(&s);
    if (!s.found && (client->sni.len == 0 || full_scan))
        by_scan(&s);
    if (!s.found)
        s.choice = (struct nu_tls_choice){.cert = 0, .staple = staple(&s, &names->certs[0])};
    return s.choice;
}
