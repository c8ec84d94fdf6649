/* Runs in bf16, and runs that choose their precision. */
#define _GNU_SOURCE
#include <math.h>

#include "tasks/classification/loss.h"
#include "train/auto_precision.h"
#include "train/tiny_run.h"
#include "repvit_config.h"

#define BF16 "train.precision=bf16"
#define AUTO "train.precision=auto"

START_TEST(a_run_in_bf16_stopped_at_any_update_continues_bit_for_bit) {
    set_up();
    run_well((run_options){.out = "whole", .set = {BF16}});
    ck_assert_int_eq(seen.start.precision, WELD_PRECISION_BF16);
    for (int64_t at = 1; at < 3 * STEPS_PER_EPOCH; at += 4) {
        run_well((run_options){.out = "parts", .set = {BF16}, .stop_at = at, .resume = true});
    }
    run_well((run_options){.out = "parts", .set = {BF16}, .resume = true, .threads = 3});
    assert_same_run("whole", "parts");
    tear_down();
}
END_TEST

/* The losses of both runs' updates, and how far the second's are from the first's at most. */
static double largest_distance(const char *a, const char *b) {
    json_t *x = rows_of(a), *y = rows_of(b);
    double worst = 0;
    ck_assert_uint_eq(json_array_size(x), json_array_size(y));
    for (size_t i = 0; i < json_array_size(x); i++) {
        json_t *p = json_object_get(json_array_get(x, i), "loss");
        json_t *q = json_object_get(json_array_get(y, i), "loss");
        double before = json_number_value(p);
        worst = p ? fmax(worst, fabs(json_number_value(q) - before) / before) : worst;
    }
    json_decref(x);
    json_decref(y);
    return worst;
}

START_TEST(losses_in_bf16_are_near_those_in_fp32_but_not_the_same) {
    set_up();
    run_well((run_options){.out = "fp32"});
    ck_assert_int_eq(seen.start.precision, WELD_PRECISION_FP32);
    run_well((run_options){.out = "bf16", .set = {BF16}});
    double distance = largest_distance("fp32", "bf16");
    ck_assert_msg(distance > 0 && distance < 0.05, "losses are off by %g", distance);
    tear_down();
}
END_TEST

START_TEST(checkpoints_of_both_precisions_are_alike) {
    set_up();
    run_well((run_options){.out = "fp32"});
    run_well((run_options){.out = "bf16", .set = {BF16}});
    weld_model_file a = open_checkpoint("fp32", "last.h5"), b = open_checkpoint("bf16", "last.h5");
    ck_assert_uint_eq(weld_weights_count(a.weights), weld_weights_count(b.weights));
    for (size_t i = 0; i < weld_weights_count(a.weights); i++) {
        weld_tensor x = weld_weights_tensor(a.weights, i), y = weld_weights_tensor(b.weights, i);
        ck_assert_str_eq(weld_weights_name(a.weights, i), weld_weights_name(b.weights, i));
        ck_assert(x.dtype == y.dtype && weld_shape_equal(&x.shape, &y.shape));
    }
    ck_assert_uint_eq(weld_weights_count(a.moment1), weld_weights_count(b.moment1));
    weld_model_file_free(&a);
    weld_model_file_free(&b);
    tear_down();
}
END_TEST

START_TEST(a_run_may_go_on_in_another_precision_and_says_so) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 4});
    run_well((run_options){.out = "a", .set = {BF16}, .resume = true});
    ck_assert_int_eq(result.step, 3 * STEPS_PER_EPOCH);
    ck_assert_int_eq(seen.start.precision, WELD_PRECISION_BF16);
    ck_assert_msg(strstr(seen.messages, "another precision") != NULL, "%s", seen.messages);
    tear_down();
}
END_TEST

