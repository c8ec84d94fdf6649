#include "images/upright.h"

#include <math.h>

#include "base/array.h"
#include "images/encode_png.h"
#include "images/fixture_images.h"
#include "suite.h"

/* Where the first row and the first column of the stored pixels are to be seen, by the standard
 * (CIPA DC-008, tag 0x0112). */
static const char *const seen[9][2] = {
    {"", ""},        {"top", "left"},  {"top", "right"},    {"bottom", "right"}, {"bottom", "left"},
    {"left", "top"}, {"right", "top"}, {"right", "bottom"}, {"left", "bottom"}};

/* From a stored pixel to where it is to be seen in an upright image of this size. */
static void see(int orientation, int column, int row, int width, int height, int *x, int *y) {
    const struct {
        const char *side;
        int at;
    } at[] = {{seen[orientation][0], row}, {seen[orientation][1], column}};
    for (int i = 0; i < 2; i++) {
        if (strcmp(at[i].side, "top") == 0) {
            *y = at[i].at;
        } else if (strcmp(at[i].side, "bottom") == 0) {
            *y = height - 1 - at[i].at;
        } else if (strcmp(at[i].side, "left") == 0) {
            *x = at[i].at;
        } else {
            *x = width - 1 - at[i].at;
        }
    }
}

static weld_bytes make_png(int width, int height) {
    weld_image image = {0};
    weld_bytes bytes = {0};
    ck_assert_int_eq(weld_image_resize_buffer(&image, width, height, NULL), WELD_OK);
    for (int i = 0; i < width * height * 3; i++) {
        image.pixels[i] = (uint8_t)(i * 37 + i / 7);
    }
    ck_assert_int_eq(weld_encode_png(&image, &bytes, NULL), WELD_OK);
    weld_image_free(&image);
    return bytes;
}

START_TEST(pixels_are_where_the_standard_says) {
    weld_bytes bytes = make_png(5, 3);
    weld_image stored = {0}, upright = {0};
    ck_assert_int_eq(weld_decode_image(bytes.data, bytes.size, 0, &stored, NULL), WELD_OK);
    for (int orientation = 1; orientation <= 8; orientation++) {
        int width = 5, height = 3, x = -1, y = -1;
        weld_upright_size(orientation, &width, &height);
        ck_assert_int_eq(weld_decode_upright((weld_reading){0}, bytes.data, bytes.size, orientation,
                                             &upright, NULL),
                         WELD_OK);
        ck_assert_int_eq(upright.width, orientation < 5 ? 5 : 3);
        ck_assert_int_eq(upright.width, width);
        ck_assert_int_eq(upright.height, height);
        for (int i = 0; i < 15; i++) {
            see(orientation, i % 5, i / 5, width, height, &x, &y);
            ck_assert_mem_eq(upright.pixels + (y * width + x) * 3, stored.pixels + i * 3, 3);
        }
    }
    weld_image_free(&stored);
    weld_image_free(&upright);
    weld_bytes_free(&bytes);
}
END_TEST

static void expect_parts(const weld_bytes *bytes, int orientation, int step) {
    weld_image whole = {0}, memory = {0};
    ck_assert_int_eq(
        weld_decode_upright((weld_reading){0}, bytes->data, bytes->size, orientation, &whole, NULL),
        WELD_OK);
    for (int y = 0; y < whole.height; y += step) {
        for (int x = 0; x < whole.width; x += step) {
            const weld_rectangle part = {x, y, (whole.width - x + 1) / 2,
                                         (whole.height - y + 2) / 3};
            weld_decoded_part got;
            ck_assert_int_eq(weld_decode_part_upright(bytes->data, bytes->size, orientation, &part,
                                                      1, 0, &memory, &got, NULL),
                             WELD_OK);
            const int left = (int)got.box[0], top = (int)got.box[1];
            ck_assert_int_eq((int)got.box[2] - left, part.width);
            ck_assert_int_eq((int)got.box[3] - top, part.height);
            for (int k = 0; k < part.height; k++) {
                ck_assert_mem_eq(got.pixels.data + (size_t)(top + k) * got.pixels.stride + left * 3,
                                 whole.pixels + ((y + k) * whole.width + x) * 3,
                                 (size_t)part.width * 3);
            }
        }
    }
    weld_image_free(&whole);
    weld_image_free(&memory);
}

