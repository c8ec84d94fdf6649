/* What fuzz targets share: bytes as a file, and what every reader of a file owes its caller.
 *
 * A target is one file with LLVMFuzzerTestOneInput, the function that libFuzzer calls; it is also
 * linked with replay.c, which calls it on the files of tests/fuzz/corpus (see README.md).
 */
#ifndef WELD_TESTS_FUZZ_H
#define WELD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "weld/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Must hold, or the input is a find. Not assert(): release builds have none. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The name of a file in memory that holds these bytes, until the next call. */
const char *fuzz_file(const void *data, size_t size);
/* A name to write to; the file is removed when the program ends. */
const char *fuzz_output(void);

/* To be called on an err that fuzz_error() began, after what it was passed to: a failure has a
 * status and a message of one line, with nothing in it that steers a terminal. */
void fuzz_check_status(weld_status status, const weld_error *err);
weld_error fuzz_error(void);

void fuzz_check_equal_tensors(const weld_tensor *a, const weld_tensor *b);
/* Names, types, shapes and elements, in order. NULL is equal to NULL alone. */
void fuzz_check_equal_weights(const weld_weights *a, const weld_weights *b);

#endif