START_TEST(auto_chooses_says_and_keeps_what_it_chose) {
    set_up();
    run_well((run_options){.out = "a", .set = {AUTO}, .stop_at = 4});
    bool bf16 = seen.start.precision == WELD_PRECISION_BF16;
    ck_assert_msg(strstr(seen.messages, bf16 ? "auto: bf16" : "auto: fp32"), "%s", seen.messages);
    char *recipe = read_text(in_base("a/recipe.yaml"));
    ck_assert_msg(strstr(recipe, bf16 ? "precision: bf16" : "precision: fp32"), "%s", recipe);
    free(recipe);
    run_well((run_options){.out = "a", .set = {AUTO}, .resume = true});
    ck_assert_str_eq(seen.messages, ""); /* no second trial */
    run_well((run_options){.out = "b", .set = {bf16 ? BF16 : "train.precision=fp32"}});
    assert_same_run("a", "b");
    tear_down();
}
END_TEST

START_TEST(auto_takes_what_a_run_began_with) {
    set_up();
    run_well((run_options){.out = "a", .set = {BF16}, .stop_at = 4});
    run_well((run_options){.out = "a", .set = {AUTO}, .resume = true});
    ck_assert_int_eq(seen.start.precision, WELD_PRECISION_BF16);
    run_well((run_options){.out = "b", .set = {BF16}});
    assert_same_run("a", "b");
    tear_down();
}
END_TEST

START_TEST(bf16_is_chosen_where_it_is_faster_and_as_good) {
    static const struct {
        weld_precision_trial trial;
        weld_precision choice;
    } cases[] = {
        {{{1, 0.2}, {2, 2.01}, 0.05}, WELD_PRECISION_BF16},
        {{{1, 0.95}, {2, 2.01}, 0.05}, WELD_PRECISION_FP32}, /* hardly faster */
        {{{1, 0.2}, {2, 2.2}, 0.05}, WELD_PRECISION_FP32},   /* another loss */
        {{{1, 0.2}, {2, NAN}, 0.05}, WELD_PRECISION_FP32},
        {{{1, 0.2}, {2, 2.01}, 0.8}, WELD_PRECISION_FP32}, /* other gradients */
        {{{1, 0.2}, {2, 2.01}, INFINITY}, WELD_PRECISION_FP32},
        {{{1, 0.2}, {2, 2.01}, NAN}, WELD_PRECISION_FP32},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(weld_precision_choose(&cases[i].trial) == cases[i].choice, "case %zu", i);
    }
}
END_TEST

START_TEST(a_trial_compares_the_same_step) {
    weld_model_config config = repvit_config(10, "16, 24", "1, 1", 2, false, false);
    weld_loss_options loss = {.values = &(const weld_classification_loss){.label_smoothing = 0.1}};
    weld_train_step_options options = {.batch = 64,
                                       .height = 32,
                                       .width = 32,
                                       .build_loss = weld_classification_loss_build,
                                       .loss = &loss,
                                       .dtype = WELD_F32,
                                       .threads = 1};
    weld_precision_trial trial;
    weld_error e;
    ck_assert_msg(!weld_precision_try(&config, &options, &trial, &e), "%s", e.message);
    ck_assert(trial.seconds[0] > 0 && trial.seconds[1] > 0);
    ck_assert_double_gt(trial.loss[0], 1);
    ck_assert(trial.loss[0] != trial.loss[1]);
    ck_assert_double_eq_tol(trial.loss[1] / trial.loss[0], 1, 0.01);
    ck_assert(trial.gradients_apart > 1e-4 && trial.gradients_apart < 0.2);
}
END_TEST

RUN_SUITE("train/precision", a_run_in_bf16_stopped_at_any_update_continues_bit_for_bit,
          losses_in_bf16_are_near_those_in_fp32_but_not_the_same,
          checkpoints_of_both_precisions_are_alike,
          a_run_may_go_on_in_another_precision_and_says_so,
          auto_chooses_says_and_keeps_what_it_chose, auto_takes_what_a_run_began_with,
          bf16_is_chosen_where_it_is_faster_and_as_good, a_trial_compares_the_same_step)
