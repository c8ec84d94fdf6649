/* Running networks on arrays: logits and the maps of the stages, merged and not, at any size. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "infer/models.h"
#include "models/models.h"
#include "suite.h"
#include "repvit_config.h"

static const char *const fixtures[] = {"features.fixture", "features_stem_2.fixture"};
enum { FIXTURES = sizeof fixtures / sizeof *fixtures, SIZE = 32 };

static weld_runner *create(const weld_model *m, bool features, int64_t height, int64_t width) {
    weld_runner *r;
    weld_error err;
    weld_status status = features ? weld_runner_create_features(m, height, width, 2, &r, &err)
                                  : weld_runner_create(m, height, width, 2, &r, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    return r;
}

/* Room for all outputs for `count` images. */
static void make_room(const weld_runner *r, int64_t count, float **outputs) {
    for (size_t i = 0; i < weld_runner_output_count(r); i++) {
        weld_shape shape = weld_runner_output_shape(r, i);
        outputs[i] = calloc((size_t)(count * weld_shape_count(&shape)), sizeof **outputs);
    }
}

static void free_room(const weld_runner *r, float **outputs) {
    for (size_t i = 0; i < weld_runner_output_count(r); i++) {
        free(outputs[i]);
    }
}

static void check_features(const weld_model *m, const weld_weights *fixture, double tolerance,
                           const char *what) {
    weld_tensor images = fixture_tensor(fixture, "", "images");
    weld_runner *r = create(m, true, images.shape.dim[2], images.shape.dim[3]);
    const weld_model_config *config = weld_model_get_config(m);
    float *maps[WELD_MAX_STAGES];
    ck_assert_int_eq(weld_runner_output_count(r), weld_model_stage_count(config));
    make_room(r, images.shape.dim[0], maps);
    ck_assert_int_eq(weld_runner_run(r, images.data, images.shape.dim[0], maps, NULL), WELD_OK);
    for (int i = 0; i < weld_model_stage_count(config); i++) {
        char name[32];
        snprintf(name, sizeof name, "features/%d", i);
        weld_tensor want = fixture_tensor(fixture, "", name);
        weld_shape shape = weld_runner_output_shape(r, (size_t)i);
        ck_assert_int_eq(shape.rank, 3);
        ck_assert_mem_eq(shape.dim, want.shape.dim + 1, 3 * sizeof *shape.dim);
        ck_assert_int_eq(weld_runner_output_stride(r, (size_t)i), value_of(config, "stem_stride")
                                                                      << i);
        double difference = models_difference(maps[i], want.data, weld_shape_count(&want.shape));
        ck_assert_msg(difference <= tolerance, "%s, stage %d: differs by %g", what, i, difference);
    }
    free_room(r, maps);
    weld_runner_free(r);
}

static void check_logits(const weld_model *m, const weld_weights *fixture, double tolerance,
                         const char *what) {
    weld_tensor images = fixture_tensor(fixture, "", "images");
    weld_tensor want = fixture_tensor(fixture, "", "logits");
    const int64_t *dim = images.shape.dim;
    float *logits = calloc((size_t)weld_shape_count(&want.shape), sizeof *logits);
    weld_error err;
    ck_assert_msg(weld_model_run(m, images.data, dim[0], dim[2], dim[3], 2, logits, &err) ==
                      WELD_OK,
                  "%s", err.message);
    double difference = models_difference(logits, want.data, weld_shape_count(&want.shape));
    ck_assert_msg(difference <= tolerance, "%s: logits differ by %g", what, difference);
    free(logits);
}

/* Both at a size that is not that of the files, nor square, nor a multiple of any stride. */
START_TEST(before_and_after_merging_maps_and_logits_are_those_of_pytorch) {
    for (int i = 0; i < FIXTURES; i++) {
        test_folder folder = test_folder_create();
        weld_weights *fixture = fixture_load(fixtures[i]);
        weld_model *m = models_of_fixture(&folder, fixture, SIZE);
        weld_model *merged = models_merge(&folder, m);
        ck_assert(weld_model_is_merged(merged));
        check_features(m, fixture, 1e-4, fixtures[i]);
        check_features(merged, fixture, 1e-4, "merged");
        check_logits(m, fixture, 1e-4, fixtures[i]);
        check_logits(merged, fixture, 1e-4, "merged");
        weld_model_free(m);
        weld_model_free(merged);
        weld_weights_free(fixture);
        test_folder_remove(folder);
    }
}
END_TEST

