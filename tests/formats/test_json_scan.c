/* JSON that is scanned: what is taken, to the bit, and what is refused, with its place. */
#include "formats/json_scan.h"

#include <math.h>

#include "files.h"
#include "suite.h"

static test_folder folder;

static weld_scan *scan(const void *bytes, size_t size, weld_error *err) {
    weld_scan *s;
    const char *path = test_path(&folder, "x.json");
    test_write_file(path, bytes, size);
    ck_assert_int_eq(weld_scan_open(path, &s, err), WELD_OK);
    return s;
}

static void expect_string(const char *json, const char *wanted) {
    weld_error err = {0};
    weld_scan *s = scan(json, strlen(json), &err);
    ck_assert_str_eq(weld_scan_string(s), wanted);
    weld_scan_end(s);
    ck_assert_msg(!weld_scan_status(s), "%s", err.message);
    weld_scan_close(s);
}

static void expect_number(const char *json, double wanted) {
    weld_error err = {0};
    weld_scan *s = scan(json, strlen(json), &err);
    const double value = weld_scan_number(s);
    weld_scan_end(s);
    ck_assert_msg(!weld_scan_status(s), "%s: %s", json, err.message);
    ck_assert_msg(memcmp(&value, &wanted, sizeof value) == 0, "%s: %.17g", json, value);
    weld_scan_close(s);
}

/* Taken by `take`, which may be of any kind. */
static void refuse(const char *json, void (*take)(weld_scan *s), const char *words) {
    weld_error err = {0};
    weld_scan *s = scan(json, strlen(json), &err);
    take(s);
    weld_scan_end(s);
    ck_assert_int_eq(weld_scan_status(s), WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, words) != NULL, "%s: %s", json, err.message);
    weld_scan_close(s);
}

static void take_string(weld_scan *s) {
    weld_scan_string(s);
}

static void take_number(weld_scan *s) {
    weld_scan_number(s);
}

static void take_int(weld_scan *s) {
    weld_scan_int(s);
}

START_TEST(strings_are_taken_as_what_their_escapes_say) {
    folder = test_folder_create();
    expect_string("\"\"", "");
    expect_string(" \"a\\n\\\"\\\\\\/\\t\" ", "a\n\"\\/\t");
    expect_string("\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac");
    expect_string("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"); /* two halves of U+1F600 */
    expect_string("\"\xf0\x9f\x98\x80\"", "\xf0\x9f\x98\x80");
    test_folder_remove(folder);
}
END_TEST

START_TEST(strings_that_are_no_text_are_refused) {
    folder = test_folder_create();
    refuse("\"a", take_string, "offset 2: the file ends where the end of a text is expected");
    refuse("\"a\nb\"", take_string, "offset 2: the end of a text is expected, not the byte 0x0a");
    refuse("\"\\x\"", take_string, "one of \"\\/bfnrtu is expected, not 'x'");
    refuse("\"\\u00g0\"", take_string, "a hexadecimal digit is expected, not 'g'");
    refuse("\"\\u0000\"", take_string, "a zero character");
    refuse("\"\\ud83d\"", take_string, "the other half must follow");
    refuse("\"\\ude00\"", take_string, "the other half is missing");
    refuse("\"\\ud83d\\u0041\"", take_string, "the other half is missing");
    refuse("\"\xe9t\xe9\"", take_string, "not UTF-8");        /* Latin-1 */
    refuse("\"\xc0\xaf\"", take_string, "not UTF-8");         /* longer than need be */
    refuse("\"\xed\xa0\x80\"", take_string, "not UTF-8");     /* half of a character */
    refuse("\"\xf4\x90\x80\x80\"", take_string, "not UTF-8"); /* beyond U+10FFFF */
    test_folder_remove(folder);
}
END_TEST

/* The compiler reads the same numbers. */
START_TEST(numbers_are_the_nearest_doubles) {
    folder = test_folder_create();
    expect_number("0", 0);
    expect_number("-0", -0.0);
    expect_number("0.1", 0.1);
    expect_number("412.78", 412.78);
    expect_number("-123456789.012345", -123456789.012345); /* 15 digits */
    expect_number("1234567890.1234567", 1234567890.1234567);
    expect_number("9007199254740993", 9007199254740993.0);
    expect_number("0.30000000000000004", 0.30000000000000004);
    expect_number("1.7976931348623157e308", 1.7976931348623157e308);
    expect_number("5E-324", 5E-324);
    expect_number("1e23", 1e23);
    expect_number("NaN", NAN);
    expect_number("Infinity", INFINITY);
    expect_number("-Infinity", -INFINITY);
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_is_no_number_is_refused) {
    folder = test_folder_create();
    refuse("\"1\"", take_number, "offset 0: a number is expected, not '\"'");
    refuse("1-2", take_number, "not a number: 1-2");
    refuse("-", take_number, "not a number: -");
    refuse("Nan", take_number, "a number is expected, not Nan");
    refuse("1 2", take_number, "offset 2: something follows");
    refuse("1.5", take_int, "a whole number is expected, not 1.5");
    refuse("1e25", take_int, "offset 4: a whole number below 2^63, of digits alone above 2^53, is");
    refuse("9223372036854775808", take_int, "below 2^63");
    refuse("9007199254740993.0", take_int, "of digits alone above 2^53"); /* which is no double */
    refuse("NaN", take_int, "a whole number is expected");
    test_folder_remove(folder);
}
END_TEST

