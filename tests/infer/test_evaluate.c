/* Evaluation of a network whose results can be counted by hand. */
#include "infer/colours.h"
#include "suite.h"
#include "tasks/classification/classification.h"

typedef struct noted {
    int bad, progress;
    char reason[256];
    int64_t last;
    bool stop;
} noted;

static void note_bad(void *arg, int64_t index, const char *reason) {
    noted *n = arg;
    (void)index;
    n->bad++;
    snprintf(n->reason, sizeof n->reason, "%s", reason);
}

static bool note_progress(void *arg, int64_t done, int64_t total) {
    noted *n = arg;
    ck_assert_int_le(done, total);
    n->progress++;
    n->last = done;
    return !n->stop;
}

static weld_status evaluate(const weld_model *m, const weld_dataset *ds, int64_t batch, int threads,
                            noted *n, weld_evaluation *out, weld_error *err) {
    weld_evaluator *e;
    weld_evaluator_options options = {.batch_size = batch,
                                      .threads = threads,
                                      .bad_image = n ? note_bad : NULL,
                                      .progress = n ? note_progress : NULL,
                                      .arg = n};
    weld_status status =
        weld_evaluator_create(&weld_task_classification, weld_model_graph(m), weld_model_weights(m),
                              weld_model_get_preprocessing(m), ds, &options, &e, err);
    if (status == WELD_OK) {
        status = weld_evaluator_run(e, out, err);
        weld_evaluator_free(e);
    }
    return status;
}

static double loss(const double logits[3], int label) {
    return log(exp(logits[0]) + exp(logits[1]) + exp(logits[2])) - logits[label];
}

