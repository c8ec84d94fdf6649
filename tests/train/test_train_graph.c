/* The training step against PyTorch: twenty updates of a small network with batch norm, smoothing,
 * decay groups, warm-up and cosine, loss by loss. */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "fixture.h"
#include "graph/plan.h"
#include "suite.h"
#include "optimize/optimizer.h"
#include "measure/profile.h"
#include "optimize/schedule.h"
#include "train/train_graph.h"

enum { STEPS = 20, BATCHES = 4 };

typedef struct step_setup {
    weld_weights *fixture, *weights;
    weld_train_graph t;
    weld_session *session;
    weld_optimizer *optimizer;
    weld_tensor *gradients;
} step_setup;

static weld_error err;

static void make_precise(step_setup *s, const char *isa, int threads, weld_precision precision) {
    s->fixture = fixture_load("adamw.fixture");
    weld_model_config config = fixture_config(s->fixture);
    weld_tensor images = fixture_tensor(s->fixture, "images/", "0");
    weld_train_graph_options options = {.batch = images.shape.dim[0],
                                        .input_size = images.shape.dim[1],
                                        .label_smoothing = 0.1,
                                        .dtype = WELD_F32,
                                        .precision = precision};
    ck_assert_msg(!weld_train_graph_build(&config, &options, &s->t, &err), "%s", err.message);
    s->weights = fixture_weights(s->fixture, "before/", s->t.graph);
    weld_session_options run = {.threads = threads, .isa = isa};
    ck_assert_msg(!weld_session_create(s->t.graph, s->weights, &run, &s->session, &err), "%s",
                  err.message);
    weld_optimizer_options adamw = {
        .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.025, .threads = threads};
    ck_assert_int_eq(weld_kernels_select(WELD_F32, isa, &adamw.kernels, &err), WELD_OK);
    ck_assert_int_eq(weld_optimizer_create(s->t.graph, s->weights, &adamw, &s->optimizer, &err),
                     WELD_OK);
    s->gradients = calloc(s->t.parameter_count, sizeof *s->gradients);
    ck_assert_int_eq(weld_train_graph_gradients(&s->t, s->session, s->gradients, &err), WELD_OK);
}

static void make(step_setup *s, const char *isa, int threads) {
    make_precise(s, isa, threads, WELD_PRECISION_FP32);
}

static void destroy(step_setup *s) {
    free(s->gradients);
    weld_optimizer_free(s->optimizer);
    weld_session_free(s->session);
    weld_weights_free(s->weights);
    weld_weights_free(s->fixture);
    weld_train_graph_free(&s->t);
}

static float step(step_setup *s, int t, double rate) {
    char number[8];
    snprintf(number, sizeof number, "%d", t % BATCHES);
    fixture_copy(weld_session_input(s->session, "images"),
                 fixture_tensor(s->fixture, "images/", number));
    fixture_copy(weld_session_input(s->session, "target"),
                 fixture_tensor(s->fixture, "targets/", number));
    weld_session_run(s->session, (uint64_t)t + 1);
    float loss = *(float *)weld_session_output(s->session, "loss").data;
    weld_optimizer_step(s->optimizer, s->gradients, rate);
    return loss;
}

START_TEST(twenty_updates_have_the_losses_and_rates_of_pytorch) {
    step_setup s;
    make(&s, NULL, 0);
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
        double rate = weld_schedule_rate(&schedule, t);
        ck_assert_double_eq_tol(rate / rates[t], 1.0, 1e-6);
        float loss = step(&s, t, rate);
        ck_assert_msg(fabs(loss - losses[t]) <= 1e-3 * losses[t], "step %d: loss %g, PyTorch %g", t,
                      (double)loss, (double)losses[t]);
    }
    destroy(&s);
}
END_TEST

/* The losses fall by half on the way; rounding activations to 8 bits moves each by less than 2 %,
 * at whatever update: so it does not add up. */
START_TEST(twenty_updates_in_bf16_have_nearly_the_losses_of_pytorch_in_f32) {
    for (int v = 0; weld_kernels_available_bf16(v); v++) {
        step_setup s;
        make_precise(&s, weld_kernels_available_bf16(v), 0, WELD_PRECISION_BF16);
        const float *rates = fixture_tensor(s.fixture, "", "rates").data;
        const float *losses = fixture_tensor(s.fixture, "", "losses").data;
        for (int t = 0; t < STEPS; t++) {
            float loss = step(&s, t, rates[t]);
            ck_assert_msg(fabs(loss - losses[t]) <= 0.02 * losses[t],
                          "%s, step %d: loss %g, PyTorch %g", weld_kernels_available_bf16(v), t,
                          (double)loss, (double)losses[t]);
        }
        destroy(&s);
    }
}
END_TEST

