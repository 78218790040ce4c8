/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/test_rig.h"

#include "upstream/edf.h"

static double weights[8];

static double weight(const void *ctx, uint32_t item)
{
    (void)ctx;
    return weights[item];
}

static void edf_spreads_by_weight(void **state)
{
    (void)state;
    weights[0] = 1, weights[1] = 2, weights[2] = 5;
    struct nu_edf *e = nu_edf_new(3, weight, NULL, 0);
    unsigned n[3] = {0};
    char order[9] = {0};
    for (int i = 0; i < 8; i++) {
        uint32_t item = nu_edf_pick(e, weight, NULL);
        n[item]++;
        order[i] = (char)('a' + item);
    }
    assert_int_equal(n[0], 1);
    assert_int_equal(n[1], 2);
    assert_int_equal(n[2], 5);
    assert_string_equal(order, "ccbccabc"); /* deadlines .2 .4 .5 .6 .8 1(a) 1(b) 1(c); ties go by insertion */
    nu_edf_free(&e);
}

static void edf_begins_anywhere_in_its_order(void **state)
{
    (void)state;
    weights[0] = 3, weights[1] = 1, weights[2] = 7;
    for (uint64_t picks = 0; picks < 40; picks++) {
        struct nu_edf *fast = nu_edf_new(3, weight, NULL, picks);
        unsigned n[3] = {0};
        for (int i = 0; i < 1100; i++)
            n[nu_edf_pick(fast, weight, NULL)]++;
        assert_in_range(n[0], 299, 301);
        assert_in_range(n[1], 99, 101);
        assert_in_range(n[2], 699, 701);
        nu_edf_free(&fast);
    }
    weights[0] = weights[1] = weights[2] = 0;
    assert_null(nu_edf_new(3, weight, NULL, 0));
}

static unsigned port_of(const struct nu_host *h)
{
    return h != NULL ? nu_sockaddr_port(&h->address->sock) : 0;
}

static void round_robin_rotates(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    static const struct rig_endpoint e[] = {
        {.ip = "127.0.0.1", .port = 1}, {.ip = "127.0.0.1", .port = 2}, {.ip = "127.0.0.1", .port = 3}};
    struct nu_cluster *c = rig_cluster(&r, e, 3, 1);
    unsigned first = port_of(nu_cluster_pick(c, r.w, NULL));
    for (unsigned i = 1; i < 10; i++)
        assert_int_equal(port_of(nu_cluster_pick(c, r.w, NULL)), (first - 1 + i) % 3 + 1);
    rig_end(&r);
}

static void count_picks(struct rig *r, struct nu_cluster *c, unsigned *by_port, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        by_port[port_of(nu_cluster_pick(c, r->w, NULL))]++;
}

static void weights_count(void **state)
{
    (void)state;
    static const struct nu_extension *const policies[] = {&nu_ext_lb_round_robin, &nu_ext_lb_least_request};
    static const struct rig_endpoint e[] = {{.ip = "127.0.0.1", .port = 1, .weight = 1},
                                            {.ip = "127.0.0.1", .port = 2, .weight = 2},
                                            {.ip = "127.0.0.1", .port = 3, .weight = 7}};
    for (size_t k = 0; k < NU_ARRAY_LEN(policies); k++) {
        struct rig r;
        rig_init(&r);
        struct nu_cluster_build *b = rig_build(rig_assignment(e, 3, 1, false));
        b->info->lb = rig_lb(policies[k]);
        struct nu_cluster *c = rig_apply(&r, b);
        unsigned n[4] = {0};
        count_picks(&r, c, n, 1000);
        assert_in_range(n[1], 99, 101);
        assert_in_range(n[2], 199, 201);
        assert_in_range(n[3], 699, 701);
        rig_end(&r);
    }
}

