/* The training step against PyTorch: twenty updates of a small network with batch norm, smoothing,
 * decay groups, warm-up and cosine, loss by loss. */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "graph/plan.h"
#include "suite.h"
#include "measure/profile.h"
#include "optimize/schedule.h"
#include "train/fixture_step.h"
#include "repvit_config.h"

enum { STEPS = 20, BATCHES = 4 };

static weld_error err;

static void make(fixture_step *s, const char *isa, int threads, weld_precision precision) {
    weld_train_step_options options = {.isa = isa, .threads = threads, .precision = precision};
    fixture_step_make(s, "adamw.fixture", options, &fixture_adamw, 0);
}

static float update(fixture_step *s, int t, double rate) {
    float loss = fixture_step_run(s, t, BATCHES);
    weld_train_step_update(s->step, rate);
    return loss;
}

START_TEST(twenty_updates_have_the_losses_and_rates_of_pytorch) {
    fixture_step s;
    make(&s, NULL, 0, WELD_PRECISION_FP32);
    const float *rates = fixture_tensor(s.fixture, "", "rates").data;
    const float *losses = fixture_tensor(s.fixture, "", "losses").data;
    /* Four steps of warm-up in a run of one epoch of twenty. */
    weld_schedule schedule = {.base_lr = 5e-3,
                              .warmup_lr = 1e-4,
                              .min_lr = 1e-5,
                              .warmup_epochs = 4.0 / STEPS,
                              .epochs = 1,
                              .steps_per_epoch = STEPS};
    for (int t = 0; t < STEPS; t++) {
        double rate = weld_schedule_rate(&schedule, 0, t, 0);
        ck_assert_double_eq_tol(rate / rates[t], 1.0, 1e-6);
        float loss = update(&s, t, rate);
        ck_assert_msg(fabs(loss - losses[t]) <= 1e-3 * losses[t], "step %d: loss %g, PyTorch %g", t,
                      (double)loss, (double)losses[t]);
    }
    fixture_step_free(&s);
}
END_TEST

/* The losses fall by half on the way; rounding activations to 8 bits moves each by less than 2 %,
 * at whatever update: so it does not add up. */
START_TEST(twenty_updates_in_bf16_have_nearly_the_losses_of_pytorch_in_f32) {
    for (int v = 0; weld_kernels_available(WELD_BF16, v); v++) {
        fixture_step s;
        make(&s, weld_kernels_available(WELD_BF16, v), 0, WELD_PRECISION_BF16);
        const float *rates = fixture_tensor(s.fixture, "", "rates").data;
        const float *losses = fixture_tensor(s.fixture, "", "losses").data;
        for (int t = 0; t < STEPS; t++) {
            float loss = update(&s, t, rates[t]);
            ck_assert_msg(fabs(loss - losses[t]) <= 0.02 * losses[t],
                          "%s, step %d: loss %g, PyTorch %g", weld_kernels_available(WELD_BF16, v),
                          t, (double)loss, (double)losses[t]);
        }
        fixture_step_free(&s);
    }
}
END_TEST

static void expect_equal_steps(weld_precision precision, int threads) {
    fixture_step a, b;
    make(&a, NULL, 1, precision);
    make(&b, NULL, threads, precision);
    for (int t = 0; t < 3; t++) {
        float first = update(&a, t, 1e-3), second = update(&b, t, 1e-3);
        ck_assert_mem_eq(&first, &second, sizeof first);
    }
    expect_equal_weights(a.weights, b.weights);
    fixture_step_free(&a);
    fixture_step_free(&b);
}

static void expect_equal_steps_for_threads(void) {
    static const int threads[] = {2, 3, 7, 24, 64};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        expect_equal_steps(WELD_PRECISION_FP32, threads[i]);
        expect_equal_steps(WELD_PRECISION_BF16, threads[i]);
    }
}

START_TEST(the_number_of_threads_does_not_change_a_bit) {
    expect_equal_steps_for_threads();
}
END_TEST

