/* Quantising what was trained for integers: a run with `quantize` in its recipe, then integers. */
#define _GNU_SOURCE
#include <math.h>

#include "base/memory.h"
#include "infer/model.h"
#include "passes/fake_quantize.h"
#include "suite.h"
#include "train/tiny_run.h"
#include "weld/quantize.h"

enum { IMAGES = 64, LOGITS = IMAGES * CLASSES };

static char said[4096]; /* by the latest call, a line each */

static void hear(void *context, const char *text) {
    const size_t used = strlen(said);
    (void)context;
    snprintf(said + used, sizeof said - used, "%s\n", text);
}

/* BASE/first is a network, whose training BASE/codes.yaml goes on with. */
static void train_once(void) {
    char text[1024];
    set_up();
    write_data(in_base("many.h5"), 160, 5);
    run_well((run_options){
        .out = "first", .set = {"train.epochs=12", "model.channels=[8,12]", "model.depths=[1,2]"}});
    snprintf(text, sizeof text,
             "data: {train: %s/train.h5, val: %s/many.h5}\n"
             "quantize: {weights: 8, activations: 8, images: 32}\n"
             "augment: {kind: small, auto_augment: null, color_jitter: null,\n"
             "          random_erasing: null, cutmix: null, repeats: 1}\n"
             "loss: {label_smoothing: 0, distillation: {kind: soft}}\n"
             "optimizer: {lr: 0.003, lr_batch: 8, weight_decay: 0, clip: null}\n"
             "schedule: {warmup_epochs: 0}\n"
             "train: {epochs: 3, batch_size: 8, seed: 7, ema_decay: null}\n",
             base, base);
    write_text(in_base("codes.yaml"), text);
}

static void train_for(const char *out, const char *weights, const char *activations) {
    run_well((run_options){.out = out,
                           .recipe = "codes.yaml",
                           .init = "first/best.h5",
                           .set = {weights, activations}});
}

static weld_status quantize(const char *from, weld_quantize_method method,
                            weld_quantize_report *r) {
    weld_quantize_options o = weld_quantize_defaults();
    weld_model *m;
    o.evaluate = in_base("many.h5");
    o.images = 24;
    o.threads = 2;
    o.message = hear;
    o.method = method;
    *said = '\0';
    *r = (weld_quantize_report){.json = NULL};
    ck_assert_msg(!weld_model_open(in_base(from), &m, &err), "%s", err.message);
    const weld_status status =
        weld_model_quantize(m, in_base("train.h5"), &o, in_base("int8.h5"), r, &err);
    weld_model_free(m);
    return status;
}

static void quantize_well(const char *from, weld_quantize_method method, weld_quantize_report *r) {
    ck_assert_msg(!quantize(from, method, r), "%s", err.message);
}

/* --- Two networks ----------------------------------------------------------------------------- */

static void logits_of(const weld_graph *g, weld_weights *w, float *logits) {
    const weld_session_options options = {.batch = IMAGES, .threads = 1};
    weld_session *s;
    ck_assert_msg(!weld_session_create(g, w, &options, &s, &err), "%s", err.message);
    const weld_tensor images = weld_session_input(s, "images");
    weld_random r = weld_random_start(5, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < weld_shape_count(&images.shape); i++) {
        ((float *)images.data)[i] = (float)weld_random_normal(&r);
    }
    weld_session_run(s, 0);
    memcpy(logits, weld_session_output(s, "logits").data, LOGITS * sizeof *logits);
    weld_session_free(s);
}

/* Of the network that the run evaluated: with codes, as the checkpoint has them. */
static void add_steps(weld_model_file *f) {
    const weld_shape shares = WELD_SHAPE((int64_t)f->step_rows);
    const weld_shape bases = WELD_SHAPE((int64_t)f->step_rows, 2);
    weld_tensor share, base_rows;
    ck_assert_int_eq(weld_weights_add(f->weights, WELD_FAKE_STEPS, WELD_F32, &shares, &share, &err),
                     WELD_OK);
    ck_assert_int_eq(
        weld_weights_add(f->weights, WELD_FAKE_BASES, WELD_F32, &bases, &base_rows, &err), WELD_OK);
    for (size_t i = 0; i < f->step_rows; i++) {
        ((float *)share.data)[i] = f->steps[WELD_STEP_COLUMNS * i + 1];
        ((float *)base_rows.data)[2 * i] = f->steps[WELD_STEP_COLUMNS * i];
    }
}

