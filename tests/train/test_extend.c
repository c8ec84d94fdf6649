/* Going on with a run in another way than it was begun: to more epochs, with other evaluations, and
 * without the files beside last.h5. */
#define _GNU_SOURCE
#include "train/tiny_run.h"

/* A rate that stays, so that the number of epochs does not matter to it. */
#define CONSTANT                                                                                   \
    "schedule.name=step", "schedule.decay_epochs=100", "schedule.warmup_epochs=0",                 \
        "train.eval_every=1"

START_TEST(at_a_constant_rate_an_extended_run_ends_as_one_of_so_many_epochs) {
    set_up();
    run_well((run_options){.out = "whole", .set = {CONSTANT, "train.epochs=4"}});
    run_well((run_options){.out = "a", .set = {CONSTANT, "train.epochs=2"}});
    run_well((run_options){
        .out = "a", .set = {CONSTANT, "train.epochs=2"}, .resume = true, .extend = 4});
    ck_assert_int_eq(result.epochs, 4);
    assert_same_run("whole", "a");
    tear_down();
}
END_TEST

static double rate(json_t *rows, size_t update) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (strcmp(json_string_value(json_object_get(row, "kind")), "step") == 0 &&
            (size_t)json_integer_value(json_object_get(row, "step")) == update) {
            return json_number_value(json_object_get(row, "lr"));
        }
    }
    ck_abort_msg("no update %zu", update);
}

START_TEST(the_rate_of_an_extended_run_goes_on_as_in_one_of_so_many_epochs) {
    set_up();
    run_well((run_options){.out = "whole", .set = {"train.epochs=5"}});
    run_well((run_options){.out = "a", .set = {"train.epochs=3"}});
    run_well((run_options){.out = "a", .set = {"train.epochs=3"}, .resume = true, .extend = 5});
    ck_assert_ptr_nonnull(strstr(seen.messages, "extended from 3 to 5 epochs"));
    json_t *whole = rows_of("whole"), *extended = rows_of("a");
    for (size_t update = 1; update <= 5 * STEPS_PER_EPOCH; update++) {
        const bool after = update > 3 * STEPS_PER_EPOCH;
        ck_assert(update <= STEPS_PER_EPOCH || /* the warm-up is as long in both */
                  (rate(whole, update) == rate(extended, update)) == after);
    }
    json_decref(whole);
    json_decref(extended);
    tear_down();
}
END_TEST

START_TEST(an_extended_run_that_is_stopped_continues_bit_for_bit_like_any_other) {
    set_up();
    char *recipe;
    for (int i = 0; i < 2; i++) {
        const char *out = i ? "b" : "a";
        run_well((run_options){.out = out, .set = {"train.epochs=2"}});
        run_well((run_options){.out = out,
                               .set = {"train.epochs=2"},
                               .resume = true,
                               .extend = 4,
                               .stop_at = i ? 13 : 0});
    }
    recipe = read_text(in_base("b/recipe.yaml"));
    ck_assert_ptr_nonnull(strstr(recipe, "epochs: 4\n"));
    free(recipe);
    run_well((run_options){.out = "b", .recipe = "b/recipe.yaml", .resume = true, .stop_at = 15});
    ck_assert_ptr_null(strstr(seen.messages, "extended"));
    run_well((run_options){.out = "b", .resume = true, .extend = 4}); /* asked for again */
    ck_assert_ptr_null(strstr(seen.messages, "extended"));
    assert_same_run("a", "b");
    tear_down();
}
END_TEST

START_TEST(what_cannot_be_extended_says_what_can_be_done) {
    set_up();
    refuse((run_options){.out = "a", .resume = true, .extend = 4}, "there is no last.h5 in");
    run_well((run_options){.out = "a", .set = {"train.epochs=2"}});
    refuse((run_options){.out = "a", .set = {"train.epochs=4"}, .resume = true}, "--extend 4");
    ck_assert_ptr_nonnull(strstr(err.message, "/a/last.h5"));
    refuse((run_options){.out = "a", .resume = true, .extend = 1}, "a run of 2 epochs");
    refuse((run_options){.out = "a", .resume = true, .extend = 2000000}, "at most 1000000");
    refuse((run_options){.out = "a", .set = {"optimizer.lr=0.02"}, .resume = true, .extend = 4},
           "optimizer.lr 0.01");
    char *recipe = read_text(in_base("a/recipe.yaml"));
    ck_assert_ptr_nonnull(strstr(recipe, "epochs: 2\n"));
    free(recipe);
    tear_down();
}
END_TEST

START_TEST(evaluations_may_come_more_often_or_less_than_before) {
    set_up();
    run_well((run_options){.out = "whole", .set = {"train.eval_every=1"}});
    run_well((run_options){.out = "a", .set = {"train.eval_every=2"}, .stop_at = 3});
    run_well((run_options){
        .out = "a", .set = {"train.eval_every=1", "train.checkpoint_every=3"}, .resume = true});
    assert_same_run("whole", "a");
    run_options o = {.out = "b", .set = {"schedule.name=plateau", "train.eval_every=1"}};
    o.stop_at = 3;
    run_well(o);
    o.resume = true;
    o.set[1] = "train.eval_every=2";
    refuse(o, "train.eval_every"); /* the rate waits for their scores */
    tear_down();
}
END_TEST

START_TEST(last_h5_is_all_that_going_on_needs) {
    set_up();
    run_well((run_options){.out = "whole"});
    run_well((run_options){.out = "a", .stop_at = 8});
    ck_assert_int_eq(unlink(in_base("a/metrics.jsonl")), 0);
    ck_assert_int_eq(unlink(in_base("a/recipe.yaml")), 0);
    ck_assert_int_eq(unlink(in_base("a/best.h5")), 0);
    run_well((run_options){.out = "a", .resume = true});
    ck_assert_ptr_nonnull(strstr(seen.messages, "metrics.jsonl: ends before update 8"));
    ck_assert_ptr_nonnull(strstr(seen.messages, "best.h5: is not there any more"));
    ck_assert_int_eq(access(in_base("a/recipe.yaml"), R_OK), 0);
    ck_assert_int_eq(access(in_base("a/best.h5"), R_OK), 0);
    weld_model_file x = open_checkpoint("whole", "last.h5"), y = open_checkpoint("a", "last.h5");
    assert_same_tensors(x.weights, y.weights);
    assert_same_tensors(x.moment1, y.moment1);
    weld_model_file_free(&x);
    weld_model_file_free(&y);
    json_t *whole = rows_of("whole"), *rest = rows_of("a");
    const size_t lost = json_array_size(whole) - json_array_size(rest);
    ck_assert_uint_eq(lost, 8 + 1); /* updates, and the first epoch's row */
    ck_assert(json_equal(json_array_get(whole, lost), json_array_get(rest, 0)));
    json_decref(whole);
    json_decref(rest);
    tear_down();
}
END_TEST

RUN_SUITE("train/extend", at_a_constant_rate_an_extended_run_ends_as_one_of_so_many_epochs,
          the_rate_of_an_extended_run_goes_on_as_in_one_of_so_many_epochs,
          an_extended_run_that_is_stopped_continues_bit_for_bit_like_any_other,
          what_cannot_be_extended_says_what_can_be_done,
          evaluations_may_come_more_often_or_less_than_before, last_h5_is_all_that_going_on_needs)