START_TEST(accuracy_and_loss_are_those_counted_by_hand) {
    test_folder data = colours_folder(), folder = test_folder_create();
    weld_dataset *ds = colours_dataset(&data);
    weld_model *m = colours_open(&folder, 1);
    weld_evaluation e;
    ck_assert_int_eq(evaluate(m, ds, 64, 2, NULL, &e, NULL), WELD_OK);
    ck_assert_int_eq(e.images, 7);
    ck_assert_int_eq(e.skipped, 0);
    ck_assert_double_eq_tol(e.scores[WELD_TOP1], 100.0 * 5 / 7, 1e-9);
    ck_assert_double_eq(e.scores[WELD_TOP5], 100);
    static const double logits[7][3] = {{255, 0, 0}, {200, 60, 60}, {0, 0, 255},  {0, 255, 0},
                                        {255, 0, 0}, {0, 0, 255},   {10, 10, 240}};
    static const int labels[7] = {0, 0, 0, 1, 1, 2, 2};
    double sum = 0;
    for (int i = 0; i < 7; i++) {
        double x[3] = {logits[i][0] / 255, logits[i][1] / 255, logits[i][2] / 255};
        sum += loss(x, labels[i]);
    }
    ck_assert_double_eq_tol(e.loss, sum / 7, 0.01); /* JPEG's colours are a little off */
    weld_model_free(m);
    weld_dataset_free(ds);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

START_TEST(neither_batch_size_nor_threads_change_anything) {
    test_folder data = colours_folder(), folder = test_folder_create();
    weld_dataset *ds = colours_dataset(&data);
    weld_model *m = colours_open(&folder, 3);
    weld_evaluation first, other;
    noted n = {0};
    ck_assert_int_eq(evaluate(m, ds, 64, 1, NULL, &first, NULL), WELD_OK);
    for (int64_t batch = 1; batch <= 8; batch++) {
        ck_assert_int_eq(evaluate(m, ds, batch, (int)batch % 3 + 1, &n, &other, NULL), WELD_OK);
        ck_assert_mem_eq(&first, &other, sizeof first);
        ck_assert_int_eq(n.last, 7);
    }
    ck_assert_int_eq(n.progress, 7 + 4 + 3 + 2 + 2 + 2 + 1 + 1);
    weld_model_free(m);
    weld_dataset_free(ds);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

START_TEST(bad_images_are_named_and_left_out) {
    test_folder data = colours_folder(), folder = test_folder_create();
    test_write_file(test_path(&data, "green/c.jpg"), "no image", 8);
    weld_dataset *ds = colours_dataset(&data);
    weld_model *m = colours_open(&folder, 1);
    weld_evaluation e;
    noted n = {0};
    ck_assert_int_eq(evaluate(m, ds, 4, 2, &n, &e, NULL), WELD_OK);
    ck_assert_int_eq(e.images, 7);
    ck_assert_int_eq(e.skipped, 1);
    ck_assert_int_eq(n.bad, 1);
    ck_assert_int_eq(n.last, 8);
    ck_assert_ptr_nonnull(strstr(n.reason, "green/c.jpg"));
    ck_assert_double_eq_tol(e.scores[WELD_TOP1], 100.0 * 5 / 7, 1e-9);
    weld_model_free(m);
    weld_dataset_free(ds);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

START_TEST(data_of_which_no_image_can_be_read_is_an_error) {
    test_folder data = test_folder_create(), folder = test_folder_create();
    for (int i = 0; i < COLOURS; i++) {
        mkdir(test_path(&data, colours_names[i]), 0777);
        char name[32];
        snprintf(name, sizeof name, "%s/a.jpg", colours_names[i]);
        test_write_file(test_path(&data, name), "no image", 8);
    }
    weld_dataset *ds = colours_dataset(&data);
    weld_model *m = colours_open(&folder, 1);
    weld_evaluation e;
    weld_error err;
    ck_assert_int_eq(evaluate(m, ds, 4, 2, NULL, &e, &err), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, data.path));
    weld_model_free(m);
    weld_dataset_free(ds);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

START_TEST(an_evaluation_that_is_told_to_stop_stops) {
    test_folder data = colours_folder(), folder = test_folder_create();
    weld_dataset *ds = colours_dataset(&data);
    weld_model *m = colours_open(&folder, 1);
    weld_evaluation e;
    noted n = {.stop = true};
    ck_assert_int_eq(evaluate(m, ds, 2, 2, &n, &e, NULL), WELD_ERROR_INTERRUPTED);
    ck_assert_int_eq(n.progress, 1);
    weld_model_free(m);
    weld_dataset_free(ds);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

START_TEST(logits_that_are_not_finite_name_the_image) {
    test_folder data = colours_folder(), folder = test_folder_create();
    weld_dataset *ds = colours_dataset(&data);
    weld_model *m = colours_open(&folder, INFINITY); /* infinity times zero where a colour is 0 */
    weld_evaluation e;
    weld_error err;
    ck_assert_int_eq(evaluate(m, ds, 4, 2, NULL, &e, &err), WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "blue/a.jpg") != NULL, "%s", err.message);
    weld_model_free(m);
    weld_dataset_free(ds);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

START_TEST(data_of_other_classes_and_graphs_that_mix_images_are_refused) {
    test_folder data = colours_folder(), folder = test_folder_create();
    weld_model *m = colours_open(&folder, 1);
    weld_evaluation e;
    weld_error err;
    weld_graph *g;
    weld_evaluator *evaluator;
    weld_evaluator_options options = {.batch_size = 4, .threads = 1};
    weld_dataset *ds = colours_dataset(&data);
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, COLOURS_SIZE, COLOURS_SIZE, 3));
    x = weld_reshape(g, weld_global_avg_pool(g, x), WELD_SHAPE(1, 3));
    weld_output(g, "logits", weld_slice(g, x, 0, 0, 1));
    ck_assert_int_eq(weld_evaluator_create(&weld_task_classification, g, weld_model_weights(m),
                                           weld_model_get_preprocessing(m), ds, &options,
                                           &evaluator, &err),
                     WELD_ERROR_SHAPE);
    weld_graph_free(g);
    weld_dataset_free(ds);
    colours_put(&data, "yellow", "a.jpg", 255, 255, 0);
    ds = colours_dataset(&data);
    ck_assert_int_eq(evaluate(m, ds, 4, 1, NULL, &e, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "4 classes"));
    weld_dataset_free(ds);
    weld_model_free(m);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

RUN_SUITE("infer/evaluate", accuracy_and_loss_are_those_counted_by_hand,
          neither_batch_size_nor_threads_change_anything, bad_images_are_named_and_left_out,
          data_of_which_no_image_can_be_read_is_an_error, an_evaluation_that_is_told_to_stop_stops,
          logits_that_are_not_finite_name_the_image,
          data_of_other_classes_and_graphs_that_mix_images_are_refused)
