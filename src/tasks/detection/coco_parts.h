/* What the files of the COCO evaluation share: how a record is laid out, and the tally. */
#ifndef WELD_TASKS_DETECTION_COCO_PARTS_H
#define WELD_TASKS_DETECTION_COCO_PARTS_H

#include "tasks/detection/coco.h"

enum {
    COCO_THRESHOLDS = 10,
    COCO_RANGES = 4,     /* all, small, medium, large */
    COCO_MOST = 100,     /* detections of an image and class */
    COCO_OWN_MOST = 300, /* those of an image that Ultralytics' figures and the confusion look at */
    COCO_OWN_COUNTED = 1 << 15
};

/* A detection after it was matched; sets of thresholds are bits. */
typedef struct coco_hit {
    double score;
    int64_t image;
    int32_t class_index;
    uint16_t rank; /* among those of its image and class; COCO counts those below COCO_MOST */
    uint16_t own;  /* right by Ultralytics' rule; COCO_OWN_COUNTED where it counts there */
    /* By range: an object was found; neither right nor wrong. */
    uint16_t found[COCO_RANGES], ignored[COCO_RANGES];
} coco_hit;

/* How many objects of a class an image has. */
typedef struct coco_objects {
    int32_t class_index;
    uint32_t own;                  /* for Ultralytics */
    uint32_t counted[COCO_RANGES]; /* not ignored */
} coco_objects;

/* One that is no class is -1. */
typedef struct coco_pair {
    int32_t truth, predicted;
} coco_pair;

/* A record: this, then so many of each, without gaps. */
typedef struct coco_header {
    uint64_t objects, hits, pairs;
} coco_header;

typedef struct coco_class {
    int64_t counted[COCO_RANGES], own;
} coco_class;

struct weld_coco {
    int classes;
    int64_t images;
    coco_class *objects;       /* [classes] */
    weld_coco_class *by_class; /* [classes], the result's */
    weld_array ids;            /* int64_t, images' numbers as they were counted */
    weld_array rows;           /* coco_row */
    weld_array hits;           /* coco_hit */
    weld_confusion confusion;
    weld_coco_result result;
};

/* NumPy's linspace(0.5, 0.95, 10), whose [8] is a little below 0.9. */
static inline double coco_threshold(int i) {
    return i == COCO_THRESHOLDS - 1 ? 0.95 : 0.5 + i * ((0.95 - 0.5) / 9);
}

/* Is it one that is to be found? */
static inline bool coco_is_object(const weld_box *b) {
    return !(b->flags & (WELD_BOX_CROWD | WELD_BOX_IGNORE));
}

/* Against a crowd the share of the detection that lies in it. */
static inline double coco_iou(const weld_found_box *d, const weld_box *g) {
    const double w = weld_box_shared(d->x, d->width, g->x, g->width);
    const double h = weld_box_shared(d->y, d->height, g->y, g->height);
    if (w <= 0 || h <= 0) {
        return 0;
    }
    const double common = w * h, area = d->width * d->height;
    return common / (g->flags & WELD_BOX_CROWD ? area : area + g->width * g->height - common);
}

/* Append the pairs of what is taken for what in an image. by_score[0..count) are indices of found,
 * by falling score. */
weld_status weld_coco_confuse(const weld_box *truth, int64_t truths, const weld_found_box *found,
                              const int64_t *by_score, int64_t count, weld_array *pairs,
                              weld_error *err);

/* Objects of a class in an image, of all areas; images in the order in which they were counted. */
typedef struct coco_row {
    int32_t image, class_index;
    uint32_t counted;
} coco_row;

/* Of a hit what COCO's rules need, of all areas. */
typedef struct coco_shot {
    int32_t image;
    uint16_t found, ignored;
} coco_shot;

/* AP and AP50 of the sorted shots of a class, each as many times as its image counts. */
void weld_coco_measure_again(const coco_shot *shots, size_t count, const int32_t *times,
                             int64_t objects, double *ap, double *ap50);

/* The hits of one class, sorted. */
typedef struct coco_hits {
    const coco_hit *first;
    size_t count;
} coco_hits;

/* What comes of a class by COCO's rules: AP by range, or at IoU 0.5 and 0.75, of all its objects;
 * recall by how many detections of an image count, and by range. */
typedef struct coco_sums {
    double ap[COCO_RANGES], ap50, ap75, ar1, ar10, ar[COCO_RANGES];
} coco_sums;
void weld_coco_measure_class(coco_hits hits, const coco_class *objects, coco_sums *sums,
                             weld_coco_class *out);

/* The same by Ultralytics' rules. */
weld_coco_own weld_coco_own_precision(coco_hits hits, int64_t objects, bool newer);

#endif
