/* Detectors' weights as other programs write them: what the graph has not is checked all the same.
 */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "files.h"
#include "fixture.h"
#include "formats/safetensors.h"
#include "graph/graph.h"
#include "models/models.h"
#include "serialization/model_file.h"
#include "suite.h"

enum { CLASSES = 3, BINS = 16 };

/* Tensors of a file, and what they lie in. */
typedef struct network {
    weld_graph *g;
    weld_weights *w;
    weld_safetensors_tensor *tensors;
    size_t count;
    float bins[BINS];
} network;

static network make(const char *family) {
    network n = {.count = 0};
    weld_model_config config;
    weld_error err;
    ck_assert_int_eq(weld_model_config_named(family, &config, NULL), WELD_OK);
    config.num_classes = CLASSES;
    set_value(&config, "width", "0.125");
    if (strcmp(family, "yolo11_repvit") == 0) {
        set_value(&config, "channels", "8, 16, 24, 32");
        set_value(&config, "depths", "1, 1, 2, 1");
    }
    ck_assert_msg(!weld_model_build(&config, false, 1, 64, 64, WELD_F32, &n.g, &err), "%s",
                  err.message);
    ck_assert_int_eq(weld_graph_init_weights(n.g, 7, &n.w, NULL), WELD_OK);
    n.tensors = weld_alloc(weld_weights_count(n.w) + 1, sizeof *n.tensors);
    ck_assert_ptr_nonnull(n.tensors);
    for (; n.count < weld_weights_count(n.w); n.count++) {
        n.tensors[n.count] = (weld_safetensors_tensor){weld_weights_name(n.w, n.count),
                                                       weld_weights_tensor(n.w, n.count)};
    }
    return n;
}

static void unmake(network *n) {
    weld_free(n->tensors);
    weld_weights_free(n->w);
    weld_graph_free(n->g);
}

/* The places of bins, as every published file has them. */
static void add_bins(network *n, float last) {
    for (int i = 0; i < BINS; i++) {
        n->bins[i] = (float)i;
    }
    n->bins[BINS - 1] = last;
    n->tensors[n->count++] = (weld_safetensors_tensor){
        "model.23.dfl.conv.weight", {WELD_F32, WELD_SHAPE(1, BINS, 1, 1), n->bins}};
}

static weld_status write_and_import(const network *n, weld_model_file *mf, weld_error *err) {
    const test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "network.safetensors");
    weld_replacement *r;
    ck_assert_int_eq(weld_replacement_open(path, &r, NULL), WELD_OK);
    ck_assert_int_eq(weld_safetensors_write(r, n->tensors, n->count, NULL, NULL), WELD_OK);
    ck_assert_int_eq(weld_replacement_commit(r, NULL), WELD_OK);
    const weld_status status = weld_model_file_import(path, NULL, mf, err);
    test_folder_remove(folder);
    return status;
}

START_TEST(a_detector_is_told_by_its_tensors) {
    const char *const families[] = {"yolo11", "yolo11_repvit"};
    for (int i = 0; i < 4; i++) {
        network n = make(families[i / 2]);
        weld_model_file mf;
        weld_error err;
        if (i % 2) {
            add_bins(&n, BINS - 1);
        }
        ck_assert_msg(!write_and_import(&n, &mf, &err), "%s", err.message);
        ck_assert_str_eq(mf.config.name, families[i / 2]);
        ck_assert_int_eq(mf.config.num_classes, CLASSES);
        ck_assert_uint_eq(weld_weights_count(mf.weights), weld_weights_count(n.w));
        ck_assert_int_eq(mf.preprocessing.height, 640);
        ck_assert_float_eq(mf.preprocessing.mean[0], 0);
        ck_assert_float_eq(mf.preprocessing.std[2], 1);
        ck_assert_int_eq(mf.preprocessing.resize, WELD_FIT_LETTERBOX);
        ck_assert_int_eq(mf.preprocessing.padding[1], 114);
        weld_model_file_free(&mf);
        unmake(&n);
    }
}
END_TEST

START_TEST(a_file_with_other_places_of_bins_is_refused) {
    network n = make("yolo11");
    weld_model_file mf;
    weld_error err;
    add_bins(&n, 16);
    ck_assert_int_eq(write_and_import(&n, &mf, &err), WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, "model.23.dfl.conv.weight has 16 at 15, where every yolo11 "
                                      "has 15"),
                  "%s", err.message);
    n.tensors[n.count - 1].tensor.shape = WELD_SHAPE(1, BINS - 1, 1, 1);
    ck_assert_int_eq(write_and_import(&n, &mf, &err), WELD_ERROR_SHAPE);
    ck_assert_msg(strstr(err.message, "model.23.dfl.conv.weight is float32 [1, 15, 1, 1], not "
                                      "[1, 16"),
                  "%s", err.message);
    unmake(&n);
}
END_TEST

RUN_SUITE("serialization/detector_files", a_detector_is_told_by_its_tensors,
          a_file_with_other_places_of_bins_is_refused)
