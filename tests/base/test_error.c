/* Messages: one line, whatever they quote. */
#include "suite.h"

#include "base/error.h"

START_TEST(what_a_message_quotes_cannot_end_the_line_or_command_a_terminal) {
    weld_error err;
    ck_assert_int_eq(weld_fail(&err, WELD_ERROR_FORMAT, "%s: bad",
                               "a\nb\x1b[2J\x7f\xc2\x9b"
                               "0m gr\xc3\xbcn \xe4\xb8\xad"),
                     WELD_ERROR_FORMAT);
    ck_assert_str_eq(err.message, "a?b?[2J???0m gr\xc3\xbcn \xe4\xb8\xad: bad");
    ck_assert_int_eq(weld_fail_context(&err, WELD_ERROR_FORMAT, "%s", "x\ty"), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "x?y: a?b?"));
}
END_TEST

START_TEST(a_message_too_long_loses_its_end) {
    char name[2 * WELD_ERROR_MESSAGE_SIZE];
    weld_error err;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    weld_fail(&err, WELD_ERROR_IO, "begins: %s", name);
    weld_fail_context(&err, WELD_ERROR_IO, "where");
    ck_assert_uint_eq(strlen(err.message), WELD_ERROR_MESSAGE_SIZE - 1);
    ck_assert_int_eq(strncmp(err.message, "where: begins: xxx", 18), 0);
}
END_TEST

RUN_SUITE("base/error", what_a_message_quotes_cannot_end_the_line_or_command_a_terminal,
          a_message_too_long_loses_its_end)
