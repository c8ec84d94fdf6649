/* Images to the outputs of a network, one at a time: decode, preprocess, run. */
#ifndef WELD_INFER_IMAGE_RUNNER_H
#define WELD_INFER_IMAGE_RUNNER_H

#include "infer/image_input.h"
#include "tasks/task.h"
#include "weld/model.h"

typedef struct weld_image_runner weld_image_runner;

/* The model must outlive it. */
weld_status weld_image_runner_create(const weld_model *m, int threads, weld_image_runner **out,
                                     weld_error *err);
void weld_image_runner_free(weld_image_runner *r); /* accepts NULL */

/* *outputs: those of the model's task, in its order, until the next run. Outputs that are not
 * finite are WELD_ERROR_NUMERIC. */
weld_status weld_image_runner_run_file(weld_image_runner *r, const char *path,
                                       const weld_tensor **outputs, weld_error *err);
weld_status weld_image_runner_run_bytes(weld_image_runner *r, const void *bytes, size_t size,
                                        const weld_tensor **outputs, weld_error *err);
weld_status weld_image_runner_run_rgb(weld_image_runner *r, const unsigned char *pixels, int width,
                                      int height, const weld_tensor **outputs, weld_error *err);
/* How it prepares images, and running one that was prepared so (image_input.h). */
const weld_transform *weld_image_runner_transform(const weld_image_runner *r);
weld_status weld_image_runner_run_input(weld_image_runner *r, const float *input,
                                        const weld_tensor **outputs, weld_error *err);
/* What the answer to the question needs of an image's tiles, run one by one: appended to *found,
 * where the image is larger than these. Outputs of before are gone. */
weld_status weld_image_runner_gather(weld_image_runner *r, const weld_image *image,
                                     const weld_tiling *tiling, const weld_question *question,
                                     weld_array *found, weld_error *err);
/* Of the latest run that was not run_input: where what the image shows lies in what was run. */
const weld_placement *weld_image_runner_placement(const weld_image_runner *r);

#endif
