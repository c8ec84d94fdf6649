/* Measuring one image: which detections find an object, for each IoU and range of areas; see
 * coco.h.
 *
 * As COCO has it: of a class, detections go by score, and each takes the object of the largest IoU
 * that is free, of equal ones the later. One that is ignored (a crowd, or an area out of the range)
 * is only taken where no other can be; a crowd, or what is difficult, can be taken any number of
 * times, and the IoU of a crowd is the share of the detection that lies in it.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tasks/detection/coco_parts.h"

/* Areas, both ends included. */
static const double ranges[COCO_RANGES][2] = {{0, WELD_BOX_LARGEST},
                                              {0, WELD_BOX_SMALL},
                                              {WELD_BOX_SMALL, WELD_BOX_MEDIUM},
                                              {WELD_BOX_MEDIUM, WELD_BOX_LARGEST}};

/* An object or detection in the order of its class, detections by falling score. */
typedef struct place {
    double score;
    int64_t index;
    int32_t class_index;
    uint16_t own; /* of an object: taken by Ultralytics' rule; of a detection: it counts there */
    uint16_t ignored; /* of an object: bits of ranges */
    uint64_t taken;   /* of an object: bit range * COCO_THRESHOLDS + threshold */
} place;

typedef struct candidate {
    double iou;
    place *object;
} candidate;

typedef struct scene {
    const weld_box *truth;
    const weld_found_box *found;
    place *objects, *detections; /* by class */
    int64_t object_count, detection_count;
    int64_t *by_score;     /* detections */
    candidate *candidates; /* room for all objects */
    weld_array rows, hits, pairs;
} scene;

static int by_class(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->class_index != y->class_index) {
        return x->class_index < y->class_index ? -1 : 1;
    }
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

