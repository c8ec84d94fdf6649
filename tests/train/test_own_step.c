/* Training of networks that programs build themselves. */
#include "weld/step.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "own_network.h"
#include "files.h"
#include "train/fixture_step.h"
#include "suite.h"

enum { STEPS = 6, BATCHES = 3 };

static weld_error err;

static void expect_error(weld_status status, weld_status wanted, const char *says) {
    ck_assert_int_eq(status, wanted);
    ck_assert_msg(strstr(err.message, says), "'%s' is not in: %s", says, err.message);
}

/* --- Against PyTorch: the graph of a known network, trained as if it were the program's own. ---
 */

static weld_graph *fixture_graph(const weld_weights *fixture) {
    const weld_model_config config = fixture_config(fixture);
    const int64_t *dim = fixture_tensor(fixture, "images/", "0").shape.dim;
    weld_graph *g;
    ck_assert_int_eq(weld_model_build(&config, true, dim[0], dim[1], dim[2], WELD_F32, &g, &err),
                     WELD_OK);
    return g;
}

static void expect_near(const weld_weights *is, const weld_weights *fixture, const char *prefix) {
    for (size_t i = 0; i < weld_weights_count(is); i++) {
        weld_tensor t = weld_weights_tensor(is, i);
        if (t.dtype != WELD_F32) {
            continue;
        }
        weld_tensor should = fixture_tensor(fixture, prefix, weld_weights_name(is, i));
        for (int64_t k = 0; k < weld_shape_count(&t.shape); k++) {
            double a = (double)((float *)t.data)[k], b = (double)((float *)should.data)[k];
            ck_assert_msg(fabs(a - b) <= 2e-5 * (1 + fabs(b)), "%s%s[%d]: %.8g, PyTorch %.8g",
                          prefix, weld_weights_name(is, i), (int)k, a, b);
        }
    }
}

START_TEST(a_network_of_ones_own_trains_as_in_pytorch) {
    weld_weights *fixture = fixture_load("updates.fixture");
    weld_graph *g = fixture_graph(fixture);
    weld_weights *start = fixture_weights(fixture, "before/", g);
    const float *losses = fixture_tensor(fixture, "", "norm/losses").data;
    weld_step_options o = weld_step_defaults();
    weld_step *s;
    o.eps = 1e-3;
    o.clip = 0.3;
    o.lr = 5e-3;
    o.average_decay = 0.9;
    ck_assert_msg(!weld_step_create(g, start, &o, &s, &err), "%s", err.message);
    for (int t = 0; t < STEPS; t++) {
        char number[8];
        double loss;
        snprintf(number, sizeof number, "%d", t % BATCHES);
        fixture_copy(weld_step_input(s, "images"), fixture_tensor(fixture, "images/", number));
        fixture_copy(weld_step_input(s, "target"), fixture_tensor(fixture, "targets/", number));
        ck_assert_msg(!weld_step_run(s, &loss, &err), "%s", err.message);
        ck_assert_double_eq_tol(loss, (double)losses[t], 1e-4 * (double)losses[t]);
        ck_assert_int_eq(weld_step_update(s, weld_step_rate(s), &err), WELD_OK);
    }
    expect_near(weld_step_weights(s), fixture, "norm/after/");
    expect_near(weld_step_average(s), fixture, "norm/average/");
    weld_step_free(s);
    weld_weights_free(start);
    weld_weights_free(fixture);
    weld_graph_free(g);
}
END_TEST

/* --- A loss of one's own: the mean of w x, whose gradient is the mean of x. --- */

static weld_graph *linear_graph(bool reached) {
    weld_graph *g;
    const weld_init one = {WELD_INIT_CONSTANT, 1, 0};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, &err), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(4, 2));
    weld_value *w = weld_parameter(g, "w", WELD_SHAPE(1, 2), one);
    if (!reached) {
        weld_parameter(g, "lost", WELD_SHAPE(3), one);
    }
    weld_output(g, "loss", weld_mean(g, weld_linear(g, x, w, NULL)));
    return g;
}

