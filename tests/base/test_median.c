#include "base/median.h"
#include "suite.h"

START_TEST(the_median_is_the_one_in_the_middle) {
    double odd[] = {5, 1, 4}, even[] = {9, 1, 3, 7}, one[] = {2};
    ck_assert_double_eq(weld_median(odd, 3), 4);
    ck_assert_double_eq(weld_median(even, 4), 7);
    ck_assert_double_eq(weld_median(one, 1), 2);
}
END_TEST

RUN_SUITE("base/median", the_median_is_the_one_in_the_middle)
