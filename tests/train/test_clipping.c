/* Clipped gradients and the moving average of the weights, against PyTorch: six updates of a small
 * network, once for each way of clipping. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "suite.h"
#include "train/optimizer.h"
#include "train/train_graph.h"

enum { STEPS = 6, BATCHES = 3, MAX_PARAMETERS = 128 };

typedef struct setup {
    weld_weights *fixture, *weights, *average;
    weld_train_graph t;
    weld_session *session;
    weld_optimizer *optimizer;
    weld_tensor gradients[MAX_PARAMETERS];
} setup;

static weld_error err;

static void make(setup *s, double clip, weld_clip_mode mode, int threads) {
    s->fixture = fixture_load("clipping.fixture");
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
    weld_optimizer_options options = {.beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .eps = 1e-3,
                                      .weight_decay = 0.025,
                                      .clip = clip,
                                      .clip_mode = mode,
                                      .ema = s->average,
                                      .ema_decay = 0.9,
                                      .threads = threads};
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

static float step(setup *s, int t) {
    char number[8];
    snprintf(number, sizeof number, "%d", t % BATCHES);
    fixture_copy(weld_session_input(s->session, "images"),
                 fixture_tensor(s->fixture, "images/", number));
    fixture_copy(weld_session_input(s->session, "target"),
                 fixture_tensor(s->fixture, "targets/", number));
    weld_session_run(s->session, (uint64_t)t + 1);
    weld_optimizer_step(s->optimizer, s->gradients, 5e-3);
    return *(float *)weld_session_output(s->session, "loss").data;
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

static void expect_pytorch(const char *mode, double clip, weld_clip_mode clip_mode) {
    setup s;
    char name[32];
    make(&s, clip, clip_mode, 0);
    snprintf(name, sizeof name, "%s/losses", mode);
    const float *losses = fixture_tensor(s.fixture, "", name).data;
    for (int t = 0; t < STEPS; t++) {
        float loss = step(&s, t);
        ck_assert_msg(fabs(loss - losses[t]) <= 1e-4 * losses[t], "%s, step %d: %g, PyTorch %g",
                      mode, t, (double)loss, (double)losses[t]);
    }
    snprintf(name, sizeof name, "%s/after/", mode);
    expect_near(&s, s.weights, name);
    snprintf(name, sizeof name, "%s/average/", mode);
    expect_near(&s, s.average, name);
    destroy(&s);
}

START_TEST(gradients_clipped_by_their_norm_train_as_in_pytorch) {
    expect_pytorch("norm", 0.3, WELD_CLIP_NORM);
}
END_TEST

START_TEST(gradients_clipped_by_value_train_as_in_pytorch) {
    expect_pytorch("value", 0.02, WELD_CLIP_VALUE);
}
END_TEST

static void expect_equal(const weld_weights *a, const weld_weights *b) {
    for (size_t i = 0; i < weld_weights_count(a); i++) {
        weld_tensor x = weld_weights_tensor(a, i), y = weld_weights_tensor(b, i);
        ck_assert_mem_eq(x.data, y.data,
                         (size_t)weld_shape_count(&x.shape) * weld_dtype_size(x.dtype));
    }
}

START_TEST(norms_and_averages_are_the_same_for_any_number_of_threads) {
    setup a, b;
    make(&a, 0.3, WELD_CLIP_NORM, 1);
    make(&b, 0.3, WELD_CLIP_NORM, 3);
    for (int t = 0; t < STEPS; t++) {
        ck_assert_float_eq(step(&a, t), step(&b, t));
    }
    expect_equal(a.weights, b.weights);
    expect_equal(a.average, b.average);
    destroy(&a);
    destroy(&b);
}
END_TEST

START_TEST(a_clip_that_is_never_reached_changes_nothing) {
    setup off, norm, value;
    make(&off, 0, WELD_CLIP_NORM, 0);
    make(&norm, 1e6, WELD_CLIP_NORM, 0);
    make(&value, 1e6, WELD_CLIP_VALUE, 0);
    for (int t = 0; t < STEPS; t++) {
        step(&off, t);
        step(&norm, t);
        step(&value, t);
    }
    expect_equal(off.weights, norm.weights);
    expect_equal(off.weights, value.weights);
    destroy(&off);
    destroy(&norm);
    destroy(&value);
}
END_TEST

RUN_SUITE("train/clipping", gradients_clipped_by_their_norm_train_as_in_pytorch,
          gradients_clipped_by_value_train_as_in_pytorch,
          norms_and_averages_are_the_same_for_any_number_of_threads,
          a_clip_that_is_never_reached_changes_nothing)