START_TEST(a_part_is_that_of_the_whole) {
    size_t size;
    weld_bytes png = make_png(5, 3);
    weld_bytes jpeg = {.data = read_image_fixture("photo.jpg", &size)};
    jpeg.size = size;
    for (int orientation = 1; orientation <= 8; orientation++) {
        expect_parts(&png, orientation, 1);
        expect_parts(&jpeg, orientation, 53);
    }
    free(jpeg.data);
    weld_bytes_free(&png);
}
END_TEST

/* Mean red, green and blue of the box of some pixels, which may begin within one. */
static void mean_of(const weld_pixels *in, const float box[4], double out[3]) {
    double weight = 0;
    out[0] = out[1] = out[2] = 0;
    for (int y = 0; y < in->height; y++) {
        for (int x = 0; x < in->width; x++) {
            const double covered = fmax(0, fmin(box[2], x + 1) - fmax(box[0], x)) *
                                   fmax(0, fmin(box[3], y + 1) - fmax(box[1], y));
            weight += covered;
            for (int c = 0; c < 3; c++) {
                out[c] += covered * in->data[(size_t)y * in->stride + (size_t)x * 3 + (size_t)c];
            }
        }
    }
    for (int c = 0; c < 3; c++) {
        out[c] /= weight;
    }
}

/* What is decoded at half the size shows the same part: half a pixel off makes 3 to 9 here. */
START_TEST(a_reduced_part_is_of_the_same_place) {
    size_t size;
    unsigned char *jpeg = read_image_fixture("photo.jpg", &size);
    weld_image memory = {0};
    for (int orientation = 1; orientation <= 8; orientation++) {
        const weld_rectangle part = {16, 32, 32, 16};
        double full[3], half[3];
        weld_decoded_part got;
        for (int reduction = 1; reduction <= 2; reduction++) {
            ck_assert_int_eq(weld_decode_part_upright(jpeg, size, orientation, &part, reduction, 0,
                                                      &memory, &got, NULL),
                             WELD_OK);
            ck_assert_double_eq_tol(got.box[2] - got.box[0], 32 / reduction, 1e-3);
            ck_assert_double_eq_tol(got.box[3] - got.box[1], 16 / reduction, 1e-3);
            mean_of(&got.pixels, got.box, reduction == 1 ? full : half);
        }
        for (int c = 0; c < 3; c++) {
            ck_assert_double_eq_tol(full[c], half[c], 2.5);
        }
    }
    weld_image_free(&memory);
    free(jpeg);
}
END_TEST

START_TEST(parts_outside_are_refused) {
    weld_bytes png = make_png(5, 3);
    weld_image memory = {0};
    weld_decoded_part got;
    const weld_rectangle part = {0, 0, 5, 3}; /* of an image that is 3 x 5 upright */
    ck_assert_int_eq(
        weld_decode_part_upright(png.data, png.size, 6, &part, 1, 0, &memory, &got, NULL),
        WELD_ERROR_ARGUMENT);
    weld_image_free(&memory);
    weld_bytes_free(&png);
}
END_TEST

typedef struct tag {
    uint8_t type, count;
    uint8_t value[4];
} tag;

static void add(weld_array *to, const void *bytes, size_t count) {
    ck_assert(weld_array_append(to, bytes, count));
}

/* A list of tags, each an orientation, lower bytes first. */
static void add_exif(weld_array *to, const tag *tags, uint8_t count) {
    const uint8_t head[] = {'I', 'I', '*', 0, 8, 0, 0, 0, count, 0};
    add(to, head, sizeof head);
    for (int i = 0; i < count; i++) {
        const tag *t = &tags[i];
        const uint8_t bytes[12] = {0x12, 1, t->type,     0,           t->count,    0,
                                   0,    0, t->value[0], t->value[1], t->value[2], t->value[3]};
        add(to, bytes, sizeof bytes);
    }
}

