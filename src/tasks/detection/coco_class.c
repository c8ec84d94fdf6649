/* Precision and recall of one class; see coco.h.
 *
 * COCO makes precision non-increasing from the right and reads it at 101 values of recall, where
 * recall first reaches them. Only detections that are right raise recall, and precision is highest
 * there: so it is enough to keep, for each of the 101, the best precision among those that are the
 * first to reach it and not yet the next, and to take at the end the best from the right.
 */
#include <float.h>
#include <math.h>

#include "tasks/detection/coco_parts.h"

/* NumPy's linspace(0, 1, 101). */
static double recall_point(int i) {
    return i * 0.01;
}

/* How many objects must be found to reach each recall. */
static void find_needed(int64_t objects, int64_t needed[WELD_COCO_POINTS]) {
    int64_t k = 0;
    for (int i = 0; i < WELD_COCO_POINTS; i++) {
        while (k < objects && (double)k / (double)objects < recall_point(i)) {
            k++;
        }
        needed[i] = k;
    }
}

/* Of one threshold. */
typedef struct curve {
    int64_t right, wrong;
    int point; /* the last whose need is met */
    double best[WELD_COCO_POINTS];
} curve;

/* wrong: how many come before it. */
static void count_right(curve *c, int64_t wrong, const int64_t needed[WELD_COCO_POINTS]) {
    c->right++;
    while (c->point + 1 < WELD_COCO_POINTS && needed[c->point + 1] <= c->right) {
        c->point++;
    }
    /* pycocotools adds NumPy's spacing(1) to keep from dividing by zero. */
    const double precision = (double)c->right / ((double)(wrong + c->right) + DBL_EPSILON);
    c->best[c->point] = fmax(c->best[c->point], precision);
}

/* The best from the right; returns the sum. */
static double finish_curve(curve *c) {
    double sum = 0;
    for (int i = WELD_COCO_POINTS - 2; i >= 0; i--) {
        c->best[i] = fmax(c->best[i], c->best[i + 1]);
    }
    for (int i = 0; i < WELD_COCO_POINTS; i++) {
        sum += c->best[i];
    }
    return sum;
}

/* Those of one range of areas. */
static void measure_range(coco_hits hits, int range, int64_t objects,
                          curve curves[COCO_THRESHOLDS]) {
    int64_t needed[WELD_COCO_POINTS];
    find_needed(objects, needed);
    for (int t = 0; t < COCO_THRESHOLDS; t++) {
        curves[t] = (curve){.point = 0};
    }
    for (size_t i = 0; i < hits.count; i++) {
        const coco_hit *h = &hits.first[i];
        for (int t = 0; h->rank < COCO_MOST && t < COCO_THRESHOLDS; t++) {
            if (h->found[range] >> t & 1) {
                count_right(&curves[t], curves[t].wrong, needed);
            } else {
                curves[t].wrong += !(h->ignored[range] >> t & 1);
            }
        }
    }
}

/* Mean recall over the thresholds, of the first `most` detections of each image. */
static double mean_recall(coco_hits hits, int most, int64_t objects) {
    double sum = 0;
    for (int t = 0; t < COCO_THRESHOLDS; t++) {
        int64_t right = 0;
        for (size_t i = 0; i < hits.count; i++) {
            right += hits.first[i].rank < most && (hits.first[i].found[0] >> t & 1);
        }
        sum += (double)right / (double)objects;
    }
    return sum / COCO_THRESHOLDS;
}

/* What to ask for so that of detections those of `score` and above are told, which must be above
 * it, and those of the next lower score are not: of the numbers in [next, score) the one of the
 * fewest decimals, from three on, that is nearest to the score. NAN where that would be below 0,
 * which cannot be asked for. */
static double confidence_between(double next, double score) {
    for (double unit = 1e3; unit < 1e17; unit *= 10) {
        const double asked = (ceil(score * unit) - 1) / unit;
        if (asked >= next && asked < score) {
            return asked >= 0 ? asked : NAN;
        }
    }
    return score > 0 ? nextafter(score, 0) : NAN;
}

/* Asking for a confidence takes all detections above it: of equal ones only the last is a place to
 * stop. */
