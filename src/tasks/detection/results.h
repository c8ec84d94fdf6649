/* Detections out of a file of COCO's results, as any program writes them:
 *
 *     [{"image_id": 7, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}, ...]
 *
 * with the ids that a data set gives its images and classes (boxes.h). An image_id may be the name
 * of the image's file too, and "file_name" stand beside it; "category_name" beside the category_id
 * says the class where the data set has no ids of its own, else it must not be another's
 * (results_names.h). Other members are passed over.
 */
#ifndef WELD_TASKS_DETECTION_RESULTS_H
#define WELD_TASKS_DETECTION_RESULTS_H

#include "tasks/detection/detections.h"
#include "tasks/task.h"

typedef struct weld_results weld_results;

/* Memory is in proportion to the file; ds need not outlive the results. Errors name file and
 * offset: it is no such file, a number is not finite, there is no such image, there is none of the
 * categories, or it cannot be told which they are. first_category: the number of the first class,
 * where the data set has no ids, or they are those from 0 or 1 on; -1: as the file tells. */
weld_status weld_results_read(const char *path, const weld_dataset *ds, int first_category,
                              weld_results **out, weld_error *err);
void weld_results_free(weld_results *r); /* accepts NULL */

/* Those of sample i, in the order of the file; NULL where there are none. */
const weld_found_box *weld_results_of(const weld_results *r, int64_t i, int64_t *count);

/* What was left out, which COCO's evaluation does not count either: detections of categories that
 * the data set does not have; that there are no detections at all; what numbers were taken for. In
 * a line for people; "" where there is nothing to say. */
const char *weld_results_note(weld_results *r);

/* results_format.c: such files for weld_task. */
extern const weld_results_format weld_detection_results;

#endif