/* A segment of a JPEG, with these tags. */
static void add_segment(weld_array *to, const tag *tags, uint8_t count) {
    const uint8_t head[] = {0xFF, 0xE1, 0, (uint8_t)(18 + 12 * count), 'E', 'x', 'i', 'f', 0, 0};
    add(to, head, sizeof head);
    add_exif(to, tags, count);
}

static void expect_orientation(weld_array *bytes, int expected) {
    ck_assert_int_eq(weld_orientation_of(bytes->data, bytes->count), expected);
    weld_array_free(bytes);
}

/* What Pillow 13 makes of each. */
START_TEST(an_orientation_is_what_pillow_takes_for_one) {
    enum { BYTE = 1, SHORT = 3, LONG = 4, SBYTE = 6, UNDEFINED = 7, SLONG = 9 };
    const tag upright = {SHORT, 1, {1}}, turned = {SHORT, 1, {6}};
    const struct {
        tag tags[2];
        int expected;
    } cases[] = {{{{SHORT, 1, {6}}}, 6},     {{{LONG, 1, {6}}}, 6},  {{{SLONG, 1, {6}}}, 6},
                 {{{SBYTE, 1, {6}}}, 6},     {{{SHORT, 2, {6}}}, 6}, {{{BYTE, 1, {6}}}, 1},
                 {{{UNDEFINED, 1, {6}}}, 1}, {{{SHORT, 0, {6}}}, 1}, {{{LONG, 1, {6, 0, 1}}}, 1},
                 {{upright, turned}, 1},     {{turned, upright}, 6}, {{{BYTE, 1, {6}}, turned}, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weld_array jpeg = {.element = 1};
        add(&jpeg, "\xff\xd8", 2);
        add_segment(&jpeg, cases[i].tags, cases[i].tags[1].type ? 2 : 1);
        add(&jpeg, "\xff\xd9\0\0", 4);
        expect_orientation(&jpeg, cases[i].expected);
    }
}
END_TEST

START_TEST(of_several_segments_the_first_tells) {
    const tag upright = {3, 1, {1}}, turned = {3, 1, {6}};
    for (int first_is_turned = 0; first_is_turned < 2; first_is_turned++) {
        weld_array jpeg = {.element = 1};
        add(&jpeg, "\xff\xd8", 2);
        add_segment(&jpeg, first_is_turned ? &turned : &upright, 1);
        add_segment(&jpeg, first_is_turned ? &upright : &turned, 1);
        add(&jpeg, "\xff\xd9\0\0", 4);
        expect_orientation(&jpeg, first_is_turned ? 6 : 1);
    }
}
END_TEST

START_TEST(a_png_may_have_the_mark_of_a_jpeg_in_front) {
    const tag turned = {3, 1, {6}};
    for (int has_mark = 0; has_mark < 2; has_mark++) {
        weld_array png = {.element = 1};
        const uint8_t head[] = {0, 0, 0, (uint8_t)(22 + 6 * has_mark), 'e', 'X', 'I', 'f'};
        add(&png, "\x89PNG\r\n\x1a\n", 8);
        add(&png, head, sizeof head);
        add(&png, "Exif\0\0", has_mark ? 6 : 0);
        add_exif(&png, &turned, 1);
        add(&png, "sum?", 4);
        expect_orientation(&png, 6);
    }
}
END_TEST

RUN_SUITE("images/upright", pixels_are_where_the_standard_says, a_part_is_that_of_the_whole,
          a_reduced_part_is_of_the_same_place, parts_outside_are_refused,
          an_orientation_is_what_pillow_takes_for_one, of_several_segments_the_first_tells,
          a_png_may_have_the_mark_of_a_jpeg_in_front)
