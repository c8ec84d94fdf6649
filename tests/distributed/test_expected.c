/* What ranks are expected to come to: RepViT-M0.9's exchange on networks of several speeds, by the
 * formula worked out elsewhere. */
#include "distributed/expected.h"

#include <math.h>

#include "suite.h"

enum { NETWORKS = 4, NUMBERS = 3, LEADS = 8 };

static const int ranks_of[NUMBERS] = {2, 8, 64};

/* What of the gradients is not ready when such a part of the backward pass is done. */
static const struct {
    double done, left;
} ready[LEADS] = {{0, 1},       {0.05, 0.75}, {0.11, 0.56},  {0.27, 0.41},
                  {0.49, 0.22}, {0.65, 0.07}, {0.76, 0.026}, {0.87, 0.007}};

static const weld_network networks[NETWORKS] = {
    {40e-6, 8e-6, 0.117e9}, {25e-6, 5e-6, 1.1e9}, {20e-6, 5e-6, 2.8e9}, {2e-6, 0.7e-6, 11.5e9}};
static const double exchange_ms[NETWORKS] = {306, 33, 13, 3}; /* of 8 ranks */

/* Percent where ranks are 1 % apart, 5 % apart; shares take 0.3 s, 1 s. */
typedef struct expected_row {
    int quiet[NUMBERS], shared[NUMBERS];
} expected_row;
static const expected_row in_300_ms[NETWORKS] = {{{97, 72, 65}, {95, 69, 61}},
                                                 {{99, 97, 96}, {96, 92, 88}},
                                                 {{99, 97, 96}, {97, 92, 88}},
                                                 {{99, 97, 96}, {97, 92, 88}}};
static const expected_row in_1_s[NETWORKS] = {{{99, 97, 96}, {97, 92, 88}},
                                              {{99, 98, 97}, {97, 93, 89}},
                                              {{99, 98, 97}, {97, 93, 89}},
                                              {{99, 98, 97}, {97, 93, 89}}};

/* A rank has one group, of so many seconds. */
static weld_expected expect_share(int network, int ranks, double seconds, double apart) {
    weld_to_send moments[LEADS];
    const double bytes = 20.41e6, backward = 0.66 * seconds;
    for (int i = 0; i < LEADS; i++) {
        moments[i] = (weld_to_send){ready[i].left * bytes, (1 - ready[i].done) * backward};
    }
    const weld_exchange_load load = {
        .bytes = bytes, .last = 0.5e6, .buckets = 6, .moments = moments, .moment_count = LEADS};
    const weld_update_work work = {.groups = ranks, .group = seconds, .after = 4.5e-3};
    return weld_expect_ranks(&work, &load, &networks[network], ranks, apart);
}

/* The table is rounded to a percent. */
static void check_percent(weld_expected e, int percent) {
    ck_assert_double_eq_tol(100 * e.efficiency, percent, 0.5);
}

static void check_rows(double seconds, const expected_row *rows) {
    for (int n = 0; n < NETWORKS; n++) {
        for (int i = 0; i < NUMBERS; i++) {
            check_percent(expect_share(n, ranks_of[i], seconds, 0.01), rows[n].quiet[i]);
            check_percent(expect_share(n, ranks_of[i], seconds, 0.05), rows[n].shared[i]);
        }
    }
}

START_TEST(networks_are_worth_what_they_are_by_hand) {
    check_rows(0.3, in_300_ms);
    check_rows(1, in_1_s);
    for (int n = 0; n < NETWORKS; n++) {
        ck_assert_int_eq(lround(1e3 * expect_share(n, 8, 1, 0).exchange), (long)exchange_ms[n]);
    }
}
END_TEST

START_TEST(the_largest_of_many_draws_is_as_tables_of_statistics_say) {
    ck_assert_double_eq_tol(weld_largest_normal(1), 0, 1e-9);
    ck_assert_double_eq_tol(weld_largest_normal(2), 0.5642, 5e-5); /* 1 / sqrt(pi) */
    ck_assert_double_eq_tol(weld_largest_normal(8), 1.4236, 5e-5);
    ck_assert_double_eq_tol(weld_largest_normal(64), 2.3437, 5e-5);
    ck_assert_double_eq_tol(weld_largest_normal(512), 3.0439, 5e-5);
}
END_TEST

/* Shares of 2, 1, 1 groups on a network that takes no time: 4 of 6 places are at work. */
START_TEST(uneven_shares_wait_for_the_largest) {
    const weld_exchange_load load = {.bytes = 1e6, .last = 1e6, .buckets = 1};
    const weld_update_work work = {.groups = 4, .group = 1};
    const weld_network free_of_charge = {.bandwidth = INFINITY};
    const weld_expected e = weld_expect_ranks(&work, &load, &free_of_charge, 3, 0);
    ck_assert_double_eq_tol(e.update, 2, 1e-12);
    ck_assert_double_eq_tol(e.efficiency, 4.0 / 6, 1e-12);
}
END_TEST

/* 3 of 6 groups are two nodes of the tree, 2 of 4 are one. */
START_TEST(a_share_that_is_no_node_sends_more) {
    const weld_exchange_load load = {.bytes = 1e6, .last = 1e6, .buckets = 1};
    const weld_network one = {.bandwidth = 1e6};
    const weld_update_work halves = {.groups = 6, .group = 1}, even = {.groups = 4, .group = 1};
    ck_assert_double_eq_tol(weld_expect_ranks(&halves, &load, &one, 2, 0).exchange, 1.5, 1e-12);
    ck_assert_double_eq_tol(weld_expect_ranks(&even, &load, &one, 2, 0).exchange, 1, 1e-12);
}
END_TEST

/* 1 s of exchange: its first half has 0.2 s more than it needs, its second half 0.1 s too little.
 */
START_TEST(what_is_late_is_not_hidden) {
    const weld_to_send moments[] = {{1e6, 1.2}, {0.5e6, 0.4}};
    const weld_exchange_load load = {
        .bytes = 1e6, .last = 0.05e6, .buckets = 2, .moments = moments, .moment_count = 2};
    const weld_update_work work = {.groups = 2, .group = 2};
    const weld_network n = {.bandwidth = 1e6};
    const weld_expected e = weld_expect_ranks(&work, &load, &n, 2, 0);
    ck_assert_double_eq_tol(e.exposed, 0.1, 1e-12);
    ck_assert_double_eq_tol(e.efficiency, 4 / (2 * 2.1), 1e-12);
}
END_TEST

RUN_SUITE("distributed/expected", networks_are_worth_what_they_are_by_hand,
          the_largest_of_many_draws_is_as_tables_of_statistics_say,
          uneven_shares_wait_for_the_largest, a_share_that_is_no_node_sends_more,
          what_is_late_is_not_hidden)
