/* What is expected in a rank's process, where Check's assertions are not at home. */
#ifndef WELD_TESTS_EXPECT_H
#define WELD_TESTS_EXPECT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* End the process, and the test with it, with what was expected. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: rank is not so: %s\n", __FILE__, __LINE__, #condition);        \
            exit(99);                                                                              \
        }                                                                                          \
    } while (0)
#define EXPECT_TEXT(text, part)                                                                    \
    do {                                                                                           \
        if (!strstr(text, part)) {                                                                 \
            fprintf(stderr, "%s:%d: \"%s\" is not in \"%s\"\n", __FILE__, __LINE__, part, text);   \
            exit(99);                                                                              \
        }                                                                                          \
    } while (0)

#endif
