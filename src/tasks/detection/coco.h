/* The COCO evaluation, as pycocotools' cocoeval.py defines it, to the rounding of sums.
 *
 * Each image is measured by itself, which makes a record of bytes; records are counted, in any
 * order and wherever they were made, and at the end come to figures. Memory is in proportion to
 * the detections: 40 bytes for each, of which an image keeps at most 100 a class (and the 300 of
 * the highest scores), with 8 bytes for each image and 12 for each of its classes.
 *
 * Beyond the twelve figures: those of each class, curves of precision over recall, the confidence
 * of the best F1, what is taken for what, and the means that Ultralytics' program calls mAP, which
 * are other numbers.
 */
#ifndef WELD_TASKS_DETECTION_COCO_H
#define WELD_TASKS_DETECTION_COCO_H

#include "base/array.h"
#include "datasets/boxes.h"
#include "tasks/confusion.h"
#include "tasks/detection/detections.h"
#include "weld/status.h"

/* Average precision and average recall: AP over IoU 0.5 to 0.95, AP50 and AP75 at one, for small,
 * medium and large objects (area up to 32^2, up to 96^2, above), AR of the 1, 10 or 100 detections
 * of the highest scores an image and class. In 0..1; NAN where there are no such objects. */
enum {
    WELD_COCO_AP,
    WELD_COCO_AP50,
    WELD_COCO_AP75,
    WELD_COCO_AP_SMALL,
    WELD_COCO_AP_MEDIUM,
    WELD_COCO_AP_LARGE,
    WELD_COCO_AR1,
    WELD_COCO_AR10,
    WELD_COCO_AR100,
    WELD_COCO_AR_SMALL,
    WELD_COCO_AR_MEDIUM,
    WELD_COCO_AR_LARGE,
    WELD_COCO_FIGURES
};
/* "AP", "AP50", "AP75", "APs", ... */
extern const char *const weld_coco_names[WELD_COCO_FIGURES];

enum { WELD_COCO_POINTS = 101 }; /* of a curve: recall 0, 0.01, ... 1 */

/* What came of one class. Without objects all is NAN, and what was found of it counts nowhere. */
typedef struct weld_coco_class {
    int64_t objects; /* that are to be found: neither crowd nor ignored */
    int64_t found;   /* detections, at most 100 an image */
    double ap, ap50, ap75, ar100;
    /* At IoU 0.5: where 2 PR / (P + R) is largest, the confidence to ask for (what is above it
     * counts: a number of few decimals between two scores), and P and R there. NAN: nothing right
     * was found. */
    double best_f1, confidence, precision, recall;
    double curve[WELD_COCO_POINTS]; /* precision at IoU 0.5 by recall */
} weld_coco_class;

/* What is taken for what: a detection above this confidence belongs to the object of the largest
 * IoU above this one, each to one, the largest IoU first. The number of classes stands for no
 * object ("false") or no detection ("missed"); crowds and ignored objects are in no cell, nor are
 * detections that lie on them and belong to no other. */
extern const double weld_coco_confusion_confidence, weld_coco_confusion_iou;

/* Ultralytics' means, AP50 and AP50-95, as its versions up to 8.3 and from 8.4 on compute them. */
typedef struct weld_coco_own {
    double map50, map;
} weld_coco_own;

typedef struct weld_coco_result {
    double figures[WELD_COCO_FIGURES];
    weld_coco_own ultralytics_8_3, ultralytics_8_4;
    double curve[WELD_COCO_POINTS]; /* mean over the classes that have objects */
    int64_t images;
    int classes;
    const weld_coco_class *by_class; /* [classes] */
    const weld_confusion *confusion;
} weld_coco_result;

typedef struct weld_coco weld_coco;

/* Errors: memory. */
weld_status weld_coco_create(int classes, weld_coco **out, weld_error *err);
void weld_coco_free(weld_coco *c);  /* accepts NULL */
void weld_coco_clear(weld_coco *c); /* begin anew */

/* Append to *record, an array of bytes, what counting needs of an image. WELD_ERROR_NUMERIC: a
 * detection is not finite. */
weld_status weld_coco_measure(const weld_box *truth, int64_t truths, const weld_found_box *found,
                              int64_t count, weld_array *record, weld_error *err);
/* Detections of equal scores go by `image`, COCO's number of it, which no other may have. An error
 * where a record is none, or is of more classes. */
weld_status weld_coco_count(weld_coco *c, int64_t image, const void *record, size_t bytes,
                            weld_error *err);
/* The result is c's, until it is cleared or goes on. */
const weld_coco_result *weld_coco_finish(weld_coco *c);

/* The same where image k, in the order in which they were counted, counts times[k] times (0: not at
 * all): what it costs is to go through the matches that were made. Of a finished evaluation, which
 * may end before it. Errors: memory. */
typedef struct weld_coco_resample weld_coco_resample;
weld_status weld_coco_resample_create(const weld_coco *c, weld_coco_resample **out,
                                      weld_error *err);
void weld_coco_resample_free(weld_coco_resample *r); /* accepts NULL */
/* ap, ap50 [classes]; NAN where there are no objects. Several threads may call it at once. */
void weld_coco_resample_run(const weld_coco_resample *r, const int32_t *times, double *ap,
                            double *ap50);

#endif
