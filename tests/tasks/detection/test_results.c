/* Files of COCO's results. */
#include "base/memory.h"
#include "datasets/boxed.h"
#include "datasets/pack.h"
#include "tasks/detection/results.h"
#include "suite.h"

/* Images 30 and 4, which are not there, and categories 7 and 2. */
static test_folder make_set(weld_dataset **ds) {
    test_folder f = test_folder_create();
    const weld_dataset_options options = {.boxes.no_images = true};
    test_put_file(&f, "set.json",
                  "{\"images\": [{\"id\": 30, \"file_name\": \"b.jpg\"},"
                  " {\"id\": 4, \"file_name\": \"a.jpg\"}], \"annotations\": [],"
                  " \"categories\": [{\"id\": 7, \"name\": \"cup\"}, {\"id\": 2, \"name\": "
                  "\"cat\"}]}");
    ck_assert_int_eq(weld_dataset_open_with(test_path(&f, "set.json"), &options, ds, NULL),
                     WELD_OK);
    return f;
}

static weld_status read_text(const char *text, weld_results **out, weld_error *err) {
    weld_dataset *ds;
    test_folder f = make_set(&ds);
    test_put_file(&f, "results.json", text);
    const weld_status status = weld_results_read(test_path(&f, "results.json"), ds, -1, out, err);
    weld_dataset_free(ds);
    test_folder_remove(f);
    return status;
}

static void expect_refused(const char *text, const char *message) {
    weld_results *r;
    weld_error err;
    ck_assert_msg(read_text(text, &r, &err) == WELD_ERROR_FORMAT, "%s is taken", text);
    ck_assert_ptr_null(r);
    ck_assert_msg(strstr(err.message, message) != NULL, "%s", err.message);
}

START_TEST(detections_are_those_of_their_image_in_the_order_of_the_file) {
    weld_results *r;
    int64_t count;
    ck_assert_int_eq(
        read_text("[{\"image_id\": 30, \"category_id\": 7, \"bbox\": [1, 2.5, 3e1, 4], \"score\": "
                  "0.123456789012345678, \"segmentation\": {\"a\": [1]}},\n"
                  " {\"score\": 1, \"image_id\": 4, \"bbox\": [0, 0, 1, 1], \"category_id\": 2.0},"
                  " {\"image_id\": 30, \"category_id\": 2, \"bbox\": [-5, 0, 1, 1], \"score\": 0}]",
                  &r, NULL),
        WELD_OK);
    const weld_found_box *first = weld_results_of(r, 0, &count);
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(first->class_index, 0);
    const weld_found_box *second = weld_results_of(r, 1, &count);
    ck_assert_int_eq(count, 2);
    ck_assert_int_eq(second[0].class_index, 1);
    ck_assert_double_eq(second[0].score, 0.123456789012345678);
    ck_assert_double_eq(second[0].y, 2.5);
    ck_assert_double_eq(second[0].width, 30);
    ck_assert_double_eq(second[1].x, -5);
    ck_assert_str_eq(weld_results_note(r), "");
    weld_results_free(r);
}
END_TEST

START_TEST(images_are_told_by_their_files_too) {
    weld_results *r;
    int64_t count;
    ck_assert_int_eq(
        read_text(
            "[{\"image_id\": \"b\", \"category_id\": 7, \"bbox\": [0, 0, 1, 1], \"score\": 1},"
            "{\"image_id\": \"a.jpg\", \"category_id\": 2, \"bbox\": [0, 0, 1, 1], \"score\": 1},"
            "{\"image_id\": 99, \"file_name\": \"b.jpg\", \"category_id\": 2, \"bbox\": [0, 0, 1, "
            "1], \"score\": 1},"
            "{\"image_id\": 4, \"file_name\": \"b.jpg\", \"category_id\": 2, \"bbox\": [0, 0, 1, "
            "1], \"score\": 1},"
            "{\"image_id\": 4, \"file_name\": null, \"category_id\": 2, \"bbox\": [0, 0, 1, "
            "1], \"score\": 1}]",
            &r, NULL),
        WELD_OK);
    weld_results_of(r, 0, &count); /* image 4, a.jpg */
    ck_assert_int_eq(count, 2);
    weld_results_of(r, 1, &count);
    ck_assert_int_eq(count, 3);
    ck_assert_msg(strstr(weld_results_note(r), "1 file_name is another image's") != NULL, "%s",
                  weld_results_note(r));
    weld_results_free(r);
    expect_refused(
        "[{\"image_id\": \"c\", \"category_id\": 7, \"bbox\": [0, 0, 1, 1], \"score\": 1}]",
        "image_id 'c' is no image of the data");
}
END_TEST

