/* Drawing on samples; see draw_sample.h. */
#include "train/draw_sample.h"

#include <math.h>

#include "base/error.h"

static uint8_t to_byte(float value, float mean, float std) {
    const float v = (value * std + mean) * 255;
    return v > 0 ? (uint8_t)lrintf(fminf(v, 255)) : 0;
}

weld_status weld_draw_sample(const weld_task *task, const void *targets, float *const *inputs,
                             int64_t i, const weld_preprocessing *p, int height, int width,
                             float *image, weld_error *err) {
    const size_t values = (size_t)height * (size_t)width * 3;
    weld_image drawn = {0};
    if (!task->draw_targets) {
        return WELD_OK;
    }
    WELD_TRY(weld_image_resize_buffer(&drawn, width, height, err));
    for (size_t k = 0; k < values; k++) {
        drawn.pixels[k] = to_byte(image[k], p->mean[k % 3], p->std[k % 3]);
    }
    task->draw_targets(targets, inputs, i, &drawn);
    for (size_t k = 0; k < values; k++) {
        image[k] = ((float)drawn.pixels[k] / 255 - p->mean[k % 3]) / p->std[k % 3];
    }
    weld_image_free(&drawn);
    return WELD_OK;
}
