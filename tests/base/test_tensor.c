#include "suite.h"
#include "weld/tensor.h"

START_TEST(a_shape_counts_its_elements_or_says_that_it_cannot) {
    ck_assert_int_eq(weld_shape_count(&WELD_SHAPE(2, 3, 4)), 24);
    ck_assert_int_eq(weld_shape_count(&(weld_shape){0}), 1);
    ck_assert_int_eq(weld_shape_count(&WELD_SHAPE(5, 0)), 0);
    ck_assert_int_eq(weld_shape_count(&WELD_SHAPE(5, -1)), -1);
    ck_assert_int_eq(weld_shape_count(&WELD_SHAPE(INT64_MAX, 2)), -1);
    ck_assert_int_eq(weld_shape_count(&(weld_shape){.rank = WELD_MAX_DIMS + 1}), -1);
    ck_assert_int_eq(weld_shape_count(&(weld_shape){.rank = -1}), -1);
}
END_TEST

START_TEST(shapes_are_equal_in_rank_and_every_dimension) {
    ck_assert(weld_shape_equal(&WELD_SHAPE(2, 3), &WELD_SHAPE(2, 3)));
    ck_assert(!weld_shape_equal(&WELD_SHAPE(2, 3), &WELD_SHAPE(2, 4)));
    ck_assert(!weld_shape_equal(&WELD_SHAPE(2, 3), &WELD_SHAPE(2, 3, 1)));
}
END_TEST

START_TEST(a_shape_is_written_as_far_as_there_is_room) {
    char text[32], small[6];
    ck_assert_str_eq(weld_shape_text(&WELD_SHAPE(32, 56, 48), text, sizeof text), "[32, 56, 48]");
    ck_assert_str_eq(weld_shape_text(&(weld_shape){0}, text, sizeof text), "[]");
    ck_assert_str_eq(weld_shape_text(&WELD_SHAPE(32, 56, 48), small, sizeof small), "[32, ");
}
END_TEST

START_TEST(types_have_sizes_and_names) {
    ck_assert_uint_eq(weld_dtype_size(WELD_F32), 4);
    ck_assert_uint_eq(weld_dtype_size(WELD_F64), 8);
    ck_assert_uint_eq(weld_dtype_size(WELD_BF16), 2);
    ck_assert_uint_eq(weld_dtype_size(WELD_I64), 8);
    ck_assert_str_eq(weld_dtype_name(WELD_BF16), "bf16");
}
END_TEST

RUN_SUITE("base/tensor", a_shape_counts_its_elements_or_says_that_it_cannot,
          shapes_are_equal_in_rank_and_every_dimension, a_shape_is_written_as_far_as_there_is_room,
          types_have_sizes_and_names)
