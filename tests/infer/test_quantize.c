/* Quantising a network that was trained a few seconds ago: what it says before and after, what is
 * chosen, which layers stay float, and what is refused. */
#define _GNU_SOURCE
#include "weld/quantize.h"

#include <limits.h>
#include <math.h>

#include "base/memory.h"
#include "base/text.h"
#include "infer/model.h"
#include "infer/quantize_data.h"
#include "passes/lanes.h"
#include "suite.h"
#include "train/tiny_run.h"

enum { IMAGES = 160 };

static weld_model *trained; /* merged */
static char said[4096];     /* by the latest call, a line each */

static void hear(void *context, const char *text) {
    (void)context;
    weld_append(said, sizeof said, "%s\n", text);
}

static weld_quantize_options options(void) {
    weld_quantize_options o = weld_quantize_defaults();
    o.evaluate = in_base("many.h5");
    o.images = 40;
    o.threads = 2;
    o.message = hear;
    return o;
}

static weld_model *open_file(const char *name) {
    weld_model *m;
    ck_assert_msg(!weld_model_open(in_base(name), &m, &err), "%s", err.message);
    return m;
}

static void train_once(void) {
    weld_merge_report merging;
    set_up();
    write_data(in_base("many.h5"), IMAGES, 5);
    run_well((run_options){
        .out = "run", .set = {"train.epochs=12", "model.channels=[8,12]", "model.depths=[1,2]"}});
    weld_model *m = open_file("run/last.h5");
    ck_assert_msg(!weld_model_merge(m, NULL, 1, in_base("merged.h5"), &merging, &err), "%s",
                  err.message);
    weld_model_free(m);
    trained = open_file("merged.h5");
}

static void forget(void) {
    weld_model_free(trained);
    tear_down();
}

static weld_status quantize(const weld_model *m, const char *data, const weld_quantize_options *o,
                            const char *out, weld_quantize_report *r) {
    *said = '\0';
    memset(&err, 0, sizeof err);
    return weld_model_quantize(m, in_base(data), o, in_base(out), r, &err);
}

static void quantize_well(const weld_model *m, const char *data, const weld_quantize_options *o,
                          const char *out, weld_quantize_report *r) {
    ck_assert_msg(!quantize(m, data, o, out, r), "%s", err.message);
}

static bool is_there(const char *name) {
    return access(in_base(name), F_OK) == 0;
}

static int64_t size_of(const char *name) {
    size_t size;
    free(test_read_file(in_base(name), &size));
    return (int64_t)size;
}

/* --- What comes of it ------------------------------------------------------------------------- */

START_TEST(it_says_nearly_what_it_said) {
    const weld_quantize_options o = options();
    weld_quantize_report r;
    weld_model_evaluation before, after;
    quantize_well(trained, "train.h5", &o, "int8.h5", &r);
    weld_model *m = open_file("int8.h5");
    ck_assert(weld_model_is_int8(m) && !weld_model_is_int8(trained));
    ck_assert_int_eq(r.images + r.chosen_by, 42); /* as many as there are */
    ck_assert_int_eq(r.chosen_by, 9);
    ck_assert_str_eq(r.compared_on, "evaluation");
    ck_assert_int_eq(r.skipped, 0);
    ck_assert_int_eq(r.evaluated, IMAGES);
    ck_assert(r.labelled);
    ck_assert_double_gt(r.sqnr, 20);
    ck_assert_int_ge(r.same_answer, IMAGES * 97 / 100);
    ck_assert_int_eq(r.bytes_before, size_of("merged.h5"));
    ck_assert_int_eq(r.bytes_after, size_of("int8.h5"));
    /* What it says of both networks is what they are judged to be apart. */
    ck_assert_int_eq(weld_model_evaluate(trained, o.evaluate, 1, &before, &err), WELD_OK);
    ck_assert_int_eq(weld_model_evaluate(m, o.evaluate, 1, &after, &err), WELD_OK);
    ck_assert_double_eq(r.before.value, before.scores[0].value);
    ck_assert_double_eq(r.after.value, after.scores[0].value);
    ck_assert_double_eq_tol(r.drop, r.before.value - r.after.value, 1e-9);
    ck_assert_double_eq_tol(r.drop, 100.0 * (double)(r.lost - r.gained) / IMAGES, 1e-9);
    ck_assert_double_eq_tol(r.drop_error, 100 * sqrt((double)(r.lost + r.gained)) / IMAGES, 1e-9);
    weld_quantize_report_free(&r);
    weld_model_free(m);
}
END_TEST

