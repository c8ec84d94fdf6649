/* Hue, saturation and value, against OpenCV (scripts/make_hsv_fixture). */
#include <math.h>

#include "files.h"
#include "images/hsv.h"
#include "suite.h"

enum { COLOURS = 1000 };
static const double gains[][3] = {{0, 0, 0},      {0.015, 0.7, 0.4}, {-0.01, -0.55, -0.3},
                                  {0.5, 1, -0.9}, {-0.77, 0.25, 1},  {1, -1, 0.1}};
enum { ROWS = sizeof gains / sizeof *gains };

START_TEST(colours_change_as_opencv_changes_them_within_one) {
    size_t size;
    unsigned char *all = test_read_fixture("augment/hsv.bin", &size);
    ck_assert_uint_eq(size, (ROWS + 1) * COLOURS * 3);
    for (int row = 0; row < ROWS; row++) {
        const unsigned char *expected = all + (size_t)(row + 1) * COLOURS * 3;
        uint8_t pixels[COLOURS * 3];
        weld_image image = {.pixels = pixels, .width = COLOURS, .height = 1};
        memcpy(pixels, all, sizeof pixels);
        weld_image_shift_hsv(&image, gains[row]);
        for (int i = 0; i < COLOURS * 3; i++) {
            ck_assert_msg(abs(pixels[i] - expected[i]) <= 1, "row %d, colour %d %d %d: %d, not %d",
                          row, all[i / 3 * 3], all[i / 3 * 3 + 1], all[i / 3 * 3 + 2], pixels[i],
                          expected[i]);
        }
    }
    free(all);
}
END_TEST

START_TEST(grey_stays_grey) {
    for (int gain = -10; gain <= 10; gain++) {
        uint8_t pixels[256 * 3];
        weld_image image = {.pixels = pixels, .width = 16, .height = 16};
        for (int i = 0; i < 256; i++) {
            memset(pixels + 3 * i, i, 3);
        }
        weld_image_shift_hsv(&image, (const double[3]){gain * 0.1, 1, gain * 0.05});
        for (int i = 0; i < 256; i++) {
            const int value = (int)fmin(255, i * (1 + gain * 0.05));
            ck_assert_int_eq(pixels[3 * i], value);
            ck_assert_int_eq(pixels[3 * i + 1], value);
            ck_assert_int_eq(pixels[3 * i + 2], value);
        }
    }
}
END_TEST

/* By hand: a third of the circle on, red is green, green blue, blue red. */
START_TEST(hues_turn) {
    uint8_t pixels[12] = {200, 0, 0, 0, 90, 0, 10, 10, 110, 60, 160, 60};
    const uint8_t expected[12] = {0, 200, 0, 0, 0, 90, 110, 10, 10, 60, 60, 160};
    weld_image image = {.pixels = pixels, .width = 2, .height = 2};
    weld_image_shift_hsv(&image, (const double[3]){60.0 / 180, 0, 0});
    ck_assert_mem_eq(pixels, expected, sizeof pixels);
}
END_TEST

RUN_SUITE("images/hsv", colours_change_as_opencv_changes_them_within_one, grey_stays_grey,
          hues_turn)
