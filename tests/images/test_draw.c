/* Boxes and labels on images. */
#include "images/draw.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "suite.h"

enum { WIDTH = 60, HEIGHT = 40 };

static uint8_t pixels[WIDTH * HEIGHT * 3];
static weld_image image;

static void set_up(void) {
    memset(pixels, 100, sizeof pixels);
    image = (weld_image){.pixels = pixels, .width = WIDTH, .height = HEIGHT};
}

static bool is(int x, int y, weld_colour c) {
    const uint8_t *p = pixels + (y * WIDTH + x) * 3;
    return p[0] == c.r && p[1] == c.g && p[2] == c.b;
}

static const weld_colour grey = {100, 100, 100}, red = {255, 0, 0};

START_TEST(the_line_is_within_the_box_and_nothing_else_changes) {
    set_up();
    weld_draw_box(&image, 10, 5, 30, 25, red, 2, NULL);
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            const bool in = x >= 10 && x < 30 && y >= 5 && y < 25;
            const bool inner = x >= 12 && x < 28 && y >= 7 && y < 23;
            ck_assert_msg(is(x, y, in && !inner ? red : grey), "at %d, %d", x, y);
        }
    }
}
END_TEST

START_TEST(a_label_stands_above_or_where_there_is_no_room_within) {
    set_up();
    weld_draw_box(&image, 10, 20, 30, 38, red, 1, "I");
    ck_assert(is(10, 10, red) && is(10, 19, red) && is(10, 9, grey));
    set_up();
    weld_draw_box(&image, 10, 2, 30, 38, red, 1, "I");
    ck_assert(is(11, 3, red) && is(12, 1, grey));
    int ink = 0;
    for (int x = 10; x < 17; x++) {
        for (int y = 2; y < 12; y++) {
            ink += is(x, y, (weld_colour){255, 255, 255});
        }
    }
    ck_assert_int_gt(ink, 4);
}
END_TEST

START_TEST(a_label_is_as_wide_as_its_letters_whatever_bytes_they_take) {
    static const char *const labels[] = {"uo", "ü\u0151", "犬\xff"};
    for (int i = 0; i < 3; i++) {
        set_up();
        weld_draw_box(&image, 10, 20, 14, 38, red, 1, labels[i]);
        ck_assert_msg(is(22, 12, red) && is(23, 12, grey), "%s", labels[i]);
    }
}
END_TEST

START_TEST(whatever_lies_beyond_the_image_is_left_out) {
    static const double far[][4] = {{-1e30, -1e30, 1e30, 1e30},
                                    {-50, -50, -10, -10},
                                    {100, 100, 200, 200},
                                    {30, 20, 10, 5},
                                    {5, 5, 5, 5},
                                    {-INFINITY, 0, INFINITY, NAN}};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        set_up();
        weld_draw_box(&image, far[i][0], far[i][1], far[i][2], far[i][3], red, 3,
                      "a label that is much longer than the image is wide");
    }
    set_up();
    weld_draw_box(&image, -10, -10, 30, 30, red, 2, NULL);
    ck_assert(is(29, 5, red) && is(5, 29, red) && is(0, 0, grey));
}
END_TEST

RUN_SUITE("images/draw", the_line_is_within_the_box_and_nothing_else_changes,
          a_label_stands_above_or_where_there_is_no_room_within,
          a_label_is_as_wide_as_its_letters_whatever_bytes_they_take,
          whatever_lies_beyond_the_image_is_left_out)
