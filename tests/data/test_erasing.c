#include <math.h>
#include <string.h>

#include "data/erasing.h"
#include "suite.h"

enum { SIZE = 48, VALUES = SIZE * SIZE * 3 };
static const float untouched = 77;

static weld_augmentation settings(double probability, weld_erasing_mode mode) {
    weld_augmentation a = weld_augmentation_defaults();
    a.random_erasing = probability;
    a.erasing_mode = mode;
    return a;
}

/* Erase in an image of `untouched`; returns how many values were. */
static int erase(const weld_augmentation *a, int image, float out[VALUES]) {
    weld_random random = weld_random_start(13, 0, (uint64_t)image, WELD_RANDOM_ERASE);
    int erased = 0;
    for (int i = 0; i < VALUES; i++) {
        out[i] = untouched;
    }
    weld_random_erase(a, SIZE, SIZE, &random, out);
    for (int i = 0; i < VALUES; i++) {
        erased += out[i] != untouched;
    }
    return erased;
}

START_TEST(images_are_erased_with_the_probability_given) {
    const double probabilities[] = {0, 0.25, 1};
    for (int k = 0; k < 3; k++) {
        const weld_augmentation a = settings(probabilities[k], WELD_ERASE_CONST);
        const int n = 4000;
        float out[VALUES];
        int count = 0;
        for (int i = 0; i < n; i++) {
            count += erase(&a, i, out) > 0;
        }
        double p = probabilities[k];
        ck_assert_double_le(fabs((double)count / n - p), 6 * sqrt(p * (1 - p) / n));
    }
}
END_TEST

START_TEST(boxes_have_the_area_and_aspect_of_the_recipe) {
    const int size = 2000, n = 40000;
    const double range = log(1 / 0.3);
    double area = 0, area2 = 0, aspect = 0, aspect2 = 0, x = 0, x2 = 0, y = 0, y2 = 0;
    for (int i = 0; i < n; i++) {
        weld_random random = weld_random_start(14, 0, (uint64_t)i, WELD_RANDOM_TEST);
        weld_rectangle b;
        ck_assert(weld_erasing_box(size, size, &random, &b));
        ck_assert(b.x >= 0 && b.y >= 0 && b.x + b.width <= size && b.y + b.height <= size);
        double part = (double)b.width * b.height / size / size;
        double ratio = log((double)b.height / b.width);
        ck_assert(part > 0.0199 && part < 0.3337);
        ck_assert_double_le(fabs(ratio), range + 0.01);
        double left = (double)b.x / (size - b.width), top = (double)b.y / (size - b.height);
        area += part / n;
        area2 += part * part / n;
        aspect += ratio / n;
        aspect2 += ratio * ratio / n;
        x += left / n;
        x2 += left * left / n;
        y += top / n;
        y2 += top * top / n;
    }
    /* The few that do not fit, half a percent, are large and long. */
    const double largest = 1.0 / 3;
    ck_assert_double_eq_tol(area, (0.02 + largest) / 2, 0.004);
    ck_assert_double_eq_tol(area2 - area * area, pow(largest - 0.02, 2) / 12, 0.0004);
    ck_assert_double_eq_tol(aspect, 0, 6 * 0.7 / sqrt(n));
    ck_assert_double_eq_tol(aspect2, range * range / 3, 0.02);
    ck_assert_double_eq_tol(x, 0.5, 6 * 0.29 / sqrt(n));
    ck_assert_double_eq_tol(x2 - x * x, 1.0 / 12, 0.003);
    ck_assert_double_eq_tol(y, 0.5, 6 * 0.29 / sqrt(n));
    ck_assert_double_eq_tol(y2 - y * y, 1.0 / 12, 0.003);
}
END_TEST

/* The smallest box around what was erased; fails where it is not all erased. */
static weld_rectangle erased_box(const float out[VALUES]) {
    int x0 = SIZE, x1 = 0, y0 = SIZE, y1 = 0, count = 0;
    for (int i = 0; i < VALUES; i++) {
        if (out[i] != untouched) {
            int x = i / 3 % SIZE, y = i / 3 / SIZE;
            x0 = x < x0 ? x : x0;
            x1 = x >= x1 ? x + 1 : x1;
            y0 = y < y0 ? y : y0;
            y1 = y >= y1 ? y + 1 : y1;
            count++;
        }
    }
    ck_assert_int_eq(count, (x1 - x0) * (y1 - y0) * 3);
    return (weld_rectangle){x0, y0, x1 - x0, y1 - y0};
}

