/* Detections out of a file of COCO's results, as any program writes them:
 *
 *     [{"image_id": 7, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}, ...]
 *
 * with the ids that a data set gives its images and classes (boxes.h). Other members are passed
 * over.
 */
#ifndef WELD_TASKS_DETECTION_RESULTS_H
#define WELD_TASKS_DETECTION_RESULTS_H

#include "tasks/detection/detections.h"
#include "tasks/task.h"

typedef struct weld_results weld_results;

/* Memory is in proportion to the file; ds need not outlive the results. Errors name file and
 * offset: it is no such file, a number is not finite, there is no such image, or there is none of
 * the categories. */
weld_status weld_results_read(const char *path, const weld_dataset *ds, weld_results **out,
                              weld_error *err);
void weld_results_free(weld_results *r); /* accepts NULL */

/* Those of sample i, in the order of the file; NULL where there are none. */
const weld_found_box *weld_results_of(const weld_results *r, int64_t i, int64_t *count);

/* What was left out, which COCO's evaluation does not count either: detections of categories that
 * the data set does not have; or that there are no detections at all. In a line for people; ""
 * where there is nothing to say. */
const char *weld_results_note(const weld_results *r);

/* results_format.c: such files for weld_task. */
extern const weld_results_format weld_detection_results;

#endif
