/* Perspective against NumPy (scripts/make_perspective_fixture), and where it has no end. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/mosaics.h"
#include "data/projection.h"
#include "images/warp.h"
#include "suite.h"

enum { SIDE_MAX = 32, BOXES = 4 };

/* The next `count` numbers of a text. */
static void take_numbers(char **text, double *out, int count) {
    for (int i = 0; i < count; i++) {
        out[i] = strtod(*text, text);
    }
}

/* The next word of a text, of bytes in hexadecimal. */
static void take_bytes(char **text, uint8_t *out, int count) {
    *text += strspn(*text, "\n");
    for (int i = 0; i < count; i++, *text += 2) {
        ck_assert_int_eq(sscanf(*text, "%2hhx", &out[i]), 1);
    }
}

static void compare_pixels(const double m[9], const int sides[4], const uint8_t *in,
                           const uint8_t *expected) {
    static uint8_t shown[SIDE_MAX * SIDE_MAX * 3];
    const weld_image image = {.width = sides[0], .height = sides[1], .pixels = (uint8_t *)in};
    weld_image out = {.width = sides[2], .height = sides[3], .pixels = shown};
    const uint8_t fill[3] = {PADDING, PADDING, PADDING};
    double inverse[9];
    int off = 0;
    weld_projection_inverse(m, inverse);
    weld_image_warp(&image, inverse, fill, &out);
    for (int i = 0; i < sides[2] * sides[3] * 3; i++) {
        ck_assert_int_le(abs(shown[i] - expected[i]), 1);
        off += shown[i] != expected[i]; /* where it is rounded from the middle of two */
    }
    ck_assert_int_le(off, 1);
}

static void compare_boxes(const double m[9], const int sides[4], char **text) {
    weld_placement p = {.width = sides[0],
                        .height = sides[1],
                        .scale = {1, 1},
                        .turned = true,
                        .cell = {-1000, -1000, 2000, 2000}};
    memcpy(p.turn, m, sizeof p.turn);
    weld_placement_extend(&p);
    for (int k = 0; k < BOXES; k++) {
        double numbers[8], box[4];
        take_numbers(text, numbers, 8);
        weld_placement_box(&p, numbers, box);
        for (int i = 0; i < 4; i++) {
            ck_assert_double_eq_tol(box[i], numbers[4 + i], 1e-9);
        }
    }
}

START_TEST(pixels_and_boxes_go_where_numpy_has_them) {
    static uint8_t image[SIDE_MAX * SIDE_MAX * 3], expected[SIDE_MAX * SIDE_MAX * 3];
    size_t size;
    char *all = (char *)test_read_fixture("augment/perspective.txt", &size), *text = all;
    for (int i = 0; i < 5; i++) {
        double numbers[4], m[9];
        int sides[4];
        take_numbers(&text, numbers, 4);
        for (int k = 0; k < 4; k++) {
            sides[k] = (int)numbers[k];
            ck_assert(sides[k] > 0 && sides[k] <= SIDE_MAX);
        }
        take_numbers(&text, m, 9);
        take_bytes(&text, image, sides[0] * sides[1] * 3);
        take_bytes(&text, expected, sides[2] * sides[3] * 3);
        compare_pixels(m, sides, image, expected);
        compare_boxes(m, sides, &text);
    }
    ck_assert_str_eq(text, "\n");
    free(all);
}
END_TEST

