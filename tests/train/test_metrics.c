/* metrics.jsonl as the programs that read it see it. */
#define _POSIX_C_SOURCE 200809L
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "suite.h"
#include "tasks/classification/classification.h"
#include "train/metrics.h"

static char path[64];
static weld_error err;
static bool cut;

static void make_file(void) {
    snprintf(path, sizeof path, "/tmp/weld-metrics-XXXXXX");
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
}

/* Line number i as JSON; NULL past the end. */
static json_t *row(int i) {
    static char line[4096];
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    bool there = true;
    for (int k = 0; k <= i; k++) {
        there = there && fgets(line, sizeof line, file);
    }
    fclose(file);
    return there ? json_loads(line, 0, NULL) : NULL;
}

static double real(json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_number(value), "%s is no number", key);
    return json_number_value(value);
}

START_TEST(rows_are_json_and_losses_are_exact) {
    weld_metrics *m;
    weld_step_metrics step = {.task = &weld_task_classification,
                              .epoch = 0,
                              .step = 1,
                              .loss = 2.3025851249694824,
                              .lr = 1e-6,
                              .images_per_second = 31.25,
                              .data_seconds = 0.01,
                              .times = {.wait = 0.001, .forward = 0.25, .optimizer = 0.0625}};
    weld_epoch_metrics epoch = {.epoch = 0,
                                .task = &weld_task_classification,
                                .step = 2,
                                .train_loss = 0.1f,
                                .seconds = 3,
                                .times = {.teacher = 0.5},
                                .evaluation_seconds = 0.75};
    make_file();
    ck_assert_int_eq(weld_metrics_open(path, 0, &m, &cut, &err), WELD_OK);
    ck_assert_int_eq(weld_metrics_step(m, &step, &err), WELD_OK);
    step.loss = NAN;
    ck_assert_int_eq(weld_metrics_step(m, &step, &err), WELD_OK);
    ck_assert_int_eq(weld_metrics_epoch(m, &epoch, &err), WELD_OK);
    epoch.evaluated = true;
    epoch.evaluation.scores[WELD_TOP1] = 91.25;
    ck_assert_int_eq(weld_metrics_epoch(m, &epoch, &err), WELD_OK);
    weld_metrics_close(m);

    json_t *r = row(0);
    ck_assert_str_eq(json_string_value(json_object_get(r, "kind")), "step");
    ck_assert_double_eq((float)real(r, "loss"), 2.3025851249694824);
    ck_assert_double_eq(real(r, "lr"), 1e-6);
    ck_assert_double_eq(real(r, "images_per_second"), 31.25);
    ck_assert_double_eq(real(r, "wait_seconds"), 0.001);
    ck_assert_double_eq(real(r, "forward_seconds"), 0.25);
    ck_assert_double_eq(real(r, "backward_seconds"), 0);
    ck_assert_double_eq(real(r, "optimizer_seconds"), 0.0625);
    ck_assert_ptr_null(json_object_get(r, "teacher_seconds")); /* there is none */
    json_decref(r);
    r = row(1);
    ck_assert(json_is_null(json_object_get(r, "loss")));
    json_decref(r);
    r = row(2);
    ck_assert_str_eq(json_string_value(json_object_get(r, "kind")), "epoch");
    ck_assert_double_eq(real(r, "train_loss"), 0.1);
    ck_assert_double_eq(real(r, "teacher_seconds"), 0.5);
    ck_assert_double_eq(real(r, "evaluation_seconds"), 0.75);
    ck_assert(json_is_null(json_object_get(r, "top1")));
    ck_assert(json_is_null(json_object_get(r, "ema_top1")));
    ck_assert(json_is_null(json_object_get(r, "ema_val_loss")));
    json_decref(r);
    r = row(3);
    ck_assert_double_eq(real(r, "top1"), 91.25);
    json_decref(r);
    ck_assert_ptr_null(row(4));
    unlink(path);
}
END_TEST

START_TEST(rows_past_the_checkpoint_are_dropped) {
    weld_metrics *m;
    weld_step_metrics step = {.task = &weld_task_classification, .step = 1};
    int64_t offset, end;
    make_file();
    ck_assert_int_eq(weld_metrics_open(path, 0, &m, &cut, &err), WELD_OK);
    weld_metrics_step(m, &step, &err);
    ck_assert_int_eq(weld_metrics_sync(m, &offset, &err), WELD_OK);
    step.step = 2;
    weld_metrics_step(m, &step, &err);
    weld_metrics_step(m, &step, &err);
    weld_metrics_close(m);

    ck_assert_int_eq(weld_metrics_open(path, offset, &m, &cut, &err), WELD_OK);
    step.step = 3;
    weld_metrics_step(m, &step, &err);
    ck_assert_int_eq(weld_metrics_sync(m, &end, &err), WELD_OK);
    ck_assert(end == 2 * offset);
    weld_metrics_close(m);
    json_t *r = row(1);
    ck_assert_double_eq(real(r, "step"), 3);
    json_decref(r);
    ck_assert_ptr_null(row(2));
    unlink(path);
}
END_TEST

