/* Tar archives as data sets: made by hand, and by the system's tar where there is one. */
#include "datasets/archives.h"
#include "datasets/folders.h"
#include "suite.h"

/* Both open, and have the same classes and samples with the same bytes. */
static void expect_same(const char *folder, const char *archive) {
    weld_dataset *a = open_dataset(folder), *b = open_dataset(archive);
    weld_bytes x = {0}, y = {0};
    ck_assert(!weld_dataset_is_tar(a) && weld_dataset_is_tar(b));
    ck_assert_int_eq(weld_dataset_class_count(a), weld_dataset_class_count(b));
    for (int i = 0; i < weld_dataset_class_count(a); i++) {
        ck_assert_str_eq(weld_dataset_class_name(a, i), weld_dataset_class_name(b, i));
    }
    ck_assert_int_eq(weld_dataset_count(a), weld_dataset_count(b));
    for (int64_t i = 0; i < weld_dataset_count(a); i++) {
        ck_assert_str_eq(weld_dataset_name(a, i), weld_dataset_name(b, i));
        ck_assert_int_eq(weld_dataset_label(a, i), weld_dataset_label(b, i));
        ck_assert_int_eq(weld_dataset_read(a, i, &x, NULL), WELD_OK);
        ck_assert_int_eq(weld_dataset_read(b, i, &y, NULL), WELD_OK);
        ck_assert_uint_eq(x.size, y.size);
        ck_assert_int_eq(memcmp(x.data, y.data, x.size), 0);
    }
    weld_bytes_free(&x);
    weld_bytes_free(&y);
    weld_dataset_free(a);
    weld_dataset_free(b);
}

static bool shell(const test_folder *f, const char *command) {
    char line[2048];
    snprintf(line, sizeof line, "cd '%s' && %s", f->path, command);
    return system(line) == 0;
}

START_TEST(an_archive_is_the_same_data_set_as_its_folder) {
    test_folder f = test_folder_create();
    const char *files[] = {"set/b/z.jpg",     "set/b/A.JPG",       "set/b/sub/1.png",
                           "set/b/.hid.jpg",  "set/b/notes.txt",   "set/B/x.Jpeg",
                           "set/.git/no.jpg", "set/b/.dir/no.jpg", "set/readme.png",
                           "set/b-/0.jpg",    "set/b/sub-x/2.jpg", "set/b/sub/deep/0.jpg"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        put_fixture(&f, files[i], i % 2 ? "one_pixel.jpg" : "grey.jpg");
    }
    char name[300] = "set/b/";
    memset(name + 6, 'n', 200);
    strcpy(name + 206, ".jpg");
    put_fixture(&f, name, "palette.png");
    if (!shell(&f, "tar cf dot.tar -C set .")) {
        test_folder_remove(f);
        return; /* no tar here */
    }
    expect_same(test_path(&f, "set"), test_path(&f, "dot.tar"));
    unlink(test_path(&f, "set/readme.png")); /* an image there makes the one folder a class */
    const char *formats[] = {"gnu", "pax", "posix"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        char command[100];
        snprintf(command, sizeof command, "tar cf one.tar --format=%s set", formats[i]);
        ck_assert(shell(&f, command)); /* one folder around all */
        expect_same(test_path(&f, "set"), test_path(&f, "one.tar"));
        snprintf(command, sizeof command, "(cd set && tar cf ../more.tar --format=%s *)",
                 formats[i]);
        ck_assert(shell(&f, command));
        expect_same(test_path(&f, "set"), test_path(&f, "more.tar"));
    }
    test_folder_remove(f);
}
END_TEST

/* As ImageNet is handed out. */
START_TEST(an_archive_of_an_archive_per_class_will_do) {
    test_folder f = test_folder_create();
    test_tar cat = {0}, dog = {0}, all = {0};
    tar_add(&cat, '0', "cat_1.JPEG", "11", 2);
    tar_add(&cat, '0', "cat_0.JPEG", "0", 1);
    tar_end(&cat);
    tar_add(&dog, '0', "dog_0.JPEG", "dog", 3);
    tar_end(&dog);
    tar_add(&all, '0', "dog.tar", dog.bytes, dog.size);
    tar_add(&all, '0', "cat.tar", cat.bytes, cat.size);
    tar_end(&all);
    tar_write(&all, &f, "all.tar");
    weld_dataset *ds = open_dataset(test_path(&f, "all.tar"));
    const char *names[] = {"cat/cat_0.JPEG", "cat/cat_1.JPEG", "dog/dog_0.JPEG"};
    const char *contents[] = {"0", "11", "dog"};
    ck_assert_int_eq(weld_dataset_count(ds), 3);
    ck_assert_str_eq(weld_dataset_class_name(ds, 0), "cat");
    ck_assert_str_eq(weld_dataset_class_name(ds, 1), "dog");
    for (int i = 0; i < 3; i++) {
        weld_bytes bytes = {0};
        ck_assert_str_eq(weld_dataset_name(ds, i), names[i]);
        ck_assert_int_eq(weld_dataset_label(ds, i), i / 2);
        ck_assert_int_eq(weld_dataset_read(ds, i, &bytes, NULL), WELD_OK);
        ck_assert_uint_eq(bytes.size, strlen(contents[i]));
        ck_assert_int_eq(memcmp(bytes.data, contents[i], bytes.size), 0);
        weld_bytes_free(&bytes);
    }
    weld_dataset_free(ds);
    cat.size -= 1024 + 512; /* cut inside */
    tar_add(&all, '0', "cat.tar", cat.bytes, cat.size);
    tar_end(&all);
    tar_write(&all, &f, "cut.tar");
    expect_no_dataset(test_path(&f, "cut.tar"), "/cat.tar: byte 2048: the archive is cut");
    free(cat.bytes);
    free(dog.bytes);
    test_folder_remove(f);
}
END_TEST

