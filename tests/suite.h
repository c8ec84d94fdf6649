/* A Check program in one line: RUN_SUITE("room/subject", test_a, test_b, ...). RUN_SUITE_BETWEEN:
 * what is done once before all tests, and once after. */
#ifndef WELD_TESTS_SUITE_H
#define WELD_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

#define RUN_SUITE(name, ...) RUN_SUITE_BETWEEN(name, NULL, NULL, __VA_ARGS__)

#define RUN_SUITE_BETWEEN(name, before, after, ...)                                                \
    int main(void) {                                                                               \
        const TTest *tests[] = {__VA_ARGS__};                                                      \
        Suite *suite = suite_create(name);                                                         \
        TCase *tcase = tcase_create(name);                                                         \
        tcase_set_timeout(tcase, 240);                                                             \
        tcase_add_unchecked_fixture(tcase, before, after);                                         \
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {                                \
            tcase_add_test(tcase, tests[i]);                                                       \
        }                                                                                          \
        suite_add_tcase(suite, tcase);                                                             \
        SRunner *runner = srunner_create(suite);                                                   \
        srunner_run_all(runner, CK_NORMAL);                                                        \
        int failed = srunner_ntests_failed(runner);                                                \
        srunner_free(runner);                                                                      \
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                               \
    }

#endif