START_TEST(a_program_may_bring_its_own_loss_and_inputs) {
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 9};
    weld_graph *g = linear_graph(true);
    weld_step_options o = weld_step_defaults();
    weld_step *s;
    double loss;
    o.method = WELD_SGD;
    o.momentum = o.weight_decay = 0;
    ck_assert_msg(!weld_step_create(g, NULL, &o, &s, &err), "%s", err.message);
    ck_assert_ptr_null(weld_step_input(s, "target").data);
    memcpy(weld_step_input(s, "x").data, x, sizeof x);
    ck_assert_int_eq(weld_step_run(s, &loss, &err), WELD_OK);
    ck_assert_double_eq_tol(loss, (1 + 3 + 5 + 7 + 2 + 4 + 6 + 9) / 4.0, 1e-6);
    const float *gradient = weld_step_gradient(s, "w").data;
    ck_assert_float_eq_tol(gradient[0], 4.0f, 1e-6f);
    ck_assert_float_eq_tol(gradient[1], 5.25f, 1e-6f);
    ck_assert_ptr_null(weld_step_gradient(s, "x").data);
    ck_assert_int_eq(weld_step_update(s, 0.1, &err), WELD_OK);
    weld_tensor w;
    ck_assert(weld_weights_find(weld_step_weights(s), "w", &w));
    ck_assert_float_eq_tol(((float *)w.data)[0], 0.6f, 1e-6f);
    ck_assert_float_eq_tol(((float *)w.data)[1], 0.475f, 1e-6f);
    weld_step_free(s);
    weld_graph_free(g);
}
END_TEST

START_TEST(a_network_that_cannot_be_trained_is_an_error_that_says_why) {
    weld_step *s;
    weld_graph *g = linear_graph(false);
    expect_error(weld_step_create(g, NULL, NULL, &s, &err), WELD_ERROR_ARGUMENT, "lost");
    ck_assert_ptr_null(s);
    weld_graph_free(g);
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, &err), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(2, 8, 8, 3));
    const weld_layers net = weld_layers_of(g, true);
    x = weld_layer_conv(&net, (weld_path){"conv"}, x, (weld_conv_shape){3, 4, .kernel = 1}, true);
    expect_error(weld_step_create(g, NULL, NULL, &s, &err), WELD_ERROR_ARGUMENT,
                 "neither an output \"logits\"");
    weld_output(g, "logits", x);
    expect_error(weld_step_create(g, NULL, NULL, &s, &err), WELD_ERROR_ARGUMENT,
                 "[2, 8, 8, 4], not [batch, classes]");
    weld_value *wide = weld_layer_linear(&net, (weld_path){"fc"}, x, 5, 3, (weld_init){0});
    ck_assert_ptr_null(wide); /* what building met is what comes out in the end */
    expect_error(weld_step_create(g, NULL, NULL, &s, &err), WELD_ERROR_SHAPE, "fc.weight");
    weld_graph_free(g);
    g = own_graph(true, OWN_BATCH);
    weld_step_options zero = {.lr = 1};
    expect_error(weld_step_create(g, NULL, &zero, &s, &err), WELD_ERROR_ARGUMENT,
                 "weld_step_defaults");
    weld_weights *empty;
    ck_assert_int_eq(weld_weights_create(&empty, &err), WELD_OK);
    expect_error(weld_step_create(g, empty, NULL, &s, &err), WELD_ERROR_SHAPE, "stem.weight");
    weld_weights_free(empty);
    weld_graph_free(g);
}
END_TEST

/* --- Learning --- */

START_TEST(it_learns_and_bf16_learns_the_same) {
    weld_graph *g = own_graph(true, OWN_BATCH);
    double loss[2];
    for (int bf16 = 0; bf16 <= 1; bf16++) {
        weld_step_options o = weld_step_defaults();
        weld_step *s;
        o.lr = 0.02;
        o.label_smoothing = 0;
        o.precision = bf16 ? WELD_PRECISION_BF16 : WELD_PRECISION_FP32;
        ck_assert_msg(!weld_step_create(g, NULL, &o, &s, &err), "%s", err.message);
        own_train(s, 1, 1);
        loss[bf16] = own_train(s, 60, 1);
        ck_assert_double_lt(loss[bf16], log(OWN_CLASSES) / 2);
        weld_step_free(s);
    }
    ck_assert_double_eq_tol(loss[0], loss[1], 0.2);
    weld_graph_free(g);
}
END_TEST

