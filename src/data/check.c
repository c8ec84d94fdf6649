/* Looking through data sets; see check.h.
 *
 * Samples are handled in groups: each group is read, decoded and hashed in parallel, then what was
 * found is told in order. */
#include "data/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/array.h"
#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/threads.h"
#include "datasets/boxes.h"
#include "images/image_facts.h"

enum {
    GROUP = 256,
    SMALL_SIDE = 32,
    LARGE_SIDE = 10000,
    MANY_PIXELS = 50000000,
    LONG = 8,          /* times as long as wide */
    FEW_OF_MEDIAN = 10 /* one part of so many of the median is few */
};

typedef struct worker {
    weld_bytes bytes, other;
    weld_image image;
} worker;

/* By what the bytes of samples are told apart. */
typedef struct print {
    uint64_t hash;
    int64_t index;
    uint32_t size;
} print;

typedef struct result {
    weld_status status;
    weld_error error;
    weld_image_facts facts;
    weld_grey_range grey; /* most 0: of no 16-bit grey */
    int width, height;
    int orientation; /* that is applied */
    print print;
} result;

typedef struct check {
    const weld_dataset *ds, *reading; /* reading: ds, and later the other one */
    const weld_check_options *options;
    weld_reading how;
    weld_check_report *report;
    int threads, classes; /* classes 0: there are none */
    worker *workers;
    int64_t begin; /* of the group */
    result results[GROUP];
    weld_array prints;          /* of print: of samples that are not broken */
    weld_array widths, heights; /* of int: likewise */
} check;

static int class_of(const check *c, int64_t i) {
    return c->classes ? c->options->annotation->group(c->ds, i) : 0;
}

const char *weld_finding_text(weld_finding_kind kind) {
    static const char *const texts[] = {"broken",   "odd",  "turned", "duplicate",
                                        "conflict", "leak", "unread", "class"};
    return texts[kind];
}

static void tell(check *c, weld_finding_kind kind, const char *name, const char *reason) {
    c->report->found[kind]++;
    if (c->options->found) {
        c->options->found(c->options->arg, kind, name, reason);
    }
}

/* --- One sample ------------------------------------------------------------------------------- */

static print print_of(const weld_bytes *bytes, int64_t index) {
    return (print){XXH3_64bits(bytes->data, bytes->size), index, (uint32_t)bytes->size};
}

static void look_at(void *arg, int64_t item, int thread) {
    check *c = arg;
    worker *w = &c->workers[thread];
    result *r = &c->results[item];
    int64_t i = c->begin + item;
    *r = (result){0};
    r->status = weld_dataset_read(c->ds, i, &w->bytes, &r->error);
    if (!r->status) {
        r->print = print_of(&w->bytes, i);
        r->facts = weld_image_facts_of(w->bytes.data, w->bytes.size);
        r->status = weld_dataset_decode(c->ds, i, &w->bytes, c->how, &w->image, &r->error);
    }
    if (!r->status) {
        r->width = w->image.width;
        r->height = w->image.height;
        r->status = weld_dataset_orientation(c->ds, i, &w->bytes, c->how.upright, &r->orientation,
                                             &r->error);
    }
    if (!r->status && weld_image_is_deep_grey(w->bytes.data, w->bytes.size)) {
        r->status =
            weld_decode_grey_range(w->bytes.data, w->bytes.size, 0, &w->image, &r->grey, &r->error);
    }
}

static void hash(void *arg, int64_t item, int thread) {
    check *c = arg;
    worker *w = &c->workers[thread];
    result *r = &c->results[item];
    int64_t i = c->begin + item;
    *r = (result){0};
    r->status = weld_dataset_read(c->reading, i, &w->bytes, &r->error);
    if (!r->status) {
        r->print = print_of(&w->bytes, i);
    }
}

/* --- What is odd ------------------------------------------------------------------------------ */

typedef struct reasons {
    char text[512];
    size_t size;
} reasons;

