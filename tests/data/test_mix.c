#include <math.h>

#include "data/mix.h"
#include "suite.h"

START_TEST(each_row_is_mixed_with_its_mirror) {
    for (int n = 1; n <= 5; n++) {
        float rows[5 * 7], before[5 * 7];
        for (int i = 0; i < n * 7; i++) {
            rows[i] = before[i] = (float)(i * i % 23) - 3.0f;
        }
        weld_mix_rows(0.3, n, 7, rows, 2);
        for (int i = 0; i < n * 7; i++) {
            int partner = (n - 1 - i / 7) * 7 + i % 7;
            float expected = 0.3f * before[i] + 0.7f * before[partner];
            ck_assert_float_eq_tol(rows[i], expected, 1e-5f);
        }
        if (n % 2) {
            ck_assert_mem_eq(rows + n / 2 * 7, before + n / 2 * 7, 7 * sizeof(float));
        }
    }
}
END_TEST

START_TEST(targets_stay_distributions) {
    float targets[3 * 4] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    weld_mix_rows(0.8, 3, 4, targets, 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_float_eq_tol(targets[i * 4] + targets[i * 4 + 1] + targets[i * 4 + 2] +
                                   targets[i * 4 + 3],
                               1.0f, 1e-6f);
    }
    ck_assert_float_eq_tol(targets[0], 0.8f, 1e-6f);
    ck_assert_float_eq_tol(targets[3], 0.2f, 1e-6f);
}
END_TEST

START_TEST(lambda_is_a_beta_draw_of_seed_epoch_and_step) {
    weld_augmentation a = weld_augmentation_defaults();
    const int n = 20000;
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        double lambda = weld_mix_draw(&a, 3, 1, i);
        ck_assert(lambda >= 0 && lambda <= 1);
        sum += lambda;
        squares += lambda * lambda;
    }
    ck_assert_double_eq_tol(sum / n, 0.5, 0.01);
    ck_assert_double_eq_tol(squares / n - 0.25, 1 / (4 * 2.6), 0.005);
    double one = weld_mix_draw(&a, 3, 1, 5);
    ck_assert(one == weld_mix_draw(&a, 3, 1, 5));
    ck_assert(one != weld_mix_draw(&a, 4, 1, 5));
    ck_assert(one != weld_mix_draw(&a, 3, 2, 5));
    ck_assert(one != weld_mix_draw(&a, 3, 1, 6));
}
END_TEST

START_TEST(mixing_happens_as_often_as_told) {
    weld_augmentation a = weld_augmentation_defaults();
    int mixed = 0;
    a.mix_probability = 0.25;
    for (int i = 0; i < 4000; i++) {
        mixed += weld_mix_draw(&a, 3, 1, i) < 1.0;
    }
    ck_assert_int_gt(mixed, 880);
    ck_assert_int_lt(mixed, 1120);
    a.mixup = 0;
    ck_assert(weld_mix_draw(&a, 3, 1, 0) == 1.0);
}
END_TEST

RUN_SUITE("data/mix", each_row_is_mixed_with_its_mirror, targets_stay_distributions,
          lambda_is_a_beta_draw_of_seed_epoch_and_step, mixing_happens_as_often_as_told)