static double sum_of_shares(const weld_quantize_report *r) {
    json_t *json = json_loads(r->json, 0, NULL);
    const json_t *parts = json_object_get(json, "parts");
    double sum = 0;
    ck_assert_uint_eq(json_array_size(parts), (size_t)r->parts_in_all);
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        const double share = json_number_value(json_object_get(part, "share"));
        ck_assert(share >= 0 && (share == 0 || !json_is_true(json_object_get(part, "float"))));
        sum += share;
    }
    json_decref(json);
    return sum;
}

START_TEST(shares_of_the_noise_are_of_every_part_and_sorted) {
    const weld_quantize_options o = options();
    weld_quantize_report r;
    quantize_well(trained, "train.h5", &o, "int8.h5", &r);
    ck_assert_int_gt(r.parts_in_all, 4);
    ck_assert_double_eq_tol(sum_of_shares(&r), 1, 1e-6);
    for (int i = 0; i < r.part_count; i++) {
        ck_assert(i == 0 || r.parts[i].share <= r.parts[i - 1].share);
        ck_assert(!r.parts[i].is_float);
        ck_assert(r.parts[i].place != 0 || strcmp(r.parts[i].name, "features.0") == 0);
    }
    weld_quantize_report_free(&r);
}
END_TEST

/* A layer of zeros says nothing, which is told once; what it is added to goes on. */
START_TEST(what_is_always_the_same_is_told_by_its_layer) {
    const weld_quantize_options o = options();
    weld_quantize_report r;
    weld_model *m = open_file("merged.h5");
    static const char *const names[] = {"features.1.channel_mixer.m.2.weight",
                                        "features.1.channel_mixer.m.2.bias"};
    for (int i = 0; i < 2; i++) {
        weld_tensor t;
        ck_assert(weld_weights_find(m->file.weights, names[i], &t));
        memset(t.data, 0, weld_tensor_bytes(&t));
    }
    quantize_well(m, "train.h5", &o, "int8.h5", &r);
    ck_assert_str_eq(said, "features.1.channel_mixer.m.2: what it makes is always 0 on the images "
                           "that are calibrated on\n");
    ck_assert_double_gt(r.sqnr, 20);
    weld_quantize_report_free(&r);
    weld_model_free(m);
}
END_TEST

START_TEST(the_file_does_not_depend_on_threads) {
    weld_quantize_options o = options();
    size_t sizes[2];
    unsigned char *bytes[2];
    for (int i = 0; i < 2; i++) {
        char name[16];
        o.threads = i ? 4 : 1;
        snprintf(name, sizeof name, "int8_%d.h5", i);
        quantize_well(trained, "train.h5", &o, name, NULL);
        bytes[i] = test_read_file(in_base(name), &sizes[i]);
    }
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert_mem_eq(bytes[0], bytes[1], sizes[0]);
    free(bytes[0]);
    free(bytes[1]);
}
END_TEST

START_TEST(a_checkpoint_is_merged_first) {
    const weld_quantize_options o = options();
    weld_model *m = open_file("run/last.h5");
    weld_quantize_report a, b;
    quantize_well(m, "train.h5", &o, "int8_a.h5", &a);
    quantize_well(trained, "train.h5", &o, "int8_b.h5", &b);
    ck_assert_str_eq(strstr(a.json, "\"parts\""), strstr(b.json, "\"parts\""));
    weld_quantize_report_free(&a);
    weld_quantize_report_free(&b);
    weld_model_free(m);
}
END_TEST

/* --- Equalising ------------------------------------------------------------------------------- */

