/* Temperatures that can be worked out by hand. */
#include "infer/temperature.h"

#include <math.h>

#include "suite.h"

/* The network says 9 to 1, and is right three times of four: log 9 / T must be log 3. */
START_TEST(what_is_right_three_times_of_four_gets_three_quarters) {
    const float nine = logf(9);
    const float logits[] = {nine, 0, 0, nine, nine, 0, 5 + nine, 5};
    const int32_t labels[] = {0, 1, 0, 1};
    weld_temperature_fit fit;
    weld_error err;
    ck_assert_msg(!weld_temperature_of(logits, labels, 4, 2, &fit, &err), "%s", err.message);
    ck_assert_double_eq_tol(fit.temperature, 2, 1e-6);
    ck_assert_double_eq_tol(fit.loss_before, (3 * log(10 / 9.0) + log(10)) / 4, 1e-6);
    ck_assert_double_eq_tol(fit.loss_after, (3 * log(4 / 3.0) + log(4)) / 4, 1e-6);
    ck_assert_int_eq(fit.images, 4);
}
END_TEST

START_TEST(too_little_confidence_is_raised) {
    const float third = logf(3) / 3; /* of three classes, in the same way */
    const float logits[] = {third, 0, -1000, third, 0, -1000, third, 0, -1000, 0, third, -1000};
    const int32_t labels[] = {0, 0, 0, 0};
    weld_temperature_fit fit;
    weld_error err;
    ck_assert_msg(!weld_temperature_of(logits, labels, 4, 3, &fit, &err), "%s", err.message);
    ck_assert_double_eq_tol(fit.temperature, 1 / 3.0, 1e-6);
}
END_TEST

START_TEST(no_temperature_fits_where_all_is_right_or_all_is_wrong) {
    const float logits[] = {2, 0, 1, 0, 0, 3};
    const int32_t right[] = {0, 0, 1}, wrong[] = {1, 1, 0};
    weld_temperature_fit fit;
    weld_error err;
    ck_assert_int_eq(weld_temperature_of(logits, right, 3, 2, &fit, &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "no temperature fits") != NULL, "%s", err.message);
    ck_assert_int_eq(weld_temperature_of(logits, wrong, 3, 2, &fit, &err), WELD_ERROR_ARGUMENT);
}
END_TEST

RUN_SUITE("infer/temperature", what_is_right_three_times_of_four_gets_three_quarters,
          too_little_confidence_is_raised, no_temperature_fits_where_all_is_right_or_all_is_wrong)