static int by_score(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

static bool is_outside(double area, int range) {
    return area < ranges[range][0] || area > ranges[range][1];
}

/* --- COCO --- */

/* Objects that reach the least threshold; others cannot be found. */
static int64_t find_candidates(const scene *s, const weld_found_box *d, place *objects,
                               int64_t count) {
    int64_t candidates = 0;
    for (int64_t i = 0; i < count; i++) {
        const double iou = coco_iou(d, &s->truth[objects[i].index]);
        if (iou >= coco_threshold(0)) {
            s->candidates[candidates++] = (candidate){iou, &objects[i]};
        }
    }
    return candidates;
}

/* The best that is free at one threshold and range (`bit`), of those that are ignored or not. */
static place *best_of(const scene *s, int64_t candidates, int range, bool ignored, uint64_t bit,
                      double least) {
    place *best = NULL;
    for (int64_t i = 0; i < candidates; i++) {
        const candidate *c = &s->candidates[i];
        const bool free = !(c->object->taken & bit) || !coco_is_object(&s->truth[c->object->index]);
        if ((c->object->ignored >> range & 1) == ignored && free && c->iou >= least) {
            least = c->iou;
            best = c->object;
        }
    }
    return best;
}

/* At all thresholds of one range. */
static void match(const scene *s, int64_t candidates, int range, bool outside, coco_hit *hit) {
    unsigned found = 0, ignored = 0;
    for (int t = 0; t < COCO_THRESHOLDS; t++) {
        const uint64_t bit = (uint64_t)1 << (range * COCO_THRESHOLDS + t);
        const double least = coco_threshold(t); /* all are below pycocotools' 1 - 1e-10 */
        place *own = best_of(s, candidates, range, false, bit, least);
        place *other = own ? NULL : best_of(s, candidates, range, true, bit, least);
        if (own || other) {
            (own ? own : other)->taken |= bit;
        }
        found |= own ? 1u << t : 0;
        ignored |= other || (!own && outside) ? 1u << t : 0;
    }
    hit->found[range] = (uint16_t)found;
    hit->ignored[range] = (uint16_t)ignored;
}

static void match_all(const scene *s, const weld_found_box *d, place *objects, int64_t count,
                      coco_hit *hit) {
    const int64_t candidates = find_candidates(s, d, objects, count);
    for (int range = 0; range < COCO_RANGES; range++) {
        const bool outside = is_outside(d->width * d->height, range);
        if (candidates) {
            match(s, candidates, range, outside, hit);
        } else {
            hit->ignored[range] = outside ? (1 << COCO_THRESHOLDS) - 1 : 0;
        }
    }
}

/* --- Ultralytics: a detection goes with the one object that it overlaps most, in float --- */

static float float_iou(const weld_found_box *d, const weld_box *g) {
    const float dx = (float)d->x, dy = (float)d->y, dr = (float)(d->x + d->width),
                db = (float)(d->y + d->height);
    const float gx = (float)g->x, gy = (float)g->y, gr = (float)(g->x + g->width),
                gb = (float)(g->y + g->height);
    const float w = fmaxf(fminf(dr, gr) - fmaxf(dx, gx), 0);
    const float h = fmaxf(fminf(db, gb) - fmaxf(dy, gy), 0);
    const float common = w * h;
    return common / ((gr - gx) * (gb - gy) + (dr - dx) * (db - dy) - common + 1e-7f);
}

static void match_own(const scene *s, const weld_found_box *d, place *objects, int64_t count,
                      coco_hit *hit) {
    float best = 0;
    place *object = NULL;
    for (int64_t i = 0; i < count; i++) {
        const float iou = coco_is_object(&s->truth[objects[i].index])
                              ? float_iou(d, &s->truth[objects[i].index])
                              : -1;
        if (iou >= best) {
            best = iou;
            object = &objects[i];
        }
    }
    hit->own = COCO_OWN_COUNTED;
    for (int t = 0; object && t < COCO_THRESHOLDS; t++) {
        if (best >= (float)coco_threshold(t) && !(object->own >> t & 1)) {
            object->own = (uint16_t)(object->own | 1 << t);
            hit->own = (uint16_t)(hit->own | 1 << t);
        }
    }
}

/* --- All of an image --- */

static bool count_objects(scene *s, place *objects, int64_t count) {
    coco_objects row = {.class_index = objects->class_index};
    for (int64_t i = 0; i < count; i++) {
        const weld_box *g = &s->truth[objects[i].index];
        row.own += coco_is_object(g);
        for (int range = 0; range < COCO_RANGES; range++) {
            const bool ignored = !coco_is_object(g) || is_outside(g->area, range);
            objects[i].ignored = (uint16_t)(objects[i].ignored | ignored << range);
            row.counted[range] += !ignored;
        }
    }
    return weld_array_append(&s->rows, &row, 1);
}

/* Objects and detections of one class. */
static bool measure_class(scene *s, place *objects, int64_t object_count, const place *detections,
                          int64_t detection_count) {
    bool ok = object_count == 0 || count_objects(s, objects, object_count);
    for (int64_t i = 0; ok && i < detection_count; i++) {
        const weld_found_box *d = &s->found[detections[i].index];
        coco_hit hit = {.score = d->score, .class_index = d->class_index};
        hit.rank = (uint16_t)i; /* of those that are kept below COCO_OWN_MOST */
        if (i < COCO_MOST) {
            match_all(s, d, objects, object_count, &hit);
        }
        if (detections[i].own) {
            match_own(s, d, objects, object_count, &hit);
        }
        if (i < COCO_MOST || detections[i].own) {
            ok = weld_array_append(&s->hits, &hit, 1);
        }
    }
    return ok;
}

static int64_t class_end(const place *places, int64_t from, int64_t count, int32_t class_index) {
    while (from < count && places[from].class_index == class_index) {
        from++;
    }
    return from;
}

static bool measure_classes(scene *s) {
    int64_t o = 0, d = 0;
    while (o < s->object_count || d < s->detection_count) {
        const bool objects_next =
            d == s->detection_count ||
            (o < s->object_count && s->objects[o].class_index < s->detections[d].class_index);
        const int32_t class_index =
            objects_next ? s->objects[o].class_index : s->detections[d].class_index;
        const int64_t o_end = class_end(s->objects, o, s->object_count, class_index);
        const int64_t d_end = class_end(s->detections, d, s->detection_count, class_index);
        if (!measure_class(s, s->objects + o, o_end - o, s->detections + d, d_end - d)) {
            return false;
        }
        o = o_end;
        d = d_end;
    }
    return true;
}

static weld_status check(const weld_found_box *found, int64_t count, weld_error *err) {
    for (int64_t i = 0; i < count; i++) {
        const weld_found_box *d = &found[i];
        if (!isfinite(d->x) || !isfinite(d->y) || !isfinite(d->width) || !isfinite(d->height) ||
            !isfinite(d->score)) {
            return weld_fail(err, WELD_ERROR_NUMERIC, "a detection is not finite");
        }
    }
    return WELD_OK;
}

/* In order, by score and by class. */
static void sort_places(scene *s) {
    for (int64_t i = 0; i < s->object_count; i++) {
        s->objects[i] = (place){.index = i, .class_index = s->truth[i].class_index};
    }
    for (int64_t i = 0; i < s->detection_count; i++) {
        s->detections[i] =
            (place){.score = s->found[i].score, .index = i, .class_index = s->found[i].class_index};
    }
    qsort(s->objects, (size_t)s->object_count, sizeof *s->objects, by_class);
    qsort(s->detections, (size_t)s->detection_count, sizeof *s->detections, by_score);
    for (int64_t i = 0; i < s->detection_count; i++) {
        s->by_score[i] = s->detections[i].index;
        s->detections[i].own = i < COCO_OWN_MOST;
    }
    qsort(s->detections, (size_t)s->detection_count, sizeof *s->detections, by_class);
}

static weld_status write_record(const scene *s, weld_array *record, weld_error *err) {
    const coco_header header = {s->rows.count, s->hits.count, s->pairs.count};
    const bool ok = weld_array_append(record, &header, sizeof header) &&
                    weld_array_append(record, s->rows.data, s->rows.count * sizeof(coco_objects)) &&
                    weld_array_append(record, s->hits.data, s->hits.count * sizeof(coco_hit)) &&
                    weld_array_append(record, s->pairs.data, s->pairs.count * sizeof(coco_pair));
    return ok ? WELD_OK : weld_fail_memory(err, "evaluation");
}

static weld_status measure(scene *s, weld_array *record, weld_error *err) {
    const int64_t most = s->detection_count < COCO_OWN_MOST ? s->detection_count : COCO_OWN_MOST;
    sort_places(s);
    if (!measure_classes(s)) {
        return weld_fail_memory(err, "evaluation");
    }
    WELD_TRY(
        weld_coco_confuse(s->truth, s->object_count, s->found, s->by_score, most, &s->pairs, err));
    return write_record(s, record, err);
}

weld_status weld_coco_measure(const weld_box *truth, int64_t truths, const weld_found_box *found,
                              int64_t count, weld_array *record, weld_error *err) {
    WELD_TRY(check(found, count, err));
    scene s = {.truth = truth,
               .found = found,
               .object_count = truths,
               .detection_count = count,
               .objects = weld_alloc((size_t)truths, sizeof(place)),
               .detections = weld_alloc((size_t)count, sizeof(place)),
               .by_score = weld_alloc((size_t)count, sizeof(int64_t)),
               .candidates = weld_alloc((size_t)truths, sizeof(candidate)),
               .rows = {.element = sizeof(coco_objects)},
               .hits = {.element = sizeof(coco_hit)},
               .pairs = {.element = sizeof(coco_pair)}};
    weld_status status = s.objects && s.detections && s.by_score && s.candidates
                             ? measure(&s, record, err)
                             : weld_fail_memory(err, "evaluation");
    weld_free(s.objects);
    weld_free(s.detections);
    weld_free(s.by_score);
    weld_free(s.candidates);
    weld_array_free(&s.rows);
    weld_array_free(&s.hits);
    weld_array_free(&s.pairs);
    return status;
}
