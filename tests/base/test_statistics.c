#include <math.h>

#include "base/random.h"
#include "base/statistics.h"
#include "suite.h"

START_TEST(a_few_numbers_are_as_counted_by_hand) {
    const float x[] = {2, -4, 4, 4, 5, 5, 7, 9};
    const int64_t n[] = {11};
    weld_statistics s = {0};
    weld_statistics_add(&s, WELD_F32, x, 8);
    ck_assert_int_eq(s.finite, 8);
    ck_assert_double_eq_tol(s.mean, 4, 1e-15);
    ck_assert_double_eq(s.min, -4);
    ck_assert_double_eq(s.max, 9);
    ck_assert_double_eq_tol(weld_statistics_std(&s), sqrt(13), 1e-12);
    s = (weld_statistics){0};
    weld_statistics_add(&s, WELD_I64, n, 1);
    ck_assert(s.mean == 11 && s.min == 11 && s.max == 11 && weld_statistics_std(&s) == 0);
}
END_TEST

START_TEST(what_is_not_finite_is_counted_and_left_out) {
    const double x[] = {NAN, 3, INFINITY, -1, -INFINITY}, none[] = {NAN};
    weld_statistics s = {0};
    weld_statistics_add(&s, WELD_F64, x, 5);
    ck_assert(s.finite == 2 && s.not_finite == 3);
    ck_assert(s.mean == 1 && s.min == -1 && s.max == 3 && weld_statistics_std(&s) == 2);
    s = (weld_statistics){0};
    weld_statistics_add(&s, WELD_F64, none, 1);
    ck_assert(s.finite == 0 && s.not_finite == 1 && s.mean == 0 && weld_statistics_std(&s) == 0);
}
END_TEST

/* Far from zero, where the difference of sums of squares would lose all digits; and in parts. */
START_TEST(many_numbers_keep_their_digits_however_they_are_added) {
    enum { COUNT = 5000 };
    double x[COUNT];
    weld_random r = weld_random_start(1, 0, 0, WELD_RANDOM_TEST);
    weld_statistics once = {0}, parts = {0};
    for (int i = 0; i < COUNT; i++) {
        x[i] = 1e8 + (i % 2 ? 1 : -1);
    }
    weld_statistics_add(&once, WELD_F64, x, COUNT);
    for (int i = 0; i < COUNT;) {
        int n = (int)weld_random_below(&r, 700);
        n = n < COUNT - i ? n : COUNT - i;
        weld_statistics_add(&parts, WELD_F64, x + i, n);
        i += n;
    }
    ck_assert_double_eq_tol(once.mean, 1e8, 1e-6);
    ck_assert_double_eq_tol(weld_statistics_std(&once), 1, 1e-9);
    ck_assert_double_eq_tol(parts.mean, once.mean, 1e-6);
    ck_assert_double_eq_tol(weld_statistics_std(&parts), 1, 1e-9);
    ck_assert(parts.min == once.min && parts.max == once.max && parts.finite == COUNT);
}
END_TEST

RUN_SUITE("base/statistics", a_few_numbers_are_as_counted_by_hand,
          what_is_not_finite_is_counted_and_left_out,
          many_numbers_keep_their_digits_however_they_are_added)
