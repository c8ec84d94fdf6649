#include "datasets/boxed.h"
#include "datasets/identity.h"
#include "datasets/pack.h"
#include "suite.h"

/* A COCO file of images of 60 x 40 (to be turned) and 60 x 40, and its packed file. */
static test_folder make_set(int size) {
    test_folder f = test_folder_create();
    weld_pack_options options = {.size = size};
    weld_pack_report report;
    weld_error err;
    put_image(&f, "a.jpg", 60, 40);
    put_image(&f, "b.jpg", 60, 40);
    turn_image(&f, "a.jpg", 8);
    test_put_file(
        &f, "set.json",
        "{\"images\": [{\"id\": 7, \"file_name\": \"b.jpg\", \"width\": 60, \"height\": 40},"
        "{\"id\": 3, \"file_name\": \"a.jpg\"}],"
        "\"categories\": [{\"id\": 5, \"name\": \"cat\"}, {\"id\": 9, \"name\": \"dog\"}],"
        "\"annotations\": ["
        "{\"image_id\": 7, \"category_id\": 9, \"bbox\": [10, 10, 20.5, 20], \"area\": 401.25},"
        "{\"image_id\": 7, \"category_id\": 5, \"bbox\": [0, 0, 8, 8], \"iscrowd\": 1},"
        "{\"image_id\": 7, \"category_id\": 5, \"bbox\": [0, 0, 0, 8]}]}");
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    ck_assert_msg(!weld_pack(ds, test_path(&f, "set.h5"), &options, &report, &err), "%s",
                  err.message);
    weld_dataset_free(ds);
    return f;
}

START_TEST(boxes_are_the_same_in_a_packed_file) {
    test_folder f = make_set(0);
    weld_dataset *a = open_dataset(test_path(&f, "set.json"));
    weld_dataset *b = open_dataset(test_path(&f, "set.h5"));
    ck_assert(weld_dataset_has_boxes(b));
    ck_assert(weld_dataset_has_shape_areas(b));
    ck_assert(weld_dataset_identity(a) == weld_dataset_identity(b));
    ck_assert_int_eq(weld_dataset_count(b), 2);
    ck_assert_int_eq(weld_dataset_category_id(b, 1), 9);
    for (int i = 0; i < 2; i++) {
        int64_t x, y;
        weld_image one = {0}, other = {0};
        const weld_box *p = weld_dataset_boxes(a, i, &x), *q = weld_dataset_boxes(b, i, &y);
        ck_assert_str_eq(weld_dataset_name(a, i), weld_dataset_name(b, i));
        ck_assert_int_eq(weld_dataset_image_id(a, i), weld_dataset_image_id(b, i));
        ck_assert_int_eq(x, y);
        for (int64_t k = 0; k < x; k++) {
            ck_assert_mem_eq(&p[k], &q[k], sizeof *p);
        }
        ck_assert_int_eq(read_sample(a, i, &one, NULL), WELD_OK);
        ck_assert_int_eq(read_sample(b, i, &other, NULL), WELD_OK);
        ck_assert_int_eq(largest_difference(&one, &other), 0);
        ck_assert_int_eq(other.width, i == 0 ? 40 : 60);
        weld_image_free(&one);
        weld_image_free(&other);
    }
    weld_dataset_free(a);
    weld_dataset_free(b);
    test_folder_remove(f);
}
END_TEST

/* The shorter side of 40 becomes 20: JPEG files of 30 x 20, the turned one upright. */
START_TEST(boxes_shrink_with_their_images) {
    test_folder f = make_set(20);
    weld_dataset *ds = open_dataset(test_path(&f, "set.h5"));
    weld_image image = {0};
    expect_box(box_of(ds, 1, 0), 1, 5, 5, 10.25, 10);
    ck_assert_double_eq_tol(box_of(ds, 1, 0).area, 401.25 / 4, 1e-9);
    ck_assert_uint_eq(box_of(ds, 1, 1).flags, WELD_BOX_CROWD);
    ck_assert_uint_eq(box_of(ds, 1, 2).flags, WELD_BOX_UNUSED);
    ck_assert_int_eq(read_sample(ds, 0, &image, NULL), WELD_OK);
    ck_assert_int_eq(image.width, 20);
    ck_assert_int_eq(image.height, 30);
    ck_assert_int_eq(read_sample(ds, 1, &image, NULL), WELD_OK);
    ck_assert_int_eq(image.width, 30);
    weld_image_free(&image);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_part_of_the_samples_keeps_its_boxes) {
    test_folder f = make_set(0);
    weld_dataset *ds = open_dataset(test_path(&f, "set.h5"));
    const unsigned char part[] = {0, 1};
    ck_assert_int_eq(weld_dataset_keep(ds, part, 1, NULL), WELD_OK);
    ck_assert_int_eq(weld_dataset_count(ds), 1);
    ck_assert_int_eq(box_count(ds, 0), 3);
    ck_assert_int_eq(weld_dataset_image_id(ds, 0), 7);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* A file of one image of 60 x 40 with one box of these numbers. */
static weld_status open_with_box(const test_folder *f, const double box[4], weld_dataset **ds,
                                 weld_error *err) {
    const char *const classes[] = {"cat"};
    const double row[WELD_PACKED_BOX_NUMBERS] = {box[0], box[1], box[2], box[3], 100};
    const int64_t category = 1, sample[WELD_PACKED_SAMPLE_NUMBERS] = {1, 60, 40};
    weld_packed_writer *w;
    size_t size;
    put_image(f, "a.jpg", 60, 40);
    unsigned char *bytes = test_read_file(test_path(f, "a.jpg"), &size);
    const weld_packed_layout layout = {0};
    ck_assert(!weld_packed_writer_create(test_path(f, "set.h5"), layout, classes, 1, &w, NULL));
    ck_assert(!weld_packed_writer_have_boxes(w, &category, false, NULL));
    ck_assert(!weld_packed_writer_add(w, bytes, size, 0, "a.jpg", NULL));
    ck_assert(!weld_packed_writer_add_boxes(w, row, 1, sample, NULL));
    ck_assert(!weld_packed_writer_finish(w, NULL));
    weld_packed_writer_free(w);
    free(bytes);
    return weld_dataset_open(test_path(f, "set.h5"), ds, err);
}

/* As in other files: whoever wrote the packed one need not have looked. */
START_TEST(packed_boxes_are_looked_at_as_others_are) {
    test_folder f = test_folder_create();
    const double boxes[][4] = {{50, 30, 20, 20}, {5, 5, 0, 10}, {5, 5, 10, -1}, {60, 5, 10, 10}};
    weld_dataset *ds;
    weld_error err;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(open_with_box(&f, boxes[i], &ds, NULL), WELD_OK);
        ck_assert_uint_eq(box_of(ds, 0, 0).flags, i ? WELD_BOX_UNUSED : 0);
        weld_dataset_free(ds);
    }
    const double far[4] = {0, 0, 1e300, 1};
    ck_assert_int_eq(open_with_box(&f, far, &ds, &err), WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, "set.h5: damaged: a box of sample 0 (a.jpg)") != NULL, "%s",
                  err.message);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/pack_boxes", boxes_are_the_same_in_a_packed_file, boxes_shrink_with_their_images,
          a_part_of_the_samples_keeps_its_boxes, packed_boxes_are_looked_at_as_others_are)
