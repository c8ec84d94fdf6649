/* Reports as the data that their pages draw; the pages themselves are opened in tests/cli. */
#define _GNU_SOURCE
#include <math.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "report/parts.h"
#include "train/tiny_run.h"

static json_t *new_run(void) {
    return json_pack("{s:[]}", "notes");
}

static json_t *curves_by(const weld_task *task, const weld_recipe *recipe, const char *text,
                         int points) {
    json_t *r = new_run();
    write_text(in_base("metrics.jsonl"), text);
    ck_assert_int_eq(
        weld_report_add_curves(in_base("metrics.jsonl"), task, recipe, points, &r, &err), WELD_OK);
    return r;
}

static json_t *curves_for(const weld_task *task, const char *text, int points) {
    return curves_by(task, NULL, text, points);
}

static json_t *curves_of(const char *text, int points) {
    return curves_for(weld_tasks[0], text, points);
}

static double list_at(json_t *run_object, const char *list, size_t i) {
    json_t *steps = json_object_get(run_object, "steps");
    return json_number_value(json_array_get(json_object_get(steps, list), i));
}

static const char *note(json_t *run_object, size_t i) {
    const char *text = json_string_value(json_array_get(json_object_get(run_object, "notes"), i));
    return text ? text : "";
}

static void make_base(void) {
    tiny_folder = test_folder_create();
}

START_TEST(curves_of_few_updates_are_the_rows_themselves) {
    make_base();
    json_t *r = curves_of("{\"kind\":\"step\",\"epoch\":0,\"step\":1,\"loss\":2.5,\"lr\":0.1,"
                          "\"images_per_second\":100,\"data_seconds\":0.5,\"wait_seconds\":0.5,"
                          "\"forward_seconds\":1.5}\n"
                          "{\"kind\":\"step\",\"epoch\":0,\"step\":2,\"loss\":null,\"lr\":0.2}\n"
                          "{\"kind\":\"epoch\",\"epoch\":0,\"step\":2,\"train_loss\":2.5,"
                          "\"top1\":60,\"seconds\":7}\n"
                          "{\"kind\":\"epoch\",\"epoch\":1,\"step\":4,\"train_loss\":2.25,"
                          "\"top1\":50,\"seconds\":8}\n",
                          1000);
    ck_assert_double_eq(list_at(r, "step", 1), 2);
    ck_assert_double_eq(list_at(r, "loss", 0), 2.5);
    ck_assert(
        json_is_null(json_array_get(json_object_get(json_object_get(r, "steps"), "loss"), 1)));
    ck_assert_double_eq(list_at(r, "lr", 1), 0.2);
    ck_assert_double_eq(list_at(r, "speed", 0), 100);
    json_t *parts = json_object_get(json_object_get(r, "steps"), "parts");
    ck_assert_uint_eq(json_object_size(parts), 2); /* wait and forward */
    ck_assert_double_eq(json_number_value(json_array_get(json_object_get(parts, "forward"), 0)),
                        1.5);
    json_t *best = json_object_get(r, "best"), *last = json_object_get(r, "final");
    ck_assert_double_eq(json_number_value(json_object_get(best, "top1")), 60);
    ck_assert_double_eq(json_number_value(json_object_get(last, "top1")), 50);
    ck_assert_double_eq(json_number_value(json_object_get(r, "seconds")), 15);
    ck_assert_double_eq(json_number_value(json_object_get(r, "steps_per_epoch")), 2);
    ck_assert_str_eq(note(r, 0), "");
    json_decref(r);
    tear_down();
}
END_TEST

