/* The schedule against the learning rates that the published training log of RepViT-M0.9 shows (300
 * epochs, base 0.003), against timm's schedulers, and against its formula. */
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
                                        .per = WELD_SCHEDULE_PER_EPOCH};

/* Of epochs of equal length. */
static double rate_of(const weld_schedule *s, int64_t updates, int64_t reductions) {
    return weld_schedule_rate(s, updates / (int64_t)s->steps_per_epoch, updates, reductions);
}

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
            double rate = rate_of(&published, epoch * 625 + step, 0);
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
    s.per = WELD_SCHEDULE_PER_STEP;
    s.epochs = 10;
    s.steps_per_epoch = 100;
    ck_assert_double_eq(rate_of(&s, 0, 0), 1e-6);
    ck_assert_double_eq_tol(rate_of(&s, 250, 0), 1e-6 + (0.003 - 1e-6) / 2, 1e-15);
    /* The phase counts from update 0: at the end of the warm-up half the cosine is over. */
    ck_assert_double_eq_tol(rate_of(&s, 500, 0), 1e-5 + (0.003 - 1e-5) / 2, 1e-15);
    ck_assert_double_eq_tol(rate_of(&s, 750, 0), 1e-5 + (0.003 - 1e-5) * 0.5 * (1 - sqrt(0.5)),
                            1e-15);
    ck_assert_double_lt(rate_of(&s, 999, 0), 1.001e-5);
    for (int64_t t = 500; t < 999; t++) {
        ck_assert_double_gt(rate_of(&s, t, 0), rate_of(&s, t + 1, 0));
    }
}
END_TEST

START_TEST(no_warm_up_starts_at_the_base_rate) {
    weld_schedule s = published;
    s.warmup_epochs = 0;
    s.per = WELD_SCHEDULE_PER_STEP;
    ck_assert_double_eq_tol(rate_of(&s, 0, 0), 0.003, 1e-15);
}
END_TEST

START_TEST(a_constant_rate_stays_after_its_warm_up) {
    weld_schedule s = published;
    s.name = WELD_SCHEDULE_CONSTANT;
    s.per = WELD_SCHEDULE_PER_EPOCH_START;
    ck_assert_double_eq_tol(rate_of(&s, 0, 0), 1e-6, 1e-15);
    ck_assert_double_eq_tol(rate_of(&s, 5 * (int64_t)s.steps_per_epoch, 0), 0.003, 1e-15);
    s.per = WELD_SCHEDULE_PER_STEP;
    ck_assert_double_eq_tol(rate_of(&s, 299 * (int64_t)s.steps_per_epoch, 0), 0.003, 1e-15);
}
END_TEST

/* The rates of a tensor of the fixture by t, in epochs or updates. */
static void expect_timm(const char *name, const weld_schedule *s, int64_t updates) {
    weld_weights *fixture = fixture_load("schedules.fixture");
    weld_tensor should = fixture_tensor(fixture, "", name);
    for (int64_t t = 0; t < should.shape.dim[0]; t++) {
        double want = ((const float *)should.data)[t];
        for (int64_t update = t * updates; update < (t + 1) * updates; update++) {
            double rate = rate_of(s, update, 0);
            ck_assert_msg(fabs(rate / want - 1) < 1e-6, "%s[%d]: %.9g, timm %.9g", name, (int)t,
                          rate, want);
        }
    }
    weld_weights_free(fixture);
}

START_TEST(steps_of_a_fraction_of_epochs_are_those_of_timm) {
    weld_schedule s = {.name = WELD_SCHEDULE_STEP,
                       .base_lr = 0.064,
                       .warmup_lr = 1e-6,
                       .warmup_epochs = 3,
                       .epochs = 600,
                       .steps_per_epoch = 5,
                       .decay_rate = 0.973,
                       .decay_epochs = 2.4,
                       .per = WELD_SCHEDULE_PER_EPOCH_START};
    expect_timm("step", &s, (int64_t)s.steps_per_epoch);
    s.per = WELD_SCHEDULE_PER_STEP;
    s.warmup_epochs = 7.0 / 5;
    s.decay_rate = 0.5;
    expect_timm("step_updates", &s, 1);
    s.min_lr = 0.01;
    ck_assert_double_eq(rate_of(&s, 79, 0), 0.01);
}
END_TEST

START_TEST(a_cosine_cools_down_as_in_timm) {
    weld_schedule s = {.base_lr = 1e-3,
                       .warmup_lr = 1e-7,
                       .min_lr = 1e-5,
                       .warmup_epochs = 20,
                       .epochs = 60,
                       .cooldown_epochs = 10,
                       .steps_per_epoch = 3,
                       .per = WELD_SCHEDULE_PER_EPOCH_START};
    ck_assert_int_eq(weld_schedule_epochs(&s), 70);
    expect_timm("cosine", &s, (int64_t)s.steps_per_epoch);
    s.per = WELD_SCHEDULE_PER_STEP;
    ck_assert_double_gt(rate_of(&s, 60 * 3 - 1, 0), 1e-5);
    ck_assert_double_eq(rate_of(&s, 60 * 3, 0), 1e-5);
}
END_TEST

static void expect_plateau(const char *mode, bool smaller_is_better) {
    const weld_schedule s = {.name = WELD_SCHEDULE_PLATEAU,
                             .base_lr = 0.1,
                             .warmup_lr = 1e-3,
                             .min_lr = 5e-4,
                             .warmup_epochs = 4,
                             .epochs = 70,
                             .steps_per_epoch = 3,
                             .decay_rate = 0.3,
                             .patience_epochs = 3,
                             .per = WELD_SCHEDULE_PER_EPOCH_START};
    weld_weights *fixture = fixture_load("schedules.fixture");
    const float *scores = fixture_tensor(fixture, mode, "scores").data;
    const float *rates = fixture_tensor(fixture, mode, "rates").data;
    weld_plateau p = {0};
    for (int64_t epoch = 0; epoch < s.epochs; epoch++) {
        double rate = rate_of(&s, epoch * (int64_t)s.steps_per_epoch + 1, p.reductions);
        ck_assert_msg(fabs(rate / rates[epoch] - 1) < 1e-6, "%s, epoch %d: %.9g, timm %.9g", mode,
                      (int)epoch, rate, rates[epoch]);
        const int64_t before = p.reductions;
        const bool falls =
            weld_schedule_plateau(&s, &p, epoch + 1, scores[epoch], smaller_is_better);
        ck_assert_int_eq(p.reductions, before + falls);
    }
    ck_assert_int_ge(p.reductions, 4);
    weld_weights_free(fixture);
}

START_TEST(a_plateau_of_scores_lowers_the_rate_as_in_timm) {
    expect_plateau("plateau_max/", false);
    expect_plateau("plateau_min/", true);
}
END_TEST

START_TEST(the_rate_scales_with_the_batch) {
    ck_assert_double_eq(weld_schedule_scale(1e-3, 256, 512), 5e-4);
    ck_assert_double_eq(weld_schedule_scale(1e-3, 1536, 512), 3e-3);
    ck_assert_double_eq(weld_schedule_scale(1e-3, 256, 0), 1e-3);
}
END_TEST

RUN_SUITE("optimize/schedule", a_constant_rate_stays_after_its_warm_up,
          per_epoch_rates_are_those_of_the_published_log,
          per_step_rates_rise_linearly_then_fall_as_a_cosine, no_warm_up_starts_at_the_base_rate,
          steps_of_a_fraction_of_epochs_are_those_of_timm, a_cosine_cools_down_as_in_timm,
          a_plateau_of_scores_lowers_the_rate_as_in_timm, the_rate_scales_with_the_batch)