/* The same network, with each channel of its streams by a random factor of 1/16 to 16. */
static weld_model *spoilt(void) {
    weld_model *m = open_file("merged.h5");
    weld_random r = weld_random_start(4, 0, 0, WELD_RANDOM_TEST);
    weld_lanes lanes;
    ck_assert_int_eq(weld_lanes_find(m->graph, &lanes, NULL), WELD_OK);
    ck_assert_uint_gt(lanes.count, 20);
    double *factors = calloc(lanes.count, sizeof *factors);
    for (size_t i = 0; i < lanes.count; i++) {
        factors[i] = i == 0 ? 1 : exp2(weld_random_range(&r, -4, 4));
    }
    ck_assert_int_eq(weld_lanes_rescale(&lanes, factors, m->file.weights, NULL), WELD_OK);
    free(factors);
    weld_lanes_free(&lanes);
    return m;
}

static double candidate(const weld_quantize_report *r, const char *name) {
    json_t *json = json_loads(r->json, 0, NULL);
    const json_t *value = json_object_get(json_object_get(json, "candidates"), name);
    ck_assert_msg(json_is_number(value), "%s in %s", name, r->json);
    const double x = json_number_value(value);
    json_decref(json);
    return x;
}

START_TEST(channels_of_unlike_ranges_are_equalised) {
    const weld_quantize_options o = options();
    weld_model *m = spoilt();
    weld_quantize_report plain, r;
    quantize_well(trained, "train.h5", &o, "int8.h5", &plain);
    quantize_well(m, "train.h5", &o, "spoilt8.h5", &r);
    ck_assert(r.equalised);
    ck_assert_double_gt(r.equalised_gain, 8);
    ck_assert_double_lt(candidate(&r, "percentile"), candidate(&plain, "percentile") - 8);
    /* Equalised it is as well off as before it was spoilt. */
    ck_assert_double_gt(candidate(&r, "percentile_equalised"), candidate(&plain, "percentile") - 4);
    ck_assert_int_ge(r.same_answer, IMAGES * 97 / 100);
    weld_quantize_report_free(&plain);
    weld_quantize_report_free(&r);
    weld_model_free(m);
}
END_TEST

/* --- Methods and float layers ----------------------------------------------------------------- */

START_TEST(a_method_that_is_asked_for_is_the_only_one) {
    weld_quantize_options o = options();
    weld_quantize_report r;
    o.method = WELD_QUANTIZE_MINMAX;
    quantize_well(trained, "train.h5", &o, "int8.h5", &r);
    ck_assert_int_eq(r.method, WELD_QUANTIZE_MINMAX);
    ck_assert_ptr_null(strstr(r.json, "\"percentile\":"));
    weld_quantize_report_free(&r);
}
END_TEST

START_TEST(layers_that_are_named_stay_float) {
    static const char *const names[] = {"stem (features.0)", "head"};
    weld_quantize_options o = options();
    weld_quantize_report all, some;
    quantize_well(trained, "train.h5", &o, "int8.h5", &all);
    o.float_layers = names;
    o.float_count = 2;
    quantize_well(trained, "train.h5", &o, "mixed.h5", &some);
    ck_assert_int_eq(all.float_parts, 0);
    ck_assert_int_eq(some.float_parts, 2);
    ck_assert_str_eq(some.float_names, "features.0, classifier");
    weld_model *m = open_file("mixed.h5");
    weld_tensor stem, mixer;
    ck_assert(weld_model_is_int8(m));
    ck_assert(weld_weights_find(m->file.weights, "features.0.0.weight", &stem));
    ck_assert(weld_weights_find(m->file.weights, "features.1.channel_mixer.m.0.weight", &mixer));
    ck_assert_int_eq(stem.dtype, WELD_F32);
    ck_assert_int_eq(mixer.dtype, WELD_I8);
    weld_model_free(m);
    weld_quantize_report_free(&all);
    weld_quantize_report_free(&some);
}
END_TEST

