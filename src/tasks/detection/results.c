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
#include "tasks/detection/results_numbers.h"

struct weld_results {
    weld_array boxes; /* weld_found_box, by sample */
    size_t *ends;     /* [samples]: where those of each end */
    weld_text note;
};

typedef struct reading {
    const char *path;
    weld_scan *scan;
    weld_results_names *names;
    weld_array rows;             /* weld_results_row */
    int64_t unknown, unknown_id; /* detections of no category, and the first of these */
    int64_t unknown_ids[2];      /* the lowest and the highest of them */
    uint64_t unknown_place;
    int64_t renamed; /* of another image by their file_name than by their image_id */
    bool by_file;    /* an image_id was a text */
    bool is_sure;    /* a category_name says of an id that it is the data's, or the caller does */
    weld_error *err;
} reading;

/* --- The file --- */

enum { SHOWN = 120 /* of a name, in messages */ };

/* A name of an image, and what it is that of. */
typedef struct image_name {
    bool is_there;
    char text[SHOWN];
    weld_named_sample found;
} image_name;

typedef struct detection {
    int64_t image, category, named_class;
    double box[4], score;
    image_name file, text; /* its file_name, and its image_id where that is a text */
    bool has_image, has_category, has_name, has_box, has_score;
} detection;

static void read_name(reading *r, image_name *name) {
    const char *text = weld_scan_string(r->scan);
    weld_text shown = WELD_TEXT;
    weld_text_add_printable(&shown, text);
    snprintf(name->text, sizeof name->text, "%s", weld_text_get(&shown));
    weld_text_free(&shown);
    name->is_there = true;
    name->found = weld_results_names_find_file(r->names, text);
}

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

static void read_image(reading *r, detection *d) {
    if (weld_scan_peek(r->scan) == WELD_SCAN_STRING) {
        read_name(r, &d->text);
        r->by_file = true;
    } else {
        d->image = weld_scan_int(r->scan);
    }
    d->has_image = true;
}

/* A file_name or a category_name, which in other programs' files may be anything. */
static void read_text(reading *r, bool of_file, detection *d) {
    if (weld_scan_peek(r->scan) != WELD_SCAN_STRING) {
        weld_scan_skip(r->scan);
    } else if (of_file) {
        read_name(r, &d->file);
    } else {
        d->named_class = weld_results_names_find_class(r->names, weld_scan_string(r->scan));
        d->has_name = true;
    }
}

static void read_member(reading *r, const char *key, detection *d) {
    weld_scan *s = r->scan;
    const bool of_file = strcmp(key, "file_name") == 0;
    if (strcmp(key, "image_id") == 0) {
        read_image(r, d);
    } else if (of_file || strcmp(key, "category_name") == 0) {
        read_text(r, of_file, d);
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

static weld_status refuse_name(const reading *r, const char *key, const image_name *name,
                               uint64_t place) {
    const weld_dataset *ds = weld_results_names_dataset(r->names);
    if (name->found.sample == WELD_NAMES_SEVERAL) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s: offset %llu: %s '%s' may be '%s' or '%s': give the file_name with "
                         "its folder",
                         r->path, (unsigned long long)place, key, name->text,
                         weld_dataset_name(ds, name->found.several[0]),
                         weld_dataset_name(ds, name->found.several[1]));
    }
    return weld_fail(r->err, WELD_ERROR_FORMAT,
                     "%s: offset %llu: %s '%s' is no image of the data: results of just these "
                     "images are expected, by the names of their files",
                     r->path, (unsigned long long)place, key, name->text);
}

/* By its file_name; where several are called so, by which of these its image_id is; without a
 * file_name by the image_id. -1: by a number that is yet to be explained. */
