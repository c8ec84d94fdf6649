/* A training step with the passes for speed on and off: the same loss, gradients and statistics. */
#include <math.h>

#include "base/random.h"
#include "graph/graph.h"
#include "suite.h"
#include "tasks/classification/loss.h"
#include "train/step.h"
#include "repvit_config.h"

static weld_error err;

typedef struct variant {
    const char *what;
    bool legacy, distillation_head, bn_eval;
    int frozen, stem_stride;
} variant;

static const variant variants[] = {{"current", .stem_stride = 2},
                                   {"legacy", .legacy = true, .stem_stride = 1},
                                   {"two heads", .distillation_head = true, .stem_stride = 4},
                                   {"running statistics", .bn_eval = true, .stem_stride = 2},
                                   {"frozen parts", .frozen = 2, .stem_stride = 2}};
enum { VARIANTS = sizeof variants / sizeof *variants, SIZE = 16, BATCH = 4 };

static double get(weld_tensor t, int64_t i) {
    return t.dtype == WELD_F64   ? ((const double *)t.data)[i]
           : t.dtype == WELD_I64 ? (double)((const int64_t *)t.data)[i]
                                 : (double)((const float *)t.data)[i];
}

static void fill(weld_tensor t, uint64_t seed, double low, double high) {
    weld_random r = weld_random_start(seed, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        double value = weld_random_range(&r, low, high);
        if (t.dtype == WELD_F64) {
            ((double *)t.data)[i] = value;
        } else {
            ((float *)t.data)[i] = (float)value;
        }
    }
}

static weld_train_step *make(const variant *v, weld_dtype dtype, weld_fuse_options fuse) {
    bool bf16 = dtype == WELD_BF16;
    weld_model_config config =
        repvit_config(5, "8, 16", "2, 2", v->stem_stride, v->legacy, v->distillation_head);
    const weld_loss_options loss = {.values =
                                        &(const weld_classification_loss){.label_smoothing = 0.1}};
    weld_train_step_options options = {.batch = BATCH,
                                       .height = SIZE * v->stem_stride / 2,
                                       .width = SIZE * v->stem_stride / 2,
                                       .build_loss = weld_classification_loss_build,
                                       .loss = &loss,
                                       .bn_eval = v->bn_eval,
                                       .rates.frozen = v->frozen,
                                       .dtype = bf16 ? WELD_F32 : dtype,
                                       .precision =
                                           bf16 ? WELD_PRECISION_BF16 : WELD_PRECISION_FP32,
                                       .fuse = fuse,
                                       .seed = 1};
    weld_train_step *s;
    ck_assert_msg(!weld_train_step_create(&config, &options, NULL, &s, &err), "%s", err.message);
    for (size_t i = 0; i < weld_weights_count(s->weights); i++) {
        weld_tensor t = weld_weights_tensor(s->weights, i);
        if (t.shape.rank == 1) { /* batch norms that do something, and variances */
            fill(t, i, 0.5, 1.5);
        }
    }
    fill(s->images, 7, -2, 2);
    fill(weld_train_step_input(s, "target"), 8, 0, 0.4);
    return s;
}

static void same(const char *what, const char *name, weld_tensor a, weld_tensor b,
                 double tolerance) {
    double largest = 1;
    ck_assert_msg(!a.data == !b.data, "%s: %s", what, name);
    for (int64_t i = 0; a.data && i < weld_shape_count(&a.shape); i++) {
        largest = fmax(largest, fabs(get(a, i)));
    }
    for (int64_t i = 0; a.data && i < weld_shape_count(&a.shape); i++) {
        double off = fabs(get(a, i) - get(b, i));
        ck_assert_msg(off <= tolerance * largest, "%s: %s is off by %g of %g", what, name, off,
                      largest);
    }
}

static const weld_fuse_options none = {.whole_batch_norm = true,
                                       .keep_chains = true,
                                       .keep_sums = true,
                                       .keep_all = true,
                                       .keep_elementwise = true};

static void compare(const variant *v, weld_dtype dtype, weld_fuse_options fuse, double tolerance) {
    weld_train_step *a = make(v, dtype, none), *b = make(v, dtype, fuse);
    for (uint64_t run = 0; run < 2; run++) {
        weld_train_step_run(a, run);
        weld_train_step_run(b, run);
        weld_train_step_move_statistics(a);
        weld_train_step_move_statistics(b);
    }
    same(v->what, "loss", a->loss, b->loss, tolerance);
    ck_assert_uint_eq(a->parameter_count, b->parameter_count);
    for (size_t i = 0; i < a->parameter_count; i++) {
        const char *name = weld_value_name(weld_graph_parameter(a->graph, i));
        ck_assert_str_eq(name, weld_value_name(weld_graph_parameter(b->graph, i)));
        same(v->what, name, a->gradients[i], b->gradients[i], tolerance);
    }
    ck_assert_uint_eq(weld_weights_count(a->weights), weld_weights_count(b->weights));
    for (size_t i = 0; i < weld_weights_count(a->weights); i++) {
        same(v->what, weld_weights_name(a->weights, i), weld_weights_tensor(a->weights, i),
             weld_weights_tensor(b->weights, i), tolerance);
    }
    weld_train_step_free(a);
    weld_train_step_free(b);
}

