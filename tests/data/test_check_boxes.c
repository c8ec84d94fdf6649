#include "data/check_boxes.h"

#include "base/memory.h"
#include "datasets/boxed.h"
#include "suite.h"

/* Images of 100 x 50: none, three boxes, one. By hand at an input of 200, that is twice the size.
 */
static test_folder make_set(void) {
    test_folder f = test_folder_create();
    test_put_file(
        &f, "set.json",
        "{\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\", \"width\": 100, \"height\": 50},"
        "{\"id\": 2, \"file_name\": \"b.jpg\", \"width\": 100, \"height\": 50},"
        "{\"id\": 3, \"file_name\": \"c.jpg\", \"width\": 100, \"height\": 50}],"
        "\"categories\": [{\"id\": 1, \"name\": \"cat\"}, {\"id\": 2, \"name\": \"dog\"}],"
        "\"annotations\": ["
        "{\"image_id\": 2, \"category_id\": 1, \"bbox\": [10, 10, 20, 20], \"area\": 400},"
        "{\"image_id\": 2, \"category_id\": 1, \"bbox\": [10, 10, 20, 19], \"area\": 1025},"
        "{\"image_id\": 2, \"category_id\": 2, \"bbox\": [10, 10, 20, 20], \"iscrowd\": 1},"
        "{\"image_id\": 3, \"category_id\": 1, \"bbox\": [0, 0, 100, 50], \"area\": 9217},"
        "{\"image_id\": 3, \"category_id\": 1, \"bbox\": [0, 0, 62, 0.5], \"area\": -1}]}");
    put_image(&f, "a.jpg", 100, 50);
    return f;
}

START_TEST(boxes_are_counted_and_measured) {
    test_folder f = make_set();
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    weld_box_report r;
    ck_assert_int_eq(weld_check_boxes(ds, 200, &r, NULL), WELD_OK);
    ck_assert_int_eq(r.images, 3);
    ck_assert_int_eq(r.background, 1);
    ck_assert_int_eq(r.boxes, 5);
    ck_assert_int_eq(r.crowds, 1);
    ck_assert_int_eq(r.class_boxes[0], 4);
    ck_assert_int_eq(r.class_boxes[1], 1);
    ck_assert_int_eq(r.small, 1); /* not the one of area -1 */
    ck_assert_int_eq(r.medium, 1);
    ck_assert_int_eq(r.large, 1);
    ck_assert_int_eq(r.elongated, 1);
    ck_assert_int_eq(r.whole, 1);
    ck_assert_int_eq(r.overlapping, 1); /* 380 of 400 */
    ck_assert_int_eq(r.crowded, 0);
    ck_assert_int_eq(r.per_image[0], 0);
    ck_assert_int_eq(r.per_image[1], 2);
    ck_assert_int_eq(r.per_image[3], 3);
    ck_assert_double_eq(r.sides[0], 1); /* of 1, 38, 40, 100 */
    ck_assert_double_eq(r.sides[2], 40);
    ck_assert_double_eq(r.below_8, 0.25);
    ck_assert_double_eq(r.below_2, 0.25);
    weld_free(r.class_boxes);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Each of the boxes is beside all others: 2000 of them are two million pairs. */
START_TEST(boxes_without_end_in_one_place_are_looked_at_no_further) {
    enum { COUNT = 2000 };
    test_folder f = make_set();
    weld_text text = WELD_TEXT;
    weld_box_report r;
    weld_text_add(&text, "{\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\"}], \"categories\":"
                         "[{\"id\": 1, \"name\": \"cat\"}], \"annotations\": [");
    for (int i = 0; i < COUNT; i++) {
        weld_text_format(&text, "%s{\"image_id\": 1, \"category_id\": 1, \"bbox\": [0, %d, 90, 1]}",
                         i ? "," : "", 2 * i);
    }
    weld_text_add(&text, "]}");
    test_put_file(&f, "set.json", weld_text_get(&text));
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    ck_assert_int_eq(weld_check_boxes(ds, 200, &r, NULL), WELD_OK);
    ck_assert_int_eq(r.crowded, 1);
    ck_assert_int_eq(r.overlapping, 0);
    weld_free(r.class_boxes);
    weld_dataset_free(ds);
    weld_text_free(&text);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_lack_of_memory_is_told) {
    test_folder f = make_set();
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    long successes = 0;
    for (weld_status status = WELD_ERROR_MEMORY; status; successes++) {
        weld_box_report r;
        weld_memory_fail_after(successes);
        status = weld_check_boxes(ds, 200, &r, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        weld_free(r.class_boxes);
    }
    ck_assert_int_ge(successes, 4);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/check_boxes", boxes_are_counted_and_measured,
          boxes_without_end_in_one_place_are_looked_at_no_further, a_lack_of_memory_is_told)
