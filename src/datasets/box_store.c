/* Boxes and their faults; see box_store.h. */
#define _GNU_SOURCE
#include "datasets/box_store.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "base/text.h"

#define FARTHEST 1e9 /* pixels */

typedef struct kind {
    const char *text;
    bool is_error;
    const char *told; /* behind a number and "boxes", in a training; NULL: of no matter there */
    const char *one, *many; /* in the place of "box" and "boxes" */
} kind;

static const kind kinds[WELD_BOX_FAULTS] = {
    [WELD_BOX_BAD_VALUE] = {"bad value", true, NULL},
    [WELD_BOX_BAD_CLASS] = {"unknown class", true, NULL},
    [WELD_BOX_NOT_NORMALISED] = {"not normalised", true, NULL},
    [WELD_BOX_NO_AREA] = {"no area", false,
                          "of an area below 0 or above 1e10, ignored in evaluation"},
    [WELD_BOX_EMPTY] = {"empty box", false, "without width or height, not trained on"},
    [WELD_BOX_OUTSIDE] = {"outside", false, "beyond the image, clipped in training"},
    [WELD_BOX_TWICE] = {"duplicate box", false, "the same as another, trained on once"},
    [WELD_BOX_ID_TWICE] = {"duplicate id", false, NULL},
    [WELD_BOX_IMAGE_ID] = {"shared image id", true, NULL},
    [WELD_BOX_IMAGE_TWICE] = {"duplicate image", false, "listed twice, taken once", "image",
                              "images"},
    [WELD_BOX_ORPHAN] = {"orphan", false, "of images that are not listed, left out"},
    [WELD_BOX_UNLABELLED] = {"no label file", false, "without a label file, background", "image",
                             "images"},
    [WELD_BOX_NO_IMAGE] = {"no image", false, "without an image, left out", "label file",
                           "label files"},
    [WELD_BOX_CORNERS] = {"corners", false,
                          "beyond the image by much: two corners, where one place and a size are "
                          "expected?"},
    [WELD_BOX_SHARES] = {"shares", false,
                         "in the first pixel of the image: shares of it, where pixels are "
                         "expected?"},
    [WELD_BOX_IMAGE_SHARED] = {"shared image", true, NULL},
    [WELD_BOX_FILE_TWICE] = {"duplicate file", false,
                             "of a file that is another image's too, each counted by itself",
                             "image", "images"},
    [WELD_BOX_PARENT] =
        {"supercategory", false,
         "without boxes, of which others are kinds: data.classes chooses the others", "category",
         "categories"},
};

const char *weld_box_fault_text(weld_box_fault fault) {
    return kinds[fault].text;
}

bool weld_box_fault_is_error(weld_box_fault fault) {
    return kinds[fault].is_error;
}

weld_box_store weld_box_store_make(const char *format) {
    return (weld_box_store){.format = format,
                            .images.element = sizeof(weld_box_image),
                            .boxes.element = sizeof(weld_box),
                            .categories.element = sizeof(int64_t),
                            .places.element = sizeof(uint64_t),
                            .file_of.element = sizeof(uint64_t),
                            .files.element = 1};
}

void weld_box_store_free(weld_box_store *s) {
    weld_array_free(&s->images);
    weld_array_free(&s->boxes);
    weld_array_free(&s->categories);
    weld_array_free(&s->places);
    weld_array_free(&s->file_of);
    weld_array_free(&s->files);
    weld_free(s->root);
    s->root = NULL;
}

weld_status weld_box_store_fault(weld_box_store *s, const weld_box_options *options,
                                 weld_box_fault fault, const char *file, uint64_t at, bool is_line,
                                 weld_error *err, const char *format, ...) {
    char what[400], where[4400];
    va_list args;
    va_start(args, format);
    weld_vsnprintf(what, sizeof what, format, args);
    va_end(args);
    s->faults[fault]++;
    if (is_line && at == 0) {
        weld_snprintf(where, sizeof where, "%s", file);
    } else {
        weld_snprintf(where, sizeof where, is_line ? "%s:%llu" : "%s: offset %llu", file,
                      (unsigned long long)at);
    }
    if (options->found) {
        options->found(options->arg, fault, where, what);
        return WELD_OK;
    }
    return kinds[fault].is_error ? weld_fail(err, WELD_ERROR_FORMAT, "%s: %s", where, what)
                                 : WELD_OK;
}

