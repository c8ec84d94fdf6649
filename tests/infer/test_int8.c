/* Models of integers in memory: their size, precision, maps, and files made of them. */
#include "../passes/minmax.h"
#include "files.h"
#include "infer/model.h"
#include "measure/bench.h"
#include "models/models.h"
#include "passes/reparameterize.h"
#include "repvit_config.h"
#include "suite.h"

enum { SIZE = 32, LARGER = 48, CLASSES = 5 };

static void ok(weld_status status, const weld_error *err) {
    ck_assert_msg(status == WELD_OK, "%s", err->message);
}

/* A file of a small network; its floats are the model's that is returned. */
static void write_file(const char *path) {
    weld_model_file f = {.kind = WELD_MODEL_DEPLOY,
                         .config = repvit_config(CLASSES, "8, 16", "2, 1", 2, false, false),
                         .preprocessing = weld_preprocessing_of(SIZE)};
    weld_error err = {0};
    weld_graph *g;
    weld_weights *w, *floats;
    ok(weld_model_build(&f.config, false, 1, SIZE, SIZE, WELD_F32, &g, &err), &err);
    ok(weld_graph_init_weights(g, 5, &w, &err), &err);
    ok(weld_reparameterize(g, w, &f.graph, &floats, &err), &err);
    weld_quantization q = minmax_quantization(f.graph, floats, 4, NULL);
    ok(weld_quantize_weights(f.graph, floats, &q, &f.weights, &err), &err);
    f.quantization = &q;
    ok(weld_model_file_write(path, &f, &err), &err);
    weld_quantization_free(&q);
    weld_graph_free(g);
    weld_graph_free(f.graph);
    weld_weights_free(w);
    weld_weights_free(floats);
    weld_weights_free(f.weights);
}

static weld_model *open_file(const char *path) {
    weld_model *m;
    weld_error err = {0};
    ok(weld_model_open(path, &m, &err), &err);
    return m;
}

static void fill(float *images, int64_t count) {
    weld_random r = weld_random_start(3, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < count; i++) {
        images[i] = (float)weld_random_normal(&r);
    }
}

/* Two images. */
static void logits_of(const weld_model *m, int size, float logits[2 * CLASSES]) {
    static float images[2 * 3 * LARGER * LARGER];
    weld_error err = {0};
    fill(images, 2 * 3 * size * size);
    ok(weld_model_run(m, images, 2, size, size, 2, logits, &err), &err);
}

static double distance(const float *a, const float *b) {
    double most = 0;
    for (int i = 0; i < 2 * CLASSES; i++) {
        const double apart = fabs((double)a[i] - (double)b[i]);
        most = apart > most ? apart : most;
    }
    return most;
}

