/* Details of evaluations, by hand and beside an independent computation. */
#include <jansson.h>

#include "base/memory.h"
#include "infer/colours.h"
#include "suite.h"
#include "tasks/classification/classification.h"
#include "tasks/classification/evaluation_details.h"

static const double tolerance = 1e-12;

static weld_image_score score(int label, int predicted, double probability, double loss) {
    return (weld_image_score){.label = label,
                              .predicted = predicted,
                              .rank = label != predicted,
                              .probability = probability,
                              .loss = loss};
}

static void count(weld_evaluation_details *d, int64_t index, weld_image_score s) {
    ck_assert_int_eq(weld_evaluation_details_add(d, index, &s, NULL), WELD_OK);
}

START_TEST(classes_and_confusion_are_those_counted_by_hand) {
    weld_evaluation_details d = {0};
    ck_assert_int_eq(weld_evaluation_details_begin(&d, 4, NULL), WELD_OK);
    count(&d, 0, score(2, 2, 0.9, 0.1));
    count(&d, 1, score(0, 2, 0.8, 3));
    count(&d, 2, score(0, 0, 0.7, 0.4));
    count(&d, 3, score(2, 2, 0.6, 0.5));
    count(&d, 4, score(1, 0, 0.5, 2));
    weld_evaluation_details_finish(&d);
    static const weld_confusion_cell want[] = {{0, 0, 1}, {0, 2, 1}, {1, 0, 1}, {2, 2, 2}};
    ck_assert_uint_eq(d.confusion.cells.count, 4);
    ck_assert_mem_eq(d.confusion.cells.data, want, sizeof want);
    ck_assert_double_eq_tol(weld_evaluation_recall(&d, 0), 50, tolerance);
    ck_assert_double_eq_tol(weld_evaluation_precision(&d, 0), 50, tolerance);
    ck_assert_double_eq(weld_evaluation_recall(&d, 1), 0);
    ck_assert(isnan(weld_evaluation_precision(&d, 1))); /* never predicted */
    ck_assert_double_eq_tol(weld_evaluation_precision(&d, 2), 200.0 / 3, tolerance);
    ck_assert(isnan(weld_evaluation_recall(&d, 3))); /* has no image */
    weld_evaluation_details_free(&d);
}
END_TEST

START_TEST(bins_of_calibration_hold_their_upper_edge) {
    weld_evaluation_details d = {0};
    ck_assert_int_eq(weld_evaluation_details_begin(&d, 2, NULL), WELD_OK);
    ck_assert_double_eq(weld_evaluation_calibration_error(&d), 0);
    count(&d, 0, score(0, 0, 1.0, 0));
    count(&d, 1, score(0, 1, 0.6, 0));
    count(&d, 2, score(0, 0, nextafter(0.6, 1), 0));
    count(&d, 3, score(1, 1, 0.8, 0));
    ck_assert_int_eq(d.bins[14].images, 1);
    ck_assert_int_eq(d.bins[8].images, 1);
    ck_assert_int_eq(d.bins[9].images, 1);
    ck_assert_int_eq(d.bins[11].images, 1);
    ck_assert_double_eq_tol(weld_evaluation_calibration_error(&d), 100 * (0 + 0.6 + 0.4 + 0.2) / 4,
                            1e-9);
    ck_assert_double_eq(weld_evaluation_accuracy(&d.bins[8]), 0);
    ck_assert_double_eq(weld_evaluation_confidence(&d.bins[11]), 0.8);
    ck_assert(isnan(weld_evaluation_accuracy(&d.bins[0])));
    weld_evaluation_details_free(&d);
}
END_TEST

