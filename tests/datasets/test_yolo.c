#include <fcntl.h>

#include "base/memory.h"
#include "datasets/boxed.h"
#include "suite.h"

#define NAMES "names: [cat, \"big dog\", no]\n"

/* Two images of 60 x 40 in images/train, one with this label file. */
static test_folder make_set(const char *yaml, const char *label) {
    test_folder f = test_folder_create();
    put_image(&f, "images/train/a.jpg", 60, 40);
    put_image(&f, "images/train/b.jpg", 60, 40);
    test_put_file(&f, "labels/train/b.txt", label);
    test_put_file(&f, "data.yaml", yaml);
    return f;
}

static void expect_refused(const char *yaml, const char *label, const char *message) {
    test_folder f = make_set(yaml, label);
    expect_no_dataset(f.path, message);
    test_folder_remove(f);
}

START_TEST(rows_are_boxes_and_polygons_in_shares_of_the_image) {
    test_folder f = make_set("path: .\ntrain: images/train\nnc: 3\n" NAMES,
                             "\xef\xbb\xbf"
                             "2 0.5 0.5 0.5 0.25\r\n\n"
                             " 0\t0.1 0.2 0.3 0.2 .2 6e-1 \n1 1 1 0 0");
    weld_dataset *ds = open_dataset(test_path(&f, "data.yaml"));
    ck_assert(weld_dataset_has_boxes(ds));
    ck_assert_int_eq(weld_dataset_count(ds), 2);
    ck_assert_str_eq(weld_dataset_name(ds, 0), "images/train/a.jpg");
    ck_assert_int_eq(weld_dataset_image_id(ds, 1), 1);
    ck_assert_int_eq(weld_dataset_category_id(ds, 2), 2);
    ck_assert_int_eq(weld_dataset_class_count(ds), 3);
    ck_assert_str_eq(weld_dataset_class_name(ds, 1), "big dog");
    ck_assert_str_eq(weld_dataset_class_name(ds, 2), "no");
    ck_assert(!weld_dataset_has_shape_areas(ds));
    ck_assert_int_eq(box_count(ds, 0), 0);
    ck_assert_int_eq(box_count(ds, 1), 3);
    expect_box(box_of(ds, 1, 0), 2, 15, 15, 30, 10);
    ck_assert_double_eq_tol(box_of(ds, 1, 0).area, 300, 1e-9);
    expect_box(box_of(ds, 1, 1), 0, 6, 8, 12, 16);
    ck_assert_uint_eq(box_of(ds, 1, 2).flags, WELD_BOX_UNUSED);
    ck_assert_str_eq(weld_dataset_passed(ds),
                     "1 box without width or height, not trained on; 1 image without a label "
                     "file, background (weld check-data tells which)");
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* As old programs write them: three rows of five are no polygon of seven points. */
START_TEST(lines_may_end_in_any_way) {
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char label[200], list[100];
        const char *e = ends[i];
        snprintf(label, sizeof label, "0 .5 .5 .5 .5%s1 .5 .5 .2 .2%s2 .5 .5 .1 .1%s3 .1 .1 .1 .1",
                 e, e, e);
        snprintf(list, sizeof list, "./images/train/a.jpg%s./images/train/b.jpg%s", e, e);
        test_folder f = make_set("train: list.txt\n" NAMES, label);
        test_put_file(&f, "list.txt", list);
        expect_no_dataset(f.path, "labels/train/b.txt:4: class 3, but there are 3");
        label[strlen(label) - 14] = 0;
        test_put_file(&f, "labels/train/b.txt", label);
        weld_dataset *ds = open_dataset(f.path);
        ck_assert_int_eq(weld_dataset_count(ds), 2);
        ck_assert_int_eq(box_count(ds, 1), 3);
        weld_dataset_free(ds);
        test_folder_remove(f);
    }
}
END_TEST

START_TEST(a_bad_row_is_an_error_with_file_and_line) {
    static const char yaml[] = "train: images/train\n" NAMES;
    expect_refused(yaml, "0 .5 .5 .5 .5\n3 .5 .5 .1 .1\n", "/labels/train/b.txt:2: class 3, but");
    expect_refused(yaml, "0 30 20 10 10\n",
                   "b.txt:1: 30 is no share of the image, from 0 to 1: "
                   "are these pixels?");
    expect_refused(yaml, "0 .5 .5 .5\n", "b.txt:1: 4 numbers: a class and 4 of a box");
    expect_refused(yaml, "0 .5 .5 .5 .5 .9\n", "a score at the end?");
    expect_refused(yaml, "0 .5 .5 nan .5\n", "b.txt:1: field 4 is 'nan': a number is expected");
    expect_refused(yaml, "cat .5 .5 .5 .5\n", "b.txt:1: 'cat' stands first: the number of a class");
    expect_refused(yaml, "0.5 .5 .5 .5 .5\n", "b.txt:1: '0.5' stands first: the number of a class");
}
END_TEST

