/* From decoded images to the pixels of a training sample; see transform.h. */
#include <string.h>

#include "base/error.h"
#include "data/erasing.h"
#include "data/mosaic.h"
#include "data/transform_pixels.h"

/* Scale to the plan's size, whatever the aspect, into scratch->image, where it is not that already.
 * *out is a view. */
static weld_status stretch(const weld_transform *t, const weld_sample_plan *plan,
                           const weld_decoded_part *in, weld_transform_scratch *scratch,
                           weld_pixels *out, weld_error *err) {
    const int width = plan->to.width, height = plan->to.height;
    const bool exact = t->augmentation.kind == WELD_AUGMENT_DETECTION;
    float box[4];
    weld_resize_request request = {.filter = t->preprocessing.interpolation,
                                   .full_width = width,
                                   .full_height = height,
                                   .width = width,
                                   .height = height,
                                   .box = exact ? box : in->box};
    *out = in->pixels;
    if (exact) {
        weld_mosaic_box(plan, in, box);
    } else if (out->width == width && out->height == height) {
        return WELD_OK;
    }
    WELD_TRY(weld_image_resize_buffer(&scratch->image, width, height, err));
    WELD_TRY(
        weld_resize_pixels(&in->pixels, &request, &scratch->resize, scratch->image.pixels, err));
    *out = weld_image_pixels(&scratch->image);
    return WELD_OK;
}

/* scratch->sample, of the input's size, all background. */
static weld_status begin_bytes(const weld_transform *t, weld_transform_scratch *scratch,
                               weld_error *err) {
    const size_t row = (size_t)t->preprocessing.width * 3;
    const uint8_t *color = weld_transform_background(t);
    WELD_TRY(weld_image_resize_buffer(&scratch->sample, t->preprocessing.width,
                                      t->preprocessing.height, err));
    for (size_t i = 0; i < row; i += 3) {
        memcpy(scratch->sample.pixels + i, color, 3);
    }
    for (int y = 1; y < t->preprocessing.height; y++) {
        memcpy(scratch->sample.pixels + (size_t)y * row, scratch->sample.pixels, row);
    }
    return WELD_OK;
}

/* Put `in` into scratch->sample, within its cell and mirrored with it. */
static void place_bytes(const weld_sample_plan *plan, const weld_pixels *in,
                        weld_transform_scratch *scratch) {
    const weld_rectangle *cell = &plan->cell;
    const int left = plan->to.x, right = left + in->width, end = cell->x + cell->width;
    const int x0 = left < cell->x ? cell->x : left, x1 = right > end ? end : right;
    const size_t row = (size_t)scratch->sample.width * 3;
    for (int y = 0; y < in->height && x0 < x1; y++) {
        int to_y = y + plan->to.y;
        if (to_y < cell->y || to_y >= cell->y + cell->height) {
            continue;
        }
        to_y = plan->vflip ? 2 * cell->y + cell->height - 1 - to_y : to_y;
        const uint8_t *from = in->data + (size_t)y * in->stride + (size_t)(x0 - left) * 3;
        uint8_t *to = scratch->sample.pixels + (size_t)to_y * row;
        if (!plan->hflip) {
            memcpy(to + (size_t)x0 * 3, from, (size_t)(x1 - x0) * 3);
            continue;
        }
        to += (size_t)(cell->x + end - 1 - x0) * 3;
        for (int x = x0; x < x1; x++, from += 3, to -= 3) {
            memcpy(to, from, 3);
        }
    }
}

static bool is_seen(const weld_sample_plan *plan) {
    return plan->to.width > 0 && plan->to.height > 0;
}

/* scratch->sample becomes `share` of scratch->below and the rest of itself, cut off to whole
 * numbers. */
static void blend(double share, weld_transform_scratch *scratch) {
    const size_t bytes = (size_t)scratch->sample.width * (size_t)scratch->sample.height * 3;
    const uint8_t *below = scratch->below.pixels;
    uint8_t *to = scratch->sample.pixels;
    for (size_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(share * below[i] + (1 - share) * to[i]);
    }
}

/* All parts, as bytes, in scratch->sample. */
static weld_status assemble_bytes(const weld_transform *t, const weld_sample_plan *plans,
                                  const weld_decoded_part *parts, int count, weld_random *random,
                                  weld_transform_scratch *scratch, weld_error *err) {
    WELD_TRY(begin_bytes(t, scratch, err));
    for (int i = 0; i < count; i++) {
        weld_pixels pixels;
        if (i > 0 && plans[i].layer != plans[i - 1].layer) {
            const weld_image below = scratch->sample;
            scratch->sample = scratch->below;
            scratch->below = below;
            WELD_TRY(begin_bytes(t, scratch, err));
        }
        if (is_seen(&plans[i])) {
            WELD_TRY(stretch(t, &plans[i], &parts[i], scratch, &pixels, err));
            place_bytes(&plans[i], &pixels, scratch);
        }
    }
    if (plans[count - 1].layer > 0) {
        blend(weld_mosaic_share(random), scratch);
    }
    return WELD_OK;
}

/* Of one image whose pixels stay as they are no copy is made. */
static weld_status assemble(const weld_transform *t, const weld_sample_plan *plans,
                            const weld_decoded_part *parts, int count, weld_random *random,
                            weld_transform_scratch *scratch, float *out, weld_error *err) {
    const bool plain = t->pixels.method == WELD_PIXELS_AS_THEY_ARE;
    if (plain && count == 1 && is_seen(plans)) {
        weld_pixels pixels;
        WELD_TRY(stretch(t, plans, parts, scratch, &pixels, err));
        weld_transform_place(t, &pixels, plans->to.x, plans->to.y, plans->hflip, plans->vflip, out);
        return WELD_OK;
    }
    WELD_TRY(assemble_bytes(t, plans, parts, count, random, scratch, err));
    if (!plain) {
        WELD_TRY(
            weld_pixel_augment_run(&t->pixels, random, &scratch->sample, &scratch->operation, err));
    }
    const weld_pixels sample = weld_image_pixels(&scratch->sample);
    weld_transform_place(t, &sample, 0, 0, false, false, out);
    return WELD_OK;
}

weld_status weld_transform_training(const weld_transform *t, const weld_sample_plan *plans,
                                    const weld_decoded_part *parts, int count, weld_random *random,
                                    weld_random *erase, weld_transform_scratch *scratch, float *out,
                                    weld_error *err) {
    if (t->augmentation.kind == WELD_AUGMENT_NONE) {
        return weld_transform_central(t, &parts->pixels, scratch, out, err);
    }
    WELD_TRY(assemble(t, plans, parts, count, random, scratch, out, err));
    if (t->augmentation.kind != WELD_AUGMENT_DETECTION) {
        weld_random_erase(&t->augmentation, t->preprocessing.height, t->preprocessing.width, erase,
                          out);
    }
    return WELD_OK;
}
