/* Bad images of a run; see bad_images.h. */
#include "data/bad_images.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "base/text.h"

enum { KEPT_REASONS = 3, REASON_SIZE = 240 };

struct weld_bad_images {
    double max_bad;
    int64_t images, max, count;
    int64_t *indices; /* max + 1 have room: one more than is tolerated says it all */
    int64_t reasons;  /* noted so far; the last KEPT_REASONS of them are kept */
    char reason[KEPT_REASONS][REASON_SIZE];
};

int64_t weld_bad_images_limit(double max_bad, int64_t images) {
    return max_bad < 1            ? (int64_t)(max_bad * (double)images + 1e-9)
           : max_bad > images / 2 ? images / 2
                                  : (int64_t)max_bad;
}

const char *weld_bad_images_source(double max_bad, int64_t images,
                                   char text[WELD_BAD_IMAGES_SOURCE_SIZE]) {
    if (max_bad > 0 && max_bad < 1) {
        weld_snprintf(text, WELD_BAD_IMAGES_SOURCE_SIZE, "data.max_bad, %g of %lld %s", max_bad,
                      (long long)images, weld_plural(images, "image", "images"));
    } else if (max_bad > images / 2) {
        weld_snprintf(text, WELD_BAD_IMAGES_SOURCE_SIZE, "half of %lld %s; data.max_bad is %.0f",
                      (long long)images, weld_plural(images, "image", "images"), max_bad);
    } else {
        weld_snprintf(text, WELD_BAD_IMAGES_SOURCE_SIZE, "data.max_bad");
    }
    return text;
}

weld_status weld_bad_images_create(double max_bad, int64_t images, weld_bad_images **out,
                                   weld_error *err) {
    const int64_t max = weld_bad_images_limit(max_bad, images);
    weld_bad_images *b = weld_alloc(1, sizeof *b);
    int64_t *indices = weld_alloc((size_t)max + 1, sizeof *indices);
    if (!b || !indices) {
        weld_free(b);
        weld_free(indices);
        return weld_fail_memory(err, "bad images");
    }
    b->max_bad = max_bad;
    b->images = images;
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
    if (b->count > b->max) {
        return false;
    }
    b->indices[b->count++] = index;
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

const char *weld_bad_images_told(const weld_bad_images *b, char text[WELD_BAD_IMAGES_TOLD_SIZE]) {
    char source[WELD_BAD_IMAGES_SOURCE_SIZE];
    snprintf(text, WELD_BAD_IMAGES_TOLD_SIZE, "%lld so far; at most %lld: %s", (long long)b->count,
             (long long)b->max, weld_bad_images_source(b->max_bad, b->images, source));
    return text;
}

weld_status weld_bad_images_check(const weld_bad_images *b, const char *path, weld_error *err) {
    char last[KEPT_REASONS * REASON_SIZE + 32] = "", source[WELD_BAD_IMAGES_SOURCE_SIZE];
    if (b->count <= b->max) {
        return WELD_OK;
    }
    int64_t first = b->reasons > KEPT_REASONS ? b->reasons - KEPT_REASONS : 0;
    for (int64_t i = first; i < b->reasons; i++) {
        size_t used = strlen(last);
        snprintf(last + used, sizeof last - used, "%s%s",
                 i > first ? "; " : "; the last: ", b->reason[i % KEPT_REASONS]);
    }
    return weld_fail(err, WELD_ERROR_FORMAT,
                     "%.200s: more than %lld bad %s (%s): weld check-data lists them all%s", path,
                     (long long)b->max, weld_plural(b->max, "image", "images"),
                     weld_bad_images_source(b->max_bad, b->images, source), last);
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
