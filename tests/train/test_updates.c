/* Optimizers, clipped gradients, accumulation and the moving average of the weights, against
 * PyTorch: a few updates of a small network, once for each. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "suite.h"
#include "optimize/clip_units.h"
#include "train/fixture_step.h"
#include "train/sums.h"

enum { STEPS = 6, SGD_STEPS = 10, RMSPROP_STEPS = 10, BATCHES = 3 };

static weld_error err;

static const weld_optimizer_options adamw = {
    .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-3, .weight_decay = 0.025};

static weld_optimizer_options clipped(double clip, weld_clip_mode mode) {
    weld_optimizer_options o = adamw;
    o.clip = clip;
    o.clip_mode = mode;
    return o;
}

static void make(fixture_step *s, weld_optimizer_options optimizer, int threads) {
    fixture_step_make(s, "updates.fixture", (weld_train_step_options){.threads = threads},
                      &optimizer, 0.9);
}

static float step(fixture_step *s, int t) {
    float loss = fixture_step_run(s, t, BATCHES);
    weld_train_step_update(s->step, 5e-3);
    return loss;
}

static void expect_near(const fixture_step *s, const weld_weights *w, const char *prefix) {
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor is = weld_weights_tensor(w, i);
        if (is.dtype != WELD_F32) {
            continue;
        }
        weld_tensor should = fixture_tensor(s->fixture, prefix, weld_weights_name(w, i));
        for (int64_t j = 0; j < weld_shape_count(&is.shape); j++) {
            double a = ((float *)is.data)[j], b = ((float *)should.data)[j];
            ck_assert_msg(fabs(a - b) <= 2e-5 * (1 + fabs(b)), "%s%s[%d]: %.8g, PyTorch %.8g",
                          prefix, weld_weights_name(w, i), (int)j, a, b);
        }
    }
}

static const float *losses_of(const fixture_step *s, const char *mode) {
    char name[32];
    snprintf(name, sizeof name, "%s/losses", mode);
    return fixture_tensor(s->fixture, "", name).data;
}

static void expect_loss(const char *mode, int t, double loss, double should) {
    ck_assert_msg(fabs(loss - should) <= 1e-4 * should, "%s, step %d: %g, PyTorch %g", mode, t,
                  loss, should);
}

static void expect_end(const fixture_step *s, const char *mode) {
    char name[32];
    snprintf(name, sizeof name, "%s/after/", mode);
    expect_near(s, s->weights, name);
    snprintf(name, sizeof name, "%s/average/", mode);
    expect_near(s, s->average, name);
}

static void expect_pytorch(const char *mode, weld_optimizer_options options, int steps, double lr) {
    fixture_step s;
    make(&s, options, 0);
    for (int t = 0; t < steps; t++) {
        expect_loss(mode, t, fixture_step_run(&s, t, BATCHES), losses_of(&s, mode)[t]);
        weld_train_step_update(s.step, lr);
    }
    expect_end(&s, mode);
    fixture_step_free(&s);
}

START_TEST(gradients_clipped_by_their_norm_train_as_in_pytorch) {
    expect_pytorch("norm", clipped(0.3, WELD_CLIP_NORM), STEPS, 5e-3);
}
END_TEST

START_TEST(gradients_clipped_by_value_train_as_in_pytorch) {
    expect_pytorch("value", clipped(0.02, WELD_CLIP_VALUE), STEPS, 5e-3);
}
END_TEST

START_TEST(gradients_clipped_to_their_weights_train_as_in_pytorch) {
    expect_pytorch("agc", clipped(0.02, WELD_CLIP_AGC), STEPS, 5e-3);
}
END_TEST

START_TEST(sgd_with_momentum_trains_as_in_pytorch) {
    weld_optimizer_options sgd = {.method = WELD_SGD, .momentum = 0.9, .weight_decay = 0.01};
    expect_pytorch("sgd", sgd, SGD_STEPS, 2e-2);
    sgd.nesterov = true;
    sgd.clip = 0.1;
    sgd.clip_mode = WELD_CLIP_AGC;
    expect_pytorch("nesterov", sgd, SGD_STEPS, 2e-2);
}
END_TEST

static void expect_timm(const char *mode, weld_optimizer_options options, double ema_decay) {
    fixture_step s;
    fixture_step_make(&s, "updates.fixture", (weld_train_step_options){.threads = 2}, &options,
                      ema_decay);
    for (int t = 0; t < RMSPROP_STEPS; t++) {
        expect_loss(mode, t, fixture_step_run(&s, t, BATCHES), losses_of(&s, mode)[t]);
        weld_train_step_update(s.step, 1e-2 / (1 + t));
    }
    expect_end(&s, mode);
    fixture_step_free(&s);
}

START_TEST(rmsprop_trains_as_in_timm_with_decay_on_weights_or_on_all_and_an_average_that_warms_up) {
    weld_optimizer_options o = {.method = WELD_RMSPROP_TF,
                                .alpha = 0.8,
                                .eps = 1e-3,
                                .momentum = 0.9,
                                .weight_decay = 0.01};
    expect_timm("rmsproptf", o, 0.9);
    o.momentum = 0;
    o.decay_on = WELD_DECAY_ALL;
    o.ema_warmup = true;
    expect_timm("warming", o, 0.7);
}
END_TEST

START_TEST(updates_on_the_mean_of_two_batches_train_as_in_pytorch) {
    fixture_step s;
    weld_sums *sums;
    const weld_tensor *means;
    fixture_step_make(&s, "updates.fixture", (weld_train_step_options){.threads = 2}, &adamw, 0.9);
    ck_assert_int_eq(weld_sums_create(NULL, 2, &s.step, 1, 2, &sums, &err), WELD_OK);
    for (int t = 0; t < STEPS; t++) {
        double loss = 0;
        weld_sums_begin(sums, t + 1);
        for (int i = 0; i < 2; i++) {
            fixture_step_fill(&s, 2 * t + i, BATCHES);
            loss += 0.5 * weld_sums_run(sums, 0, i, (uint64_t)(2 * t + i + 1));
        }
        expect_loss("accumulate", t, loss, losses_of(&s, "accumulate")[t]);
        ck_assert_int_eq(weld_sums_finish(sums, &means, &err), WELD_OK);
        const weld_update_rates rates = weld_optimizer_rates(s.step->optimizer, 5e-3);
        weld_train_step_update_by(s.step, means, &rates);
    }
    expect_end(&s, "accumulate");
    weld_sums_free(sums);
    fixture_step_free(&s);
}
END_TEST

static void expect_equal_for_threads(weld_optimizer_options options) {
    fixture_step a, b;
    make(&a, options, 1);
    make(&b, options, 3);
    for (int t = 0; t < STEPS; t++) {
        ck_assert_float_eq(step(&a, t), step(&b, t));
    }
    expect_equal_weights(a.weights, b.weights);
    expect_equal_weights(a.average, b.average);
    fixture_step_free(&a);
    fixture_step_free(&b);
}

START_TEST(norms_and_averages_are_the_same_for_any_number_of_threads) {
    expect_equal_for_threads(clipped(0.3, WELD_CLIP_NORM));
    expect_equal_for_threads(clipped(0.02, WELD_CLIP_AGC));
    weld_optimizer_options sgd = clipped(0.3, WELD_CLIP_NORM);
    sgd.method = WELD_SGD;
    expect_equal_for_threads(sgd);
    weld_optimizer_options rmsprop = clipped(0.02, WELD_CLIP_AGC);
    rmsprop.method = WELD_RMSPROP_TF;
    expect_equal_for_threads(rmsprop);
}
END_TEST

START_TEST(a_clip_that_is_never_reached_changes_nothing) {
    static const weld_clip_mode modes[] = {WELD_CLIP_NORM, WELD_CLIP_VALUE, WELD_CLIP_AGC};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        fixture_step off, on;
        make(&off, adamw, 0);
        make(&on, clipped(1e6, modes[i]), 0);
        for (int t = 0; t < STEPS; t++) {
            step(&off, t);
            step(&on, t);
        }
        expect_equal_weights(off.weights, on.weights);
        fixture_step_free(&off);
        fixture_step_free(&on);
    }
}
END_TEST

#if defined __SANITIZE_THREAD__ /* one thread, which shows no race, and minutes */
enum { FAILURES_APART = 16 };
#else
enum { FAILURES_APART = 1 };
#endif