/* top-1 is best in the first epoch, its average in the second, the loss in the third. */
START_TEST(the_best_epoch_is_that_of_the_file_that_was_kept) {
    static const struct {
        int best_by, epoch;
        double score;
    } cases[] = {{WELD_RECIPE_BEST_WEIGHTS, 1, 60},
                 {WELD_RECIPE_BEST_EMA, 2, 58},
                 {WELD_RECIPE_BEST_LOSS, 3, 50}};
    make_base();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weld_recipe recipe = {.train.best = cases[i].best_by};
        json_t *r = curves_by(weld_tasks[0], &recipe,
                              "{\"kind\":\"epoch\",\"epoch\":0,\"step\":2,\"top1\":60,"
                              "\"ema_top1\":40,\"val_loss\":3}\n"
                              "{\"kind\":\"epoch\",\"epoch\":1,\"step\":4,\"top1\":55,"
                              "\"ema_top1\":58,\"val_loss\":2}\n"
                              "{\"kind\":\"epoch\",\"epoch\":2,\"step\":6,\"top1\":50,"
                              "\"ema_top1\":57,\"val_loss\":1}\n",
                              1000);
        const json_t *best = json_object_get(r, "best");
        ck_assert_int_eq(json_integer_value(json_object_get(best, "epoch")), cases[i].epoch);
        ck_assert_double_eq(json_number_value(json_object_get(best, "top1")), cases[i].score);
        json_decref(r);
    }
    tear_down();
}
END_TEST

/* The average is as good in both epochs, its loss smaller in the first, that of the weights in the
 * second. A log of old says nothing of the average but its first score. */
START_TEST(the_best_average_is_told_by_its_own_loss_and_scores) {
    const weld_recipe recipe = {.train.best = WELD_RECIPE_BEST_EMA};
    make_base();
    json_t *r = curves_by(weld_tasks[0], &recipe,
                          "{\"kind\":\"epoch\",\"epoch\":0,\"step\":2,\"val_loss\":3,\"top1\":60,"
                          "\"top5\":80,\"ema_val_loss\":1,\"ema_top1\":58,\"ema_top5\":90}\n"
                          "{\"kind\":\"epoch\",\"epoch\":1,\"step\":4,\"val_loss\":2,\"top1\":61,"
                          "\"top5\":81,\"ema_val_loss\":1.5,\"ema_top1\":58,\"ema_top5\":91}\n",
                          1000);
    const json_t *best = json_object_get(r, "best");
    ck_assert_int_eq(json_integer_value(json_object_get(best, "epoch")), 1);
    ck_assert_double_eq(json_number_value(json_object_get(best, "val_loss")), 1);
    ck_assert_double_eq(json_number_value(json_object_get(best, "top1")), 58);
    ck_assert_double_eq(json_number_value(json_object_get(best, "top5")), 90);
    json_decref(r);
    r = curves_by(weld_tasks[0], &recipe,
                  "{\"kind\":\"epoch\",\"epoch\":0,\"step\":2,\"val_loss\":3,\"top1\":60,"
                  "\"top5\":80,\"ema_top1\":58}\n"
                  "{\"kind\":\"epoch\",\"epoch\":1,\"step\":4,\"val_loss\":2,\"top1\":61,"
                  "\"top5\":81,\"ema_top1\":58}\n",
                  1000);
    best = json_object_get(r, "best");
    ck_assert_int_eq(json_integer_value(json_object_get(best, "epoch")), 2);
    ck_assert_double_eq(json_number_value(json_object_get(best, "top1")), 58);
    ck_assert(json_is_null(json_object_get(best, "top5")));
    json_decref(r);
    tear_down();
}
END_TEST