START_TEST(a_file_name_counts_where_it_has_other_folders_or_is_refused) {
    weld_results *r;
    int64_t count;
    weld_error err;
    ck_assert_msg(!read_text("[{\"image_id\": 4, \"file_name\": \"images/val/b.jpg\", "
                             "\"category_id\": 2, \"bbox\": [0, 0, 1, 1], \"score\": 1}]",
                             &r, &err),
                  "%s", err.message);
    weld_results_of(r, 1, &count); /* image 30 */
    ck_assert_int_eq(count, 1);
    weld_results_free(r);
    expect_refused(
        "[{\"image_id\": 4, \"file_name\": \"val/ab.jpg\", \"category_id\": 2, \"bbox\": "
        "[0, 0, 1, 1], \"score\": 1}]",
        "offset 1: file_name 'val/ab.jpg' is no image of the data");
    expect_refused("[{\"image_id\": \"a\", \"file_name\": \"c.jpg\", \"category_id\": 2, \"bbox\": "
                   "[0, 0, 1, 1], \"score\": 1}]",
                   "offset 1: file_name 'c.jpg' is no image of the data");
}
END_TEST

/* Of images 1 to 4: x/1.jpg, y/1.jpg, 1.jpg, 2.jpg. */
static weld_status read_alike(const char *id, const char *name, int64_t *sample, weld_error *err) {
    const weld_dataset_options options = {.boxes.no_images = true};
    char text[200];
    weld_dataset *ds;
    weld_results *r;
    test_folder f = test_folder_create();
    test_put_file(&f, "set.json",
                  "{\"images\": [{\"id\": 1, \"file_name\": \"x/1.jpg\"}, {\"id\": 2, "
                  "\"file_name\": \"y/1.jpg\"}, {\"id\": 3, \"file_name\": \"1.jpg\"}, {\"id\": 4, "
                  "\"file_name\": \"2.jpg\"}], \"annotations\": [], \"categories\": [{\"id\": 2, "
                  "\"name\": \"cat\"}]}");
    snprintf(text, sizeof text,
             "[{\"image_id\": %s, \"file_name\": \"%s\", \"category_id\": 2, \"bbox\": [0, 0, 1, "
             "1], \"score\": 1}]",
             id, name);
    test_put_file(&f, "results.json", text);
    ck_assert(!weld_dataset_open_with(test_path(&f, "set.json"), &options, &ds, NULL));
    const weld_status status = weld_results_read(test_path(&f, "results.json"), ds, -1, &r, err);
    for (int64_t i = 0, count = 0; i < 4 && !status; i++) {
        weld_results_of(r, i, &count);
        *sample = count ? i : *sample;
    }
    weld_results_free(r);
    weld_dataset_free(ds);
    test_folder_remove(f);
    return status;
}

