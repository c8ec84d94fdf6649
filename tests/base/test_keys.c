#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/keys.h"
#include "suite.h"

typedef struct values {
    int whole;
    int64_t large;
    double real, pair[2], any;
    float single;
    bool flag;
    int choice, count, list[4];
    char text[8];
} values;

static const char *const colours[] = {"red", "green", NULL};
static const char *const short_names[] = {"r", ""};

static const weld_key keys[] = {
    {"whole", WELD_KEY_INTEGER, WELD_KEY_ONE(values, whole), .min = 1, .max = 9, .standard = "3"},
    {"large", WELD_KEY_INTEGER, WELD_KEY_ONE(values, large), .max = 9e15},
    {"real", WELD_KEY_REAL, WELD_KEY_ONE(values, real), .max = 1, .standard = "0.25"},
    {"pair", WELD_KEY_REAL, WELD_KEY_ALL(values, pair), .max = 2, .standard = "0.5, 1"},
    {"single", WELD_KEY_REAL, WELD_KEY_ONE(values, single), .min = -1, .max = 1},
    {"any", WELD_KEY_REAL, WELD_KEY_ONE(values, any), .min = -1e300, .max = 1e300},
    {"flag", WELD_KEY_BOOL, WELD_KEY_ONE(values, flag)},
    {"choice", WELD_KEY_CHOICE, WELD_KEY_ONE(values, choice), .choices = colours,
     .synonyms = short_names},
    {"a_list", WELD_KEY_INTEGER, WELD_KEY_LIST(values, list, count), .max = 100},
    {"text", WELD_KEY_TEXT, WELD_KEY_ONE(values, text)},
};
enum { COUNT = sizeof keys / sizeof *keys };

static const weld_key *key(const char *name) {
    const weld_key *found = weld_key_find(keys, COUNT, name);
    ck_assert_ptr_nonnull(found);
    return found;
}

START_TEST(values_come_back_as_the_text_that_set_them) {
    static const char *const cases[][2] = {
        {"whole", "9"},           {"large", "8999999999999999"},
        {"real", "0.1"},          {"pair", "0.1, 2"},
        {"single", "0.1"},        {"any", "1234567.5"},
        {"flag", "true"},         {"choice", "green"},
        {"a_list", "1, 20, 100"}, {"text", "a, b"},
    };
    values v = {0}, w = {0};
    for (size_t i = 0; i < COUNT; i++) {
        char text[64];
        const weld_key *k = key(cases[i][0]);
        ck_assert_int_eq(weld_key_set(k, &v, cases[i][1], NULL), WELD_OK);
        ck_assert_str_eq(weld_key_text(k, &v, ", ", text, sizeof text), cases[i][1]);
        ck_assert(!weld_key_equal(k, &v, &w));
        ck_assert_int_eq(weld_key_check(k, &v, NULL), WELD_OK);
        ck_assert_int_eq(weld_key_set(k, &w, cases[i][1], NULL), WELD_OK);
        ck_assert(weld_key_equal(k, &v, &w));
    }
    ck_assert_int_eq(v.list[2], 100);
    ck_assert_double_eq(weld_key_number(key("a_list"), &v, 1), 20);
    ck_assert_int_eq(weld_key_set(key("a_list"), &v, "7", NULL), WELD_OK);
    ck_assert_int_eq(v.list[1], 0); /* a shorter list leaves nothing behind */
    ck_assert_int_eq(weld_key_set(key("large"), &v, "8e15", NULL), WELD_OK);
    ck_assert(v.large == 8000000000000000);
    ck_assert_int_eq(weld_key_set(key("large"), &v, "1.5e3", NULL), WELD_OK);
    ck_assert(v.large == 1500);
    static const char *const words[] = {"True", "FALSE", "Yes", "no", "ON", "Off"};
    for (int i = 0; i < 6; i++) { /* YAML 1.1's */
        ck_assert_int_eq(weld_key_set(key("flag"), &v, words[i], NULL), WELD_OK);
        ck_assert_int_eq(v.flag, i % 2 == 0);
    }
    static const char *const numbers[][2] = {
        {"100", "100"}, {"1e1", "10"}, {"-20", "-20"}, {"1e9", "1.0e+09"}, {"1e-7", "1.0e-07"}};
    for (int i = 0; i < 5; i++) {
        char text[64];
        ck_assert_int_eq(weld_key_set(key("any"), &v, numbers[i][0], NULL), WELD_OK);
        ck_assert_str_eq(weld_key_text(key("any"), &v, ", ", text, sizeof text), numbers[i][1]);
    }
    ck_assert_int_eq(weld_key_set(key("choice"), &v, "r", NULL), WELD_OK);
    ck_assert_int_eq(v.choice, 0);
}
END_TEST