START_TEST(the_best_epoch_is_one_of_all_images_where_there_is_one) {
    static const int epochs[] = {2, 1};
    make_base();
    for (size_t i = 0; i < sizeof epochs / sizeof *epochs; i++) {
        weld_recipe recipe = {.train.best = i ? WELD_RECIPE_BEST_EMA : WELD_RECIPE_BEST_WEIGHTS};
        json_t *r = curves_by(weld_tasks[0], &recipe,
                              "{\"kind\":\"epoch\",\"epoch\":0,\"step\":2,\"val_images\":22,"
                              "\"top1\":60,\"ema_val_images\":24,\"ema_top1\":40}\n"
                              "{\"kind\":\"epoch\",\"epoch\":1,\"step\":4,\"val_images\":24,"
                              "\"top1\":55,\"ema_val_images\":23,\"ema_top1\":58}\n",
                              1000);
        const json_t *best = json_object_get(r, "best");
        ck_assert_int_eq(json_integer_value(json_object_get(best, "epoch")), epochs[i]);
        json_decref(r);
    }
    /* One image is lost for good: in the first evaluation without it nothing is compared. */
    json_t *r =
        curves_for(weld_tasks[0],
                   "{\"kind\":\"epoch\",\"epoch\":0,\"step\":2,\"val_images\":24,\"top1\":50}\n"
                   "{\"kind\":\"epoch\",\"epoch\":1,\"step\":4,\"val_images\":23,\"top1\":70}\n"
                   "{\"kind\":\"epoch\",\"epoch\":2,\"step\":6,\"val_images\":23,\"top1\":60}\n",
                   1000);
    const json_t *best = json_object_get(r, "best");
    ck_assert_int_eq(json_integer_value(json_object_get(best, "epoch")), 3);
    json_decref(r);
    tear_down();
}
END_TEST

START_TEST(what_is_counted_is_shown_as_shares_where_there_is_something) {
    make_base();
    json_t *r = curves_for(
        weld_task_find("detection"),
        "{\"kind\":\"epoch\",\"epoch\":0,\"step\":2,\"train_loss\":2,\"train_objects\":40,"
        "\"train_positives\":100,\"train_missed\":10}\n"
        "{\"kind\":\"epoch\",\"epoch\":1,\"step\":4,\"train_loss\":2,\"train_objects\":0,"
        "\"train_positives\":0,\"train_missed\":0}\n"
        "{\"kind\":\"epoch\",\"epoch\":2,\"step\":6,\"train_loss\":2}\n",
        1000);
    const json_t *epochs = json_object_get(r, "epochs"), *first = json_array_get(epochs, 0);
    ck_assert_double_eq(json_number_value(json_object_get(first, "missed")), 0.25);
    ck_assert_double_eq(json_number_value(json_object_get(first, "positives")), 2.5);
    ck_assert(json_is_null(json_object_get(json_array_get(epochs, 1), "missed")));
    ck_assert(json_is_null(json_object_get(json_array_get(epochs, 2), "missed")));
    json_decref(r);
    tear_down();
}
END_TEST

/* Losses 1, 2, 3, ...: whatever the bins, the mean of a bin that ends with step e is the mean of
 * its steps. */
START_TEST(many_updates_are_thinned_out_to_means_of_neighbours) {
    enum { ROWS = 5001 };
    make_base();
    char *text = calloc(ROWS, 100), *at = text;
    for (int i = 1; i <= ROWS; i++) {
        at += sprintf(at, "{\"kind\":\"step\",\"epoch\":0,\"step\":%d,\"loss\":%d,\"lr\":%d}\n", i,
                      i, i);
    }
    for (int points = 100; points <= 10000; points *= 10) {
        json_t *r = curves_of(text, points);
        const size_t count = json_array_size(json_object_get(json_object_get(r, "steps"), "step"));
        ck_assert_uint_le(count, (size_t)points);
        ck_assert_uint_gt(count, points < 1000 ? 50 : 400);
        double begin = 1;
        for (size_t i = 0; i < count; i++) {
            const double end = list_at(r, "step", i);
            ck_assert_double_eq(list_at(r, "loss", i), (begin + end) / 2);
            ck_assert_double_eq(list_at(r, "lr", i), end);
            begin = end + 1;
        }
        ck_assert_double_eq(begin, ROWS + 1);
        json_decref(r);
    }
    free(text);
    tear_down();
}
END_TEST

