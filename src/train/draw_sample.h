/* What a step is to find on a sample, drawn on it. */
#ifndef WELD_TRAIN_DRAW_SAMPLE_H
#define WELD_TRAIN_DRAW_SAMPLE_H

#include "tasks/task.h"

/* Sample i of the latest batch, image [height, width, 3] as the preprocessing normalises it: what
 * the task draws changes its pixels. A task that draws nothing leaves it as it is. */
weld_status weld_draw_sample(const weld_task *task, const void *targets, float *const *inputs,
                             int64_t i, const weld_preprocessing *p, int height, int width,
                             float *image, weld_error *err);

#endif
