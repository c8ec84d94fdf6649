/* The COCO evaluation by hand. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "tasks/detection/coco.h"
#include "suite.h"

/* An image's box in a case: of the truth, or of detections where it has a score. Area 0: that of
 * the box. Class 0 and image 1 where nothing else is said. */
typedef struct row {
    double at[4], score, area;
    int class_index, image;
    uint32_t flags;
} row;

/* Expected figures; -1: there is none. */
typedef struct wanted {
    double ap, ap50, ap75, small, medium, large, ar1, ar10, ar100;
    double own_8_3[2], own_8_4[2];
} wanted;

enum { CLASSES = 3, MOST = 160 };

static void count_image(weld_coco *c, const row *rows, int count, int image) {
    weld_box truth[MOST];
    weld_found_box found[MOST];
    int truths = 0, detections = 0;
    weld_array record = {.element = 1};
    for (int i = 0; i < count; i++) {
        const row *r = &rows[i];
        if ((r->image ? r->image : 1) != image) {
            continue;
        }
        if (r->score > 0) {
            found[detections++] =
                (weld_found_box){r->at[0], r->at[1], r->at[2], r->at[3], r->score, r->class_index};
        } else {
            truth[truths++] = (weld_box){r->at[0],
                                         r->at[1],
                                         r->at[2],
                                         r->at[3],
                                         r->area ? r->area : r->at[2] * r->at[3],
                                         r->class_index,
                                         r->flags};
        }
    }
    ck_assert_int_eq(weld_coco_measure(truth, truths, found, detections, &record, NULL), WELD_OK);
    ck_assert_int_eq(weld_coco_count(c, image, record.data, record.count, NULL), WELD_OK);
    weld_array_free(&record);
}

static weld_coco *evaluate(const row *rows, int count) {
    weld_coco *c;
    ck_assert_int_eq(weld_coco_create(CLASSES, &c, NULL), WELD_OK);
    for (int image = 1; image <= 2; image++) {
        count_image(c, rows, count, image);
    }
    return c;
}

static void expect_number(double value, double expected, const char *what) {
    if (expected < 0) {
        ck_assert_msg(isnan(value), "%s is %.12g, not undefined", what, value);
    } else {
        ck_assert_msg(fabs(value - expected) < 1e-6, "%s is %.12g, not %.12g", what, value,
                      expected);
    }
}

static void expect(const row *rows, int count, const wanted *w) {
    weld_coco *c = evaluate(rows, count);
    const weld_coco_result *r = weld_coco_finish(c);
    const double figures[] = {w->ap,    w->ap50, w->ap75, w->small, w->medium,
                              w->large, w->ar1,  w->ar10, w->ar100};
    for (int i = 0; i < 9; i++) {
        expect_number(r->figures[i], figures[i], weld_coco_names[i]);
    }
    expect_number(r->ultralytics_8_3.map50, w->own_8_3[0], "mAP50 (8.3)");
    expect_number(r->ultralytics_8_3.map, w->own_8_3[1], "mAP50-95 (8.3)");
    expect_number(r->ultralytics_8_4.map50, w->own_8_4[0], "mAP50 (8.4)");
    expect_number(r->ultralytics_8_4.map, w->own_8_4[1], "mAP50-95 (8.4)");
    weld_coco_free(c);
}

#define EXPECT(rows, ...) expect(rows, sizeof rows / sizeof *rows, &(wanted){__VA_ARGS__})

/* --- What each case of the COCO evaluation comes to, by hand --- */

START_TEST(half_found_is_51_of_101_points) {
    const row rows[] = {{{0, 0, 40, 40}, 0}, {{100, 0, 40, 40}, 0}, {{0, 0, 40, 40}, 0.9}};
    const double ap = 51.0 / 101;
    EXPECT(rows, ap, ap, ap, -1, ap, -1, .5, .5, .5, {.75, .75}, {.495, .495});
}
END_TEST

START_TEST(a_false_detection_before_the_right_one_halves_precision) {
    const row rows[] = {{{0, 0, 40, 40}, 0}, {{200, 200, 40, 40}, 0.9}, {{0, 0, 40, 40}, 0.8}};
    EXPECT(rows, .5, .5, .5, -1, .5, -1, 0, 1, 1, {.4975, .4975}, {.4975, .4975});
}
END_TEST