START_TEST(rows_that_cannot_be_read_are_counted_and_left_out) {
    make_base();
    json_t *r = curves_of("nonsense\n{\"kind\":\"step\",\"epoch\":0}\n[]\n"
                          "{\"kind\":\"step\",\"epoch\":0,\"step\":1,\"loss\":1}\n"
                          "{\"kind\":\"step\",\"epoch\":0,\"st",
                          1000);
    ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(r, "steps"), "step")), 1);
    ck_assert_ptr_nonnull(strstr(note(r, 0), "3 rows"));
    ck_assert_ptr_nonnull(strstr(note(r, 1), "middle of a row"));
    json_decref(r);
    tear_down();
}
END_TEST

static json_t *recipe_row(json_t *rows, const char *key) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (strcmp(json_string_value(json_object_get(row, "key")), key) == 0) {
            return row;
        }
    }
    ck_abort_msg("no row of %s", key);
}

static bool differs(json_t *rows, const char *key) {
    return json_is_true(json_object_get(recipe_row(rows, key), "differs"));
}

START_TEST(recipes_are_held_against_the_defaults_of_their_network) {
    weld_recipe *recipe = calloc(1, sizeof *recipe);
    bool found;
    set_up();
    json_t *r = new_run();
    ck_assert_int_eq(weld_report_add_recipe(in_base("tiny.yaml"), &r, recipe, &found, &err),
                     WELD_OK);
    ck_assert(found);
    json_t *rows = json_object_get(r, "recipe");
    ck_assert(differs(rows, "optimizer.lr"));
    ck_assert(differs(rows, "train.epochs"));
    ck_assert(!differs(rows, "optimizer.betas"));
    ck_assert(!differs(rows, "model.channels")); /* there is no other value */
    ck_assert_str_eq(
        json_string_value(json_object_get(recipe_row(rows, "train.epochs"), "default")), "300");
    json_decref(r);

    write_text(in_base("variant.yaml"), "model: {name: repvit_m0_9, num_classes: 10}\n"
                                        "data: {train: x}\n");
    r = new_run();
    ck_assert_int_eq(weld_report_add_recipe(in_base("variant.yaml"), &r, recipe, &found, &err),
                     WELD_OK);
    rows = json_object_get(r, "recipe");
    ck_assert(!differs(rows, "model.channels"));
    ck_assert(differs(rows, "model.num_classes"));
    json_decref(r);

    write_text(in_base("bad.yaml"), "train: {epochs: <many>}\n");
    r = new_run();
    ck_assert_int_eq(weld_report_add_recipe(in_base("bad.yaml"), &r, recipe, &found, &err),
                     WELD_OK);
    ck_assert(!found);
    ck_assert_ptr_nonnull(strstr(note(r, 0), "bad.yaml"));
    json_decref(r);
    free(recipe);
    tear_down();
}
END_TEST

