/* A family and a task of which nothing outside this folder knows go through all that weld does.
 *
 * They are linked in with two tables of one line more (families.c, tasks.c), which stand in the
 * place of weld's own. */
#define _GNU_SOURCE
#include "house/toy.h"
#include "infer/image_runner.h"
#include "infer/evaluate.h"
#include "infer/model.h"
#include "infer/results_file.h"
#include "measure/preview.h"
#include "teach/teacher.h"
#include "tensorboard.h"
#include "train/tiny_run.h"

/* Grey images of the brightness that their names tell, with noise. */
static void write_greys(const char *path, int numbers) {
    static const char *const names[] = {"all"};
    weld_packed_layout layout = {.height = SIDE, .width = SIDE, .channels = 3};
    weld_packed_writer *w;
    unsigned char pixels[SIDE * SIDE * 3];
    ck_assert_int_eq(weld_packed_writer_create(path, layout, names, 1, &w, &err), WELD_OK);
    for (int i = 0; i < numbers; i++) {
        const int number = i * 100 / numbers;
        weld_random r = weld_random_start(1, 0, (uint64_t)i, WELD_RANDOM_TEST);
        char name[32];
        for (size_t p = 0; p < sizeof pixels; p++) {
            pixels[p] = (unsigned char)(number * 2 + (int)weld_random_below(&r, 20));
        }
        snprintf(name, sizeof name, "all/%03d.png", number);
        ck_assert_int_eq(weld_packed_writer_add(w, pixels, sizeof pixels, 0, name, &err), WELD_OK);
    }
    ck_assert_int_eq(weld_packed_writer_finish(w, &err), WELD_OK);
    weld_packed_writer_free(w);
}

static void set_up_data(void) {
    char text[1024];
    set_up();
    write_greys(in_base("greys.h5"), 64);
    write_greys(in_base("val.h5"), 21);
    snprintf(text, sizeof text,
             "model: {name: toy, width: 6, activation: gelu}\n"
             "data: {train: %s/greys.h5, val: %s/val.h5, input_size: %d, crop_fraction: 1}\n"
             "augment: {kind: small, auto_augment: null, color_jitter: null,\n"
             "          random_erasing: null, cutmix: null, mixup: 0.2, repeats: 1}\n"
             "optimizer: {lr: 0.05, lr_batch: 8, clip: null, weight_decay: 0}\n"
             "schedule: {warmup_epochs: 1}\n"
             "train: {epochs: 40, batch_size: 8, seed: 7, checkpoint_every: null, ema_decay: 0.8,\n"
             "        histograms_every: 20}\n",
             base, base, SIDE);
    write_text(in_base("toy.yaml"), text);
}

static void set_up_house(void) {
    set_up_data();
    run_well((run_options){.out = "whole", .recipe = "toy.yaml"});
}

static weld_model *open_best(void) {
    weld_model *m;
    ck_assert_msg(!weld_model_open(in_base("whole/best.h5"), &m, &err), "%s", err.message);
    return m;
}

START_TEST(it_learns_and_the_best_has_the_least_error) {
    set_up_house();
    ck_assert_str_eq(result.best.key, "error");
    ck_assert_str_eq(result.best.label, "mean error");
    ck_assert_double_lt(result.best.value, 0.1);
    json_t *rows = rows_of("whole");
    double least = INFINITY;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *error = json_object_get(json_array_get(rows, i), "error");
        least = error ? fmin(least, json_number_value(error)) : least;
        ck_assert_ptr_null(json_object_get(json_array_get(rows, i), "top1"));
    }
    ck_assert_double_eq_tol(result.best.value, least, 1e-6);
    json_decref(rows);
    tear_down();
}
END_TEST

START_TEST(a_run_that_was_stopped_goes_on_bit_for_bit) {
    set_up_house();
    run_well((run_options){.out = "parts", .recipe = "toy.yaml", .stop_at = 29});
    ck_assert(result.interrupted);
    run_well((run_options){.out = "parts", .recipe = "toy.yaml", .resume = true});
    assert_same_run("whole", "parts");
    tear_down();
}
END_TEST

