/* Names of classes as they are drawn. */
#include "tasks/drawn_names.h"

#include <string.h>

#include "suite.h"

static const char *drawn(const char *name, int index) {
    static char text[WELD_DRAWN_NAME_SIZE];
    return weld_drawn_name(name, index, text);
}

START_TEST(a_name_that_cannot_be_drawn_has_its_number) {
    ck_assert_str_eq(drawn("Pullóver", 3), "Pullóver");
    ck_assert_str_eq(drawn("犬", 3), "犬 (3)");
    ck_assert_str_eq(drawn("Stra\xdf"
                           "e",
                           2147483647),
                     "Stra\xdf"
                     "e (2147483647)");
    ck_assert_str_eq(drawn("", 0), "");
}
END_TEST

START_TEST(a_long_name_ends_with_a_whole_letter) {
    char name[301] = "";
    for (size_t i = 0; i < 300; i += 3) {
        memcpy(name + i, "€", 3);
    }
    for (int shift = 0; shift < 3; shift++) {
        const char *text = drawn(name + shift, 0); /* begins with bytes of no letter */
        const size_t length = strlen(text);
        ck_assert_uint_lt(length, WELD_DRAWN_NAME_SIZE);
        ck_assert_uint_gt(length, 100);
        ck_assert(shift > 0 || strcmp(text + length - 3, "€") == 0);
    }
}
END_TEST

START_TEST(names_that_cannot_be_drawn_are_told_once) {
    const char *const names[] = {"cat", "犬", "Straße", "猫"};
    char text[512];
    ck_assert_str_eq(weld_drawn_names_tell(names, 1, text, sizeof text), "");
    weld_drawn_names_tell(names, 4, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "letters of 2 classes cannot be drawn"));
    ck_assert_ptr_nonnull(strstr(text, "'犬', '猫'"));
    ck_assert_ptr_null(strstr(text, "cat"));
}
END_TEST

RUN_SUITE("tasks/drawn_names", a_name_that_cannot_be_drawn_has_its_number,
          a_long_name_ends_with_a_whole_letter, names_that_cannot_be_drawn_are_told_once)