/* IoUs with the first object are 1 and 0.905, with the second 0.667 and 0.739. */
START_TEST(a_detection_whose_object_is_taken_takes_the_second_best) {
    const row rows[] = {{{0, 0, 100, 100}, 0},
                        {{20, 0, 100, 100}, 0},
                        {{0, 0, 100, 100}, 0.9},
                        {{5, 0, 100, 100}, 0.8}};
    const double half = 51.0 / 101;
    EXPECT(rows, (1 + half) / 2, 1, half, -1, -1, (1 + half) / 2, .5, .75, .75, {.6225, .6225},
           {.495, .495});
}
END_TEST

START_TEST(a_crowd_takes_any_number_of_detections) {
    const row rows[] = {
        {{0, 0, 40, 40}, 0},       {{100, 100, 200, 200}, 0, .flags = WELD_BOX_CROWD},
        {{110, 110, 40, 40}, 0.9}, {{200, 200, 40, 40}, 0.8},
        {{0, 0, 40, 40}, 0.7},     {{0, 300, 40, 40}, 0.6}};
    EXPECT(rows, 1, 1, 1, -1, 1, -1, 0, 1, 1, {.331667, .331667}, {.331667, .331667});
}
END_TEST

/* As those who know no crowds see the same. */
START_TEST(a_crowd_that_is_taken_for_an_object_is_missed) {
    const row rows[] = {{{0, 0, 40, 40}, 0},       {{100, 100, 200, 200}, 0},
                        {{110, 110, 40, 40}, 0.9}, {{200, 200, 40, 40}, 0.8},
                        {{0, 0, 40, 40}, 0.7},     {{0, 300, 40, 40}, 0.6}};
    weld_coco *c = evaluate(rows, 6);
    const weld_coco_result *r = weld_coco_finish(c);
    ck_assert_double_eq_tol(r->ultralytics_8_3.map50, .22875, 1e-12);
    ck_assert_double_eq_tol(r->ultralytics_8_4.map50, .165, 1e-12);
    weld_coco_free(c);
}
END_TEST

START_TEST(the_size_of_an_object_is_its_area_and_not_that_of_its_box) {
    const row rows[] = {{{0, 0, 40, 40}, 0, 900}, {{0, 0, 40, 40}, 0.9}};
    EXPECT(rows, 1, 1, 1, 1, -1, -1, 1, 1, 1, {.995, .995}, {.995, .995});
}
END_TEST

START_TEST(an_area_at_the_border_of_two_ranges_is_in_both) {
    const row rows[] = {{{0, 0, 32, 32}, 0}, {{0, 0, 32, 32}, 0.9}};
    EXPECT(rows, 1, 1, 1, 1, 1, -1, 1, 1, 1, {.995, .995}, {.995, .995});
}
END_TEST

START_TEST(classes_without_objects_have_no_weight_and_images_without_them_have) {
    const row rows[] = {{{0, 0, 40, 40}, 0},
                        {{0, 0, 40, 40}, 0.9},
                        {{0, 0, 40, 40}, 0.95, .class_index = 1, .image = 2},
                        {{0, 0, 40, 40}, 0.95, .image = 2}};
    EXPECT(rows, .5, .5, .5, -1, .5, -1, 1, 1, 1, {.4975, .4975}, {.4975, .4975});
    weld_coco *c = evaluate(rows, 4);
    const weld_coco_result *r = weld_coco_finish(c);
    ck_assert_int_eq(r->by_class[0].objects, 1);
    ck_assert_int_eq(r->by_class[1].objects, 0);
    ck_assert_int_eq(r->by_class[1].found, 1);
    ck_assert_double_eq(r->by_class[0].ap, .5);
    ck_assert(isnan(r->by_class[1].ap) && isnan(r->by_class[2].ar100));
    weld_coco_free(c);
}
END_TEST

/* 0.7 is below the recall 70 * 0.01 in double. */
START_TEST(recall_points_are_those_of_double_arithmetic) {
    row rows[17];
    for (int i = 0; i < 17; i++) {
        rows[i] = (row){{50 * (i % 10), 0, 40, 40}, i < 10 ? 0 : 0.9 - i / 100.0};
    }
    const double ap = 70.0 / 101;
    EXPECT(rows, ap, ap, ap, -1, ap, -1, .1, .7, .7, {.85, .85}, {.695, .695});
}
END_TEST

