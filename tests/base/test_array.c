#include "base/array.h"
#include "base/memory.h"
#include "suite.h"

START_TEST(elements_stay_as_the_array_grows) {
    weld_array a = {.element = sizeof(int)};
    for (int i = 0; i < 1000; i++) {
        ck_assert(weld_array_append(&a, &i, 1));
    }
    ck_assert_uint_eq(a.count, 1000);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(((int *)a.data)[i], i);
    }
    weld_array_free(&a);
    ck_assert_uint_eq(a.count, 0);
}
END_TEST

START_TEST(a_failed_append_changes_nothing) {
    weld_array a = {.element = 1};
    ck_assert(weld_array_append_text(&a, "one"));
    char big[500] = "two";
    weld_memory_fail_after(0);
    ck_assert(!weld_array_append(&a, big, sizeof big));
    weld_memory_fail_after(-1);
    ck_assert(!weld_array_append(&a, big, SIZE_MAX));
    ck_assert_uint_eq(a.count, 4);
    ck_assert_str_eq((char *)a.data, "one");
    weld_array_free(&a);
}
END_TEST

RUN_SUITE("base/array", elements_stay_as_the_array_grows, a_failed_append_changes_nothing)