bool weld_box_is_side(double value) {
    return value >= 1 && value <= INT32_MAX && floor(value) == value;
}

bool weld_box_is_sound(const weld_box *b) {
    return fabs(b->x) <= FARTHEST && fabs(b->y) <= FARTHEST && fabs(b->width) <= FARTHEST &&
           fabs(b->height) <= FARTHEST && isfinite(b->area);
}

static bool has_area(const weld_box *b) {
    return b->width > 0 && b->height > 0;
}

static bool has_size(const weld_box_image *of) {
    return of->width > 0 && of->height > 0;
}

static bool is_off(const weld_box *b, const weld_box_image *of) {
    return has_size(of) && (b->x >= of->width || b->y >= of->height || b->x + b->width <= 0 ||
                            b->y + b->height <= 0);
}

bool weld_box_is_seen(const weld_box *b, const weld_box_image *of) {
    return has_area(b) && !is_off(b, of);
}

/* --- Looking at all --- */

typedef struct judging {
    weld_box_store *s;
    const weld_box_options *options;
    uint64_t *order; /* the boxes of an image */
    size_t order_size;
} judging;

/* Tell what is wrong with box i of an image, which was found to be so. */
static void tell(const judging *j, const weld_box_image *image, uint64_t i, weld_box_fault fault,
                 const char *what) {
    weld_box_store *s = j->s;
    if (!j->options->found) {
        s->faults[fault]++;
        return;
    }
    const uint64_t place = ((const uint64_t *)s->places.data)[i];
    const size_t number = (size_t)(image - (const weld_box_image *)s->images.data);
    const bool is_line = s->file_of.count > 0;
    const char *file =
        is_line ? (const char *)s->files.data + ((const uint64_t *)s->file_of.data)[number]
                : s->source;
    weld_box_store_fault(s, j->options, fault, file, place, is_line, NULL, "%s", what);
}

static void judge_place(const judging *j, const weld_box_image *image, uint64_t i) {
    weld_box *b = (weld_box *)j->s->boxes.data + i;
    char what[200];
    if (!has_area(b)) {
        b->flags |= WELD_BOX_UNUSED;
        weld_snprintf(what, sizeof what, "%g x %g pixels", b->width, b->height);
        tell(j, image, i, WELD_BOX_EMPTY, what);
        return;
    }
    if (!has_size(image)) {
        return;
    }
    const double beyond = fmax(
        fmax(-b->x, -b->y), fmax(b->x + b->width - image->width, b->y + b->height - image->height));
    const bool off = is_off(b, image);
    if (off) {
        b->flags |= WELD_BOX_UNUSED;
        weld_snprintf(what, sizeof what, "all of it is off the image, which is %d x %d",
                      image->width, image->height);
    } else {
        weld_snprintf(what, sizeof what, "%g pixels beyond the image, which is %d x %d", beyond,
                      image->width, image->height);
    }
    if (off || beyond > 1) {
        tell(j, image, i, WELD_BOX_OUTSIDE, what);
    }
}

static void judge_area(const judging *j, const weld_box_image *image, uint64_t i) {
    const weld_box *b = (const weld_box *)j->s->boxes.data + i;
    char what[200];
    if (!weld_box_is_in_range(b)) {
        weld_snprintf(what, sizeof what, "its area is %g: evaluation ignores it", b->area);
        tell(j, image, i, WELD_BOX_NO_AREA, what);
    }
}

static int compare_numbers(double a, double b) {
    return (a > b) - (a < b);
}

static int compare_contents(const weld_box *a, const weld_box *b) {
    const uint32_t sort = WELD_BOX_CROWD | WELD_BOX_IGNORE; /* else a box that counts is lost */
    const int orders[] = {(a->class_index > b->class_index) - (a->class_index < b->class_index),
                          compare_numbers(a->x, b->x),
                          compare_numbers(a->y, b->y),
                          compare_numbers(a->width, b->width),
                          compare_numbers(a->height, b->height),
                          compare_numbers(a->flags & sort, b->flags & sort)};
    int order = 0;
    for (size_t i = 0; i < sizeof orders / sizeof *orders && !order; i++) {
        order = orders[i];
    }
    return order;
}

static int compare_boxes(const void *a, const void *b, void *boxes) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    const int order = compare_contents((const weld_box *)boxes + x, (const weld_box *)boxes + y);
    return order ? order : (x > y) - (x < y);
}