START_TEST(the_worst_images_come_by_loss_and_equal_ones_by_index) {
    weld_evaluation_details d = {0};
    ck_assert_int_eq(weld_evaluation_details_begin(&d, 2, NULL), WELD_OK);
    for (int i = 0; i < 1000; i++) { /* losses 0..99, ten times each */
        count(&d, i, score(0, 1, 0.5, i * 37 % 100));
    }
    ck_assert_int_eq(d.worst_count, WELD_WORST_IMAGES);
    for (int i = 0; i < d.worst_count; i++) {
        ck_assert_double_eq(d.worst[i].score.loss, 99 - i / 10);
        ck_assert(i % 10 == 0 || d.worst[i - 1].index < d.worst[i].index);
    }
    weld_evaluation_details_free(&d);
}
END_TEST

START_TEST(memory_that_is_short_is_an_error) {
    weld_evaluation_details d = {0};
    weld_image_score s = score(0, 0, 1, 0);
    for (long i = 0; i < 3; i++) {
        weld_memory_fail_after(i);
        ck_assert_int_eq(weld_evaluation_details_begin(&d, 4, NULL), WELD_ERROR_MEMORY);
        ck_assert_ptr_null(d.labelled);
    }
    weld_memory_fail_after(3);
    ck_assert_int_eq(weld_evaluation_details_begin(&d, 4, NULL), WELD_OK);
    ck_assert_int_eq(weld_evaluation_details_add(&d, 0, &s, NULL), WELD_ERROR_MEMORY);
    weld_memory_fail_after(-1);
    ck_assert_int_eq(d.scores.images, 0);
    weld_evaluation_details_free(&d);
}
END_TEST

/* --- Beside NumPy --- */

static const void *numpy(const weld_weights *fixture, const char *name, const char *key,
                         int64_t *rows) {
    char full[64];
    snprintf(full, sizeof full, "%s/%s", name, key);
    weld_tensor t = fixture_tensor(fixture, "", full);
    *rows = t.shape.dim[0];
    return t.data;
}

/* Equal to rounding of `want` to float, or both not a number. */
static void check_near(double got, float want) {
    ck_assert_msg(isnan(want) ? isnan(got) : fabs(got - (double)want) <= 1e-6 * fabs((double)want),
                  "%.17g, NumPy has %.9g", got, (double)want);
}

static void check_details(const weld_weights *fixture, const char *name,
                          const weld_evaluation_details *d) {
    int64_t count;
    const int64_t *confusion = numpy(fixture, name, "confusion", &count);
    const weld_confusion_cell *cells = d->confusion.cells.data;
    const float *recall = numpy(fixture, name, "recall", &count);
    const float *precision = numpy(fixture, name, "precision", &count);
    size_t at = 0;
    for (int c = 0; c < d->classes; c++) {
        check_near(weld_evaluation_recall(d, c), recall[c]);
        check_near(weld_evaluation_precision(d, c), precision[c]);
        for (int p = 0; p < d->classes; p++) {
            bool here =
                at < d->confusion.cells.count && cells[at].truth == c && cells[at].predicted == p;
            ck_assert_int_eq(here ? cells[at].count : 0, confusion[c * d->classes + p]);
            at += here;
        }
    }
    ck_assert_uint_eq(at, d->confusion.cells.count);
    const float *bins = numpy(fixture, name, "bins", &count);
    for (int i = 0; i < WELD_CALIBRATION_BINS; i++) {
        ck_assert_int_eq(d->bins[i].images, (int64_t)bins[3 * i]);
        check_near(weld_evaluation_confidence(&d->bins[i]), bins[3 * i + 1]);
        check_near(weld_evaluation_accuracy(&d->bins[i]), bins[3 * i + 2]);
    }
    const int64_t *worst = numpy(fixture, name, "worst", &count);
    const float *loss = numpy(fixture, name, "worst_loss", &count);
    ck_assert_int_eq(d->worst_count, count);
    for (int i = 0; i < count; i++) {
        /* Of losses that are equal but for rounding the order is a matter of chance, and of the
         * last ones which they are. */
        bool alone = i + 1 < count && loss[i + 1] < loss[i] && (i == 0 || loss[i - 1] > loss[i]);
        ck_assert(!alone || d->worst[i].index == worst[i]);
        check_near(d->worst[i].score.loss, loss[i]);
        check_near(exp(-d->worst[i].score.loss), (float)d->worst[i].score.label_probability);
    }
}

