/* Whose scores checkpoints tell of, and that runs which are stopped or gone back to tell the same.
 */
#define _GNU_SOURCE
#include <math.h>

#include "train/tiny_run.h"

static double score_of(const char *summary, const char *key) {
    json_t *json = json_loads(summary, 0, NULL);
    const json_t *score = json_object_get(json, key);
    const double value = json_is_number(score) ? json_number_value(score) : -1;
    json_decref(json);
    return value;
}

/* What an evaluation of a file says, by its weights or by their average. */
static double measured(const char *out, const char *name, const char *key) {
    char path[512], data[512];
    weld_model *m;
    weld_model_evaluation found;
    snprintf(path, sizeof path, "%s/%s/%s", base, out, name);
    snprintf(data, sizeof data, "%s/val.h5", base);
    ck_assert_msg(!weld_model_import(path, &(weld_import_options){.key = key}, &m, &err), "%s",
                  err.message);
    ck_assert_msg(!weld_model_evaluate(m, data, 1, &found, &err), "%s", err.message);
    ck_assert_int_eq(found.images, 13);
    weld_model_free(m);
    return found.scores[0].value;
}

#define EVERY_SECOND "train.eval_every=2", "train.keep=9", "train.epochs=5", "train.ema_decay=0.5"

START_TEST(a_checkpoint_tells_the_scores_of_its_own_weights_or_none) {
    static const bool evaluated[] = {false, true, false, true, true}; /* and at the end */
    char name[32];
    set_up();
    run_well((run_options){.out = "a", .set = {EVERY_SECOND}});
    for (int e = 1; e <= 5; e++) {
        snprintf(name, sizeof name, "epoch-%d.h5", e);
        weld_model_file file = open_checkpoint("a", name);
        const double top1 = score_of(file.summary, "top1");
        const double average = score_of(file.summary, "ema_top1");
        if (evaluated[e - 1]) {
            ck_assert_double_eq_tol(top1, measured("a", name, NULL), 1e-9);
            ck_assert_double_eq_tol(average, measured("a", name, "ema"), 1e-9);
            ck_assert_double_eq(score_of(file.summary, "val_images"), 13);
        } else {
            ck_assert_msg(top1 < 0 && average < 0, "%s: %s", name, file.summary);
        }
        ck_assert_double_eq(score_of(file.summary, "epochs"), e);
        weld_model_file_free(&file);
    }
    tear_down();
}
END_TEST

START_TEST(within_an_epoch_there_are_no_scores) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = STEPS_PER_EPOCH + 2});
    weld_model_file last = open_checkpoint("a", "last.h5"), best = open_checkpoint("a", "best.h5");
    ck_assert_double_lt(score_of(last.summary, "top1"), 0);
    ck_assert_double_eq_tol(score_of(best.summary, "top1"), measured("a", "best.h5", NULL), 1e-9);
    weld_model_file_free(&last);
    weld_model_file_free(&best);
    tear_down();
}
END_TEST

START_TEST(the_average_that_is_taken_of_a_file_has_its_own_scores) {
    char path[512];
    set_up();
    run_well((run_options){.out = "a", .set = {EVERY_SECOND}});
    snprintf(path, sizeof path, "%s/a/last.h5", base);
    weld_model_file both = open_checkpoint("a", "last.h5"), average;
    ck_assert_msg(
        !weld_model_file_import(path, &(weld_import_options){.key = "ema"}, &average, &err), "%s",
        err.message);
    ck_assert_double_eq(score_of(average.summary, "top1"), score_of(both.summary, "ema_top1"));
    ck_assert_double_lt(score_of(average.summary, "ema_top1"), 0);
    ck_assert_double_lt(score_of(average.summary, "val_loss"), 0); /* that was the weights' */
    ck_assert_double_eq(score_of(average.summary, "epochs"), 5);
    weld_model_file_free(&both);
    weld_model_file_free(&average);
    tear_down();
}
END_TEST

START_TEST(a_run_that_goes_back_to_an_epoch_writes_the_same_files) {
    set_up();
    run_well((run_options){.out = "whole", .set = {EVERY_SECOND}});
    const double last = result.last.value;
    for (int e = 1; e <= 5; e++) {
        char from[32], name[32];
        snprintf(from, sizeof from, "a/epoch-%d.h5", e);
        run_well((run_options){.out = "a", .set = {EVERY_SECOND}, .resume = true});
        ck_assert_double_eq(result.last.value, last);
        copy(from, "a/last.h5");
        run_well((run_options){.out = "a", .set = {EVERY_SECOND}, .resume = true});
        ck_assert_double_eq(result.last.value, last);
        assert_same_run("whole", "a");
        for (int k = 1; k <= 5; k++) {
            snprintf(name, sizeof name, "epoch-%d.h5", k);
            weld_model_file x = open_checkpoint("whole", name), y = open_checkpoint("a", name);
            ck_assert_str_eq(x.summary, y.summary);
            weld_model_file_free(&x);
            weld_model_file_free(&y);
        }
    }
    tear_down();
}
END_TEST

/* They said of weights within an epoch what was measured before it. */
START_TEST(scores_in_files_of_earlier_versions_are_not_taken_for_those_of_the_weights) {
    set_up();
    run_well((run_options){.out = "a", .set = {"train.epochs=2"}});
    make_older("a", "train_data", "train_identity");
    run_well((run_options){.out = "a", .resume = true, .set = {"train.epochs=2"}});
    ck_assert_int_eq(result.step, 2 * STEPS_PER_EPOCH);
    ck_assert(isnan(result.last.value));
    tear_down();
}
END_TEST

RUN_SUITE("train/scores", a_checkpoint_tells_the_scores_of_its_own_weights_or_none,
          within_an_epoch_there_are_no_scores,
          the_average_that_is_taken_of_a_file_has_its_own_scores,
          a_run_that_goes_back_to_an_epoch_writes_the_same_files,
          scores_in_files_of_earlier_versions_are_not_taken_for_those_of_the_weights)
