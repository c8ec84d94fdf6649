/* The image fixtures (scripts/make_image_fixtures), for the tests of this folder. */
#ifndef WELD_TESTS_IMAGES_FIXTURE_IMAGES_H
#define WELD_TESTS_IMAGES_FIXTURE_IMAGES_H

#include "base/memory.h"
#include "images/decode.h"
#include "files.h"

static inline unsigned char *read_image_fixture(const char *name, size_t *size) {
    char path[300];
    ck_assert_int_lt(snprintf(path, sizeof path, "images/%s", name), (int)sizeof path);
    return test_read_fixture(path, size);
}

static inline weld_image decode_fixture(const char *name) {
    weld_image image = {0};
    weld_error err = {0};
    size_t size;
    unsigned char *bytes = read_image_fixture(name, &size);
    weld_status status = weld_decode_image(bytes, size, 0, &image, &err);
    ck_assert_msg(status == WELD_OK, "%s: %s", name, err.message);
    free(bytes);
    return image;
}

/* A binary PPM of 255 levels, as Pillow writes it. */
static inline weld_image read_ppm(const char *name) {
    weld_image image = {0};
    size_t size;
    int width, height, header = 0;
    unsigned char *bytes = read_image_fixture(name, &size);
    bytes[size] = 0; /* test_read_file leaves room */
    ck_assert_int_eq(sscanf((char *)bytes, "P6 %d %d 255%n", &width, &height, &header), 2);
    header++; /* one white space */
    ck_assert_uint_eq(size, (size_t)header + (size_t)width * (size_t)height * 3);
    ck_assert_int_eq(weld_image_resize_buffer(&image, width, height, NULL), WELD_OK);
    memcpy(image.pixels, bytes + header, size - (size_t)header);
    free(bytes);
    return image;
}

static inline int largest_difference(const weld_image *a, const weld_image *b) {
    ck_assert_int_eq(a->width, b->width);
    ck_assert_int_eq(a->height, b->height);
    int largest = 0;
    for (int i = 0; i < a->width * a->height * 3; i++) {
        int difference = abs(a->pixels[i] - b->pixels[i]);
        largest = difference > largest ? difference : largest;
    }
    return largest;
}

#endif