static void compare_all(weld_fuse_options fuse) {
    for (int i = 0; i < VARIANTS; i++) {
        compare(&variants[i], WELD_F64, fuse, 1e-11);
        compare(&variants[i], WELD_F32, fuse, 2e-4);
    }
}

START_TEST(batch_norm_in_steps_trains_as_batch_norm_does) {
    compare_all((weld_fuse_options){
        .keep_chains = true, .keep_sums = true, .keep_all = true, .keep_elementwise = true});
}
END_TEST

START_TEST(computing_anew_trains_as_keeping_does) {
    compare_all((weld_fuse_options){.whole_batch_norm = true,
                                    .keep_chains = true,
                                    .keep_sums = true,
                                    .keep_elementwise = true});
}
END_TEST

START_TEST(composed_chains_train_as_single_maps_do) {
    compare_all((weld_fuse_options){.keep_sums = true, .keep_all = true, .keep_elementwise = true});
}
END_TEST

START_TEST(joined_sums_train_as_sums_of_the_whole_do) {
    compare_all((weld_fuse_options){.keep_all = true, .keep_elementwise = true});
}
END_TEST

START_TEST(folded_elementwise_work_trains_as_single_nodes_do) {
    compare_all((weld_fuse_options){.keep_chains = true, .keep_sums = true});
}
END_TEST

START_TEST(all_passes_together_train_as_none_does) {
    compare_all((weld_fuse_options){.recompute_roots = 1});
    compare_all((weld_fuse_options){0});
}
END_TEST

/* Cosine of the angle between the gradients, as one vector. */
static double alignment(const weld_train_step *a, const weld_train_step *b) {
    double dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < a->parameter_count; i++) {
        for (int64_t k = 0; k < weld_shape_count(&a->gradients[i].shape); k++) {
            double x = get(a->gradients[i], k), y = get(b->gradients[i], k);
            dot += x * y;
            aa += x * x;
            bb += y * y;
        }
    }
    return dot / sqrt(aa * bb);
}

START_TEST(in_bf16_the_passes_keep_the_direction_of_the_gradient) {
    for (int i = 0; i < 3; i++) {
        weld_train_step *exact = make(&variants[i], WELD_F32, none);
        weld_train_step *whole = make(&variants[i], WELD_BF16, none);
        weld_train_step *fused = make(&variants[i], WELD_BF16, (weld_fuse_options){0});
        weld_train_step_run(exact, 0);
        weld_train_step_run(whole, 0);
        weld_train_step_run(fused, 0);
        double without = alignment(exact, whole), with = alignment(exact, fused);
        ck_assert_msg(with > 0.99 && 1 - with < 2 * (1 - without) + 1e-3,
                      "%s: cosine %g, without the passes %g", variants[i].what, with, without);
        weld_train_step_free(exact);
        weld_train_step_free(whole);
        weld_train_step_free(fused);
    }
}
END_TEST

static size_t arena_of(const variant *v, weld_fuse_options fuse) {
    weld_train_step *s = make(v, WELD_F32, fuse);
    size_t bytes = weld_session_arena_bytes(s->session);
    weld_train_step_free(s);
    return bytes;
}

START_TEST(computing_anew_saves_memory) {
    for (int i = 0; i < 3; i++) {
        size_t all = arena_of(&variants[i], (weld_fuse_options){.keep_all = true});
        size_t one = arena_of(&variants[i], (weld_fuse_options){.recompute_roots = 1});
        size_t two = arena_of(&variants[i], (weld_fuse_options){0});
        ck_assert_msg(10 * one < 8 * all && two <= one, "%s: %zu, %zu, %zu", variants[i].what, all,
                      one, two);
    }
}
END_TEST

RUN_SUITE("train/fuse_training", batch_norm_in_steps_trains_as_batch_norm_does,
          computing_anew_trains_as_keeping_does, composed_chains_train_as_single_maps_do,
          joined_sums_train_as_sums_of_the_whole_do,
          folded_elementwise_work_trains_as_single_nodes_do, all_passes_together_train_as_none_does,
          computing_anew_saves_memory, in_bf16_the_passes_keep_the_direction_of_the_gradient)