static double stem_is_frozen(void *context, const char *parameter) {
    ck_assert_str_eq(context, "mine");
    return strncmp(parameter, "stem", 4) == 0 ? 0 : 1;
}

START_TEST(frozen_parameters_stay_bit_for_bit) {
    weld_graph *g = own_graph(true, OWN_BATCH);
    weld_step_options o = weld_step_defaults();
    weld_weights *before;
    weld_step *s;
    char mine[] = "mine";
    o.rate = stem_is_frozen;
    o.context = mine;
    ck_assert_int_eq(weld_step_create(g, NULL, &o, &s, &err), WELD_OK);
    ck_assert_int_eq(weld_weights_clone(weld_step_weights(s), &before, &err), WELD_OK);
    own_train(s, 3, 1);
    ck_assert_ptr_null(weld_step_gradient(s, "stem.weight").data);
    for (size_t i = 0; i < weld_weights_count(before); i++) {
        const weld_tensor was = weld_weights_tensor(before, i);
        const weld_tensor is = weld_weights_tensor(weld_step_weights(s), i);
        const char *name = weld_weights_name(before, i);
        const bool same = memcmp(was.data, is.data, weld_tensor_bytes(&was)) == 0;
        ck_assert_msg(same == (strncmp(name, "stem", 4) == 0), "%s", name);
    }
    weld_weights_free(before);
    weld_step_free(s);
    weld_graph_free(g);
}
END_TEST

/* By hand: half of a cosine from 1 to 0.2 over 8 updates, after a rise from 0 over 2. */
START_TEST(the_rate_rises_and_falls_as_the_options_say) {
    const double wanted[] = {0, 0.5, 0.2 + 0.4 * (1 + M_SQRT1_2)};
    weld_graph *g = linear_graph(true);
    weld_step_options o = weld_step_defaults();
    weld_step *s;
    o.lr = 1;
    o.warmup = 2;
    o.updates = 8;
    o.min_lr = 0.2;
    o.threads = 1;
    ck_assert_int_eq(weld_step_create(g, NULL, &o, &s, &err), WELD_OK);
    for (int i = 0; i < 10; i++) {
        double rate = weld_step_rate(s);
        if (i < 3) {
            ck_assert_double_eq_tol(rate, wanted[i], 1e-12);
        }
        ck_assert_double_ge(rate, i >= 2 ? 0.2 : 0);
        ck_assert_int_eq(weld_step_run(s, NULL, &err), WELD_OK);
        ck_assert_int_eq(weld_step_update(s, rate, &err), WELD_OK);
    }
    ck_assert_double_eq_tol(weld_step_rate(s), 0.2, 1e-12);
    weld_step_free(s);
    o.updates = 0;
    o.decay_updates = 3;
    o.decay_rate = 0.5;
    o.min_lr = 0;
    ck_assert_int_eq(weld_step_create(g, NULL, &o, &s, &err), WELD_OK);
    for (int i = 0; i < 7; i++) {
        ck_assert_int_eq(weld_step_run(s, NULL, &err), WELD_OK);
        ck_assert_int_eq(weld_step_update(s, weld_step_rate(s), &err), WELD_OK);
    }
    ck_assert_double_eq_tol(weld_step_rate(s), 0.25, 1e-12);
    weld_step_free(s);
    weld_graph_free(g);
}
END_TEST

/* --- What goes wrong --- */