START_TEST(of_files_that_are_called_alike_folders_tell_then_the_id) {
    static const struct {
        const char *id, *name;
        int64_t sample;
    } taken[] = {{"9", "x/1.jpg", 0}, {"9", "up/x/1.jpg", 0}, {"9", "z/1.jpg", 2},
                 {"2", "1.jpg", 1},   {"2", "1", 1},          {"3", "1.jpg", 2},
                 {"9", "up/2", 3},    {"\"y/1\"", "1.jpg", 1}};
    int64_t sample = -1;
    weld_error err;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        ck_assert_msg(!read_alike(taken[i].id, taken[i].name, &sample, &err), "%s", err.message);
        ck_assert_msg(sample == taken[i].sample, "%s", taken[i].name);
    }
    ck_assert(read_alike("4", "1.jpg", &sample, &err));
    ck_assert_msg(strstr(err.message, "file_name '1.jpg' may be") != NULL, "%s", err.message);
    ck_assert(read_alike("9", "1.jpg", &sample, &err));
}
END_TEST

START_TEST(a_name_of_another_class_than_the_id_is_refused) {
#define NAMED(id, name)                                                                            \
    "[{\"image_id\": 4, \"category_id\": " id ", \"category_name\": " name                         \
    ", \"bbox\": [0, 0, 1, 1], \"score\": 1}]"
    static const char *const taken[] = {NAMED("7", "\"cup\""), NAMED("7", "\"mug\""),
                                        NAMED("7", "5")};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        weld_results *r;
        int64_t count;
        ck_assert_int_eq(read_text(taken[i], &r, NULL), WELD_OK);
        ck_assert_int_eq(weld_results_of(r, 0, &count)->class_index, 1);
        ck_assert_int_eq(count, 1);
        weld_results_free(r);
    }
    expect_refused(
        NAMED("2", "\"cup\""),
        "offset 1: category_id 2 is 'cat', but the category_name is 'cup', whose id is 7");
    expect_refused(NAMED("3", "\"cup\""),
                   "category_id 3 is not in the data, but the category_name is 'cup'");
#undef NAMED
}
END_TEST

/* Of image 1; the classes of its detections as digits. */
static weld_status read_counted(int64_t lowest, const char *text, int first_category, char *classes,
                                weld_results **r, weld_error *err) {
    const weld_dataset_options options = {.boxes.no_images = true};
    char set[300];
    weld_dataset *ds;
    test_folder f = test_folder_create();
    snprintf(set, sizeof set,
             "{\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\"}], \"annotations\": [], "
             "\"categories\": [{\"id\": %d, \"name\": \"cup\"}, {\"id\": %d, \"name\": \"cat\"}, "
             "{\"id\": %d, \"name\": \"dog\"}]}",
             (int)lowest, (int)lowest + 1, (int)lowest + 2);
    test_put_file(&f, "set.json", set);
    test_put_file(&f, "results.json", text);
    ck_assert(!weld_dataset_open_with(test_path(&f, "set.json"), &options, &ds, NULL));
    const weld_status status =
        weld_results_read(test_path(&f, "results.json"), ds, first_category, r, err);
    if (!status) {
        int64_t count;
        const weld_found_box *box = weld_results_of(*r, 0, &count);
        for (int64_t i = 0; i < count && i < 3; i++) {
            *classes++ = (char)('0' + box[i].class_index);
        }
        *classes = 0;
    }
    weld_dataset_free(ds);
    test_folder_remove(f);
    return status;
}

#define ONE(category)                                                                              \
    "{\"image_id\": 1, \"category_id\": " #category ", \"bbox\": [0, 0, 1, 1], \"score\": 1}"
#define NAMED(category, name)                                                                      \
    "{\"image_id\": 1, \"category_id\": " #category ", \"category_name\": \"" name                 \
    "\", \"bbox\": [0, 0, 1, 1], \"score\": 1}"