START_TEST(a_float_layer_that_there_is_not_is_refused_with_those_there_are) {
    static const char *const names[] = {"features.0.0x"};
    weld_quantize_options o = options();
    o.float_layers = names;
    o.float_count = 1;
    ck_assert_int_eq(quantize(trained, "train.h5", &o, "none.h5", NULL), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "'features.0.0x'"));
    ck_assert_ptr_nonnull(strstr(err.message, "there are stem, head, features.0, features.1."));
    ck_assert(!is_there("none.h5"));
}
END_TEST

/* --- What may be lost ------------------------------------------------------------------------- */

START_TEST(a_drop_that_may_be_is_met_without_float_layers) {
    weld_quantize_options o = options();
    weld_quantize_report r;
    o.max_drop = 50;
    quantize_well(trained, "train.h5", &o, "int8.h5", &r);
    ck_assert_double_le(r.drop, 50);
    ck_assert_int_eq(r.float_parts, 0);
    ck_assert_str_eq(said, "");
    weld_quantize_report_free(&r);
}
END_TEST

START_TEST(a_drop_that_cannot_be_is_told_and_nothing_is_written) {
    weld_quantize_options o = options();
    o.max_drop = -60; /* it would have to gain */
    ck_assert_int_eq(quantize(trained, "train.h5", &o, "none.h5", NULL), WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "noisiest parts in float (") &&
                      strstr(err.message, "features.1.channel_mixer.m") &&
                      strstr(err.message, "calibrate on more images, train"),
                  "%s", err.message);
    ck_assert_ptr_nonnull(strstr(err.message, "nothing written"));
    ck_assert(!is_there("none.h5"));
}
END_TEST

/* One channel before the stem's GELU, which no scale goes through, a thousand times the others: the
 * codes of all have steps in which these vanish. */
static weld_model *deaf(void) {
    weld_model *m = open_file("merged.h5");
    weld_tensor rows, bias, columns;
    ck_assert(weld_weights_find(m->file.weights, "features.0.0.weight", &rows));
    ck_assert(weld_weights_find(m->file.weights, "features.0.0.bias", &bias));
    ck_assert(weld_weights_find(m->file.weights, "features.0.2.weight", &columns));
    const int64_t row = weld_shape_count(&rows.shape) / rows.shape.dim[0];
    for (int64_t i = 0; i < row; i++) {
        ((float *)rows.data)[i] *= 1000;
    }
    ((float *)bias.data)[0] *= 1000;
    const int64_t in = columns.shape.dim[1], taps = 9;
    for (int64_t i = 0; i < weld_shape_count(&columns.shape); i++) {
        ((float *)columns.data)[i] /= i / taps % in == 0 ? 1000 : 1;
    }
    return m;
}

START_TEST(the_noisiest_layers_become_float_until_a_drop_is_met) {
    weld_quantize_options o = options();
    weld_model *m = deaf();
    weld_quantize_report unbound, bound;
    quantize_well(m, "train.h5", &o, "int8.h5", &unbound);
    ck_assert_double_gt(unbound.drop, 5);
    ck_assert_str_eq(unbound.parts[0].name, "features.0");
    o.max_drop = 5;
    quantize_well(m, "train.h5", &o, "bound.h5", &bound);
    ck_assert_double_le(bound.drop, 5);
    ck_assert_int_eq(strstr(said, "a drop of 5 points is less than twice the error of") != NULL,
                     bound.drop_error > 2.5);
    ck_assert_int_gt(bound.float_parts, 0);
    ck_assert_ptr_nonnull(strstr(bound.float_names, "features.0"));
    ck_assert_double_gt(bound.sqnr, unbound.sqnr + 10);
    ck_assert_double_eq_tol(sum_of_shares(&bound), 1, 1e-6);
    weld_quantize_report_free(&unbound);
    weld_quantize_report_free(&bound);
    weld_model_free(m);
}
END_TEST

/* --- Images ----------------------------------------------------------------------------------- */

START_TEST(without_others_the_data_are_parted) {
    weld_quantize_options o = options();
    weld_quantize_report r;
    o.evaluate = NULL;
    o.images = 30;
    quantize_well(trained, "many.h5", &o, "int8.h5", &r);
    ck_assert_int_eq(r.images, 30);
    ck_assert_int_eq(r.chosen_by, 8);
    ck_assert_int_eq(r.evaluated, IMAGES - 38);
    ck_assert_str_eq(r.compared_on, "others");
    ck_assert(r.labelled);
    weld_quantize_report_free(&r);
}
END_TEST

