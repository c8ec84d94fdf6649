/* Frozen parts, scaled rates and batch norms in evaluation mode, step by step: against PyTorch, and
 * against the same step without them. */
#include <math.h>
#include <stdio.h>

#include "graph/plan.h"
#include "models/models.h"
#include "suite.h"
#include "train/fixture_step.h"

enum { STEPS = 10, BATCHES = 3 };

static void make(fixture_step *s, int frozen, bool bn_eval) {
    weld_rate_options rates = {.frozen = frozen, .head_scale = 5, .layer_decay = 0.7};
    weld_train_step_options options = {.rates = rates, .bn_eval = bn_eval};
    fixture_step_make(s, "finetune.fixture", options, &fixture_adamw, 0);
}

static bool is_frozen(const fixture_step *s, const char *name, int frozen) {
    return weld_model_place_of(&s->config, name).part < frozen;
}

/* How far the tensor was moved by training, here and in PyTorch: the largest difference of the two,
 * in parts of the largest movement. */
static double movement_error(const fixture_step *s, const char *name) {
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
    fixture_step s;
    make(&s, FROZEN, false);
    const float *losses = fixture_tensor(s.fixture, "", "losses").data;
    for (int t = 0; t < STEPS; t++) {
        float loss = fixture_step_run(&s, t, BATCHES);
        ck_assert_msg(fabs(loss - losses[t]) <= 1e-3 * losses[t], "step %d: loss %g, PyTorch %g", t,
                      (double)loss, (double)losses[t]);
        weld_train_step_update(s.step, 2e-3);
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
            ck_assert_mem_eq(now.data, before.data, tensor_bytes(now));
        } else if (now.dtype == WELD_I64) { /* num_batches_tracked */
            ck_assert_int_eq(*(int64_t *)now.data, *(int64_t *)before.data + STEPS);
        }
    }
    fixture_step_free(&s);
}
END_TEST

START_TEST(scales_are_those_of_the_formula) {
    fixture_step s;
    make(&s, 2, false);
    for (size_t i = 0; i < s.step->parameter_count; i++) {
        const char *name = weld_value_name(weld_graph_parameter(s.step->graph, i));
        const float *scale = fixture_tensor(s.fixture, "scale/", name).data;
        ck_assert_int_eq(s.step->rates[i].trained, *scale > 0);
        ck_assert_float_eq_tol((float)s.step->rates[i].scale, *scale, 1e-6f);
    }
    char text[256];
    ck_assert_str_eq(
        weld_parameter_rates_text(&s.config, s.step->graph, s.step->rates, 0.01, text, sizeof text),
        "stem frozen, stage1 frozen, stage2 0.00343 to 0.007, head 0.05");
    fixture_step_free(&s);
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
    fixture_step all, some;
    make(&all, 0, true);
    float loss = fixture_step_run(&all, 0, BATCHES);
    for (int frozen = 1; frozen <= 3; frozen++) {
        make(&some, frozen, true);
        ck_assert_float_eq(fixture_step_run(&some, 0, BATCHES), loss);
        size_t trained = 0;
        for (size_t i = 0; i < some.step->parameter_count; i++) {
            const char *name = weld_value_name(weld_graph_parameter(some.step->graph, i));
            ck_assert_int_eq(some.step->gradients[i].data == NULL, is_frozen(&some, name, frozen));
            if (some.step->gradients[i].data) {
                assert_near(&some.step->gradients[i], &all.step->gradients[i], name);
                trained++;
            }
        }
        ck_assert_uint_lt(trained, all.step->parameter_count);
        ck_assert_uint_eq(weld_weights_count(weld_optimizer_first_moments(some.step->optimizer)),
                          trained);
        fixture_step_free(&some);
    }
    fixture_step_free(&all);
}
END_TEST

START_TEST(the_backward_pass_ends_where_the_frozen_parts_begin) {
    size_t nodes = SIZE_MAX, bytes = SIZE_MAX;
    for (int frozen = 0; frozen <= 3; frozen++) {
        fixture_step s;
        make(&s, frozen, false);
        const weld_plan *plan = weld_session_plan(s.step->session);
        ck_assert_uint_lt(plan->order_count, nodes);
        ck_assert_uint_lt(plan->arena_bytes, bytes);
        nodes = plan->order_count;
        bytes = plan->arena_bytes;
        for (size_t i = 0; frozen == 3 && i < plan->order_count; i++) {
            ck_assert_str_ne(plan->order[i]->op->name, "conv2d_weight_grad");
        }
        fixture_step_free(&s);
    }
}
END_TEST

START_TEST(bn_eval_keeps_running_statistics_and_trains_both_heads) {
    fixture_step s;
    make(&s, 0, true);
    for (int t = 0; t < 3; t++) {
        fixture_step_run(&s, t, BATCHES);
        weld_train_step_update(s.step, 1e-3);
    }
    for (size_t i = 0; i < weld_weights_count(s.weights); i++) {
        const char *name = weld_weights_name(s.weights, i);
        weld_tensor now = weld_weights_tensor(s.weights, i);
        weld_tensor before = fixture_tensor(s.fixture, "before/", name);
        const weld_value *leaf = weld_graph_find_leaf(s.step->graph, name);
        ck_assert_msg((memcmp(now.data, before.data, tensor_bytes(now)) == 0) ==
                          (leaf->kind == WELD_VALUE_BUFFER),
                      "%s", name);
    }
    fixture_step_free(&s);
}
END_TEST

RUN_SUITE("train/freeze", ten_updates_are_those_of_pytorch_with_frozen_modules_and_parameter_groups,
          scales_are_those_of_the_formula, gradients_of_what_is_trained_are_those_without_freezing,
          the_backward_pass_ends_where_the_frozen_parts_begin,
          bn_eval_keeps_running_statistics_and_trains_both_heads)
