/* Frozen parts, scaled rates and batch norms in evaluation mode, step by step: against PyTorch, and
 * against the same step without them. */
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "fixture.h"
#include "graph/plan.h"
#include "models/models.h"
#include "suite.h"
#include "optimize/optimizer.h"
#include "train/train_graph.h"

enum { STEPS = 10, BATCHES = 3 };

static weld_error err;

/* A step of training on the network and the batches of finetune.fixture. */
typedef struct step_setup {
    weld_model_config config;
    weld_weights *fixture, *weights;
    weld_train_graph t;
    weld_parameter_rate *rates;
    weld_session *session;
    weld_optimizer *optimizer;
    weld_tensor *gradients;
} step_setup;

static void make(step_setup *s, int frozen, bool bn_eval) {
    s->fixture = fixture_load("finetune.fixture");
    s->config = fixture_config(s->fixture);
    weld_tensor images = fixture_tensor(s->fixture, "images/", "0");
    weld_train_graph_options options = {.batch = images.shape.dim[0],
                                        .input_size = images.shape.dim[1],
                                        .label_smoothing = 0.1,
                                        .bn_eval = bn_eval,
                                        .frozen = frozen,
                                        .dtype = WELD_F32};
    ck_assert_msg(!weld_train_graph_build(&s->config, &options, &s->t, &err), "%s", err.message);
    weld_rate_options rates = {.frozen = frozen, .head_scale = 5, .layer_decay = 0.7};
    ck_assert_int_eq(weld_parameter_rates_create(&s->config, s->t.graph, &rates, &s->rates, &err),
                     WELD_OK);
    s->weights = fixture_weights(s->fixture, "before/", s->t.graph);
    ck_assert_msg(!weld_session_create(s->t.graph, s->weights, NULL, &s->session, &err), "%s",
                  err.message);
    weld_optimizer_options adamw = {
        .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.025, .rates = s->rates};
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &adamw.kernels, &err), WELD_OK);
    ck_assert_int_eq(weld_optimizer_create(s->t.graph, s->weights, &adamw, &s->optimizer, &err),
                     WELD_OK);
    s->gradients = calloc(s->t.parameter_count, sizeof *s->gradients);
    ck_assert_int_eq(weld_train_graph_gradients(&s->t, s->session, s->gradients, &err), WELD_OK);
}

static void destroy(step_setup *s) {
    free(s->gradients);
    weld_optimizer_free(s->optimizer);
    weld_session_free(s->session);
    weld_weights_free(s->weights);
    weld_weights_free(s->fixture);
    weld_free(s->rates);
    weld_train_graph_free(&s->t);
}

static float forward_and_backward(step_setup *s, int t) {
    char number[8];
    snprintf(number, sizeof number, "%d", t % BATCHES);
    fixture_copy(weld_session_input(s->session, "images"),
                 fixture_tensor(s->fixture, "images/", number));
    fixture_copy(weld_session_input(s->session, "target"),
                 fixture_tensor(s->fixture, "targets/", number));
    weld_session_run(s->session, (uint64_t)t + 1);
    return *(float *)weld_session_output(s->session, "loss").data;
}

static size_t bytes_of(weld_tensor t) {
    return (size_t)weld_shape_count(&t.shape) * weld_dtype_size(t.dtype);
}

static bool is_frozen(const step_setup *s, const char *name, int frozen) {
    return weld_model_place_of(&s->config, name).part < frozen;
}

/* How far the tensor was moved by training, here and in PyTorch: the largest difference of the two,
 * in parts of the largest movement. */
static double movement_error(const step_setup *s, const char *name) {
    weld_tensor ours;
    ck_assert(weld_weights_find(s->weights, name, &ours));
    const float *before = fixture_tensor(s->fixture, "before/", name).data;
    const float *after = fixture_tensor(s->fixture, "after/", name).data, *own = ours.data;
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < weld_shape_count(&ours.shape); i++) {
        worst = fmax(worst, fabs((double)own[i] - after[i]));
        largest = fmax(largest, fabs((double)after[i] - before[i]));
    }
    return worst / largest;
}

START_TEST(ten_updates_are_those_of_pytorch_with_frozen_modules_and_parameter_groups) {
    static const char *const compared[] = {
        "features.2.token_mixer.0.conv.c.weight", "features.3.token_mixer.2.c.weight",
        "features.4.token_mixer.1.fc1.weight",    "features.4.channel_mixer.m.0.bn.running_var",
        "features.5.channel_mixer.m.2.c.weight",  "features.5.token_mixer.0.bn.weight",
        "classifier.classifier.bn.weight",        "classifier.classifier.l.bias",
        "classifier.classifier_dist.l.weight",    "classifier.classifier_dist.bn.running_mean"};
    enum { FROZEN = 2 };
    step_setup s;
    make(&s, FROZEN, false);
    const float *losses = fixture_tensor(s.fixture, "", "losses").data;
    for (int t = 0; t < STEPS; t++) {
        float loss = forward_and_backward(&s, t);
        ck_assert_msg(fabs(loss - losses[t]) <= 1e-3 * losses[t], "step %d: loss %g, PyTorch %g", t,
                      (double)loss, (double)losses[t]);
        weld_optimizer_step(s.optimizer, s.gradients, 2e-3);
    }
    for (size_t i = 0; i < sizeof compared / sizeof *compared; i++) {
        double error = movement_error(&s, compared[i]);
        ck_assert_msg(error < 0.01, "%s: moved otherwise than in PyTorch: %g", compared[i], error);
    }
    for (size_t i = 0; i < weld_weights_count(s.weights); i++) {
        const char *name = weld_weights_name(s.weights, i);
        weld_tensor now = weld_weights_tensor(s.weights, i);
        weld_tensor before = fixture_tensor(s.fixture, "before/", name);
        if (is_frozen(&s, name, FROZEN)) {
            ck_assert_mem_eq(now.data, before.data, bytes_of(now));
        } else if (now.dtype == WELD_I64) { /* num_batches_tracked */
            ck_assert_int_eq(*(int64_t *)now.data, *(int64_t *)before.data + STEPS);
        }
    }
    destroy(&s);
}
END_TEST