/* Biases that are moved so that the outputs are right on these images alone would say 100 dB. */
START_TEST(the_noise_is_not_of_the_images_that_biases_were_found_on) {
    static const int images[] = {1, 5, 8};
    weld_quantize_options o = options();
    weld_quantize_report r;
    for (int i = 0; i < 3; i++) {
        o.images = images[i];
        quantize_well(trained, "train.h5", &o, "int8.h5", &r);
        ck_assert_int_eq(r.images, images[i]);
        ck_assert_int_eq(r.chosen_by, images[i] < 8 ? 0 : 2);
        ck_assert(images[i] >= 8 || !r.corrected);
        ck_assert_double_lt(r.sqnr, 50);
        weld_quantize_report_free(&r);
    }
}
END_TEST

/* The name of the nearest; how many there are, and of them with biases that were moved. */
static void nearest_of(const weld_quantize_report *r, char name[64], int *all, int *corrected) {
    json_t *json = json_loads(r->json, 0, NULL), *value;
    const char *key;
    double most = -INFINITY;
    *all = *corrected = 0;
    json_object_foreach(json_object_get(json, "candidates"), key, value) {
        *all += 1;
        *corrected += strstr(key, "_corrected") != NULL;
        if (json_number_value(value) > most) {
            most = json_number_value(value);
            snprintf(name, 64, "%s", key);
        }
    }
    json_decref(json);
}

START_TEST(each_way_is_listed_with_biases_as_they_are_and_corrected) {
    weld_quantize_options o = options();
    weld_quantize_report r;
    char name[64];
    int all, corrected;
    quantize_well(trained, "train.h5", &o, "int8.h5", &r);
    nearest_of(&r, name, &all, &corrected);
    ck_assert_int_eq(all, 8);
    ck_assert_int_eq(corrected, 4);
    ck_assert(r.corrected == (strstr(name, "_corrected") != NULL));
    ck_assert(r.equalised == (strstr(name, "_equalised") != NULL));
    ck_assert(candidate(&r, "minmax") != candidate(&r, "minmax_corrected"));
    weld_quantize_report_free(&r);
    o.images = 5; /* too few to tell whether it helps */
    quantize_well(trained, "train.h5", &o, "int8.h5", &r);
    nearest_of(&r, name, &all, &corrected);
    ck_assert_int_eq(all, 4);
    ck_assert_int_eq(corrected, 0);
    weld_quantize_report_free(&r);
}
END_TEST

static char stages[512]; /* in their order */

static void hear_stage(void *context, const char *stage, int64_t done, int64_t total) {
    (void)context;
    ck_assert_int_ge(done, 0);
    ck_assert_int_le(done, total);
    const size_t length = strlen(stages), own = strlen(stage);
    if (length < own + 1 || strncmp(stages + length - own - 1, stage, own) != 0) {
        weld_append(stages, sizeof stages, "%s;", stage);
    }
}

START_TEST(how_far_it_is_is_told_stage_by_stage) {
    weld_quantize_options o = options();
    o.progress = hear_stage;
    stages[0] = '\0';
    quantize_well(trained, "train.h5", &o, "int8.h5", NULL);
    ck_assert_str_eq(stages, "calibrating;trying ways;comparing;measuring layers;");
}
END_TEST

START_TEST(few_images_are_told_and_none_is_an_error) {
    weld_quantize_options o = options();
    o.images = 15;
    quantize_well(trained, "train.h5", &o, "int8.h5", NULL);
    ck_assert_ptr_nonnull(strstr(said, "15 images to calibrate on"));
    o.images = 16;
    quantize_well(trained, "train.h5", &o, "int8.h5", NULL);
    ck_assert_str_eq(said, "");
    o.images = 0;
    ck_assert_int_eq(quantize(trained, "train.h5", &o, "none.h5", NULL), WELD_ERROR_ARGUMENT);
    ck_assert(!is_there("none.h5"));
}
END_TEST