static void expect_equal_steps(weld_precision precision, int threads) {
    step_setup a, b;
    make_precise(&a, NULL, 1, precision);
    make_precise(&b, NULL, threads, precision);
    for (int t = 0; t < 3; t++) {
        float first = step(&a, t, 1e-3), second = step(&b, t, 1e-3);
        ck_assert_mem_eq(&first, &second, sizeof first);
    }
    for (size_t i = 0; i < weld_weights_count(a.weights); i++) {
        weld_tensor x = weld_weights_tensor(a.weights, i), y = weld_weights_tensor(b.weights, i);
        ck_assert_mem_eq(x.data, y.data,
                         (size_t)weld_shape_count(&x.shape) * weld_dtype_size(x.dtype));
    }
    destroy(&a);
    destroy(&b);
}

START_TEST(the_number_of_threads_does_not_change_a_bit) {
    expect_equal_steps(WELD_PRECISION_FP32, 2);
    expect_equal_steps(WELD_PRECISION_BF16, 2);
    expect_equal_steps(WELD_PRECISION_BF16, 3);
}
END_TEST

START_TEST(bn_eval_keeps_running_statistics_and_trains_the_rest) {
    weld_model_config config = {.name = "repvit",
                                .num_classes = 3,
                                .stage_count = 1,
                                .channels = {8},
                                .depths = {1},
                                .stem_stride = 1};
    weld_train_graph_options options = {
        .batch = 2, .input_size = 4, .bn_eval = true, .dtype = WELD_F32};
    weld_train_graph t;
    weld_weights *w, *before;
    weld_session *s;
    ck_assert_msg(!weld_train_graph_build(&config, &options, &t, &err), "%s", err.message);
    ck_assert_int_eq(weld_graph_init_weights(t.graph, 1, &w, &err), WELD_OK);
    ck_assert_int_eq(weld_weights_clone(w, &before, &err), WELD_OK);
    ck_assert_msg(!weld_session_create(t.graph, w, NULL, &s, &err), "%s", err.message);
    float *images = weld_session_input(s, "images").data;
    for (int i = 0; i < 2 * 4 * 4 * 3; i++) {
        images[i] = (float)(i % 7) - 3;
    }
    ((float *)weld_session_input(s, "target").data)[0] = 1;
    ((float *)weld_session_input(s, "target").data)[5] = 1;
    weld_session_run(s, 1);
    weld_tensor gradients[64];
    ck_assert_int_le(t.parameter_count, 64);
    ck_assert_int_eq(weld_train_graph_gradients(&t, s, gradients, &err), WELD_OK);
    bool moves = false;
    for (size_t i = 0; i < t.parameter_count; i++) {
        moves = moves || ((float *)gradients[i].data)[0] != 0;
    }
    ck_assert(moves);
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor x = weld_weights_tensor(w, i), y = weld_weights_tensor(before, i);
        ck_assert_mem_eq(x.data, y.data,
                         (size_t)weld_shape_count(&x.shape) * weld_dtype_size(x.dtype));
    }
    weld_session_free(s);
    weld_weights_free(w);
    weld_weights_free(before);
    weld_train_graph_free(&t);
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
    step_setup s;
    make(&s, NULL, 2);
    const weld_plan *plan = weld_session_plan(s.session);
    const weld_value *loss = weld_graph_output(s.t.graph, "loss");
    bool *needed = calloc(s.t.graph->node_count, sizeof *needed);
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

    weld_session_mark(s.session, loss);
    double begin = weld_clock();
    weld_session_run(s.session, 1);
    double end = weld_clock(), known = weld_session_marked(s.session);
    ck_assert(begin < known && known < end);
    weld_session_run(s.session, 2);
    ck_assert(weld_session_marked(s.session) > end);
    free(needed);
    destroy(&s);
}
END_TEST

RUN_SUITE("train/train_graph", twenty_updates_have_the_losses_and_rates_of_pytorch,
          twenty_updates_in_bf16_have_nearly_the_losses_of_pytorch_in_f32,
          the_number_of_threads_does_not_change_a_bit,
          bn_eval_keeps_running_statistics_and_trains_the_rest,
          the_mark_of_the_loss_lies_between_forward_and_backward)