/* Of brackets as many as are skipped at most, and one more. */
START_TEST(what_is_skipped_may_be_deep_but_not_without_end) {
    enum { DEPTH = 512 };
    char json[2 * DEPTH + 3];
    folder = test_folder_create();
    memset(json, '[', DEPTH);
    memset(json + DEPTH, ']', DEPTH);
    json[2 * DEPTH] = 0;
    weld_error err = {0};
    weld_scan *s = scan(json, strlen(json), &err);
    weld_scan_skip(s);
    weld_scan_end(s);
    ck_assert_msg(!weld_scan_status(s), "%s", err.message);
    weld_scan_close(s);
    memset(json, '[', DEPTH + 1);
    refuse(json, weld_scan_skip, "brackets more than 512 deep");
    refuse("[{\"a\": 1]}", weld_scan_skip, "'}' is expected, not ']'");
    refuse("[\"]\"", weld_scan_skip, "the file ends where a closing bracket is expected");
    refuse("nul", weld_scan_skip, "the file ends where null is expected");
    refuse("", weld_scan_skip, "the file ends where a value is expected");
    test_folder_remove(folder);
}
END_TEST

/* Values at all places around each edge of the part of the file that is in memory. */
START_TEST(values_across_the_parts_of_a_file_are_whole) {
    enum { EDGE = 1 << 18, AROUND = 40 };
    static const char values[] =
        "[{\"k\\u00e9y\": -12.75e1, \"b\": true}, null, \"\\ud83d\\ude00\"]";
    static char json[EDGE + 2 * AROUND];
    folder = test_folder_create();
    for (size_t before = EDGE - sizeof values; before <= EDGE; before++) {
        weld_error err = {0};
        memset(json, ' ', before);
        memcpy(json + before, values, sizeof values - 1);
        weld_scan *s = scan(json, before + sizeof values - 1, &err);
        weld_scan_list(s);
        ck_assert(weld_scan_element(s));
        const uint64_t place = weld_scan_tell(s);
        for (int time = 0; time < 2; time++) { /* again, from where it began */
            weld_scan_seek(s, place);
            weld_scan_object(s);
            ck_assert_str_eq(weld_scan_key(s), "k\xc3\xa9y");
            ck_assert_double_eq(weld_scan_number(s), -127.5);
            ck_assert_str_eq(weld_scan_key(s), "b");
            bool flag = false;
            ck_assert(weld_scan_flag(s, &flag) && flag);
            ck_assert_ptr_null(weld_scan_key(s));
        }
        ck_assert(weld_scan_element(s));
        weld_scan_skip(s);
        ck_assert(weld_scan_element(s));
        ck_assert_str_eq(weld_scan_string(s), "\xf0\x9f\x98\x80");
        ck_assert(!weld_scan_element(s));
        weld_scan_end(s);
        ck_assert_msg(!weld_scan_status(s), "%s", err.message);
        weld_scan_close(s);
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(whole_numbers_are_exact) {
    test_folder f = test_folder_create();
    static const char json[] =
        "[9007199254740993, -9223372036854775808, 9223372036854775807, 3.0, 12e2, -0]";
    static const int64_t expected[] = {9007199254740993, INT64_MIN, INT64_MAX, 3, 1200, 0};
    weld_error err;
    weld_scan *s;
    test_write_file(test_path(&f, "a.json"), json, sizeof json - 1);
    ck_assert_int_eq(weld_scan_open(test_path(&f, "a.json"), &s, &err), WELD_OK);
    weld_scan_list(s);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ck_assert(weld_scan_element(s));
        ck_assert_int_eq(weld_scan_int(s), expected[i]);
    }
    ck_assert_int_eq(weld_scan_status(s), WELD_OK);
    weld_scan_close(s);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_flag_is_what_it_says_or_none) {
    test_folder f = test_folder_create();
    static const char json[] = "[true, 1, 1.0, false, 0, null, 2, -1, NaN, \"1\", [1], {}]";
    enum { VALUES = 12, TRUE = 3, FLAGS = 5 };
    weld_error err;
    test_write_file(test_path(&f, "a.json"), json, sizeof json - 1);
    weld_scan *s;
    ck_assert_int_eq(weld_scan_open(test_path(&f, "a.json"), &s, &err), WELD_OK);
    weld_scan_list(s);
    for (int i = 0; i < VALUES; i++) {
        bool flag = i >= TRUE;
        ck_assert(weld_scan_element(s));
        ck_assert_int_eq(weld_scan_flag(s, &flag), i < FLAGS);
        ck_assert_int_eq(flag, i < TRUE);
    }
    ck_assert(!weld_scan_element(s));
    ck_assert_int_eq(weld_scan_status(s), WELD_OK);
    weld_scan_close(s);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("formats/json_scan", strings_are_taken_as_what_their_escapes_say,
          strings_that_are_no_text_are_refused, numbers_are_the_nearest_doubles,
          what_is_no_number_is_refused, what_is_skipped_may_be_deep_but_not_without_end,
          whole_numbers_are_exact, a_flag_is_what_it_says_or_none,
          values_across_the_parts_of_a_file_are_whole)
