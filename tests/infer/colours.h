/* A network that tells red from green from blue, and photos of these colours, so that what it says
 * can be counted by hand: its logits are the mean colour of an image, in 0..1. */
#ifndef WELD_TESTS_INFER_COLOURS_H
#define WELD_TESTS_INFER_COLOURS_H

#include "images/decode.h"
#include "infer/evaluate.h"
#include "infer/models.h"
#include "repvit_config.h"

enum { COLOURS_SIZE = 8, COLOURS = 3 };
static char *colours_names[] = {"blue", "green", "red"}; /* class i looks at channel 2 - i */

/* A deploy file; the weight of every class is `weight`. */
static inline weld_model *colours_open(const test_folder *folder, float weight) {
    const char *path = test_path(folder, "colours.h5");
    weld_init none = {.kind = WELD_INIT_CONSTANT};
    weld_graph *g;
    weld_error err;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, COLOURS_SIZE, COLOURS_SIZE, 3));
    x = weld_reshape(g, weld_global_avg_pool(g, x), WELD_SHAPE(1, 3));
    x = weld_linear(g, x, weld_parameter(g, "w", WELD_SHAPE(COLOURS, 3), none), NULL);
    weld_output(g, "logits", x);
    weld_model_file mf = {.kind = WELD_MODEL_DEPLOY,
                          .config = repvit_config(COLOURS, "2", "1", 1, false, false),
                          .preprocessing = {.height = COLOURS_SIZE,
                                            .width = COLOURS_SIZE,
                                            .crop_fraction = 1,
                                            .interpolation = WELD_BILINEAR,
                                            .mean = {0, 0, 0},
                                            .std = {1, 1, 1}},
                          .class_names = colours_names,
                          .graph = g};
    ck_assert_int_eq(weld_graph_init_weights(g, 0, &mf.weights, NULL), WELD_OK);
    float *w = weld_weights_tensor(mf.weights, 0).data;
    for (int i = 0; i < COLOURS; i++) {
        w[i * 3 + 2 - i] = weight;
    }
    ck_assert_msg(weld_model_file_write(path, &mf, &err) == WELD_OK, "%s", err.message);
    weld_weights_free(mf.weights);
    weld_graph_free(g);
    return models_open(path);
}

/* folder/class/name: an image of one colour. */
static inline void colours_put(const test_folder *folder, const char *class, const char *name,
                               int red, int green, int blue) {
    weld_image image = {0};
    weld_bytes bytes = {0};
    ck_assert_int_eq(weld_image_resize_buffer(&image, 11, 9, NULL), WELD_OK);
    for (int i = 0; i < 11 * 9; i++) {
        image.pixels[3 * i] = (uint8_t)red;
        image.pixels[3 * i + 1] = (uint8_t)green;
        image.pixels[3 * i + 2] = (uint8_t)blue;
    }
    ck_assert_int_eq(weld_encode_jpeg(&image, 100, &bytes, NULL), WELD_OK);
    char path[PATH_MAX];
    ck_assert_int_lt(snprintf(path, sizeof path, "%s/%s", folder->path, class), PATH_MAX);
    mkdir(path, 0777);
    ck_assert_int_lt(snprintf(path, sizeof path, "%s/%s/%s", folder->path, class, name), PATH_MAX);
    test_write_file(path, bytes.data, bytes.size);
    weld_image_free(&image);
    weld_bytes_free(&bytes);
}

/* Seven images, of which two look like another class: "blue" has three, "green" two, "red" two. */
static inline test_folder colours_folder(void) {
    test_folder f = test_folder_create();
    colours_put(&f, "blue", "a.jpg", 0, 0, 255);
    colours_put(&f, "blue", "b.jpg", 60, 60, 200);
    colours_put(&f, "blue", "c.jpg", 255, 0, 0); /* taken for red */
    colours_put(&f, "green", "a.jpg", 0, 255, 0);
    colours_put(&f, "green", "b.jpg", 0, 0, 255); /* taken for blue */
    colours_put(&f, "red", "a.jpg", 255, 0, 0);
    colours_put(&f, "red", "b.jpg", 240, 10, 10);
    return f;
}

static inline weld_dataset *colours_dataset(const test_folder *folder) {
    weld_dataset *ds;
    weld_error err;
    ck_assert_msg(weld_dataset_open(folder->path, &ds, &err) == WELD_OK, "%s", err.message);
    return ds;
}

#endif
