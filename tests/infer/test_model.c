/* Changing the input size of open models. */
#include "base/memory.h"
#include "infer/colours.h"
#include "infer/model.h"
#include "suite.h"

static void check_logits(const weld_model *m, int size, const float *logits, int64_t classes) {
    float *x = malloc((size_t)(3 * size * size) * sizeof *x);
    float *got = malloc((size_t)classes * sizeof *got);
    models_fill_noise(x, 3 * size * size, 5);
    ck_assert_int_eq(weld_model_run(m, x, 1, size, size, 1, got, NULL), WELD_OK);
    ck_assert_double_lt(models_difference(got, logits, classes), 1e-5);
    free(x);
    free(got);
}

/* Of the model's own graph, as evaluations use it. */
static void own_logits(const weld_model *m, int size, float *logits, int64_t classes) {
    weld_session *s;
    weld_session_options options = {.batch = 1, .threads = 1};
    ck_assert_int_eq(
        weld_session_create(weld_model_graph(m), weld_model_weights(m), &options, &s, NULL),
        WELD_OK);
    weld_tensor images = weld_session_input(s, "images");
    ck_assert_int_eq(images.shape.dim[1], size);
    float *x = malloc((size_t)(3 * size * size) * sizeof *x), *to = images.data;
    models_fill_noise(x, 3 * size * size, 5);
    for (int i = 0; i < size * size; i++) {
        for (int c = 0; c < 3; c++) {
            to[3 * i + c] = x[c * size * size + i];
        }
    }
    weld_session_run(s, 0);
    memcpy(logits, weld_session_output(s, "logits").data, (size_t)classes * sizeof *logits);
    weld_session_free(s);
    free(x);
}

