#include "datasets/layout.h"
#include "base/memory.h"
#include "datasets/boxed.h"
#include "suite.h"

static void put_coco(const test_folder *f, const char *file, const char *image, const char *name) {
    char text[400];
    snprintf(text, sizeof text,
             "{\"images\": [{\"id\": 1, \"file_name\": \"%s\"}], \"annotations\": [],"
             " \"categories\": [{\"id\": 1, \"name\": \"%s\"}]}",
             image, name);
    test_put_file(f, file, text);
}

static void expect_class(const char *path, const char *name) {
    weld_dataset *ds = open_dataset(path);
    ck_assert_str_eq(weld_dataset_class_name(ds, 0), name);
    weld_dataset_free(ds);
}

static void expect_judged(const char *path, const char *name) {
    weld_dataset *ds;
    weld_error err;
    ck_assert_msg(!weld_dataset_open_to_judge(path, &ds, &err), "%s", err.message);
    ck_assert_str_eq(weld_dataset_class_name(ds, 0), name);
    weld_dataset_free(ds);
}

START_TEST(a_folder_has_parts_and_the_right_one_is_taken) {
    test_folder f = test_folder_create();
    put_image(&f, "train2017/a.jpg", 8, 8);
    put_image(&f, "val2017/a.jpg", 8, 8);
    put_coco(&f, "annotations/instances_train2017.json", "a.jpg", "of train");
    put_coco(&f, "annotations/instances_val2017.json", "a.jpg", "of val");
    expect_class(f.path, "of train");
    expect_judged(f.path, "of val");
    expect_class(test_path(&f, ":val"), "of val");
    expect_no_dataset(test_path(&f, ":coco:test"), "none for test");
    put_coco(&f, "annotations/instances_val2014.json", "a.jpg", "of val");
    weld_dataset *ds;
    weld_error err;
    ck_assert_int_ne(weld_dataset_open_to_judge(f.path, &ds, &err), WELD_OK);
    ck_assert_msg(strstr(err.message, "annotations: holds both instances_val2014.json and "
                                      "instances_val2017.json: name one") != NULL,
                  "%s", err.message);
    test_folder_remove(f);
}
END_TEST

START_TEST(parts_of_roboflow_are_found_as_valid_too) {
    test_folder f = test_folder_create();
    put_image(&f, "train/a.jpg", 8, 8);
    put_image(&f, "valid/a.jpg", 8, 8);
    put_coco(&f, "train/_annotations.coco.json", "a.jpg", "of train");
    put_coco(&f, "valid/_annotations.coco.json", "a.jpg", "of val");
    expect_class(f.path, "of train");
    expect_judged(f.path, "of val");
    expect_class(test_path(&f, "valid"), "of val");
    put_image(&f, "b/training/a.jpg", 8, 8);
    put_image(&f, "b/validation/a.jpg", 8, 8);
    put_coco(&f, "b/training/_annotations.coco.json", "a.jpg", "of train");
    put_coco(&f, "b/validation/_annotations.coco.json", "a.jpg", "of val");
    expect_class(test_path(&f, "b"), "of train");
    expect_judged(test_path(&f, "b"), "of val");
    test_folder_remove(f);
}
END_TEST

START_TEST(of_several_kinds_coco_comes_first_and_any_can_be_asked_for) {
    test_folder f = test_folder_create();
    put_image(&f, "train/images/a.jpg", 8, 8);
    test_put_file(&f, "train/labels/a.txt", "");
    test_put_file(&f, "data.yaml", "train: train/images\nnames: [of yolo]\n");
    put_coco(&f, "annotations/instances_train.json", "images/a.jpg", "of coco");
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_str_eq(weld_dataset_class_name(ds, 0), "of coco");
    ck_assert_msg(
        strstr(weld_dataset_note(ds), "taken for a data set of COCO's kind, not of YOLO") != NULL,
        "%s", weld_dataset_note(ds));
    weld_dataset_free(ds);
    expect_class(test_path(&f, ":yolo"), "of yolo");
    expect_class(test_path(&f, ":yolo:train"), "of yolo");
    expect_no_dataset(test_path(&f, ":voc"), "holds no data set of VOC's kind");
    test_folder_remove(f);
}
END_TEST

static bool has_part(const char *path, weld_part_name part) {
    bool has;
    ck_assert_int_eq(weld_layout_has_part(path, part, &has, NULL), WELD_OK);
    return has;
}