START_TEST(ids_that_are_counted_otherwise_than_the_datas_are_refused) {
    static const struct {
        int64_t lowest;
        const char *text;
        int first;
        const char *says; /* classes, or what is refused */
    } cases[] = {
        {0, "[" ONE(1) "," ONE(2) "," ONE(3) "]", -1, "say --first-category 1;"},
        {0, "[" ONE(1) "," ONE(2) "," ONE(3) "]", 1, "012"},
        {0, "[" ONE(1) "," ONE(2) "," ONE(3) "]", 0, "12"},
        {0, "[" ONE(3) "]", -1, "say --first-category 1;"},
        {0, "[" ONE(1) "," ONE(2) "]", -1, "12"},
        {0, "[" ONE(0) "," ONE(3) "]", -1, "0"},
        {0, "[" ONE(1) "," ONE(3) "," ONE(9) "]", -1, "1"},
        {0, "[" NAMED(1, "cat") "," ONE(3) "]", -1, "1"},
        {0, "[" NAMED(1, "cup") "," ONE(3) "]", 1, "02"},
        {0, "[" NAMED(1, "cat") "," ONE(3) "]", 1, "category_id 1 is 'cup', but"},
        {0, "[" ONE(1) "," ONE(-9223372036854775808) "]", 1, "0"},
        {0, "[" ONE(1) "," ONE(9223372036854775807) "]", 1, "0"},
        {1, "[" ONE(0) "," ONE(1) "," ONE(2) "]", -1, "say --first-category 0;"},
        {1, "[" ONE(0) "," ONE(1) "," ONE(2) "]", 0, "012"},
        {1, "[" ONE(0) "," ONE(1) "," ONE(2) "]", 1, "01"},
        {1, "[" ONE(0) "," ONE(3) "]", -1, "2"},
        {1, "[" ONE(2) "," ONE(4) "]", -1, "1"},
        {-2, "[" ONE(0) "," ONE(-2) "," ONE(-1) "," ONE(-3) "]", -1, "201"}, /* any will do */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char classes[4];
        weld_results *r;
        weld_error err;
        const weld_status status =
            read_counted(cases[i].lowest, cases[i].text, cases[i].first, classes, &r, &err);
        ck_assert_msg(!status == (strlen(cases[i].says) <= 3), "%s", cases[i].text);
        if (status) {
            ck_assert_msg(strstr(err.message, cases[i].says) != NULL, "%s: %s", cases[i].text,
                          err.message);
        } else {
            ck_assert_msg(strcmp(classes, cases[i].says) == 0, "%s: %s", cases[i].text, classes);
            /* Taken as it is, but perhaps counted from 1 without the last class. */
            ck_assert_msg(!strstr(weld_results_note(r), "say --first-category 1") ==
                              (strcmp(cases[i].text, "[" ONE(1) "," ONE(2) "]") != 0),
                          "%s: %s", cases[i].text, weld_results_note(r));
        }
        weld_results_free(r);
    }
}
END_TEST
#undef ONE
#undef NAMED

/* Images 3 and 7, which are called 7 and 3, and classes from an id on, packed. */
static weld_status read_packed(int lowest, const char *image, weld_results **r, weld_error *err) {
    char text[300];
    weld_dataset *ds;
    weld_pack_report report;
    const weld_pack_options options = {0};
    test_folder f = test_folder_create();
    put_image(&f, "7.jpg", 20, 10);
    put_image(&f, "3.jpg", 20, 10);
    snprintf(text, sizeof text,
             "{\"images\": [{\"id\": 3, \"file_name\": \"7.jpg\"}, {\"id\": 7, \"file_name\": "
             "\"3.jpg\"}], \"annotations\": [], \"categories\": [{\"id\": %d, \"name\": \"cup\"}, "
             "{\"id\": %d, \"name\": \"cat\"}]}",
             lowest, lowest + 1);
    test_put_file(&f, "set.json", text);
    ck_assert(!weld_dataset_open(test_path(&f, "set.json"), &ds, NULL));
    ck_assert_msg(!weld_pack(ds, test_path(&f, "set.h5"), &options, &report, err), "%s",
                  err->message);
    weld_dataset_free(ds);
    snprintf(text, sizeof text,
             "[{\"image_id\": %s, \"category_id\": %d, \"bbox\": [0, 0, 1, 1], \"score\": 1},"
             "{\"image_id\": %s, \"category_id\": %d, \"bbox\": [0, 0, 1, 1], \"score\": 1}]",
             image, lowest, image, lowest + 1);
    test_put_file(&f, "results.json", text);
    ck_assert(!weld_dataset_open(test_path(&f, "set.h5"), &ds, NULL));
    const weld_status status = weld_results_read(test_path(&f, "results.json"), ds, -1, r, err);
    weld_dataset_free(ds);
    test_folder_remove(f);
    return status;
}

