/* Training steps that keep no more of their segments than the ends, and compute the rest again:
 * the same bits as of steps that keep all, in less memory. */
#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "fixture.h"
#include "graph/session.h"
#include "ops/ops.h"
#include "passes/rematerialize.h"
#include "suite.h"
#include "tasks/task.h"
#include "train/recompute_segments.h"
#include "train/step.h"

static weld_error err;

/* --- Networks -------------------------------------------------------------------------------- */

enum { REPVIT = FAMILY_CASES, DETECTOR, DETECTOR_ON_REPVIT, NETWORKS };

static weld_model_config network(int i) {
    weld_model_config config;
    if (i < FAMILY_CASES) {
        config = family_case_config(&family_cases[i]);
        if (strcmp(config.name, "mobilevit") == 0) {
            set_value(&config, "hidden_dropout", "0.1");
        }
        return config;
    }
    if (i == REPVIT) {
        return repvit_config(5, "8, 16, 24", "2, 3, 2", 1, false, true);
    }
    ck_assert_int_eq(
        weld_model_config_named(i == DETECTOR ? "yolo11" : "yolo11_repvit", &config, NULL),
        WELD_OK);
    config.num_classes = 3;
    set_value(&config, "width", "0.125");
    if (i == DETECTOR_ON_REPVIT) {
        set_value(&config, "channels", "8, 16, 24, 32");
        set_value(&config, "depths", "1, 1, 2, 1");
    }
    return config;
}

typedef struct subject {
    weld_model_config config;
    unsigned char values[WELD_TASK_VALUES_SIZE];
    weld_loss_options loss;
    weld_train_step_options options;
} subject;

/* Has it branches that may be left out by chance? */
static bool has_residuals(const weld_model_config *config) {
    return strcmp(weld_task_of(config)->name, "classification") == 0 &&
           strcmp(config->name, "repvgg") != 0 && strcmp(config->name, "mobileone") != 0;
}

/* With all that is drawn by chance. */
static void prepare(subject *s, int i, weld_dtype dtype, bool fused, int threads) {
    const bool bf16 = dtype == WELD_BF16;
    s->config = network(i);
    const weld_task *task = weld_task_of(&s->config);
    weld_task_standard_values(task, s->values);
    s->loss = (weld_loss_options){.values = s->values, .target_size = 5 * 6};
    s->options =
        (weld_train_step_options){.batch = 4,
                                  .height = 32,
                                  .width = 32,
                                  .build_loss = task->build_loss,
                                  .loss = &s->loss,
                                  .drop_path = has_residuals(&s->config) ? 0.2 : 0,
                                  .dropout = i < DETECTOR ? 0.1 : 0,
                                  .dtype = bf16 ? WELD_F32 : dtype,
                                  .fuse = {.off = !fused},
                                  .precision = bf16 ? WELD_PRECISION_BF16 : WELD_PRECISION_FP32,
                                  .threads = threads,
                                  .seed = 5};
}

static weld_graph *graph_of(const subject *s) {
    weld_graph *g;
    ck_assert_msg(!weld_train_step_graph(&s->config, &s->options, &g, &err), "%s", err.message);
    return g;
}

static weld_plan *plan_of(const subject *s, const weld_graph *g) {
    const weld_session_options o = weld_train_session_options(&s->options);
    weld_plan *plan;
    ck_assert_msg(!weld_plan_create(g, &o, &plan, &err), "%s", err.message);
    return plan;
}

/* --- The same bits --------------------------------------------------------------------------- */

static weld_session *run(const subject *s, const weld_graph *g, weld_weights *w) {
    const weld_session_options o = weld_train_session_options(&s->options);
    weld_session *session;
    ck_assert_msg(!weld_sessions_create(&g, 1, w, &o, &session, &err), "%s", err.message);
    weld_train_step_noise(weld_session_input(session, "images"));
    weld_task_of(&s->config)->fill_noise(session);
    weld_session_run(session, 3);
    return session;
}

static void expect_equal_outputs(const char *what, const weld_graph *g, weld_session *a,
                                 weld_session *b) {
    for (size_t i = 0; i < g->output_count; i++) {
        const char *name = g->outputs[i].name;
        const weld_tensor x = weld_session_output(a, name), y = weld_session_output(b, name);
        ck_assert_uint_eq(weld_tensor_bytes(&x), weld_tensor_bytes(&y));
        ck_assert_msg(memcmp(x.data, y.data, weld_tensor_bytes(&x)) == 0, "%s: %s", what, name);
    }
}