START_TEST(bf16_and_another_head_start_from_its_weights) {
    set_up_house();
    run_well((run_options){.out = "tuned",
                           .recipe = "toy.yaml",
                           .init = "whole/best.h5",
                           .set = {"train.precision=bf16", "train.epochs=1"}});
    ck_assert_double_lt(result.best.value, 0.15);
    tear_down();
}
END_TEST

START_TEST(an_evaluation_says_what_the_run_said) {
    set_up_house();
    weld_model *m = open_best();
    weld_dataset *ds;
    weld_evaluator *e;
    weld_evaluation found;
    weld_evaluator_options options = {.batch_size = 5};
    ck_assert_int_eq(weld_dataset_open(in_base("val.h5"), &ds, &err), WELD_OK);
    ck_assert_int_eq(weld_evaluator_create(weld_model_task(m), weld_model_graph(m),
                                           weld_model_weights(m), weld_model_get_preprocessing(m),
                                           ds, &options, &e, &err),
                     WELD_OK);
    ck_assert_int_eq(weld_evaluator_run(e, &found, &err), WELD_OK);
    ck_assert_int_eq(found.images, 21);
    ck_assert_int_eq(weld_evaluator_write(e, in_base("evaluation.json"), &err), WELD_OK);
    json_t *written = json_load_file(in_base("evaluation.json"), 0, NULL);
    json_t *ours = json_load_file(in_base("whole/evaluation.json"), 0, NULL);
    ck_assert(written && json_equal(written, ours));
    ck_assert_double_eq(json_number_value(json_object_get(written, "error")), found.scores[0]);
    json_decref(written);
    json_decref(ours);
    weld_evaluator_free(e);
    weld_dataset_free(ds);
    weld_model_free(m);
    tear_down();
}
END_TEST

START_TEST(its_results_for_other_programs_are_worth_the_same) {
    set_up_house();
    weld_model *m = open_best();
    weld_dataset *ds;
    weld_evaluator *e;
    weld_evaluation found;
    weld_results_file *file;
    const weld_task *task;
    weld_text notes = WELD_TEXT;
    weld_evaluator_options options = {
        .batch_size = 5, .see = weld_results_file_see, .seen = weld_results_file_seen};
    ck_assert_int_eq(weld_dataset_open(in_base("val.h5"), &ds, &err), WELD_OK);
    ck_assert_int_eq(
        weld_results_file_create(in_base("found"), weld_model_task(m), ds, true, &file, &err),
        WELD_OK);
    options.seen_arg = file;
    ck_assert_int_eq(weld_model_evaluator_create(m, ds, &options, &e, &err), WELD_OK);
    const weld_status status = weld_evaluator_run(e, &found, &err);
    ck_assert_int_eq(weld_results_file_finish(file, status, &err), WELD_OK);
    weld_evaluator_free(e);
    ck_assert_int_eq(weld_task_of_results(ds, &task, &err), WELD_OK);
    ck_assert_str_eq(task->name, "brightness");
    const weld_results_source from = {.path = in_base("found")};
    ck_assert_msg(!weld_results_evaluator_create(task, &from, ds, &notes, &e, &err), "%s",
                  err.message);
    ck_assert_int_eq(weld_evaluator_result(e)->images, 21);
    ck_assert_double_eq_tol(weld_evaluator_result(e)->scores[0], found.scores[0], 1e-9);
    weld_evaluator_free(e);
    weld_dataset_free(ds);
    weld_model_free(m);
    tear_down();
}
END_TEST

