/* Files of COCO's results; see results.h. */
#include "tasks/detection/results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "datasets/boxes.h"
#include "formats/json_scan.h"

/* A detection before those of an image are together. */
typedef struct row {
    weld_found_box box;
    int64_t sample;
    uint64_t place; /* in the file */
} row;

/* What a data set calls a sample or a class. */
typedef struct name {
    int64_t id, index;
} name;

typedef struct names {
    name *items;
    size_t count;
} names;

struct weld_results {
    weld_array boxes; /* weld_found_box, by sample */
    size_t *ends;     /* [samples]: where those of each end */
    char note[256];
};

typedef struct reading {
    const char *path;
    weld_scan *scan;
    names images, classes;
    weld_array rows;
    int64_t unknown, unknown_id; /* detections of no category, and the first of these */
    uint64_t unknown_place;
    weld_error *err;
} reading;

/* --- Ids --- */

static int by_id(const void *a, const void *b) {
    const name *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

enum { NO_ID = -1 }; /* of classes that the data does not have */

static weld_status list_names(const weld_dataset *ds, int64_t count,
                              int64_t (*id_of)(const weld_dataset *, int64_t), names *out,
                              weld_error *err) {
    out->items = weld_alloc((size_t)count, sizeof *out->items);
    if (!out->items) {
        return weld_fail_memory(err, "results");
    }
    for (int64_t i = 0; i < count; i++) {
        const int64_t id = id_of(ds, i);
        if (id != NO_ID) {
            out->items[out->count++] = (name){id, i};
        }
    }
    qsort(out->items, out->count, sizeof *out->items, by_id);
    return WELD_OK;
}

static int64_t category_id(const weld_dataset *ds, int64_t i) {
    return weld_dataset_category_id(ds, (int)i);
}

/* -1: there is none. */
static int64_t find(const names *n, int64_t id) {
    const name wanted = {id, 0};
    const name *found =
        n->count ? bsearch(&wanted, n->items, n->count, sizeof *n->items, by_id) : NULL;
    return found ? found->index : -1;
}

/* --- The file --- */

typedef struct detection {
    int64_t image, category;
    double box[4], score;
    bool has_image, has_category, has_box, has_score;
} detection;

static void read_box(weld_scan *s, double box[4]) {
    int count = 0;
    weld_scan_list(s);
    for (; weld_scan_element(s); count++) {
        const double value = weld_scan_number(s);
        if (count < 4) {
            box[count] = value;
        }
    }
    if (count != 4) {
        weld_scan_fail(s, "a bbox of %d %s: x, y, width, height are expected", count,
                       weld_plural(count, "number", "numbers"));
    }
}

static void read_member(weld_scan *s, const char *key, detection *d) {
    if (strcmp(key, "image_id") == 0) {
        d->image = weld_scan_int(s);
        d->has_image = true;
    } else if (strcmp(key, "category_id") == 0) {
        d->category = weld_scan_int(s);
        d->has_category = true;
    } else if (strcmp(key, "bbox") == 0) {
        read_box(s, d->box);
        d->has_box = true;
    } else if (strcmp(key, "score") == 0) {
        d->score = weld_scan_number(s);
        d->has_score = true;
    } else {
        weld_scan_skip(s);
    }
}

static const char *what_lacks(const detection *d) {
    return !d->has_image      ? "image_id"
           : !d->has_category ? "category_id"
           : !d->has_box      ? "bbox"
           : !d->has_score    ? "score"
                              : NULL;
}

static bool is_finite(const detection *d) {
    return isfinite(d->score) && isfinite(d->box[0]) && isfinite(d->box[1]) &&
           isfinite(d->box[2]) && isfinite(d->box[3]);
}

static weld_status add(reading *r, const detection *d, uint64_t place) {
    const int64_t sample = find(&r->images, d->image), index = find(&r->classes, d->category);
    if (sample < 0) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s: offset %llu: image_id %lld is not in the data: results of just these "
                         "images are expected",
                         r->path, (unsigned long long)place, (long long)d->image);
    }
    if (index < 0) {
        r->unknown_id = r->unknown ? r->unknown_id : d->category;
        r->unknown_place = r->unknown ? r->unknown_place : place;
        r->unknown++;
        return WELD_OK;
    }
    const row one = {
        {d->box[0], d->box[1], d->box[2], d->box[3], d->score, (int32_t)index}, sample, place};
    return weld_array_append(&r->rows, &one, 1) ? WELD_OK : weld_fail_memory(r->err, r->path);
}