START_TEST(a_file_says_that_it_is_of_integers) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "int8.h5");
    float integers[2 * CLASSES], floats[2 * CLASSES];
    weld_error err = {0};
    write_file(path);
    weld_model *m = open_file(path);
    ck_assert(weld_model_is_int8(m) && weld_model_is_merged(m));
    logits_of(m, SIZE, integers);
    ck_assert_int_eq(weld_model_set_precision(m, WELD_PRECISION_BF16, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "int8"));
    ck_assert(weld_model_is_int8(m));
    ok(weld_model_set_precision(m, WELD_PRECISION_FP32, &err), &err);
    ck_assert(!weld_model_is_int8(m));
    logits_of(m, SIZE, floats);
    const double apart = distance(integers, floats);
    ck_assert_msg(apart > 0 && apart < 0.2, "%g", apart);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(at_another_size_a_model_is_what_a_runner_of_that_size_is) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "int8.h5"), *saved = test_path(&folder, "larger.h5");
    float runner[2 * CLASSES], resized[2 * CLASSES], back[2 * CLASSES];
    weld_error err = {0};
    write_file(path);
    weld_model *m = open_file(path);
    logits_of(m, LARGER, runner);
    weld_preprocessing larger = *weld_model_get_preprocessing(m);
    larger.height = larger.width = LARGER;
    ok(weld_model_set_preprocessing(m, &larger, &err), &err);
    ck_assert(weld_model_is_int8(m));
    logits_of(m, LARGER, resized);
    ck_assert_mem_eq(resized, runner, sizeof runner);
    ok(weld_model_save(m, saved, &err), &err);
    weld_model_free(m);
    m = open_file(saved);
    ck_assert(weld_model_is_int8(m));
    logits_of(m, LARGER, back);
    ck_assert_mem_eq(back, runner, sizeof runner);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_session_of_ones_own_takes_graph_and_weights) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "int8.h5");
    float want[2 * CLASSES];
    weld_error err = {0};
    weld_session *s;
    write_file(path);
    weld_model *m = open_file(path);
    logits_of(m, SIZE, want);
    const weld_session_options o = {.batch = 2, .threads = 1};
    ok(weld_session_create(weld_model_graph(m), weld_model_weights(m), &o, &s, &err), &err);
    float *images = weld_session_input(s, "images").data;
    static float planes[2 * 3 * SIZE * SIZE];
    fill(planes, 2 * 3 * SIZE * SIZE);
    for (int i = 0; i < 2 * SIZE * SIZE; i++) { /* channels last */
        const int image = i / (SIZE * SIZE), at = i % (SIZE * SIZE);
        for (int c = 0; c < 3; c++) {
            images[3 * i + c] = planes[(3 * image + c) * SIZE * SIZE + at];
        }
    }
    weld_session_run(s, 0);
    ck_assert_mem_eq(weld_session_output(s, "logits").data, want, sizeof want);
    weld_session_free(s);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(maps_are_those_of_the_floats_nearly) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "int8.h5");
    weld_error err = {0};
    write_file(path);
    static float images[3 * SIZE * SIZE], maps[2][16 * SIZE * SIZE], *outputs[4];
    fill(images, 3 * SIZE * SIZE);
    for (int k = 0; k < 2; k++) {
        weld_model *m = open_file(path);
        weld_runner *r;
        ok(k ? weld_model_set_precision(m, WELD_PRECISION_FP32, &err) : WELD_OK, &err);
        ok(weld_runner_create_features(m, SIZE, SIZE, 1, &r, &err), &err);
        ck_assert_uint_eq(weld_runner_output_count(r), 2);
        outputs[0] = maps[k];
        outputs[1] = maps[k] + 8 * SIZE * SIZE;
        ok(weld_runner_run(r, images, 1, outputs, &err), &err);
        weld_runner_free(r);
        weld_model_free(m);
    }
    double signal = 0, noise = 0;
    for (int i = 0; i < 16 * SIZE * SIZE; i++) {
        signal += (double)maps[1][i] * (double)maps[1][i];
        noise += pow((double)maps[0][i] - (double)maps[1][i], 2);
    }
    ck_assert_msg(noise > 0 && noise < 0.01 * signal, "%g of %g", noise, signal);
    test_folder_remove(folder);
}
END_TEST

START_TEST(images_that_are_not_finite_are_refused_as_those_of_floats) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "int8.h5");
    static float images[3 * 3 * SIZE * SIZE];
    const float bad[] = {NAN, INFINITY, -INFINITY};
    float logits[3 * CLASSES];
    write_file(path);
    for (int k = 0; k < 2; k++) {
        weld_error err = {0};
        weld_model *m = open_file(path);
        ok(k ? weld_model_set_precision(m, WELD_PRECISION_FP32, &err) : WELD_OK, &err);
        for (int i = 0; i < 3; i++) {
            fill(images, 3 * 3 * SIZE * SIZE);
            images[3 * SIZE * SIZE + 77] = bad[i];
            ck_assert_int_eq(weld_model_run(m, images, 3, SIZE, SIZE, 2, logits, &err),
                             WELD_ERROR_NUMERIC);
            ck_assert_msg(
                !strncmp(err.message, "images[1]: the network's logits are not finite", 46), "%s",
                err.message);
        }
        weld_model_free(m);
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_is_of_integers_is_measured_by_their_limit) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "int8.h5");
    const weld_bench_options o = {
        .batch = 1, .threads = 1, .steps = 1, .profile = true, .by_node = true};
    weld_bench_result r = {0};
    weld_error err = {0};
    double flops = 0;
    write_file(path);
    weld_model *m = open_file(path);
    ok(weld_bench_inference(weld_model_graph(m), weld_model_weights(m), &o, &r, &err), &err);
    const double best = r.limits.int8_ops > 0 ? r.limits.int8_ops : r.limits.flops;
    for (size_t i = 0; i < r.row_count; i++) {
        const weld_profile_row *row = &r.rows[i];
        if (strstr(row->op, "_codes")) {
            const double limit = fmax(row->flops / best, row->bytes / r.limits.bandwidth);
            ck_assert_double_eq_tol(row->limit, limit, 1e-9 * limit);
            flops += row->flops;
        }
    }
    ck_assert_double_gt(flops, 0);
    ck_assert_double_eq_tol(flops, r.flops, 1e-9 * flops);
    weld_free(r.rows);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/int8", a_file_says_that_it_is_of_integers,
          at_another_size_a_model_is_what_a_runner_of_that_size_is,
          a_session_of_ones_own_takes_graph_and_weights, maps_are_those_of_the_floats_nearly,
          images_that_are_not_finite_are_refused_as_those_of_floats,
          what_is_of_integers_is_measured_by_their_limit)
