/* What is taken for what in one image; see coco.h. */
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "tasks/detection/coco_parts.h"

const double weld_coco_confusion_confidence = 0.25, weld_coco_confusion_iou = 0.45;

/* A detection and an object that it may belong to. */
typedef struct overlap {
    double iou;
    int64_t rank, object;
} overlap;

static int larger_first(const void *a, const void *b) {
    const overlap *x = a, *y = b;
    if (x->iou != y->iou) {
        return x->iou > y->iou ? -1 : 1;
    }
    if (x->rank != y->rank) {
        return x->rank < y->rank ? -1 : 1;
    }
    return (x->object > y->object) - (x->object < y->object);
}

enum { FREE, EXCUSED, TAKEN };

/* Overlaps of detection by_score[rank]. */
static bool add_overlaps(const weld_box *truth, int64_t truths, const weld_found_box *d,
                         int64_t rank, char *state, weld_array *overlaps) {
    bool ok = true;
    for (int64_t g = 0; ok && g < truths; g++) {
        const overlap o = {coco_iou(d, &truth[g]), rank, g};
        if (!(o.iou > weld_coco_confusion_iou)) {
            continue;
        }
        if (coco_is_object(&truth[g])) {
            ok = weld_array_append(overlaps, &o, 1);
        } else {
            *state = EXCUSED;
        }
    }
    return ok;
}

static bool add_pairs(const weld_box *truth, int64_t truths, const weld_found_box *found,
                      const int64_t *by_score, int64_t count, const weld_array *overlaps,
                      char *detections, char *objects, weld_array *pairs) {
    bool ok = true;
    for (size_t i = 0; ok && i < overlaps->count; i++) {
        const overlap *o = (const overlap *)overlaps->data + i;
        if (detections[o->rank] != TAKEN && objects[o->object] != TAKEN) {
            detections[o->rank] = objects[o->object] = TAKEN;
            const coco_pair pair = {truth[o->object].class_index,
                                    found[by_score[o->rank]].class_index};
            ok = weld_array_append(pairs, &pair, 1);
        }
    }
    for (int64_t g = 0; ok && g < truths; g++) {
        if (objects[g] == FREE && coco_is_object(&truth[g])) {
            ok = weld_array_append(pairs, &(coco_pair){truth[g].class_index, -1}, 1);
        }
    }
    for (int64_t d = 0; ok && d < count; d++) {
        if (detections[d] == FREE) {
            ok = weld_array_append(pairs, &(coco_pair){-1, found[by_score[d]].class_index}, 1);
        }
    }
    return ok;
}

weld_status weld_coco_confuse(const weld_box *truth, int64_t truths, const weld_found_box *found,
                              const int64_t *by_score, int64_t count, weld_array *pairs,
                              weld_error *err) {
    int64_t sure = 0;
    while (sure < count && found[by_score[sure]].score > weld_coco_confusion_confidence) {
        sure++;
    }
    char *detections = weld_alloc((size_t)sure, 1), *objects = weld_alloc((size_t)truths, 1);
    weld_array overlaps = {.element = sizeof(overlap)};
    bool ok = detections && objects;
    for (int64_t d = 0; ok && d < sure; d++) {
        ok = add_overlaps(truth, truths, &found[by_score[d]], d, &detections[d], &overlaps);
    }
    if (overlaps.count) {
        qsort(overlaps.data, overlaps.count, sizeof(overlap), larger_first);
    }
    ok = ok &&
         add_pairs(truth, truths, found, by_score, sure, &overlaps, detections, objects, pairs);
    weld_array_free(&overlaps);
    weld_free(detections);
    weld_free(objects);
    return ok ? WELD_OK : weld_fail_memory(err, "evaluation");
}
