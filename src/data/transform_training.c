/* From decoded images to the pixels of a training sample; see transform.h. */
#include <string.h>

#include "base/error.h"
#include "data/erasing.h"
#include "data/mosaic.h"
#include "data/projection.h"
#include "data/transform_pixels.h"
#include "images/warp.h"

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

/* scratch->sample, of the frame's size, all background. */
static weld_status begin_bytes(const weld_transform *t, const weld_rectangle *frame,
                               weld_transform_scratch *scratch, weld_error *err) {
    const size_t row = (size_t)frame->width * 3;
    const uint8_t *color = weld_transform_background(t);
    WELD_TRY(weld_image_resize_buffer(&scratch->sample, frame->width, frame->height, err));
    for (size_t i = 0; i < row; i += 3) {
        memcpy(scratch->sample.pixels + i, color, 3);
    }
    for (int y = 1; y < frame->height; y++) {
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

static void swap(weld_image *a, weld_image *b) {
    const weld_image c = *a;
    *a = *b;
    *b = c;
}

/* The frame that is drawn in scratch->sample becomes the sample. */
static weld_status turn(const weld_transform *t, const weld_sample_plan *plan,
                        weld_transform_scratch *scratch, weld_error *err) {
    double m[9];
    if (!plan->at.turned) {
        return WELD_OK;
    }
    weld_projection_inverse(plan->at.turn, m);
    for (int i = 0; i < 3; i++) { /* counted from the frame's corner */
        m[i] -= plan->frame.x * m[6 + i];
        m[3 + i] -= plan->frame.y * m[6 + i];
    }
    WELD_TRY(weld_image_resize_buffer(&scratch->turned, t->preprocessing.width,
                                      t->preprocessing.height, err));
    weld_image_warp(&scratch->sample, m, weld_transform_background(t), &scratch->turned);
    swap(&scratch->sample, &scratch->turned);
    return WELD_OK;
}

/* All parts of a layer, as bytes, in scratch->sample; returns in *next where the next begins. */
static weld_status assemble_layer(const weld_transform *t, const weld_sample_plan *plans,
                                  const weld_decoded_part *parts, int first, int count, int *next,
                                  weld_transform_scratch *scratch, weld_error *err) {
    int i = first;
    WELD_TRY(begin_bytes(t, &plans[first].frame, scratch, err));
    for (; i < count && plans[i].layer == plans[first].layer; i++) {
        weld_pixels pixels;
        if (weld_plan_is_seen(&plans[i])) {
            WELD_TRY(stretch(t, &plans[i], &parts[i], scratch, &pixels, err));
            place_bytes(&plans[i], &pixels, scratch);
        }
    }
    *next = i;
    return turn(t, &plans[first], scratch, err);
}

/* All layers, likewise. */
static weld_status assemble_bytes(const weld_transform *t, const weld_sample_plan *plans,
                                  const weld_decoded_part *parts, int count, weld_random *random,
                                  weld_transform_scratch *scratch, weld_error *err) {
    int next;
    WELD_TRY(assemble_layer(t, plans, parts, 0, count, &next, scratch, err));
    if (next < count) {
        swap(&scratch->sample, &scratch->below);
        WELD_TRY(assemble_layer(t, plans, parts, next, count, &next, scratch, err));
        blend(weld_mosaic_share(random), scratch);
    }
    return WELD_OK;
}

/* Of one image whose pixels stay as they are no copy is made. */
static weld_status assemble(const weld_transform *t, const weld_sample_plan *plans,
                            const weld_decoded_part *parts, int count, weld_random *random,
                            weld_transform_scratch *scratch, float *out, weld_error *err) {
    const bool plain = t->pixels.method == WELD_PIXELS_AS_THEY_ARE;
    if (plain && count == 1 && weld_plan_is_seen(plans) && !plans->at.turned) {
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
