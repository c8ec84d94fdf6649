/* The schedule against the learning rates that the published training log of RepViT-M0.9 shows (300
 * epochs, base 0.003), and against its formula. */
#include <math.h>

#include "fixture.h"
#include "suite.h"
#include "optimize/schedule.h"

static const weld_schedule published = {.base_lr = 0.003,
                                        .warmup_lr = 1e-6,
                                        .min_lr = 1e-5,
                                        .warmup_epochs = 5,
                                        .epochs = 300,
                                        .steps_per_epoch = 625,
                                        .per_epoch = true};

START_TEST(per_epoch_rates_are_those_of_the_published_log) {
    FILE *log = fixture_open("lr_log_m0_9_300e.csv");
    char line[128];
    int rows = 0, epoch;
    double should;
    ck_assert_ptr_nonnull(fgets(line, sizeof line, log)); /* the heading */
    for (; fgets(line, sizeof line, log); rows++) {
        ck_assert_int_eq(sscanf(line, "%d,%lf", &epoch, &should), 2);
        ck_assert_int_eq(epoch, rows);
        for (int64_t step = 0; step < 625; step += 312) { /* the first, a middle and the last */
            double rate = weld_schedule_rate(&published, epoch * 625 + step);
            ck_assert_msg(fabs(rate / should - 1) < 1e-12, "epoch %d: %.17g, published %.17g",
                          epoch, rate, should);
        }
    }
    ck_assert_int_eq(rows, 300);
    fclose(log);
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

RUN_SUITE("optimize/schedule", per_epoch_rates_are_those_of_the_published_log,
          per_step_rates_rise_linearly_then_fall_as_a_cosine, no_warm_up_starts_at_the_base_rate,
          the_rate_scales_with_the_batch)
