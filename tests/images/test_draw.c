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

/* All of the label's ground is there, as wide as two letters and as high as one. */
static void expect_label(int left, int top, int scale) {
    const int width = 13 * scale, height = 10 * scale;
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            const bool in = x >= left && x < left + width && y >= top && y < top + height;
            ck_assert_msg(in != is(x, y, grey), "at %d, %d", x, y);
        }
    }
}

START_TEST(a_label_at_an_edge_is_moved_into_the_image) {
    static const struct {
        double box[4];
        int left, top;
    } cases[] = {{{55, 25, 58, 30}, 47, 15},   /* right */
                 {{-4, 20, 5, 21}, 0, 10},     /* left */
                 {{56, -5, 60, 3}, 47, 0},     /* above */
                 {{55, 100, 58, 120}, 47, 30}, /* below */
                 {{20, -60, 22, -50}, 20, 0}}; /* wholly above */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double *b = cases[i].box;
        set_up();
        weld_draw_box(&image, b[0], b[1], b[2], b[3], red, 1, "uo");
        for (int y = 0; y < HEIGHT; y++) { /* the box without its label */
            for (int x = 0; x < WIDTH; x++) {
                const bool in_label = x >= cases[i].left && x < cases[i].left + 13 &&
                                      y >= cases[i].top && y < cases[i].top + 10;
                if (!in_label && x >= b[0] && x < b[2] && y >= b[1] && y < b[3]) {
                    memset(pixels + (y * WIDTH + x) * 3, 100, 3);
                }
            }
        }
        expect_label(cases[i].left, cases[i].top, 1);
    }
}
END_TEST

START_TEST(letters_and_lines_are_no_larger_than_suits_the_box) {
    set_up();
    weld_draw_box(&image, 10, 30, 12, 32, red, 4, "uo"); /* much smaller than the label */
    memset(pixels + (30 * WIDTH + 10) * 3, 100, 6);
    memset(pixels + (31 * WIDTH + 10) * 3, 100, 6);
    expect_label(10, 20, 1);
    set_up();
    weld_draw_box(&image, 0, 30, 14, 40, red, 4, "uo"); /* twice its width takes letters of 2 */
    ck_assert(is(0, 10, red) && is(25, 29, red) && is(26, 29, grey) && is(0, 9, grey));
    ck_assert(is(1, 31, grey) && is(1, 38, grey) && is(12, 38, grey)); /* a line of 1 */
    set_up();
    weld_draw_box(&image, 0, 25, 60, 40, red, 9, "uououo"); /* 37 letters' pixels: once in 60 */
    ck_assert(is(0, 15, red) && is(36, 15, red) && is(37, 15, grey) && is(0, 14, grey));
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
          a_label_at_an_edge_is_moved_into_the_image,
          letters_and_lines_are_no_larger_than_suits_the_box,
          whatever_lies_beyond_the_image_is_left_out)