START_TEST(all_details_are_those_of_numpy) {
    weld_weights *fixture = fixture_load("evaluation.fixture");
    static const char *const names[] = {"few", "many"};
    for (int k = 0; k < 2; k++) {
        int64_t images, rows;
        weld_tensor t = fixture_tensor(fixture, names[k], "/logits");
        const float *logits = t.data, *scores = numpy(fixture, names[k], "scores", &rows);
        const int64_t *labels = numpy(fixture, names[k], "labels", &images);
        int classes = (int)t.shape.dim[1];
        weld_evaluation_details d = {0};
        weld_scores s = {0};
        ck_assert_int_eq(weld_evaluation_details_begin(&d, classes, NULL), WELD_OK);
        for (int64_t i = 0; i < images; i++) {
            weld_image_score score =
                weld_image_score_of(logits + i * classes, classes, (int32_t)labels[i]);
            weld_scores_count(&s, &score);
            count(&d, i, score);
        }
        weld_evaluation_details_finish(&d);
        check_near(weld_scores_top1(&s), scores[0]);
        check_near(weld_scores_top5(&s), scores[1]);
        check_near(weld_scores_loss(&s), scores[2]);
        check_near(weld_evaluation_calibration_error(&d), scores[3]);
        check_details(fixture, names[k], &d);
        weld_evaluation_details_free(&d);
    }
    weld_weights_free(fixture);
}
END_TEST

/* --- Files, of the colours that can be counted by hand --- */

typedef struct evaluated {
    test_folder data, folder;
    weld_dataset *ds;
    weld_model *model;
    weld_evaluator *evaluator;
    weld_evaluation result;
} evaluated;

static void evaluate(evaluated *e, int64_t batch, int threads) {
    weld_evaluator_options options = {.batch_size = batch, .threads = threads};
    weld_error err;
    weld_status status = weld_evaluator_create(
        &weld_task_classification, weld_model_graph(e->model), weld_model_weights(e->model),
        weld_model_get_preprocessing(e->model), e->ds, &options, &e->evaluator, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    ck_assert_int_eq(weld_evaluator_run(e->evaluator, &e->result, NULL), WELD_OK);
}

static evaluated evaluate_colours(int64_t batch, int threads) {
    evaluated e = {.data = colours_folder(), .folder = test_folder_create()};
    e.ds = colours_dataset(&e.data);
    e.model = colours_open(&e.folder, 5);
    evaluate(&e, batch, threads);
    return e;
}

static void release(evaluated *e) {
    weld_evaluator_free(e->evaluator);
    weld_model_free(e->model);
    weld_dataset_free(e->ds);
    test_folder_remove(e->folder);
    test_folder_remove(e->data);
}

static weld_status write_json(const evaluated *e, const char *path, weld_error *err) {
    return weld_evaluator_write(e->evaluator, path, err);
}

START_TEST(evaluation_json_has_what_it_promises) {
    evaluated e = evaluate_colours(4, 2);
    const char *path = test_path(&e.folder, "evaluation.json");
    ck_assert_int_eq(write_json(&e, path, NULL), WELD_OK);
    json_error_t problem;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &problem);
    ck_assert_msg(root != NULL, "line %d: %s", problem.line, problem.text);
    const char *data, *name, *image;
    int images, skipped, label, predicted;
    double top1, top5, loss, error, recall, precision, p, q, first;
    json_t *calibration, *confusion, *worst;
    ck_assert_int_eq(
        json_unpack_ex(root, &problem, JSON_STRICT,
                       "{s:s, s:i, s:i, s:F, s:F, s:F, s:F, s:o, s:[{s:s, s:i, s:F, s:F} *], s:o, "
                       "s:o}",
                       "data", &data, "images", &images, "skipped", &skipped, "top1", &top1, "top5",
                       &top5, "loss", &loss, "calibration_error", &error, "calibration",
                       &calibration, "classes", "name", &name, "images", &label, "recall", &recall,
                       "precision", &precision, "confusion", &confusion, "worst", &worst),
        0);
    ck_assert_str_eq(data, e.data.path);
    ck_assert_int_eq(images, 7);
    ck_assert_int_eq(skipped, 0);
    ck_assert_double_eq(top1, e.result.scores[WELD_TOP1]);
    ck_assert_double_eq(loss, e.result.loss);
    ck_assert_double_eq(error, e.result.scores[WELD_CALIBRATION_ERROR]);
    ck_assert_str_eq(name, "blue");
    ck_assert_double_eq_tol(recall, 200.0 / 3, 1e-9);
    ck_assert_double_eq_tol(precision, 200.0 / 3, 1e-9);
    ck_assert_uint_eq(json_array_size(calibration), 15);
    char *cells = json_dumps(confusion, JSON_COMPACT);
    ck_assert_str_eq(cells, "[[0,0,2],[0,2,1],[1,0,1],[1,1,1],[2,2,2]]");
    free(cells);
    ck_assert_uint_eq(json_array_size(worst), 7);
    ck_assert_int_eq(json_unpack_ex(json_array_get(worst, 0), &problem, JSON_STRICT,
                                    "{s:s, s:i, s:i, s:F, s:F, s:F}", "image", &image, "label",
                                    &label, "predicted", &predicted, "probability", &p,
                                    "label_probability", &q, "loss", &first),
                     0);
    ck_assert(label != predicted);
    ck_assert_double_eq_tol(first, -log(q), 1e-9);
    ck_assert_double_gt(p, q);
    ck_assert(strcmp(image, "blue/c.jpg") == 0 || strcmp(image, "green/b.jpg") == 0);
    json_decref(root);
    release(&e);
}
END_TEST

