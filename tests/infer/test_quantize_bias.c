/* Biases that are moved by what a layer's means are off, and those that may not be. */
#define _GNU_SOURCE
#include "infer/colours.h"
#include "infer/quantize_try.h"
#include "suite.h"

/* A layer that sums an image of ones up, whose codes are so coarse that all of them become 0: its
 * bias is to be moved by the number of pixels. Weights are as many as leave room for no more than
 * ROOM in its bias: 127 * 255 * INPUTS + ROOM = 2^31 - 1. */
enum { SIDE = 116, INPUTS = SIDE * SIDE * 3, ROOM = 840165967, NEAR = 1000 };
static const float SCALE = 3, STEP = 3.0f / 127;

static weld_graph *make_graph(weld_weights **w) {
    const weld_init ones = {.kind = WELD_INIT_CONSTANT, .a = 1};
    weld_graph *g;
    weld_tensor bias;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, SIDE, SIDE, 3));
    x = weld_linear(g, weld_reshape(g, x, WELD_SHAPE(1, INPUTS)),
                    weld_parameter(g, "weight", WELD_SHAPE(2, INPUTS), ones),
                    weld_parameter(g, "bias", WELD_SHAPE(2), ones));
    weld_output(g, "logits", x);
    ck_assert_int_eq(weld_graph_init_weights(g, 0, w, NULL), WELD_OK);
    ck_assert(weld_weights_find(*w, "bias", &bias));
    ((float *)bias.data)[0] = (float)(ROOM - NEAR) * STEP;
    ((float *)bias.data)[1] = 0;
    return g;
}

static weld_calibration *read_ones(const weld_dataset *ds) {
    const weld_preprocessing p = {.height = SIDE,
                                  .width = SIDE,
                                  .crop_fraction = 1,
                                  .interpolation = WELD_BILINEAR,
                                  .std = {1, 1, 1}};
    const int64_t order[] = {0};
    const weld_calibration_options o = {.preprocessing = &p, .order = order, .count = 1};
    weld_calibration *c;
    weld_error err;
    ck_assert_msg(!weld_calibration_create(ds, &o, &c, &err), "%s", err.message);
    return c;
}

START_TEST(a_bias_is_moved_only_as_far_as_sums_cannot_overflow) {
    test_folder folder = test_folder_create();
    colours_put(&folder, "white", "a.jpg", 255, 255, 255);
    weld_dataset *ds = colours_dataset(&folder);
    weld_calibration *images = read_ones(ds);
    weld_weights *w;
    weld_graph *g = make_graph(&w);
    weld_observed seen[8];
    const weld_grounds on = {.graph = g, .weights = w, .seen = {.values = seen}};
    const bool float_nodes[2] = {false};
    weld_attempt a;
    weld_error err;
    weld_tensor bias;
    ck_assert_uint_le(g->value_count, 8);
    for (int i = 0; i < 8; i++) {
        seen[i] = (weld_observed){.count = 1, .high = 255 * SCALE};
    }
    ck_assert_msg(!weld_attempt_make(&on, WELD_QUANTIZE_MINMAX, float_nodes, &a, &err), "%s",
                  err.message);
    ck_assert(weld_weights_find(a.integers, "bias", &bias));
    const int32_t before = ((const int32_t *)bias.data)[0];
    ck_assert(before <= ROOM && before > ROOM - 2 * NEAR);
    ck_assert_msg(!weld_attempt_correct(&a, &on, images, 1, &err), "%s", err.message);
    ck_assert(weld_weights_find(a.integers, "bias", &bias));
    ck_assert_int_eq(((const int32_t *)bias.data)[0], before);
    ck_assert_int_eq(((const int32_t *)bias.data)[1], INPUTS * 127 / 3);
    weld_attempt_free(&a);
    weld_weights_free(w);
    weld_graph_free(g);
    weld_calibration_free(images);
    weld_dataset_free(ds);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/quantize_bias", a_bias_is_moved_only_as_far_as_sums_cannot_overflow)
