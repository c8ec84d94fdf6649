/* Optimizers, clipped gradients, accumulation and the moving average of the weights, against
 * PyTorch: a few updates of a small network, once for each. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "fixture.h"
#include "suite.h"
#include "optimize/clip_units.h"
#include "optimize/gradient_mean.h"
#include "optimize/optimizer.h"
#include "train/train_graph.h"

enum { STEPS = 6, SGD_STEPS = 10, BATCHES = 3, MAX_PARAMETERS = 128 };

typedef struct setup {
    weld_weights *fixture, *weights, *average;
    weld_train_graph t;
    weld_session *session;
    weld_optimizer *optimizer;
    weld_tensor gradients[MAX_PARAMETERS];
} setup;

static weld_error err;

static const weld_optimizer_options adamw = {
    .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-3, .weight_decay = 0.025};

static weld_optimizer_options clipped(double clip, weld_clip_mode mode) {
    weld_optimizer_options o = adamw;
    o.clip = clip;
    o.clip_mode = mode;
    return o;
}

static void make(setup *s, weld_optimizer_options options, int threads) {
    s->fixture = fixture_load("updates.fixture");
    weld_model_config config = fixture_config(s->fixture);
    weld_tensor images = fixture_tensor(s->fixture, "images/", "0");
    weld_train_graph_options graph = {.batch = images.shape.dim[0],
                                      .input_size = images.shape.dim[1],
                                      .label_smoothing = 0.1,
                                      .dtype = WELD_F32};
    weld_session_options run = {.threads = threads};
    ck_assert_msg(!weld_train_graph_build(&config, &graph, &s->t, &err), "%s", err.message);
    s->weights = fixture_weights(s->fixture, "before/", s->t.graph);
    ck_assert_int_eq(weld_weights_clone(s->weights, &s->average, &err), WELD_OK);
    ck_assert_msg(!weld_session_create(s->t.graph, s->weights, &run, &s->session, &err), "%s",
                  err.message);
    options.ema = s->average;
    options.ema_decay = 0.9;
    options.threads = threads;
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &options.kernels, &err), WELD_OK);
    ck_assert_msg(!weld_optimizer_create(s->t.graph, s->weights, &options, &s->optimizer, &err),
                  "%s", err.message);
    ck_assert_uint_le(s->t.parameter_count, MAX_PARAMETERS);
    ck_assert_int_eq(weld_train_graph_gradients(&s->t, s->session, s->gradients, &err), WELD_OK);
}

static void destroy(setup *s) {
    weld_optimizer_free(s->optimizer);
    weld_session_free(s->session);
    weld_weights_free(s->weights);
    weld_weights_free(s->average);
    weld_weights_free(s->fixture);
    weld_train_graph_free(&s->t);
}

/* Loss and gradients of a batch. */
static float run(setup *s, int t) {
    char number[8];
    snprintf(number, sizeof number, "%d", t % BATCHES);
    fixture_copy(weld_session_input(s->session, "images"),
                 fixture_tensor(s->fixture, "images/", number));
    fixture_copy(weld_session_input(s->session, "target"),
                 fixture_tensor(s->fixture, "targets/", number));
    weld_session_run(s->session, (uint64_t)t + 1);
    return *(float *)weld_session_output(s->session, "loss").data;
}

static float step(setup *s, int t) {
    float loss = run(s, t);
    weld_optimizer_step(s->optimizer, s->gradients, 5e-3);
    return loss;
}

