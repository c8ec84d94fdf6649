/* An evaluation in parts: whoever goes through which of them, what is counted of all is that of
 * one who went through the whole, to the bit. */
#include "base/error.h"
#include "base/memory.h"
#include "infer/colour_detector.h"
#include "infer/image_records.h"
#include "suite.h"

enum { IMAGES = 14, BATCH = 3, BATCHES = 5, BAD = 5 };

static test_folder folder;
static weld_error err;

/* A whole batch of them, the last image of all, and one among others. */
static bool is_bad(int i) {
    return (i >= 3 && i < 6) || i == 10 || i == IMAGES - 1;
}

static void put(const char *part, int i) {
    char name[32];
    snprintf(name, sizeof name, "%02d.jpg", i);
    colours_put(&folder, part, name, 37 * i % 256, 91 * i % 256, 53 * i % 256);
    if (is_bad(i)) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", part, name);
        test_write_file(test_path(&folder, path), "no image", 8);
    }
}

static weld_dataset *classified(void) {
    for (int i = 0; i < IMAGES; i++) {
        put(colours_names[3 * i / IMAGES], i);
    }
    return colours_dataset(&folder);
}

/* Objects near the boxes that the network finds, and some where it finds none. */
static weld_dataset *boxed(void) {
    test_put_file(&folder, "data.yaml",
                  "path: .\ntrain: images\nval: images\nnames: [blue, green, red]\n");
    for (int i = 0; i < IMAGES; i++) {
        char name[32], text[160];
        put("images", i);
        snprintf(name, sizeof name, "labels/%02d.txt", i);
        snprintf(text, sizeof text, "2 %.3f .5 .25 .5\n%d .75 .25 .25 %.3f\n0 .4 .8 .3 .2\n",
                 .375 + .01 * i, i % 3, .25 - .01 * i);
        test_put_file(&folder, name, text);
    }
    weld_dataset *ds;
    ck_assert_msg(!weld_dataset_open(test_path(&folder, "data.yaml"), &ds, &err), "%s",
                  err.message);
    return ds;
}

typedef struct heard {
    char text[2048];
    int count;
    int64_t done, total;
} heard;

static void hear_bad(void *arg, int64_t index, const char *reason) {
    heard *h = arg;
    const size_t used = strlen(h->text);
    snprintf(h->text + used, sizeof h->text - used, "%d %s\n", (int)index, reason);
    h->count++;
}

static bool hear_progress(void *arg, int64_t done, int64_t total) {
    heard *h = arg;
    h->done = done;
    h->total = total;
    return true;
}

static weld_evaluator *evaluator(const weld_model *m, const weld_dataset *ds, int threads,
                                 heard *h) {
    weld_evaluator *e;
    const weld_evaluator_options o = {.batch_size = BATCH,
                                      .threads = threads,
                                      .bad_image = hear_bad,
                                      .progress = hear_progress,
                                      .arg = h};
    ck_assert_msg(!weld_model_evaluator_create(m, ds, &o, &e, &err), "%s", err.message);
    ck_assert_int_eq(weld_evaluator_batches(e), BATCHES);
    return e;
}

/* All that is said of the evaluator's last result. */
static char *all_of(const weld_evaluator *e, const weld_evaluation *result) {
    size_t size;
    weld_text text = WELD_TEXT;
    ck_assert_mem_eq(result, weld_evaluator_result(e), sizeof *result);
    ck_assert_int_eq(weld_evaluator_write(e, test_path(&folder, "evaluation.json"), &err), WELD_OK);
    ck_assert_int_eq(weld_evaluator_write_confusion(e, test_path(&folder, "confusion.csv"), &err),
                     WELD_OK);
    for (int classes = 0; classes < 2; classes++) {
        weld_evaluator_tell(e, classes, &text);
    }
    static const char *const files[] = {"evaluation.json", "confusion.csv"};
    for (int i = 0; i < 2; i++) {
        char *file = (char *)test_read_file(test_path(&folder, files[i]), &size);
        weld_text_add(&text, file);
        free(file);
    }
    char *all = strdup(weld_text_get(&text));
    weld_text_free(&text);
    return all;
}

