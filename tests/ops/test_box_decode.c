#include "ops/gradcheck.h"
#include "suite.h"

typedef struct decoding {
    int bins, stride;
} decoding;

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    const decoding *d = options;
    return weld_box_decode(g, x[0], d->bins, d->stride);
}

START_TEST(boxes_follow_the_logits) {
    const struct {
        weld_shape x;
        decoding d;
    } cases[] = {{{4, {2, 3, 5, 64}}, {16, 8}},
                 {{4, {1, 11, 13, 12}}, {3, 32}}, /* more positions than are done at a time */
                 {{4, {3, 1, 2, 8}}, {2, 1}},
                 {{4, {1, 2, 1, 132}}, {33, 16}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const check_leaf leaf = {cases[i].x, -3, 3, false};
        check_operator(&leaf, 1, build, &cases[i].d);
        check_operator_bf16(&leaf, 1, 1, build, &cases[i].d);
    }
}
END_TEST

/* By hand: 2 rows of 3 positions, two bins whose logits differ by log of the odds. */
START_TEST(sides_are_counted_from_the_centre_of_a_position) {
    enum { H = 2, W = 3, POSITIONS = H * W };
    const double half[] = {0, 0}, most[] = {0, log(3)}, all[] = {-500, 500}, none[] = {500, -500};
    const double *const sides[] = {half, most, all, none}; /* 1/2, 3/4, 1, 0 */
    double x[POSITIONS * 8], y[POSITIONS * 4];
    for (int i = 0; i < POSITIONS * 8; i++) {
        x[i] = sides[i / 2 % 4][i % 2];
    }
    check_forward(WELD_SHAPE(1, H, W, 8), x, build, &(decoding){2, 8}, POSITIONS * 4, y);
    for (int p = 0; p < POSITIONS; p++) {
        const double cx = 8 * (p % W) + 4, cy = 8 * (p / W) + 4;
        const double box[] = {cx - 4, cy - 6, cx + 8, cy};
        for (int side = 0; side < 4; side++) {
            ck_assert_double_eq_tol(y[4 * p + side], box[side], 1e-12);
        }
    }
}
END_TEST

/* What is measured in pixels would lose whole ones. */
START_TEST(boxes_of_bf16_logits_are_not_rounded_to_bf16) {
    weld_graph *g;
    weld_error err;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, &err), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(1, 4, 4, 64));
    weld_value *y = weld_box_decode(g, weld_cast(g, x, WELD_BF16), 16, 32);
    ck_assert_ptr_nonnull(y);
    ck_assert_int_eq(y->dtype, WELD_F32);
    weld_graph_free(g);
}
END_TEST

START_TEST(maps_without_four_sides_are_refused) {
    check_leaf map = {WELD_SHAPE(2, 4, 4, 64), 0, 1, false},
               uneven = {WELD_SHAPE(2, 4, 4, 6), 0, 1, false},
               rows = {WELD_SHAPE(2, 64), 0, 1, false};
    check_refused(&map, 1, build, &(decoding){15, 8}, "four times 15 bins are 60");
    check_refused(&map, 1, build, &(decoding){16, 0}, "stride 0, 0: it must be at least 1");
    check_refused(&uneven, 1, build, &(decoding){1, 8}, "four times 1 bins are 4");
    check_refused(&rows, 1, build, &(decoding){16, 8}, "x must be [n, h, w, 4 bins], is [2, 64]");
}
END_TEST

RUN_SUITE("ops/box_decode", boxes_follow_the_logits,
          sides_are_counted_from_the_centre_of_a_position,
          boxes_of_bf16_logits_are_not_rounded_to_bf16, maps_without_four_sides_are_refused)