static weld_status find_image(reading *r, const detection *d, uint64_t place, int64_t *sample) {
    const bool is_id = weld_results_names_have_images(r->names) && !d->text.is_there;
    const weld_named_sample *file = &d->file.found;
    const int64_t by_id = d->text.is_there ? d->text.found.sample
                          : is_id          ? weld_results_names_image(r->names, d->image)
                                           : WELD_NAMES_NONE;
    *sample = d->file.is_there && file->sample >= 0 ? file->sample : by_id;
    if (d->file.is_there && file->sample >= 0) {
        r->renamed += is_id && by_id >= 0 && by_id != *sample;
        return WELD_OK;
    }
    if (d->file.is_there && (file->sample == WELD_NAMES_NONE || by_id < 0 ||
                             !weld_results_names_is_alike(r->names, by_id, file->several[0]))) {
        return refuse_name(r, "file_name", &d->file, place);
    }
    if (*sample >= 0) {
        return WELD_OK;
    }
    if (is_id) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s: offset %llu: image_id %lld is not in the data: results of just these "
                         "images are expected",
                         r->path, (unsigned long long)place, (long long)d->image);
    }
    return d->text.is_there ? refuse_name(r, "image_id", &d->text, place) : WELD_OK;
}

/* Where the data set has ids: the id and the name, where both say a class, must say the same one.
 * Names of other programs' own say nothing. */
static weld_status check_name(const reading *r, const detection *d, int64_t index, uint64_t place) {
    if (!d->has_name || d->named_class < 0 || d->named_class == index) {
        return WELD_OK;
    }
    const weld_dataset *ds = weld_results_names_dataset(r->names);
    const char *by_name = weld_dataset_category_name(ds, (int)d->named_class);
    const char *by_id = index >= 0 ? weld_dataset_category_name(ds, (int)index) : NULL;
    return weld_fail(r->err, WELD_ERROR_FORMAT,
                     "%s: offset %llu: category_id %lld is %s%s%s, but the category_name is '%s', "
                     "whose id is %lld: give the ids of the data's categories, or no names",
                     r->path, (unsigned long long)place, (long long)d->category,
                     by_id ? "'" : "not in the data", by_id ? by_id : "", by_id ? "'" : "", by_name,
                     (long long)weld_dataset_category_id(ds, (int)d->named_class));
}

static void note_unknown(reading *r, int64_t id) {
    int64_t *ids = r->unknown_ids;
    ids[0] = r->unknown && ids[0] < id ? ids[0] : id;
    ids[1] = r->unknown && ids[1] > id ? ids[1] : id;
    r->unknown++;
}

static weld_status add(reading *r, const detection *d, uint64_t place) {
    const bool has_ids = weld_results_names_have_classes(r->names);
    const bool is_number = !has_ids && !d->has_name;
    const int64_t index = is_number ? -1
                          : has_ids ? weld_results_names_class(r->names, d->category)
                                    : d->named_class;
    int64_t sample;
    WELD_TRY(find_image(r, d, place, &sample));
    if (has_ids) {
        WELD_TRY(check_name(r, d, index, place));
        r->is_sure = r->is_sure || (d->has_name && d->named_class >= 0);
    }
    if (index < 0 && !is_number) {
        r->unknown_id = r->unknown ? r->unknown_id : d->category;
        r->unknown_place = r->unknown ? r->unknown_place : place;
        note_unknown(r, d->category);
        return WELD_OK;
    }
    const weld_results_row one = {
        {d->box[0], d->box[1], d->box[2], d->box[3], d->score, (int32_t)index},
        sample,
        d->image,
        d->category,
        place};
    return weld_array_append(&r->rows, &one, 1) ? WELD_OK : weld_fail_memory(r->err, r->path);
}