static void least_request_prefers_the_idle(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    static const struct rig_endpoint e[] = {{.ip = "127.0.0.1", .port = 1}, {.ip = "127.0.0.1", .port = 2}};
    struct nu_cluster_build *b = rig_build(rig_assignment(e, 2, 1, false));
    b->info->lb = rig_lb(&nu_ext_lb_least_request);
    struct nu_cluster *c = rig_apply(&r, b);
    nu_atomic_u64_set(&nu_cluster_hosts(c)->priorities[0].all[0]->stats.rq_active, 5);
    unsigned n[3] = {0};
    count_picks(&r, c, n, 1000);
    assert_in_range(n[1], 150, 350); /* only when both choices fall on it */
    rig_end(&r);
}

static void random_takes_everybody(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    static const struct rig_endpoint e[] = {{.ip = "127.0.0.1", .port = 1, .weight = 1},
                                            {.ip = "127.0.0.1", .port = 2, .weight = 9}};
    struct nu_cluster_build *b = rig_build(rig_assignment(e, 2, 1, false));
    b->info->lb = rig_lb(&nu_ext_lb_random);
    struct nu_cluster *c = rig_apply(&r, b);
    unsigned n[3] = {0};
    count_picks(&r, c, n, 2000);
    assert_in_range(n[1], 850, 1150); /* weights do not count */
    rig_end(&r);
}

#define BAD NU_HEALTH(FAILED_EDS_HEALTH)
#define WEAK NU_HEALTH(DEGRADED_EDS_HEALTH)

static void unhealthy_hosts_wait_for_panic(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    static const struct rig_endpoint e[] = {
        {.ip = "127.0.0.1", .port = 1, .weight = 1, .locality = 0, .health_flags = BAD},
        {.ip = "127.0.0.1", .port = 2},
        {.ip = "127.0.0.1", .port = 3}};
    struct nu_cluster *c = rig_cluster(&r, e, 3, 1);
    unsigned n[4] = {0};
    count_picks(&r, c, n, 300);
    assert_int_equal(n[1], 0);
    assert_int_equal(n[2], 150);
    assert_int_equal(rig_stat(c, NU_CLUSTER_lb_healthy_panic), 0);
    assert_int_equal(rig_membership(c, NU_MEMBERSHIP_membership_healthy), 2);
    nu_atomic_u32_set(&nu_cluster_hosts(c)->priorities[0].all[1]->health_flags, BAD);
    nu_cluster_refresh_hosts(c);
    memset(n, 0, sizeof(n));
    count_picks(&r, c, n, 300);
    assert_int_equal(n[1], 100);
    assert_int_equal(rig_stat(c, NU_CLUSTER_lb_healthy_panic), 300);
    rig_end(&r);
}

static bool refuse_port_1(const struct nu_lb_context *ctx, const struct nu_host *h)
{
    (void)ctx;
    return port_of(h) == 1;
}

static void a_retry_may_refuse_hosts(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    static const struct rig_endpoint e[] = {{.ip = "127.0.0.1", .port = 1}, {.ip = "127.0.0.1", .port = 2}};
    struct nu_cluster *c = rig_cluster(&r, e, 2, 1);
    struct nu_lb_context ctx = {.refuse = refuse_port_1, .max_attempts = 3};
    for (int i = 0; i < 10; i++)
        assert_int_equal(port_of(nu_cluster_pick(c, r.w, &ctx)), 2);
    rig_end(&r);
}

static void localities_share_by_weight(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    static const struct rig_endpoint e[] = {{.ip = "127.0.0.1", .port = 1, .weight = 1, .locality = 0},
                                            {.ip = "127.0.0.1", .port = 2, .weight = 1, .locality = 1},
                                            {.ip = "127.0.0.1", .port = 3, .weight = 1, .locality = 1}};
    struct nu_cluster_build *b = rig_build(rig_assignment(e, 3, 2, false));
    b->assignment->localities[1].priority = 0;
    b->assignment->localities[0].weight = 3;
    b->assignment->localities[1].weight = 1;
    b->info->locality_weighted = true;
    struct nu_cluster *c = rig_apply(&r, b);
    unsigned n[4] = {0};
    count_picks(&r, c, n, 800);
    assert_in_range(n[1], 599, 601);
    assert_in_range(n[2], 99, 101);
    assert_in_range(n[3], 99, 101);
    rig_end(&r);
}