START_TEST(equal_scores_go_by_image) {
    const row later[] = {{{0, 0, 40, 40}, 0, .image = 2},
                         {{200, 200, 40, 40}, 0.5, .image = 1},
                         {{0, 0, 40, 40}, 0.5, .image = 2}};
    const row first[] = {{{0, 0, 40, 40}, 0, .image = 1},
                         {{0, 0, 40, 40}, 0.5, .image = 1},
                         {{200, 200, 40, 40}, 0.5, .image = 2}};
    EXPECT(later, .5, .5, .5, -1, .5, -1, 1, 1, 1, {.4975, .4975}, {.4975, .4975});
    EXPECT(first, 1, 1, 1, -1, 1, -1, 1, 1, 1, {.995, .995}, {.995, .995});
}
END_TEST

/* Also where images are counted in another order. */
START_TEST(the_order_of_counting_changes_nothing) {
    const row later[] = {{{0, 0, 40, 40}, 0, .image = 2},
                         {{200, 200, 40, 40}, 0.5, .image = 1},
                         {{0, 0, 40, 40}, 0.5, .image = 2}};
    weld_coco *c;
    ck_assert_int_eq(weld_coco_create(CLASSES, &c, NULL), WELD_OK);
    for (int round = 0; round < 2; round++) {
        weld_coco_clear(c);
        count_image(c, later, 3, 2);
        count_image(c, later, 3, 1);
        ck_assert_double_eq_tol(weld_coco_finish(c)->figures[WELD_COCO_AP], .5, 1e-12);
        ck_assert_int_eq(weld_coco_finish(c)->images, 2);
    }
    weld_coco_free(c);
}
END_TEST

START_TEST(an_iou_of_0_9_passes_the_ninth_threshold) {
    const row rows[] = {{{0, 0, 100, 100}, 0}, {{0, 0, 100, 90}, 0.9}};
    EXPECT(rows, .9, 1, 1, -1, -1, .9, .9, .9, .9, {.995, .8955}, {.995, .8955});
}
END_TEST

/* Up to 0.9: 26 points at precision 1, 50 at 3/4; at 0.95: 26 at 1, 25 at 2/3. */
START_TEST(a_mixed_case_is_as_by_hand) {
    const row rows[] = {{{0, 0, 40, 40}, 0},    {{50, 0, 40, 40}, 0},   {{100, 0, 40, 40}, 0},
                        {{150, 0, 40, 40}, 0},  {{0, 0, 40, 40}, 0.9},  {{300, 300, 40, 40}, 0.8},
                        {{50, 0, 40, 40}, 0.7}, {{100, 0, 40, 36}, 0.6}};
    const double many = 63.5 / 101, few = (26 + 25 * 2.0 / 3) / 101;
    const double ap = (9 * many + few) / 10;
    EXPECT(rows, ap, many, many, -1, ap, -1, .25, .725, .725, {.7175, .699667}, {.62, .599167});
}
END_TEST

START_TEST(of_equal_ious_the_later_object_is_taken) {
    /* The second detection fits only the first of two equal objects. */
    const row rows[] = {
        {{0, 0, 40, 40}, 0}, {{8, 0, 40, 40}, 0}, {{4, 0, 40, 40}, 0.9}, {{0, 0, 40, 40}, 0.8}};
    weld_coco *c = evaluate(rows, 4);
    ck_assert_double_eq_tol(weld_coco_finish(c)->by_class[0].ar100, (7 * 2 + 3 * 1) / 20.0, 1e-12);
    weld_coco_free(c);
}
END_TEST

START_TEST(nothing_at_all_is_undefined_and_nothing_found_is_zero) {
    const row truth[] = {{{0, 0, 40, 40}, 0}};
    wanted none = {-1, -1, -1, -1, -1, -1, -1, -1, -1, {-1, -1}, {-1, -1}};
    expect(NULL, 0, &none);
    EXPECT(truth, 0, 0, 0, -1, 0, -1, 0, 0, 0, {0, 0}, {0, 0});
}
END_TEST

