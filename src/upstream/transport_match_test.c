/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upstream/cluster.h"

#define LABEL(k, v) {NU_STR_INIT(k), v}
#define LABELS(...) {(const struct nu_label[]){__VA_ARGS__}, sizeof((const struct nu_label[]){__VA_ARGS__}) / sizeof(struct nu_label)}

static const struct nu_transport_conf transports[4];

static const struct nu_transport_match matches[] = {
    {LABELS(LABEL("a", 1), LABEL("b", 2)), &transports[0], NULL},
    {LABELS(LABEL("a", 1)), &transports[1], NULL},
    {LABELS(LABEL("c", 3)), &transports[2], NULL},
};

static const struct {
    const char *what;
    struct nu_host_labels labels;
    unsigned want; /* 3: the cluster's */
} rows[] = {
    {"nothing", {{NULL, 0}, {NULL, 0}}, 3},
    {"the first that fits", {LABELS(LABEL("b", 2), LABEL("a", 1)), {NULL, 0}}, 0},
    {"more than is asked for", {LABELS(LABEL("x", 9), LABEL("a", 1)), {NULL, 0}}, 1},
    {"another value", {LABELS(LABEL("a", 2)), {NULL, 0}}, 3},
    {"the locality's", {{NULL, 0}, LABELS(LABEL("a", 1))}, 1},
    {"the endpoint's come first", {LABELS(LABEL("c", 3)), LABELS(LABEL("a", 1))}, 2},
    {"not both together", {LABELS(LABEL("b", 2)), LABELS(LABEL("a", 1))}, 1},
};

static void the_first_match_gives_the_transport(void **state)
{
    (void)state;
    struct nu_cluster_info info = {.transport = &transports[3], .transport_matches = matches, .n_transport_matches = 3};
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        struct nu_host host = {.labels = nu_host_labels_copy(&rows[i].labels)};
        print_message("%s\n", rows[i].what);
        assert_true(nu_host_labels_equal(&host.labels, &rows[i].labels));
        assert_ptr_equal(nu_transport_of(&info, &host), &transports[rows[i].want]);
        nu_host_labels_free(&host.labels);
        assert_int_equal(host.labels.endpoint.n, 0);
    }
}

static void order_means_nothing(void **state)
{
    (void)state;
    struct nu_host_labels a = {LABELS(LABEL("a", 1), LABEL("b", 2)), {NULL, 0}};
    struct nu_host_labels b = {LABELS(LABEL("b", 2), LABEL("a", 1)), {NULL, 0}};
    struct nu_host_labels c = {LABELS(LABEL("b", 2), LABEL("a", 2)), {NULL, 0}};
    struct nu_host_labels d = {{NULL, 0}, LABELS(LABEL("a", 1), LABEL("b", 2))};
    assert_true(nu_host_labels_equal(&a, &b));
    assert_false(nu_host_labels_equal(&a, &c));
    assert_false(nu_host_labels_equal(&a, &d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_match_gives_the_transport),
        cmocka_unit_test(order_means_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
