/* Training runs from outside: what a folder holds afterwards, and what a run can be told. */
#define _GNU_SOURCE
#include <math.h>

#include "base/memory.h"
#include "train/tiny_run.h"

START_TEST(a_run_leaves_what_the_manual_says) {
    set_up();
    run_well((run_options){.out = "a"});
    ck_assert(!result.interrupted);
    ck_assert_int_eq(result.step, 3 * STEPS_PER_EPOCH);
    ck_assert_int_eq(seen.start.steps_per_epoch, STEPS_PER_EPOCH);
    ck_assert_int_eq(seen.start.val_images, 13);
    ck_assert_double_eq(seen.start.lr, 0.01);
    ck_assert_int_eq(seen.evaluations, 3);
    json_t *rows = rows_of("a");
    ck_assert_uint_eq(json_array_size(rows), 3 * (STEPS_PER_EPOCH + 1));
    double sum = 0;
    for (size_t i = 0; i < STEPS_PER_EPOCH; i++) {
        json_t *row = json_array_get(rows, i);
        ck_assert_str_eq(json_string_value(json_object_get(row, "kind")), "step");
        ck_assert_int_eq(json_integer_value(json_object_get(row, "step")), (int)i + 1);
        sum += json_number_value(json_object_get(row, "loss"));
    }
    ck_assert_double_eq(json_number_value(json_object_get(json_array_get(rows, 0), "lr")), 1e-6);
    json_t *epoch = json_array_get(rows, STEPS_PER_EPOCH);
    ck_assert_str_eq(json_string_value(json_object_get(epoch, "kind")), "epoch");
    ck_assert_double_eq_tol(json_number_value(json_object_get(epoch, "train_loss")),
                            sum / STEPS_PER_EPOCH, 1e-6);
    double top1 = json_number_value(json_object_get(epoch, "top1"));
    ck_assert_double_eq_tol(top1 * 13 / 100, round(top1 * 13 / 100), 1e-5); /* of 13 images */
    json_decref(rows);
    char *text = read_text(in_base("a/recipe.yaml"));
    ck_assert_ptr_nonnull(strstr(text, "num_classes: 4"));
    ck_assert_ptr_nonnull(strstr(text, "weight_decay: 0.025"));
    free(text);
    weld_model_file file = open_checkpoint("a", "best.h5");
    ck_assert_str_eq(file.class_names[2], "cat");
    weld_model_file_free(&file);
    tear_down();
}
END_TEST

START_TEST(the_loss_falls_and_the_classes_are_learned) {
    set_up();
    run_well((run_options){.out = "a", .set = {"train.epochs=30", "augment.mixup=0"}});
    ck_assert_double_ge(result.best.value, 80);
    tear_down();
}
END_TEST

START_TEST(the_number_of_threads_does_not_change_a_bit) {
    set_up();
    run_well((run_options){.out = "a", .threads = 1});
    run_well((run_options){.out = "b", .threads = 2});
    assert_same_run("a", "b");
    tear_down();
}
END_TEST

START_TEST(nor_does_a_number_that_changes_from_loop_to_loop) {
    setenv("WELD_THREADS_RANDOM", "2", 1);
    set_up();
    run_well((run_options){.out = "a", .threads = 1});
    run_well((run_options){.out = "b", .threads = 5});
    run_well((run_options){.out = "c", .threads = 5}); /* which draws others */
    assert_same_run("a", "b");
    assert_same_run("a", "c");
    tear_down();
}
END_TEST

START_TEST(another_seed_is_another_run) {
    set_up();
    run_well((run_options){.out = "a"});
    run_well((run_options){.out = "b", .set = {"train.seed=8"}});
    json_t *x = rows_of("a"), *y = rows_of("b");
    ck_assert(!json_equal(json_array_get(x, 0), json_array_get(y, 0)));
    json_decref(x);
    json_decref(y);
    tear_down();
}
END_TEST

START_TEST(running_out_of_memory_anywhere_is_an_error_and_leaves_nothing_locked) {
    set_up();
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status; n += 1 + n / 8) {
        weld_memory_fail_after(n);
        status = run((run_options){.out = "a", .resume = true, .set = {"train.epochs=1"}});
        weld_memory_fail_after(-1);
        ck_assert_msg(status == WELD_OK || status == WELD_ERROR_MEMORY, "%d: %s", status,
                      err.message);
    }
    tear_down();
}
END_TEST

