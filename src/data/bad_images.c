/* Bad images of a run; see bad_images.h. */
#include "data/bad_images.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { KEPT_REASONS = 3, REASON_SIZE = 240 };

struct weld_bad_images {
    int64_t max, count;
    int64_t *indices; /* max + 1 have room: one more than is tolerated says it all */
    int64_t reasons;  /* noted so far; the last KEPT_REASONS of them are kept */
    char reason[KEPT_REASONS][REASON_SIZE];
};

int64_t weld_bad_images_limit(double max_bad, int64_t images) {
    return max_bad < 1            ? (int64_t)(max_bad * (double)images + 1e-9)
           : max_bad > images / 2 ? images / 2
                                  : (int64_t)max_bad;
}

weld_status weld_bad_images_create(int64_t max, weld_bad_images **out, weld_error *err) {
    weld_bad_images *b = weld_alloc(1, sizeof *b);
    int64_t *indices = weld_alloc((size_t)max + 1, sizeof *indices);
    if (!b || !indices) {
        weld_free(b);
        weld_free(indices);
        return weld_fail_memory(err, "bad images");
    }
    b->max = max;
    b->indices = indices;
    *out = b;
    return WELD_OK;
}

void weld_bad_images_free(weld_bad_images *b) {
    if (b) {
        weld_free(b->indices);
        weld_free(b);
    }
}

static bool add(weld_bad_images *b, int64_t index) {
    for (int64_t i = 0; i < b->count; i++) {
        if (b->indices[i] == index) {
            return false;
        }
    }
    if (b->count <= b->max) {
        b->indices[b->count++] = index;
    }
    return true;
}

bool weld_bad_images_note(weld_bad_images *b, int64_t index, const char *reason) {
    if (!add(b, index)) {
        return false;
    }
    snprintf(b->reason[b->reasons++ % KEPT_REASONS], REASON_SIZE, "%s", reason);
    return true;
}

int64_t weld_bad_images_count(const weld_bad_images *b) {
    return b->count;
}

weld_status weld_bad_images_check(const weld_bad_images *b, const char *path, weld_error *err) {
    char last[KEPT_REASONS * (REASON_SIZE + 2)] = "";
    if (b->count <= b->max) {
        return WELD_OK;
    }
    int64_t first = b->reasons > KEPT_REASONS ? b->reasons - KEPT_REASONS : 0;
    for (int64_t i = first; i < b->reasons; i++) {
        size_t used = strlen(last);
        snprintf(last + used, sizeof last - used, "%s%s", i > first ? "; " : "",
                 b->reason[i % KEPT_REASONS]);
    }
    return weld_fail(err, WELD_ERROR_FORMAT,
                     "%.200s: more than %lld bad images (data.max_bad): weld check-data lists them "
                     "all; the last: %s",
                     path, (long long)b->max, last);
}

json_t *weld_bad_images_json(const weld_bad_images *b) {
    json_t *array = json_array();
    for (int64_t i = 0; array && i < b->count; i++) {
        if (json_array_append_new(array, json_integer(b->indices[i]))) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

void weld_bad_images_restore(weld_bad_images *b, const json_t *array) {
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *index = json_array_get(array, i);
        if (json_is_integer(index)) {
            add(b, json_integer_value(index));
        }
    }
}