/* The codes that are 0, and the largest ones of weights, stand in the table. */
static void add_zeros(const weld_model_file *f, const weld_graph *merged, weld_fake_bits bits) {
    weld_fake_rows rows;
    weld_tensor base_rows;
    size_t *first = weld_alloc(merged->value_count, sizeof *first);
    ck_assert_int_eq(weld_fake_rows_of(merged, &rows, &err), WELD_OK);
    ck_assert_uint_eq(weld_fake_steps_find(merged, &rows, bits, first), f->step_rows);
    ck_assert(weld_weights_find(f->weights, WELD_FAKE_BASES, &base_rows));
    for (size_t i = 0; i < merged->value_count; i++) {
        float *row = (float *)base_rows.data + 2 * first[i];
        for (int64_t o = 0; rows.weight[i] && o < merged->values[i]->shape.dim[0]; o++) {
            row[2 * o + 1] = f->codes[2 * i];
        }
        if (rows.activation[i]) {
            row[1] = f->codes[2 * i + 1];
        }
    }
    weld_free(rows.activation);
    weld_free(first);
}

static void logits_of_run(const char *out, float *logits) {
    weld_model_file f = open_checkpoint(out, "last.h5");
    const weld_fake_bits bits = {(int)f.trainer.quantize_weights,
                                 (int)f.trainer.quantize_activations, f.steps != NULL};
    const weld_shape shape = WELD_SHAPE((int64_t)f.code_rows, 2);
    weld_graph *g, *rounded, *merged;
    weld_tensor table;
    ck_assert_int_eq(weld_model_build(&f.config, false, 1, SIDE, SIDE, WELD_F32, &g, &err),
                     WELD_OK);
    ck_assert_msg(!weld_fake_quantized(g, bits, &rounded, &merged, &err), "%s", err.message);
    if (f.steps) {
        add_steps(&f);
        add_zeros(&f, merged, bits);
    }
    ck_assert_int_eq(weld_weights_add(f.weights, WELD_FAKE_CODES, WELD_F32, &shape, &table, &err),
                     WELD_OK);
    memcpy(table.data, f.codes, weld_tensor_bytes(&table));
    logits_of(rounded, f.weights, logits);
    weld_graph_free(rounded);
    weld_graph_free(merged);
    weld_graph_free(g);
    weld_model_file_free(&f);
}

static void logits_of_file(const char *name, float *logits) {
    weld_model *m;
    ck_assert_msg(!weld_model_open(in_base(name), &m, &err), "%s", err.message);
    ck_assert(weld_model_is_int8(m));
    logits_of(weld_model_running_graph(m), m->file.weights, logits);
    weld_model_free(m);
}

static double decibels(const float *x, const float *y) {
    double signal = 0, noise = 1e-30;
    for (int i = 0; i < LOGITS; i++) {
        signal += (double)x[i] * (double)x[i];
        noise += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    }
    return 10 * log10(signal / noise);
}

/* In dB: sums of floats are rounded, by each kernel elsewhere, so that a few codes differ by one;
 * other codes are another network. */
static const double SAME = 38, OTHER = 30;

static double distance(const char *out) {
    float run_logits[LOGITS], file_logits[LOGITS];
    logits_of_run(out, run_logits);
    logits_of_file("int8.h5", file_logits);
    return decibels(run_logits, file_logits);
}

/* --- What comes of it ------------------------------------------------------------------------- */

static void expect_what_was_trained(const char *out, const char *weights, const char *more,
                                    int bits) {
    char last[64];
    weld_quantize_report r;
    weld_model_evaluation e;
    weld_model *m;
    train_for(out, weights, more);
    snprintf(last, sizeof last, "%s/last.h5", out);
    quantize_well(last, WELD_QUANTIZE_AUTO, &r);
    ck_assert_msg(r.method == WELD_QUANTIZE_TRAINED, "%s: %s", said, r.json);
    ck_assert_int_eq(r.trained_weights, bits);
    ck_assert_int_eq(r.trained_activations, 8);
    ck_assert(!r.corrected && !r.equalised);
    ck_assert_ptr_nonnull(strstr(r.json, "\"method\": \"trained\""));
    ck_assert_double_gt(distance(out), SAME);
    weld_model_file f = open_checkpoint(out, "last.h5");
    json_t *rows = rows_of(out);
    const json_t *end = json_array_get(rows, json_array_size(rows) - 1);
    ck_assert_msg(!weld_model_open(in_base("int8.h5"), &m, &err), "%s", err.message);
    ck_assert_int_eq(weld_model_evaluate(m, in_base("many.h5"), 1, &e, &err), WELD_OK);
    ck_assert_double_eq_tol(e.scores[0].value, json_number_value(json_object_get(end, "top1")),
                            1e-6);
    ck_assert_double_eq_tol(e.loss, json_number_value(json_object_get(end, "val_loss")), 1e-3);
    ck_assert_double_eq(r.after.value, e.scores[0].value);
    json_decref(rows);
    weld_model_free(m);
    weld_model_file_free(&f);
    weld_quantize_report_free(&r);
}