/* By hand: w is 1 - x / 10, and what is at 10 and beyond is behind. */
START_TEST(what_is_behind_is_not_seen) {
    const double m[9] = {1, 0, 0, 0, 1, 0, -0.1, 0, 1};
    double out[4];
    ck_assert(weld_projection_box(m, (const double[4]){0, 1, 5, 2}, out));
    const double whole[4] = {0, 1, 10, 4}; /* 5 / 0.5; 2 / 0.5 */
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq_tol(out[i], whole[i], 1e-12);
    }
    ck_assert(weld_projection_box(m, (const double[4]){5, -1, 15, 2}, out));
    ck_assert_double_eq_tol(out[0], 10, 1e-12);
    ck_assert(out[1] < -1e5 && out[2] > 1e5 && out[3] > 1e5);
    ck_assert(!weld_projection_box(m, (const double[4]){11, 1, 15, 2}, out));
    ck_assert(out[0] == out[2] && out[1] == out[3]);

    uint8_t pixel[3] = {1, 2, 3}, shown[12 * 3];
    const weld_image image = {.width = 1, .height = 1, .pixels = pixel};
    weld_image row = {.width = 12, .height = 1, .pixels = shown};
    const double far[9] = {0, 0, 0.5, 0, 0, 0.5, -0.1, 0, 1}; /* w falls to -0.15 */
    weld_image_warp(&image, far, (const uint8_t[3]){9, 9, 9}, &row);
    ck_assert_uint_eq(shown[0], 1);
    ck_assert_uint_eq(shown[11 * 3], 9);
}
END_TEST

START_TEST(an_inverse_leads_back) {
    const double m[9] = {1.1, -0.3, 4, 0.2, 0.9, -7, 0.003, -0.002, 0.8};
    double inverse[9], box[4];
    weld_projection_inverse(m, inverse);
    for (int i = 0; i < 20; i++) {
        const double x = 7 * i % 50 - 20, y = 11 * i % 40 - 10, point[4] = {x, y, x, y};
        ck_assert(weld_projection_box(m, point, box));
        ck_assert(
            weld_projection_box(inverse, (const double[4]){box[0], box[1], box[0], box[1]}, box));
        ck_assert_double_eq_tol(box[0], x, 1e-9);
        ck_assert_double_eq_tol(box[1], y, 1e-9);
    }
}
END_TEST

/* Where the canvas is large, its corners are behind: all that is drawn stays within it, and boxes
 * within the sample. */
START_TEST(large_samples_stay_within_bounds) {
    enum { SIDE = 1280 };
    weld_augmentation a = detection_of(1, 0.9, 1);
    a.perspective = 0.001;
    a.degrees = 180;
    const weld_preprocessing p = letterbox_of(SIDE, SIDE);
    const weld_image_size sizes[4] = {{1280, 960}, {640, 480}, {4000, 3000}, {100, 900}};
    weld_transform t;
    int seen = 0;
    ck_assert_int_eq(weld_transform_init(&t, &p, &a, NULL), WELD_OK);
    for (uint64_t i = 0; i < 500; i++) {
        weld_random r = weld_random_start(9, 0, i, WELD_RANDOM_AUGMENT);
        weld_sample_part parts[4] = {{.index = 0}, {.index = 1}, {.index = 2}, {.index = 3}};
        weld_sample_plan plans[4];
        weld_mosaic_plan(&t, parts, sizes, 4, &r, plans);
        for (int k = 0; k < 4; k++) {
            const weld_sample_plan *plan = &plans[k];
            const weld_placement at =
                weld_transform_placement(&t, plan, sizes[k].width, sizes[k].height);
            double box[4];
            weld_placement_box(&at, (const double[4]){10, 10, 90, 90}, box);
            ck_assert(plan->frame.width >= 1 && plan->frame.width <= 4 * SIDE + 3);
            ck_assert(plan->frame.height >= 1 && plan->frame.height <= 4 * SIDE + 3);
            ck_assert(!(box[2] - box[0] > SIDE) && !(box[3] - box[1] > SIDE));
            ck_assert(isfinite(box[0] + box[1] + box[2] + box[3]));
            seen += box[2] > box[0] && box[3] > box[1];
            ck_assert(!weld_plan_is_seen(plan) ||
                      !weld_rectangle_check(&plan->crop, sizes[k].width, sizes[k].height, NULL));
        }
    }
    ck_assert_int_gt(seen, 100);
}
END_TEST

RUN_SUITE("data/projection", pixels_and_boxes_go_where_numpy_has_them, what_is_behind_is_not_seen,
          an_inverse_leads_back, large_samples_stay_within_bounds)
