/* Small models for the tests of this folder: written to a file and opened again, as users do. */
#ifndef WELD_TESTS_INFER_MODELS_H
#define WELD_TESTS_INFER_MODELS_H

#include <math.h>

#include "base/random.h"
#include "files.h"
#include "fixture.h"
#include "serialization/model_file.h"

static inline weld_preprocessing models_preprocessing(int size) {
    return (weld_preprocessing){.height = size,
                                .width = size,
                                .crop_fraction = 1,
                                .interpolation = WELD_BICUBIC,
                                .mean = {0.5f, 0.4f, 0.3f},
                                .std = {0.25f, 0.2f, 0.3f}};
}

/* Write a checkpoint of this network; class_names may be NULL. */
static inline void models_write(const char *path, const weld_model_config *config, int size,
                                weld_weights *weights, char **class_names) {
    weld_error err;
    weld_model_file mf = {.kind = WELD_MODEL_CHECKPOINT,
                          .config = *config,
                          .preprocessing = models_preprocessing(size),
                          .class_names = class_names,
                          .weights = weights,
                          .recipe = "model: {name: repvit}\n",
                          .summary = "{\"epochs\": 3}",
                          .trainer = {.best_epoch = -1}};
    ck_assert_msg(weld_model_file_write(path, &mf, &err) == WELD_OK, "%s", err.message);
}

static inline weld_model *models_open(const char *path) {
    weld_model *m;
    weld_error err;
    ck_assert_msg(weld_model_open(path, &m, &err) == WELD_OK, "%s", err.message);
    return m;
}

/* The network of a fixture as a checkpoint for square images of `size`. */
static inline weld_model *models_of_fixture(const test_folder *folder, const weld_weights *fixture,
                                            int size) {
    const char *path = test_path(folder, "checkpoint.h5");
    weld_model_config config = fixture_config(fixture);
    weld_graph *g;
    weld_error err;
    ck_assert_msg(weld_model_build(&config, true, 1, size, size, WELD_F32, &g, &err) == WELD_OK,
                  "%s", err.message);
    weld_weights *w = fixture_weights(fixture, "before/", g);
    models_write(path, &config, size, w, NULL);
    weld_weights_free(w);
    weld_graph_free(g);
    return models_open(path);
}

/* m merged, by way of a deploy file. */
static inline weld_model *models_merge(const test_folder *folder, const weld_model *m) {
    const char *path = test_path(folder, "deploy.h5");
    weld_merge_report report;
    weld_error err;
    ck_assert_msg(weld_model_merge(m, NULL, 2, path, &report, &err) == WELD_OK, "%s", err.message);
    return models_open(path);
}

static inline void models_fill_noise(float *x, int64_t count, uint64_t seed) {
    weld_random r = weld_random_start(seed, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < count; i++) {
        x[i] = (float)weld_random_normal(&r);
    }
}

/* The largest difference as a part of the largest of `want`. */
static inline double models_difference(const float *got, const float *want, int64_t count) {
    double largest = 0, difference = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = fabs((double)got[i] - (double)want[i]);
        largest = fmax(largest, fabs((double)want[i]));
        difference = d >= 0 ? fmax(difference, d) : INFINITY;
    }
    ck_assert_double_gt(largest, 0);
    return difference / largest;
}

#endif
