#include "ops/gradcheck.h"
#include "suite.h"

typedef struct resizing {
    int64_t height, width;
    weld_resize_mode mode;
} resizing;

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    const resizing *to = options;
    return weld_resize(g, x[0], to->height, to->width, to->mode);
}

START_TEST(resizing_is_right_up_and_down) {
    const struct {
        weld_shape x;
        int64_t height, width;
    } cases[] = {{{4, {2, 5, 5, 7}}, 6, 6},
                 {{4, {1, 6, 7, 33}}, 12, 14},
                 {{4, {2, 7, 9, 3}}, 3, 20},
                 {{4, {1, 1, 1, 17}}, 3, 2},
                 {{4, {3, 8, 6, 4}}, 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int mode = WELD_RESIZE_NEAREST; mode <= WELD_RESIZE_BILINEAR; mode++) {
            const resizing to = {cases[i].height, cases[i].width, (weld_resize_mode)mode};
            const check_leaf leaf = {cases[i].x, -1, 2, false};
            check_operator(&leaf, 1, build, &to);
            check_operator_bf16(&leaf, 1, 1, build, &to);
        }
    }
}
END_TEST

/* By hand: of two pixels the outer quarters are outside the middles of both. */
START_TEST(two_pixels_become_four) {
    const double x[] = {1, 9};
    double y[4];
    check_forward(WELD_SHAPE(1, 1, 2, 1), x, build, &(resizing){1, 4, WELD_RESIZE_BILINEAR}, 4, y);
    const double linear[] = {1, 3, 7, 9}, nearest[] = {1, 1, 9, 9};
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq_tol(y[i], linear[i], 1e-15);
    }
    check_forward(WELD_SHAPE(1, 1, 2, 1), x, build, &(resizing){1, 4, WELD_RESIZE_NEAREST}, 4, y);
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq(y[i], nearest[i]);
    }
}
END_TEST

START_TEST(the_same_size_changes_nothing) {
    const double x[] = {0.1, 0.7, -3, 1e-3, 1e9, 5};
    double y[6];
    for (int mode = WELD_RESIZE_NEAREST; mode <= WELD_RESIZE_BILINEAR; mode++) {
        const resizing to = {3, 2, (weld_resize_mode)mode};
        check_forward(WELD_SHAPE(1, 3, 2, 1), x, build, &to, 6, y);
        ck_assert_mem_eq(x, y, sizeof x);
    }
}
END_TEST

START_TEST(what_cannot_be_resized_is_refused) {
    check_leaf image = {WELD_SHAPE(2, 4, 4, 3), 0, 1, false},
               rows = {WELD_SHAPE(2, 3), 0, 1, false};
    check_refused(&image, 1, build, &(resizing){0, 4, WELD_RESIZE_NEAREST},
                  "the size must be [height, width] of at least 1, is [0, 4]");
    check_refused(&image, 1, build, &(resizing){4, 4, (weld_resize_mode)2},
                  "there is no way 2 to resize");
    check_refused(&rows, 1, build, &(resizing){4, 4, WELD_RESIZE_NEAREST},
                  "x must be [n, h, w, c], is [2, 3]");
}
END_TEST

RUN_SUITE("ops/resize", resizing_is_right_up_and_down, two_pixels_become_four,
          the_same_size_changes_nothing, what_cannot_be_resized_is_refused)
