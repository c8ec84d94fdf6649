/* What a run keeps as its best, when it gives up, how long it is, and what it evaluates on. */
#define _GNU_SOURCE
#include "train/tiny_run.h"

#include "recipe/recipe.h"

/* The rows of epochs, by number. */
static json_t *epoch_row(json_t *rows, int64_t epoch) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (strcmp(json_string_value(json_object_get(row, "kind")), "epoch") == 0 &&
            json_integer_value(json_object_get(row, "epoch")) == epoch) {
            return row;
        }
    }
    return NULL;
}

static double number(json_t *rows, int64_t epoch, const char *key) {
    return json_number_value(json_object_get(epoch_row(rows, epoch), key));
}

/* With a rate of 0 nothing is learned, so that no score is better than the first. */
#define STANDSTILL                                                                                 \
    "optimizer.lr=0", "schedule.warmup_lr=0", "schedule.min_lr=0", "train.bn_eval=true"

START_TEST(a_run_ends_when_its_patience_does_and_goes_on_with_more) {
    set_up();
    run_options o = {.out = "run", .set = {STANDSTILL, "train.epochs=9", "train.patience=3"}};
    run_well(o);
    ck_assert_int_eq(result.epochs, 4); /* the first, and three that are not better */
    ck_assert(!result.interrupted);
    ck_assert_msg(strstr(seen.messages, "train.patience: no better top-1 in 3 evaluations: the run "
                                        "ends after epoch 4 of 9"),
                  "%s", seen.messages);
    o.resume = true;
    run_well(o);
    ck_assert_int_eq(result.epochs, 4);
    o.set[5] = "train.patience=5";
    run_well(o);
    ck_assert_int_eq(result.epochs, 6);
    tear_down();
}
END_TEST

START_TEST(patience_is_kept_over_a_resume) {
    set_up();
    run_options o = {.out = "parts", .set = {STANDSTILL, "train.epochs=9", "train.patience=3"}};
    o.resume = true;
    for (o.stop_at = 4; o.stop_at < 4 * STEPS_PER_EPOCH; o.stop_at += 4) {
        run_well(o);
        ck_assert(result.interrupted);
    }
    o.stop_at = 0;
    run_well(o);
    ck_assert_int_eq(result.epochs, 4);
    tear_down();
}
END_TEST

START_TEST(patience_without_scores_is_refused) {
    set_up();
    refuse((run_options){.out = "run", .set = {"data.val=null", "train.patience=3"}},
           "train.patience: waits for scores on data.val, and there is none");
    refuse((run_options){.out = "run", .set = {"train.eval_every=0", "train.patience=3"}},
           "train.patience waits for evaluations during the run");
    tear_down();
}
END_TEST

START_TEST(the_best_by_loss_has_the_lowest_loss) {
    set_up();
    run_well((run_options){.out = "run", .set = {"train.best=loss", "train.epochs=6"}});
    json_t *rows = rows_of("run");
    int64_t best = 0;
    for (int64_t e = 1; e < 6; e++) {
        best = number(rows, e, "val_loss") <= number(rows, best, "val_loss") ? e : best;
    }
    weld_model_file file = open_checkpoint("run", "best.h5");
    ck_assert_int_eq(file.trainer.best_epoch, best);
    ck_assert_double_eq_tol(file.trainer.best_loss, number(rows, best, "val_loss"), 1e-6);
    weld_model_file_free(&file);
    json_decref(rows);
    tear_down();
}
END_TEST

/* The evaluation that stands beside best.h5. */
static double written_top1(const char *out) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s/evaluation.json", base, out);
    json_t *e = json_load_file(path, 0, NULL);
    const double top1 = json_number_value(json_object_get(e, "top1"));
    json_decref(e);
    return top1;
}

