/* Flat images that tell by their colour which they are, for tests of samples made of several. */
#ifndef WELD_TESTS_DATA_MOSAICS_H
#define WELD_TESTS_DATA_MOSAICS_H

#include <math.h>

#include "datasets/folders.h"
#include "data/loader.h"
#include "data/mosaic.h"
#include "images/encode_png.h"

enum { FLAT_IMAGES = 12, PADDING = 114 };

static inline weld_image_size flat_size(int64_t index) {
    static const weld_image_size sizes[FLAT_IMAGES] = {{40, 30}, {31, 57}, {64, 64}, {9, 90},
                                                       {90, 9},  {128, 7}, {3, 3},   {50, 49},
                                                       {64, 48}, {33, 64}, {20, 16}, {16, 20}};
    return sizes[index];
}

/* No two are alike, nor like the padding; grey ones where asked for. */
static inline void flat_colour(int64_t index, bool grey, uint8_t colour[3]) {
    colour[0] = (uint8_t)(index * 20 + 1);
    colour[1] = grey ? colour[0] : (uint8_t)(255 - index * 20);
    colour[2] = grey ? colour[0] : (uint8_t)(index % 3 * 120);
}

static inline weld_image flat_image(int64_t index, bool grey) {
    const weld_image_size size = flat_size(index);
    weld_image image = {0};
    uint8_t colour[3];
    flat_colour(index, grey, colour);
    ck_assert_int_eq(weld_image_resize_buffer(&image, size.width, size.height, NULL), WELD_OK);
    for (int i = 0; i < size.width * size.height * 3; i++) {
        image.pixels[i] = colour[i % 3];
    }
    return image;
}

/* All of them as a data set of one class, in order. */
static inline test_folder make_flat_images(bool grey) {
    test_folder f = test_folder_create();
    char name[32];
    snprintf(name, sizeof name, "all");
    ck_assert_int_eq(mkdir(test_path(&f, name), 0777), 0);
    for (int i = 0; i < FLAT_IMAGES; i++) {
        weld_image image = flat_image(i, grey);
        weld_bytes png = {0};
        snprintf(name, sizeof name, "all/%02d.png", i);
        ck_assert_int_eq(weld_encode_png(&image, &png, NULL), WELD_OK);
        test_write_file(test_path(&f, name), png.data, png.size);
        weld_bytes_free(&png);
        weld_image_free(&image);
    }
    return f;
}

static inline weld_preprocessing letterbox_of(int width, int height) {
    return (weld_preprocessing){.height = height,
                                .width = width,
                                .resize = WELD_FIT_LETTERBOX,
                                .crop_fraction = 1,
                                .interpolation = WELD_BILINEAR,
                                .std = {1, 1, 1},
                                .padding = {PADDING, PADDING, PADDING}};
}

/* Kind detection that changes no colours and mirrors nothing. */
static inline weld_augmentation detection_of(double mosaic, double scale, double translate) {
    weld_augmentation a = weld_augmentation_defaults();
    a.kind = WELD_AUGMENT_DETECTION;
    a.mosaic = mosaic;
    a.scale = scale;
    a.translate = translate;
    a.hsv[0] = a.hsv[1] = a.hsv[2] = 0;
    a.hflip = 0;
    a.repeats = 1;
    return a;
}

#endif