static double count_of(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

/* Of a recipe with this model and images of this size; the caller's to release. */
static json_t *network_of(const char *model, int size, weld_report_options options) {
    char text[256];
    weld_recipe *recipe = calloc(1, sizeof *recipe);
    snprintf(text, sizeof text, "model: {%s}\ndata: {train: x, input_size: %d}\n", model, size);
    ck_assert_int_eq(weld_recipe_parse("text", text, strlen(text), NULL, 0, recipe, &err), WELD_OK);
    json_t *r = new_run();
    ck_assert_int_eq(weld_report_add_network(recipe, &options, &r, &err), WELD_OK);
    free(recipe);
    return r;
}

/* RepViT-M0.9 as published, with one head. Merging takes batch norms and branches away. */
START_TEST(networks_are_counted_as_they_are_trained_and_as_they_are_deployed) {
    json_t *r = network_of("name: repvit_m0_9, num_classes: 1000", 224, (weld_report_options){0});
    const json_t *merged = json_object_get(r, "merged");
    ck_assert_double_eq(count_of(r, "parameters"), 5103560);
    ck_assert_double_eq(round(count_of(r, "macs") / 1e5), 8169);
    ck_assert_double_lt(count_of(merged, "parameters"), 5103560);
    ck_assert_double_gt(count_of(merged, "parameters"), 5e6);
    ck_assert_double_lt(count_of(merged, "macs"), count_of(r, "macs"));
    ck_assert_ptr_null(json_object_get(r, "latency"));
    json_decref(r);
}
END_TEST

START_TEST(latency_is_measured_where_it_is_asked_for) {
    json_t *r = network_of("name: repvit, channels: [8], depths: [1], stem_stride: 4, "
                           "num_classes: 2",
                           32, (weld_report_options){.latency = true, .threads = 1});
    const json_t *latency = json_object_get(r, "latency");
    ck_assert_double_gt(count_of(latency, "milliseconds"), 0);
    ck_assert_double_eq(count_of(latency, "threads"), 1);
    const json_t *quiet = json_object_get(latency, "quiet");
    ck_assert(json_is_boolean(quiet) || json_is_null(quiet));
    ck_assert_str_eq(note(r, 0), "");
    json_decref(r);
}
END_TEST

START_TEST(a_network_of_unknown_classes_is_neither_counted_nor_timed) {
    json_t *r = network_of("name: repvit_m0_9", 224, (weld_report_options){.latency = true});
    ck_assert_ptr_null(json_object_get(r, "parameters"));
    ck_assert_ptr_null(json_object_get(r, "latency"));
    json_decref(r);
}
END_TEST

START_TEST(of_a_network_that_cannot_be_built_it_is_said_why) {
    json_t *r = network_of("name: cmt_ti, num_classes: 2", 40, (weld_report_options){0});
    ck_assert_ptr_null(json_object_get(r, "parameters"));
    ck_assert_ptr_nonnull(strstr(note(r, 0), "40 x 40"));
    json_decref(r);
}
END_TEST

static json_t *evaluation_for(const char *task, const char *text) {
    json_t *r = new_run();
    static weld_recipe recipe;
    weld_recipe_defaults(&recipe);
    snprintf(recipe.data.val, sizeof recipe.data.val, "%s", in_base("val.h5"));
    write_text(in_base("evaluation.json"), text);
    ck_assert_int_eq(weld_report_add_evaluation(in_base("evaluation.json"), weld_task_find(task),
                                                &recipe, 100, 10, &r, &err),
                     WELD_OK);
    return r;
}

static json_t *evaluation_of(const char *text) {
    return evaluation_for("classification", text);
}

#define TWO_CLASSES "\"classes\":[{\"name\":\"a\",\"recall\":90},{\"name\":\"b\",\"recall\":10}]"

START_TEST(evaluations_that_make_no_sense_are_left_out_with_the_reason) {
    static const char *const texts[] = {
        "",
        "[]",
        "{\"classes\":[]}",
        "{" TWO_CLASSES "}",
        "{\"data\":\"x\"," TWO_CLASSES ",\"calibration\":[],\"worst\":[],\"confusion\":[[0,2,1]]}",
        "{\"data\":\"x\"," TWO_CLASSES ",\"calibration\":[],\"worst\":[],\"confusion\":[[0,-1,1]]}",
        "{\"data\":\"x\"," TWO_CLASSES ",\"calibration\":[],\"worst\":[],\"confusion\":[0,1,1]}",
        "{\"data\":\"x\"," TWO_CLASSES ",\"calibration\":[],\"confusion\":[],"
        "\"worst\":[{\"image\":\"i\",\"label\":5,\"predicted\":0}]}",
        "{\"data\":\"x\"," TWO_CLASSES ",\"calibration\":[],\"confusion\":[],"
        "\"worst\":[{\"image\":7,\"label\":0,\"predicted\":0}]}"};
    set_up();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *r = evaluation_of(texts[i]);
        ck_assert_msg(!json_object_get(r, "evaluation"), "taken: %s", texts[i]);
        ck_assert_msg(*note(r, 0), "no note: %s", texts[i]);
        json_decref(r);
    }
    tear_down();
}
END_TEST

