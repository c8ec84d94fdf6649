#include <math.h>

#include "base/number.h"
#include "suite.h"

static void check(double value, bool single, int digits, const char *expected) {
    char text[WELD_NUMBER_SIZE];
    ck_assert_str_eq(weld_number_text(value, single, digits, text), expected);
}

START_TEST(the_shortest_text_that_reads_back_is_written) {
    check(0, false, 1, "0");
    check(0.1, false, 1, "0.1");
    check(100, false, 1, "1e+02");
    check(100, false, 3, "100");
    check(1.0 / 3, false, 1, "0.3333333333333333");
    check(1.0 / 3, true, 1, "0.33333333");
    check((double)0.1f, true, 1, "0.1");
    check(-INFINITY, false, 1, "-inf");
}
END_TEST

START_TEST(any_double_reads_back) {
    char text[WELD_NUMBER_SIZE];
    double x = 1e-308;
    for (int i = 0; i < 2000; i++, x *= -1.4271) {
        ck_assert(strtod(weld_number_text(x, false, 1, text), NULL) == x);
    }
}
END_TEST

START_TEST(shares_are_written_as_people_read_them) {
    static const struct {
        double share;
        const char *text;
    } cases[] = {{0.997, "99.7 %"}, {1, "100 %"},         {0, "0 %"},
                 {0.0321, "3.2 %"}, {0.00041, "0.041 %"}, {1e-7, "less than 0.001 %"},
                 {12.5, "1250.0 %"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[WELD_NUMBER_SIZE];
        ck_assert_str_eq(weld_percent_text(cases[i].share, text), cases[i].text);
    }
}
END_TEST

RUN_SUITE("base/number", the_shortest_text_that_reads_back_is_written, any_double_reads_back,
          shares_are_written_as_people_read_them)
