/* Boxes in numbers; see check_boxes.h. */
#define _GNU_SOURCE
#include "data/check_boxes.h"

#include <math.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"

#define LONG 20
#define SAME 0.9 /* IoU */

enum { PAIRS = 1 << 20 /* looked at in an image: far more than 300 boxes in one place have */ };

typedef struct counting {
    const weld_dataset *ds;
    weld_box_report *out;
    double size;
    weld_array sides, counts; /* of double, of int64_t */
    weld_array order;         /* of const weld_box *, of one image */
} counting;

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int compare_counts(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* By class, then from left to right. */
static int compare_boxes(const void *a, const void *b) {
    const weld_box *x = *(const weld_box *const *)a, *y = *(const weld_box *const *)b;
    const int order = (x->class_index > y->class_index) - (x->class_index < y->class_index);
    return order ? order : (x->x > y->x) - (x->x < y->x);
}

static double overlap(const weld_box *a, const weld_box *b) {
    const double width = weld_box_shared(a->x, a->width, b->x, b->width);
    const double height = weld_box_shared(a->y, a->height, b->y, b->height);
    const double both = width > 0 && height > 0 ? width * height : 0;
    return both > 0 ? both / (a->width * a->height + b->width * b->height - both) : 0;
}

/* Boxes that overlap so much begin within a tenth of a width of each other: those to the right are
 * looked at no further. */
static bool count_overlaps(counting *c, const weld_box *boxes, int64_t count) {
    c->order.count = 0;
    for (int64_t i = 0; i < count; i++) {
        const weld_box *one = &boxes[i];
        if (!(one->flags & (WELD_BOX_UNUSED | WELD_BOX_CROWD)) &&
            !weld_array_append(&c->order, &one, 1)) {
            return false;
        }
    }
    const weld_box **sorted = c->order.data;
    if (c->order.count) {
        qsort(sorted, c->order.count, sizeof *sorted, compare_boxes);
    }
    int64_t pairs = 0;
    for (size_t i = 0; i < c->order.count && pairs <= PAIRS; i++) {
        const weld_box *a = sorted[i];
        for (size_t k = i + 1; k < c->order.count && sorted[k]->class_index == a->class_index &&
                               sorted[k]->x < a->x + (1 - SAME) * a->width && ++pairs <= PAIRS;
             k++) {
            c->out->overlapping += overlap(a, sorted[k]) > SAME;
        }
    }
    c->out->crowded += pairs > PAIRS;
    return true;
}

static bool count_box(counting *c, const weld_box *b, int width, int height) {
    weld_box_report *out = c->out;
    const bool is_crowd = b->flags & WELD_BOX_CROWD;
    out->boxes++;
    out->crowds += is_crowd;
    out->ignored += (b->flags & WELD_BOX_IGNORE) != 0;
    out->class_boxes[b->class_index]++;
    if (!(b->width > 0 && b->height > 0) || is_crowd) {
        return true;
    }
    out->small += weld_box_is_in_range(b) && b->area <= WELD_BOX_SMALL;
    out->medium += b->area > WELD_BOX_SMALL && b->area <= WELD_BOX_MEDIUM;
    out->large += weld_box_is_in_range(b) && b->area > WELD_BOX_MEDIUM;
    out->elongated += fmax(b->width, b->height) > LONG * fmin(b->width, b->height);
    if (width <= 0 || height <= 0) {
        return true;
    }
    out->whole += b->x <= 0 && b->y <= 0 && b->x + b->width >= width && b->y + b->height >= height;
    const double side = fmin(b->width, b->height) * c->size / fmax(width, height);
    out->below_8 += side < 8;
    out->below_2 += side < 2;
    return weld_array_append(&c->sides, &side, 1);
}

static bool count_image(counting *c, int64_t i) {
    weld_box_report *out = c->out;
    int64_t count;
    int width, height;
    bool kept = true;
    const weld_box *boxes = weld_dataset_boxes(c->ds, i, &count);
    weld_dataset_stated_size(c->ds, i, &width, &height);
    out->images++;
    out->background += count == 0;
    out->over_100 += count > 100;
    out->over_300 += count > 300;
    for (int64_t k = 0; k < count && kept; k++) {
        kept = count_box(c, &boxes[k], width, height);
    }
    return kept && weld_array_append(&c->counts, &count, 1) && count_overlaps(c, boxes, count);
}

static void finish(counting *c) {
    weld_box_report *out = c->out;
    double *sides = c->sides.data;
    int64_t *counts = c->counts.data;
    const size_t boxes = c->sides.count, images = c->counts.count;
    if (boxes) {
        qsort(sides, boxes, sizeof *sides, compare_doubles);
        out->sides[0] = sides[boxes / 100];
        out->sides[1] = sides[boxes / 10];
        out->sides[2] = sides[boxes / 2];
        out->below_8 /= (double)boxes;
        out->below_2 /= (double)boxes;
    }
    if (images) {
        qsort(counts, images, sizeof *counts, compare_counts);
        out->per_image[0] = counts[0];
        out->per_image[1] = counts[images / 2];
        out->per_image[2] = counts[images - 1 - (images - 1) / 10];
        out->per_image[3] = counts[images - 1];
    }
}

weld_status weld_check_boxes(const weld_dataset *ds, int size, weld_box_report *out,
                             weld_error *err) {
    counting c = {.ds = ds,
                  .out = out,
                  .size = size,
                  .sides.element = sizeof(double),
                  .counts.element = sizeof(int64_t),
                  .order.element = sizeof(const weld_box *)};
    *out = (weld_box_report){0};
    out->class_boxes = weld_alloc((size_t)weld_dataset_class_count(ds), sizeof *out->class_boxes);
    bool kept = out->class_boxes;
    for (int64_t i = 0; i < weld_dataset_count(ds) && kept; i++) {
        kept = count_image(&c, i);
    }
    finish(&c);
    weld_array_free(&c.sides);
    weld_array_free(&c.counts);
    weld_array_free(&c.order);
    return kept ? WELD_OK : weld_fail_memory(err, weld_dataset_path(ds));
}