START_TEST(of_a_file_shorter_than_the_checkpoint_says_the_whole_rows_stay) {
    weld_metrics *m;
    weld_step_metrics step = {.task = &weld_task_classification, .step = 1};
    int64_t offset;
    make_file();
    ck_assert_int_eq(weld_metrics_open(path, 0, &m, &cut, &err), WELD_OK);
    ck_assert(!cut);
    weld_metrics_step(m, &step, &err);
    ck_assert_int_eq(weld_metrics_sync(m, &offset, &err), WELD_OK);
    step.step = 2;
    weld_metrics_step(m, &step, &err);
    weld_metrics_close(m);
    ck_assert_int_eq(truncate(path, 2 * offset - 20), 0);
    ck_assert_int_eq(truncate(path, 2 * offset + 5000), 0); /* zeros, as after a power cut */

    ck_assert_int_eq(weld_metrics_open(path, 3 * offset + 5000, &m, &cut, &err), WELD_OK);
    ck_assert(cut);
    step.step = 4;
    weld_metrics_step(m, &step, &err);
    weld_metrics_close(m);
    json_t *r = row(0);
    ck_assert_double_eq(real(r, "step"), 1);
    json_decref(r);
    r = row(1);
    ck_assert_double_eq(real(r, "step"), 4);
    json_decref(r);
    ck_assert_ptr_null(row(2));
    unlink(path);
    ck_assert_int_eq(weld_metrics_open(path, 10, &m, &cut, &err), WELD_OK);
    ck_assert(cut);
    ck_assert_int_eq(weld_metrics_sync(m, &offset, &err), WELD_OK);
    ck_assert_int_eq(offset, 0);
    weld_metrics_close(m);
    unlink(path);
}
END_TEST

START_TEST(a_place_that_cannot_be_written_is_named) {
    weld_metrics *m;
    ck_assert_int_eq(weld_metrics_open("/nonexistent/m.jsonl", 0, &m, &cut, &err),
                     WELD_ERROR_NOT_FOUND);
    ck_assert_str_eq(err.message, "/nonexistent/m.jsonl: cannot open: No such file or directory: "
                                  "check the name");
}
END_TEST

/* Rows are appended to it and cut off: they are no other file's. */
START_TEST(a_link_to_another_file_is_not_written_to) {
    weld_metrics *m;
    test_folder folder = test_folder_create();
    const char *other = test_path(&folder, "diary"), *rows = test_path(&folder, "m.jsonl");
    for (int hard = 0; hard < 2; hard++) {
        test_write_file(other, "dear diary\n", 11);
        ck_assert_int_eq(hard ? link(other, rows) : symlink(other, rows), 0);
        ck_assert_int_eq(weld_metrics_open(rows, 0, &m, &cut, &err), WELD_ERROR_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(err.message, hard ? "m.jsonl: has a second name (a hard link)"
                                                       : "m.jsonl: is a link"));
        size_t size;
        unsigned char *bytes = test_read_file(other, &size);
        ck_assert_str_eq((char *)bytes, "dear diary\n");
        free(bytes);
        ck_assert_int_eq(unlink(rows), 0);
    }
    test_folder_remove(folder);
}
END_TEST

/* As where somebody cuts the log while the run writes to it. */
START_TEST(a_tail_that_cannot_be_read_is_none) {
    const weld_step_metrics step = {.task = &weld_task_classification, .step = 1, .loss = 2};
    weld_metrics *m;
    make_file();
    ck_assert_int_eq(weld_metrics_open(path, 0, &m, &cut, &err), WELD_OK);
    ck_assert_int_eq(weld_metrics_step(m, &step, &err), WELD_OK);
    ck_assert_int_gt(weld_metrics_tail(m), 0);
    ck_assert_int_eq(truncate(path, 3), 0);
    ck_assert_int_eq(weld_metrics_tail(m), 0);
    weld_metrics_close(m);
    unlink(path);
}
END_TEST

RUN_SUITE("train/metrics", rows_are_json_and_losses_are_exact, rows_past_the_checkpoint_are_dropped,
          of_a_file_shorter_than_the_checkpoint_says_the_whole_rows_stay,
          a_tail_that_cannot_be_read_is_none, a_place_that_cannot_be_written_is_named,
          a_link_to_another_file_is_not_written_to)