static weld_status read_detection(reading *r) {
    detection d = {0};
    const uint64_t place = weld_scan_tell(r->scan);
    weld_scan_object(r->scan);
    for (const char *key; (key = weld_scan_key(r->scan));) {
        read_member(r, key, &d);
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
    if (r->unknown && !r->is_sure) {
        WELD_TRY(weld_results_check_classes(r->names, r->path, r->unknown_ids, &r->rows, r->err));
    }
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
    const weld_results_row *x = a, *y = b;
    if (x->sample != y->sample) {
        return x->sample < y->sample ? -1 : 1;
    }
    return (x->place > y->place) - (x->place < y->place);
}

static weld_status put_together(reading *r, weld_results *out, int64_t samples) {
    const weld_results_row *rows = r->rows.data;
    size_t at = 0;
    out->ends = weld_alloc((size_t)samples, sizeof *out->ends);
    if (!out->ends) {
        return weld_fail_memory(r->err, r->path);
    }
    if (r->rows.count) {
        qsort(r->rows.data, r->rows.count, sizeof(weld_results_row), by_sample);
    }
    for (int64_t i = 0; i < samples; i++) {
        for (; at < r->rows.count && rows[at].sample == i; at++) {
            if (!weld_array_append(&out->boxes, &rows[at].box, 1)) {
                return weld_fail_memory(r->err, r->path);
            }
        }
        out->ends[i] = at;
    }
    return WELD_OK;
}

/* What a person should know of it: notes of what numbers were taken for are there already. */
static void tell(const reading *r, weld_text *note) {
    const char *between = *weld_text_get(note) ? "; " : "";
    if (!r->unknown && !r->rows.count) {
        weld_text_add(note, "an empty list: nothing was found in any image");
    }
    if (r->renamed) {
        weld_text_format(note, "%s%lld %s another image's than the image_id: the name counts",
                         between, (long long)r->renamed,
                         weld_plural(r->renamed, "file_name is", "file_names are"));
        between = "; ";
    }
    if (!r->unknown && !r->is_sure && weld_results_may_count_from_one(r->names, &r->rows)) {
        weld_text_format(note,
                         "%snothing is of category_id 0, the data's first: if the file counts "
                         "classes from 1, say --first-category 1",
                         between);
    }
    if (r->unknown) {
        weld_text_format(note,
                         "%s%lld %s of categories that the data does not have, which count "
                         "nowhere: the first, of category_id %lld, at offset %llu",
                         between, (long long)r->unknown,
                         weld_plural(r->unknown, "detection is", "detections are"),
                         (long long)r->unknown_id, (unsigned long long)r->unknown_place);
    }
}

static weld_status read_into(reading *r, const weld_dataset *ds, int first_category,
                             weld_results *out) {
    WELD_TRY(weld_scan_open(r->path, &r->scan, r->err));
    WELD_TRY(weld_results_names_create(ds, &r->names, r->err));
    if (first_category >= 0 && weld_results_names_have_classes(r->names)) {
        int64_t range[2];
        if (!weld_results_names_range(r->names, range)) {
            return weld_fail(r->err, WELD_ERROR_ARGUMENT,
                             "%s: categories of the data have ids, which count from nothing: leave "
                             "the first category out",
                             weld_dataset_path(ds));
        }
        weld_results_names_count_from(r->names, first_category);
        r->is_sure = true;
    }
    WELD_TRY(read_all(r));
    WELD_TRY(
        weld_results_number_images(r->names, r->path, r->by_file, &r->rows, &out->note, r->err));
    WELD_TRY(weld_results_number_classes(r->names, r->path, first_category, &r->rows, &out->note,
                                         r->err));
    tell(r, &out->note);
    WELD_TRY(put_together(r, out, weld_dataset_count(ds)));
    return out->note.failed ? weld_fail_memory(r->err, r->path) : WELD_OK;
}

weld_status weld_results_read(const char *path, const weld_dataset *ds, int first_category,
                              weld_results **out, weld_error *err) {
    reading r = {.path = path, .rows = {.element = sizeof(weld_results_row)}, .err = err};
    weld_results *results = *out = weld_alloc(1, sizeof *results);
    if (!results) {
        return weld_fail_memory(err, path);
    }
    results->boxes.element = sizeof(weld_found_box);
    results->note = WELD_TEXT;
    const weld_status status = read_into(&r, ds, first_category, results);
    weld_scan_close(r.scan);
    weld_array_free(&r.rows);
    weld_results_names_free(r.names);
    if (status) {
        weld_results_free(results);
        *out = NULL;
    }
    return status;
}

void weld_results_free(weld_results *r) {
    if (r) {
        weld_array_free(&r->boxes);
        weld_free(r->ends);
        weld_text_free(&r->note);
        weld_free(r);
    }
}

const weld_found_box *weld_results_of(const weld_results *r, int64_t i, int64_t *count) {
    const size_t from = i > 0 ? r->ends[i - 1] : 0;
    *count = (int64_t)(r->ends[i] - from);
    return *count ? (const weld_found_box *)r->boxes.data + from : NULL;
}

const char *weld_results_note(weld_results *r) {
    return weld_text_get(&r->note);
}
