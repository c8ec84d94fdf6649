/* Caches of a teacher's logits. Input that begins with '{' is the header alone: its length is put
 * in front of it, and what follows a separator behind it. Anything else is a file as it is. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>

#include "formats/logit_cache.h"
#include "fuzz.h"

enum { MOST_ROWS = 64 };

/* A row is refused, or it is finite and has values for all classes. */
static void check_row(const weld_logit_cache *c, int64_t row, float *logits) {
    weld_cache_layout l = weld_logit_cache_layout(c);
    weld_error err = fuzz_error();
    weld_status status = weld_logit_cache_read(c, row / l.images, row % l.images, 2, logits, &err);
    fuzz_check_status(status, &err);
    for (int i = 0; status == WELD_OK && i < l.classes; i++) {
        FUZZ_CHECK(isfinite(logits[i]));
    }
}

static void check_file(const uint8_t *data, size_t size) {
    weld_error err = fuzz_error();
    weld_logit_cache *c = NULL;
    char identity[17];
    weld_status status = weld_logit_cache_open(fuzz_file(data, size), &c, &err);
    fuzz_check_status(status, &err);
    FUZZ_CHECK((status == WELD_OK) == (c != NULL));
    if (status != WELD_OK) {
        return;
    }
    weld_cache_layout l = weld_logit_cache_layout(c);
    FUZZ_CHECK(l.views > 0 && l.images > 0 && l.top > 0 && l.top <= l.classes);
    FUZZ_CHECK(weld_logit_cache_identity(c, identity, &err) == WELD_OK);
    float *logits = malloc((size_t)l.classes * sizeof *logits);
    FUZZ_CHECK(logits);
    for (int64_t row = 0; row < l.views * l.images && row < MOST_ROWS; row++) {
        check_row(c, row, logits);
    }
    check_row(c, l.views * l.images - 1, logits);
    free(logits);
    weld_logit_cache_free(c);
}

static void check_header(const uint8_t *data, size_t size) {
    static const char separator[] = "\n--\n";
    const uint8_t *end = memmem(data, size, separator, sizeof separator - 1);
    size_t header = end ? (size_t)(end - data) : size;
    size_t rest = end ? size - header - (sizeof separator - 1) : 0;
    unsigned char *file = calloc(8 + header + rest, 1);
    FUZZ_CHECK(file);
    for (int i = 0; i < 8; i++) {
        file[i] = (unsigned char)((uint64_t)header >> (8 * i));
    }
    memcpy(file + 8, data, header);
    if (rest) {
        memcpy(file + 8 + header, end + sizeof separator - 1, rest);
    }
    check_file(file, 8 + header + rest);
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size && data[0] == '{') {
        check_header(data, size);
    } else {
        check_file(data, size);
    }
    return 0;
}