static void add_reason(reasons *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_reason(reasons *r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (r->size > 0 && r->size + 2 < sizeof r->text) {
        memcpy(r->text + r->size, "; ", 3);
        r->size += 2;
    }
    int length = weld_vsnprintf(r->text + r->size, sizeof r->text - r->size, format, args);
    r->size += length > 0 ? (size_t)length : 0;
    r->size = r->size < sizeof r->text ? r->size : sizeof r->text - 1;
    va_end(args);
}

static void add_format(reasons *out, const result *r, const char *name) {
    const weld_image_facts *f = &r->facts;
    weld_image_format promised = weld_image_format_of_name(name);
    if (promised != WELD_IMAGE_UNKNOWN && f->format != promised) {
        add_reason(out, "is %s by its contents", weld_image_format_text(f->format));
    }
    if (f->channels == 4) {
        add_reason(out, "CMYK");
    } else if (f->channels == 1) {
        add_reason(out, "grey");
    }
    if (r->grey.most > 0) {
        char share[WELD_NUMBER_SIZE];
        add_reason(out,
                   "%d bits a channel, from %d to %d: %s of it is above 255 and taken for that, "
                   "unless data.scale16 says otherwise",
                   f->bits, r->grey.least, r->grey.most, weld_percent_text(r->grey.clipped, share));
    } else if (f->bits > 8) {
        add_reason(out, "%d bits a channel", f->bits);
    }
    if (f->animated) {
        add_reason(out, "an animation, of which the first image is taken");
    }
    if (f->no_end) {
        add_reason(out, "the mark of its end is missing, though every pixel is there");
    }
}

static void tell_turned(check *c, const result *r, const char *name) {
    char reason[80];
    if (r->facts.orientation > 1) {
        snprintf(reason, sizeof reason,
                 !weld_dataset_has_boxes(c->ds)
                     ? "EXIF orientation %d: seen upright, unless data.orientation is ignore"
                 : r->orientation > 1 ? "EXIF orientation %d: seen upright, as its boxes"
                                      : "EXIF orientation %d is ignored",
                 r->facts.orientation);
        c->report->upright += r->orientation > 1;
        tell(c, WELD_FINDING_TURNED, name, reason);
    }
}

static void add_size(reasons *out, const result *r) {
    int longer = r->width > r->height ? r->width : r->height;
    int shorter = r->width > r->height ? r->height : r->width;
    if (shorter < SMALL_SIDE) {
        add_reason(out, "tiny: %d x %d", r->width, r->height);
    } else if (longer > LARGE_SIDE || (int64_t)r->width * r->height > MANY_PIXELS) {
        add_reason(out, "huge: %d x %d", r->width, r->height);
    }
    if (longer > (int64_t)LONG * shorter) {
        add_reason(out, "%.1f times as %s: %d x %d", (double)longer / shorter,
                   r->width > r->height ? "wide as high" : "high as wide", r->width, r->height);
    }
}

/* The message without the sample's own name in front. */
static const char *reason_of(const weld_dataset *ds, const weld_error *error, const char *name) {
    const char *message = error->message, *path = weld_dataset_path(ds);
    size_t path_size = strlen(path), name_size = strlen(name);
    if (strncmp(message, path, path_size) == 0 && message[path_size] == '/' &&
        strncmp(message + path_size + 1, name, name_size) == 0 &&
        strncmp(message + path_size + 1 + name_size, ": ", 2) == 0) {
        return message + path_size + 1 + name_size + 2;
    }
    return message;
}

static weld_status take(check *c, const result *r, int64_t i, weld_error *err) {
    const char *name = weld_dataset_name(c->ds, i);
    c->report->images++;
    if (c->classes) {
        c->report->class_images[class_of(c, i)]++;
    }
    if (weld_is_bad_image(r->status)) {
        tell(c, WELD_FINDING_BROKEN, name, reason_of(c->ds, &r->error, name));
        return WELD_OK;
    }
    if (r->status || !weld_array_append(&c->prints, &r->print, 1) ||
        !weld_array_append(&c->widths, &r->width, 1) ||
        !weld_array_append(&c->heights, &r->height, 1)) {
        return weld_fail_memory(err, weld_dataset_path(c->ds));
    }
    reasons odd = {0};
    if (weld_dataset_layout(c->ds).height == 0) { /* raw pixels were made so on purpose */
        add_format(&odd, r, name);
        add_size(&odd, r);
    }
    if (odd.size) {
        tell(c, WELD_FINDING_ODD, name, odd.text);
    }
    tell_turned(c, r, name);
    return WELD_OK;
}

/* --- All of a data set ------------------------------------------------------------------------ */

/* Calls `work` in parallel and then `then` in order for every sample of c->reading. */
static weld_status go_through(check *c, weld_parallel_body work,
                              weld_status (*then)(check *, const result *, int64_t, weld_error *),
                              int64_t before, int64_t all, weld_error *err) {
    int64_t total = weld_dataset_count(c->reading);
    for (c->begin = 0; c->begin < total && !c->report->stopped; c->begin += GROUP) {
        int64_t left = total - c->begin, count = left < GROUP ? left : GROUP;
        weld_parallel(c->threads, count, work, c);
        for (int64_t k = 0; k < count; k++) {
            weld_status status = then(c, &c->results[k], c->begin + k, err);
            if (status) {
                return status;
            }
        }
        c->report->stopped = c->options->progress &&
                             !c->options->progress(c->options->arg, before + c->begin + count, all);
    }
    return WELD_OK;
}

/* --- Classes and sizes ------------------------------------------------------------------------ */

static int compare_counts(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static weld_status look_at_classes(check *c, weld_error *err) {
    weld_check_report *r = c->report;
    const size_t classes = (size_t)c->classes;
    if (!classes) {
        return WELD_OK;
    }
    int64_t *sorted = weld_memdup(r->class_images, classes * sizeof *sorted);
    if (!sorted) {
        return weld_fail_memory(err, weld_dataset_path(c->ds));
    }
    qsort(sorted, classes, sizeof *sorted, compare_counts);
    r->class_least = sorted[0];
    r->class_most = sorted[classes - 1];
    r->class_median = (double)(sorted[classes / 2] + sorted[(classes - 1) / 2]) / 2;
    weld_free(sorted);
    for (size_t i = 0; i < classes; i++) {
        int64_t images = r->class_images[i];
        char reason[128];
        if (images > 1 && (double)images * FEW_OF_MEDIAN >= r->class_median) {
            continue;
        }
        weld_snprintf(reason, sizeof reason, "%lld image%s, where the median class has %.10g",
                      (long long)images, images == 1 ? "" : "s", r->class_median);
        tell(c, WELD_FINDING_CLASS, c->options->annotation->group_name(c->ds, (int)i), reason);
    }
    return WELD_OK;
}

static int compare_sides(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static weld_check_range range_of(weld_array *sides) {
    int *values = sides->data;
    size_t count = sides->count;
    if (count == 0) {
        return (weld_check_range){0, 0, 0};
    }
    qsort(values, count, sizeof *values, compare_sides);
    return (weld_check_range){values[0], values[count / 2], values[count - 1]};
}

/* --- The same bytes ----------------------------------------------------------------------------
 */

static int compare_contents(const print *x, const print *y) {
    int order = (x->hash > y->hash) - (x->hash < y->hash);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static int compare_prints(const void *a, const void *b) {
    const print *x = a, *y = b;
    int order = compare_contents(x, y);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Sample i of one of the data sets could not be read, for this reason. */
static weld_status tell_unread(check *c, const weld_dataset *ds, int64_t i, weld_status status,
                               const weld_error *why, weld_error *err) {
    const char *name = weld_dataset_name(ds, i);
    char whole[4500];
    if (!weld_is_bad_image(status)) {
        return weld_fail_memory(err, weld_dataset_path(ds));
    }
    snprintf(whole, sizeof whole, "%s/%s", weld_dataset_path(ds), name);
    tell(c, WELD_FINDING_UNREAD, ds == c->ds ? name : whole, reason_of(ds, why, name));
    return WELD_OK;
}

/* Hashes agree: do the bytes? What cannot be read now is not claimed to be the same, but told. */
static weld_status compare_bytes(check *c, int64_t i, const weld_dataset *other, int64_t k,
                                 bool *same, weld_error *err) {
    worker *w = &c->workers[0];
    weld_error why;
    *same = false;
    weld_status status = weld_dataset_read(c->ds, i, &w->bytes, &why);
    if (status) {
        return tell_unread(c, c->ds, i, status, &why, err);
    }
    status = weld_dataset_read(other, k, &w->other, &why);
    if (status) {
        return tell_unread(c, other, k, status, &why, err);
    }
    *same =
        w->bytes.size == w->other.size && memcmp(w->bytes.data, w->other.data, w->bytes.size) == 0;
    return WELD_OK;
}

typedef struct pair {
    int64_t index, first;
} pair;

static int compare_pairs(const void *a, const void *b) {
    const pair *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

/* Of samples with the same bytes, every one but the first. The prints are sorted. */
static weld_status find_pairs(check *c, weld_array *pairs, weld_error *err) {
    const print *prints = c->prints.data;
    for (size_t i = 1, first = 0; i < c->prints.count; i++) {
        if (compare_contents(&prints[first], &prints[i]) != 0) {
            first = i;
            continue;
        }
        pair p = {prints[i].index, prints[first].index};
        bool same;
        WELD_TRY(compare_bytes(c, p.first, c->ds, p.index, &same, err));
        if (same && !weld_array_append(pairs, &p, 1)) {
            return weld_fail_memory(err, weld_dataset_path(c->ds));
        }
    }
    if (pairs->count) {
        qsort(pairs->data, pairs->count, sizeof(pair), compare_pairs);
    }
    return WELD_OK;
}

static weld_status find_duplicates(check *c, weld_error *err) {
    weld_array pairs = {.element = sizeof(pair)};
    if (c->prints.count) {
        qsort(c->prints.data, c->prints.count, sizeof(print), compare_prints);
    }
    weld_status status = find_pairs(c, &pairs, err);
    const pair *found = pairs.data;
    for (size_t i = 0; i < pairs.count && !status; i++) {
        char reason[4500];
        bool conflict = class_of(c, found[i].index) != class_of(c, found[i].first);
        snprintf(reason, sizeof reason, "the same bytes as %s%s",
                 weld_dataset_name(c->ds, found[i].first), conflict ? ", of another class" : "");
        tell(c, conflict ? WELD_FINDING_CONFLICT : WELD_FINDING_DUPLICATE,
             weld_dataset_name(c->ds, found[i].index), reason);
    }
    weld_array_free(&pairs);
    return status;
}

/* Is sample i of the other data set in this one? */
static weld_status look_up(check *c, const result *r, int64_t i, weld_error *err) {
    const print *prints = c->prints.data;
    size_t low = 0, high = c->prints.count;
    bool same = false;
    if (r->status) {
        return tell_unread(c, c->reading, i, r->status, &r->error, err);
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_contents(&prints[middle], &r->print) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < c->prints.count && compare_contents(&prints[low], &r->print) == 0) {
        WELD_TRY(compare_bytes(c, prints[low].index, c->reading, i, &same, err));
    }
    if (same) {
        char reason[9000];
        snprintf(reason, sizeof reason, "the same bytes as %s/%s", weld_dataset_path(c->reading),
                 weld_dataset_name(c->reading, i));
        tell(c, WELD_FINDING_LEAK, weld_dataset_name(c->ds, prints[low].index), reason);
    }
    return WELD_OK;
}

/* --- All -------------------------------------------------------------------------------------- */

static weld_status check_all(check *c, weld_error *err) {
    const weld_dataset *against = c->options->against;
    int64_t count = weld_dataset_count(c->ds);
    int64_t all = count + (against ? weld_dataset_count(against) : 0);
    weld_status status = go_through(c, look_at, take, 0, all, err);
    if (!status && !c->report->stopped) {
        status = look_at_classes(c, err);
        c->report->width = range_of(&c->widths);
        c->report->height = range_of(&c->heights);
    }
    if (!status && !c->report->stopped) {
        status = find_duplicates(c, err);
    }
    if (!status && against && !c->report->stopped) {
        c->reading = against;
        status = go_through(c, hash, look_up, count, all, err);
    }
    return status;
}

weld_status weld_check(const weld_dataset *ds, const weld_check_options *options,
                       weld_check_report *report, weld_error *err) {
    *report = (weld_check_report){0};
    check *c = weld_alloc(1, sizeof *c);
    if (!c) {
        return weld_fail_memory(err, weld_dataset_path(ds));
    }
    c->ds = c->reading = ds;
    c->options = options;
    c->how = (weld_reading){.upright = true, .max_pixels = options->max_pixels};
    c->report = report;
    c->threads = weld_threads_count(options->threads);
    c->prints.element = sizeof(print);
    c->widths.element = c->heights.element = sizeof(int);
    c->workers = weld_alloc((size_t)c->threads, sizeof *c->workers);
    c->classes = options->annotation->group && !weld_dataset_has_boxes(ds)
                     ? options->annotation->group_count(ds)
                     : 0;
    report->class_images = weld_alloc((size_t)c->classes, sizeof *report->class_images);
    weld_status status = c->workers && (report->class_images || !c->classes)
                             ? check_all(c, err)
                             : weld_fail_memory(err, weld_dataset_path(ds));
    for (int t = 0; c->workers && t < c->threads; t++) {
        weld_bytes_free(&c->workers[t].bytes);
        weld_bytes_free(&c->workers[t].other);
        weld_image_free(&c->workers[t].image);
    }
    weld_free(c->workers);
    weld_array_free(&c->prints);
    weld_array_free(&c->widths);
    weld_array_free(&c->heights);
    weld_free(c);
    return status;
}