START_TEST(evaluation_json_depends_on_neither_batch_size_nor_threads) {
    evaluated e = evaluate_colours(7, 1);
    char first[PATH_MAX];
    snprintf(first, sizeof first, "%s", test_path(&e.folder, "first.json"));
    ck_assert_int_eq(write_json(&e, first, NULL), WELD_OK);
    for (int batch = 1; batch < 7; batch += 2) {
        weld_evaluator_free(e.evaluator);
        evaluate(&e, batch, 3);
        const char *other = test_path(&e.folder, "other.json");
        ck_assert_int_eq(write_json(&e, other, NULL), WELD_OK);
        size_t size[2];
        unsigned char *bytes[2] = {test_read_file(first, &size[0]),
                                   test_read_file(other, &size[1])};
        ck_assert_uint_eq(size[0], size[1]);
        ck_assert_mem_eq(bytes[0], bytes[1], size[0]);
        free(bytes[0]);
        free(bytes[1]);
    }
    release(&e);
}
END_TEST

START_TEST(names_with_commas_and_quotes_are_quoted_in_csv) {
    test_folder data = test_folder_create(), folder = test_folder_create();
    colours_put(&data, "a, \"b\"", "1.jpg", 0, 0, 255);
    colours_put(&data, "plain", "1.jpg", 0, 255, 0);
    colours_put(&data, "plain", "2.jpg", 0, 255, 0);
    weld_dataset *ds = colours_dataset(&data);
    weld_evaluation_details d = {0};
    ck_assert_int_eq(weld_evaluation_details_begin(&d, 2, NULL), WELD_OK);
    count(&d, 0, score(0, 1, 0.5, 1));
    count(&d, 1, score(1, 1, 0.5, 1));
    count(&d, 2, score(1, 1, 0.5, 1));
    weld_evaluation_details_finish(&d);
    const char *path = test_path(&folder, "confusion.csv");
    ck_assert_int_eq(weld_class_write_confusion(path, &d, ds, NULL), WELD_OK);
    const char *want = "class,\"a, \"\"b\"\"\",plain\r\n\"a, \"\"b\"\"\",0,1\r\nplain,0,2\r\n";
    size_t size;
    unsigned char *got = test_read_file(path, &size);
    ck_assert_uint_eq(size, strlen(want));
    ck_assert_mem_eq(got, want, size);
    free(got);
    weld_error err;
    ck_assert_int_eq(weld_class_write_confusion(test_path(&folder, "no/x.csv"), &d, ds, &err),
                     WELD_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "no/x.csv"));
    weld_evaluation_details_free(&d);
    weld_dataset_free(ds);
    test_folder_remove(data);
    test_folder_remove(folder);
}
END_TEST