static void expect_near(const setup *s, const weld_weights *w, const char *prefix) {
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

static const float *losses_of(const setup *s, const char *mode) {
    char name[32];
    snprintf(name, sizeof name, "%s/losses", mode);
    return fixture_tensor(s->fixture, "", name).data;
}

static void expect_loss(const char *mode, int t, double loss, double should) {
    ck_assert_msg(fabs(loss - should) <= 1e-4 * should, "%s, step %d: %g, PyTorch %g", mode, t,
                  loss, should);
}

static void expect_end(const setup *s, const char *mode) {
    char name[32];
    snprintf(name, sizeof name, "%s/after/", mode);
    expect_near(s, s->weights, name);
    snprintf(name, sizeof name, "%s/average/", mode);
    expect_near(s, s->average, name);
}

static void expect_pytorch(const char *mode, weld_optimizer_options options, int steps, double lr) {
    setup s;
    make(&s, options, 0);
    for (int t = 0; t < steps; t++) {
        expect_loss(mode, t, run(&s, t), losses_of(&s, mode)[t]);
        weld_optimizer_step(s.optimizer, s.gradients, lr);
    }
    expect_end(&s, mode);
    destroy(&s);
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

START_TEST(updates_on_the_mean_of_two_batches_train_as_in_pytorch) {
    setup s;
    weld_gradient_mean *mean;
    const weld_kernels *kernels;
    make(&s, adamw, 0);
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &kernels, &err), WELD_OK);
    ck_assert_int_eq(
        weld_gradient_mean_create(s.gradients, s.t.parameter_count, kernels, 2, &mean, &err),
        WELD_OK);
    for (int t = 0; t < STEPS; t++) {
        double loss = 0;
        for (int i = 0; i < 2; i++) {
            loss += 0.5 * run(&s, 2 * t + i);
            weld_gradient_mean_add(mean);
        }
        expect_loss("accumulate", t, loss, losses_of(&s, "accumulate")[t]);
        weld_optimizer_step(s.optimizer, weld_gradient_mean_take(mean), 5e-3);
    }
    expect_end(&s, "accumulate");
    weld_gradient_mean_free(mean);
    destroy(&s);
}
END_TEST

static void expect_equal(const weld_weights *a, const weld_weights *b) {
    for (size_t i = 0; i < weld_weights_count(a); i++) {
        weld_tensor x = weld_weights_tensor(a, i), y = weld_weights_tensor(b, i);
        ck_assert_mem_eq(x.data, y.data,
                         (size_t)weld_shape_count(&x.shape) * weld_dtype_size(x.dtype));
    }
}

static void expect_equal_for_threads(weld_optimizer_options options) {
    setup a, b;
    make(&a, options, 1);
    make(&b, options, 3);
    for (int t = 0; t < STEPS; t++) {
        ck_assert_float_eq(step(&a, t), step(&b, t));
    }
    expect_equal(a.weights, b.weights);
    expect_equal(a.average, b.average);
    destroy(&a);
    destroy(&b);
}

START_TEST(norms_and_averages_are_the_same_for_any_number_of_threads) {
    expect_equal_for_threads(clipped(0.3, WELD_CLIP_NORM));
    expect_equal_for_threads(clipped(0.02, WELD_CLIP_AGC));
    weld_optimizer_options sgd = clipped(0.3, WELD_CLIP_NORM);
    sgd.method = WELD_SGD;
    expect_equal_for_threads(sgd);
}
END_TEST

START_TEST(a_clip_that_is_never_reached_changes_nothing) {
    static const weld_clip_mode modes[] = {WELD_CLIP_NORM, WELD_CLIP_VALUE, WELD_CLIP_AGC};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        setup off, on;
        make(&off, adamw, 0);
        make(&on, clipped(1e6, modes[i]), 0);
        for (int t = 0; t < STEPS; t++) {
            step(&off, t);
            step(&on, t);
        }
        expect_equal(off.weights, on.weights);
        destroy(&off);
        destroy(&on);
    }
}
END_TEST

START_TEST(a_lack_of_memory_is_told) {
    setup s;
    weld_optimizer *optimizer = NULL;
    weld_gradient_mean *mean = NULL;
    weld_optimizer_options options = {.method = WELD_SGD, .clip = 1, .clip_mode = WELD_CLIP_NORM};
    make(&s, adamw, 1);
    options.ema = s.average;
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &options.kernels, &err), WELD_OK);
    weld_status status = WELD_ERROR_MEMORY;
    for (long i = 0; status; i++) {
        weld_memory_fail_after(i);
        status = weld_optimizer_create(s.t.graph, s.weights, &options, &optimizer, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    status = WELD_ERROR_MEMORY;
    for (long i = 0; status; i++) {
        weld_memory_fail_after(i);
        status = weld_gradient_mean_create(s.gradients, s.t.parameter_count, options.kernels, 1,
                                           &mean, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    weld_optimizer_free(optimizer);
    weld_gradient_mean_free(mean);
    destroy(&s);
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
          updates_on_the_mean_of_two_batches_train_as_in_pytorch,
          norms_and_averages_are_the_same_for_any_number_of_threads,
          a_clip_that_is_never_reached_changes_nothing, a_lack_of_memory_is_told,
          each_output_is_limited_to_its_own_weights)
