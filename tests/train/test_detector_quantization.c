/* Training a detector for codes: the loss is that of the rounded network, and its integers find
 * what the run found. */
#define _GNU_SOURCE
#include <math.h>

#include "suite.h"
#include "train/scene_runs.h"
#include "weld/quantize.h"

/* BASE/first is a detector, with which BASE/codes.yaml goes on. */
static void set_up_trained(void) {
    char text[1024];
    set_up_scenes();
    run_well((run_options){.out = "first",
                           .recipe = "detector.yaml",
                           .set = {"train.epochs=24", "train.accumulate=1", "augment.mosaic=0",
                                   "train.ema_decay=null"}});
    snprintf(text, sizeof text,
             "data: {train: %s/scenes.json, val: %s/scenes.json}\n"
             "augment: {kind: detection, mosaic: 0}\n"
             "optimizer: {lr: 0.001, weight_decay: 0, clip: null}\n"
             "schedule: {warmup_epochs: 0}\n"
             "quantize: {weights: 8, images: 12}\n"
             "train: {epochs: 2, batch_size: 2, seed: 7, ema_decay: null, precision: fp32}\n",
             base, base);
    write_text(in_base("codes.yaml"), text);
}

static run_options with(const char *out, const char *set) {
    return (run_options){.out = out, .recipe = "codes.yaml", .init = "first/last.h5", .set = {set}};
}

static double number_in(const char *out, const char *key) {
    json_t *rows = rows_of(out);
    const json_t *last = json_array_get(rows, json_array_size(rows) - 1);
    const double value = json_number_value(json_object_get(last, key));
    json_decref(rows);
    return value;
}

static double loss_without_learning(const char *out, const char *set, const char *more) {
    run_options o = with(out, "optimizer.lr=1e-12");
    o.set[1] = set;
    o.set[2] = more;
    run_well(o);
    return number_in(out, "train_loss");
}

/* Before anything is rounded the loss is that of the detector with its own statistics; then weights
 * of eight bits cost little, and of two much. */
START_TEST(the_loss_is_that_of_the_detector_rounded) {
    const double plain =
        loss_without_learning("plain", "quantize.weights=null", "train.bn_eval=true");
    const double late = loss_without_learning("late", "quantize.start=1.99", NULL);
    ck_assert_double_eq_tol(late, plain, 1e-5 * plain);
    const double fine = loss_without_learning("fine", "quantize.activations=null", NULL);
    ck_assert_msg(strstr(seen.messages, "quantize: ranges by 12 images") != NULL, "%s",
                  seen.messages);
    const double coarse = loss_without_learning("coarse", "quantize.weights=2", NULL);
    ck_assert_msg(fabs(fine - plain) < 0.03 * plain, "%g, rounded %g", plain, fine);
    ck_assert_msg(coarse > 1.2 * plain, "%g, with two bits %g", plain, coarse);
}
END_TEST

START_TEST(integers_find_what_the_run_found) {
    weld_quantize_options options = weld_quantize_defaults();
    weld_quantize_report r = {.json = NULL};
    weld_model *m;
    run_well(with("run", "quantize.weights=4"));
    options.evaluate = in_base("scenes.json");
    options.threads = 1;
    ck_assert_msg(!weld_model_open(in_base("run/last.h5"), &m, &err), "%s", err.message);
    ck_assert_msg(
        !weld_model_quantize(m, in_base("scenes.json"), &options, in_base("int8.h5"), &r, &err),
        "%s", err.message);
    ck_assert_int_eq(r.method, WELD_QUANTIZE_TRAINED);
    ck_assert_int_eq(r.trained_weights, 4);
    ck_assert_double_gt(r.after.value, 0);
    ck_assert_double_eq_tol(r.after.value, number_in("run", "AP"), 2e-3);
    weld_quantize_report_free(&r);
    weld_model_free(m);
}
END_TEST

START_TEST(a_resumed_run_ends_as_one_that_never_stopped) {
    run_well(with("whole", "quantize.weights=3"));
    run_options o = with("cut", "quantize.weights=3");
    o.stop_at = 5;
    run_well(o);
    o.stop_at = 0;
    o.resume = true;
    o.threads = 3;
    o.init = NULL;
    run_well(o);
    assert_same_run("whole", "cut");
}
END_TEST

RUN_SUITE_BETWEEN("train/detector_quantization", set_up_trained, tear_down,
                  the_loss_is_that_of_the_detector_rounded, integers_find_what_the_run_found,
                  a_resumed_run_ends_as_one_that_never_stopped)
