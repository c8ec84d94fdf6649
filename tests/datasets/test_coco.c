#include "base/memory.h"
#include "datasets/boxed.h"
#include "suite.h"

#define CATEGORIES                                                                                 \
    "\"categories\": [{\"id\": 7, \"name\": \"cup\"}, {\"id\": 2, \"name\": \"cat\"}]"
#define IMAGES                                                                                     \
    "\"images\": [{\"id\": 30, \"file_name\": \"b.jpg\", \"width\": 60, \"height\": 40},"          \
    " {\"id\": 4, \"file_name\": \"a.jpg\", \"width\": 60, \"height\": 40}]"

/* A file with these annotations, images of 60 x 40 beside it. */
static test_folder make_set(const char *annotations) {
    test_folder f = test_folder_create();
    char text[8000];
    snprintf(text, sizeof text, "{%s, \"annotations\": [%s], %s}", IMAGES, annotations, CATEGORIES);
    put_image(&f, "a.jpg", 60, 40);
    put_image(&f, "b.jpg", 60, 40);
    test_put_file(&f, "set.json", text);
    return f;
}

/* "KIND set.json: offset N: WHAT", N being that of `member` and the brace before it. */
static void expect_fault_at(const test_folder *f, fault_list *faults, const char *kind,
                            const char *member, const char *what) {
    size_t size;
    char line[300], *text = (char *)test_read_file(test_path(f, "set.json"), &size);
    const char *at = strstr(strstr(text, "annotations"), member);
    snprintf(line, sizeof line, "%s set.json: offset %d: %s", kind, (int)(at - text) - 1, what);
    expect_fault(faults, line);
    free(text);
}

static void expect_refused(const char *annotations, const char *message) {
    test_folder f = make_set(annotations);
    expect_no_dataset(test_path(&f, "set.json"), message);
    test_folder_remove(f);
}