START_TEST(merging_and_exporting_keep_what_it_says) {
    set_up_house();
    weld_model *m = open_best(), *merged;
    weld_merge_report report;
    weld_export_report exported;
    ck_assert_msg(!weld_model_merge(m, in_base("val.h5"), 1, in_base("deploy.h5"), &report, &err),
                  "%s", err.message);
    ck_assert_int_lt(report.after.tensors, report.before.tensors);
    ck_assert_int_eq(report.comparison.same_answer, 21);
    ck_assert_str_eq(report.comparison.output_word, "value");
    ck_assert_double_eq_tol(report.comparison.before.value, report.comparison.after.value, 1e-5);
    const char *const files[] = {"toy.safetensors", "trained.safetensors", "toy.onnx"};
    for (int i = 0; i < 3; i++) {
        weld_export_options o = {.form = i == 1 ? WELD_EXPORT_TRAINING : WELD_EXPORT_MERGED,
                                 .verify = in_base("val.h5")};
        ck_assert_msg(!weld_model_export(m, in_base(files[i]), &o, &exported, &err), "%s: %s",
                      files[i], err.message);
        ck_assert_int_eq(exported.comparison.same_answer, 21);
    }
    weld_model_free(m);
    ck_assert_msg(!weld_model_open(in_base("deploy.h5"), &merged, &err), "%s", err.message);
    ck_assert(weld_model_is_merged(merged));
    weld_model_free(merged);
    tear_down();
}
END_TEST

START_TEST(it_predicts_numbers_and_no_classes) {
    set_up_house();
    weld_model *m = open_best();
    weld_image_runner *runner;
    weld_classifier *classifier;
    unsigned char grey[SIDE * SIDE * 3];
    const weld_tensor *outputs;
    const weld_labels labels = weld_model_labels(m);
    const weld_question question = {.labels = &labels, .most = 5};
    weld_text text = WELD_TEXT;
    json_t *json = NULL;
    memset(grey, 2 * 50 + 10, sizeof grey);
    ck_assert_int_eq(weld_image_runner_create(m, 1, &runner, &err), WELD_OK);
    ck_assert_int_eq(weld_image_runner_run_rgb(runner, grey, SIDE, SIDE, &outputs, &err), WELD_OK);
    ck_assert_float_eq_tol(*(float *)outputs[0].data, 0.5f, 0.15f);
    ck_assert_int_eq(weld_model_task(m)->answer(outputs, &question, &text, NULL, &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(weld_text_get(&text), "brightness 0."));
    ck_assert_int_eq(weld_model_task(m)->answer(outputs, &question, NULL, &json, &err), WELD_OK);
    ck_assert(json_is_real(json));
    ck_assert_int_eq(weld_classifier_create(m, 1, &classifier, &err), WELD_ERROR_ARGUMENT);
    json_decref(json);
    weld_text_free(&text);
    weld_image_runner_free(runner);
    weld_model_free(m);
    tear_down();
}
END_TEST

START_TEST(a_preview_and_a_report_show_it) {
    set_up_house();
    weld_preview_options o = {
        .settings = weld_train_defaults(), .out = in_base("sheet.png"), .count = 9};
    weld_preview_report report;
    char recipe[256], run_path[256];
    const char *const runs[] = {run_path};
    snprintf(recipe, sizeof recipe, "%s", in_base("toy.yaml"));
    snprintf(run_path, sizeof run_path, "%s", in_base("whole"));
    o.settings.recipe = recipe;
    ck_assert_msg(!weld_preview(&o, &report, &err), "%s", err.message);
    ck_assert_int_eq(report.samples, 9);
    ck_assert_msg(!weld_report_write(runs, 1, in_base("report.html"), &err), "%s", err.message);
    char *page = read_text(in_base("report.html"));
    ck_assert_ptr_nonnull(strstr(page, "\"label\":\"mean error\""));
    ck_assert_ptr_null(strstr(page, "top1"));
    ck_assert_ptr_nonnull(strstr(page, "{\"key\":\"squares\",\"of\":\"brightness\"}"));
    free(page);
    tear_down();
}
END_TEST

START_TEST(what_only_others_have_is_refused_by_name) {
    set_up_data();
    ck_assert_int_eq(run((run_options){.out = "taught",
                                       .recipe = "toy.yaml",
                                       .set = {"loss.distillation.kind=soft",
                                               "loss.distillation.teacher=none.h5"}}),
                     WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(
        run((run_options){.out = "balanced", .recipe = "toy.yaml", .set = {"data.sampling=sqrt"}}),
        WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(
        run((run_options){.out = "wide", .recipe = "toy.yaml", .set = {"model.width=0"}}),
        WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "model.width"));
    tear_down();
}
END_TEST

START_TEST(a_key_of_the_task_is_read_used_written_and_compared) {
    set_up_data();
    run_well((run_options){
        .out = "still", .recipe = "toy.yaml", .set = {"loss.scale=0", "train.epochs=2"}});
    json_t *rows = rows_of("still");
    json_t *last = json_array_get(rows, json_array_size(rows) - 1);
    ck_assert_double_eq(json_number_value(json_object_get(last, "train_loss")), 0);
    ck_assert_double_gt(json_number_value(json_object_get(last, "train_loss_square")), 0);
    json_decref(rows);
    char *written = read_text(in_base("still/recipe.yaml"));
    ck_assert_ptr_nonnull(strstr(written, "loss:\n  scale: 0\n  distillation:"));
    ck_assert_ptr_null(strstr(written, "label_smoothing"));
    free(written);
    ck_assert_int_eq(run((run_options){.out = "still",
                                       .recipe = "toy.yaml",
                                       .set = {"loss.scale=2", "train.epochs=2"},
                                       .resume = true}),
                     WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "was made with loss.scale 0, but now it is 2"));
    ck_assert_int_eq(
        run((run_options){.out = "a", .recipe = "toy.yaml", .set = {"loss.label_smoothing=0"}}),
        WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "loss.label_smoothing: is for networks for "
                                              "classification, and this one is for "));
    tear_down();
}
END_TEST

