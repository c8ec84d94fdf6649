/* Non-maximum suppression; see nms.h.
 *
 * A pair of an anchor and a class is a key of 64 bits, so made that keys rise in the order in which
 * pairs are to be looked at. Keys are gathered in a room for twice the candidates; when it is full
 * it is sorted and the lower half stays, so that any number of pairs takes linear time and little
 * memory. Suppression goes down the sorted keys and ends with the last box that may be kept: what
 * comes after cannot change what came before.
 */
#include "tasks/detection/nms.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

weld_nms_options weld_nms_for_evaluation(void) {
    return (weld_nms_options){.confidence = 0.001,
                              .iou = WELD_NMS_IOU,
                              .every_class = true,
                              .candidates = 30000,
                              .kept = WELD_NMS_KEPT};
}

weld_nms_options weld_nms_for_answers(void) {
    weld_nms_options o = weld_nms_for_evaluation();
    o.confidence = WELD_NMS_CONFIDENCE;
    o.every_class = false;
    return o;
}

/* --- The candidates --- */

/* Scores are above 0, and such floats are in the order of their bits. */
static uint64_t key_of(float score, uint64_t pair) {
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    return (uint64_t)(UINT32_MAX - bits) << 32 | pair;
}

static float score_of(uint64_t key) {
    const uint32_t bits = UINT32_MAX - (uint32_t)(key >> 32);
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

typedef struct candidates {
    uint64_t *keys, *other; /* [2 * most], the second to sort with */
    size_t count, most;
    uint64_t bound; /* keys from here on are not among the first */
} candidates;

/* Radix sort, byte by byte from the lowest; a byte that is the same in all keys is passed over. */
static void sort(candidates *c) {
    for (int shift = 0; shift < 64; shift += 8) {
        size_t start[256] = {0}, sum = 0;
        for (size_t i = 0; i < c->count; i++) {
            start[c->keys[i] >> shift & 255]++;
        }
        if (c->count && start[c->keys[0] >> shift & 255] == c->count) {
            continue;
        }
        for (int b = 0; b < 256; b++) {
            const size_t count = start[b];
            start[b] = sum;
            sum += count;
        }
        for (size_t i = 0; i < c->count; i++) {
            c->other[start[c->keys[i] >> shift & 255]++] = c->keys[i];
        }
        uint64_t *sorted = c->other;
        c->other = c->keys;
        c->keys = sorted;
    }
}

static void keep_first(candidates *c) {
    sort(c);
    if (c->count > c->most) {
        c->count = c->most;
        c->bound = c->keys[c->most - 1];
    }
}

static void add(candidates *c, uint64_t key) {
    if (key < c->bound) {
        if (c->count == 2 * c->most) {
            keep_first(c);
        }
        c->keys[c->count++] = key;
    }
}

/* The pairs of one anchor; false where a score is not finite. */
static bool add_anchor(candidates *c, const weld_nms_options *o, const float *scores,
                       uint64_t anchor, int64_t classes) {
    int64_t best = 0;
    bool finite = true;
    for (int64_t k = 0; k < classes; k++) {
        finite = finite && isfinite(scores[k]);
        if (o->every_class && (double)scores[k] > o->confidence) {
            add(c, key_of(scores[k], anchor * (uint64_t)classes + (uint64_t)k));
        }
        best = scores[k] > scores[best] ? k : best;
    }
    if (!o->every_class && (double)scores[best] > o->confidence) {
        add(c, key_of(scores[best], anchor * (uint64_t)classes + (uint64_t)best));
    }
    return finite;
}

/* --- Suppression --- */

static double area(const weld_detection *d) {
    return fmax((double)d->x2 - (double)d->x1, 0) * fmax((double)d->y2 - (double)d->y1, 0);
}

static bool covers(const weld_detection *a, const weld_detection *b, double iou) {
    const double width = (double)fminf(a->x2, b->x2) - (double)fmaxf(a->x1, b->x1);
    const double height = (double)fminf(a->y2, b->y2) - (double)fmaxf(a->y1, b->y1);
    if (!(width > 0 && height > 0)) {
        return false;
    }
    const double common = width * height;
    return common > iou * (area(a) + area(b) - common);
}

static weld_status suppress(const weld_nms_options *o, const candidates *c, const float *boxes,
                            uint64_t classes, weld_array *out, weld_error *err) {
    const size_t before = out->count;
    for (size_t i = 0; i < c->count && out->count - before < (size_t)o->kept; i++) {
        const uint64_t pair = c->keys[i] & UINT32_MAX;
        const float *b = boxes + pair / classes * 4;
        const weld_detection d = {
            b[0], b[1], b[2], b[3], score_of(c->keys[i]), (int32_t)(pair % classes)};
        if (!isfinite(b[0]) || !isfinite(b[1]) || !isfinite(b[2]) || !isfinite(b[3])) {
            return weld_fail(err, WELD_ERROR_NUMERIC, "a box is not finite");
        }
        const weld_detection *kept = (const weld_detection *)out->data + before;
        bool gone = false;
        for (size_t k = 0; k < out->count - before && !gone; k++) {
            gone = (o->agnostic || kept[k].class_index == d.class_index) &&
                   covers(&kept[k], &d, o->iou);
        }
        if (!gone && !weld_array_append(out, &d, 1)) {
            return weld_fail_memory(err, "detections");
        }
    }
    return WELD_OK;
}

weld_status weld_nms(const weld_nms_options *o, const float *boxes, const float *scores,
                     int64_t anchors, int64_t classes, weld_array *out, weld_error *err) {
    size_t pairs;
    if (!weld_mul_size((size_t)anchors, (size_t)classes, &pairs) || pairs > UINT32_MAX) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%lld boxes times %lld classes: at most 4294967295 are possible",
                         (long long)anchors, (long long)classes);
    }
    if (pairs == 0) {
        return WELD_OK;
    }
    size_t most = (size_t)o->candidates < pairs ? (size_t)o->candidates : pairs;
    uint64_t *memory = weld_alloc_raw(most, 4 * sizeof *memory);
    if (!memory) {
        return weld_fail_memory(err, "candidates");
    }
    candidates c = {.keys = memory, .other = memory + 2 * most, .most = most, .bound = UINT64_MAX};
    bool finite = true;
    for (int64_t a = 0; a < anchors; a++) {
        finite = add_anchor(&c, o, scores + a * classes, (uint64_t)a, classes) && finite;
    }
    keep_first(&c);
    weld_status status = finite ? suppress(o, &c, boxes, (uint64_t)classes, out, err)
                                : weld_fail(err, WELD_ERROR_NUMERIC, "a score is not finite");
    weld_free(memory);
    return status;
}

weld_status weld_nms_of_image(const weld_nms_options *options, const weld_tensor *outputs,
                              int64_t i, weld_array *out, weld_error *err) {
    const int64_t anchors = outputs[1].shape.dim[1], classes = outputs[1].shape.dim[2];
    return weld_nms(options, (const float *)outputs[0].data + i * anchors * 4,
                    (const float *)outputs[1].data + i * anchors * classes, anchors, classes, out,
                    err);
}
