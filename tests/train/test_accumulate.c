/* Updates on several batches: the same as on one large batch where samples do not see each other,
 * and as easily interrupted. */
#define _GNU_SOURCE
#include <math.h>

#include "train/tiny_run.h"

/* 42 images: five updates of eight, as one batch or as several. eps: what is zero but for rounding
 * stays where it is. */
#define EVEN "optimizer.eps=1e-3", "augment.mixup=null"

static void expect_near_rows(const char *a, const char *b) {
    json_t *x = rows_of(a), *y = rows_of(b);
    ck_assert_uint_eq(json_array_size(x), json_array_size(y));
    for (size_t i = 0; i < json_array_size(x); i++) {
        json_t *p = json_array_get(x, i), *q = json_array_get(y, i);
        double first = json_number_value(json_object_get(p, "loss"));
        double second = json_number_value(json_object_get(q, "loss"));
        ck_assert_msg(fabs(first - second) <= 1e-5 * first, "row %zu: %.8g and %.8g", i, first,
                      second);
        ck_assert_double_eq(json_number_value(json_object_get(p, "lr")),
                            json_number_value(json_object_get(q, "lr")));
        ck_assert_int_eq(json_integer_value(json_object_get(p, "step")),
                         json_integer_value(json_object_get(q, "step")));
    }
    json_decref(x);
    json_decref(y);
}

static void expect_near_weights(const weld_weights *a, const weld_weights *b) {
    for (size_t i = 0; i < weld_weights_count(a); i++) {
        weld_tensor x = weld_weights_tensor(a, i), y = weld_weights_tensor(b, i);
        for (int64_t j = 0; x.dtype == WELD_F32 && j < weld_shape_count(&x.shape); j++) {
            double p = ((float *)x.data)[j], q = ((float *)y.data)[j];
            ck_assert_msg(fabs(p - q) <= 1e-5 * (1 + fabs(p)), "%s[%d]: %.8g and %.8g",
                          weld_weights_name(a, i), (int)j, p, q);
        }
    }
}

static void expect_as_one(const char *out, const char *batch_size, const char *accumulate) {
    run_well(
        (run_options){.out = out, .set = {EVEN, "train.bn_eval=true", batch_size, accumulate}});
    ck_assert_int_eq(result.step, 3 * STEPS_PER_EPOCH);
    ck_assert_int_eq(seen.start.steps_per_epoch, STEPS_PER_EPOCH);
    ck_assert_int_eq(seen.start.batch_size * seen.start.accumulate, 8);
    ck_assert_double_eq(seen.start.lr, 0.01);
    expect_near_rows("one", out);
    weld_model_file one = open_checkpoint("one", "last.h5"), few = open_checkpoint(out, "last.h5");
    expect_near_weights(one.weights, few.weights);
    expect_near_weights(one.moment1, few.moment1);
    weld_model_file_free(&one);
    weld_model_file_free(&few);
}

START_TEST(several_batches_are_one_of_eight_images_where_samples_do_not_see_each_other) {
    set_up();
    run_well((run_options){.out = "one", .set = {EVEN, "train.bn_eval=true"}});
    expect_as_one("two", "train.batch_size=4", "train.accumulate=2");
    expect_as_one("four", "train.batch_size=2", "train.accumulate=4");
    expect_as_one("eight", "train.batch_size=1", "train.accumulate=8");
    tear_down();
}
END_TEST

/* Three batches of four an update: three updates of the ten batches; mixed batch by batch. */
START_TEST(a_run_that_accumulates_continues_bit_for_bit_with_any_number_of_threads) {
    set_up();
    run_options whole = {.out = "whole",
                         .set = {"train.batch_size=4", "train.accumulate=3", "train.ema_decay=0.8",
                                 "optimizer.clip=0.02", "optimizer.clip_mode=agc"}};
    run_options parts = whole;
    parts.out = "parts";
    parts.resume = true;
    parts.threads = 2;
    run_well(whole);
    ck_assert_int_eq(result.step, 9);
    for (parts.stop_at = 1; parts.stop_at < 9; parts.stop_at++) {
        run_well(parts);
    }
    parts.stop_at = 0;
    run_well(parts);
    assert_same_run("whole", "parts");
    tear_down();
}
END_TEST

/* last.h5 as earlier versions wrote it; is it the same there? */
static bool forget_gradient_order(const char *out) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s/last.h5", base, out);
    weld_model_file file = open_checkpoint(out, "last.h5");
    json_t *summary = json_loads(file.summary, 0, NULL);
    const bool same = json_object_del(summary, "gradient_order") != 0;
    free(file.summary);
    file.summary = json_dumps(summary, 0);
    ck_assert_msg(!weld_model_file_write(path, &file, &err), "%s", err.message);
    json_decref(summary);
    weld_model_file_free(&file);
    return same;
}

/* Of fewer than four batches there is but one order. */
START_TEST(a_run_that_added_in_another_order_is_told_so_once) {
    set_up();
    run_options o = {.out = "four", .set = {"train.batch_size=2", "train.accumulate=4"}};
    for (o.stop_at = 1; o.stop_at <= 3; o.stop_at++) {
        run_well(o);
        ck_assert_int_eq(strstr(seen.messages, "4 batches in another order") != NULL,
                         o.stop_at == 2);
        ck_assert(o.stop_at != 1 || !forget_gradient_order("four"));
        o.resume = true;
    }
    o = (run_options){.out = "three", .set = {"train.batch_size=2", "train.accumulate=3"}};
    for (o.stop_at = 1; o.stop_at <= 2; o.stop_at++) {
        run_well(o);
        ck_assert_ptr_null(strstr(seen.messages, "another order"));
        ck_assert(forget_gradient_order("three"));
        o.resume = true;
    }
    tear_down();
}
END_TEST

START_TEST(an_epoch_of_fewer_batches_than_an_update_is_refused_before_any_trial) {
    set_up();
    refuse((run_options){.out = "a", .set = {"train.accumulate=6", "train.precision=auto"}},
           "train.accumulate 6: an epoch of ");
    ck_assert_ptr_nonnull(strstr(err.message, "has only 5 batches of 8 images: lower it"));
    ck_assert_ptr_null(strstr(seen.messages, "train.precision auto"));
    tear_down();
}
END_TEST

RUN_SUITE("train/accumulate",
          several_batches_are_one_of_eight_images_where_samples_do_not_see_each_other,
          a_run_that_accumulates_continues_bit_for_bit_with_any_number_of_threads,
          a_run_that_added_in_another_order_is_told_so_once,
          an_epoch_of_fewer_batches_than_an_update_is_refused_before_any_trial)
