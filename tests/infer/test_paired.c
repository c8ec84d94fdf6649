/* The difference of two models on the same images, by numbers. */
#include "infer/paired.h"

#include "suite.h"

/* Approval of a prime minister, asked twice of the same 1600 people (Agresti, "Categorical data
 * analysis", table 10.1), with the interval of Agresti and Min worked out by hand:
 * (86 - 150) / 1602 +- 1.959964 sqrt(237 - 64^2 / 1602) / 1602. */
START_TEST(the_interval_is_that_of_agresti_and_min) {
    const weld_paired_difference d = weld_paired_difference_of(1600, 150, 86);
    ck_assert_double_eq_tol(d.value, -0.04, 1e-15);
    ck_assert_double_eq_tol(d.low, -0.0586829, 1e-7);
    ck_assert_double_eq_tol(d.high, -0.0212172, 1e-7);
    ck_assert_double_eq_tol(d.p, 3.7159e-5, 1e-8);
}
END_TEST

START_TEST(the_test_is_mcnemars_exact_one) {
    /* 1 head or none, or 6 or 7, of 7 tosses: 2 (1 + 7) / 128 */
    ck_assert_double_eq_tol(weld_paired_difference_of(10, 1, 6).p, 0.125, 1e-12);
    ck_assert_double_eq_tol(weld_paired_difference_of(10, 6, 1).p, 0.125, 1e-12);
    ck_assert_double_eq_tol(weld_paired_difference_of(10, 0, 5).p, 2 / 32.0, 1e-12);
    ck_assert_double_eq(weld_paired_difference_of(10, 3, 3).p, 1);
    ck_assert_double_eq(weld_paired_difference_of(10, 0, 0).p, 1);
    /* Numbers whose factorials no double holds. */
    ck_assert_double_eq_tol(weld_paired_difference_of(100000, 5000, 5000).p, 1, 1e-9);
    ck_assert_double_gt(weld_paired_difference_of(100000, 4950, 5050).p, 0.3);
}
END_TEST

START_TEST(the_same_answers_leave_room_for_a_difference) {
    const weld_paired_difference d = weld_paired_difference_of(100, 0, 0);
    ck_assert_double_eq(d.value, 0);
    ck_assert_double_eq_tol(d.high, 1.959964 / 102, 1e-7);
    ck_assert_double_eq(d.low, -d.high);
}
END_TEST

RUN_SUITE("infer/paired", the_interval_is_that_of_agresti_and_min, the_test_is_mcnemars_exact_one,
          the_same_answers_leave_room_for_a_difference)
