/* What a network says of the images of an evaluation, as a file for other programs: that of the
 * task's results (weld_task.results).
 */
#ifndef WELD_INFER_RESULTS_FILE_H
#define WELD_INFER_RESULTS_FILE_H

#include "infer/evaluate.h"

typedef struct weld_results_file weld_results_file;

/* writes: false on all ranks but one, which have something to see, but no file.
 * WELD_ERROR_ARGUMENT: the task has no such files. */
weld_status weld_results_file_create(const char *path, const weld_task *task,
                                     const weld_dataset *ds, bool writes, weld_results_file **out,
                                     weld_error *err);
/* weld_evaluator_options.see and .seen, with the file as their argument. */
weld_status weld_results_file_see(void *file, const weld_seen *seen, weld_array *bytes,
                                  weld_error *err);
weld_status weld_results_file_seen(void *file, const weld_image_record *image, weld_error *err);
/* Put the file in its place, unless `status`, that of the evaluation, is an error; frees f. NULL:
 * there is nothing to be done. Returns the first error of both. */
weld_status weld_results_file_finish(weld_results_file *f, weld_status status, weld_error *err);

#endif
