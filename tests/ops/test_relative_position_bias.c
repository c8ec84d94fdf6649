#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    const int *window = options;
    return weld_relative_position_bias(g, x[0], window[0], window[1]);
}

START_TEST(relative_position_bias_is_right_for_all_windows) {
    int windows[][2] = {{1, 1}, {2, 2}, {3, 5}, {4, 1}, {1, 6}};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        int64_t offsets = (2 * windows[i][0] - 1) * (2 * windows[i][1] - 1);
        check_operator(&(check_leaf){WELD_SHAPE(3, offsets), -1, 1}, 1, build, windows[i]);
    }
}
END_TEST

START_TEST(relative_position_bias_looks_up_the_offset_of_p_from_q) {
    int window[] = {2, 3};
    double table[15], y[36];
    for (int i = 0; i < 15; i++) {
        table[i] = i;
    }
    check_forward(WELD_SHAPE(1, 15), table, build, window, 36, y);
    /* Positions are (row, column); offsets run over rows -1..1 and columns -2..2. */
    ck_assert_double_eq(y[0 * 6 + 0], 7); /* the same place */
    ck_assert_double_eq(y[5 * 6 + 5], 7);
    ck_assert_double_eq(y[5 * 6 + 0], 14); /* (1, 2) from (0, 0): +1, +2 */
    ck_assert_double_eq(y[0 * 6 + 5], 0);  /* -1, -2 */
    ck_assert_double_eq(y[2 * 6 + 3], 4);  /* (0, 2) from (1, 0): -1, +2 */
    ck_assert_double_eq(y[3 * 6 + 1], 11); /* (1, 0) from (0, 1): +1, -1 */
}
END_TEST

START_TEST(relative_position_bias_says_how_large_its_table_must_be) {
    int window[] = {2, 3};
    check_refused(&(check_leaf){WELD_SHAPE(2, 14)}, 1, build, window, "table must be f64 [2, 15]");
    check_refused(&(check_leaf){WELD_SHAPE(30)}, 1, build, window, "table must be [heads, ");
    window[0] = 0;
    check_refused(&(check_leaf){WELD_SHAPE(2, 15)}, 1, build, window, "is 0 x 3");
}
END_TEST

RUN_SUITE("ops/relative_position_bias", relative_position_bias_is_right_for_all_windows,
          relative_position_bias_looks_up_the_offset_of_p_from_q,
          relative_position_bias_says_how_large_its_table_must_be)