/* 40 images of noise about one grey, `different` of them: so many levels up and down. */
static void write_grey(const char *name, int different, int levels) {
    static const char *const names[] = {"ant", "bee", "cat", "dog"};
    const weld_packed_layout layout = {.height = SIDE, .width = SIDE, .channels = 3};
    weld_packed_writer *w;
    unsigned char pixels[SIDE * SIDE * 3];
    ck_assert_int_eq(weld_packed_writer_create(in_base(name), layout, names, 4, &w, &err), WELD_OK);
    for (int i = 0; i < 40; i++) {
        weld_random r = weld_random_start(9, 0, (uint64_t)(i % different), WELD_RANDOM_TEST);
        char image[32];
        for (size_t p = 0; p < sizeof pixels; p++) {
            const int noise = (int)weld_random_below(&r, (uint32_t)(2 * levels + 1)) - levels;
            pixels[p] = (unsigned char)(100 + noise);
        }
        snprintf(image, sizeof image, "%s/%d.png", names[i % 4], i);
        ck_assert_int_eq(weld_packed_writer_add(w, pixels, sizeof pixels, i % 4, image, &err),
                         WELD_OK);
    }
    ck_assert_int_eq(weld_packed_writer_finish(w, &err), WELD_OK);
    weld_packed_writer_free(w);
}

START_TEST(images_that_are_alike_are_told_as_few_are) {
    static const struct {
        int different, levels;
        const char *told;
    } cases[] = {{1, 0, "32 images to calibrate on are copies of 1:"},
                 {3, 60, "32 images to calibrate on are copies of 3:"},
                 {40, 3, "32 images to calibrate on are nearly all alike (2.0 of 255 levels"},
                 {40, 30, NULL}};
    for (int i = 0; i < 4; i++) {
        write_grey("grey.h5", cases[i].different, cases[i].levels);
        const weld_quantize_options o = options();
        quantize_well(trained, "grey.h5", &o, "int8.h5", NULL);
        ck_assert_msg(cases[i].told ? strstr(said, cases[i].told) != NULL : !*said, "%s", said);
    }
}
END_TEST

/* The data are opened twice, to calibrate and to compare on; here the second finds 13 of 160. */
START_TEST(images_that_went_away_meanwhile_are_an_error) {
    weld_quantize_options o = options();
    weld_quantize_data d = {.ds = NULL};
    o.evaluate = NULL;
    ck_assert(!weld_quantize_data_open(trained, in_base("many.h5"), &o, &d, &err));
    weld_model_data_close(&d.evaluation);
    ck_assert(!weld_model_data_open(trained, in_base("val.h5"), &d.evaluation, &err));
    ck_assert_int_eq(weld_model_quantize_on(trained, &d, &o, in_base("none.h5"), NULL, &err),
                     WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "images were added or taken away meanwhile"));
    ck_assert(!is_there("none.h5"));
    weld_quantize_data_close(&d);
}
END_TEST

/* --- Refused ---------------------------------------------------------------------------------- */

START_TEST(integers_are_not_quantised_again) {
    const weld_quantize_options o = options();
    quantize_well(trained, "train.h5", &o, "int8.h5", NULL);
    weld_model *m = open_file("int8.h5");
    ck_assert_int_eq(quantize(m, "train.h5", &o, "none.h5", NULL), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(
        strstr(err.message, "int8 already: quantise the file that it was made of"));
    weld_model_free(m);
}
END_TEST

START_TEST(a_method_that_there_is_not_is_refused) {
    weld_quantize_options o = options();
    o.method = (weld_quantize_method)4;
    ck_assert_int_eq(quantize(trained, "train.h5", &o, "none.h5", NULL), WELD_ERROR_ARGUMENT);
    ck_assert_str_eq(err.message, "method 4: there is none of this number");
    ck_assert(!is_there("none.h5"));
}
END_TEST

START_TEST(a_damaged_network_is_told_by_layer_and_image) {
    const weld_quantize_options o = options();
    weld_model *m = open_file("merged.h5");
    weld_tensor t;
    ck_assert(weld_weights_find(m->file.weights, "features.0.2.bias", &t));
    ((float *)t.data)[1] = NAN;
    ck_assert_int_eq(quantize(m, "train.h5", &o, "none.h5", NULL), WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "features.0.2") && strstr(err.message, ".png"), "%s",
                  err.message);
    ck_assert(!is_there("none.h5"));
    weld_model_free(m);
}
END_TEST

