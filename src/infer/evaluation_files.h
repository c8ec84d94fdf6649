/* Evaluations as files for people and programs: evaluation.json and the confusion matrix as CSV. */
#ifndef WELD_INFER_EVALUATION_FILES_H
#define WELD_INFER_EVALUATION_FILES_H

#include "infer/evaluate.h"
#include "tasks/classification/evaluation_details.h"

/* Write atomically one JSON object, in text that is the same for the same evaluation:
 *
 *   data               path of the data set
 *   images, skipped    counts, as in weld_evaluation
 *   top1, top5         percent
 *   loss               mean
 *   calibration_error  percent
 *   calibration        list of 15 {low, high: probabilities, the bin being (low, high]; images;
 *                      confidence, accuracy: 0 to 1, null where there are no images}
 *   classes            list of {name, images, recall, precision: percent, null where undefined}
 *   confusion          list of [class, predicted class, images], without zeros, sorted
 *   worst              list of at most 64 {image: its name in the data set, label, predicted,
 *                      probability: of the predicted class, label_probability, loss}, the largest
 *                      loss first
 *
 * Names that are not UTF-8 get question marks in place of bytes above 126. */
weld_status weld_evaluation_write_json(const char *path, const weld_evaluation *e,
                                       const weld_evaluation_details *d, const weld_dataset *ds,
                                       weld_error *err);

/* Write atomically the confusion matrix: a first row of the classes' names (and before them
 * "class"), then a row for each true class: its name and how many of its images were taken for
 * each class. Fields are quoted and lines end as RFC 4180 says. */
weld_status weld_evaluation_write_csv(const char *path, const weld_evaluation_details *d,
                                      const weld_dataset *ds, weld_error *err);

#endif