START_TEST(the_best_average_takes_the_place_of_the_weights) {
    set_up();
    run_well((run_options){.out = "run",
                           .set = {"train.best=ema", "train.ema_decay=0.5", "train.epochs=4"}});
    json_t *rows = rows_of("run");
    weld_model_file best = open_checkpoint("run", "best.h5");
    const int64_t e = best.trainer.best_epoch;
    ck_assert_double_eq(best.trainer.best_score, result.best.value);
    ck_assert_double_eq_tol(number(rows, e, "ema_top1"), result.best.value, 1e-4);
    ck_assert_double_eq_tol(written_top1("run"), result.best.value, 1e-4);
    json_t *summary = json_loads(best.summary, 0, NULL);
    ck_assert_double_eq_tol(number(rows, e, "ema_val_loss"),
                            json_real_value(json_object_get(summary, "val_loss")), 1e-6);
    json_decref(summary);
    for (int64_t i = 0; i < 4; i++) {
        ck_assert_double_le(number(rows, i, "ema_top1"), number(rows, e, "ema_top1"));
    }
    ck_assert_ptr_null(best.ema);
    ck_assert(strstr(best.summary, "\"weights\": \"average\"") ||
              strstr(best.summary, "\"weights\":\"average\""));
    /* It is what an evaluation of the file finds. */
    char path[512], data[512];
    weld_model *m;
    weld_model_evaluation found;
    snprintf(path, sizeof path, "%s/run/best.h5", base);
    snprintf(data, sizeof data, "%s/val.h5", base);
    ck_assert_msg(!weld_model_open(path, &m, &err), "%s", err.message);
    ck_assert_msg(!weld_model_evaluate(m, data, 1, &found, &err), "%s", err.message);
    ck_assert_double_eq_tol(found.scores[0].value, result.best.value, 1e-9);
    weld_model_free(m);
    weld_model_file_free(&best);
    json_decref(rows);
    refuse((run_options){.out = "other", .set = {"train.best=ema"}},
           "train.best: there is no average");
    refuse((run_options){.out = "other", .set = {"train.best=loss", "data.val=null"}},
           "train.best: needs what is evaluated on data.val");
    tear_down();
}
END_TEST

/* Against the clock nothing can be said of how many epochs there are, but that all agree. */
START_TEST(a_run_against_the_clock_keeps_the_epochs_that_it_chose) {
    set_up();
    run_options o = {.out = "run",
                     .set = {"train.time=1s", "schedule.warmup_epochs=1", "train.epochs=2"},
                     .stop_at = 1};
    run_well(o);
    const int64_t epochs = seen.start.epochs;
    ck_assert_int_ge(epochs, 1);
    ck_assert_msg(strstr(seen.messages, "train.time 1s: an epoch takes"), "%s", seen.messages);
    o.resume = true;
    o.stop_at = 2;
    run_well(o);
    ck_assert_int_eq(seen.start.epochs, epochs);
    weld_model_file last = open_checkpoint("run", "last.h5");
    weld_recipe *r = malloc(sizeof *r);
    ck_assert(!weld_recipe_parse("last", last.recipe, strlen(last.recipe), NULL, 0, r, &err));
    ck_assert_int_eq(r->train.epochs, epochs);
    ck_assert_double_eq_tol(r->schedule.warmup_epochs, (double)epochs / 2, 1e-9);
    free(r);
    weld_model_file_free(&last);
    o.set[0] = "train.time=2s";
    refuse(o, "train.time: the run began with 1s, but now it is 2s");
    tear_down();
}
END_TEST

START_TEST(an_epoch_that_takes_longer_than_there_is_time_is_run_all_the_same) {
    set_up();
    run_well((run_options){.out = "run", .set = {"train.time=0.000001s"}});
    ck_assert_int_eq(result.epochs, 1);
    ck_assert_msg(strstr(seen.messages, "which is more than that"), "%s", seen.messages);
    refuse((run_options){.out = "other", .set = {"train.time=2 hours"}},
           "train.time: is no duration: write 2h, 90m or 1h30m");
    tear_down();
}
END_TEST

START_TEST(a_run_evaluates_on_what_it_set_aside) {
    set_up();
    run_options o = {.out = "run", .set = {"data.val=null", "data.split=0.25"}};
    run_well(o);
    ck_assert_int_eq(seen.start.train_images + seen.start.val_images, 42);
    ck_assert_int_eq(seen.start.val_images, 4 * 3); /* a quarter of 11, 11, 10 and 10, rounded */
    ck_assert(result.evaluated);
    o.set[1] = "data.split=0.3";
    o.resume = true;
    refuse(o, "was made with data.split 0.25, but now it is 0.3");
    refuse((run_options){.out = "other", .set = {"data.split=0.25"}},
           "data.split: there is data.val to evaluate on");
    tear_down();
}
END_TEST

RUN_SUITE("train/best", a_run_ends_when_its_patience_does_and_goes_on_with_more,
          patience_is_kept_over_a_resume, patience_without_scores_is_refused,
          the_best_by_loss_has_the_lowest_loss, the_best_average_takes_the_place_of_the_weights,
          a_run_against_the_clock_keeps_the_epochs_that_it_chose,
          an_epoch_that_takes_longer_than_there_is_time_is_run_all_the_same,
          a_run_evaluates_on_what_it_set_aside)