static size_t count_again(const weld_graph *g) {
    size_t count = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        count += g->nodes[i]->again != NULL;
    }
    return count;
}

/* Sums are the same on other networks too, and in larger ones: they have the same parts. */
static void expect_equal_steps(const weld_plan *kept, const weld_plan *again) {
    size_t next = 0;
    for (size_t i = 0; i < again->step_count; i++) {
        const weld_step *b = &again->steps[i];
        if (again->order[b->begin]->again) {
            ck_assert_uint_eq(b->partial_bytes, 0);
            ck_assert(b->groups == 0 && !b->apart);
            continue;
        }
        const weld_step *a = &kept->steps[next++];
        ck_assert_uint_eq(a->end - a->begin, b->end - b->begin);
        ck_assert_int_eq(a->slicing, b->slicing);
        ck_assert_int_eq(a->units, b->units);
        ck_assert_int_eq(a->slice, b->slice);
        ck_assert_int_eq(a->chunks, b->chunks);
        ck_assert_uint_eq(a->partial_bytes, b->partial_bytes);
        ck_assert_uint_eq(a->large_bytes, b->large_bytes);
        ck_assert_int_eq(a->groups, b->groups);
        ck_assert_int_eq(a->apart, b->apart);
    }
    ck_assert_uint_eq(next, kept->step_count);
}

/* All segments but the last, or the first half of them. */
static void compare_segments(const subject *s, const weld_graph *g, weld_segments by, bool half,
                             weld_weights *w, weld_session *kept) {
    const weld_value *loss = weld_graph_output(g, "loss");
    int *segments = malloc(g->node_count * sizeof *segments);
    weld_plan *plan = plan_of(s, g);
    weld_graph *again;
    ck_assert_int_eq(weld_model_segments(&s->config, g, by, segments, &err), WELD_OK);
    const int all = segments[loss->producer->id], below = half ? (all + 1) / 2 : all;
    ck_assert_msg(!weld_rematerialize(plan, loss, segments, below, &again, &err), "%s",
                  err.message);
    ck_assert_msg(count_again(again) > 0, "%s: nothing is computed again", s->config.name);
    weld_session *session = run(s, again, w);
    expect_equal_outputs(s->config.name, g, kept, session);
    expect_equal_steps(plan, weld_session_plan(session));
    weld_session_free(session);
    weld_graph_free(again);
    weld_plan_free(plan);
    free(segments);
}

static void compare_all(weld_dtype dtype, bool fused, int threads) {
    for (int i = 0; i < NETWORKS; i++) {
        subject s;
        weld_weights *w;
        prepare(&s, i, dtype, fused, threads);
        weld_graph *g = graph_of(&s);
        ck_assert_int_eq(weld_graph_init_weights(g, 1, &w, &err), WELD_OK);
        weld_session *kept = run(&s, g, w);
        for (int half = 0; half < 2; half++) {
            compare_segments(&s, g, WELD_SEGMENTS_BLOCK, half, w, kept);
            compare_segments(&s, g, WELD_SEGMENTS_STAGE, half, w, kept);
        }
        weld_session_free(kept);
        weld_weights_free(w);
        weld_graph_free(g);
    }
}

START_TEST(computed_again_every_familys_step_is_the_same_bits) {
    compare_all(WELD_F32, true, 3);
}
END_TEST

START_TEST(likewise_in_bf16) {
    compare_all(WELD_BF16, true, 2);
}
END_TEST

START_TEST(likewise_node_by_node) {
    compare_all(WELD_F32, false, 2);
}
END_TEST

/* --- Gradients ------------------------------------------------------------------------------- */

static void fill(weld_tensor t, double low, double high) {
    weld_random r = weld_random_start(3, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        weld_set(t.dtype, t.data, i, weld_random_range(&r, low, high));
    }
}

/* Go along a direction, back where it is negative. */
static void move(const weld_train_step *s, const weld_tensor *direction, double by) {
    for (size_t i = 0; i < s->parameter_count; i++) {
        weld_tensor w;
        const char *name = weld_value_name(weld_graph_parameter(s->graph, i));
        ck_assert(weld_weights_find(s->weights, name, &w));
        for (int64_t k = 0; k < weld_shape_count(&w.shape); k++) {
            ((double *)w.data)[k] += by * ((const double *)direction[i].data)[k];
        }
    }
}

