#include "images/contact_sheet.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "images/decode.h"
#include "images/encode_png.h"
#include "images/font.h"
#include "suite.h"

static weld_preprocessing preprocessing(int size) {
    return (weld_preprocessing){.height = size,
                                .width = size,
                                .crop_fraction = 1,
                                .mean = {0.485f, 0.456f, 0.406f},
                                .std = {0.229f, 0.224f, 0.225f}};
}

/* Every byte, normalised as the transform does it. */
static void fill(const weld_preprocessing *p, int64_t n, uint8_t *bytes, float *images) {
    weld_random random = weld_random_start(1, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < n * p->height * p->width * 3; i++) {
        bytes[i] = (uint8_t)(weld_random_u32(&random) >> 24);
        images[i] = ((float)bytes[i] / 255.0f - p->mean[i % 3]) / p->std[i % 3];
    }
}

static const uint8_t *pixel(const weld_image *image, int x, int y) {
    return image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
}

START_TEST(every_pixel_of_a_sheet_is_that_of_its_image_enlarged) {
    enum { SIZE = 50, N = 5 };
    static uint8_t bytes[N * SIZE * SIZE * 3];
    static float images[N * SIZE * SIZE * 3];
    weld_preprocessing p = preprocessing(SIZE);
    weld_sheet_layout l;
    weld_image sheet = {0};
    fill(&p, N, bytes, images);
    ck_assert_int_eq(weld_sheet_layout_make((weld_sheet_size){SIZE, SIZE}, N, 2, NULL, &l, NULL),
                     WELD_OK);
    ck_assert_int_eq(weld_contact_sheet(&p, images, NULL, NULL, N, 2, &sheet, NULL), WELD_OK);
    ck_assert_int_eq(l.scale, 3);
    ck_assert_int_eq(l.rows, 3);
    ck_assert_int_eq(sheet.width, l.width);
    ck_assert_int_eq(sheet.height, l.height);
    for (int i = 0; i < N; i++) {
        for (int y = 0; y < 3 * SIZE; y++) {
            for (int x = 0; x < 3 * SIZE; x++) {
                const uint8_t *expected = bytes + ((i * SIZE + y / 3) * SIZE + x / 3) * 3;
                const uint8_t *got =
                    pixel(&sheet, l.x0 + i % 2 * l.step_x + x, l.y0 + i / 2 * l.step_y + y);
                ck_assert_mem_eq(got, expected, 3);
            }
        }
    }
    weld_image_free(&sheet);
}
END_TEST

START_TEST(values_that_no_pixel_has_are_clipped) {
    weld_preprocessing p = preprocessing(1);
    float images[] = {1e30f, -1e30f, NAN, INFINITY, -INFINITY, -0.0f};
    weld_sheet_layout l;
    weld_image sheet = {0};
    ck_assert_int_eq(weld_sheet_layout_make((weld_sheet_size){1, 1}, 2, 2, NULL, &l, NULL),
                     WELD_OK);
    ck_assert_int_eq(weld_contact_sheet(&p, images, NULL, NULL, 2, 2, &sheet, NULL), WELD_OK);
    const uint8_t first[] = {255, 0, 0}, second[] = {255, 0, 104};
    ck_assert_mem_eq(pixel(&sheet, l.x0, l.y0), first, 3);
    ck_assert_mem_eq(pixel(&sheet, l.x0 + l.step_x, l.y0), second, 3);
    weld_image_free(&sheet);
}
END_TEST

/* Dark pixels in a cell's caption; *right is the last column of them, from the cell's left. */
static int caption_ink(const weld_image *sheet, const weld_sheet_layout *l, int cell, int *right) {
    int side = l->step_x - l->x0, ink = 0, x0 = l->x0 + cell % l->columns * l->step_x;
    int y0 = l->y0 + cell / l->columns * l->step_y + side;
    *right = -1;
    for (int y = y0; y < y0 + l->step_y - side; y++) {
        for (int x = 0; x < l->step_x; x++) {
            if (x0 + x < sheet->width && *pixel(sheet, x0 + x, y) < 128) {
                ink++;
                *right = x > *right ? x : *right;
            }
        }
    }
    return ink;
}