static void set_precision(weld_model *m, weld_precision precision) {
    weld_error err;
    ck_assert_msg(weld_model_set_precision(m, precision, &err) == WELD_OK, "%s", err.message);
}

/* 8 bits of mantissa, and tens of roundings one after the other. */
START_TEST(in_bf16_maps_and_logits_are_nearly_those_of_pytorch) {
    test_folder folder = test_folder_create();
    weld_weights *fixture = fixture_load(fixtures[0]);
    weld_model *models[2];
    models[0] = models_of_fixture(&folder, fixture, SIZE);
    models[1] = models_merge(&folder, models[0]);
    for (int i = 0; i < 2; i++) {
        set_precision(models[i], WELD_PRECISION_BF16);
        check_features(models[i], fixture, 0.05, "bf16");
        check_logits(models[i], fixture, 0.05, "bf16");
        set_precision(models[i], WELD_PRECISION_FP32);
        check_logits(models[i], fixture, 1e-4, "fp32 after bf16");
    }
    set_precision(models[0], WELD_PRECISION_BF16); /* which merging does not see */
    weld_model *merged = models_merge(&folder, models[0]);
    check_logits(merged, fixture, 1e-4, "merged");
    weld_model_free(merged);
    weld_model_free(models[0]);
    weld_model_free(models[1]);
    weld_weights_free(fixture);
    test_folder_remove(folder);
}
END_TEST

START_TEST(many_images_are_each_run_as_if_alone) {
    enum { COUNT = 37, HEIGHT = 9, WIDTH = 14 };
    test_folder folder = test_folder_create();
    weld_weights *fixture = fixture_load(fixtures[1]);
    weld_model *m = models_of_fixture(&folder, fixture, SIZE);
    weld_runner *r = create(m, true, HEIGHT, WIDTH);
    float *images = malloc(COUNT * 3 * HEIGHT * WIDTH * sizeof *images), *all[WELD_MAX_STAGES],
          *one[WELD_MAX_STAGES];
    models_fill_noise(images, COUNT * 3 * HEIGHT * WIDTH, 1);
    make_room(r, COUNT, all);
    make_room(r, 1, one);
    ck_assert_int_eq(weld_runner_run(r, images, COUNT, all, NULL), WELD_OK);
    static const int looked_at[] = {0, 15, 16, 36};
    for (size_t k = 0; k < sizeof looked_at / sizeof *looked_at; k++) {
        int64_t image = looked_at[k];
        ck_assert_int_eq(weld_runner_run(r, images + image * 3 * HEIGHT * WIDTH, 1, one, NULL),
                         WELD_OK);
        for (size_t i = 0; i < weld_runner_output_count(r); i++) {
            weld_shape shape = weld_runner_output_shape(r, i);
            int64_t size = weld_shape_count(&shape);
            ck_assert_double_le(models_difference(all[i] + image * size, one[i], size), 1e-5);
        }
    }
    free(images);
    free_room(r, all);
    free_room(r, one);
    weld_runner_free(r);
    weld_model_free(m);
    weld_weights_free(fixture);
    test_folder_remove(folder);
}
END_TEST

enum { IMAGES = 21 };

static void run_noise(const weld_model *m, int threads, float *logits) {
    static float images[IMAGES * 3 * SIZE * SIZE];
    models_fill_noise(images, IMAGES * 3 * SIZE * SIZE, 2);
    ck_assert_int_eq(weld_model_run(m, images, IMAGES, SIZE, SIZE, threads, logits, NULL), WELD_OK);
}

