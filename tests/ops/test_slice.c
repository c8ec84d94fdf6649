#include "ops/gradcheck.h"
#include "suite.h"

typedef struct options {
    int axis;
    int64_t begin, end;
} options;

static weld_value *build(weld_graph *g, weld_value *const *x, const void *o_) {
    const options *o = o_;
    return weld_slice(g, x[0], o->axis, o->begin, o->end);
}

START_TEST(slice_is_right_along_every_axis) {
    options cases[] = {{0, 0, 1}, {0, 1, 3}, {1, 0, 4}, {1, 2, 3}, {2, 1, 5}, {2, 4, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_operator(&(check_leaf){WELD_SHAPE(3, 4, 5), -1, 1}, 1, build, &cases[i]);
    }
    check_operator(&(check_leaf){WELD_SHAPE(50, 2000), -1, 1}, 1, build, &(options){1, 7, 1993});
}
END_TEST

START_TEST(slice_takes_the_elements_asked_for) {
    double y[4];
    check_forward(WELD_SHAPE(2, 4), (double[]){0, 1, 2, 3, 4, 5, 6, 7}, build, &(options){1, 1, 3},
                  4, y);
    ck_assert_mem_eq(y, ((double[]){1, 2, 5, 6}), sizeof y);
}
END_TEST

/* The parts of a value, joined in another order: their gradients come together again. */
static weld_value *build_swapped(weld_graph *g, weld_value *const *x, const void *unused) {
    (void)unused;
    weld_value *parts[] = {weld_slice(g, x[0], 1, 3, 5), weld_slice(g, x[0], 1, 0, 4)};
    return weld_concat(g, parts, 2, 1);
}

START_TEST(slices_that_overlap_add_their_gradients) {
    check_operator(&(check_leaf){WELD_SHAPE(2, 5, 3), -1, 1}, 1, build_swapped, NULL);
    check_operator_bf16(&(check_leaf){WELD_SHAPE(2, 5, 3), -1, 1}, 1, 1, build_swapped, NULL);
}
END_TEST

START_TEST(slice_refuses_what_is_not_there) {
    check_leaf leaf = {WELD_SHAPE(2, 4)};
    check_refused(&leaf, 1, build, &(options){1, 2, 5}, "elements 2..5 of axis 1");
    check_refused(&leaf, 1, build, &(options){1, -1, 2}, "elements -1..2 of axis 1");
    check_refused(&leaf, 1, build, &(options){0, 1, 1}, "within its 2 elements");
    check_refused(&leaf, 1, build, &(options){2, 0, 1}, "x [2, 4] has no axis 2");
}
END_TEST

RUN_SUITE("ops/slice", slice_is_right_along_every_axis, slice_takes_the_elements_asked_for,
          slices_that_overlap_add_their_gradients, slice_refuses_what_is_not_there)