/* As several processes would do it, each with its images, and one that counts. */
START_TEST(records_made_apart_and_counted_in_order_are_one_evaluation) {
    enum { IMAGES = 12, PARTS = 3 };
    const weld_task *task = &weld_task_classification;
    test_folder data = colours_folder();
    weld_dataset *ds = colours_dataset(&data);
    float logits[IMAGES][3];
    weld_tensor outputs = {WELD_F32, WELD_SHAPE(IMAGES, 3), logits};
    weld_array record = {.element = 1}, parts[PARTS];
    size_t ends[IMAGES];
    void *whole = NULL, *apart = NULL;
    ck_assert_int_eq(task->tally_create(ds, &outputs, &whole, NULL), WELD_OK);
    ck_assert_int_eq(task->tally_create(ds, &outputs, &apart, NULL), WELD_OK);
    ck_assert(!task->tally_clear(whole, NULL) && !task->tally_clear(apart, NULL));
    for (int i = 0; i < IMAGES; i++) {
        int32_t label = i % 3;
        weld_array said[IMAGES];
        said[i] = (weld_array){&label, 1, 1, sizeof label};
        const weld_batch batch = {.annotations = said};
        weld_array *part = &parts[i / (IMAGES / PARTS)];
        if (i % (IMAGES / PARTS) == 0) {
            *part = (weld_array){.element = 1};
        }
        for (int c = 0; c < 3; c++) {
            logits[i][c] = (float)((i * 7 + c * 5) % 11);
        }
        record.count = 0;
        ck_assert_int_eq(task->measure(whole, &outputs, i, &batch, &record, NULL), WELD_OK);
        ck_assert(weld_array_append(part, record.data, record.count));
        ends[i] = part->count;
        ck_assert_int_eq(task->count(whole, i, record.data, record.count, NULL), WELD_OK);
    }
    for (int i = 0; i < IMAGES; i++) {
        const size_t begin = i % (IMAGES / PARTS) ? ends[i - 1] : 0;
        const char *bytes = parts[i / (IMAGES / PARTS)].data;
        ck_assert_int_eq(task->count(apart, i, bytes + begin, ends[i] - begin, NULL), WELD_OK);
    }
    weld_evaluation a = {.images = IMAGES}, b = a;
    weld_text x = WELD_TEXT, y = WELD_TEXT;
    task->finish(whole, &a);
    task->finish(apart, &b);
    task->write_details(whole, ds, &x);
    task->write_details(apart, ds, &y);
    ck_assert_mem_eq(&a, &b, sizeof a);
    ck_assert_str_eq(weld_text_get(&x), weld_text_get(&y));
    for (int i = 0; i < PARTS; i++) {
        weld_array_free(&parts[i]);
    }
    weld_array_free(&record);
    weld_text_free(&x);
    weld_text_free(&y);
    task->tally_free(whole);
    task->tally_free(apart);
    weld_dataset_free(ds);
    test_folder_remove(data);
}
END_TEST

RUN_SUITE("tasks/evaluation_details", classes_and_confusion_are_those_counted_by_hand,
          bins_of_calibration_hold_their_upper_edge,
          the_worst_images_come_by_loss_and_equal_ones_by_index,
          records_made_apart_and_counted_in_order_are_one_evaluation,
          memory_that_is_short_is_an_error, all_details_are_those_of_numpy,
          evaluation_json_has_what_it_promises,
          evaluation_json_depends_on_neither_batch_size_nor_threads,
          names_with_commas_and_quotes_are_quoted_in_csv)
