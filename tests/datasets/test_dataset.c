#include "datasets/folders.h"
#include "suite.h"

START_TEST(classes_and_files_are_sorted_bytewise_and_nested_ones_found) {
    test_folder f = test_folder_create();
    const char *files[] = {"b/z.jpg",     "b/A.JPG",       "b/sub/1.png", "b/sub-x/2.jpg",
                           "b/.hid.jpg",  "b/notes.txt",   "B/x.Jpeg",    "\xc3\xa4/y.png",
                           ".git/no.jpg", "b/.dir/no.jpg", "readme.png",  "b/sub/deep/0.jpg",
                           "b/noext",     "b/10.jpg",      "b/9.jpg"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        put_fixture(&f, files[i], "one_pixel.jpg");
    }
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_int_eq(weld_dataset_class_count(ds), 3);
    ck_assert_str_eq(weld_dataset_class_name(ds, 0), "B");
    ck_assert_str_eq(weld_dataset_class_name(ds, 1), "b");
    ck_assert_str_eq(weld_dataset_class_name(ds, 2), "\xc3\xa4");
    const char *order[] = {"B/x.Jpeg",      "b/10.jpg",         "b/9.jpg",       "b/A.JPG",
                           "b/noext",       "b/notes.txt",      "b/z.jpg",       "b/sub/1.png",
                           "b/sub-x/2.jpg", "b/sub/deep/0.jpg", "\xc3\xa4/y.png"};
    ck_assert_int_eq(weld_dataset_count(ds), 11);
    for (int i = 0; i < 11; i++) {
        ck_assert_str_eq(weld_dataset_name(ds, i), order[i]);
        ck_assert_int_eq(weld_dataset_label(ds, i), i == 0 ? 0 : i < 10 ? 1 : 2);
    }
    ck_assert_str_eq(weld_dataset_passed(ds),
                     "images by their contents: 2 (b/noext, b/notes.txt); passed over: beside the "
                     "class folders: 1 (readme.png); hidden: 1 (b/.hid.jpg)");
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(samples_decode_whatever_they_are_called) {
    test_folder f = make_two_classes();
    weld_dataset *ds = open_dataset(f.path);
    const char *fixtures[] = {"baseline_420.jpg", "cmyk.jpg",        "rgba.png",   "rgb16.png",
                              "grey.jpg",         "progressive.jpg", "palette.png"};
    ck_assert_int_eq(weld_dataset_count(ds), 7);
    for (int i = 0; i < 7; i++) {
        weld_image got = {0}, expected = decode_fixture(fixtures[i]);
        ck_assert_int_eq(read_sample(ds, i, &got, NULL), WELD_OK);
        ck_assert_int_eq(largest_difference(&got, &expected), 0);
        weld_image_free(&got);
        weld_image_free(&expected);
    }
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(what_is_no_data_set_is_refused_with_the_reason) {
    test_folder f = test_folder_create();
    expect_no_dataset(test_path(&f, "missing"), "No such file");
    expect_no_dataset(f.path, "no class folders");
    put_fixture(&f, "cat/a.jpg", "one_pixel.jpg");
    mkdir(test_path(&f, "empty"), 0777);
    test_write_file(test_path(&f, "empty/notes.txt"), "x", 1);
    expect_no_dataset(f.path, "/empty: class folder without");
    expect_no_dataset(test_path(&f, "cat/a.jpg"), "not a packed data set");
    test_write_file(test_path(&f, "set.tar"), "x", 1);
    expect_no_dataset(test_path(&f, "set.tar"), "the archive is cut");
    test_write_file(test_path(&f, "set.tar.gz"), "\x1f\x8b\x08", 3);
    expect_no_dataset(test_path(&f, "set.tar.gz"), "compressed by gzip");
    test_folder_remove(f);
}
END_TEST

START_TEST(links_are_followed_but_not_in_circles) {
    test_folder f = test_folder_create();
    put_fixture(&f, "cat/a.jpg", "one_pixel.jpg");
    ck_assert_int_eq(symlink("a.jpg", test_path(&f, "cat/b.jpg")), 0);
    ck_assert_int_eq(symlink("nowhere.jpg", test_path(&f, "cat/c.jpg")), 0);
    ck_assert_int_eq(mkfifo(test_path(&f, "cat/pipe.jpg"), 0600), 0);
    ck_assert_int_eq(symlink("cat", test_path(&f, "dog")), 0);
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_int_eq(weld_dataset_count(ds), 4);
    ck_assert_str_eq(weld_dataset_name(ds, 3), "dog/b.jpg");
    weld_dataset_free(ds);
    ck_assert_int_eq(symlink("..", test_path(&f, "cat/up")), 0);
    expect_no_dataset(f.path, "does a link lead upwards");
    test_folder_remove(f);
}
END_TEST

START_TEST(bad_images_are_named) {
    test_folder f = test_folder_create();
    put_fixture(&f, "cat/cut.jpg", "baseline_420.jpg");
    put_fixture(&f, "cat/gone.jpg", "baseline_420.jpg");
    put_fixture(&f, "cat/text.jpg", "evaluation.txt");
    ck_assert_int_eq(truncate(test_path(&f, "cat/cut.jpg"), 700), 0);
    weld_dataset *ds = open_dataset(f.path);
    unlink(test_path(&f, "cat/gone.jpg"));
    const char *texts[] = {"cat/cut.jpg: truncated JPEG: the data ends at byte 700",
                           "cat/gone.jpg: cannot open",
                           "cat/text.jpg: not a JPEG, PNG or WebP image"};
    for (int i = 0; i < 3; i++) {
        weld_image image = {0};
        weld_error err = {0};
        weld_status status = read_sample(ds, i, &image, &err);
        ck_assert_int_eq(status, i == 1 ? WELD_ERROR_NOT_FOUND : WELD_ERROR_FORMAT);
        ck_assert_msg(strstr(err.message, texts[i]) != NULL, "%s", err.message);
        ck_assert_msg(strncmp(err.message, f.path, strlen(f.path)) == 0, "%s", err.message);
        weld_image_free(&image);
    }
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(failed_allocations_are_reported) {
    test_folder f = make_two_classes();
    weld_status status = WELD_ERROR_MEMORY;
    long i = 0;
    for (; status; i++) {
        weld_dataset *ds = NULL;
        weld_memory_fail_after(i);
        status = weld_dataset_open(f.path, &ds, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        weld_dataset_free(ds);
    }
    ck_assert_int_gt(i, 5);
    weld_dataset *ds = open_dataset(f.path);
    status = WELD_ERROR_MEMORY;
    for (i = 0; status; i++) {
        weld_image image = {0};
        weld_memory_fail_after(i);
        status = read_sample(ds, 0, &image, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        weld_image_free(&image);
    }
    ck_assert_int_ge(i, 3);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/dataset", classes_and_files_are_sorted_bytewise_and_nested_ones_found,
          samples_decode_whatever_they_are_called, what_is_no_data_set_is_refused_with_the_reason,
          links_are_followed_but_not_in_circles, bad_images_are_named,
          failed_allocations_are_reported)