/* Along the gradient the loss rises by its square. */
START_TEST(gradients_are_the_slope_of_the_loss) {
    subject s;
    weld_train_step *step;
    prepare(&s, REPVIT, WELD_F64, true, 2);
    s.options.recompute = WELD_SEGMENTS_BLOCK;
    ck_assert_msg(!weld_train_step_create(&s.config, &s.options, NULL, &step, &err), "%s",
                  err.message);
    ck_assert_uint_gt(count_again(step->graph), 0);
    fill(step->images, -2, 2);
    fill(weld_train_step_input(step, "target"), 0, 0.4);
    weld_train_step_run(step, 3);
    weld_tensor *slope = malloc(step->parameter_count * sizeof *slope);
    double square = 0;
    for (size_t i = 0; i < step->parameter_count; i++) {
        slope[i] = step->gradients[i];
        slope[i].data = malloc(weld_tensor_bytes(&slope[i]));
        memcpy(slope[i].data, step->gradients[i].data, weld_tensor_bytes(&slope[i]));
        for (int64_t k = 0; k < weld_shape_count(&slope[i].shape); k++) {
            square += pow(((const double *)slope[i].data)[k], 2);
        }
    }
    const double by = 1e-5;
    move(step, slope, by);
    const double above = weld_train_step_run(step, 3);
    move(step, slope, -2 * by);
    const double below = weld_train_step_run(step, 3);
    ck_assert_double_eq_tol((above - below) / (2 * by), square, 1e-5 * square);
    for (size_t i = 0; i < step->parameter_count; i++) {
        free(slope[i].data);
    }
    free(slope);
    weld_train_step_free(step);
}
END_TEST

/* --- Memory ---------------------------------------------------------------------------------- */

static size_t planned_bytes(subject *s, weld_segments by) {
    s->options.recompute = by;
    weld_graph *g = graph_of(s);
    weld_plan *plan = plan_of(s, g);
    const size_t bytes = weld_plan_bytes(plan);
    weld_plan_free(plan);
    weld_graph_free(g);
    return bytes;
}

/* What is kept of a block is a quarter of what it makes or less. */
START_TEST(blocks_need_less_memory_than_stages_and_these_than_all) {
    subject s;
    prepare(&s, REPVIT, WELD_F32, true, 2);
    set_value(&s.config, "depths", "6, 6, 6");
    s.options.height = s.options.width = 64;
    const size_t all = planned_bytes(&s, WELD_SEGMENTS_NONE);
    const size_t block = planned_bytes(&s, WELD_SEGMENTS_BLOCK);
    const size_t stage = planned_bytes(&s, WELD_SEGMENTS_STAGE);
    ck_assert_msg(2 * block < all && block < stage && stage < all, "%zu, %zu, %zu", block, stage,
                  all);
}
END_TEST

/* --- Failure --------------------------------------------------------------------------------- */

/* How many are made where all is kept: these are others' to test. */
static long allocations_of(const subject *s) {
    long n = 0;
    for (long by = 1 << 20; by; by /= 2) {
        weld_graph *g;
        weld_memory_fail_after(n + by);
        n += weld_train_step_graph(&s->config, &s->options, &g, &err) ? by : 0;
        weld_memory_fail_after(-1);
        weld_graph_free(g);
    }
    return n;
}

START_TEST(a_lack_of_memory_is_told_wherever_it_comes) {
    enum { EVERY = 499 };
    subject s;
    prepare(&s, REPVIT, WELD_F32, true, 1);
    set_value(&s.config, "depths", "1, 1, 1");
    const long usual = allocations_of(&s);
    s.options.recompute = WELD_SEGMENTS_BLOCK;
    weld_graph *g = NULL;
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = usual; status; n += EVERY) {
        weld_memory_fail_after(n);
        status = weld_train_step_graph(&s.config, &s.options, &g, &err);
        weld_memory_fail_after(-1);
        ck_assert_int_eq(status, status ? WELD_ERROR_MEMORY : WELD_OK);
        ck_assert(!g == (status != WELD_OK));
    }
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("train/recompute", computed_again_every_familys_step_is_the_same_bits, likewise_in_bf16,
          likewise_node_by_node, gradients_are_the_slope_of_the_loss,
          blocks_need_less_memory_than_stages_and_these_than_all,
          a_lack_of_memory_is_told_wherever_it_comes)
