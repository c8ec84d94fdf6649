/* Counting the records of images, and the figures of all; see coco.h. */
#include "tasks/detection/coco.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tasks/detection/coco_parts.h"

const char *const weld_coco_names[WELD_COCO_FIGURES] = {
    "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};

weld_status weld_coco_create(int classes, weld_coco **out, weld_error *err) {
    weld_coco *c = weld_alloc(1, sizeof *c);
    *out = NULL;
    if (!c) {
        return weld_fail_memory(err, "evaluation");
    }
    *c = (weld_coco){.classes = classes,
                     .objects = weld_alloc((size_t)classes, sizeof(coco_class)),
                     .by_class = weld_alloc((size_t)classes, sizeof(weld_coco_class)),
                     .ids = {.element = sizeof(int64_t)},
                     .rows = {.element = sizeof(coco_row)},
                     .hits = {.element = sizeof(coco_hit)},
                     .confusion = WELD_CONFUSION};
    if (!c->objects || !c->by_class) {
        weld_coco_free(c);
        return weld_fail_memory(err, "evaluation");
    }
    *out = c;
    return WELD_OK;
}

void weld_coco_free(weld_coco *c) {
    if (c) {
        weld_free(c->objects);
        weld_free(c->by_class);
        weld_array_free(&c->ids);
        weld_array_free(&c->rows);
        weld_array_free(&c->hits);
        weld_confusion_free(&c->confusion);
        weld_free(c);
    }
}

void weld_coco_clear(weld_coco *c) {
    c->images = 0;
    c->ids.count = c->rows.count = c->hits.count = 0;
    weld_confusion_clear(&c->confusion);
    memset(c->objects, 0, (size_t)c->classes * sizeof *c->objects);
}

/* --- Records --- */

static bool is_class(const weld_coco *c, int32_t index) {
    return index >= 0 && index < c->classes;
}

static weld_status is_no_record(weld_error *err) {
    return weld_fail(err, WELD_ERROR_FORMAT,
                     "evaluation: what was counted of an image is not of these classes");
}

static weld_status count_objects(weld_coco *c, const char *at, uint64_t count, weld_error *err) {
    for (uint64_t i = 0; i < count; i++, at += sizeof(coco_objects)) {
        coco_objects row;
        memcpy(&row, at, sizeof row);
        if (!is_class(c, row.class_index)) {
            return is_no_record(err);
        }
        const coco_row of_all = {(int32_t)c->images, row.class_index, row.counted[0]};
        if (!weld_array_append(&c->rows, &of_all, 1)) {
            return weld_fail_memory(err, "evaluation");
        }
        coco_class *to = &c->objects[row.class_index];
        to->own += row.own;
        for (int range = 0; range < COCO_RANGES; range++) {
            to->counted[range] += row.counted[range];
        }
    }
    return WELD_OK;
}

static weld_status count_hits(weld_coco *c, int64_t image, const char *at, uint64_t count,
                              weld_error *err) {
    const size_t before = c->hits.count;
    if (!weld_array_append(&c->hits, at, (size_t)count)) {
        return weld_fail_memory(err, "evaluation");
    }
    coco_hit *hits = (coco_hit *)c->hits.data + before;
    for (uint64_t i = 0; i < count; i++) {
        hits[i].image = image;
        if (!is_class(c, hits[i].class_index)) {
            c->hits.count = before;
            return is_no_record(err);
        }
    }
    return WELD_OK;
}

static weld_status count_pairs(weld_coco *c, const char *at, uint64_t count, weld_error *err) {
    for (uint64_t i = 0; i < count; i++, at += sizeof(coco_pair)) {
        coco_pair pair;
        memcpy(&pair, at, sizeof pair);
        if ((pair.truth != -1 && !is_class(c, pair.truth)) ||
            (pair.predicted != -1 && !is_class(c, pair.predicted))) {
            return is_no_record(err);
        }
        WELD_TRY(weld_confusion_count(&c->confusion, pair.truth < 0 ? c->classes : pair.truth,
                                      pair.predicted < 0 ? c->classes : pair.predicted, err));
    }
    return WELD_OK;
}

/* Takes the bytes of `count` elements of `size` off *left. */
static bool take(size_t *left, uint64_t count, size_t size) {
    if (count > *left / size) {
        return false;
    }
    *left -= (size_t)count * size;
    return true;
}

weld_status weld_coco_count(weld_coco *c, int64_t image, const void *record, size_t bytes,
                            weld_error *err) {
    coco_header header;
    size_t left = bytes - sizeof header;
    if (bytes < sizeof header) {
        return is_no_record(err);
    }
    memcpy(&header, record, sizeof header);
    if (!take(&left, header.objects, sizeof(coco_objects)) ||
        !take(&left, header.hits, sizeof(coco_hit)) ||
        !take(&left, header.pairs, sizeof(coco_pair)) || left) {
        return is_no_record(err);
    }
    const char *objects = (const char *)record + sizeof header;
    const char *hits = objects + header.objects * sizeof(coco_objects);
    WELD_TRY(count_objects(c, objects, header.objects, err));
    WELD_TRY(count_hits(c, image, hits, header.hits, err));
    WELD_TRY(count_pairs(c, hits + header.hits * sizeof(coco_hit), header.pairs, err));
    if (!weld_array_append(&c->ids, &image, 1)) {
        return weld_fail_memory(err, "evaluation");
    }
    c->images++;
    return WELD_OK;
}

/* --- Figures --- */

static int in_order(const void *a, const void *b) {
    const coco_hit *x = a, *y = b;
    if (x->class_index != y->class_index) {
        return x->class_index < y->class_index ? -1 : 1;
    }
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    if (x->image != y->image) {
        return x->image < y->image ? -1 : 1;
    }
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* A mean over those classes that have one. */
typedef struct mean {
    double sum;
    int64_t count;
} mean;

static void add(mean *m, bool counts, double value) {
    m->sum += counts ? value : 0;
    m->count += counts;
}

static double get(const mean *m) {
    return m->count ? m->sum / (double)m->count : NAN;
}

typedef struct means {
    mean figures[WELD_COCO_FIGURES], own[2][2], curve[WELD_COCO_POINTS];
} means;

static void add_class(means *m, const coco_class *objects, const coco_sums *s,
                      const weld_coco_class *c) {
    const bool any = objects->counted[0] > 0;
    const double of_all[] = {
        [WELD_COCO_AP] = s->ap[0], [WELD_COCO_AP50] = s->ap50, [WELD_COCO_AP75] = s->ap75,
        [WELD_COCO_AR1] = s->ar1,  [WELD_COCO_AR10] = s->ar10, [WELD_COCO_AR100] = s->ar[0]};
    for (int i = WELD_COCO_AP; i <= WELD_COCO_AR100; i++) {
        if (i < WELD_COCO_AP_SMALL || i > WELD_COCO_AP_LARGE) {
            add(&m->figures[i], any, of_all[i]);
        }
    }
    for (int r = 1; r < COCO_RANGES; r++) {
        add(&m->figures[WELD_COCO_AP_SMALL + r - 1], objects->counted[r] > 0, s->ap[r]);
        add(&m->figures[WELD_COCO_AR_SMALL + r - 1], objects->counted[r] > 0, s->ar[r]);
    }
    for (int i = 0; i < WELD_COCO_POINTS; i++) {
        add(&m->curve[i], any, c->curve[i]);
    }
}

static void add_own(means *m, coco_hits hits, int64_t objects) {
    for (int newer = 0; newer < 2; newer++) {
        const weld_coco_own own =
            objects > 0 ? weld_coco_own_precision(hits, objects, newer) : (weld_coco_own){0};
        add(&m->own[newer][0], objects > 0, own.map50);
        add(&m->own[newer][1], objects > 0, own.map);
    }
}

const weld_coco_result *weld_coco_finish(weld_coco *c) {
    const coco_hit *hits = c->hits.data;
    means m = {0};
    size_t from = 0;
    if (c->hits.count) {
        qsort(c->hits.data, c->hits.count, sizeof(coco_hit), in_order);
    }
    weld_confusion_finish(&c->confusion);
    for (int k = 0; k < c->classes; k++) {
        size_t to = from;
        while (to < c->hits.count && hits[to].class_index == k) {
            to++;
        }
        const coco_hits own = {hits + from, to - from};
        coco_sums sums;
        weld_coco_measure_class(own, &c->objects[k], &sums, &c->by_class[k]);
        add_class(&m, &c->objects[k], &sums, &c->by_class[k]);
        add_own(&m, own, c->objects[k].own);
        from = to;
    }
    c->result = (weld_coco_result){.images = c->images,
                                   .classes = c->classes,
                                   .by_class = c->by_class,
                                   .confusion = &c->confusion,
                                   .ultralytics_8_3 = {get(&m.own[0][0]), get(&m.own[0][1])},
                                   .ultralytics_8_4 = {get(&m.own[1][0]), get(&m.own[1][1])}};
    for (int i = 0; i < WELD_COCO_FIGURES; i++) {
        c->result.figures[i] = get(&m.figures[i]);
    }
    for (int i = 0; i < WELD_COCO_POINTS; i++) {
        c->result.curve[i] = get(&m.curve[i]);
    }
    return &c->result;
}