START_TEST(faults_are_told_and_the_rest_is_read) {
    test_folder f = make_set("train: images/train\n" NAMES,
                             "0 .5 .5 .5 .5\n3 .5 .5 .1 .1\n0 9 9 1 1\n0 .5\n0 .5 .5 .5 .5\n"
                             "1 .95 .5 .5 .5\n");
    fault_list faults;
    weld_dataset *ds = open_with_faults(&f, "data.yaml", &faults);
    ck_assert_int_eq(box_count(ds, 1), 3);
    const char *base = "labels/train/b.txt";
    char line[200];
    const char *const expected[] = {"unknown class %s:2: class 3", "not normalised %s:3: 9 is",
                                    "bad value %s:4: 2 numbers", "duplicate box %s:5: the same",
                                    "outside %s:6: 12 pixels beyond"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const char *colon = strstr(expected[i], "%s");
        snprintf(line, sizeof line, "%.*s%s%s", (int)(colon - expected[i]), expected[i], base,
                 colon + 2);
        expect_fault(&faults, line);
    }
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(images_without_labels_or_listed_twice_are_named) {
    test_folder f = make_set("train: [images/train, ./images//train/]\n" NAMES, "0 .5 .5 .5 .5\n");
    fault_list faults;
    test_put_file(&f, "images/train/d.bmp", "BM and more");
    weld_dataset *ds = open_with_faults(&f, "data.yaml", &faults);
    ck_assert_int_eq(weld_dataset_count(ds), 2);
    ck_assert_int_eq(faults.counts[WELD_BOX_UNLABELLED], 1);
    ck_assert_int_eq(faults.counts[WELD_BOX_IMAGE_TWICE], 2);
    expect_fault(&faults, "no label file images/train/a.jpg: there is no ");
    expect_fault(&faults, "duplicate image data.yaml: images/train/a.jpg is listed once more");
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

static void count_skipped(void *arg, const char *name, const char *reason) {
    ck_assert_str_eq(name, "images/train/d.bmp");
    ck_assert_str_ne(reason, "");
    ++*(int *)arg;
}

START_TEST(labels_without_an_image_are_named) {
    test_folder f = make_set("train: images/train\nval: images/val\n" NAMES, "0 .5 .5 .5 .5\n");
    fault_list faults;
    put_image(&f, "images/val/v.jpg", 60, 40);
    test_put_file(&f, "labels/val/v.txt", "0 .5 .5 .5 .5\n");
    test_put_file(&f, "labels/val/gone.txt", "0 .5 .5 .5 .5\n");
    test_put_file(&f, "labels/train/c.txt", "\n0 .5 .5 .5 .5\n");
    test_put_file(&f, "labels/train/d.d.txt", "");
    test_put_file(&f, "labels/train/more/e.txt", "0 30 20 10 10\n");
    test_put_file(&f, "labels/train/classes.txt", "cat\nbig dog\n");
    test_put_file(&f, "labels/train/notes.md", "0 .5 .5 .5 .5\n");
    weld_dataset *ds = open_with_faults(&f, "data.yaml", &faults);
    expect_fault(&faults, "no image labels/train/c.txt: there is no image c in ");
    expect_fault(&faults, "no image labels/train/d.d.txt: there is no image d.d in ");
    expect_fault(&faults, "no image labels/train/more/e.txt: there is no image e in ");
    ck_assert_int_eq(faults.counts[WELD_BOX_NO_IMAGE], 3);
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    ds = open_dataset(f.path);
    ck_assert_msg(strstr(weld_dataset_passed(ds), "3 label files without an image, left out") !=
                      NULL,
                  "%s", weld_dataset_passed(ds));
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* An image of another part, or one that a list leaves out, is there. */
START_TEST(labels_of_images_that_are_left_out_are_not_lost) {
    test_folder f = make_set("train: list.txt\n" NAMES, "0 .5 .5 .5 .5\n");
    fault_list faults;
    test_put_file(&f, "list.txt", "./images/train/b.jpg\n");
    test_put_file(&f, "labels/train/a.txt", "0 .5 .5 .5 .5\n");
    weld_dataset *ds = open_with_faults(&f, "data.yaml", &faults);
    ck_assert_int_eq(faults.counts[WELD_BOX_NO_IMAGE], 0);
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
    f = test_folder_create(); /* labels beside the images */
    put_image(&f, "images/b.jpg", 60, 40);
    test_put_file(&f, "images/b.txt", "0 .5 .5 .5 .5\n");
    test_put_file(&f, "images/c.txt", "0 .5 .5 .5 .5\n");
    test_put_file(&f, "images/empty.txt", "");
    test_put_file(&f, "data.yaml", "train: images\n" NAMES);
    ds = open_with_faults(&f, "data.yaml", &faults);
    expect_fault(&faults, "no image images/c.txt: there is no image c in ");
    ck_assert_int_eq(faults.counts[WELD_BOX_NO_IMAGE], 1);
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(what_is_passed_over_is_told_where_asked_for) {
    test_folder f = make_set("train: images/train\n" NAMES, "0 .5 .5 .5 .5\n");
    int count = 0;
    weld_dataset *ds;
    const weld_dataset_options options = {.listing = {.skipped = count_skipped, .arg = &count}};
    test_put_file(&f, "images/train/d.bmp", "BM and more");
    ck_assert_int_eq(weld_dataset_open_with(f.path, &options, &ds, NULL), WELD_OK);
    ck_assert_int_eq(count, 1);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_list_may_begin_with_a_mark_of_utf8) {
    test_folder f = make_set("train: list.txt\n" NAMES, "0 .5 .5 .5 .5\n");
    test_put_file(&f, "list.txt", "\xef\xbb\xbfimages/train/b.jpg\n");
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_str_eq(weld_dataset_name(ds, 0), "images/train/b.jpg");
    ck_assert_int_eq(box_count(ds, 0), 1);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(corners_in_the_place_of_centres_are_suspected) {
    test_folder f =
        make_set("train: images/train\n" NAMES, "0 .1 .1 .5 .5\n0 .2 .2 .9 .9\n0 .5 .5 .9 .9\n");
    fault_list faults;
    weld_dataset *ds = open_with_faults(&f, "data.yaml", &faults);
    expect_fault(&faults, "corners data.yaml:1: 2 of 3 boxes leave their images");
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(an_image_without_any_labels_in_its_part_is_refused) {
    test_folder f = make_set("train: images/train\n" NAMES, "");
    unlink(test_path(&f, "labels/train/b.txt"));
    expect_no_dataset(f.path, "no image of its train has a file of labels: that of "
                              "images/train/a.jpg would be");
    test_put_file(&f, "images/train/a.txt", "1 .5 .5 .5 .5\n");
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_int_eq(box_count(ds, 0), 1);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(parts_are_folders_lists_of_folders_and_lists_of_images) {
    test_folder f = make_set("path: set\ntrain:\n  - ./images/train\n  - more/images\n"
                             "val: lists/val.txt\ntest: ../set/images/train\n"
                             "names: {1: dog, 0: cat}\n",
                             "");
    mkdir(test_path(&f, "set"), 0700);
    ck_assert_int_eq(rename(test_path(&f, "images"), test_path(&f, "set/images")), 0);
    ck_assert_int_eq(rename(test_path(&f, "labels"), test_path(&f, "set/labels")), 0);
    put_image(&f, "set/more/images/c.jpg", 30, 20);
    test_put_file(&f, "set/more/labels/c.txt", "1 .5 .5 1 1");
    test_put_file(&f, "set/more/images/d.bmp", "BM and more");
    test_put_file(&f, "set/lists/val.txt",
                  "images/train/b.jpg\n./images/d.jpg\r\n"
                  "images/train/b.jpg\n");
    put_image(&f, "set/lists/images/d.jpg", 30, 20);
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_int_eq(weld_dataset_count(ds), 3);
    ck_assert_str_eq(weld_dataset_class_name(ds, 0), "cat");
    ck_assert_str_eq(weld_dataset_name(ds, 2), "more/images/c.jpg");
    expect_box(box_of(ds, 2, 0), 1, 0, 0, 30, 20);
    ck_assert_msg(strstr(weld_dataset_passed(ds), ": 1 (more/images/d.bmp); 1 image without a "
                                                  "label file, background") != NULL,
                  "%s", weld_dataset_passed(ds));
    weld_dataset_free(ds);
    ck_assert_int_eq(weld_dataset_open_to_judge(f.path, &ds, NULL), WELD_OK);
    ck_assert_int_eq(weld_dataset_count(ds), 2);
    ck_assert_str_eq(weld_dataset_name(ds, 1), "lists/images/d.jpg");
    weld_image image = {0};
    ck_assert_int_eq(read_sample(ds, 1, &image, NULL), WELD_OK);
    weld_image_free(&image);
    weld_dataset_free(ds);
    ds = open_dataset(test_path(&f, "data.yaml:test"));
    ck_assert_int_eq(weld_dataset_count(ds), 2);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Roboflow's: the file says ../train, but train is beside it; and a part may be named itself. */
START_TEST(folders_of_images_and_labels_beside_data_yaml_are_found) {
    test_folder f = test_folder_create();
    put_image(&f, "train/images/a.jpg", 60, 40);
    test_put_file(&f, "train/labels/a.txt", "1 .5 .5 1 1");
    test_put_file(&f, "data.yaml", "train: ../train/images\nnc: 2\nnames: ['0', x]\n");
    for (int i = 0; i < 2; i++) {
        weld_dataset *ds = open_dataset(i ? test_path(&f, "train") : f.path);
        ck_assert_str_eq(weld_dataset_class_name(ds, 0), "0");
        expect_box(box_of(ds, 0, 0), 1, 0, 0, 60, 40);
        weld_dataset_free(ds);
    }
    weld_image image = {0};
    char here[PATH_MAX];
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    ck_assert_int_eq(chdir(f.path), 0);
    weld_dataset *ds = open_dataset("train");
    ck_assert_str_eq(weld_dataset_name(ds, 0), "images/a.jpg");
    expect_box(box_of(ds, 0, 0), 1, 0, 0, 60, 40);
    ck_assert_int_eq(read_sample(ds, 0, &image, NULL), WELD_OK);
    ck_assert_int_eq(chdir(here), 0);
    weld_image_free(&image);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(files_of_the_data_set_are_known) {
    test_folder f = make_set("train: list.txt\n" NAMES, "0 .5 .5 .5 .5\n");
    test_put_file(&f, "list.txt", "./images/train/a.jpg\n./images/train/b.jpg\n");
    test_put_file(&f, "results.json", "[]");
    ck_assert_int_eq(link(test_path(&f, "labels/train/b.txt"), test_path(&f, "c.txt")), 0);
    weld_dataset *ds = open_dataset(f.path);
    static const char *const own[] = {"data.yaml", "list.txt", "images/train/a.jpg",
                                      "labels/train/b.txt", "c.txt"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        expect_kept(ds, &f, own[i]);
    }
    ck_assert_int_eq(weld_dataset_spare(ds, test_path(&f, "results.json"), NULL), WELD_OK);
    ck_assert_int_eq(weld_dataset_spare(ds, test_path(&f, "labels/train/a.txt"), NULL), WELD_OK);
    ck_assert_int_eq(weld_dataset_spare(ds, f.path, NULL), WELD_OK);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_data_yaml_without_sense_is_refused_with_its_line) {
    expect_refused("train: images/train\n", "", "data.yaml: has no names");
    expect_refused("train: images/train\nnc: 2\n" NAMES, "", "nc is 2, but there are 3 names");
    expect_refused("train: images/train\nnames: {0: a, 2: b}\n", "", "data.yaml:2: class 1 has no");
    expect_refused("train: images/train\nnames: {0: a, 0: b}\n", "", "class 0 has a second name");
    expect_refused("train: images/train\nnames: {x: a}\n", "", "classes are numbered from 0");
    expect_refused("train: images/train\nnames: [a, b, a]\n", "", "two classes are called \"a\"");
    expect_refused("train: images/train\nnames: [a, '']\n", "", "the name of a class is expected");
    expect_refused("train: images/train\nnames: [\n", "", "not YAML");
    expect_refused("train: {a: b}\n" NAMES, "", "data.yaml:1: a folder or a list of images");
    expect_refused("train: images/other\n" NAMES, "", "images/other is not in");
    expect_refused("train: ../other\n" NAMES, "", ": ../other is not in");
    expect_refused("val: images/train\n" NAMES, "", "has no train");
    expect_refused("path: nowhere\ntrain: images/train\n" NAMES, "", "path nowhere is no folder");
}
END_TEST

/* The size is written with ctime alone to tell: no cache may hide it. */
START_TEST(a_digit_that_changes_is_seen_by_the_next_run) {
    test_folder f = make_set("train: images/train\n" NAMES, "0 .5 .5 .5 .5\n");
    struct stat info;
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_int_eq(box_of(ds, 1, 0).class_index, 0);
    weld_dataset_free(ds);
    const char *label = test_path(&f, "labels/train/b.txt");
    ck_assert_int_eq(stat(label, &info), 0);
    test_write_file(label, "1 .5 .5 .5 .5\n", 14);
    const struct timespec times[2] = {info.st_atim, info.st_mtim};
    ck_assert_int_eq(utimensat(AT_FDCWD, label, times, 0), 0);
    ds = open_dataset(f.path);
    ck_assert_int_eq(box_of(ds, 1, 0).class_index, 1);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Shares are of the upright image, and so are its pixels. */
START_TEST(images_that_are_stored_turned_are_seen_upright) {
    test_folder f = make_set("train: images/train\n" NAMES, "0 .5 .5 1 .5\n");
    turn_image(&f, "images/train/b.jpg", 6);
    weld_dataset *ds = open_dataset(f.path);
    expect_box(box_of(ds, 1, 0), 0, 0, 15, 40, 30);
    weld_image image = {0};
    weld_bytes bytes = {0};
    weld_decoded_part part;
    int width, height;
    ck_assert_int_eq(read_sample(ds, 1, &image, NULL), WELD_OK);
    ck_assert_int_eq(image.width, 40);
    ck_assert_int_eq(image.height, 60);
    ck_assert_int_eq(weld_dataset_read(ds, 1, &bytes, NULL), WELD_OK);
    ck_assert_int_eq(weld_dataset_size(ds, 1, &bytes, (weld_reading){0}, &width, &height, NULL),
                     WELD_OK);
    ck_assert_int_eq(width, 40);
    ck_assert_int_eq(height, 60);
    /* Stored it is redder to the right and greener below: upright, redder below, greener left. */
    ck_assert_int_gt(image.pixels[59 * 40 * 3], 200);
    ck_assert_int_gt(image.pixels[1], 200);
    ck_assert_int_lt(image.pixels[39 * 3 + 1], 50);
    ck_assert_int_eq(weld_dataset_decode_part(ds, 1, &bytes, &(weld_rectangle){30, 50, 10, 10}, 1,
                                              (weld_reading){0}, &image, &part, NULL),
                     WELD_OK);
    ck_assert_int_gt(part.pixels.data[(size_t)part.box[1] * part.pixels.stride], 180);
    weld_image_free(&image);
    weld_bytes_free(&bytes);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Its boxes would be left out in silence. An image that is missing or damaged is told later. */
START_TEST(an_image_that_cannot_be_read_is_no_image_without_boxes) {
    test_folder f = make_set("train: list.txt\n" NAMES, "0 .5 .5 .5 .5\n");
    test_put_file(&f, "list.txt", "images/train/b.jpg\n");
    test_put_file(&f, "images/train/b.jpg", "no JPEG");
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_int_eq(box_count(ds, 0), 0);
    weld_dataset_free(ds);
    ck_assert_int_eq(unlink(test_path(&f, "images/train/b.jpg")), 0);
    ck_assert_int_eq(symlink("b.jpg", test_path(&f, "images/train/b.jpg")), 0);
    expect_no_dataset(f.path, "images/train/b.jpg: cannot open");
    test_folder_remove(f);
}
END_TEST

START_TEST(a_lack_of_memory_is_told) {
    test_folder f = make_set("train: images/train\n" NAMES, "0 .5 .5 .5 .5\n");
    weld_dataset *ds = NULL;
    weld_error err;
    long successes = 0;
    for (weld_status status = WELD_ERROR_MEMORY; status; successes++) {
        ck_assert_int_lt(successes, 500);
        weld_memory_fail_after(successes);
        status = weld_dataset_open(f.path, &ds, &err);
        weld_memory_fail_after(-1);
        ck_assert_msg(!status || status == WELD_ERROR_MEMORY, "%s", err.message);
    }
    ck_assert_int_eq(box_count(ds, 1), 1);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/yolo", rows_are_boxes_and_polygons_in_shares_of_the_image,
          a_bad_row_is_an_error_with_file_and_line, faults_are_told_and_the_rest_is_read,
          images_without_labels_or_listed_twice_are_named,
          what_is_passed_over_is_told_where_asked_for, a_list_may_begin_with_a_mark_of_utf8,
          corners_in_the_place_of_centres_are_suspected,
          an_image_without_any_labels_in_its_part_is_refused,
          parts_are_folders_lists_of_folders_and_lists_of_images,
          folders_of_images_and_labels_beside_data_yaml_are_found, lines_may_end_in_any_way,
          labels_without_an_image_are_named, labels_of_images_that_are_left_out_are_not_lost,
          files_of_the_data_set_are_known, a_data_yaml_without_sense_is_refused_with_its_line,
          a_digit_that_changes_is_seen_by_the_next_run,
          images_that_are_stored_turned_are_seen_upright,
          an_image_that_cannot_be_read_is_no_image_without_boxes, a_lack_of_memory_is_told)