START_TEST(integers_say_what_the_run_evaluated) {
    expect_what_was_trained("w8", "quantize.weights=8", NULL, 8);
    expect_what_was_trained("w4", "quantize.weights=4", NULL, 4);
    expect_what_was_trained("w2", "quantize.weights=2", NULL, 2);
}
END_TEST

START_TEST(learned_steps_are_the_integers) {
    expect_what_was_trained("l3", "quantize.weights=3", "quantize.learn_steps=true", 3);
}
END_TEST

/* By a merged file they come to the same. */
START_TEST(merging_keeps_what_was_trained) {
    weld_quantize_report r;
    weld_merge_report merging;
    weld_model *m;
    train_for("kept", "quantize.weights=4", NULL);
    ck_assert_msg(!weld_model_open(in_base("kept/last.h5"), &m, &err), "%s", err.message);
    ck_assert_msg(!weld_model_merge(m, NULL, 1, in_base("merged.h5"), &merging, &err), "%s",
                  err.message);
    weld_model_free(m);
    quantize_well("merged.h5", WELD_QUANTIZE_AUTO, &r);
    ck_assert_int_eq(r.trained_weights, 4);
    weld_quantize_report_free(&r);
    ck_assert_double_gt(distance("kept"), SAME);
}
END_TEST

/* The method that is named is taken, and what it makes is of 8 bits. */
START_TEST(a_method_that_is_named_is_taken) {
    weld_quantize_report r;
    train_for("named", "quantize.weights=3", NULL);
    quantize_well("named/last.h5", WELD_QUANTIZE_MINMAX, &r);
    ck_assert_int_eq(r.method, WELD_QUANTIZE_MINMAX);
    ck_assert_int_eq(r.trained_weights, 0);
    ck_assert_double_lt(distance("named"), OTHER);
    weld_quantize_report_free(&r);
    quantize_well("named/last.h5", WELD_QUANTIZE_TRAINED, &r);
    ck_assert_int_eq(r.trained_weights, 3);
    ck_assert_double_gt(distance("named"), SAME);
    weld_quantize_report_free(&r);
    ck_assert_int_eq(quantize("first/best.h5", WELD_QUANTIZE_TRAINED, &r), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "was not trained for integers") != NULL, "%s", err.message);
}
END_TEST

/* Activations of fewer bits have 8 in the same ranges: nearer to what they were rounded from. */
START_TEST(activations_of_fewer_bits_keep_their_ranges) {
    weld_quantize_report r;
    train_for("fewer", "quantize.weights=8", "quantize.activations=5");
    quantize_well("fewer/last.h5", WELD_QUANTIZE_AUTO, &r);
    ck_assert_int_eq(r.method, WELD_QUANTIZE_TRAINED);
    ck_assert_int_eq(r.trained_activations, 5);
    ck_assert_double_gt(r.sqnr, 15);
    ck_assert_double_lt(distance("fewer"), OTHER);
    weld_quantize_report_free(&r);
}
END_TEST

/* Weights alone: ranges are found, weights lie on their grid. */
START_TEST(weights_that_alone_were_trained_keep_their_grid) {
    weld_quantize_report r;
    weld_model *m;
    int most = 0;
    train_for("alone", "quantize.weights=3", "quantize.activations=null");
    quantize_well("alone/last.h5", WELD_QUANTIZE_AUTO, &r);
    ck_assert(r.method == WELD_QUANTIZE_PERCENTILE || r.method == WELD_QUANTIZE_MINMAX);
    ck_assert_int_eq(r.trained_weights, 3);
    ck_assert_int_eq(r.trained_activations, 0);
    ck_assert(!r.corrected && !r.equalised);
    weld_quantize_report_free(&r);
    ck_assert_msg(!weld_model_open(in_base("int8.h5"), &m, &err), "%s", err.message);
    for (size_t i = 0; i < weld_weights_count(m->file.weights); i++) {
        const weld_tensor t = weld_weights_tensor(m->file.weights, i);
        for (int64_t k = 0; t.dtype == WELD_I8 && k < weld_shape_count(&t.shape); k++) {
            const int code = abs(((const int8_t *)t.data)[k]);
            most = code > most ? code : most;
        }
    }
    ck_assert_int_eq(most, 3);
    weld_model_free(m);
}
END_TEST