static void find_best_f1(coco_hits hits, int64_t objects, weld_coco_class *out) {
    int64_t right = 0, wrong = 0;
    for (size_t i = 0; i < hits.count; i++) {
        const coco_hit *h = &hits.first[i];
        const bool last = i + 1 == hits.count || hits.first[i + 1].score != h->score;
        if (h->rank < COCO_MOST) {
            right += h->found[0] & 1;
            wrong += !((h->found[0] | h->ignored[0]) & 1);
            out->found++;
        }
        const double f1 = 2 * (double)right / (double)(right + wrong + objects);
        if (last && right > 0 && !(f1 <= out->best_f1)) {
            out->best_f1 = f1;
            out->confidence = confidence_between(
                i + 1 < hits.count ? hits.first[i + 1].score : -INFINITY, h->score);
            out->precision = (double)right / (double)(right + wrong);
            out->recall = (double)right / (double)objects;
        }
    }
}

/* The sums of one range that has objects; the curves stay. */
static void sum_range(coco_hits hits, int range, int64_t objects, curve curves[COCO_THRESHOLDS],
                      coco_sums *sums) {
    double precision = 0, recall = 0;
    measure_range(hits, range, objects, curves);
    for (int t = 0; t < COCO_THRESHOLDS; t++) {
        const double of_one = finish_curve(&curves[t]);
        precision += of_one;
        recall += (double)curves[t].right / (double)objects;
        sums->ap50 = t == 0 ? of_one / WELD_COCO_POINTS : sums->ap50;
        sums->ap75 = t == 5 ? of_one / WELD_COCO_POINTS : sums->ap75;
    }
    sums->ap[range] = precision / (COCO_THRESHOLDS * WELD_COCO_POINTS);
    sums->ar[range] = recall / COCO_THRESHOLDS;
}

void weld_coco_measure_class(coco_hits hits, const coco_class *objects, coco_sums *sums,
                             weld_coco_class *out) {
    curve curves[COCO_THRESHOLDS];
    const bool any = objects->counted[0] > 0;
    *sums = (coco_sums){0};
    *out = (weld_coco_class){.objects = objects->counted[0],
                             .ap = NAN,
                             .ap50 = NAN,
                             .ap75 = NAN,
                             .ar100 = NAN,
                             .best_f1 = NAN,
                             .confidence = NAN,
                             .precision = NAN,
                             .recall = NAN};
    find_best_f1(hits, objects->counted[0], out);
    for (int range = COCO_RANGES - 1; range >= 0; range--) { /* that of all last */
        if (objects->counted[range] > 0) {
            sum_range(hits, range, objects->counted[range], curves, sums);
        }
    }
    if (any) {
        sums->ar1 = mean_recall(hits, 1, objects->counted[0]);
        sums->ar10 = mean_recall(hits, 10, objects->counted[0]);
        out->ap = sums->ap[0];
        out->ap50 = sums->ap50;
        out->ap75 = sums->ap75;
        out->ar100 = sums->ar[0];
    }
    for (int i = 0; i < WELD_COCO_POINTS; i++) {
        out->curve[i] = any ? curves[0].best[i] : NAN;
    }
}

/* Most are wrong at every threshold, and are counted for all of them. */
void weld_coco_measure_again(const coco_shot *shots, size_t count, const int32_t *times,
                             int64_t objects, double *ap, double *ap50) {
    int64_t needed[WELD_COCO_POINTS], wrong = 0;
    curve curves[COCO_THRESHOLDS];
    double precision = 0;
    find_needed(objects, needed);
    for (int t = 0; t < COCO_THRESHOLDS; t++) {
        curves[t] = (curve){.point = 0};
    }
    for (size_t i = 0; i < count; i++) {
        const coco_shot *s = &shots[i];
        const int32_t n = times[s->image];
        if (!(s->found | s->ignored)) {
            wrong += n;
            continue;
        }
        for (int t = 0; t < COCO_THRESHOLDS; t++) {
            curve *c = &curves[t];
            const bool right = s->found >> t & 1;
            for (int32_t k = 0; right && k < n; k++) {
                count_right(c, c->wrong + wrong, needed);
            }
            c->wrong += right || (s->ignored >> t & 1) ? 0 : n;
        }
    }
    for (int t = 0; t < COCO_THRESHOLDS; t++) {
        const double of_one = finish_curve(&curves[t]);
        precision += of_one;
        *ap50 = t == 0 ? of_one / WELD_COCO_POINTS : *ap50;
    }
    *ap = precision / (COCO_THRESHOLDS * WELD_COCO_POINTS);
}
