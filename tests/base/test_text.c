/* Texts for people. */
#include "base/text.h"
#include "suite.h"

static const char *word(const char *path) {
    static char text[64];
    return weld_shell_word(path, text, sizeof text);
}

START_TEST(a_path_is_quoted_where_a_shell_would_take_it_apart) {
    ck_assert_str_eq(word("runs/a-1_b/recipe.yaml"), "runs/a-1_b/recipe.yaml");
    ck_assert_str_eq(word("my run/x"), "'my run/x'");
    ck_assert_str_eq(word("it's"), "'it'\\''s'");
    ck_assert_str_eq(word("$(x);*"), "'$(x);*'");
    ck_assert_str_eq(word("k\xc3\xa4se"), "'k\xc3\xa4se'");
    ck_assert_str_eq(word(""), "''");
}
END_TEST

START_TEST(a_text_takes_as_many_columns_as_a_terminal_gives_it) {
    ck_assert_int_eq(weld_columns(""), 0);
    ck_assert_int_eq(weld_columns("cat 1"), 5);
    ck_assert_int_eq(weld_columns("k\u00e4se \u0436\u20ac"), 7);
    ck_assert_int_eq(weld_columns("a\u0301e\u0308"), 2); /* marks on letters */
    ck_assert_int_eq(weld_columns("\u72ac\U0001F415"), 4);
}
END_TEST

RUN_SUITE("base/text", a_path_is_quoted_where_a_shell_would_take_it_apart,
          a_text_takes_as_many_columns_as_a_terminal_gives_it)