/* The batches from `first` on, before `end`. */
static weld_status measure(weld_evaluator *e, int first, int end, weld_array *records) {
    for (int b = first; b < end; b++) {
        WELD_TRY(weld_evaluator_measure(e, b, records, &err));
    }
    return WELD_OK;
}

static weld_status count(weld_evaluator *e, const weld_array *parts, int part_count,
                         weld_evaluation *result) {
    WELD_TRY(weld_evaluator_begin(e, &err));
    for (int i = 0; i < part_count; i++) {
        WELD_TRY(weld_evaluator_count(e, parts[i].data, parts[i].count, &err));
    }
    return weld_evaluator_finish(e, result, &err);
}

/* Parts that begin at these batches, measured by an evaluator each, the last first. */
static void expect_whole(const weld_model *m, const weld_dataset *ds, const int *begins, int parts,
                         const char *whole, const char *bad) {
    weld_array records[BATCHES];
    heard h = {.count = 0}, silent = {.count = 0};
    weld_evaluation result;
    for (int i = parts - 1; i >= 0; i--) {
        weld_evaluator *e = evaluator(m, ds, 1 + i % 3, &silent);
        records[i] = (weld_array){.element = 1};
        ck_assert_int_eq(measure(e, begins[i], begins[i + 1], &records[i]), WELD_OK);
        weld_evaluator_free(e);
    }
    ck_assert_int_eq(silent.count, 0);
    weld_evaluator *counting = evaluator(m, ds, 1, &h);
    ck_assert_msg(!count(counting, records, parts, &result), "%s", err.message);
    char *all = all_of(counting, &result);
    ck_assert_int_eq(result.skipped, BAD);
    ck_assert_str_eq(all, whole);
    ck_assert_str_eq(h.text, bad);
    free(all);
    weld_evaluator_free(counting);
    for (int i = 0; i < parts; i++) {
        weld_array_free(&records[i]);
    }
}

static void expect_parts_to_be_the_whole(const weld_model *m, const weld_dataset *ds) {
    heard h = {.count = 0};
    weld_evaluation result;
    weld_evaluator *e = evaluator(m, ds, 2, &h);
    ck_assert_int_eq(weld_evaluator_run(e, &result, &err), WELD_OK);
    char *whole = all_of(e, &result);
    ck_assert_int_eq(result.images, IMAGES - BAD);
    ck_assert_int_eq(result.skipped, BAD);
    ck_assert_int_eq(h.count, BAD);
    ck_assert_int_eq(h.total, IMAGES);
    for (int a = 0; a <= BATCHES; a++) {
        expect_whole(m, ds, (const int[]){0, a, BATCHES}, 2, whole, h.text);
        for (int b = a; b <= BATCHES; b++) {
            expect_whole(m, ds, (const int[]){0, a, b, BATCHES}, 3, whole, h.text);
        }
    }
    expect_whole(m, ds, (const int[]){0, 1, 2, 3, 4, 5}, BATCHES, whole, h.text);
    weld_evaluator_free(e);
    free(whole);
}

START_TEST(parts_of_a_classification_are_the_whole_to_the_bit) {
    folder = test_folder_create();
    test_folder models = test_folder_create();
    weld_model *m = colours_open(&models, 3);
    weld_dataset *ds = classified();
    expect_parts_to_be_the_whole(m, ds);
    weld_dataset_free(ds);
    weld_model_free(m);
    test_folder_remove(models);
    test_folder_remove(folder);
}
END_TEST

START_TEST(parts_of_a_detection_are_the_whole_to_the_bit) {
    folder = test_folder_create();
    test_folder models = test_folder_create();
    weld_model *m = open_detector(&models);
    weld_dataset *ds = boxed();
    expect_parts_to_be_the_whole(m, ds);
    weld_dataset_free(ds);
    weld_model_free(m);
    test_folder_remove(models);
    test_folder_remove(folder);
}
END_TEST

/* What somebody does with the records of two parts before they are counted. */
typedef void damage(weld_array *first, weld_array *second);

