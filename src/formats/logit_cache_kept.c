/* Rows of an unfinished cache against their checks; see logit_cache_kept.h. */
#include "formats/logit_cache_kept.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/logit_cache_format.h"

enum { STRETCH_BYTES = 1 << 20 }; /* that are read at once; more where one row has more */

/* How many of the `count` rows from row `first` on, which `buffer` has room for. */
static weld_status check_stretch(int descriptor, const char *name, const weld_cache_places *at,
                                 uint64_t first, size_t count, unsigned char *buffer, size_t *whole,
                                 weld_error *err) {
    unsigned char *classes = buffer, *logits = classes + count * at->class_row,
                  *checks = logits + count * at->logit_row;
    WELD_TRY(weld_file_read_at(descriptor, name, classes, count * at->class_row,
                               at->classes + first * at->class_row, err));
    WELD_TRY(weld_file_read_at(descriptor, name, logits, count * at->logit_row,
                               at->logits + first * at->logit_row, err));
    WELD_TRY(weld_file_read_at(descriptor, name, checks, count * WELD_CACHE_CHECK_BYTES,
                               at->checks + first * WELD_CACHE_CHECK_BYTES, err));
    for (*whole = 0; *whole < count; ++*whole) {
        const size_t i = *whole;
        uint32_t check;
        memcpy(&check, checks + i * sizeof check, sizeof check);
        if (check != weld_cache_check(first + i, classes + i * at->class_row, at->class_row,
                                      logits + i * at->logit_row, at->logit_row)) {
            break;
        }
    }
    return WELD_OK;
}

weld_status weld_cache_count_whole(int descriptor, const char *name, const weld_cache_places *at,
                                   int64_t rows, int64_t *whole, weld_error *err) {
    const size_t row = at->class_row + at->logit_row + WELD_CACHE_CHECK_BYTES,
                 most = 1 + STRETCH_BYTES / row;
    weld_status status = WELD_OK;
    size_t count = 0, good = 0;
    *whole = 0;
    unsigned char *buffer = weld_alloc_raw(most, row);
    if (!buffer) {
        return weld_fail_memory(err, name);
    }
    while (!status && good == count && *whole < rows) {
        const int64_t left = rows - *whole;
        count = left < (int64_t)most ? (size_t)left : most;
        status = check_stretch(descriptor, name, at, (uint64_t)*whole, count, buffer, &good, err);
        *whole += status ? 0 : (int64_t)good;
    }
    weld_free(buffer);
    return status;
}

weld_status weld_cache_find_unknown(int descriptor, const char *name, const weld_cache_places *at,
                                    size_t class_bytes, int64_t count, bool *unknown,
                                    weld_error *err) {
    const int64_t most = 1 + STRETCH_BYTES / (int64_t)at->class_row;
    weld_status status = WELD_OK;
    unsigned char *rows = weld_alloc_raw((size_t)most, at->class_row);
    if (!rows) {
        return weld_fail_memory(err, name);
    }
    for (int64_t first = 0; first < count && !status; first += most) {
        const int64_t here = count - first < most ? count - first : most;
        status = weld_file_read_at(descriptor, name, rows, (size_t)here * at->class_row,
                                   at->classes + (uint64_t)first * at->class_row, err);
        for (int64_t i = 0; i < here && !status; i++) { /* -1, of which the low byte comes first */
            unknown[first + i] = rows[(size_t)i * at->class_row + class_bytes - 1] & 0x80;
        }
    }
    weld_free(rows);
    return status;
}