START_TEST(runs_and_updates_out_of_turn_are_errors) {
    weld_graph *g = linear_graph(true);
    weld_step_options o = weld_step_defaults();
    weld_step *s;
    weld_model *m;
    o.accumulate = 2;
    ck_assert_int_eq(weld_step_create(g, NULL, &o, &s, &err), WELD_OK);
    expect_error(weld_step_update(s, 1, &err), WELD_ERROR_ARGUMENT, "nothing was run");
    ck_assert_int_eq(weld_step_run(s, NULL, &err), WELD_OK);
    expect_error(weld_step_snapshot(s, g, NULL, &m, &err), WELD_ERROR_ARGUMENT, "in the middle");
    ck_assert_int_eq(weld_step_run(s, NULL, &err), WELD_OK);
    expect_error(weld_step_run(s, NULL, &err), WELD_ERROR_ARGUMENT, "all 2 runs of update 1");
    expect_error(weld_step_update(s, NAN, &err), WELD_ERROR_ARGUMENT, "rate nan");
    ck_assert_int_eq(weld_step_update(s, 1, &err), WELD_OK);
    ck_assert_int_eq(weld_step_updates(s), 1);
    weld_step_free(s);
    weld_graph_free(g);
}
END_TEST

START_TEST(a_loss_that_is_not_finite_is_told_and_explained) {
    weld_graph *g = own_graph(true, OWN_BATCH);
    weld_weights *before;
    weld_step *s;
    ck_assert_int_eq(weld_step_create(g, NULL, NULL, &s, &err), WELD_OK);
    own_train(s, 2, 1);
    ck_assert_int_eq(weld_weights_clone(weld_step_weights(s), &before, &err), WELD_OK);
    own_fill(s, 2);
    ((float *)weld_step_input(s, "images").data)[5] = INFINITY;
    expect_error(weld_step_run(s, NULL, &err), WELD_ERROR_NUMERIC, "update 3");
    expect_error(weld_step_update(s, 1, &err), WELD_ERROR_ARGUMENT, "nothing was run");
    own_fill(s, 2);
    ((float *)weld_step_input(s, "images").data)[5] = INFINITY;
    expect_error(weld_step_explain(s, &err), WELD_ERROR_NUMERIC, "input images: element 5");
    for (size_t i = 0; i < weld_weights_count(before); i++) { /* running statistics too */
        weld_tensor was = weld_weights_tensor(before, i),
                    is = weld_weights_tensor(weld_step_weights(s), i);
        ck_assert_mem_eq(was.data, is.data, weld_tensor_bytes(&was));
    }
    own_fill(s, 2); /* the batch itself is sound */
    expect_error(weld_step_explain(s, &err), WELD_ERROR_NUMERIC,
                 "finite when it is computed again");
    own_train(s, 4, 1);
    weld_weights_free(before);
    weld_step_free(s);
    weld_graph_free(g);
}
END_TEST

/* --- Stopping and going on --- */

static weld_step_options resumable(void) {
    weld_step_options o = weld_step_defaults();
    o.lr = 0.01;
    o.updates = 8;
    o.warmup = 2;
    o.accumulate = 2;
    o.average_decay = 0.9;
    o.average_warmup = true;
    o.seed = 5;
    return o;
}

