/* JSON as a tree: what is taken, and what is refused, with its place. */
#include <string.h>

#include "base/memory.h"
#include "formats/json_tree.h"
#include "suite.h"

static weld_json_fault fault;

static json_t *tree(const char *text) {
    json_t *value = weld_json_tree_of(text, &fault);
    ck_assert_msg(value != NULL, "%s: %s", text, fault.what.message);
    return value;
}

/* Jansson writes what was read; it is trusted to do so. */
static void expect(const char *text, const char *written) {
    json_t *value = tree(text);
    char *again = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    ck_assert_str_eq(again, written);
    free(again);
    json_decref(value);
}

static void refuse(const char *text, size_t at, const char *words) {
    ck_assert_msg(weld_json_tree_of(text, &fault) == NULL, "%s", text);
    ck_assert_int_eq(fault.status, WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(fault.what.message, words) != NULL, "%s: %s", text, fault.what.message);
    ck_assert_msg(fault.at == at, "%s: byte %zu", text, fault.at);
}

START_TEST(values_of_all_kinds_are_taken) {
    expect("{\"a\" : [1, -2, 0.5, 1e3, true, false, null, {}, []], \"b\": {\"c\": \"d\"}}",
           "{\"a\":[1,-2,0.5,1000.0,true,false,null,{},[]],\"b\":{\"c\":\"d\"}}");
    expect(" 9223372036854775807 ", "9223372036854775807");
    expect("-9223372036854775808", "-9223372036854775808");
    expect("\"\\u00fc\\ud83d\\ude00\\n\\\"\\/\xc3\xbc\"",
           "\"\xc3\xbc\xf0\x9f\x98\x80\\n\\\"/\xc3\xbc\"");
}
END_TEST

/* A list in a text of megabytes, as names of classes are. */
START_TEST(texts_may_be_long) {
    enum { LONG = 3 << 20 };
    char *text = malloc(LONG + 3);
    memset(text, 'x', LONG + 2);
    text[0] = text[LONG + 1] = '"';
    text[LONG + 2] = '\0';
    json_t *value = tree(text);
    ck_assert_uint_eq(json_string_length(value), LONG);
    json_decref(value);
    free(text);
}
END_TEST

START_TEST(a_value_at_the_beginning_is_taken_alone) {
    const char text[] = "{\"a\":1}, and so on";
    size_t used;
    json_t *value = weld_json_tree(text, strlen(text), &used, &fault);
    ck_assert_uint_eq(used, 7);
    ck_assert_int_eq(json_integer_value(json_object_get(value, "a")), 1);
    json_decref(value);
    ck_assert_ptr_null(weld_json_tree(text, 6, &used, &fault));
    ck_assert_uint_eq(fault.at, 6);
    ck_assert_ptr_nonnull(strstr(fault.what.message, "the text ends where a comma or } is"));
}
END_TEST

START_TEST(what_is_no_json_is_refused_with_its_place) {
    refuse("", 0, "a value is expected");
    refuse("{\"a\":1} x", 8, "something follows");
    refuse("{\"a\" 1}", 5, "a colon is expected");
    refuse("{\"a\":1,}", 7, "a text in quotes is expected");
    refuse("[1 2]", 3, "a comma or ] is expected");
    refuse("{\"a\":1,\"a\":2}", 12, "the key \"a\" comes twice");
    refuse("\"a\xff\"", 3, "not UTF-8");
    refuse("\"\\u0000\"", 7, "zero character");
    refuse("nul", 3, "null is expected");
    refuse("NaN", 3, "not NaN or Infinity");
    refuse("1e999", 5, "too large");
    refuse("18446744073709551618", 20, "more than 64 bits");
    char deep[500];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    refuse(deep, 201, "more than 200 deep");
}
END_TEST

START_TEST(short_memory_is_said_to_be_that) {
    static const char text[] = "{\"a\":[\"b\",{\"c\":\"d\"}],\"e\":1}";
    json_t *value = NULL;
    long failures = 0;
    for (; !value; failures++) {
        weld_memory_fail_after(failures);
        value = weld_json_tree_of(text, &fault);
        weld_memory_fail_after(-1);
        ck_assert(value || fault.status == WELD_ERROR_MEMORY);
    }
    ck_assert_int_gt(failures, 3);
    json_decref(value);
}
END_TEST

RUN_SUITE("formats/json_tree", values_of_all_kinds_are_taken, texts_may_be_long,
          a_value_at_the_beginning_is_taken_alone, what_is_no_json_is_refused_with_its_place,
          short_memory_is_said_to_be_that)