static weld_status read_detection(reading *r) {
    detection d = {0};
    const uint64_t place = weld_scan_tell(r->scan);
    weld_scan_object(r->scan);
    for (const char *key; (key = weld_scan_key(r->scan));) {
        read_member(r->scan, key, &d);
    }
    WELD_TRY(weld_scan_status(r->scan));
    if (what_lacks(&d)) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s: offset %llu: a detection without %s: it must have image_id, "
                         "category_id, bbox and score",
                         r->path, (unsigned long long)place, what_lacks(&d));
    }
    if (!is_finite(&d)) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s: offset %llu: a bbox or score that is not finite", r->path,
                         (unsigned long long)place);
    }
    return add(r, &d, place);
}

static weld_status read_all(reading *r) {
    weld_scan *s = r->scan;
    if (weld_scan_peek(s) == WELD_SCAN_OBJECT) {
        weld_scan_fail(s, "an object: a list of detections is expected, as COCO's results are "
                          "(annotations are --data)");
    }
    weld_scan_list(s);
    while (weld_scan_element(s)) {
        WELD_TRY(read_detection(r));
    }
    if (!weld_scan_status(s)) {
        weld_scan_end(s);
    }
    WELD_TRY(weld_scan_status(s));
    if (r->unknown && r->rows.count == 0) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s: offset %llu: category_id %lld is not in the data, nor is that of any "
                         "other detection: they must be the ids of its categories",
                         r->path, (unsigned long long)r->unknown_place, (long long)r->unknown_id);
    }
    return WELD_OK;
}

/* --- By sample --- */

static int by_sample(const void *a, const void *b) {
    const row *x = a, *y = b;
    if (x->sample != y->sample) {
        return x->sample < y->sample ? -1 : 1;
    }
    return (x->place > y->place) - (x->place < y->place);
}

static weld_status put_together(reading *r, weld_results *out, int64_t samples) {
    const row *rows = r->rows.data;
    size_t at = 0;
    out->ends = weld_alloc((size_t)samples, sizeof *out->ends);
    if (!out->ends) {
        return weld_fail_memory(r->err, r->path);
    }
    if (r->rows.count) {
        qsort(r->rows.data, r->rows.count, sizeof(row), by_sample);
    }
    for (int64_t i = 0; i < samples; i++) {
        for (; at < r->rows.count && rows[at].sample == i; at++) {
            if (!weld_array_append(&out->boxes, &rows[at].box, 1)) {
                return weld_fail_memory(r->err, r->path);
            }
        }
        out->ends[i] = at;
    }
    if (!r->unknown && !r->rows.count) {
        snprintf(out->note, sizeof out->note, "an empty list: nothing was found in any image");
    }
    if (r->unknown) {
        snprintf(out->note, sizeof out->note,
                 "%lld %s of categories that the data does not have, which count "
                 "nowhere: the first, of category_id %lld, at offset %llu",
                 (long long)r->unknown, weld_plural(r->unknown, "detection is", "detections are"),
                 (long long)r->unknown_id, (unsigned long long)r->unknown_place);
    }
    return WELD_OK;
}

weld_status weld_results_read(const char *path, const weld_dataset *ds, weld_results **out,
                              weld_error *err) {
    reading r = {.path = path, .rows = {.element = sizeof(row)}, .err = err};
    const int64_t samples = weld_dataset_count(ds);
    *out = NULL;
    weld_results *results = weld_alloc(1, sizeof *results);
    if (!results) {
        return weld_fail_memory(err, path);
    }
    results->boxes.element = sizeof(weld_found_box);
    weld_status status = weld_scan_open(path, &r.scan, err);
    status = status ? status : list_names(ds, samples, weld_dataset_image_id, &r.images, err);
    status = status ? status
                    : list_names(ds, weld_dataset_class_count(ds), category_id, &r.classes, err);
    status = status ? status : read_all(&r);
    status = status ? status : put_together(&r, results, samples);
    weld_scan_close(r.scan);
    weld_array_free(&r.rows);
    weld_free(r.images.items);
    weld_free(r.classes.items);
    if (status) {
        weld_results_free(results);
        return status;
    }
    *out = results;
    return WELD_OK;
}

void weld_results_free(weld_results *r) {
    if (r) {
        weld_array_free(&r->boxes);
        weld_free(r->ends);
        weld_free(r);
    }
}

const weld_found_box *weld_results_of(const weld_results *r, int64_t i, int64_t *count) {
    const size_t from = i > 0 ? r->ends[i - 1] : 0;
    *count = (int64_t)(r->ends[i] - from);
    return *count ? (const weld_found_box *)r->boxes.data + from : NULL;
}

const char *weld_results_note(const weld_results *r) {
    return r->note;
}