/* In the first file of events. */
static int scalars_called(const char *folder, const char *tag, double *last) {
    const span file = read_event_file(in_base(folder), 0);
    span record;
    int count = 0;
    for (size_t at = 0; next_record(file, &at, &record);) {
        event e = read_event(record);
        for (event_value v; next_value(&e.summary, &v);) {
            if (strcmp(v.tag, tag) == 0) {
                count++;
                *last = (double)v.scalar;
            }
        }
    }
    free((void *)(uintptr_t)file.data);
    return count;
}

START_TEST(what_a_task_counts_is_told_of_each_epoch) {
    set_up_data();
    run_well((run_options){
        .out = "still", .recipe = "toy.yaml", .set = {"loss.scale=0", "train.epochs=2"}});
    json_t *rows = rows_of("still"), *row;
    double sums[2] = {0}, share;
    size_t i;
    int epochs = 0;
    json_array_foreach(rows, i, row) {
        double brightness, squares, square;
        char note[64];
        if (!json_unpack(row, "{s:F, s:F}", "brightness", &brightness, "squares", &squares)) {
            sums[0] += brightness;
            sums[1] += squares;
            continue;
        }
        ck_assert_int_eq(json_unpack(row, "{s:F, s:F, s:F}", "train_brightness", &brightness,
                                     "train_squares", &squares, "train_loss_square", &square),
                         0);
        ck_assert_double_eq_tol(brightness, sums[0], 1e-5 * brightness);
        ck_assert_double_eq_tol(squares, sums[1], 1e-5 * squares);
        ck_assert_double_eq_tol(squares, 64 * square, 1e-5 * squares);
        snprintf(note, sizeof note, "far off: %.4f of %.4f", squares, brightness);
        memset(sums, 0, sizeof sums);
        if (++epochs == 2) {
            ck_assert_str_eq(seen.note, note);
            ck_assert_int_eq(scalars_called("still", "brightness/squares", &share), 2);
            ck_assert_double_eq_tol(share, squares / brightness, 1e-6);
        }
    }
    ck_assert_int_eq(epochs, 2);
    json_decref(rows);
    run_well((run_options){.out = "whole", .recipe = "toy.yaml"});
    ck_assert_str_eq(seen.note, "");
    tear_down();
}
END_TEST