/* Without labels nothing but the quantised network's own outputs would have told. */
START_TEST(a_last_layer_that_is_not_finite_is_refused) {
    weld_quantize_options o = options();
    weld_model *m = open_file("merged.h5");
    weld_tensor t;
    ck_assert(weld_weights_find(m->file.weights, "classifier.classifier.weight", &t));
    const float was = ((float *)t.data)[1];
    ((float *)t.data)[1] = NAN;
    for (int method = 0; method < 2; method++) {
        o.method = method == 0 ? WELD_QUANTIZE_AUTO : WELD_QUANTIZE_MINMAX;
        ck_assert_int_eq(quantize(m, "train.h5", &o, "none.h5", NULL), WELD_ERROR_NUMERIC);
        ck_assert_msg(strstr(err.message, "finite"), "%s", err.message);
        ck_assert(!is_there("none.h5"));
    }
    ((float *)t.data)[1] = was;
    weld_model_free(m);
}
END_TEST

START_TEST(what_was_there_stays_where_it_fails) {
    weld_quantize_options o = options();
    size_t size;
    write_text(in_base("old.h5"), "old");
    o.max_drop = -60;
    ck_assert_int_ne(quantize(trained, "train.h5", &o, "old.h5", NULL), WELD_OK);
    unsigned char *bytes = test_read_file(in_base("old.h5"), &size);
    ck_assert_uint_eq(size, 3);
    free(bytes);
    o = options();
    ck_assert_int_eq(quantize(trained, "train.h5", &o, "no/folder.h5", NULL), WELD_ERROR_NOT_FOUND);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    weld_quantize_options o = options();
    weld_status status = WELD_ERROR_MEMORY;
    o.threads = 1;
    o.images = 16;
    o.evaluate = in_base("val.h5");
    for (long n = 1; status != WELD_OK; n += 1 + n / 6) {
        weld_quantize_report r = {.json = NULL};
        weld_memory_fail_after(n);
        status = quantize(trained, "train.h5", &o, "int8.h5", &r);
        weld_memory_fail_after(-1);
        ck_assert_msg(status == WELD_OK || status == WELD_ERROR_MEMORY, "%s", err.message);
        weld_quantize_report_free(&r);
    }
}
END_TEST

RUN_SUITE_BETWEEN("infer/quantize", train_once, forget, it_says_nearly_what_it_said,
                  shares_of_the_noise_are_of_every_part_and_sorted,
                  what_is_always_the_same_is_told_by_its_layer, the_file_does_not_depend_on_threads,
                  a_checkpoint_is_merged_first, channels_of_unlike_ranges_are_equalised,
                  a_method_that_is_asked_for_is_the_only_one, layers_that_are_named_stay_float,
                  a_float_layer_that_there_is_not_is_refused_with_those_there_are,
                  a_drop_that_may_be_is_met_without_float_layers,
                  a_drop_that_cannot_be_is_told_and_nothing_is_written,
                  the_noisiest_layers_become_float_until_a_drop_is_met,
                  without_others_the_data_are_parted,
                  the_noise_is_not_of_the_images_that_biases_were_found_on,
                  each_way_is_listed_with_biases_as_they_are_and_corrected,
                  how_far_it_is_is_told_stage_by_stage, few_images_are_told_and_none_is_an_error,
                  images_that_are_alike_are_told_as_few_are,
                  images_that_went_away_meanwhile_are_an_error, integers_are_not_quantised_again,
                  a_method_that_there_is_not_is_refused,
                  a_damaged_network_is_told_by_layer_and_image,
                  a_last_layer_that_is_not_finite_is_refused, what_was_there_stays_where_it_fails,
                  failing_allocations_are_errors_and_nothing_more)
