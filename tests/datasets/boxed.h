/* Data sets with boxes, made by tests: images of a size, and files of annotations beside them. */
#ifndef WELD_TESTS_DATA_BOXED_H
#define WELD_TESTS_DATA_BOXED_H

#include <math.h>

#include "datasets/boxes.h"
#include "datasets/folders.h"

/* A JPEG of one colour, which depends on the place: left to right redder, downwards greener. */
static inline void put_image(const test_folder *f, const char *name, int width, int height) {
    weld_image image = {0};
    weld_bytes bytes = {0};
    ck_assert_int_eq(weld_image_resize_buffer(&image, width, height, NULL), WELD_OK);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            uint8_t *pixel = image.pixels + (y * width + x) * 3;
            pixel[0] = (uint8_t)(x * 255 / width);
            pixel[1] = (uint8_t)(y * 255 / height);
            pixel[2] = 0;
        }
    }
    ck_assert_int_eq(weld_encode_jpeg(&image, 95, &bytes, NULL), WELD_OK);
    test_put_file(f, name, "");
    test_write_file(test_path(f, name), bytes.data, bytes.size);
    weld_image_free(&image);
    weld_bytes_free(&bytes);
}

/* Put an orientation into the metadata of a JPEG. */
static inline void turn_image(const test_folder *f, const char *name, int orientation) {
    const unsigned char exif[] = {
        0xFF, 0xE1, 0, 34, 'E', 'x', 'i',  'f', 0, 0, 'M', 'M', 0, 42, 0,
        0,    0,    8, 0,  1,   1,   0x12, 0,   3, 0, 0,   0,   1, 0,  (unsigned char)orientation,
        0,    0,    0, 0,  0,   0};
    size_t size;
    unsigned char *bytes = test_read_file(test_path(f, name), &size);
    unsigned char *turned = malloc(size + sizeof exif);
    memcpy(turned, bytes, 2);
    memcpy(turned + 2, exif, sizeof exif);
    memcpy(turned + 2 + sizeof exif, bytes + 2, size - 2);
    test_write_file(test_path(f, name), turned, size + sizeof exif);
    free(bytes);
    free(turned);
}

/* Box k of sample i. */
static inline weld_box box_of(const weld_dataset *ds, int64_t i, int64_t k) {
    int64_t count;
    const weld_box *boxes = weld_dataset_boxes(ds, i, &count);
    ck_assert_int_lt(k, count);
    return boxes[k];
}

static inline int64_t box_count(const weld_dataset *ds, int64_t i) {
    int64_t count;
    weld_dataset_boxes(ds, i, &count);
    return count;
}

static inline void expect_box(weld_box got, int class_index, double x, double y, double width,
                              double height) {
    ck_assert_int_eq(got.class_index, class_index);
    ck_assert_double_eq_tol(got.x, x, 1e-9);
    ck_assert_double_eq_tol(got.y, y, 1e-9);
    ck_assert_double_eq_tol(got.width, width, 1e-9);
    ck_assert_double_eq_tol(got.height, height, 1e-9);
}

/* All faults of a data set, a line each: "KIND WHERE: WHAT", with the folder's path left out. */
typedef struct fault_list {
    weld_text text;
    int counts[WELD_BOX_FAULTS];
    size_t path_size;
} fault_list;

static inline void note_fault(void *arg, weld_box_fault fault, const char *where,
                              const char *what) {
    fault_list *l = arg;
    l->counts[fault]++;
    weld_text_add(&l->text, weld_box_fault_text(fault));
    weld_text_add(&l->text, " ");
    weld_text_add(&l->text, where + l->path_size);
    weld_text_add(&l->text, ": ");
    weld_text_add(&l->text, what);
    weld_text_add(&l->text, "\n");
}

/* Open as check-data does; the text is to be released. */
static inline weld_dataset *open_with_faults(const test_folder *f, const char *name,
                                             fault_list *out) {
    weld_dataset *ds;
    weld_error err;
    *out = (fault_list){.text = WELD_TEXT, .path_size = strlen(f->path) + 1};
    const weld_dataset_options options = {.boxes = {.found = note_fault, .arg = out}};
    ck_assert_msg(!weld_dataset_open_with(test_path(f, name), &options, &ds, &err), "%s",
                  err.message);
    return ds;
}

/* A file of the data set is not to be written over. */
static inline void expect_kept(const weld_dataset *ds, const test_folder *f, const char *name) {
    weld_error err = {0};
    ck_assert_msg(weld_dataset_spare(ds, test_path(f, name), &err) == WELD_ERROR_ARGUMENT, "%s",
                  name);
    ck_assert_msg(strstr(err.message, "is a file of the data set that is read") != NULL, "%s",
                  err.message);
}

static inline void expect_fault(fault_list *l, const char *line) {
    ck_assert_msg(strstr(weld_text_get(&l->text), line) != NULL, "\"%s\" is not in:\n%s", line,
                  weld_text_get(&l->text));
}

#endif
