/* The chain of running statistics: by hand, and over batches that were computed elsewhere. */
#include "train/batch_statistics.h"

#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "repvit_config.h"
#include "suite.h"
#include "tasks/classification/loss.h"
#include "train/fixture_step.h"

static weld_error err;

/* --- By hand --- */

static weld_batch_norm_leaves leaves(weld_graph *g, const char *weight, const char *bias,
                                     const char *mean, const char *var, const char *batches) {
    const weld_shape c = WELD_SHAPE(2), scalar = {0};
    const weld_init one = {WELD_INIT_CONSTANT, 1, 0}, zero = {WELD_INIT_CONSTANT, 0, 0};
    return (weld_batch_norm_leaves){
        weld_parameter(g, weight, c, one), weld_parameter(g, bias, c, zero),
        weld_buffer(g, mean, g->dtype, c, zero), weld_buffer(g, var, g->dtype, c, one),
        weld_buffer(g, batches, WELD_I64, scalar, zero)};
}

/* "a" is used twice, on x and then on 2 x, with momentum 0.1 and 0.5; "b" once with 0.25; what "c"
 * makes nobody wants. */
static void build(weld_graph *g) {
    weld_value *x = weld_input(g, "images", WELD_SHAPE(4, 2));
    const weld_batch_norm_leaves a =
        leaves(g, "a.weight", "a.bias", "a.mean", "a.var", "a.batches");
    const weld_batch_norm_leaves b =
        leaves(g, "b.weight", "b.bias", "b.mean", "b.var", "b.batches");
    const weld_batch_norm_leaves c = {
        b.weight, b.bias, weld_buffer(g, "c.mean", g->dtype, WELD_SHAPE(2), (weld_init){0}),
        weld_buffer(g, "c.var", g->dtype, WELD_SHAPE(2), (weld_init){0}),
        weld_buffer(g, "c.batches", WELD_I64, (weld_shape){0}, (weld_init){0})};
    weld_value *first = weld_batch_norm(g, x, a, 1e-5, 0.1, true);
    weld_value *other = weld_batch_norm(g, x, b, 1e-5, 0.25, true);
    weld_value *again = weld_batch_norm(g, weld_scale(g, x, 2), a, 1e-5, 0.5, true);
    weld_batch_norm(g, x, c, 1e-5, 0.5, true);
    weld_output(g, "loss", weld_mean(g, weld_add(g, weld_add(g, again, other), first)));
}

/* The network has its own. */
static weld_status build_loss(const weld_loss_options *options, weld_graph *g, weld_error *e) {
    (void)options;
    return weld_graph_status(g, e);
}

static weld_train_step *make_by_hand(weld_fuse_options fuse) {
    const double x[] = {1, 10, 2, 20, 3, 30, 6, 60}; /* means 3, 30; sums of squares 14, 1400 */
    weld_graph *g;
    weld_train_step *s;
    ck_assert_int_eq(weld_graph_create(WELD_F64, &g, &err), WELD_OK);
    build(g);
    const size_t count = weld_graph_parameter_count(g);
    weld_parameter_rate *rates = weld_alloc(count, sizeof *rates);
    for (size_t i = 0; i < count; i++) {
        rates[i] = (weld_parameter_rate){true, 1};
    }
    const weld_train_step_options options = {.build_loss = build_loss, .fuse = fuse};
    ck_assert_msg(!weld_train_step_create_of(g, rates, &options, NULL, &s, &err), "%s",
                  err.message);
    memcpy(s->images.data, x, sizeof x);
    return s;
}

static void expect(const weld_train_step *s, const char *name, double first, double second) {
    weld_tensor t;
    ck_assert(weld_weights_find(s->weights, name, &t));
    ck_assert_double_eq_tol(((double *)t.data)[0], first, 1e-12);
    ck_assert_double_eq_tol(((double *)t.data)[1], second, 1e-12 * (1 + second));
}

static int64_t batches(const weld_train_step *s, const char *name) {
    weld_tensor t;
    ck_assert(weld_weights_find(s->weights, name, &t));
    return *(int64_t *)t.data;
}

static void check_by_hand(weld_fuse_options fuse) {
    weld_train_step *s = make_by_hand(fuse);
    double block[12];
    ck_assert_uint_eq(weld_batch_statistics_count(s->statistics), 12);
    weld_train_step_run(s, 1);
    expect(s, "a.mean", 0, 0);
    expect(s, "a.var", 1, 1);
    weld_batch_statistics_copy(s->statistics, block);
    const double wanted[] = {3,       30,        14 / 3., 1400 / 3., 3,       30,
                             14 / 3., 1400 / 3., 6,       60,        56 / 3., 5600 / 3.};
    for (int i = 0; i < 12; i++) {
        ck_assert_double_eq_tol(block[i], wanted[i], 1e-12 * (1 + wanted[i]));
    }
    ck_assert_int_eq(batches(s, "a.batches"), 0);
    weld_batch_statistics_move(s->statistics, block);
    expect(s, "a.mean", 0.5 * 0.3 + 0.5 * 6, 0.5 * 3 + 0.5 * 60);
    expect(s, "a.var", 0.5 * (0.9 + 0.1 * 14 / 3) + 0.5 * 56 / 3,
           0.5 * (0.9 + 0.1 * 1400 / 3) + 0.5 * 5600 / 3);
    expect(s, "b.mean", 0.25 * 3, 0.25 * 30);
    expect(s, "b.var", 0.75 + 0.25 * 14 / 3, 0.75 + 0.25 * 1400 / 3);
    weld_train_step_run(s, 2);
    weld_train_step_move_statistics(s);
    expect(s, "b.mean", 3 * (1 - 0.75 * 0.75), 30 * (1 - 0.75 * 0.75));
    ck_assert_int_eq(batches(s, "a.batches"), 4); /* twice in each */
    ck_assert_int_eq(batches(s, "b.batches"), 2);
    ck_assert_int_eq(batches(s, "c.batches"), 0);
    expect(s, "c.mean", 0, 0);
    weld_train_step_free(s);
}

