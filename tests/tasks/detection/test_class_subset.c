/* A part of the classes in evaluation. */
#include <math.h>

#include "datasets/boxed.h"
#include "datasets/class_choice.h"
#include "tasks/detection/coco.h"
#include "suite.h"

enum { IMAGES = 6, CLASSES = 3 };
static const char *const names[CLASSES] = {"cat", "cup", "dog"};

/* Two boxes of each class on every image. */
static test_folder make_set(void) {
    test_folder f = test_folder_create();
    weld_text text = WELD_TEXT;
    weld_text_add(&text, "{\"categories\": [");
    for (int c = 0; c < CLASSES; c++) {
        weld_text_format(&text, "%s{\"id\": %d, \"name\": \"%s\"}", c ? ", " : "", c + 5, names[c]);
    }
    weld_text_add(&text, "], \"images\": [");
    for (int i = 0; i < IMAGES; i++) {
        weld_text_format(&text, "%s{\"id\": %d, \"file_name\": \"%d.jpg\"}", i ? ", " : "", i + 1,
                         i);
    }
    weld_text_add(&text, "], \"annotations\": [");
    for (int i = 0; i < IMAGES * CLASSES * 2; i++) {
        weld_text_format(&text,
                         "%s{\"image_id\": %d, \"category_id\": %d, \"bbox\": [%d, %d, 50, 40]}",
                         i ? ", " : "", 1 + i / (CLASSES * 2), 5 + i % CLASSES, 60 * (i % 6), i);
    }
    weld_text_add(&text, "]}");
    test_put_file(&f, "set.json", weld_text_get(&text));
    weld_text_free(&text);
    return f;
}

static weld_dataset *open_set(const test_folder *f) {
    const weld_dataset_options options = {.boxes.no_images = true};
    weld_dataset *ds;
    ck_assert_int_eq(weld_dataset_open_with(test_path(f, "set.json"), &options, &ds, NULL),
                     WELD_OK);
    return ds;
}

static int class_called(const weld_dataset *ds, const char *name) {
    for (int c = 0; c < weld_dataset_class_count(ds); c++) {
        if (strcmp(weld_dataset_class_name(ds, c), name) == 0) {
            return c;
        }
    }
    return -1;
}

/* What a network that knows the classes of ds finds: boxes of these, the more beside the object the
 * later they come, and some that are none, on all images. */
static weld_coco *evaluate(const weld_dataset *ds) {
    weld_coco *coco;
    ck_assert_int_eq(weld_coco_create(weld_dataset_class_count(ds), &coco, NULL), WELD_OK);
    for (int i = 0; i < IMAGES; i++) {
        weld_found_box found[CLASSES * 3];
        int count = 0;
        int64_t truths;
        const weld_box *truth = weld_dataset_boxes(ds, i, &truths);
        weld_array record = {.element = 1};
        for (int k = 0; k < CLASSES * 3; k++) {
            const int n = i * CLASSES * 2 + k, c = class_called(ds, names[k % CLASSES]);
            if (c >= 0) {
                found[count++] = (weld_found_box){60 * (n % 6) + (k * i) % 17, n, 50, 40,
                                                  0.9 - 0.05 * k + 0.01 * i,   c};
            }
        }
        ck_assert_int_eq(weld_coco_measure(truth, truths, found, count, &record, NULL), WELD_OK);
        ck_assert_int_eq(
            weld_coco_count(coco, weld_dataset_image_id(ds, i), record.data, record.count, NULL),
            WELD_OK);
        weld_array_free(&record);
    }
    return coco;
}

START_TEST(a_part_of_the_classes_has_the_precision_of_these_among_all) {
    test_folder f = make_set();
    const weld_class_choice choice = {.names = {"dog", "cat"}, .count = 2};
    weld_dataset *whole = open_set(&f), *part = open_set(&f);
    weld_text told = WELD_TEXT;
    ck_assert_int_eq(weld_dataset_choose_classes(part, &choice, &told, NULL), WELD_OK);
    weld_coco *of_whole = evaluate(whole), *of_part = evaluate(part);
    const weld_coco_result *a = weld_coco_finish(of_whole), *b = weld_coco_finish(of_part);
    for (int c = 0; c < 2; c++) {
        const weld_coco_class *of = &a->by_class[class_called(whole, names[2 * c])];
        ck_assert(of->ap > 0.1 && of->ap < 0.9);
        ck_assert_int_eq(b->by_class[c].objects, of->objects);
        ck_assert_double_eq(b->by_class[c].ap, of->ap);
        ck_assert_double_eq(b->by_class[c].ap50, of->ap50);
        ck_assert_double_eq(b->by_class[c].ar100, of->ar100);
    }
    const double mean = (a->by_class[0].ap + a->by_class[2].ap) / 2;
    ck_assert_double_eq_tol(b->figures[WELD_COCO_AP], mean, 1e-12);
    ck_assert(fabs(b->figures[WELD_COCO_AP] - a->figures[WELD_COCO_AP]) > 1e-3);
    weld_coco_free(of_whole);
    weld_coco_free(of_part);
    weld_text_free(&told);
    weld_dataset_free(whole);
    weld_dataset_free(part);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("tasks/detection/class_subset",
          a_part_of_the_classes_has_the_precision_of_these_among_all)
