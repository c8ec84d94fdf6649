/* Complete IoU and its slope, which holds alpha: against the formula written plainly, with
 * differences of it in which alpha stays. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "ops/detection.h"
#include "suite.h"

#define PI 3.14159265358979323846

/* alpha below 0: that of the boxes. */
static double plain(const double *p, const double *t, double *alpha) {
    const double w = p[2] - p[0], h = p[3] - p[1] + 1e-7, tw = t[2] - t[0], th = t[3] - t[1] + 1e-7;
    const double across = fmax(fmin(p[2], t[2]) - fmax(p[0], t[0]), 0);
    const double down = fmax(fmin(p[3], t[3]) - fmax(p[1], t[1]), 0);
    const double iou = across * down / (w * h + tw * th - across * down + 1e-7);
    const double cw = fmax(p[2], t[2]) - fmin(p[0], t[0]), ch = fmax(p[3], t[3]) - fmin(p[1], t[1]);
    const double dx = (p[0] + p[2]) / 2 - (t[0] + t[2]) / 2;
    const double dy = (p[1] + p[3]) / 2 - (t[1] + t[3]) / 2;
    const double v = 4 / (PI * PI) * pow(atan(tw / th) - atan(w / h), 2);
    *alpha = *alpha < 0 ? v / (v - iou + 1 + 1e-7) : *alpha;
    return iou - (dx * dx + dy * dy) / (cw * cw + ch * ch + 1e-7) - *alpha * v;
}

static void draw_box(weld_random *r, double *box) {
    for (int i = 0; i < 2; i++) {
        box[i] = weld_random_range(r, 0, 10);
        box[i + 2] = box[i] + weld_random_range(r, 0.5, 8);
    }
}

START_TEST(value_and_slope_are_those_of_the_formula) {
    weld_random r = weld_random_start(7, 0, 0, WELD_RANDOM_TEST);
    double apart = 0;
    for (int trial = 0; trial < 500; trial++) {
        double p[4], t[4], slope[4], alpha = -1;
        draw_box(&r, p);
        draw_box(&r, t);
        const double value = weld_ciou(p, t, slope);
        ck_assert_double_eq_tol(value, plain(p, t, &alpha), 1e-12);
        apart += value < 0;
        for (int i = 0; i < 4; i++) {
            const double held = p[i], h = 1e-6;
            p[i] = held + h;
            const double above = plain(p, t, &alpha);
            p[i] = held - h;
            const double below = plain(p, t, &alpha);
            p[i] = held;
            ck_assert_double_eq_tol(slope[i], (above - below) / (2 * h), 1e-7);
        }
    }
    ck_assert(apart > 50 && apart < 450); /* boxes that meet and boxes that do not */
}
END_TEST

START_TEST(boxes_by_hand) {
    const double t[] = {2, 2, 6, 6}, half[] = {2, 2, 6, 4}, away[] = {10, 2, 14, 6};
    double slope[4];
    ck_assert_double_eq_tol(weld_ciou(t, t, slope), 1, 1e-6);
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq_tol(slope[i], 0, 1e-6); /* nothing is better than the same box */
    }
    /* IoU 1/2, centres 1 apart, diagonal^2 32, v = 4 / pi^2 (pi / 4 - atan 2)^2 */
    const double v = 4 / (PI * PI) * pow(PI / 4 - atan(2), 2);
    ck_assert_double_eq_tol(weld_ciou(half, t, slope), 0.5 - 1 / 32. - v * v / (v + 0.5), 1e-6);
    ck_assert_double_eq_tol(weld_ciou(away, t, slope), -64 / 160., 1e-6);
    ck_assert(slope[0] + slope[2] < 0); /* to the left is nearer */
}
END_TEST

START_TEST(boxes_without_area_have_a_slope) {
    const double t[] = {2, 2, 6, 6};
    const double boxes[][4] = {{4, 4, 4, 4}, {3, 3, 3, 5},   {3, 3, 5, 3},
                               {5, 5, 3, 3}, {8, 1, 2, 1e6}, {-1e6, -1e6, -1e6, -1e6},
                               {2, 2, 2, 2}, {2, 6, 6, 6},   {-1e6, -1e6, 1e6, 1e6}};
    for (size_t b = 0; b < sizeof boxes / sizeof *boxes; b++) {
        double slope[4];
        ck_assert(weld_ciou(boxes[b], t, slope) <= 1);
        for (int i = 0; i < 4; i++) {
            ck_assert(isfinite(slope[i]));
        }
    }
}
END_TEST

RUN_SUITE("ops/ciou", value_and_slope_are_those_of_the_formula, boxes_by_hand,
          boxes_without_area_have_a_slope)
