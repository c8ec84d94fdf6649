/* Ultralytics' average precision of one class; see weld_coco_own.
 *
 * Precision is made non-increasing from the right, taken for straight lines between detections, and
 * its integral taken over 101 points of recall. Before the detections there is the point (0, 1),
 * behind them, up to 8.3, (1, 0), to which a line leads from wherever recall ended; from 8.4 on
 * precision falls to 0 there. At a point of recall x, the line is that from the last detection
 * whose recall is not above x to the next, which is right.
 */
#include <math.h>

#include "tasks/detection/coco_parts.h"

/* Of one threshold, as it is gone through by falling score. */
typedef struct line {
    int64_t right, seen;
    double
        before[WELD_COCO_POINTS]; /* precision at the last detection that is not beyond a point */
    double behind[WELD_COCO_POINTS]; /* the best of the right ones that are beyond it, and then, of
                                      * those beyond it and not beyond the next */
    int point;                       /* the first whose last detection is still to come */
    int beyond;                      /* the last that the next right one is beyond; -1: none */
} line;

static double recall_point(int i) {
    return i == WELD_COCO_POINTS - 1 ? 1 : i * 0.01;
}

/* How many right ones are not beyond each point. */
static void find_reached(int64_t objects, int64_t reached[WELD_COCO_POINTS]) {
    int64_t k = 0;
    for (int i = 0; i < WELD_COCO_POINTS; i++) {
        while (k < objects && (double)(k + 1) / (double)objects <= recall_point(i)) {
            k++;
        }
        reached[i] = k;
    }
}

static double precision_of(const line *l) {
    return l->seen ? (double)l->right / (double)l->seen : 1;
}

static void count_own(line *l, bool right, const int64_t reached[WELD_COCO_POINTS]) {
    if (right) {
        for (; l->point < WELD_COCO_POINTS && reached[l->point] == l->right; l->point++) {
            l->before[l->point] = precision_of(l);
        }
        l->right++;
        while (l->beyond + 1 < WELD_COCO_POINTS && reached[l->beyond + 1] < l->right) {
            l->beyond++;
        }
    }
    l->seen++;
    if (right) {
        l->behind[l->beyond] = fmax(l->behind[l->beyond], precision_of(l));
    }
}

/* Precision at a point, by what is before and behind it. */
static double precision_at(const line *l, int i, const int64_t reached[WELD_COCO_POINTS],
                           int64_t objects, bool newer) {
    const double x = recall_point(i);
    const bool last = reached[i] >= l->right; /* no right one is beyond it */
    const double from = (double)(last ? l->right : reached[i]) / (double)objects;
    const double to = last ? 1 : (double)(reached[i] + 1) / (double)objects;
    if (last && (newer || x >= 1)) {
        return 0;
    }
    const double before = fmax(l->before[i], l->behind[i]), behind = last ? 0 : l->behind[i];
    return (behind - before) / (to - from) * (x - from) + before;
}

static double finish_line(line *l, const int64_t reached[WELD_COCO_POINTS], int64_t objects,
                          bool newer) {
    double sum = 0, previous = 0;
    for (; l->point < WELD_COCO_POINTS; l->point++) {
        l->before[l->point] = precision_of(l);
    }
    for (int i = WELD_COCO_POINTS - 1; i >= 0; i--) {
        if (i + 1 < WELD_COCO_POINTS) {
            l->behind[i] = fmax(l->behind[i], l->behind[i + 1]);
        }
        const double precision = precision_at(l, i, reached, objects, newer);
        if (i + 1 < WELD_COCO_POINTS) {
            sum += (recall_point(i + 1) - recall_point(i)) * (precision + previous) / 2;
        }
        previous = precision;
    }
    return sum;
}

weld_coco_own weld_coco_own_precision(coco_hits hits, int64_t objects, bool newer) {
    int64_t reached[WELD_COCO_POINTS];
    weld_coco_own own = {0};
    find_reached(objects, reached);
    for (int t = 0; t < COCO_THRESHOLDS; t++) {
        line l = {.beyond = -1};
        for (size_t i = 0; i < hits.count; i++) {
            if (hits.first[i].own & COCO_OWN_COUNTED) {
                count_own(&l, hits.first[i].own >> t & 1, reached);
            }
        }
        const double ap = l.seen ? finish_line(&l, reached, objects, newer) : 0;
        own.map50 = t == 0 ? ap : own.map50;
        own.map += ap;
    }
    own.map /= COCO_THRESHOLDS;
    return own;
}