/* Ranges ten times too wide cost 20 dB. */
START_TEST(ranges_that_are_clearly_worse_are_not_taken) {
    char path[512];
    weld_quantize_report r;
    train_for("wide", NULL, NULL);
    snprintf(path, sizeof path, "%s/wide/last.h5", base);
    weld_model_file f = open_checkpoint("wide", "last.h5");
    for (size_t i = 0; i < f.code_rows; i++) {
        f.codes[2 * i] *= f.codes[2 * i] < 100 ? 10 : 1; /* not that of weights, 127 */
    }
    ck_assert_msg(!weld_model_file_write(path, &f, &err), "%s", err.message);
    quantize_well("wide/last.h5", WELD_QUANTIZE_AUTO, &r);
    ck_assert_int_ne(r.method, WELD_QUANTIZE_TRAINED);
    ck_assert_msg(strstr(said, "dB noisier than those found on these images") != NULL, "%s", said);
    ck_assert_ptr_nonnull(strstr(r.json, "\"trained\": "));
    weld_quantize_report_free(&r);
    f.codes[0] = 0.3F; /* no row of such a network */
    f.codes[2 * f.code_rows - 1] = 0.3F;
    ck_assert_msg(!weld_model_file_write(path, &f, &err), "%s", err.message);
    quantize_well("wide/last.h5", WELD_QUANTIZE_AUTO, &r);
    ck_assert_msg(strstr(said, "are of another network: ranges are found anew") != NULL, "%s",
                  said);
    ck_assert_int_eq(r.trained_weights, 0);
    weld_quantize_report_free(&r);
    weld_model_file_free(&f);
}
END_TEST

/* Of a run that was stopped before quantize.start. */
START_TEST(codes_that_were_never_found_are_not_taken) {
    weld_quantize_report r;
    run_well((run_options){.out = "early",
                           .recipe = "codes.yaml",
                           .init = "first/best.h5",
                           .stop_at = 2,
                           .set = {"quantize.start=1"}});
    quantize_well("early/last.h5", WELD_QUANTIZE_AUTO, &r);
    ck_assert_int_ne(r.method, WELD_QUANTIZE_TRAINED);
    ck_assert_msg(strstr(said, "had not begun to round yet") != NULL, "%s", said);
    weld_quantize_report_free(&r);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    weld_status status = WELD_ERROR_MEMORY;
    weld_model *m;
    train_for("short", "quantize.weights=3", "quantize.learn_steps=true");
    ck_assert_msg(!weld_model_open(in_base("short/last.h5"), &m, &err), "%s", err.message);
    weld_quantize_options o = weld_quantize_defaults();
    o.images = 16;
    o.threads = 1;
    o.evaluate = in_base("val.h5");
    for (long n = 1; status != WELD_OK; n += 1 + n / 6) {
        weld_quantize_report r = {.json = NULL};
        weld_memory_fail_after(n);
        status = weld_model_quantize(m, in_base("train.h5"), &o, in_base("int8.h5"), &r, &err);
        weld_memory_fail_after(-1);
        ck_assert_msg(status == WELD_OK || status == WELD_ERROR_MEMORY, "%s", err.message);
        ck_assert(status != WELD_OK || r.method == WELD_QUANTIZE_TRAINED);
        weld_quantize_report_free(&r);
    }
    weld_model_free(m);
}
END_TEST

RUN_SUITE_BETWEEN("infer/quantize_trained", train_once, tear_down,
                  integers_say_what_the_run_evaluated, learned_steps_are_the_integers,
                  merging_keeps_what_was_trained, a_method_that_is_named_is_taken,
                  activations_of_fewer_bits_keep_their_ranges,
                  weights_that_alone_were_trained_keep_their_grid,
                  ranges_that_are_clearly_worse_are_not_taken,
                  codes_that_were_never_found_are_not_taken,
                  failing_allocations_are_errors_and_nothing_more)