static void expect_equal_logits_for_threads(void) {
    static const int threads[] = {2, 3, 5};
    test_folder folder = test_folder_create();
    weld_weights *fixture = fixture_load(fixtures[0]);
    weld_model *models[2];
    models[0] = models_of_fixture(&folder, fixture, SIZE);
    models[1] = models_merge(&folder, models[0]);
    size_t bytes = IMAGES * (size_t)weld_model_get_config(models[0])->num_classes * sizeof(float);
    float *alone = malloc(bytes), *together = malloc(bytes);
    for (int i = 0; i < 4; i++) {
        set_precision(models[i % 2], i < 2 ? WELD_PRECISION_FP32 : WELD_PRECISION_BF16);
        run_noise(models[i % 2], 1, alone);
        for (size_t k = 0; k < sizeof threads / sizeof *threads; k++) {
            run_noise(models[i % 2], threads[k], together);
            ck_assert_mem_eq(alone, together, bytes);
        }
    }
    free(alone);
    free(together);
    weld_model_free(models[0]);
    weld_model_free(models[1]);
    weld_weights_free(fixture);
    test_folder_remove(folder);
}

START_TEST(the_number_of_threads_does_not_change_a_bit) {
    expect_equal_logits_for_threads();
}
END_TEST

START_TEST(nor_does_a_number_that_changes_from_loop_to_loop) {
    setenv("WELD_THREADS_RANDOM", "3", 1);
    expect_equal_logits_for_threads();
}
END_TEST

/* An image with a hole among others, and weights that overflow. */
START_TEST(what_is_not_finite_is_an_error_that_names_the_image) {
    test_folder folder = test_folder_create();
    weld_weights *fixture = fixture_load(fixtures[0]);
    weld_model *m = models_of_fixture(&folder, fixture, SIZE);
    static float images[IMAGES * 3 * SIZE * SIZE];
    float logits[IMAGES * 64];
    weld_error err;
    models_fill_noise(images, IMAGES * 3 * SIZE * SIZE, 2);
    images[18 * 3 * SIZE * SIZE + 100] = NAN;
    ck_assert_int_eq(weld_model_run(m, images, IMAGES, SIZE, SIZE, 1, logits, &err),
                     WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "images[18]: the network's logits are not finite") != NULL,
                  "%s", err.message);
    ck_assert_int_eq(weld_model_run(m, images, 18, SIZE, SIZE, 1, logits, &err), WELD_OK);
    weld_model_free(m);
    m = models_of_fixture(&folder, fixture, SIZE);
    weld_tensor weight = weld_weights_tensor(weld_model_weights(m), 0);
    for (int64_t i = 0; i < weld_shape_count(&weight.shape); i++) {
        ((float *)weight.data)[i] = 3e38F;
    }
    weld_runner *r = create(m, true, SIZE, SIZE);
    float *maps[WELD_MAX_STAGES];
    make_room(r, 1, maps);
    ck_assert_int_eq(weld_runner_run(r, images, 1, maps, &err), WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "images[0]: the network's features of stage 1") != NULL, "%s",
                  err.message);
    free_room(r, maps);
    weld_runner_free(r);
    weld_model_free(m);
    weld_weights_free(fixture);
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_has_no_meaning_is_refused) {
    test_folder folder = test_folder_create();
    weld_weights *fixture = fixture_load(fixtures[1]);
    weld_model *m = models_of_fixture(&folder, fixture, SIZE);
    weld_runner *r;
    weld_error err;
    float x[3] = {0}, logits[5], *outputs[] = {logits};
    ck_assert_int_eq(weld_runner_create(m, 0, 4, 0, &r, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_runner_create_features(m, 4, -1, 0, &r, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_runner_create(m, INT64_MAX, INT64_MAX, 0, &r, &err), WELD_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "9223372036854775807 x"));
    ck_assert_int_eq(weld_runner_create(m, 1 << 20, 1 << 20, 0, &r, &err), WELD_OK);
    ck_assert_int_eq(weld_runner_run(r, x, 1, outputs, &err), WELD_ERROR_SHAPE);
    weld_runner_free(r);
    r = create(m, false, 1, 1);
    ck_assert_int_eq(weld_runner_run(r, x, 0, outputs, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_runner_run(r, x, 1, outputs, &err), WELD_OK);
    weld_shape none = weld_runner_output_shape(r, 1);
    ck_assert(none.rank == 0 && weld_runner_output_stride(r, 0) == 0);
    weld_runner_free(r);
    weld_model_free(m);
    weld_weights_free(fixture);
    test_folder_remove(folder);
}
END_TEST

/* A deploy file's graph is data: nothing says that it looks like the network of its config. Where
 * `flat`, the map is flattened, so that only one size fits; else logits are those of the first
 * image of the batch alone. */
static weld_model *open_strange(const test_folder *folder, bool flat) {
    const char *path = test_path(folder, "strange.h5");
    weld_graph *g;
    weld_model_config config = repvit_config(2, "2", "1", 1, false, false);
    weld_init init = {.kind = WELD_INIT_UNIFORM, .a = -1, .b = 1};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, 4, 4, 3));
    int64_t width = flat ? 48 : 3;
    x = flat ? x : weld_slice(g, weld_global_avg_pool(g, x), 0, 0, 1);
    x = weld_reshape(g, x, WELD_SHAPE(1, width));
    x = weld_linear(g, x, weld_parameter(g, "w", WELD_SHAPE(2, width), init), NULL);
    weld_output(g, "logits", x);
    weld_model_file mf = {.kind = WELD_MODEL_DEPLOY,
                          .config = config,
                          .preprocessing = models_preprocessing(4),
                          .graph = g};
    weld_error err;
    ck_assert_msg(weld_graph_init_weights(g, 1, &mf.weights, &err) == WELD_OK, "%s", err.message);
    ck_assert_msg(weld_model_file_write(path, &mf, &err) == WELD_OK, "%s", err.message);
    weld_weights_free(mf.weights);
    weld_graph_free(g);
    return models_open(path);
}