static void lose(weld_array *first, weld_array *second) {
    (void)first;
    second->count = 0;
}

static void swap(weld_array *first, weld_array *second) {
    const weld_array kept = *first;
    *first = *second;
    *second = kept;
}

static void double_first(weld_array *first, weld_array *second) {
    weld_array_free(second);
    *second = (weld_array){.element = 1};
    ck_assert(weld_array_append(second, first->data, first->count));
}

static void cut(weld_array *first, weld_array *second) {
    (void)second;
    first->count--;
}

static void cut_head(weld_array *first, weld_array *second) {
    (void)first;
    second->count = 5;
}

static void number_wrongly(weld_array *first, weld_array *second) {
    const int64_t index = IMAGES;
    (void)first;
    memcpy(second->data, &index, sizeof index);
}

static void lengthen(weld_array *first, weld_array *second) {
    const uint64_t bytes = UINT64_MAX - 7;
    (void)second;
    memcpy((char *)first->data + sizeof(int64_t), &bytes, sizeof bytes);
}

static void spoil_kind(weld_array *first, weld_array *second) {
    const uint64_t kind = 3;
    (void)second;
    memcpy((char *)first->data + 2 * sizeof(int64_t), &kind, sizeof kind);
}

START_TEST(records_that_are_not_all_of_the_data_set_or_damaged_are_refused) {
    static damage *const damages[] = {lose,     swap,           double_first, cut,
                                      cut_head, number_wrongly, lengthen,     spoil_kind};
    folder = test_folder_create();
    test_folder models = test_folder_create();
    weld_model *m = colours_open(&models, 3);
    weld_dataset *ds = classified();
    heard h = {.count = 0};
    weld_evaluator *e = evaluator(m, ds, 1, &h);
    weld_evaluation result;
    for (size_t i = 0; i <= sizeof damages / sizeof *damages; i++) {
        weld_array parts[2] = {{.element = 1}, {.element = 1}};
        ck_assert_int_eq(measure(e, 0, 2, &parts[0]), WELD_OK);
        ck_assert_int_eq(measure(e, 2, BATCHES, &parts[1]), WELD_OK);
        if (i < sizeof damages / sizeof *damages) {
            damages[i](&parts[0], &parts[1]);
            ck_assert_int_eq(count(e, parts, 2, &result), WELD_ERROR_FORMAT);
            ck_assert_ptr_nonnull(strstr(err.message, "evaluation: "));
        } else { /* none of it stays */
            ck_assert_int_eq(count(e, parts, 2, &result), WELD_OK);
        }
        weld_array_free(&parts[0]);
        weld_array_free(&parts[1]);
    }
    weld_evaluator_free(e);
    weld_dataset_free(ds);
    weld_model_free(m);
    test_folder_remove(models);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_lack_of_memory_in_a_part_is_an_error_and_the_next_part_is_whole) {
    folder = test_folder_create();
    test_folder models = test_folder_create();
    weld_model *m = open_detector(&models);
    weld_dataset *ds = boxed();
    heard h = {.count = 0};
    weld_evaluator *e = evaluator(m, ds, 1, &h);
    weld_evaluation result;
    weld_status status = WELD_ERROR_MEMORY;
    long i = 0;
    for (; status; i++) {
        weld_array records = {.element = 1};
        weld_memory_fail_after(i);
        status = measure(e, 0, BATCHES, &records);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        ck_assert(status || !count(e, &records, 1, &result));
        weld_array_free(&records);
    }
    ck_assert_int_gt(i, 5);
    ck_assert_int_eq(result.images, IMAGES - BAD);
    weld_evaluator_free(e);
    weld_dataset_free(ds);
    weld_model_free(m);
    test_folder_remove(models);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/evaluate_parts", parts_of_a_classification_are_the_whole_to_the_bit,
          parts_of_a_detection_are_the_whole_to_the_bit,
          records_that_are_not_all_of_the_data_set_or_damaged_are_refused,
          a_lack_of_memory_in_a_part_is_an_error_and_the_next_part_is_whole)
