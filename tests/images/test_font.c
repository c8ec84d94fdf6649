/* Texts in letters that can be drawn. */
#include "images/font.h"

#include <stddef.h>
#include <string.h>

#include "base/random.h"
#include "suite.h"

/* Of two ways to write the same letters, one after the other. */
static void expect_alike(const char *a, const char *b) {
    ck_assert_int_eq(weld_font_count(a), weld_font_count(b));
    for (weld_letter x, y; *a && *b;) {
        const char *at = a;
        a = weld_font_next(a, &x);
        b = weld_font_next(b, &y);
        ck_assert_msg(memcmp(x.rows, y.rows, sizeof x.rows) == 0, "%s", at);
    }
}

#define ASCII                                                                                      \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"                               \
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

/* A low capital O or S is a small one. */
static const char capitals[] = ASCII "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞĀĂĄĆĈĊČĎĒĔĖĘĚĜĞĠĢĦĨĪĬĮİĴĶĹĻĽŁ"
                                     "ŃŅŇŌŎŐŒŔŖŘŚŜŞŠŢŤŨŪŬŮŰŲŴŶŸŹŻŽ";
static const char small[] = ASCII "¡£§«°±²³µ·»¿€"
                                  "ßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįıĵķ"
                                  "ĺļľłńņňōŏőœŕŗřśŝşšţťũūŭůűųŵŷźżž";

static void expect_different(const char *text) {
    static weld_letter letters[sizeof small + sizeof capitals];
    int count = 0;
    ck_assert(weld_font_has(text));
    for (const char *at = text; *at; count++) {
        at = weld_font_next(at, &letters[count]);
    }
    for (int a = 0; a < count; a++) {
        for (int b = 0; b < a; b++) {
            ck_assert_msg(memcmp(letters[a].rows, letters[b].rows, sizeof letters[a].rows) != 0,
                          "letters %d and %d", b, a);
        }
    }
}

START_TEST(letters_of_latin_can_be_drawn_and_differ) {
    expect_different(capitals);
    expect_different(small);
}
END_TEST

/* As file names of macOS have them. */
START_TEST(a_mark_behind_its_letter_is_the_same_letter) {
    expect_alike("éÅčÇőñiıŽ", "e\u0301A\u030ac\u030cC\u0327o\u030bn\u0303i\u0131Z\u030c");
    ck_assert_int_eq(weld_font_count("e\u0301A\u030a"), 2);
    ck_assert(!weld_font_has("e\u0301\u0301") && !weld_font_has("e\u0361") &&
              !weld_font_has("\u0301"));
}
END_TEST

START_TEST(what_cannot_be_drawn_is_a_frame_and_shifts_nothing) {
    expect_alike("犬 犬 a", "\x01 \xff a");
    ck_assert(!weld_font_has("犬") && weld_font_has("") && weld_font_has("Pullóver, Straße"));
    expect_alike("Pull\xf3ver", "Pull\x01ver");                     /* Latin-1 */
    expect_alike("a\xe7\x8a", "a\x01\x01");                         /* cut off */
    expect_alike("\xc0\xaf\xed\xa0\x80z", "\x01\x01\x01\x01\x01z"); /* too long, half a pair */
    expect_alike("\xf4\x90\x80\x80", "\x01\x01\x01\x01");           /* beyond Unicode */
}
END_TEST

START_TEST(any_bytes_are_as_many_letters_at_most) {
    weld_random random = weld_random_start(3, 0, 0, WELD_RANDOM_TEST);
    for (int i = 0; i < 20000; i++) {
        char text[9] = "";
        for (size_t k = 0; k < i % sizeof text; k++) {
            text[k] = (char)(weld_random_u32(&random) >> 24);
        }
        ck_assert_int_le(weld_font_count(text), (int)strlen(text));
        ck_assert_int_eq(weld_font_count(text) > 0, *text != 0);
    }
}
END_TEST

RUN_SUITE("images/font", letters_of_latin_can_be_drawn_and_differ,
          a_mark_behind_its_letter_is_the_same_letter,
          what_cannot_be_drawn_is_a_frame_and_shifts_nothing, any_bytes_are_as_many_letters_at_most)