START_TEST(numbers_of_packed_images_are_ids_where_the_classes_have_some) {
    int64_t count;
    weld_results *r;
    weld_error err;
    ck_assert_msg(!read_packed(5, "3", &r, &err), "%s", err.message);
    weld_results_of(r, 0, &count);
    ck_assert_int_eq(count, 2);
    weld_results_free(r);
    ck_assert(read_packed(0, "3", &r, &err));
    ck_assert_msg(strstr(err.message, "image_id 3 may be '") != NULL, "%s", err.message);
    ck_assert_msg(!read_packed(0, "\"3\"", &r, &err), "%s", err.message);
    weld_results_of(r, 1, &count);
    ck_assert_int_eq(count, 2);
    weld_results_free(r);
}
END_TEST

/* --- Data without ids --- */

/* Three classes, and images, which are 0042, bild.7, a/1, z/0, z/1 in order. */
static weld_status read_yolo(const char *text, int first_category, weld_results **out,
                             weld_error *err) {
    static const char *const images[] = {"a/1", "z/1", "z/0", "bild.7", "0042"};
    weld_dataset *ds;
    test_folder f = test_folder_create();
    test_put_file(&f, "data.yaml", "path: .\ntrain: images\nval: images\nnames: [cup, cat, dog]\n");
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        char name[64];
        snprintf(name, sizeof name, "images/%s.jpg", images[i]);
        put_image(&f, name, 20, 10);
        snprintf(name, sizeof name, "labels/%s.txt", images[i]);
        test_put_file(&f, name, "1 0.5 0.5 0.5 0.5\n");
    }
    test_put_file(&f, "results.json", text);
    const weld_dataset_options options = {.boxes.no_images = true, .part = WELD_NAMED_VAL};
    ck_assert_msg(!weld_dataset_open_with(test_path(&f, "data.yaml"), &options, &ds, err), "%s",
                  err->message);
    ck_assert_str_eq(weld_dataset_name(ds, 0), "images/0042.jpg");
    ck_assert_str_eq(weld_dataset_name(ds, 1), "images/bild.7.jpg");
    const weld_status status =
        weld_results_read(test_path(&f, "results.json"), ds, first_category, out, err);
    weld_dataset_free(ds);
    test_folder_remove(f);
    return status;
}

#define OF(image, category)                                                                        \
    "{" image ", \"category_id\": " #category ", \"bbox\": [0, 0, 1, 1], \"score\": 1}"

/* The class of the one detection of each image, -1: it has none. */
static void expect_classes(const char *text, int first_category, const int *wanted,
                           const char *note) {
    weld_results *r;
    weld_error err;
    ck_assert_msg(!read_yolo(text, first_category, &r, &err), "%s", err.message);
    for (int i = 0; i < 5; i++) {
        int64_t count;
        const weld_found_box *box = weld_results_of(r, i, &count);
        ck_assert_msg((count ? box->class_index : -1) == wanted[i], "image %d of %s", i, text);
    }
    ck_assert_msg(strstr(weld_results_note(r), note) != NULL, "%s", weld_results_note(r));
    ck_assert(*note || !*weld_results_note(r));
    weld_results_free(r);
}

static void expect_yolo_refused(const char *text, int first_category, const char *message) {
    weld_results *r;
    weld_error err;
    ck_assert_msg(read_yolo(text, first_category, &r, &err) == WELD_ERROR_FORMAT, "%s is taken",
                  text);
    ck_assert_msg(strstr(err.message, message) != NULL, "%s", err.message);
}