START_TEST(batches_of_odd_sizes_and_data_smaller_than_a_batch_work) {
    static const char *const sizes[] = {"train.batch_size=2", "train.batch_size=7",
                                        "train.batch_size=100"};
    static const int64_t steps[] = {21, 6, 1};
    set_up();
    for (size_t i = 0; i < 3; i++) {
        char out[8];
        snprintf(out, sizeof out, "r%zu", i);
        run_well((run_options){.out = out, .set = {sizes[i], "train.epochs=1"}});
        ck_assert_int_eq(result.step, steps[i]);
        ck_assert(result.evaluated);
    }
    tear_down();
}
END_TEST

START_TEST(without_validation_data_there_is_no_evaluation) {
    set_up();
    run_well((run_options){.out = "a", .set = {"data.val=null"}});
    ck_assert(!result.evaluated);
    json_t *rows = rows_of("a");
    json_t *last = json_array_get(rows, json_array_size(rows) - 1);
    ck_assert(json_is_null(json_object_get(last, "top1")));
    json_decref(rows);
    tear_down();
}
END_TEST

START_TEST(evaluation_keeps_its_pace_and_the_last_epoch_is_always_evaluated) {
    set_up();
    run_well((run_options){.out = "a", .set = {"train.eval_every=2", "train.epochs=5"}});
    json_t *rows = rows_of("a");
    for (size_t e = 0; e < 5; e++) {
        json_t *row = json_array_get(rows, e * (STEPS_PER_EPOCH + 1) + STEPS_PER_EPOCH);
        ck_assert_int_eq(json_is_number(json_object_get(row, "top1")), e == 1 || e >= 3);
    }
    json_decref(rows);
    tear_down();
}
END_TEST

START_TEST(data_that_do_not_fit_are_refused_before_a_folder_is_made) {
    set_up();
    refuse((run_options){.out = "a", .set = {"model.num_classes=5"}},
           "model.num_classes is 5, but ");
    refuse((run_options){.out = "a", .set = {"data.train=/nonexistent"}}, "/nonexistent");
    refuse((run_options){.out = "a", .set = {"train.epoch=1"}}, "did you mean epochs?");
    ck_assert_int_ne(access(in_base("a"), F_OK), 0);
    tear_down();
}
END_TEST

START_TEST(a_data_folder_stands_in_for_the_recipes_paths) {
    set_up();
    weld_train_settings s = weld_train_defaults();
    const char *set[] = {"train.epochs=1"};
    s.recipe = in_base("tiny.yaml");
    s.out = in_base("a");
    s.data = base;
    s.set = set;
    s.set_count = 1;
    ck_assert_msg(!weld_train_run(&s, &result, &err), "%s", err.message);
    ck_assert(result.evaluated);
    s.out = in_base("b");
    s.data = "/nonexistent";
    ck_assert_int_eq(weld_train_run(&s, &result, &err), WELD_ERROR_NOT_FOUND);
    ck_assert_str_eq(
        err.message,
        "--data /nonexistent: holds neither train.h5 nor train.tar nor a folder train nor "
        "train.csv, nor annotations of boxes to train on");
    s.data = in_base("val.h5"); /* classes alone: nothing to evaluate on */
    ck_assert_msg(!weld_train_run(&s, &result, &err), "%s", err.message);
    ck_assert(!result.evaluated);
    ck_assert_int_eq(rename(in_base("train.h5"), in_base("test")), 0);
    s.data = base; /* holds parts of a data set, and these are not classes */
    ck_assert_int_eq(weld_train_run(&s, &result, &err), WELD_ERROR_NOT_FOUND);
    tear_down();
}
END_TEST

RUN_SUITE("train/trainer", a_run_leaves_what_the_manual_says,
          the_loss_falls_and_the_classes_are_learned, the_number_of_threads_does_not_change_a_bit,
          nor_does_a_number_that_changes_from_loop_to_loop, another_seed_is_another_run,
          running_out_of_memory_anywhere_is_an_error_and_leaves_nothing_locked,
          batches_of_odd_sizes_and_data_smaller_than_a_batch_work,
          without_validation_data_there_is_no_evaluation,
          evaluation_keeps_its_pace_and_the_last_epoch_is_always_evaluated,
          data_that_do_not_fit_are_refused_before_a_folder_is_made,
          a_data_folder_stands_in_for_the_recipes_paths)