static void an_empty_cluster_has_no_host(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct nu_cluster *c = rig_cluster(&r, NULL, 0, 0);
    assert_null(nu_cluster_pick(c, r.w, NULL));
    assert_int_equal(rig_stat(c, NU_CLUSTER_lb_healthy_panic), 1);
    rig_end(&r);
}

/* Envoy's documentation, "priority levels": healthy and degraded percentages of the levels, and the loads that follow.
 */
static void priorities_share_the_load(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        unsigned n; /* of 100 hosts per level: healthy, degraded */
        unsigned healthy[3], degraded[3];
        unsigned load[3], degraded_load[3];
        bool panic[3];
    } cases[] = {
        {"all well", 2, {100, 100}, {0}, {100, 0}, {0}, {0}},
        {"72 % is enough", 2, {72, 72}, {0}, {100, 0}, {0}, {0}},
        {"71 % is not", 2, {71, 71}, {0}, {99, 1}, {0}, {0}},
        {"half", 2, {50, 50}, {0}, {70, 30}, {0}, {0}},
        {"quarter and all", 2, {25, 100}, {0}, {35, 65}, {0}, {0}},
        {"quarter and quarter", 2, {25, 25}, {0}, {50, 50}, {0}, {1, 1}},
        {"three levels", 3, {25, 25, 25}, {0}, {35, 35, 30}, {0}, {0}},
        {"scaled", 3, {25, 25, 20}, {0}, {36, 35, 28}, {0}, {1, 1, 1}},
        {"degraded help", 2, {5, 0}, {0, 65}, {7, 0}, {0, 91}, {1, 0}},
        {"nothing at all", 2, {0, 0}, {0}, {50, 50}, {0}, {1, 1}},
        {"first is empty of health", 2, {0, 100}, {0}, {0, 100}, {0}, {0}},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        struct rig r;
        struct rig_endpoint e[300];
        unsigned n = 0;
        rig_init(&r);
        for (unsigned p = 0; p < cases[i].n; p++)
            for (unsigned h = 0; h < 100; h++, n++)
                e[n] = (struct rig_endpoint){.ip = "127.0.0.1",
                                             .port = (uint16_t)(n + 1),
                                             .weight = 1,
                                             .locality = p,
                                             .health_flags = h < cases[i].healthy[p]                          ? 0
                                                             : h < cases[i].healthy[p] + cases[i].degraded[p] ? WEAK
                                                                                                              : BAD};
        const struct nu_host_set *s = nu_cluster_hosts(rig_cluster(&r, e, n, cases[i].n));
        unsigned sum = 0;
        for (unsigned p = 0; p < cases[i].n; p++) {
            sum += s->healthy_load[p] + s->degraded_load[p];
            if (s->panic[p] != cases[i].panic[p])
                fail_msg("%s: panic[%u] is %d", cases[i].what, p, s->panic[p]);
            if (cases[i].panic[0] && cases[i].panic[cases[i].n - 1])
                continue; /* total panic: by number of hosts */
            if (abs((int)s->healthy_load[p] - (int)cases[i].load[p]) > 2)
                fail_msg("%s: load[%u] is %u", cases[i].what, p, s->healthy_load[p]);
            if (abs((int)s->degraded_load[p] - (int)cases[i].degraded_load[p]) > 2)
                fail_msg("%s: degraded load[%u] is %u", cases[i].what, p, s->degraded_load[p]);
        }
        assert_int_equal(sum, 100);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edf_spreads_by_weight),
        cmocka_unit_test(edf_begins_anywhere_in_its_order),
        cmocka_unit_test(round_robin_rotates),
        cmocka_unit_test(weights_count),
        cmocka_unit_test(least_request_prefers_the_idle),
        cmocka_unit_test(random_takes_everybody),
        cmocka_unit_test(unhealthy_hosts_wait_for_panic),
        cmocka_unit_test(a_retry_may_refuse_hosts),
        cmocka_unit_test(localities_share_by_weight),
        cmocka_unit_test(an_empty_cluster_has_no_host),
        cmocka_unit_test(priorities_share_the_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
