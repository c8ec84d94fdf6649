/* Non-maximum suppression: of boxes that lie on each other the one of the highest score stays.
 *
 * Exact and bounded. Classes are kept apart by their index (nothing is added to coordinates),
 * intersections and unions are taken in double, and there is no limit of time: at most
 * `candidates` pairs of a box and a class are looked at, each against at most `kept` others.
 */
#ifndef WELD_TASKS_DETECTION_NMS_H
#define WELD_TASKS_DETECTION_NMS_H

#include <stdbool.h>

#include "base/array.h"
#include "tasks/detection/detections.h"
#include "weld/status.h"
#include "weld/tensor.h"

/* What people see where nothing else is asked for. */
#define WELD_NMS_CONFIDENCE 0.25
#define WELD_NMS_IOU 0.7
#define WELD_NMS_KEPT 300

typedef struct weld_nms_options {
    double confidence; /* scores above it are looked at; at least 0 */
    double iou;        /* a box goes where its IoU with one that stays is above it */
    bool every_class;  /* a box may be several classes; otherwise it is that of its best score */
    bool agnostic;     /* boxes of different classes suppress each other too */
    int candidates;    /* so many pairs of the highest scores are looked at */
    int kept;          /* at most so many boxes of an image stay */
} weld_nms_options;

/* As an evaluation wants it: all down to confidence 0.001, IoU 0.7, 30,000 candidates, 300 kept. */
weld_nms_options weld_nms_for_evaluation(void);
/* As people want to see it: confidence 0.25, each box of one class. */
weld_nms_options weld_nms_for_answers(void);

/* boxes [anchors, 4] (x1, y1, x2, y2), scores [anchors, classes]: append to *out, an array of
 * weld_detection, those that stay, by falling score; of equal scores the lower anchor is first,
 * then the lower class. WELD_ERROR_NUMERIC: something is not finite. */
weld_status weld_nms(const weld_nms_options *options, const float *boxes, const float *scores,
                     int64_t anchors, int64_t classes, weld_array *out, weld_error *err);
/* The same of image i of a detector's outputs, boxes and scores. */
weld_status weld_nms_of_image(const weld_nms_options *options, const weld_tensor *outputs,
                              int64_t i, weld_array *out, weld_error *err);

#endif