/* At IoU 0.5: recall up to 1/2 at precision 1, then 2/3. */
START_TEST(curves_and_the_best_f1_are_as_by_hand) {
    const row rows[] = {{{0, 0, 40, 40}, 0},    {{50, 0, 40, 40}, 0},
                        {{0, 0, 40, 40}, 0.9},  {{300, 300, 40, 40}, 0.5},
                        {{50, 0, 40, 40}, 0.5}, {{400, 300, 40, 40}, 0.2}};
    weld_coco *c = evaluate(rows, 6);
    const weld_coco_result *r = weld_coco_finish(c);
    const weld_coco_class *k = &r->by_class[0];
    for (int i = 0; i < WELD_COCO_POINTS; i++) {
        ck_assert_double_eq_tol(k->curve[i], i <= 50 ? 1 : 2.0 / 3, 1e-12);
        ck_assert_double_eq(k->curve[i], r->curve[i]);
    }
    ck_assert_double_eq_tol(k->best_f1, 0.8, 1e-12); /* P 2/3, R 1 */
    ck_assert_double_eq(k->confidence, 0.499);       /* above which are those of 0.5 */
    ck_assert_double_eq_tol(k->precision, 2.0 / 3, 1e-12);
    ck_assert_double_eq(k->recall, 1);
    weld_coco_free(c);
}
END_TEST

/* What is told leaves the next lower score out however close it is, and takes no more decimals than
 * that needs. */
START_TEST(the_best_confidence_parts_scores_that_are_close) {
    static const struct {
        double score, next, asked; /* 0: any between */
    } cases[] = {{0.9, 0.7, 0.899}, {0.9, 0.8994, 0.8999}, {0.9, 0.89999, 0.89999}, {0.9f, 0, 0}};
    for (int i = 0; i < 4; i++) {
        const double score = cases[i].score, next = i < 3 ? cases[i].next : nextafterf(0.9f, 0);
        const row rows[] = {
            {{0, 0, 40, 40}, 0}, {{0, 0, 40, 40}, score}, {{300, 300, 40, 40}, next}};
        weld_coco *c = evaluate(rows, 3);
        const double asked = weld_coco_finish(c)->by_class[0].confidence;
        ck_assert(asked >= next && asked < score);
        ck_assert(cases[i].asked == 0 || asked == cases[i].asked);
        weld_coco_free(c);
    }
}
END_TEST

/* 150 of one score in one image and class, of which the last finds the object: COCO counts a
 * hundred, Ultralytics all, in the order in which they are given. */
START_TEST(equal_scores_beyond_the_hundredth_keep_their_order) {
    enum { N = 150 };
    row rows[1 + N] = {{{0, 0, 40, 40}, 0}};
    for (int i = 1; i <= N; i++) {
        rows[i] = (row){{i < N ? 300 + 50 * i : 0, 0, 40, 40}, 0.5};
    }
    weld_coco *c = evaluate(rows, 1 + N);
    const weld_coco_result *r = weld_coco_finish(c);
    ck_assert_double_eq(r->figures[WELD_COCO_AP], 0);
    ck_assert_double_eq_tol(r->ultralytics_8_4.map50, 0.995 / N, 1e-12);
    weld_coco_free(c);
}
END_TEST

/* Found as it is; taken for class 1; missed; false; on a crowd; not sure enough. */
START_TEST(the_confusion_says_what_is_taken_for_what) {
    const row rows[] = {{{0, 0, 40, 40}, 0},
                        {{100, 0, 40, 40}, 0},
                        {{200, 0, 40, 40}, 0},
                        {{0, 100, 100, 100}, 0, .flags = WELD_BOX_CROWD},
                        {{0, 0, 40, 40}, 0.9},
                        {{0, 1, 40, 40}, 0.95, .class_index = 2},
                        {{100, 0, 40, 39}, 0.8, .class_index = 1},
                        {{300, 0, 40, 40}, 0.7, .class_index = 1},
                        {{20, 120, 20, 20}, 0.7},
                        {{200, 0, 40, 40}, 0.25}};
    const weld_confusion_cell expected[] = {{0, 0, 1}, {0, 1, 1}, {0, 3, 1}, {3, 1, 1}, {3, 2, 1}};
    weld_coco *c = evaluate(rows, 10);
    const weld_coco_result *r = weld_coco_finish(c);
    const weld_confusion_cell *cells = r->confusion->cells.data;
    ck_assert_uint_eq(r->confusion->cells.count, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(cells[i].truth, expected[i].truth);
        ck_assert_int_eq(cells[i].predicted, expected[i].predicted);
        ck_assert_int_eq(cells[i].count, expected[i].count);
    }
    weld_coco_free(c);
}
END_TEST

