/* Small data sets in temporary folders, for the tests of this folder. */
#ifndef WELD_TESTS_DATA_FOLDERS_H
#define WELD_TESTS_DATA_FOLDERS_H

#include "datasets/dataset.h"
#include "images/fixture_images.h"

/* folder/name with the bytes of an image fixture; the name's folders are made. */
static inline void put_fixture(const test_folder *folder, const char *name, const char *fixture) {
    char path[PATH_MAX];
    size_t size;
    snprintf(path, sizeof path, "%s", test_path(folder, name));
    for (char *slash = strchr(path + strlen(folder->path) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
    unsigned char *bytes = read_image_fixture(fixture, &size);
    test_write_file(path, bytes, size);
    free(bytes);
}

/* Two classes, 7 good images of many kinds. */
static inline test_folder make_two_classes(void) {
    test_folder f = test_folder_create();
    put_fixture(&f, "cat/a.jpg", "baseline_420.jpg");
    put_fixture(&f, "cat/b.JPEG", "cmyk.jpg");
    put_fixture(&f, "cat/c.png", "rgba.png");
    put_fixture(&f, "dog/a.PNG", "rgb16.png");
    put_fixture(&f, "dog/b.jpg", "grey.jpg");
    put_fixture(&f, "dog/c.jpeg", "progressive.jpg");
    put_fixture(&f, "dog/d.jpg", "palette.png");
    return f;
}

static inline weld_dataset *open_dataset(const char *path) {
    weld_dataset *ds = NULL;
    weld_error err = {0};
    weld_status status = weld_dataset_open(path, &ds, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    return ds;
}

/* Opening must fail with a message that holds `text`. */
static inline void expect_no_dataset(const char *path, const char *text) {
    weld_dataset *ds = NULL;
    weld_error err = {0};
    ck_assert_int_ne(weld_dataset_open(path, &ds, &err), WELD_OK);
    ck_assert_ptr_null(ds);
    ck_assert_msg(strstr(err.message, text) != NULL, "%s", err.message);
    ck_assert_msg(strstr(err.message, path) != NULL, "%s", err.message);
}

static inline weld_status read_sample(const weld_dataset *ds, int64_t i, weld_image *out,
                                      weld_error *err) {
    weld_bytes bytes = {0};
    weld_status status = weld_dataset_read(ds, i, &bytes, err);
    if (!status) {
        status = weld_dataset_decode(ds, i, &bytes, (weld_reading){0}, out, err);
    }
    weld_bytes_free(&bytes);
    return status;
}

#endif