START_TEST(a_lack_of_memory_is_told) {
    fixture_step s;
    weld_train_step *other = NULL;
    weld_optimizer_options sgd = {.method = WELD_SGD, .clip = 1, .clip_mode = WELD_CLIP_NORM};
    make(&s, adamw, 1);
    sgd.ema = s.average;
    weld_train_step_options options = {.batch = 2,
                                       .height = 8,
                                       .width = 8,
                                       .build_loss = weld_classification_loss_build,
                                       .loss = &fixture_loss,
                                       .dtype = WELD_F32,
                                       .threads = 1,
                                       .optimizer = &sgd};
    weld_status status = WELD_ERROR_MEMORY;
    for (long i = 0; status; i += FAILURES_APART) {
        weld_memory_fail_after(i);
        status = weld_train_step_create(&s.config, &options, s.weights, &other, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    weld_train_step_free(other);
    fixture_step_free(&s);
}
END_TEST

/* Two outputs and a vector: each is limited by itself, and only where it is too large. */
START_TEST(each_output_is_limited_to_its_own_weights) {
    float w[] = {3, 4, 0, 0}, g[] = {0.06f, 0.08f, 3e-4f, 4e-4f};
    weld_tensor weight = {.dtype = WELD_F32, .shape = WELD_SHAPE(2, 2), .data = w};
    weld_tensor gradient = {.dtype = WELD_F32, .shape = WELD_SHAPE(2, 2), .data = g};
    const weld_kernels *kernels;
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &kernels, &err), WELD_OK);
    weld_clip_units(kernels, 0.1, &weight, &gradient); /* limits 0.5 and 1e-4 */
    ck_assert_float_eq(g[0], 0.06f);
    ck_assert_float_eq(g[1], 0.08f);
    ck_assert_float_eq_tol(g[2], 0.6e-4f, 1e-10f);
    ck_assert_float_eq_tol(g[3], 0.8e-4f, 1e-10f);
    weight.shape = gradient.shape = WELD_SHAPE(4); /* norm 5 of all */
    g[0] = 30;
    g[1] = 40;
    g[2] = g[3] = 0;
    weld_clip_units(kernels, 0.1, &weight, &gradient);
    ck_assert_float_eq_tol(g[0], 0.3f, 1e-6f);
    ck_assert_float_eq_tol(g[1], 0.4f, 1e-6f);
    g[0] = NAN; /* is found later, not hidden */
    weld_clip_units(kernels, 0.1, &weight, &gradient);
    ck_assert(isnan(g[0]) && isnan(g[1]));
}
END_TEST

RUN_SUITE("train/updates", gradients_clipped_by_their_norm_train_as_in_pytorch,
          gradients_clipped_by_value_train_as_in_pytorch,
          gradients_clipped_to_their_weights_train_as_in_pytorch,
          sgd_with_momentum_trains_as_in_pytorch,
          rmsprop_trains_as_in_timm_with_decay_on_weights_or_on_all_and_an_average_that_warms_up,
          updates_on_the_mean_of_two_batches_train_as_in_pytorch,
          norms_and_averages_are_the_same_for_any_number_of_threads,
          a_clip_that_is_never_reached_changes_nothing, a_lack_of_memory_is_told,
          each_output_is_limited_to_its_own_weights)