static void resize(weld_model *m, int size) {
    weld_preprocessing p = *weld_model_get_preprocessing(m);
    weld_error err;
    p.height = p.width = size;
    p.crop_fraction = 0.95;
    ck_assert_msg(weld_model_set_preprocessing(m, &p, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(weld_model_get_preprocessing(m)->height, size);
}

START_TEST(checkpoints_and_deploy_files_take_another_size) {
    test_folder folder = test_folder_create();
    weld_weights *fixture = fixture_load("parity_current.fixture");
    weld_model *m = models_of_fixture(&folder, fixture, 32);
    weld_model *merged = models_merge(&folder, m);
    weld_model *models[] = {m, merged};
    int64_t classes = weld_model_get_config(m)->num_classes;
    float logits[64];
    ck_assert_int_le(classes, 64);
    for (int i = 0; i < 2; i++) {
        for (int size = 24; size <= 48; size += 12) {
            resize(models[i], size);
            own_logits(models[i], size, logits, classes);
            check_logits(m, size, logits, classes); /* which is of any size */
        }
    }
    weld_model_free(merged);
    weld_model_free(m);
    weld_weights_free(fixture);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_deploy_file_that_is_written_keeps_its_new_size) {
    test_folder folder = test_folder_create();
    weld_weights *fixture = fixture_load("parity_current.fixture");
    weld_model *m = models_of_fixture(&folder, fixture, 32);
    weld_model *merged = models_merge(&folder, m);
    const char *path = test_path(&folder, "larger.h5");
    float before[64], after[64];
    int64_t classes = weld_model_get_config(m)->num_classes;
    resize(merged, 48);
    ck_assert_int_eq(weld_model_save(merged, path, NULL), WELD_OK);
    weld_model *again = models_open(path);
    ck_assert_int_eq(weld_model_get_preprocessing(again)->height, 48);
    ck_assert_double_eq(weld_model_get_preprocessing(again)->crop_fraction, 0.95);
    own_logits(merged, 48, before, classes);
    own_logits(again, 48, after, classes);
    ck_assert_mem_eq(before, after, (size_t)classes * sizeof *before);
    weld_model_free(again);
    weld_model_free(merged);
    weld_model_free(m);
    weld_weights_free(fixture);
    test_folder_remove(folder);
}
END_TEST

START_TEST(the_precision_stays_when_the_size_changes) {
    test_folder folder = test_folder_create();
    weld_weights *fixture = fixture_load("parity_current.fixture");
    weld_model *m = models_of_fixture(&folder, fixture, 32);
    ck_assert_int_eq(weld_model_set_precision(m, WELD_PRECISION_BF16, NULL), WELD_OK);
    resize(m, 40);
    const weld_graph *g = weld_model_running_graph(m);
    ck_assert_ptr_ne(g, weld_model_graph(m));
    weld_session *s;
    weld_session_options options = {.batch = 2, .threads = 1};
    ck_assert_int_eq(weld_session_create(g, weld_model_weights(m), &options, &s, NULL), WELD_OK);
    ck_assert_int_eq(weld_session_input(s, "images").shape.dim[2], 40);
    weld_session_free(s);
    weld_model_free(m);
    weld_weights_free(fixture);
    test_folder_remove(folder);
}
END_TEST

START_TEST(values_out_of_range_change_nothing) {
    test_folder folder = test_folder_create();
    weld_model *m = colours_open(&folder, 1);
    const weld_graph *graph = weld_model_graph(m);
    weld_preprocessing p = *weld_model_get_preprocessing(m);
    weld_error err;
    p.height = p.width = 0;
    ck_assert_int_eq(weld_model_set_preprocessing(m, &p, &err), WELD_ERROR_ARGUMENT);
    p.height = p.width = 12;
    p.crop_fraction = -1;
    ck_assert_int_eq(weld_model_set_preprocessing(m, &p, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "crop_fraction"));
    p.crop_fraction = 1;
    p.width = WELD_MAX_INPUT_SIZE + 1;
    ck_assert_int_eq(weld_model_set_preprocessing(m, &p, &err), WELD_ERROR_ARGUMENT);
    p.width = 12;
    for (long i = 0; i < 6; i++) {
        weld_memory_fail_after(i);
        ck_assert_int_eq(weld_model_set_preprocessing(m, &p, NULL), WELD_ERROR_MEMORY);
    }
    weld_memory_fail_after(-1);
    ck_assert_ptr_eq(weld_model_graph(m), graph);
    ck_assert_int_eq(weld_model_get_preprocessing(m)->height, COLOURS_SIZE);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

/* What may be in memory may be in a file, so that nothing is computed that cannot be kept. */
START_TEST(files_hold_all_that_a_model_may_be_set_to) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    for (int most = 0; most < 2; most++) {
        weld_model *m = colours_open(&folder, 1);
        weld_preprocessing p = *weld_model_get_preprocessing(m);
        weld_error err;
        p.height = most ? WELD_MAX_INPUT_SIZE : 1;
        p.width = most ? 1 : WELD_MAX_INPUT_SIZE;
        p.crop_fraction = most ? WELD_MAX_CROP_FRACTION : WELD_MIN_CROP_FRACTION;
        for (int c = 0; c < 3; c++) {
            p.mean[c] = (float)(most ? WELD_MAX_MEAN : -WELD_MAX_MEAN);
            p.std[c] = (float)(most ? WELD_MAX_STD : WELD_MIN_STD);
        }
        m->file.temperature = most ? WELD_MAX_TEMPERATURE : WELD_MIN_TEMPERATURE;
        ck_assert_msg(!weld_model_set_preprocessing(m, &p, &err), "%s", err.message);
        ck_assert_msg(!weld_model_save(m, path, &err), "%s", err.message);
        weld_model *again = models_open(path);
        const weld_preprocessing *q = weld_model_get_preprocessing(again);
        ck_assert_int_eq(q->height, p.height);
        ck_assert_int_eq(q->width, p.width);
        ck_assert_double_eq(q->crop_fraction, p.crop_fraction);
        ck_assert_mem_eq(q->mean, p.mean, sizeof p.mean);
        ck_assert_mem_eq(q->std, p.std, sizeof p.std);
        ck_assert_double_eq(again->file.temperature, m->file.temperature);
        weld_model_free(again);
        weld_model_free(m);
    }
    test_folder_remove(folder);
}
END_TEST

/* A graph that flattens its image instead of pooling it: of another size it has other weights. */
START_TEST(networks_of_one_size_alone_say_so) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "flat.h5");
    weld_init none = {.kind = WELD_INIT_CONSTANT};
    weld_graph *g;
    weld_error err;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, 8, 8, 3));
    x = weld_reshape(g, x, WELD_SHAPE(1, -1));
    x = weld_linear(g, x, weld_parameter(g, "w", WELD_SHAPE(3, 192), none), NULL);
    weld_output(g, "logits", x);
    weld_model *m = colours_open(&folder, 1);
    weld_model_file mf = {.kind = WELD_MODEL_DEPLOY,
                          .config = *weld_model_get_config(m),
                          .preprocessing = *weld_model_get_preprocessing(m),
                          .class_names = colours_names,
                          .graph = g};
    weld_model_free(m);
    ck_assert_int_eq(weld_graph_init_weights(g, 0, &mf.weights, NULL), WELD_OK);
    ck_assert_msg(weld_model_file_write(path, &mf, &err) == WELD_OK, "%s", err.message);
    weld_weights_free(mf.weights);
    weld_graph_free(g);
    m = models_open(path);
    weld_preprocessing p = *weld_model_get_preprocessing(m);
    p.height = p.width = 16;
    ck_assert_int_eq(weld_model_set_preprocessing(m, &p, &err), WELD_ERROR_SHAPE);
    ck_assert_msg(strstr(err.message, "16 x 16") != NULL, "%s", err.message);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/model", checkpoints_and_deploy_files_take_another_size,
          a_deploy_file_that_is_written_keeps_its_new_size,
          the_precision_stays_when_the_size_changes, values_out_of_range_change_nothing,
          files_hold_all_that_a_model_may_be_set_to, networks_of_one_size_alone_say_so)
