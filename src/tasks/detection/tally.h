/* Counting detections against the boxes of a data set. */
#ifndef WELD_TASKS_DETECTION_TALLY_H
#define WELD_TASKS_DETECTION_TALLY_H

#include "tasks/detection/coco.h"
#include "tasks/task.h"

/* An image with mistakes: objects that were missed or taken for others, and what is found where
 * there is nothing, by the rules of the confusion matrix. */
typedef struct weld_mistaken_image {
    int64_t index, mistakes;
    weld_array found; /* of weld_found_box: what is found there with some confidence */
} weld_mistaken_image;

enum { WELD_MISTAKEN_IMAGES = 36 };

typedef struct weld_detection_tally {
    const weld_dataset *ds;
    weld_coco *coco;
    const weld_coco_result *result; /* NULL until it is finished */
    /* Those with most mistakes, most first; of equal ones the first. */
    weld_mistaken_image worst[WELD_MISTAKEN_IMAGES];
    int worst_count;
} weld_detection_tally;

/* Append to boxes, an array of weld_found_box, what a network finds on image i of a batch, in
 * pixels of that image: all that an evaluation looks at. */
weld_status weld_detection_find(const weld_tensor *outputs, int64_t i,
                                const weld_placement *placement, weld_array *boxes,
                                weld_error *err);

/* Of a data set that has boxes, and as many classes. *out NULL after an error. */
weld_status weld_detection_tally_of(const weld_dataset *ds, weld_detection_tally **out,
                                    weld_error *err);

/* The record of image `index`, in which this is found, in any order. */
weld_status weld_detection_record(const void *tally, int64_t index, const weld_found_box *found,
                                  int64_t count, weld_array *record, weld_error *err);

/* --- For weld_task --- */

weld_status weld_detection_tally_create(const weld_dataset *ds, const weld_tensor *outputs,
                                        void **tally, weld_error *err);
void weld_detection_tally_free(void *tally);
weld_status weld_detection_tally_clear(void *tally, weld_error *err);
weld_status weld_detection_measure(const void *tally, const weld_tensor *outputs, int64_t i,
                                   const weld_batch *batch, weld_array *record, weld_error *err);
weld_status weld_detection_count(void *tally, int64_t index, const void *record, size_t bytes,
                                 weld_error *err);
void weld_detection_finish(void *tally, weld_evaluation *out);
weld_status weld_detection_resample_create(const void *tally, void **resample, weld_error *err);
void weld_detection_resample_free(void *resample);
void weld_detection_resample(const void *resample, const int32_t *times, double *const *values);

/* tally_text.c. evaluation.json has, beside the twelve figures by their keys,
 *
 *   areas              "shapes", or "boxes" where the data set tells none of shapes
 *   ultralytics_8_3, ultralytics_8_4    {map50, map}: what its versions call mAP
 *   curve              precision at IoU 0.5 by recall 0, 0.01, ... 1, mean over classes
 *   classes            list of {name, objects, found, AP, AP50, AR100, f1, confidence,
 *                      precision, recall, curve}; null where a class has no objects
 *   confusion          {confidence, iou, cells: list of [truth, predicted, count]}, classes by
 *                      number; their number stands for "false" (truth) and "missed" (predicted)
 *   worst              list of {image, mistakes, found: list of [class, score, x, y, width,
 *                      height]}, the images with most of them
 */
void weld_detection_tell(const void *tally, const weld_dataset *ds, weld_text *out);
void weld_detection_tell_classes(const void *tally, const weld_dataset *ds, weld_text *out);
void weld_detection_json_classes(const void *tally, const weld_dataset *ds, json_t *object);
void weld_detection_write_details(const void *tally, const weld_dataset *ds, weld_text *out);
weld_status weld_detection_write_confusion(const char *path, const void *tally,
                                           const weld_dataset *ds, weld_error *err);
extern const weld_report_view weld_detection_report_view; /* report_view.c */

#endif