START_TEST(captions_stand_below_their_images_and_stay_in_their_cells) {
    static float images[4 * 60 * 60 * 3]; /* grey */
    const char *captions[] = {"0.62 cat\n0.38 dog",
                              "a caption that is much too long for the cell it is in", NULL,
                              "1\n2\n3\n4\n5\n6\n7\n8\n9\n10"};
    weld_preprocessing p = preprocessing(60);
    weld_sheet_layout l;
    weld_image sheet = {0};
    int right;
    ck_assert_int_eq(weld_sheet_layout_make((weld_sheet_size){60, 60}, 4, 4, captions, &l, NULL),
                     WELD_OK);
    ck_assert_int_eq(l.rows, 1);
    ck_assert_int_eq(weld_contact_sheet(&p, images, NULL, captions, 4, 4, &sheet, NULL), WELD_OK);
    ck_assert_int_gt(caption_ink(&sheet, &l, 0, &right), 60);
    ck_assert_int_gt(caption_ink(&sheet, &l, 1, &right), 150);
    ck_assert_int_lt(right, 120);
    ck_assert_int_eq(caption_ink(&sheet, &l, 2, &right), 0);
    ck_assert_int_gt(caption_ink(&sheet, &l, 3, &right), 50);
    weld_image_free(&sheet);
}
END_TEST

START_TEST(a_character_of_several_bytes_takes_one_place) {
    static float images[2 * 12 * 12 * 3];
    const char *captions[] = {"\xe7\x8a\xac\xc3\xa4.", "\x01"
                                                       "a\xcc\x88."};
    weld_preprocessing p = preprocessing(12);
    weld_sheet_layout l;
    weld_image sheet = {0};
    ck_assert_int_eq(weld_sheet_layout_make((weld_sheet_size){12, 12}, 2, 1, captions, &l, NULL),
                     WELD_OK);
    ck_assert_int_eq(weld_contact_sheet(&p, images, NULL, captions, 2, 1, &sheet, NULL), WELD_OK);
    size_t row = (size_t)l.step_y * (size_t)l.width * 3;
    ck_assert_mem_eq(sheet.pixels, sheet.pixels + row, row);
    weld_image_free(&sheet);
}
END_TEST

START_TEST(a_sheet_that_is_too_large_is_refused) {
    weld_sheet_layout l;
    weld_error err;
    ck_assert_int_eq(weld_sheet_layout_make((weld_sheet_size){224, 224}, 4000, 8, NULL, &l, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "take fewer"));
    ck_assert_int_eq(weld_sheet_layout_make((weld_sheet_size){224, 224}, 0, 8, NULL, &l, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(
        weld_sheet_layout_make((weld_sheet_size){224, 224}, INT64_MAX, 8, NULL, &l, &err),
        WELD_ERROR_ARGUMENT);
}
END_TEST

static weld_image random_image(int width, int height) {
    weld_image image = {0};
    weld_random random = weld_random_start(2, 0, 0, WELD_RANDOM_TEST);
    ck_assert_int_eq(weld_image_resize_buffer(&image, width, height, NULL), WELD_OK);
    for (int i = 0; i < width * height * 3; i++) {
        image.pixels[i] = (uint8_t)(weld_random_u32(&random) >> 24);
    }
    return image;
}

START_TEST(a_png_decodes_to_the_pixels_it_was_made_of) {
    weld_image image = random_image(37, 1021), back = {0};
    weld_bytes bytes = {0};
    ck_assert_int_eq(weld_encode_png(&image, &bytes, NULL), WELD_OK);
    ck_assert_int_eq(weld_decode_image(bytes.data, bytes.size, 0, &back, NULL), WELD_OK);
    ck_assert_int_eq(back.width, 37);
    ck_assert_int_eq(back.height, 1021);
    ck_assert_mem_eq(back.pixels, image.pixels, 37 * 1021 * 3);
    weld_bytes_free(&bytes);
    weld_image_free(&image);
    weld_image_free(&back);
}
END_TEST

START_TEST(an_image_without_pixels_is_no_png) {
    weld_image image = {0};
    weld_bytes bytes = {0};
    weld_error err;
    ck_assert_int_eq(weld_encode_png(&image, &bytes, &err), WELD_ERROR_ARGUMENT);
    weld_bytes_free(&bytes);
}
END_TEST

START_TEST(encoding_survives_a_lack_of_memory) {
    weld_image image = random_image(64, 300);
    weld_error err;
    bool succeeded = false;
    for (int successes = 0; !succeeded; successes++) {
        weld_bytes bytes = {0};
        weld_memory_fail_after(successes);
        weld_status status = weld_encode_png(&image, &bytes, &err);
        weld_memory_fail_after(-1);
        succeeded = status == WELD_OK;
        ck_assert(succeeded || status == WELD_ERROR_MEMORY);
        ck_assert_int_lt(successes, 1000);
        weld_bytes_free(&bytes);
    }
    weld_image_free(&image);
}
END_TEST

RUN_SUITE("images/contact_sheet", every_pixel_of_a_sheet_is_that_of_its_image_enlarged,
          values_that_no_pixel_has_are_clipped,
          captions_stand_below_their_images_and_stay_in_their_cells,

          a_character_of_several_bytes_takes_one_place, a_sheet_that_is_too_large_is_refused,
          a_png_decodes_to_the_pixels_it_was_made_of, an_image_without_pixels_is_no_png,
          encoding_survives_a_lack_of_memory)