START_TEST(graphs_of_files_that_are_not_as_expected_are_refused) {
    test_folder folder = test_folder_create();
    weld_model *flat = open_strange(&folder, true), *first = open_strange(&folder, false);
    float images[2 * 3 * 8 * 8] = {0}, logits[4];
    weld_runner *r;
    weld_error err;
    ck_assert_int_eq(weld_runner_create_features(flat, 4, 4, 0, &r, &err), WELD_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "stage 1"));
    ck_assert_int_eq(weld_model_run(flat, images, 2, 4, 4, 0, logits, &err), WELD_OK);
    ck_assert_int_eq(weld_model_run(flat, images, 2, 8, 8, 0, logits, &err), WELD_ERROR_SHAPE);
    ck_assert_msg(strstr(err.message, "8 x 8") != NULL, "%s", err.message);
    ck_assert_int_eq(weld_model_run(first, images, 1, 4, 4, 0, logits, &err), WELD_OK);
    ck_assert_int_eq(weld_model_run(first, images, 2, 4, 4, 0, logits, &err), WELD_ERROR_SHAPE);
    weld_model_free(flat);
    weld_model_free(first);
    test_folder_remove(folder);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    test_folder folder = test_folder_create();
    weld_weights *fixture = fixture_load(fixtures[1]);
    weld_model *m = models_of_fixture(&folder, fixture, SIZE);
    float images[3 * 4 * 4] = {0};
    weld_status status = WELD_ERROR_MEMORY;
    set_precision(m, WELD_PRECISION_BF16); /* which does all that fp32 does, and more */
    for (long n = 0; status != WELD_OK; n += 7) {
        weld_runner *r = NULL;
        float *maps[WELD_MAX_STAGES] = {0};
        weld_memory_fail_after(n);
        status = weld_runner_create_features(m, 4, 4, 1, &r, NULL);
        if (status == WELD_OK) {
            make_room(r, 1, maps);
            status = weld_runner_run(r, images, 1, maps, NULL);
            free_room(r, maps);
        }
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        weld_runner_free(r);
    }
    weld_model_free(m);
    weld_weights_free(fixture);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/runner", before_and_after_merging_maps_and_logits_are_those_of_pytorch,
          in_bf16_maps_and_logits_are_nearly_those_of_pytorch, many_images_are_each_run_as_if_alone,
          the_number_of_threads_does_not_change_a_bit,
          nor_does_a_number_that_changes_from_loop_to_loop,
          what_is_not_finite_is_an_error_that_names_the_image, what_has_no_meaning_is_refused,
          graphs_of_files_that_are_not_as_expected_are_refused,
          failing_allocations_are_errors_and_nothing_more)
