/* The schedule against the learning rates that the published training log of RepViT-M0.9 (300
 * epochs, base 0.003) shows, and against its formula. */
#include <math.h>

#include "suite.h"
#include "train/schedule.h"

static const weld_schedule published = {.base_lr = 0.003,
                                        .warmup_lr = 1e-6,
                                        .min_lr = 1e-5,
                                        .warmup_epochs = 5,
                                        .epochs = 300,
                                        .steps_per_epoch = 625,
                                        .per_epoch = true};

static const struct {
    int epoch;
    double rate;
} log_rows[] = {
    {0, 1.0000000000000165e-06},   {1, 1.0000000000000165e-06},   {2, 0.00060080000000000886},
    {3, 0.0012005999999999965},    {4, 0.0018004000000000203},    {5, 0.0024002000000000298},
    {6, 0.0029979511544580427},    {7, 0.0029970499590002224},    {8, 0.0029959851434506303},
    {9, 0.0029947568245780043},    {10, 0.0029933651370816169},   {11, 0.0029918102335755405},
    {145, 0.0015988718266963171},  {146, 0.0015832422545831886},  {147, 0.001567604102325149},
    {290, 1.990771542740754e-05},  {291, 1.8189766424431259e-05}, {292, 1.6634862918395725e-05},
    {293, 1.5243175421991016e-05}, {294, 1.4014856549435229e-05}, {295, 1.2950040999734157e-05},
    {296, 1.2048845541912047e-05}, {297, 1.1311369002206675e-05}, {298, 1.0737692253231284e-05},
    {299, 1.0327878205106021e-05},
};

START_TEST(per_epoch_rates_are_those_of_the_published_log) {
    for (size_t i = 0; i < sizeof log_rows / sizeof *log_rows; i++) {
        for (int64_t step = 0; step < 625; step += 312) { /* the first, a middle and the last */
            double rate = weld_schedule_rate(&published, log_rows[i].epoch * 625 + step);
            ck_assert_double_eq_tol(rate / log_rows[i].rate, 1.0, 1e-12);
        }
    }
}
END_TEST

START_TEST(per_step_rates_rise_linearly_then_fall_as_a_cosine) {
    weld_schedule s = published;
    s.per_epoch = false;
    s.epochs = 10;
    s.steps_per_epoch = 100;
    ck_assert_double_eq(weld_schedule_rate(&s, 0), 1e-6);
    ck_assert_double_eq_tol(weld_schedule_rate(&s, 250), 1e-6 + (0.003 - 1e-6) / 2, 1e-15);
    /* The phase counts from update 0: at the end of the warm-up half the cosine is over. */
    ck_assert_double_eq_tol(weld_schedule_rate(&s, 500), 1e-5 + (0.003 - 1e-5) / 2, 1e-15);
    ck_assert_double_eq_tol(weld_schedule_rate(&s, 750),
                            1e-5 + (0.003 - 1e-5) * 0.5 * (1 - sqrt(0.5)), 1e-15);
    ck_assert_double_lt(weld_schedule_rate(&s, 999), 1.001e-5);
    for (int64_t t = 500; t < 999; t++) {
        ck_assert_double_gt(weld_schedule_rate(&s, t), weld_schedule_rate(&s, t + 1));
    }
}
END_TEST

START_TEST(no_warm_up_starts_at_the_base_rate) {
    weld_schedule s = published;
    s.warmup_epochs = 0;
    s.per_epoch = false;
    ck_assert_double_eq_tol(weld_schedule_rate(&s, 0), 0.003, 1e-15);
}
END_TEST

START_TEST(the_rate_scales_with_the_batch) {
    ck_assert_double_eq(weld_schedule_scale(1e-3, 256, 512), 5e-4);
    ck_assert_double_eq(weld_schedule_scale(1e-3, 1536, 512), 3e-3);
    ck_assert_double_eq(weld_schedule_scale(1e-3, 256, 0), 1e-3);
}
END_TEST

RUN_SUITE("train/schedule", per_epoch_rates_are_those_of_the_published_log,
          per_step_rates_rise_linearly_then_fall_as_a_cosine, no_warm_up_starts_at_the_base_rate,
          the_rate_scales_with_the_batch)
