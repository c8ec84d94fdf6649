/* safetensors. Input that begins with '{' is the header alone: its length is put in front of it,
 * and elements behind it, those that follow a separator or zeros as far as the offsets reach.
 * Anything else is a file as it is. */
#define _GNU_SOURCE
#include <string.h>

#include "fuzz.h"
#include "state_check.h"

enum { MAX_DATA = 1 << 16 };

/* The largest number up to MAX_DATA that stands in an array after "data_offsets". */
static size_t data_size(const char *text) {
    size_t largest = 0;
    for (const char *at = text; (at = strstr(at, "\"data_offsets\""));) {
        at = strchr(at, '[');
        for (int i = 0; at && *at && i < 2; i++) {
            char *end;
            unsigned long long value = strtoull(at + 1, &end, 10);
            largest = value > largest && value <= MAX_DATA ? (size_t)value : largest;
            at = end;
        }
        if (!at) {
            break;
        }
    }
    return largest;
}

static void check_header(const uint8_t *data, size_t size) {
    const uint8_t *separator = memmem(data, size, FUZZ_SEPARATOR, FUZZ_SEPARATOR_SIZE);
    size_t header = separator ? (size_t)(separator - data) : size;
    size_t given = separator ? size - header - FUZZ_SEPARATOR_SIZE : 0;
    char *text = calloc(header + 1, 1);
    FUZZ_CHECK(text);
    memcpy(text, data, header);
    size_t elements = separator ? given : data_size(text);
    unsigned char *file = calloc(8 + header + elements, 1);
    FUZZ_CHECK(file);
    for (int i = 0; i < 8; i++) {
        file[i] = (unsigned char)((uint64_t)header >> (8 * i));
    }
    memcpy(file + 8, data, header);
    if (given) {
        memcpy(file + 8 + header, separator + FUZZ_SEPARATOR_SIZE, given);
    }
    fuzz_state_file(file, 8 + header + elements);
    free(file);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size && data[0] == '{') {
        check_header(data, size);
    } else {
        fuzz_state_file(data, size);
    }
    return 0;
}
