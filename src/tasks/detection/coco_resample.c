/* The COCO evaluation where each image counts so many times, again and again; see coco.h. Matches
 * were made when images were measured and are sorted: what is left for each time is to go through
 * them, class by class, of which the few bytes that this takes are held together here. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tasks/detection/coco_parts.h"

/* Of one class. */
typedef struct part {
    size_t shots, rows; /* where the next class begins */
} part;

struct weld_coco_resample {
    int classes;
    part *parts; /* [classes] */
    coco_shot *shots;
    coco_row *rows;
};

/* An image by its number. */
typedef struct numbered {
    int64_t id;
    int32_t place;
} numbered;

static int by_id(const void *a, const void *b) {
    const numbered *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_class_index(const void *a, const void *b) {
    const coco_row *x = a, *y = b;
    if (x->class_index != y->class_index) {
        return x->class_index < y->class_index ? -1 : 1;
    }
    return (x->image > y->image) - (x->image < y->image);
}

/* Those that count, in the order of the hits. */
static void take_shots(const weld_coco *c, const numbered *images, weld_coco_resample *r) {
    const coco_hit *hits = c->hits.data;
    size_t count = 0, from = 0;
    for (int k = 0; k < r->classes; k++) {
        for (; from < c->hits.count && hits[from].class_index == k; from++) {
            const coco_hit *h = &hits[from];
            const numbered key = {.id = h->image};
            if (h->rank < COCO_MOST) {
                const numbered *image = bsearch(&key, images, c->ids.count, sizeof key, by_id);
                r->shots[count++] = (coco_shot){image->place, h->found[0], h->ignored[0]};
            }
        }
        r->parts[k].shots = count;
    }
}

static void take_rows(const weld_coco *c, weld_coco_resample *r) {
    size_t from = 0;
    if (c->rows.count) {
        memcpy(r->rows, c->rows.data, c->rows.count * sizeof *r->rows);
        qsort(r->rows, c->rows.count, sizeof *r->rows, by_class_index);
    }
    for (int k = 0; k < r->classes; k++) {
        while (from < c->rows.count && r->rows[from].class_index == k) {
            from++;
        }
        r->parts[k].rows = from;
    }
}

weld_status weld_coco_resample_create(const weld_coco *c, weld_coco_resample **out,
                                      weld_error *err) {
    const int64_t *ids = c->ids.data;
    numbered *images = weld_alloc(c->ids.count, sizeof *images);
    weld_coco_resample *r = *out = weld_alloc(1, sizeof *r);
    if (r) {
        *r = (weld_coco_resample){.classes = c->classes,
                                  .parts = weld_alloc((size_t)c->classes, sizeof(part)),
                                  .shots = weld_alloc(c->hits.count, sizeof(coco_shot)),
                                  .rows = weld_alloc(c->rows.count, sizeof(coco_row))};
    }
    if (!images || !r || !r->parts || !r->shots || !r->rows) {
        weld_free(images);
        weld_coco_resample_free(r);
        *out = NULL;
        return weld_fail_memory(err, "evaluation");
    }
    for (size_t i = 0; i < c->ids.count; i++) {
        images[i] = (numbered){ids[i], (int32_t)i};
    }
    qsort(images, c->ids.count, sizeof *images, by_id);
    take_shots(c, images, r);
    take_rows(c, r);
    weld_free(images);
    return WELD_OK;
}

void weld_coco_resample_free(weld_coco_resample *r) {
    if (r) {
        weld_free(r->parts);
        weld_free(r->shots);
        weld_free(r->rows);
        weld_free(r);
    }
}

void weld_coco_resample_run(const weld_coco_resample *r, const int32_t *times, double *ap,
                            double *ap50) {
    part from = {0, 0};
    for (int k = 0; k < r->classes; k++) {
        const part to = r->parts[k];
        int64_t objects = 0;
        for (size_t i = from.rows; i < to.rows; i++) {
            objects += (int64_t)r->rows[i].counted * times[r->rows[i].image];
        }
        ap[k] = ap50[k] = NAN;
        if (objects > 0) {
            weld_coco_measure_again(r->shots + from.shots, to.shots - from.shots, times, objects,
                                    &ap[k], &ap50[k]);
        }
        from = to;
    }
}
