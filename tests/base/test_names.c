#include <stdio.h>

#include "base/memory.h"
#include "base/names.h"
#include "suite.h"

enum { MANY = 3000 };

static char names[MANY][16];

START_TEST(each_name_is_found_as_what_it_was_put_in) {
    weld_names n = {.slots = NULL};
    ck_assert_uint_eq(weld_names_find(&n, "name0"), SIZE_MAX);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "name%zu", i);
        ck_assert(weld_names_make_room(&n));
        weld_names_put(&n, names[i], 2 * i);
    }
    for (size_t i = 0; i < MANY; i++) {
        char copy[16];
        snprintf(copy, sizeof copy, "name%zu", i);
        ck_assert_uint_eq(weld_names_find(&n, copy), 2 * i);
    }
    ck_assert_uint_eq(weld_names_find(&n, "name"), SIZE_MAX);
    ck_assert_uint_eq(weld_names_find(&n, ""), SIZE_MAX);
    weld_names_free(&n);
}
END_TEST

START_TEST(without_memory_the_names_so_far_stay) {
    weld_names n = {.slots = NULL};
    size_t count = 0;
    for (; count < MANY; count++) {
        snprintf(names[count], sizeof names[count], "name%zu", count);
        weld_memory_fail_after(count < 10 ? -1 : 0);
        if (!weld_names_make_room(&n)) {
            break;
        }
        weld_names_put(&n, names[count], count);
    }
    weld_memory_fail_after(-1);
    ck_assert_uint_lt(count, MANY);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(weld_names_find(&n, names[i]), i);
    }
    weld_names_free(&n);
}
END_TEST

RUN_SUITE("base/names", each_name_is_found_as_what_it_was_put_in,
          without_memory_the_names_so_far_stay)