START_TEST(boxes_come_with_images_by_id_and_classes_by_rank) {
    test_folder f =
        make_set("{\"id\": 1, \"image_id\": 30, \"category_id\": 7, \"bbox\": [1, 2.5, 30, 4e0],"
                 " \"area\": 50.25, \"iscrowd\": 0, \"segmentation\": [[1, 2, {}, \"]\"]]},"
                 "{\"id\": 2, \"image_id\": 4, \"category_id\": 2, \"bbox\": [0, 0, 10, 10], "
                 "\"iscrowd\": 1},"
                 "{\"id\": 3, \"image_id\": 30, \"category_id\": 2, \"bbox\": [5, 5, 5, 6]}");
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    ck_assert(weld_dataset_has_boxes(ds));
    ck_assert_int_eq(weld_dataset_count(ds), 2);
    ck_assert_str_eq(weld_dataset_name(ds, 0), "a.jpg");
    ck_assert_int_eq(weld_dataset_image_id(ds, 0), 4);
    ck_assert_int_eq(weld_dataset_image_id(ds, 1), 30);
    ck_assert_int_eq(weld_dataset_class_count(ds), 2);
    ck_assert_str_eq(weld_dataset_class_name(ds, 0), "cat");
    ck_assert_int_eq(weld_dataset_category_id(ds, 0), 2);
    ck_assert_int_eq(weld_dataset_category_id(ds, 1), 7);
    ck_assert_int_eq(box_count(ds, 0), 1);
    ck_assert_int_eq(box_count(ds, 1), 2);
    expect_box(box_of(ds, 0, 0), 0, 0, 0, 10, 10);
    ck_assert_uint_eq(box_of(ds, 0, 0).flags, WELD_BOX_CROWD);
    expect_box(box_of(ds, 1, 0), 1, 1, 2.5, 30, 4);
    ck_assert_double_eq(box_of(ds, 1, 0).area, 50.25);
    expect_box(box_of(ds, 1, 1), 0, 5, 5, 5, 6);
    ck_assert_double_eq(box_of(ds, 1, 1).area, 30);
    weld_image image = {0};
    ck_assert_int_eq(read_sample(ds, 1, &image, NULL), WELD_OK);
    ck_assert_int_eq(image.width, 60);
    weld_image_free(&image);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

static void expect_suspicion(const char *annotations, const char *line) {
    test_folder f = make_set(annotations);
    fault_list faults;
    weld_dataset *ds = open_with_faults(&f, "set.json", &faults);
    expect_fault(&faults, line);
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}

START_TEST(numbers_that_mean_something_else_are_suspected) {
    expect_suspicion("{\"image_id\": 4, \"category_id\": 7, \"bbox\": [20, 10, 50, 30]},"
                     "{\"image_id\": 4, \"category_id\": 7, \"bbox\": [1, 2, 5, 5]}",
                     "corners set.json: offset 0: 1 of 2 boxes leaves its image");
    expect_suspicion("{\"image_id\": 4, \"category_id\": 7, \"bbox\": [0.2, 0.1, 0.5, 0.3]},"
                     "{\"image_id\": 4, \"category_id\": 7, \"bbox\": [0.5, 0.5, 0.5, 0.5]}",
                     "shares set.json: offset 0: all boxes lie in the first pixel");
}
END_TEST

START_TEST(the_order_of_lists_does_not_matter) {
    test_folder f = test_folder_create();
    put_image(&f, "a.jpg", 60, 40);
    put_image(&f, "b.jpg", 60, 40);
    test_put_file(&f, "set.json",
                  "\n {\"annotations\": [{\"category_id\": 7, \"bbox\": [1, 2, 3, 4], "
                  "\"image_id\": 4}]," CATEGORIES "," IMAGES ", \"info\": null}\n");
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    expect_box(box_of(ds, 0, 0), 1, 1, 2, 3, 4);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* By hand: the mask has columns of 4; ones are pixels 5 and 6 (column 1, rows 1 and 2) and 9 to 12
 * (column 2, rows 1 to 3, and the top of column 3). The text says the same runs. */
START_TEST(a_missing_box_is_that_of_the_shape) {
    test_folder f = make_set(
        "{\"segmentation\": [[1, 2, 8, 3, 4, 9.5]], \"image_id\": 4, \"category_id\": 2},"
        "{\"segmentation\": {\"counts\": [5, 2, 2, 4, 7], \"size\": [4, 5]}, \"image_id\": 4,"
        " \"category_id\": 2, \"bbox\": []},"
        "{\"segmentation\": {\"counts\": \"5222\", \"size\": [4, 5]}, \"image_id\": 4,"
        " \"category_id\": 7, \"bbox\": null, \"iscrowd\": 1}");
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    ck_assert_int_eq(box_count(ds, 0), 3);
    expect_box(box_of(ds, 0, 0), 0, 1, 2, 7, 7.5);
    expect_box(box_of(ds, 0, 1), 0, 1, 0, 3, 4);
    /* Runs 5, 2, 2 and 2 + 2 (the difference to the last but one). */
    expect_box(box_of(ds, 0, 2), 1, 1, 0, 3, 4);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(what_nobody_can_know_is_an_error_with_its_place) {
    expect_refused("{\"image_id\": 4, \"category_id\": 3, \"bbox\": [1, 2, 3, 4]}",
                   ": category_id 3 is not listed");
    expect_refused("{\"image_id\": 4, \"category_id\": 2, \"bbox\": [1, NaN, 3, 4]}",
                   ": a bbox that is not finite or beyond 1e9");
    expect_refused("{\"image_id\": 4, \"category_id\": 2, \"bbox\": [1, 2, 3]}",
                   "a bbox of 3 numbers");
    expect_refused("{\"image_id\": 4, \"category_id\": 2}", "neither a bbox nor a segmentation");
    expect_refused("{\"category_id\": 2, \"bbox\": [1, 2, 3, 4]}", "without image_id");
    expect_refused("{\"image_id\": 4, \"category_id\": 2.5}", "a whole number is expected");
    expect_refused("{\"image_id\": 4, \"category_id\": true}", "a number is expected");
    expect_refused("{\"image_id\": 4, \"category_id\": 2, \"bbox\": [1, 2, 3, 4], \"area\": true}",
                   "a number is expected");
    expect_refused("{\"image_id\": 4,", "a text in quotes is expected, not ']'");
    expect_refused("1", "an object, {...}, is expected");
}
END_TEST

#define AREA(text)                                                                                 \
    "{\"image_id\": 4, \"category_id\": 2, \"bbox\": [1, 2, 3, 4], \"area\": " text "}"

START_TEST(an_area_that_is_none_is_told_and_kept) {
    test_folder f = make_set(AREA("-1") "," AREA("0") "," AREA("1e10") "," AREA("1.01e10"));
    fault_list faults;
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    ck_assert_int_eq(box_count(ds, 0), 4);
    ck_assert_double_eq(box_of(ds, 0, 0).area, -1);
    ck_assert_msg(strstr(weld_dataset_passed(ds), "2 boxes of an area below 0 or above 1e10, "
                                                  "ignored in evaluation") != NULL,
                  "%s", weld_dataset_passed(ds));
    weld_dataset_free(ds);
    ds = open_with_faults(&f, "set.json", &faults);
    ck_assert_int_eq(faults.counts[WELD_BOX_NO_AREA], 2);
    expect_fault_at(&f, &faults, "no area", "\"image_id\"", "its area is -1: evaluation ignores");
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

#define CROWD(text)                                                                                \
    "{\"image_id\": 4, \"category_id\": 2, \"bbox\": [1, 2, 3, 4], \"iscrowd\": " text "}"

START_TEST(a_crowd_is_one_where_that_is_said) {
    static const struct {
        const char *annotation;
        uint32_t flags;
    } cases[] = {{CROWD("true"), WELD_BOX_CROWD},
                 {CROWD("1.0"), WELD_BOX_CROWD},
                 {CROWD("false"), 0},
                 {CROWD("0"), 0},
                 {CROWD("null"), 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_folder f = make_set(cases[i].annotation);
        weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
        ck_assert_uint_eq(box_of(ds, 0, 0).flags, cases[i].flags);
        weld_dataset_free(ds);
        test_folder_remove(f);
    }
    static const char *const odd[] = {CROWD("2"),   CROWD("-5"),       CROWD("1e-320"),
                                      CROWD("NaN"), CROWD("Infinity"), CROWD("\"1\""),
                                      CROWD("[1]")};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        expect_refused(odd[i], ": an iscrowd that is none of 0, 1, true and false");
    }
    expect_suspicion(CROWD("0") "," CROWD("2"), ": an iscrowd that is none of 0, 1,");
}
END_TEST

START_TEST(faults_are_told_and_the_rest_is_read) {
    test_folder f =
        make_set("{\"id\": 0, \"image_id\": 4, \"category_id\": 2, \"bbox\": [1, 2, 3, 4]},"
                 "{\"id\": 1, \"image_id\": 4, \"category_id\": 3, \"bbox\": [1, 2, 3, 4]},"
                 "{\"id\": 2, \"image_id\": 5, \"category_id\": 2, \"bbox\": [1, 2, 3, 4]},"
                 "{\"id\": 3, \"image_id\": 4, \"category_id\": 2, \"bbox\": [1, 2, 3, 4]},"
                 "{\"id\": 0, \"image_id\": 30, \"category_id\": 2, \"bbox\": [1, 2, 3, 4]},"
                 "{\"id\": 4, \"image_id\": 4, \"category_id\": 2, \"bbox\": [1, 2, 0, 4]},"
                 "{\"id\": 5, \"image_id\": 4, \"category_id\": 2, \"bbox\": [55, 2, 7, 4]},"
                 "{\"id\": 6, \"image_id\": 4, \"category_id\": 2, \"bbox\": [70, 2, 7, 4]},"
                 "{\"id\": 7, \"image_id\": 4, \"category_id\": 2, \"bbox\": [Infinity, 2, 7, 4]}");
    fault_list faults;
    weld_dataset *ds = open_with_faults(&f, "set.json", &faults);
    static const struct {
        const char *kind, *member, *what;
    } cases[] = {{"unknown class", "\"id\": 1,", "category_id 3 is not listed\n"},
                 {"orphan", "\"id\": 2,", "image_id 5 is not listed\n"},
                 {"duplicate id", "\"id\": 0, \"image_id\": 30", "annotation id 0 is"},
                 {"duplicate box", "\"id\": 3,", "the same box"},
                 {"empty box", "\"id\": 4,", "0 x 4 pixels\n"},
                 {"outside", "\"id\": 5,", "2 pixels beyond"},
                 {"outside", "\"id\": 6,", "all of it is off the image"},
                 {"bad value", "\"id\": 7,", "a bbox that is not finite or"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_fault_at(&f, &faults, cases[i].kind, cases[i].member, cases[i].what);
    }
    const uint32_t unused[] = {0, WELD_BOX_UNUSED, WELD_BOX_UNUSED, 0, WELD_BOX_UNUSED};
    ck_assert_int_eq(box_count(ds, 0), 5);
    for (int k = 0; k < 5; k++) {
        ck_assert_uint_eq(box_of(ds, 0, k).flags, unused[k]);
    }
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_size_that_is_none_is_an_error) {
    static const char *const sides[] = {"1e30", "Infinity", "NaN", "-5", "160.4", "true"};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        test_folder f = test_folder_create();
        char text[400];
        snprintf(
            text, sizeof text,
            "{\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\", \"width\": 60, \"height\": %s}], "
            "\"annotations\": [], " CATEGORIES "}",
            sides[i]);
        put_image(&f, "a.jpg", 60, 40);
        test_put_file(&f, "set.json", text);
        expect_no_dataset(test_path(&f, "set.json"),
                          i < 5
                              ? "set.json: offset 12: a width or height that is no number of pixels"
                              : "a number is expected");
        test_folder_remove(f);
    }
}
END_TEST

/* As some editors write it: a mark of UTF-8 is passed over, and offsets count it. */
START_TEST(an_image_that_is_listed_twice_is_told_with_its_place) {
    test_folder f = test_folder_create();
    fault_list faults;
    char line[100];
    static const char head[] = "\xef\xbb\xbf{\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\"}, ";
    char text[400];
    snprintf(text, sizeof text,
             "%s{\"id\": 1, \"file_name\": \"a.jpg\"}], \"annotations\": [], %s}", head,
             CATEGORIES);
    put_image(&f, "a.jpg", 60, 40);
    test_put_file(&f, "set.json", text);
    test_put_file(&f, "annotations", text);
    weld_dataset_free(open_dataset(test_path(&f, "annotations")));
    weld_dataset *ds = open_with_faults(&f, "set.json", &faults);
    ck_assert_int_eq(weld_dataset_count(ds), 1);
    snprintf(line, sizeof line, "duplicate image set.json: offset %zu: a.jpg\n", sizeof head - 1);
    expect_fault(&faults, line);
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(two_images_of_one_id_are_an_error) {
    test_folder f = test_folder_create();
    fault_list faults;
    put_image(&f, "a.jpg", 60, 40);
    put_image(&f, "b.jpg", 60, 40);
    test_put_file(&f, "set.json",
                  "{\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\"}, {\"id\": 1, \"file_name\": "
                  "\"b.jpg\"}], \"annotations\": [], " CATEGORIES "}");
    expect_no_dataset(test_path(&f, "set.json"), ": image id 1 is of both a.jpg and b.jpg");
    weld_dataset *ds = open_with_faults(&f, "set.json", &faults);
    expect_fault(&faults, ": image id 1 is of both a.jpg and b.jpg");
    ck_assert_int_eq(faults.counts[WELD_BOX_IMAGE_ID], 1);
    ck_assert(weld_box_fault_is_error(WELD_BOX_IMAGE_ID)); /* by which check-data fails */
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_file_of_two_images_is_told_with_the_place_of_the_later) {
    test_folder f = test_folder_create();
    fault_list faults;
    char line[120];
    static const char head[] = "{\"images\": [";
    char text[400];
    snprintf(text, sizeof text,
             "%s{\"id\": 9, \"file_name\": \"a.jpg\"}, {\"id\": 1, \"file_name\": \"a.jpg\"}], "
             "\"annotations\": [], %s}",
             head, CATEGORIES);
    put_image(&f, "a.jpg", 60, 40);
    test_put_file(&f, "set.json", text);
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    ck_assert_int_eq(weld_dataset_count(ds), 2);
    ck_assert_ptr_nonnull(
        strstr(weld_dataset_passed(ds), "1 image of a file that is another image's too"));
    weld_dataset_free(ds);
    ds = open_with_faults(&f, "set.json", &faults);
    snprintf(line, sizeof line,
             "duplicate file set.json: offset %zu: a.jpg is the file of image id 1 and of 9\n",
             sizeof head - 1);
    expect_fault(&faults, line);
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(images_are_found_beside_the_file_or_its_folder) {
    static const char *const places[] = {"",         "images/",     "../images/",
                                         "val2017/", "../val2017/", "../images/val2017/"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        test_folder f = test_folder_create();
        char name[100];
        test_put_file(&f, "annotations/instances_val2017.json",
                      "{" IMAGES ", \"annotations\": [], " CATEGORIES "}");
        snprintf(name, sizeof name, "annotations/%sb.jpg", places[i]);
        const char *path = strncmp(places[i], "..", 2) ? name : name + strlen("annotations/../");
        put_image(&f, path, 60, 40);
        weld_dataset *ds = open_dataset(test_path(&f, "annotations/instances_val2017.json"));
        expect_kept(ds, &f, "annotations/instances_val2017.json");
        expect_kept(ds, &f, path);
        weld_image image = {0};
        ck_assert_int_eq(read_sample(ds, 1, &image, NULL), WELD_OK);
        weld_image_free(&image);
        weld_dataset_free(ds);
        test_folder_remove(f);
    }
    test_folder f = make_set("");
    unlink(test_path(&f, "a.jpg"));
    unlink(test_path(&f, "b.jpg"));
    expect_no_dataset(test_path(&f, "set.json"), "a.jpg is neither in");
    test_folder_remove(f);
}
END_TEST

START_TEST(classes_of_a_network_are_taken_box_by_box) {
    test_folder f = make_set("{\"image_id\": 4, \"category_id\": 2, \"bbox\": [1, 2, 3, 4]},"
                             "{\"image_id\": 30, \"category_id\": 7, \"bbox\": [5, 6, 7, 8]},"
                             "{\"image_id\": 30, \"category_id\": 2, \"bbox\": [1, 2, 3, 4]}");
    static const char *const names[] = {"dog", "cup"};
    static const int to[] = {-1, 1};
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    ck_assert_int_eq(weld_dataset_take_classes(ds, names, 2, to, NULL), WELD_OK);
    ck_assert_int_eq(weld_dataset_count(ds), 2);
    ck_assert_int_eq(box_count(ds, 0), 0);
    ck_assert_int_eq(box_count(ds, 1), 1);
    expect_box(box_of(ds, 1, 0), 1, 5, 6, 7, 8);
    ck_assert_int_eq(weld_dataset_category_id(ds, 1), 7);
    ck_assert_int_eq(weld_dataset_category_id(ds, 0), -1);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Images of 60 x 40 as they are stored, to be turned by 90 degrees. */
START_TEST(the_size_that_is_stated_says_whether_boxes_are_of_the_upright_image) {
    static const struct {
        int stated[2], width, orientation;
    } cases[] = {{{60, 40}, 60, 1}, {{40, 60}, 40, 6}, {{0, 0}, 40, 6}, {{50, 40}, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_folder f = test_folder_create();
        char text[400];
        snprintf(
            text, sizeof text,
            "{\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\", \"width\": %d, \"height\": %d}],"
            " \"annotations\": [], " CATEGORIES "}",
            cases[i].stated[0], cases[i].stated[1]);
        put_image(&f, "a.jpg", 60, 40);
        turn_image(&f, "a.jpg", 6);
        test_put_file(&f, "set.json", text);
        weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
        weld_image image = {0};
        weld_bytes bytes = {0};
        weld_error err;
        int orientation = 0;
        ck_assert_int_eq(weld_dataset_read(ds, 0, &bytes, NULL), WELD_OK);
        if (cases[i].width) {
            ck_assert_int_eq(read_sample(ds, 0, &image, NULL), WELD_OK);
            ck_assert_int_eq(image.width, cases[i].width);
            ck_assert_int_eq(weld_dataset_orientation(ds, 0, &bytes, false, &orientation, NULL),
                             WELD_OK);
            ck_assert_int_eq(orientation, cases[i].orientation);
        } else {
            ck_assert(weld_is_bad_image(read_sample(ds, 0, &image, &err)));
            ck_assert_msg(strstr(err.message, "a.jpg: is 40 x 60 pixels, but 50 x 40") != NULL,
                          "%s", err.message);
        }
        weld_image_free(&image);
        weld_bytes_free(&bytes);
        weld_dataset_free(ds);
        test_folder_remove(f);
    }
}
END_TEST

START_TEST(a_lack_of_memory_is_told) {
    test_folder f =
        make_set("{\"id\": 1, \"image_id\": 4, \"category_id\": 2, \"bbox\": [1, 2, 3, 4]}");
    weld_dataset *ds = NULL;
    weld_error err;
    long successes = 0;
    for (weld_status status = WELD_ERROR_MEMORY; status; successes++) {
        ck_assert_int_lt(successes, 200);
        weld_memory_fail_after(successes);
        status = weld_dataset_open(test_path(&f, "set.json"), &ds, &err);
        weld_memory_fail_after(-1);
        ck_assert_msg(!status || status == WELD_ERROR_MEMORY, "%s", err.message);
    }
    ck_assert_int_eq(box_count(ds, 0), 1);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/coco", boxes_come_with_images_by_id_and_classes_by_rank,
          the_order_of_lists_does_not_matter, numbers_that_mean_something_else_are_suspected,
          an_area_that_is_none_is_told_and_kept, a_crowd_is_one_where_that_is_said,
          a_missing_box_is_that_of_the_shape, what_nobody_can_know_is_an_error_with_its_place,
          faults_are_told_and_the_rest_is_read,
          an_image_that_is_listed_twice_is_told_with_its_place, two_images_of_one_id_are_an_error,
          a_file_of_two_images_is_told_with_the_place_of_the_later,
          images_are_found_beside_the_file_or_its_folder, classes_of_a_network_are_taken_box_by_box,
          the_size_that_is_stated_says_whether_boxes_are_of_the_upright_image,
          a_size_that_is_none_is_an_error, a_lack_of_memory_is_told)