START_TEST(a_network_that_none_can_learn_from_is_no_teacher) {
    set_up_data();
    run_well((run_options){.out = "a", .recipe = "toy.yaml", .set = {"train.epochs=1"}});
    char path[4096];
    snprintf(path, sizeof path, "%s", in_base("a/last.h5"));
    weld_preprocessing images = {.height = 16, .width = 16, .crop_fraction = 1, .std = {1, 1, 1}};
    weld_teacher_options options = {.preprocessing = &images, .batch = 1, .threads = 1};
    weld_teacher *teacher;
    ck_assert_int_eq(weld_teacher_open(path, NULL, &options, &teacher, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "which none can learn from"));
    ck_assert_ptr_null(teacher);
    tear_down();
}
END_TEST

/* --- A sample of two images --- */

/* Beside it on the right, the image at the other end of the data set. */
static int put_side_by_side(const void *settings, int64_t images, int height, int width,
                            weld_random *random, weld_sample_part *parts) {
    (void)settings, (void)random;
    parts[1] =
        (weld_sample_part){images - 1 - parts[0].index, {width / 2, 0, width - width / 2, height}};
    parts[0].cell.width = width / 2;
    return 2;
}

START_TEST(a_sample_may_be_of_two_images) {
    set_up_data();
    const weld_composition pairs = {.most = 2, .compose = put_side_by_side};
    weld_dataset *ds;
    weld_loader *l;
    weld_batch batch;
    static float images[8 * SIDE * SIDE * 3];
    weld_loader_options o = {.preprocessing = {.height = SIDE,
                                               .width = SIDE,
                                               .crop_fraction = 1,
                                               .interpolation = WELD_BILINEAR,
                                               .mean = {0},
                                               .std = {1, 1, 1}},
                             .augmentation = weld_augmentation_defaults(),
                             .batch_size = 8,
                             .shuffle = true,
                             .annotation = toy_task.annotation,
                             .composition = &pairs,
                             .threads = 2};
    o.augmentation.repeats = 1;
    o.augmentation.auto_augment[0] = 0;
    o.augmentation.color_jitter = o.augmentation.random_erasing = 0;
    o.augmentation.mixup = o.augmentation.cutmix = 0;
    ck_assert_int_eq(weld_dataset_open(in_base("greys.h5"), &ds, &err), WELD_OK);
    ck_assert_msg(!weld_loader_create(ds, &o, &l, &err), "%s", err.message);
    for (int64_t b = 0; b < weld_loader_train_batches(l, 0); b++) {
        ck_assert_int_eq(weld_loader_train_batch(l, 0, b, NULL, images, &batch, &err), WELD_OK);
        for (int i = 0; i < 8; i++) {
            const float *said = batch.annotations[i].data;
            const float *row = images + (size_t)i * SIDE * SIDE * 3 + SIDE * SIDE / 2 * 3;
            ck_assert_uint_eq(batch.annotations[i].count, 2);
            ck_assert_float_eq_tol(row[3], (said[0] * 200 + 10) / 255, 0.06f);
            ck_assert_float_eq_tol(row[(SIDE - 2) * 3], (said[1] * 200 + 10) / 255, 0.06f);
        }
    }
    weld_loader_free(l);
    weld_dataset_free(ds);
    tear_down();
}
END_TEST

RUN_SUITE("house", it_learns_and_the_best_has_the_least_error,
          a_run_that_was_stopped_goes_on_bit_for_bit, bf16_and_another_head_start_from_its_weights,
          an_evaluation_says_what_the_run_said, its_results_for_other_programs_are_worth_the_same,
          merging_and_exporting_keep_what_it_says, it_predicts_numbers_and_no_classes,
          a_preview_and_a_report_show_it, what_only_others_have_is_refused_by_name,
          a_key_of_the_task_is_read_used_written_and_compared,
          what_a_task_counts_is_told_of_each_epoch,
          a_network_that_none_can_learn_from_is_no_teacher, a_sample_may_be_of_two_images)