START_TEST(a_step_goes_on_from_a_file_to_the_same_bits) {
    weld_graph *training = own_graph(true, OWN_BATCH), *evaluation = own_graph(false, 1);
    weld_step_options o = resumable();
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "half.h5");
    weld_step *whole, *first, *second;
    weld_model *m;
    ck_assert_int_eq(weld_step_create(training, NULL, &o, &whole, &err), WELD_OK);
    ck_assert_int_eq(weld_step_create(training, NULL, &o, &first, &err), WELD_OK);
    own_train(whole, 6, 2);
    own_train(first, 3, 2);
    ck_assert_msg(!weld_step_snapshot(first, evaluation, NULL, &m, &err), "%s", err.message);
    ck_assert_msg(!weld_model_save(m, path, &err), "%s", err.message);
    weld_model_free(m);
    weld_step_free(first);
    o.threads = 1;
    ck_assert_int_eq(weld_step_create(training, NULL, &o, &second, &err), WELD_OK);
    ck_assert_msg(!weld_model_open(path, &m, &err), "%s", err.message);
    own_train(second, 1, 2); /* and half of the next update, of which nothing is to be left */
    ck_assert_int_eq(weld_step_run(second, NULL, &err), WELD_OK);
    ck_assert_msg(!weld_step_restore(second, m, &err), "%s", err.message);
    ck_assert_int_eq(weld_step_updates(second), 3);
    own_train(second, 6, 2);
    expect_equal_weights(weld_step_weights(whole), weld_step_weights(second));
    expect_equal_weights(weld_step_average(whole), weld_step_average(second));
    weld_model_free(m);
    weld_step_free(second);
    weld_step_free(whole);
    weld_graph_free(training);
    weld_graph_free(evaluation);
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_cannot_be_gone_on_from_is_refused_and_changes_nothing) {
    weld_graph *training = own_graph(true, OWN_BATCH), *evaluation = own_graph(false, 1);
    weld_step_options o = resumable();
    weld_weights *before;
    weld_step *s, *other;
    weld_model *m;
    ck_assert_int_eq(weld_step_create(training, NULL, &o, &s, &err), WELD_OK);
    own_train(s, 1, 2);
    ck_assert_int_eq(weld_weights_clone(weld_step_weights(s), &before, &err), WELD_OK);
    ck_assert_int_eq(weld_model_create(evaluation, weld_step_weights(s), NULL, &m, &err), WELD_OK);
    expect_error(weld_step_restore(s, m, &err), WELD_ERROR_ARGUMENT, "no optimizer's state");
    weld_model_free(m);
    o.average_decay = 0;
    o.seed = 6;
    ck_assert_int_eq(weld_step_create(training, NULL, &o, &other, &err), WELD_OK);
    own_train(other, 1, 2);
    ck_assert_int_eq(weld_step_snapshot(other, evaluation, NULL, &m, &err), WELD_OK);
    expect_error(weld_step_restore(s, m, &err), WELD_ERROR_ARGUMENT, "no moving average");
    expect_equal_weights(before, weld_step_weights(s));
    weld_step_free(other);
    weld_graph *small = linear_graph(true);
    ck_assert_int_eq(weld_step_create(small, NULL, NULL, &other, &err), WELD_OK);
    expect_error(weld_step_restore(other, m, &err), WELD_ERROR_SHAPE, "no weights of w");
    weld_step_free(other);
    weld_graph_free(small);
    weld_model_free(m);
    weld_weights_free(before);
    weld_step_free(s);
    weld_graph_free(training);
    weld_graph_free(evaluation);
}
END_TEST

START_TEST(a_lack_of_memory_is_told_wherever_it_comes) {
    weld_graph *training = own_graph(true, OWN_BATCH), *evaluation = own_graph(false, 1);
    weld_step_options o = resumable();
    weld_step *s = NULL;
    weld_model *m = NULL;
    weld_status status = WELD_ERROR_MEMORY;
    for (long i = 0; status; i += 7) {
        weld_memory_fail_after(i);
        status = weld_step_create(training, NULL, &o, &s, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    own_train(s, 1, 2);
    status = WELD_ERROR_MEMORY;
    for (long i = 0; status; i++) {
        weld_memory_fail_after(i);
        status = weld_step_snapshot(s, evaluation, NULL, &m, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    weld_model_free(m);
    weld_step_free(s);
    weld_graph_free(training);
    weld_graph_free(evaluation);
}
END_TEST

RUN_SUITE("train/own_step", a_network_of_ones_own_trains_as_in_pytorch,
          a_program_may_bring_its_own_loss_and_inputs,
          a_network_that_cannot_be_trained_is_an_error_that_says_why,
          it_learns_and_bf16_learns_the_same, frozen_parameters_stay_bit_for_bit,
          the_rate_rises_and_falls_as_the_options_say, runs_and_updates_out_of_turn_are_errors,
          a_loss_that_is_not_finite_is_told_and_explained,
          a_step_goes_on_from_a_file_to_the_same_bits,
          what_cannot_be_gone_on_from_is_refused_and_changes_nothing,
          a_lack_of_memory_is_told_wherever_it_comes)
