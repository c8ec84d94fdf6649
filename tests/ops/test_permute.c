#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *order) {
    return weld_permute(g, x[0], order);
}

START_TEST(permute_puts_every_element_of_every_order_in_its_place) {
    enum { A = 2, B = 3, C = 1, D = 5, N = A * B * C * D };
    double x[N], y[N];
    for (int i = 0; i < N; i++) {
        x[i] = i;
    }
    for (int code = 0; code < 256; code++) {
        int order[] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
        if ((1 << order[0] | 1 << order[1] | 1 << order[2] | 1 << order[3]) != 15) {
            continue;
        }
        check_forward(WELD_SHAPE(A, B, C, D), x, build, order, N, y);
        const int dim[] = {A, B, C, D};
        const int stride[] = {B * C * D, C * D, D, 1};
        for (int i = 0; i < N; i++) {
            int rest = i, from = 0;
            for (int axis = 3; axis >= 0; axis--) {
                from += rest % dim[order[axis]] * stride[order[axis]];
                rest /= dim[order[axis]];
            }
            ck_assert_double_eq(y[i], from);
        }
    }
}
END_TEST

START_TEST(permute_differentiates_by_the_inverse_order) {
    check_leaf leaf = {WELD_SHAPE(2, 3, 4, 5), -1, 1};
    check_operator(&leaf, 1, build, (int[]){0, 3, 1, 2});
    check_operator(&leaf, 1, build, (int[]){2, 0, 3, 1});
    check_operator(&leaf, 1, build, (int[]){0, 1, 2, 3});
    check_leaf six = {WELD_SHAPE(2, 2, 3, 1, 2, 3), -1, 1};
    check_operator(&six, 1, build, (int[]){5, 3, 1, 0, 2, 4});
    check_leaf large = {WELD_SHAPE(3, 90, 70, 9), -1, 1};
    check_operator(&large, 1, build, (int[]){0, 3, 1, 2});
    check_operator_bf16(&large, 1, 1, build, (int[]){0, 3, 1, 2});
    check_operator_bf16(&six, 1, 1, build, (int[]){5, 3, 1, 0, 2, 4});
}
END_TEST

START_TEST(permute_refuses_what_is_no_order) {
    check_leaf leaf = {WELD_SHAPE(2, 3, 4)};
    check_refused(&leaf, 1, build, (int[]){0, 1, 1}, "order [0, 1, 1] must hold each of the 3");
    check_refused(&leaf, 1, build, (int[]){0, 1, 3}, "order [0, 1, 3]");
    check_refused(&leaf, 1, build, (int[]){-1, 1, 2}, "order [-1, 1, 2]");
}
END_TEST

RUN_SUITE("ops/permute", permute_puts_every_element_of_every_order_in_its_place,
          permute_differentiates_by_the_inverse_order, permute_refuses_what_is_no_order)