/* Of boxes that are the same the first is the one that is used. */
static weld_status find_twins(judging *j, const weld_box_image *image, weld_error *err) {
    weld_box *boxes = j->s->boxes.data;
    const size_t count = (size_t)image->count;
    if (count > j->order_size) {
        weld_free(j->order);
        j->order_size = count * 2;
        j->order = weld_alloc_raw(j->order_size, sizeof *j->order);
        if (!j->order) {
            j->order_size = 0;
            return weld_fail_memory(err, "boxes");
        }
    }
    for (size_t i = 0; i < count; i++) {
        j->order[i] = image->first + i;
    }
    if (count > 1) {
        qsort_r(j->order, count, sizeof *j->order, compare_boxes, boxes);
    }
    for (size_t i = 1; i < count; i++) {
        weld_box *b = &boxes[j->order[i]];
        if (compare_contents(&boxes[j->order[i - 1]], b) == 0) {
            b->flags |= WELD_BOX_UNUSED;
            tell(j, image, j->order[i], WELD_BOX_TWICE, "the same box and class as one before");
        }
    }
    return WELD_OK;
}

weld_status weld_box_store_judge(weld_box_store *s, const weld_box_options *options,
                                 weld_error *err) {
    judging j = {.s = s, .options = options};
    weld_status status = WELD_OK;
    const weld_box_image *images = s->images.data;
    for (size_t i = 0; i < s->images.count && !status; i++) {
        for (uint64_t k = 0; k < images[i].count; k++) {
            judge_place(&j, &images[i], images[i].first + k);
            judge_area(&j, &images[i], images[i].first + k);
        }
        status = find_twins(&j, &images[i], err);
    }
    weld_free(j.order);
    return status;
}

weld_status weld_box_store_find_twins(weld_box_store *s, weld_error *err) {
    const weld_box_options quiet = {.found = NULL};
    judging j = {.s = s, .options = &quiet};
    weld_status status = WELD_OK;
    for (size_t i = 0; i < s->images.count && !status; i++) {
        status = find_twins(&j, (const weld_box_image *)s->images.data + i, err);
    }
    weld_free(j.order);
    return status;
}

/* --- Classes, and what is told --- */

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

weld_status weld_box_check_names(const weld_listing *l, const char *path, weld_error *err) {
    const size_t count = (size_t)weld_listing_class_count(l);
    const char **names = weld_alloc(count, sizeof *names);
    weld_status status = names ? WELD_OK : weld_fail_memory(err, path);
    for (size_t i = 0; i < count && names; i++) {
        names[i] = weld_listing_class_name(l, (int)i);
    }
    if (names && count) {
        qsort(names, count, sizeof *names, compare_names);
    }
    for (size_t i = 0; i < count && !status; i++) {
        const bool twice = i > 0 && strcmp(names[i], names[i - 1]) == 0;
        if (twice || !*names[i]) {
            status =
                weld_fail(err, WELD_ERROR_FORMAT, "%s: %s%s%s", path,
                          twice ? "two classes are called \"" : "a class without a name",
                          twice ? names[i] : "", twice ? "\": give one of them another name" : "");
        }
    }
    weld_free(names);
    return status;
}

void weld_box_store_map(weld_box_store *s, const int *to) {
    weld_box_image *images = s->images.data;
    weld_box *boxes = s->boxes.data;
    uint64_t kept = 0;
    for (size_t i = 0; i < s->images.count; i++) {
        const uint64_t end = images[i].first + images[i].count, first = kept;
        for (uint64_t k = images[i].first; k < end; k++) {
            if (to[boxes[k].class_index] >= 0) {
                boxes[kept] = boxes[k];
                boxes[kept].class_index = to[boxes[k].class_index];
                kept++;
            }
        }
        images[i].first = first;
        images[i].count = kept - first;
    }
    s->boxes.count = (size_t)kept;
}

void weld_box_store_tell(const weld_box_store *s, weld_text *out) {
    const char *before = out->bytes.count ? "; " : "";
    bool first = true;
    for (int i = 0; i < WELD_BOX_FAULTS; i++) {
        if (s->faults[i] && kinds[i].told) {
            const kind *k = &kinds[i];
            weld_text_format(
                out, "%s%lld %s %s", first ? before : "; ", (long long)s->faults[i],
                weld_plural(s->faults[i], k->one ? k->one : "box", k->many ? k->many : "boxes"),
                k->told);
            first = false;
        }
    }
    if (!first) {
        weld_text_add(out, " (weld check-data tells which)");
    }
}