START_TEST(what_a_key_does_not_take_is_refused_with_the_reason) {
    static const char *const cases[][3] = {
        {"whole", "x", "'x' is not a whole number"},
        {"whole", "1.5", "'1.5' is not a whole number"},
        {"whole", "15e-1", "'15e-1' is not a whole number"},
        {"whole", "10", "10 is out of range: give 1 to 9"},
        {"large", "99999999999999999999", "is out of range"},
        {"real", "nan", "'nan' is not a number"},
        {"flag", "2", "'2' is not true or false"},
        {"choice", "blue", "'blue' is not known: this version has red, green"},
        {"pair", "1", "takes a list of 2 values"},
        {"a_list", "", "takes a list of 1 to 4 values"},
        {"a_list", "1, 2, 3, 4, 5", "takes a list of 1 to 4 values"},
        {"a_list", "1, x", "'x' is not a whole number"},
        {"text", "12345678", "8 bytes are too long: at most 7 fit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        values v = {0};
        weld_error e = {0};
        ck_assert_int_eq(weld_key_set(key(cases[i][0]), &v, cases[i][1], &e), WELD_ERROR_ARGUMENT);
        ck_assert_msg(strstr(e.message, cases[i][2]) != NULL, "%s", e.message);
    }
}
END_TEST

START_TEST(values_that_no_text_set_are_checked) {
    values v = {.whole = 10, .count = 5, .choice = 2};
    weld_error e;
    ck_assert_int_eq(weld_key_check(key("whole"), &v, &e), WELD_ERROR_ARGUMENT);
    ck_assert_str_eq(e.message, "is 10: it must be in 1..9");
    ck_assert_int_eq(weld_key_check(key("a_list"), &v, &e), WELD_ERROR_ARGUMENT);
    ck_assert_str_eq(e.message, "has 5 values: give 1 to 4");
    v.count = 2;
    v.list[1] = 101;
    ck_assert_int_eq(weld_key_check(key("a_list"), &v, &e), WELD_ERROR_ARGUMENT);
    ck_assert_str_eq(e.message, "[1] is 101: it must be in 0..100");
    ck_assert_int_eq(weld_key_check(key("choice"), &v, &e), WELD_ERROR_ARGUMENT);
    v.real = NAN;
    ck_assert_int_eq(weld_key_check(key("real"), &v, &e), WELD_ERROR_ARGUMENT);
}
END_TEST

START_TEST(what_nobody_sets_is_as_the_rows_say) {
    char text[128];
    values v = {.large = 7};
    weld_keys_set_standard(keys, COUNT, &v);
    ck_assert_int_eq(v.whole, 3);
    ck_assert_double_eq(v.pair[1], 1);
    ck_assert_int_eq(v.large, 7);
    ck_assert_str_eq(weld_key_names(keys, 3, 0, text, sizeof text), "whole, large and real");
    ck_assert_str_eq(weld_key_title(key("a_list"), text, sizeof text), "a list");
}
END_TEST

RUN_SUITE("base/keys", values_come_back_as_the_text_that_set_them,
          what_a_key_does_not_take_is_refused_with_the_reason, values_that_no_text_set_are_checked,
          what_nobody_sets_is_as_the_rows_say)