START_TEST(what_ultralytics_writes_of_data_without_ids_is_taken) {
    expect_classes("[" OF("\"image_id\": 42, \"file_name\": \"0042.jpg\"", 3) "," OF(
                       "\"image_id\": \"bild.7\", \"file_name\": \"bild.7.jpg\"", 1) "]",
                   -1, (int[]){2, 0, -1, -1, -1},
                   "category_id 1 is taken for the first class, 'cup'");
    expect_classes("[" OF("\"image_id\": 42", 3) "," OF("\"image_id\": \"bild.7\"", 1) "]", -1,
                   (int[]){2, 0, -1, -1, -1},
                   "image_id is taken for what the image's file is called");
    expect_yolo_refused("[" OF("\"image_id\": 1, \"file_name\": \"1.jpg\"", 3) "]", -1,
                        "file_name '1.jpg' may be 'images/a/1.jpg' or 'images/z/1.jpg'");
    expect_classes("[" OF("\"image_id\": 1, \"file_name\": \"z/1.jpg\"", 3) "]", -1,
                   (int[]){-1, -1, -1, -1, 2}, "category_id 1");
}
END_TEST

START_TEST(what_weld_writes_of_data_without_ids_is_taken) {
    expect_classes("[" OF("\"image_id\": 1, \"file_name\": \"images/a/1.jpg\", "
                          "\"category_name\": \"dog\"",
                          2) "]",
                   -1, (int[]){-1, -1, 2, -1, -1}, "");
    expect_classes("[" OF("\"image_id\": 0", 0) "," OF("\"image_id\": 3", 2) "]", -1,
                   (int[]){0, -1, -1, 2, -1},
                   "image_id is taken for the image's number in the data");
}
END_TEST

START_TEST(numbers_that_may_be_one_or_the_other_are_refused) {
    const char *const middle = "[" OF("\"image_id\": \"bild.7\"", 1) "]";
    expect_yolo_refused(middle, -1, "from 0 or, as Ultralytics does, from 1");
    expect_classes(middle, 0, (int[]){-1, 1, -1, -1, -1}, "category_id 0 is taken for");
    expect_classes(middle, 1, (int[]){-1, 0, -1, -1, -1}, "category_id 1 is taken for");
    expect_yolo_refused("[" OF("\"image_id\": \"bild.7\"", 3) "]", 0, "from 0 are up to 2");
    expect_yolo_refused(
        "[" OF("\"image_id\": \"bild.7\"", 0) "," OF("\"image_id\": \"bild.7\"", 3) "]", -1,
        "they are 0 to 2, or 1 to 3");
    expect_yolo_refused("[" OF("\"image_id\": 42", 0) "," OF("\"image_id\": 2", 0) "]", -1,
                        "image_id 2 is not in the data");
    expect_yolo_refused("[" OF("\"image_id\": 42", 0) "," OF("\"image_id\": 1", 0) "]", -1,
                        "image_id 1 may be 'images/a/1.jpg' or 'images/z/1.jpg'");
    expect_yolo_refused("[" OF("\"image_id\": 1", 0) "]", -1, "may be 'images/a/1.jpg' or");
    expect_yolo_refused("[" OF("\"image_id\": 0", 0) "]", -1,
                        "image_id 0 may be 'images/z/0.jpg', as it is called, or "
                        "'images/0042.jpg', by its number in the data");
}
END_TEST

START_TEST(no_detections_are_results_too) {
    weld_results *r;
    int64_t count;
    ck_assert_int_eq(read_text(" [ ] ", &r, NULL), WELD_OK);
    ck_assert_ptr_null(weld_results_of(r, 1, &count));
    ck_assert_int_eq(count, 0);
    weld_results_free(r);
}
END_TEST