#define TWO_FOUND                                                                                  \
    "{\"data\":\"x\",\"classes\":[{\"name\":\"a\",\"objects\":2,\"AP\":0.5,\"curve\":[1,0]},"      \
    "{\"name\":\"b\",\"objects\":0,\"AP\":null,\"curve\":[null]},"                                 \
    "{\"name\":\"c\",\"objects\":1,\"AP\":0.25,\"curve\":[0,0]}],\"curve\":[0.5,0],"

/* What the page has cards by. */
static const json_t *view_of(const json_t *evaluation) {
    const json_t *view = json_object_get(evaluation, "view");
    ck_assert_ptr_nonnull(view);
    return view;
}

START_TEST(of_a_detector_each_class_what_is_nothing_and_mistakes_are_shown) {
    set_up();
    json_t *r = evaluation_for("detection", TWO_FOUND
                               "\"confusion\":{\"cells\":[[0,3,1],[3,2,1]]},\"worst\":["
                               "{\"image\":\"i\",\"mistakes\":2,\"found\":[[2,0.5,1,1,3,3]]}]}");
    const json_t *e = json_object_get(r, "evaluation"), *rows = json_object_get(e, "rows");
    static const int order[] = {2, 0, 1};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(json_integer_value(json_array_get(json_array_get(rows, i), 0)), order[i]);
    }
    ck_assert_str_eq(json_string_value(json_object_get(view_of(e), "none")), "nothing");
    ck_assert_uint_eq(json_array_size(json_object_get(e, "curves")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(e, "confused")), 2);
    const json_t *worst = json_array_get(json_object_get(e, "worst"), 0);
    ck_assert_double_eq(count_of(worst, "mistakes"), 2);
    json_decref(r);
    static const char *const senseless[] = {
        "\"confusion\":{\"cells\":[[0,4,1]]},\"worst\":[]}",
        ("\"confusion\":{\"cells\":[]},\"worst\":[{\"image\":\"i\",\"mistakes\":1,\"found\":"
         "[[3,0.5,1,1,3,3]]}]}"),
        "\"confusion\":{\"cells\":[]},\"worst\":[{\"image\":\"i\",\"found\":[]}]}"};
    for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++) {
        char text[1000];
        snprintf(text, sizeof text, "%s%s", TWO_FOUND, senseless[i]);
        r = evaluation_for("detection", text);
        ck_assert_msg(!json_object_get(r, "evaluation"), "taken: %s", senseless[i]);
        ck_assert_msg(*note(r, 0), "no note: %s", senseless[i]);
        json_decref(r);
    }
    tear_down();
}
END_TEST

/* The data set that the file names is gone: the recipe's is taken. */
START_TEST(the_worst_images_come_with_pictures_where_the_data_are) {
    set_up();
    json_t *r = evaluation_of("{\"data\":\"/nonexistent\"," TWO_CLASSES
                              ",\"calibration\":[],\"confusion\":[[1,0,9]],"
                              "\"worst\":[{\"image\":\"bee/001.png\",\"label\":1,\"predicted\":0},"
                              "{\"image\":\"never/there.png\",\"label\":1,\"predicted\":0}]}");
    json_t *e = json_object_get(r, "evaluation"), *worst = json_object_get(e, "worst");
    ck_assert_ptr_nonnull(json_object_get(view_of(e), "class_title"));
    ck_assert_ptr_null(json_object_get(view_of(e), "none"));
    const char *url = json_string_value(json_object_get(json_array_get(worst, 0), "picture"));
    ck_assert_ptr_nonnull(url);
    ck_assert_int_eq(strncmp(url, "data:image/jpeg;base64,/9j/", 27), 0);
    ck_assert_uint_eq(strlen(url + 23) % 4, 0);
    ck_assert_ptr_null(json_object_get(json_array_get(worst, 1), "picture"));
    json_t *lowest = json_array_get(json_array_get(json_object_get(e, "rows"), 0), 0);
    ck_assert_int_eq(json_integer_value(lowest), 1);
    json_decref(r);
    tear_down();
}
END_TEST