START_TEST(a_folder_knows_its_parts) {
    test_folder f = test_folder_create();
    put_image(&f, "train/images/a.jpg", 8, 8);
    test_put_file(&f, "train/labels/a.txt", "");
    test_put_file(&f, "data.yaml", "train: train/images\nval: valid/images\nnames: [cat]\n");
    ck_assert(has_part(f.path, WELD_NAMED_TRAIN));
    ck_assert(has_part(f.path, WELD_NAMED_VAL));
    ck_assert(!has_part(f.path, WELD_NAMED_TEST));
    /* The folder of a part is no other part: nobody evaluates on what was trained on. */
    ck_assert(has_part(test_path(&f, "train"), WELD_NAMED_TRAIN));
    ck_assert(!has_part(test_path(&f, "train"), WELD_NAMED_VAL));
    char named[PATH_MAX];
    snprintf(named, sizeof named, "%s:train", f.path);
    ck_assert(has_part(named, WELD_NAMED_TRAIN));
    ck_assert(!has_part(named, WELD_NAMED_VAL));
    put_coco(&f, "coco/train/_annotations.coco.json", "a.jpg", "cat");
    ck_assert(has_part(test_path(&f, "coco"), WELD_NAMED_TRAIN));
    ck_assert(!has_part(test_path(&f, "coco"), WELD_NAMED_VAL));
    ck_assert(!has_part(test_path(&f, "coco/train"), WELD_NAMED_VAL));
    put_image(&f, "voc/JPEGImages/a.jpg", 8, 8);
    test_put_file(&f, "voc/Annotations/a.xml", "<annotation/>");
    ck_assert(has_part(test_path(&f, "voc"), WELD_NAMED_TRAIN));
    ck_assert(!has_part(test_path(&f, "voc"), WELD_NAMED_VAL));
    test_put_file(&f, "voc/ImageSets/Main/val.txt", "a");
    ck_assert(has_part(test_path(&f, "voc"), WELD_NAMED_VAL));
    test_folder_remove(f);
}
END_TEST

/* A training that took such a part for a missing one would not evaluate, and not say why. */
START_TEST(a_part_that_cannot_be_told_is_there_so_that_opening_says_why) {
    test_folder f = test_folder_create();
    bool has;
    put_coco(&f, "annotations/instances_train2017.json", "a.jpg", "cat");
    ck_assert(!has_part(f.path, WELD_NAMED_VAL));
    put_coco(&f, "annotations/instances_val2014.json", "a.jpg", "cat");
    put_coco(&f, "annotations/instances_val2017.json", "a.jpg", "cat");
    ck_assert(has_part(f.path, WELD_NAMED_VAL));
    test_put_file(&f, "yolo/data.yaml", "train: [\n");
    ck_assert(has_part(test_path(&f, "yolo"), WELD_NAMED_VAL));
    weld_memory_fail_after(0);
    const weld_status status = weld_layout_has_part(f.path, WELD_NAMED_VAL, &has, NULL);
    weld_memory_fail_after(-1);
    ck_assert_int_eq(status, WELD_ERROR_MEMORY);
    test_folder_remove(f);
}
END_TEST

START_TEST(folders_of_class_folders_are_what_they_were) {
    test_folder f = make_two_classes();
    test_put_file(&f, "notes.xml", "<annotation/>");
    test_put_file(&f, "cat/labels.json", "{}");
    weld_dataset *ds = open_dataset(f.path);
    ck_assert(!weld_dataset_has_boxes(ds));
    ck_assert_int_eq(weld_dataset_count(ds), 7);
    ck_assert_str_eq(weld_dataset_note(ds), "");
    weld_dataset_free(ds);
    char colon[PATH_MAX];
    snprintf(colon, sizeof colon, "%s:val", test_path(&f, "set"));
    ck_assert_int_eq(rename(test_path(&f, "cat"), test_path(&f, "cat:val")), 0);
    expect_class(f.path, "cat:val");
    test_folder_remove(f);
}
END_TEST

START_TEST(a_part_of_a_data_set_with_boxes_is_told_what_it_is_of) {
    test_folder f = test_folder_create();
    char above[PATH_MAX], line[PATH_MAX + 40];
    put_image(&f, "images/val/a.jpg", 8, 8);
    test_put_file(&f, "labels/val/a.txt", "0 0.5 0.5 0.5 0.5\n");
    expect_no_dataset(test_path(&f, "images/val"), "is it the one above?");
    test_put_file(&f, "data.yaml", "val: images/val\nnames: [cat]\n");
    snprintf(line, sizeof line, ": give %s/data.yaml", f.path);
    expect_no_dataset(test_path(&f, "images/val"), line);
    expect_no_dataset(test_path(&f, "images/val//"), line);
    expect_no_dataset(test_path(&f, "labels/val"), line);
    ck_assert(weld_layout_above(test_path(&f, "images/./val/../val"), above));
    ck_assert(weld_layout_above(test_path(&f, "images/."), above));
    ck_assert(!weld_layout_above("/", above));
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/layout", a_folder_has_parts_and_the_right_one_is_taken,
          parts_of_roboflow_are_found_as_valid_too,
          of_several_kinds_coco_comes_first_and_any_can_be_asked_for, a_folder_knows_its_parts,
          a_part_that_cannot_be_told_is_there_so_that_opening_says_why,
          folders_of_class_folders_are_what_they_were,
          a_part_of_a_data_set_with_boxes_is_told_what_it_is_of)