START_TEST(running_statistics_move_towards_those_of_the_batch_in_the_order_of_the_network) {
    check_by_hand((weld_fuse_options){0});
    check_by_hand((weld_fuse_options){.off = true});
}
END_TEST

/* --- Batches computed elsewhere --- */

enum { BATCHES = 3, SIZES = 2 };
static const weld_batch_shape shapes[SIZES] = {{8, 8, 4}, {12, 12, 3}};

static void make(weld_precision precision, bool fused, weld_train_step **steps) {
    const weld_model_config config = repvit_config(3, "8, 16", "2, 1", 1, false, true);
    const weld_train_step_options options = {.build_loss = weld_classification_loss_build,
                                             .loss = &fixture_loss,
                                             .dtype = WELD_F32,
                                             .precision = precision,
                                             .fuse.off = !fused,
                                             .threads = 2,
                                             .seed = 3};
    ck_assert_msg(!weld_train_steps_create(&config, &options, shapes, SIZES, NULL, steps, &err),
                  "%s", err.message);
}

static void release(weld_train_step **steps) {
    for (int i = SIZES - 1; i >= 0; i--) {
        weld_train_step_free(steps[i]);
    }
}

/* Batch i, of a size that goes with its number. */
static weld_train_step *run(weld_train_step **steps, int i) {
    weld_train_step *s = steps[i % SIZES];
    weld_random r = weld_random_start(1, 0, (uint64_t)i, WELD_RANDOM_TEST);
    for (int64_t k = 0; k < weld_shape_count(&s->images.shape); k++) {
        ((float *)s->images.data)[k] = (float)weld_random_normal(&r) + (float)i;
    }
    weld_classification_loss_fill(s->session);
    weld_train_step_run(s, (uint64_t)i);
    return s;
}

static bool same_weights(const weld_weights *a, const weld_weights *b) {
    bool same = true;
    for (size_t i = 0; i < weld_weights_count(a); i++) {
        const weld_tensor x = weld_weights_tensor(a, i), y = weld_weights_tensor(b, i);
        same = same && memcmp(x.data, y.data, weld_tensor_bytes(&x)) == 0;
    }
    return same;
}

/* The other one computes the last batch first, and moves when it has all. */
static void check_elsewhere(weld_precision precision, bool fused) {
    weld_train_step *here[SIZES], *there[SIZES];
    make(precision, fused, here);
    make(precision, fused, there);
    weld_weights *start;
    const size_t count = weld_batch_statistics_count(here[0]->statistics);
    double *blocks = weld_alloc(BATCHES * count, sizeof *blocks);
    ck_assert_int_eq(weld_weights_clone(there[0]->weights, &start, &err), WELD_OK);
    for (int i = 0; i < SIZES; i++) {
        ck_assert_uint_eq(weld_batch_statistics_count(there[i]->statistics), count);
    }
    for (int i = BATCHES - 1; i >= 0; i--) {
        weld_batch_statistics_copy(run(there, i)->statistics, blocks + (size_t)i * count);
    }
    ck_assert(same_weights(start, there[0]->weights));
    for (int i = 0; i < BATCHES; i++) {
        weld_train_step_move_statistics(run(here, i));
        weld_batch_statistics_move(there[0]->statistics, blocks + (size_t)i * count);
    }
    ck_assert(!same_weights(start, here[0]->weights));
    ck_assert(same_weights(here[0]->weights, there[0]->weights));
    weld_free(blocks);
    weld_weights_free(start);
    release(there);
    release(here);
}

START_TEST(batches_computed_elsewhere_and_in_another_order_move_to_the_same_bits) {
    for (int fused = 0; fused < 2; fused++) {
        check_elsewhere(WELD_PRECISION_FP32, fused);
        check_elsewhere(WELD_PRECISION_BF16, fused);
    }
}
END_TEST

START_TEST(nothing_moves_where_all_batch_norms_use_running_statistics) {
    const weld_model_config config = repvit_config(3, "8", "1", 1, false, false);
    const weld_train_step_options options = {.batch = 2,
                                             .height = 4,
                                             .width = 4,
                                             .build_loss = weld_classification_loss_build,
                                             .loss = &fixture_loss,
                                             .bn_eval = true,
                                             .dtype = WELD_F32};
    weld_train_step *s;
    ck_assert_msg(!weld_train_step_create(&config, &options, NULL, &s, &err), "%s", err.message);
    ck_assert_uint_eq(weld_batch_statistics_count(s->statistics), 0);
    weld_train_step_free(s);
}
END_TEST

RUN_SUITE("train/batch_statistics",
          running_statistics_move_towards_those_of_the_batch_in_the_order_of_the_network,
          batches_computed_elsewhere_and_in_another_order_move_to_the_same_bits,
          nothing_moves_where_all_batch_norms_use_running_statistics)
