#include <stdint.h>

#include "base/memory.h"
#include "suite.h"

START_TEST(sizes_that_overflow_are_refused) {
    ck_assert_ptr_null(weld_alloc(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(weld_alloc(SIZE_MAX, 1));
    size_t out;
    ck_assert(!weld_mul_size(SIZE_MAX, 2, &out));
}
END_TEST

START_TEST(memory_is_aligned_zeroed_and_never_null_for_nothing) {
    unsigned char *p = weld_alloc(100, 1), *q = weld_alloc(0, 8);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_nonnull(q);
    ck_assert_uint_eq((uintptr_t)p % WELD_ALIGNMENT, 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(p[i], 0);
    }
    weld_free(p);
    weld_free(q);
    weld_free(NULL);
}
END_TEST

START_TEST(growing_keeps_what_was_there) {
    int *p = weld_alloc(2, sizeof *p);
    p[0] = 4;
    p[1] = 5;
    p = weld_grow(p, 2, 10, sizeof *p);
    ck_assert_int_eq(p[0], 4);
    ck_assert_int_eq(p[1], 5);
    ck_assert_int_eq(p[9], 0);
    weld_free(p);
}
END_TEST

START_TEST(allocations_fail_when_told_to) {
    weld_memory_fail_after(1);
    void *p = weld_alloc(1, 1);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_null(weld_alloc(1, 1));
    ck_assert_ptr_null(weld_alloc(1, 1));
    weld_memory_fail_after(-1);
    weld_free(p);
    p = weld_alloc(1, 1);
    ck_assert_ptr_nonnull(p);
    weld_free(p);
}
END_TEST

RUN_SUITE("base/memory", sizes_that_overflow_are_refused,
          memory_is_aligned_zeroed_and_never_null_for_nothing, growing_keeps_what_was_there,
          allocations_fail_when_told_to)