START_TEST(scales_are_those_of_the_formula) {
    step_setup s;
    make(&s, 2, false);
    for (size_t i = 0; i < s.t.parameter_count; i++) {
        const char *name = weld_value_name(weld_graph_parameter(s.t.graph, i));
        const float *scale = fixture_tensor(s.fixture, "scale/", name).data;
        ck_assert_int_eq(s.rates[i].trained, *scale > 0);
        ck_assert_float_eq_tol((float)s.rates[i].scale, *scale, 1e-6f);
    }
    char text[256];
    ck_assert_str_eq(
        weld_parameter_rates_text(&s.config, s.t.graph, s.rates, 0.01, text, sizeof text),
        "stem frozen, stage1 frozen, stage2 0.00343 to 0.007, head 0.05");
    destroy(&s);
}
END_TEST

/* To rounding: steps of other nodes are cut into other slices, whose sums are added. */
static void assert_near(const weld_tensor *a, const weld_tensor *b, const char *name) {
    const float *x = a->data, *y = b->data;
    float most = 0, off = 0;
    for (int64_t i = 0; i < weld_shape_count(&a->shape); i++) {
        most = fmaxf(most, fabsf(y[i]));
        off = fmaxf(off, fabsf(x[i] - y[i]));
    }
    ck_assert_msg(off <= 2e-6F * most, "gradient of %s differs by %g of %g", name, off, most);
}

/* With all batch norms in evaluation mode the forward pass is the same, so that the backward pass
 * must be too. */
START_TEST(gradients_of_what_is_trained_are_those_without_freezing) {
    step_setup all, some;
    make(&all, 0, true);
    float loss = forward_and_backward(&all, 0);
    for (int frozen = 1; frozen <= 3; frozen++) {
        make(&some, frozen, true);
        ck_assert_float_eq(forward_and_backward(&some, 0), loss);
        size_t trained = 0;
        for (size_t i = 0; i < some.t.parameter_count; i++) {
            const char *name = weld_value_name(weld_graph_parameter(some.t.graph, i));
            ck_assert_int_eq(some.gradients[i].data == NULL, is_frozen(&some, name, frozen));
            if (some.gradients[i].data) {
                assert_near(&some.gradients[i], &all.gradients[i], name);
                trained++;
            }
        }
        ck_assert_uint_lt(trained, all.t.parameter_count);
        ck_assert_uint_eq(weld_weights_count(weld_optimizer_first_moments(some.optimizer)),
                          trained);
        destroy(&some);
    }
    destroy(&all);
}
END_TEST

START_TEST(the_backward_pass_ends_where_the_frozen_parts_begin) {
    size_t nodes = SIZE_MAX, bytes = SIZE_MAX;
    for (int frozen = 0; frozen <= 3; frozen++) {
        step_setup s;
        make(&s, frozen, false);
        const weld_plan *plan = weld_session_plan(s.session);
        ck_assert_uint_lt(plan->order_count, nodes);
        ck_assert_uint_lt(plan->arena_bytes, bytes);
        nodes = plan->order_count;
        bytes = plan->arena_bytes;
        for (size_t i = 0; frozen == 3 && i < plan->order_count; i++) {
            ck_assert_str_ne(plan->order[i]->op->name, "conv2d_weight_grad");
        }
        destroy(&s);
    }
}
END_TEST

START_TEST(bn_eval_keeps_running_statistics_and_trains_both_heads) {
    step_setup s;
    make(&s, 0, true);
    for (int t = 0; t < 3; t++) {
        forward_and_backward(&s, t);
        weld_optimizer_step(s.optimizer, s.gradients, 1e-3);
    }
    for (size_t i = 0; i < weld_weights_count(s.weights); i++) {
        const char *name = weld_weights_name(s.weights, i);
        weld_tensor now = weld_weights_tensor(s.weights, i);
        weld_tensor before = fixture_tensor(s.fixture, "before/", name);
        const weld_value *leaf = weld_graph_find_leaf(s.t.graph, name);
        ck_assert_msg((memcmp(now.data, before.data, bytes_of(now)) == 0) ==
                          (leaf->kind == WELD_VALUE_BUFFER),
                      "%s", name);
    }
    destroy(&s);
}
END_TEST

RUN_SUITE("train/freeze", ten_updates_are_those_of_pytorch_with_frozen_modules_and_parameter_groups,
          scales_are_those_of_the_formula, gradients_of_what_is_trained_are_those_without_freezing,
          the_backward_pass_ends_where_the_frozen_parts_begin,
          bn_eval_keeps_running_statistics_and_trains_both_heads)