START_TEST(the_last_of_two_members_of_one_name_counts) {
    test_folder f = test_folder_create();
    test_tar t = {0};
    tar_add(&t, '0', "./cat/a.jpg", "old", 3);
    tar_add(&t, '0', "dog//b.jpg", "dog", 3);
    tar_add(&t, '0', "/cat/a.jpg", "newer", 5);
    tar_end(&t);
    tar_write(&t, &f, "two.tar");
    weld_dataset *ds = open_dataset(test_path(&f, "two.tar"));
    weld_bytes bytes = {0};
    ck_assert_int_eq(weld_dataset_count(ds), 2);
    ck_assert_str_eq(weld_dataset_name(ds, 1), "dog/b.jpg");
    ck_assert_int_eq(weld_dataset_read(ds, 0, &bytes, NULL), WELD_OK);
    ck_assert_uint_eq(bytes.size, 5);
    ck_assert_int_eq(memcmp(bytes.data, "newer", 5), 0);
    weld_bytes_free(&bytes);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(archives_that_are_no_data_set_are_refused_with_the_reason) {
    test_folder f = test_folder_create();
    test_tar t = {0};
    tar_end(&t);
    tar_write(&t, &f, "t.tar");
    expect_no_dataset(test_path(&f, "t.tar"), "no class folders");
    tar_add(&t, '0', "beside.jpg", "1", 1);
    tar_end(&t);
    tar_write(&t, &f, "t.tar");
    expect_no_dataset(test_path(&f, "t.tar"), "no class folders");
    tar_add(&t, '5', "all/", NULL, 0);
    tar_add(&t, '0', "all/cat/a.jpg", "1", 1);
    tar_add(&t, '5', "all/empty/", NULL, 0);
    tar_end(&t);
    tar_write(&t, &f, "t.tar");
    expect_no_dataset(test_path(&f, "t.tar"), "class folder empty without");
    tar_add(&t, '0', "cat/../../a.jpg", "1", 1);
    tar_end(&t);
    tar_write(&t, &f, "t.tar");
    expect_no_dataset(test_path(&f, "t.tar"), "leads out");
    tar_add(&t, '0', "cat/a.jpg", "1", 1);
    tar_add(&t, '1', "cat/b.jpg", NULL, 0);
    tar_end(&t);
    tar_write(&t, &f, "t.tar");
    expect_no_dataset(test_path(&f, "t.tar"), "is a link");
    tar_add(&t, '0', "cat/a.jpg", "1", 1);
    tar_write(&t, &f, "no_ending"); /* told by content */
    expect_no_dataset(test_path(&f, "no_ending"), "is cut");
    test_tar inner = {0}, middle = {0};
    tar_end(&inner);
    tar_add(&middle, '0', "x.tar", inner.bytes, inner.size);
    tar_end(&middle);
    tar_add(&t, '0', "y.tar", middle.bytes, middle.size);
    tar_end(&t);
    tar_write(&t, &f, "t.tar");
    expect_no_dataset(test_path(&f, "t.tar"), "in an archive in an archive");
    free(inner.bytes);
    free(middle.bytes);
    test_folder_remove(f);
}
END_TEST

START_TEST(an_archive_cut_after_opening_gives_an_error_and_no_crash) {
    test_folder f = test_folder_create();
    test_tar t = {0};
    tar_add(&t, '0', "cat/a.jpg", "12345", 5);
    tar_end(&t);
    tar_write(&t, &f, "t.tar");
    weld_dataset *ds = open_dataset(test_path(&f, "t.tar"));
    weld_bytes bytes = {0};
    weld_error err = {0};
    ck_assert_int_eq(truncate(test_path(&f, "t.tar"), 514), 0);
    ck_assert_int_eq(weld_dataset_read(ds, 0, &bytes, &err), WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, "cat/a.jpg") && strstr(err.message, "cut"), "%s",
                  err.message);
    weld_bytes_free(&bytes);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(failed_allocations_are_reported) {
    test_folder f = test_folder_create();
    test_tar t = {0};
    tar_add_pax(&t, 'x', "path", "cat/a.jpg");
    tar_add(&t, '0', "cut", "1", 1);
    tar_add(&t, '5', "dog/", NULL, 0);
    tar_add(&t, '0', "dog/b.png", "1", 1);
    tar_end(&t);
    tar_write(&t, &f, "t.tar");
    weld_status status = WELD_ERROR_MEMORY;
    for (long i = 0; status; i++) {
        weld_dataset *ds = NULL;
        weld_memory_fail_after(i);
        status = weld_dataset_open(test_path(&f, "t.tar"), &ds, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        weld_dataset_free(ds);
    }
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/archive", an_archive_is_the_same_data_set_as_its_folder,
          an_archive_of_an_archive_per_class_will_do, the_last_of_two_members_of_one_name_counts,
          archives_that_are_no_data_set_are_refused_with_the_reason,
          an_archive_cut_after_opening_gives_an_error_and_no_crash, failed_allocations_are_reported)