START_TEST(categories_that_the_data_lacks_are_told) {
    weld_results *r;
    int64_t count;
    ck_assert_int_eq(
        read_text("[{\"image_id\": 4, \"category_id\": 3, \"bbox\": [0, 0, 1, 1], \"score\": 1},"
                  "{\"image_id\": 4, \"category_id\": 2, \"bbox\": [0, 0, 1, 1], \"score\": 1}]",
                  &r, NULL),
        WELD_OK);
    weld_results_of(r, 0, &count);
    ck_assert_int_eq(count, 1);
    ck_assert_msg(strstr(weld_results_note(r), "1 detection is of categories") != NULL, "%s",
                  weld_results_note(r));
    ck_assert_msg(strstr(weld_results_note(r), "category_id 3, at offset 1") != NULL, "%s",
                  weld_results_note(r));
    weld_results_free(r);
    expect_refused("[{\"image_id\": 4, \"category_id\": 3, \"bbox\": [0, 0, 1, 1], \"score\": 1}]",
                   "offset 1: category_id 3 is not in the data");
}
END_TEST

START_TEST(what_is_no_result_is_refused_with_its_place) {
    expect_refused("", "offset 0");
    expect_refused("{\"images\": []}", "a list of detections is expected");
    expect_refused("[1]", "offset 1");
    expect_refused("[{\"image_id\": 4, \"category_id\": 2, \"bbox\": [0, 0, 1, 1]}]",
                   "offset 1: a detection without score");
    expect_refused("[{\"image_id\": 4, \"category_id\": 2, \"score\": 1, \"segmentation\": {}}]",
                   "without bbox");
    expect_refused("[{\"image_id\": 5, \"category_id\": 2, \"bbox\": [0, 0, 1, 1], \"score\": 1}]",
                   "image_id 5 is not in the data");
    expect_refused("[{\"image_id\": 4, \"category_id\": 2, \"bbox\": [0, 0, 1], \"score\": 1}]",
                   "a bbox of 3 numbers");
    expect_refused("[{\"image_id\": 4, \"category_id\": 2, \"bbox\": [0, 0, 1, 1, 1], \"score\": "
                   "1}]",
                   "a bbox of 5 numbers");
    expect_refused("[{\"image_id\": 4, \"category_id\": 2, \"bbox\": [0, 0, 1, 1], \"score\": "
                   "NaN}]",
                   "not finite");
    expect_refused("[{\"image_id\": 4, \"category_id\": 2, \"bbox\": [0, 1e999, 1, 1], \"score\": "
                   "1}]",
                   "offset");
    expect_refused("[] x", "offset 3");
    expect_refused("[{\"image_id\": 4, \"category_id\": 2", "cut");
}
END_TEST

START_TEST(a_lack_of_memory_is_told_wherever_it_comes) {
    weld_dataset *ds;
    test_folder f = make_set(&ds);
    weld_error err;
    test_put_file(&f, "results.json",
                  "[{\"image_id\": 4, \"category_id\": 2, \"bbox\": [0, 0, 1, 1], \"score\": 1}]");
    for (long i = 0;; i++) {
        weld_results *r;
        weld_memory_fail_after(i);
        const weld_status status =
            weld_results_read(test_path(&f, "results.json"), ds, -1, &r, &err);
        weld_memory_fail_after(-1);
        weld_results_free(r);
        if (status == WELD_OK) {
            ck_assert_int_gt(i, 5);
            break;
        }
        ck_assert_int_eq(status, WELD_ERROR_MEMORY);
    }
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("tasks/detection/results", detections_are_those_of_their_image_in_the_order_of_the_file,
          images_are_told_by_their_files_too,
          a_file_name_counts_where_it_has_other_folders_or_is_refused,
          of_files_that_are_called_alike_folders_tell_then_the_id,
          a_name_of_another_class_than_the_id_is_refused,

          ids_that_are_counted_otherwise_than_the_datas_are_refused,
          numbers_of_packed_images_are_ids_where_the_classes_have_some,
          what_ultralytics_writes_of_data_without_ids_is_taken,
          what_weld_writes_of_data_without_ids_is_taken,
          numbers_that_may_be_one_or_the_other_are_refused, no_detections_are_results_too,
          categories_that_the_data_lacks_are_told, what_is_no_result_is_refused_with_its_place,
          a_lack_of_memory_is_told_wherever_it_comes)