START_TEST(an_ignored_object_is_neither_missed_nor_wrong_to_find) {
    const row rows[] = {{{0, 0, 40, 40}, 0},
                        {{100, 0, 40, 40}, 0, .flags = WELD_BOX_IGNORE},
                        {{100, 0, 40, 40}, 0.9},
                        {{101, 0, 40, 40}, 0.8},
                        {{0, 0, 40, 40}, 0.7}};
    weld_coco *c = evaluate(rows, 5);
    const weld_coco_result *r = weld_coco_finish(c);
    ck_assert_double_eq_tol(r->figures[WELD_COCO_AP50], 1, 1e-12);
    ck_assert_int_eq(r->by_class[0].objects, 1);
    ck_assert_uint_eq(r->confusion->cells.count, 1);
    weld_coco_free(c);
}
END_TEST

/* --- What goes wrong --- */

START_TEST(records_that_are_none_are_refused) {
    const weld_box truth = {0, 0, 9, 9, 81, 2, 0};
    const weld_found_box found = {0, 0, 9, 9, 0.5, 2};
    weld_array record = {.element = 1};
    weld_coco *c;
    weld_error err;
    ck_assert_int_eq(weld_coco_measure(&truth, 1, &found, 1, &record, NULL), WELD_OK);
    ck_assert_int_eq(weld_coco_create(2, &c, NULL), WELD_OK);
    ck_assert_int_eq(weld_coco_count(c, 0, record.data, record.count, &err), WELD_ERROR_FORMAT);
    weld_coco_free(c);
    ck_assert_int_eq(weld_coco_create(3, &c, NULL), WELD_OK);
    for (size_t i = 0; i < record.count; i++) {
        ck_assert_int_eq(weld_coco_count(c, 0, record.data, i, &err), WELD_ERROR_FORMAT);
    }
    memset(record.data, 0xff, 8);
    ck_assert_int_eq(weld_coco_count(c, 0, record.data, record.count, &err), WELD_ERROR_FORMAT);
    weld_coco_free(c);
    weld_array_free(&record);
}
END_TEST

START_TEST(what_is_not_finite_is_an_error) {
    const weld_found_box found[] = {{0, 0, NAN, 9, 0.5, 0}, {0, 0, 9, 9, NAN, 0}};
    weld_array record = {.element = 1};
    weld_error err;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(weld_coco_measure(NULL, 0, &found[i], 1, &record, &err),
                         WELD_ERROR_NUMERIC);
    }
    weld_array_free(&record);
}
END_TEST

START_TEST(a_lack_of_memory_is_told_wherever_it_comes) {
    const weld_box truth = {0, 0, 9, 9, 81, 2, 0};
    const weld_found_box found = {0, 0, 9, 9, 0.5, 2};
    weld_error err;
    for (long i = 0;; i++) {
        weld_coco *c;
        weld_array record = {.element = 1};
        weld_memory_fail_after(i);
        weld_status status = weld_coco_create(3, &c, &err);
        status = status ? status : weld_coco_measure(&truth, 1, &found, 1, &record, &err);
        status = status ? status : weld_coco_count(c, 0, record.data, record.count, &err);
        weld_memory_fail_after(-1);
        weld_coco_free(c);
        weld_array_free(&record);
        if (status == WELD_OK) {
            ck_assert_int_gt(i, 8);
            break;
        }
        ck_assert_int_eq(status, WELD_ERROR_MEMORY);
    }
}
END_TEST

RUN_SUITE("tasks/detection/coco", half_found_is_51_of_101_points,
          a_false_detection_before_the_right_one_halves_precision,
          a_detection_whose_object_is_taken_takes_the_second_best,
          a_crowd_takes_any_number_of_detections, a_crowd_that_is_taken_for_an_object_is_missed,
          the_size_of_an_object_is_its_area_and_not_that_of_its_box,
          an_area_at_the_border_of_two_ranges_is_in_both,
          classes_without_objects_have_no_weight_and_images_without_them_have,
          recall_points_are_those_of_double_arithmetic, equal_scores_go_by_image,
          the_order_of_counting_changes_nothing, an_iou_of_0_9_passes_the_ninth_threshold,
          a_mixed_case_is_as_by_hand, of_equal_ious_the_later_object_is_taken,
          nothing_at_all_is_undefined_and_nothing_found_is_zero,
          curves_and_the_best_f1_are_as_by_hand, the_best_confidence_parts_scores_that_are_close,
          equal_scores_beyond_the_hundredth_keep_their_order,
          the_confusion_says_what_is_taken_for_what,
          an_ignored_object_is_neither_missed_nor_wrong_to_find, records_that_are_none_are_refused,
          what_is_not_finite_is_an_error, a_lack_of_memory_is_told_wherever_it_comes)