START_TEST(of_the_worst_images_it_is_shown_where_the_answer_came_from) {
    set_up();
    run_well((run_options){.out = "a", .set = {"train.epochs=1"}});
    const char *runs[] = {in_base("a")};
    const weld_report_options options = {.threads = 1};
    json_t *report;
    ck_assert_int_eq(weld_report_collect(runs, 1, &options, &report, &err), WELD_OK);
    json_t *run = json_array_get(json_object_get(report, "runs"), 0);
    json_t *worst = json_object_get(json_object_get(run, "evaluation"), "worst");
    ck_assert_uint_gt(json_array_size(worst), 0);
    for (size_t i = 0; i < json_array_size(worst); i++) {
        const char *image = json_string_value(json_object_get(json_array_get(worst, i), "picture"));
        const char *why = json_string_value(json_object_get(json_array_get(worst, i), "explained"));
        ck_assert_ptr_nonnull(why);
        ck_assert_int_eq(strncmp(why, "data:image/jpeg;base64,/9j/", 27), 0);
        ck_assert_str_ne(why, image);
    }
    json_decref(report);
    tear_down();
}
END_TEST

/* Without when it was made; written before where there is a run. */
static char *page_of(const char *run, const char *page) {
    ck_assert_int_eq(run ? weld_report_write(&run, 1, page, &err) : WELD_OK, WELD_OK);
    char *text = read_text(page), *made = strstr(text, "\"made\":\"");
    ck_assert_ptr_nonnull(made);
    memset(made, ' ', strlen("\"made\":\"2026-01-01 00:00\""));
    return text;
}

START_TEST(a_lack_of_memory_is_an_error_and_leaves_the_old_page) {
    set_up();
    run_well((run_options){.out = "a", .set = {"train.epochs=1"}});
    const char *runs[] = {in_base("a")};
    char page[256];
    snprintf(page, sizeof page, "%s", in_base("page.html"));
    char *whole = page_of(runs[0], page);
    write_text(page, "old");
    bool done = false;
    for (long successes = 0; !done; successes += 1 + successes / 8) {
        weld_memory_fail_after(successes);
        weld_status status = weld_report_write(runs, 1, page, &err);
        weld_memory_fail_after(-1);
        done = status == WELD_OK;
        if (!done) {
            ck_assert_int_eq(status, WELD_ERROR_MEMORY);
            char *text = read_text(page);
            ck_assert_str_eq(text, "old");
            free(text);
        }
    }
    char *text = page_of(NULL, page);
    ck_assert_str_eq(text, whole);
    free(text);
    free(whole);
    tear_down();
}
END_TEST

RUN_SUITE("report/report", the_best_epoch_is_that_of_the_file_that_was_kept,
          the_best_average_is_told_by_its_own_loss_and_scores,
          the_best_epoch_is_one_of_all_images_where_there_is_one,
          curves_of_few_updates_are_the_rows_themselves,
          what_is_counted_is_shown_as_shares_where_there_is_something,
          many_updates_are_thinned_out_to_means_of_neighbours,
          rows_that_cannot_be_read_are_counted_and_left_out,
          recipes_are_held_against_the_defaults_of_their_network,
          networks_are_counted_as_they_are_trained_and_as_they_are_deployed,
          latency_is_measured_where_it_is_asked_for,
          a_network_of_unknown_classes_is_neither_counted_nor_timed,
          of_a_network_that_cannot_be_built_it_is_said_why,
          evaluations_that_make_no_sense_are_left_out_with_the_reason,
          of_a_detector_each_class_what_is_nothing_and_mistakes_are_shown,
          the_worst_images_come_with_pictures_where_the_data_are,
          of_the_worst_images_it_is_shown_where_the_answer_came_from,
          a_lack_of_memory_is_an_error_and_leaves_the_old_page)