START_TEST(const_fills_with_nothing_and_rand_with_one_colour) {
    const weld_augmentation none = settings(1, WELD_ERASE_CONST);
    const weld_augmentation one = settings(1, WELD_ERASE_RAND);
    double sum = 0, squares = 0;
    const int n = 2000;
    for (int i = 0; i < n; i++) {
        float out[VALUES];
        ck_assert_int_gt(erase(&none, i, out), 0);
        weld_rectangle b = erased_box(out);
        int others = 0;
        for (int k = 0; k < VALUES; k++) {
            others += out[k] != untouched && out[k] != 0;
        }
        ck_assert_int_gt(erase(&one, i, out), 0);
        weld_rectangle same = erased_box(out);
        ck_assert_int_eq(memcmp(&b, &same, sizeof b), 0);
        const float *color = out + (b.y * SIZE + b.x) * 3;
        ck_assert(color[0] != color[1] && color[1] != color[2]);
        for (int k = 0; k < VALUES; k++) {
            others += out[k] != untouched && out[k] != color[k % 3];
        }
        ck_assert_int_eq(others, 0);
        sum += (double)color[0] + color[1] + color[2];
        for (int c = 0; c < 3; c++) {
            squares += (double)color[c] * color[c];
        }
    }
    ck_assert_double_eq_tol(sum / (3 * n), 0, 6 / sqrt(3 * n));
    ck_assert_double_eq_tol(squares / (3 * n), 1, 6 * sqrt(2.0 / (3 * n)));
}
END_TEST

START_TEST(pixel_fills_with_standard_normals_of_their_own) {
    const weld_augmentation a = settings(1, WELD_ERASE_PIXEL);
    double sum = 0, squares = 0, fourth = 0, along = 0, down = 0, beyond = 0;
    int n = 0;
    for (int i = 0; i < 300; i++) {
        float out[VALUES];
        ck_assert_int_gt(erase(&a, i, out), 0);
        weld_rectangle b = erased_box(out);
        for (int y = b.y; y + 1 < b.y + b.height; y++) {
            const float *row = out + (y * SIZE + b.x) * 3;
            for (int k = 0; k + 3 < b.width * 3; k++) {
                double z = row[k];
                sum += z;
                squares += z * z;
                fourth += z * z * z * z;
                along += z * row[k + 3];
                down += z * row[k + SIZE * 3];
                beyond += fabs(z) > 2;
                n++;
            }
        }
    }
    ck_assert_int_gt(n, 200000);
    ck_assert_double_eq_tol(sum / n, 0, 6 / sqrt(n));
    ck_assert_double_eq_tol(squares / n, 1, 6 * sqrt(2.0 / n));
    ck_assert_double_eq_tol(fourth / n, 3, 6 * sqrt(96.0 / n));
    ck_assert_double_eq_tol(along / n, 0, 6 / sqrt(n));
    ck_assert_double_eq_tol(down / n, 0, 6 / sqrt(n));
    ck_assert_double_eq_tol(beyond / n, 0.0455, 6 * sqrt(0.0455 / n));
}
END_TEST

START_TEST(boxes_reach_all_borders) {
    int left = 0, right = 0, top = 0, bottom = 0;
    for (int i = 0; i < 1000; i++) {
        weld_random random = weld_random_start(16, 0, (uint64_t)i, WELD_RANDOM_TEST);
        weld_rectangle b;
        ck_assert(weld_erasing_box(16, 16, &random, &b));
        left += b.x == 0;
        right += b.x + b.width == 16;
        top += b.y == 0;
        bottom += b.y + b.height == 16;
    }
    ck_assert(left > 50 && right > 50 && top > 50 && bottom > 50);
}
END_TEST

START_TEST(tiny_images_keep_what_lies_around_them) {
    const weld_augmentation a = settings(1, WELD_ERASE_PIXEL);
    for (int size = 1; size <= 4; size++) {
        for (int i = 0; i < 300; i++) {
            float guarded[4 * 4 * 3 + 2] = {0};
            int count = size * size * 3;
            guarded[0] = guarded[count + 1] = untouched;
            weld_random random = weld_random_start(15, 0, (uint64_t)i, WELD_RANDOM_ERASE);
            weld_random_erase(&a, size, size, &random, guarded + 1);
            ck_assert(guarded[0] == untouched && guarded[count + 1] == untouched);
        }
    }
}
END_TEST

RUN_SUITE("data/erasing", images_are_erased_with_the_probability_given,
          boxes_have_the_area_and_aspect_of_the_recipe, boxes_reach_all_borders,
          const_fills_with_nothing_and_rand_with_one_colour,
          pixel_fills_with_standard_normals_of_their_own, tiny_images_keep_what_lies_around_them)
