/* A detector whose boxes are known and whose scores are the image's colour. */
#ifndef WELD_TESTS_INFER_COLOUR_DETECTOR_H
#define WELD_TESTS_INFER_COLOUR_DETECTOR_H

#include "infer/colours.h"

enum { SIZE = 32, ANCHORS = 21, CLASSES = 3 };

/* Two boxes that lie on each other to three quarters, and another, in pixels of the input. */
static const float boxes[][4] = {{8, 8, 16, 24}, {8, 8, 14, 24}, {20, 4, 28, 12}};
/* Of each its class, and what it makes of which channel. */
static const struct {
    int class_index, channel;
    float factor;
} scores[] = {{2, 0, 1}, {0, 0, 0.5F}, {1, 1, 1}};
enum { BOXES = sizeof boxes / sizeof *boxes };

static inline void fill_weights(weld_weights *w) {
    float *by_colour = weld_weights_tensor(w, 0).data, *none = weld_weights_tensor(w, 1).data,
          *at = weld_weights_tensor(w, 2).data;
    memset(by_colour, 0, sizeof(float) * ANCHORS * CLASSES * 3);
    memset(none, 0, sizeof(float) * ANCHORS * 4 * 3);
    memset(at, 0, sizeof(float) * ANCHORS * 4);
    for (int i = 0; i < BOXES; i++) {
        by_colour[(i * CLASSES + scores[i].class_index) * 3 + scores[i].channel] = scores[i].factor;
        memcpy(at + i * 4, boxes[i], sizeof boxes[i]);
    }
}

static inline weld_model *open_detector(const test_folder *folder) {
    const char *path = test_path(folder, "detector.h5");
    const weld_init none = {.kind = WELD_INIT_CONSTANT};
    weld_graph *g;
    weld_error err;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, SIZE, SIZE, 3));
    x = weld_reshape(g, weld_global_avg_pool(g, x), WELD_SHAPE(1, 3));
    weld_value *by_colour = weld_parameter(g, "s", WELD_SHAPE(ANCHORS * CLASSES, 3), none);
    weld_value *still = weld_parameter(g, "b.w", WELD_SHAPE(ANCHORS * 4, 3), none);
    weld_value *at = weld_parameter(g, "b.b", WELD_SHAPE(ANCHORS * 4), none);
    weld_output(g, "boxes",
                weld_reshape(g, weld_linear(g, x, still, at), WELD_SHAPE(1, ANCHORS, 4)));
    weld_output(
        g, "scores",
        weld_reshape(g, weld_linear(g, x, by_colour, NULL), WELD_SHAPE(1, ANCHORS, CLASSES)));
    weld_model_file mf = {.kind = WELD_MODEL_DEPLOY,
                          .preprocessing = {.height = SIZE,
                                            .width = SIZE,
                                            .resize = WELD_FIT_SQUASH,
                                            .crop_fraction = 1,
                                            .interpolation = WELD_BILINEAR,
                                            .std = {1, 1, 1}},
                          .class_names = colours_names,
                          .graph = g};
    ck_assert(!weld_model_config_named("yolo11n", &mf.config, &err));
    mf.config.num_classes = CLASSES;
    ck_assert_msg(!weld_graph_init_weights(g, 0, &mf.weights, &err), "%s", err.message);
    fill_weights(mf.weights);
    ck_assert_msg(!weld_model_file_write(path, &mf, &err), "%s", err.message);
    weld_weights_free(mf.weights);
    weld_graph_free(g);
    return models_open(path);
}

#endif