START_TEST(nor_does_a_number_that_changes_from_loop_to_loop) {
    setenv("WELD_THREADS_RANDOM", "1", 1);
    expect_equal_steps_for_threads();
}
END_TEST

START_TEST(bn_eval_keeps_running_statistics_and_trains_the_rest) {
    weld_model_config config = repvit_config(3, "8", "1", 1, false, false);
    weld_train_step_options options = {.batch = 2,
                                       .height = 4,
                                       .width = 4,
                                       .build_loss = weld_classification_loss_build,
                                       .loss = &fixture_loss,
                                       .bn_eval = true,
                                       .dtype = WELD_F32,
                                       .seed = 1};
    weld_train_step *s;
    weld_weights *before;
    ck_assert_msg(!weld_train_step_create(&config, &options, NULL, &s, &err), "%s", err.message);
    ck_assert_int_eq(weld_weights_clone(s->weights, &before, &err), WELD_OK);
    float *images = s->images.data, *target = weld_train_step_input(s, "target").data;
    for (int i = 0; i < 2 * 4 * 4 * 3; i++) {
        images[i] = (float)(i % 7) - 3;
    }
    target[0] = target[5] = 1;
    weld_train_step_run(s, 1);
    weld_train_step_move_statistics(s);
    bool moves = false;
    for (size_t i = 0; i < s->parameter_count; i++) {
        moves = moves || ((float *)s->gradients[i].data)[0] != 0;
    }
    ck_assert(moves);
    expect_equal_weights(s->weights, before);
    weld_train_step_free(s);
    weld_weights_free(before);
}
END_TEST

/* Does the value need the node's results? By node id, with everything it needs in turn. */
static void mark_needed(const weld_value *v, bool *needed) {
    if (v && v->producer && !needed[v->producer->id]) {
        needed[v->producer->id] = true;
        for (int i = 0; i < v->producer->input_count; i++) {
            mark_needed(v->producer->inputs[i], needed);
        }
    }
}

/* The time marked parts the forward pass from the backward one, though streams of nodes mix. */
START_TEST(the_mark_of_the_loss_lies_between_forward_and_backward) {
    fixture_step s;
    make(&s, NULL, 2, WELD_PRECISION_FP32);
    const weld_plan *plan = weld_session_plan(s.step->session);
    const weld_value *loss = weld_graph_output(s.step->graph, "loss");
    bool *needed = calloc(s.step->graph->node_count, sizeof *needed);
    double before = 0, after = 0;
    size_t marked = SIZE_MAX;
    mark_needed(loss, needed);
    for (size_t i = 0; i < plan->step_count; i++) {
        for (size_t at = plan->steps[i].begin; at < plan->steps[i].end; at++) {
            const weld_node *node = plan->order[at];
            double flops, bytes;
            weld_profile_cost(plan, node, &flops, &bytes);
            ck_assert(!needed[node->id] || marked == SIZE_MAX || i <= marked);
            before += !needed[node->id] && marked == SIZE_MAX ? bytes : 0;
            after += marked != SIZE_MAX ? bytes : 0;
            marked = node == loss->producer ? i : marked;
        }
    }
    ck_assert_double_lt(before, 0.05 * after);

    double begin = weld_clock();
    weld_train_step_run(s.step, 1);
    double end = weld_clock(), known = s.step->loss_known;
    ck_assert(begin < known && known < end);
    weld_train_step_run(s.step, 2);
    ck_assert(s.step->loss_known > end);
    free(needed);
    fixture_step_free(&s);
}
END_TEST

RUN_SUITE("train/step", twenty_updates_have_the_losses_and_rates_of_pytorch,
          twenty_updates_in_bf16_have_nearly_the_losses_of_pytorch_in_f32,
          the_number_of_threads_does_not_change_a_bit,
          nor_does_a_number_that_changes_from_loop_to_loop,
          bn_eval_keeps_running_statistics_and_trains_the_rest,
          the_mark_of_the_loss_lies_between_forward_and_backward)
