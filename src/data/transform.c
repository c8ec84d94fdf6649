/* From a decoded image to a network's input; see transform.h. */
#include "data/transform.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "data/erasing.h"

enum { CROP_TRIES = 10, SMALL_PADDING = 4, MAX_INPUT_SIZE = 4096 };

static weld_status check_preprocessing(const weld_preprocessing *p, weld_error *err) {
    if (p->input_size < 1 || p->input_size > MAX_INPUT_SIZE) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "input_size is %d: it must be 1..%d",
                         p->input_size, MAX_INPUT_SIZE);
    }
    if (!(p->crop_fraction >= 0.01 && p->crop_fraction <= 100)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "crop_fraction is %g: it must be in 0.01..100, and is 0.875 as a rule",
                         p->crop_fraction);
    }
    for (int c = 0; c < 3; c++) {
        if (!isfinite(p->mean[c]) || !isfinite(p->std[c]) || !(p->std[c] > 0)) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "mean %g, std %g: they must be finite, and std above 0",
                             (double)p->mean[c], (double)p->std[c]);
        }
    }
    return WELD_OK;
}

weld_status weld_transform_init(weld_transform *t, const weld_preprocessing *preprocessing,
                                const weld_augmentation *augmentation, weld_error *err) {
    weld_status status = check_preprocessing(preprocessing, err);
    t->preprocessing = *preprocessing;
    t->augmentation = weld_augmentation_defaults();
    if (augmentation) {
        t->augmentation = *augmentation;
    } else {
        t->augmentation.kind = WELD_AUGMENT_NONE;
    }
    status = status ? status : weld_augmentation_check(&t->augmentation, err);
    status = status
                 ? status
                 : weld_pixel_augment_init(&t->augmentation, preprocessing->mean, &t->pixels, err);
    for (int c = 0; !status && c < 3; c++) {
        for (int v = 0; v < 256; v++) {
            t->normalised[c][v] =
                ((float)v / 255.0f - preprocessing->mean[c]) / preprocessing->std[c];
        }
    }
    return status;
}

void weld_transform_scratch_free(weld_transform_scratch *s) {
    weld_resize_scratch_free(&s->resize);
    weld_image_free(&s->image);
    weld_image_free(&s->sample);
    weld_bytes_free(&s->operation);
}

/* One row of `width` pixels to floats, from the right where `flip` is set. */
static void normalise_row(const weld_transform *t, const uint8_t *in, int width, bool flip,
                          float *out) {
    ptrdiff_t step = flip ? -3 : 3;
    out += flip ? (ptrdiff_t)(width - 1) * 3 : 0;
    for (int x = 0; x < width; x++, in += 3, out += step) {
        out[0] = t->normalised[0][in[0]];
        out[1] = t->normalised[1][in[1]];
        out[2] = t->normalised[2][in[2]];
    }
}

static void black_row(const weld_transform *t, int width, float *out) {
    for (int x = 0; x < width; x++, out += 3) {
        out[0] = t->normalised[0][0];
        out[1] = t->normalised[1][0];
        out[2] = t->normalised[2][0];
    }
}

/* Put `in` at (left, top) of an output of size x size (which may cut it off), black around it. */
static void place(const weld_transform *t, const weld_pixels *in, int left, int top, bool flip,
                  float *out) {
    int size = t->preprocessing.input_size;
    int x0 = left < 0 ? 0 : left, x1 = left + in->width > size ? size : left + in->width;
    size_t row = (size_t)size * 3;
    for (int y = 0; y < size; y++, out += row) {
        int from_y = y - top;
        if (from_y < 0 || from_y >= in->height) {
            black_row(t, size, out);
            continue;
        }
        if (x1 - x0 < size) {
            black_row(t, size, out);
        }
        const uint8_t *from = in->data + (size_t)from_y * in->stride + (size_t)(x0 - left) * 3;
        normalise_row(t, from, x1 - x0, flip, out + (size_t)(flip ? size - x1 : x0) * 3);
    }
}

/* (a - b) / 2 rounded to the nearest whole number, halves to the even one. */
static int64_t half_even(int64_t difference) {
    int64_t half = difference / 2;
    return difference % 2 ? half + half % 2 : half;
}

/* Resizing an image as evaluation does, but only the part that the central crop to input_size
 * keeps. *left and *top: where that belongs in the output. */
static weld_resize_request central_request(const weld_preprocessing *p, int64_t width,
                                           int64_t height, int *left, int *top) {
    const int size = p->input_size;
    int64_t shorter = (int64_t)floor(size / p->crop_fraction);
    shorter = shorter < 1 ? 1 : shorter;
    if (width <= height) {
        height = shorter * height / width;
        width = shorter;
    } else {
        width = shorter * width / height;
        height = shorter;
    }
    weld_resize_request request = {
        .filter = p->interpolation, .full_width = width, .full_height = height};
    request.x = width > size ? half_even(width - size) : 0;
    request.y = height > size ? half_even(height - size) : 0;
    request.width = width > size ? size : (int)width;
    request.height = height > size ? size : (int)height;
    *left = (size - request.width) / 2;
    *top = (size - request.height) / 2;
    return request;
}

static weld_status central_crop(const weld_transform *t, const weld_pixels *image,
                                weld_transform_scratch *scratch, float *out, weld_error *err) {
    int left, top;
    const weld_resize_request request =
        central_request(&t->preprocessing, image->width, image->height, &left, &top);
    WELD_TRY(weld_image_resize_buffer(&scratch->image, request.width, request.height, err));
    WELD_TRY(weld_resize_pixels(image, &request, &scratch->resize, scratch->image.pixels, err));
    weld_pixels part = weld_image_pixels(&scratch->image);
    place(t, &part, left, top, false, out);
    return WELD_OK;
}

weld_status weld_transform_evaluation(const weld_transform *t, const weld_image *image,
                                      weld_transform_scratch *scratch, float *out,
                                      weld_error *err) {
    const weld_pixels whole = weld_image_pixels(image);
    return central_crop(t, &whole, scratch, out, err);
}

weld_rectangle weld_random_crop(const weld_augmentation *a, int width, int height,
                                weld_random *random) {
    double low = log(a->crop_ratio[0]), high = log(a->crop_ratio[1]);
    for (int i = 0; i < CROP_TRIES; i++) {
        double area =
            (double)width * height * weld_random_range(random, a->crop_scale[0], a->crop_scale[1]);
        double aspect = exp(weld_random_range(random, low, high));
        double w = nearbyint(sqrt(area * aspect)), h = nearbyint(sqrt(area / aspect));
        if (w >= 1 && w <= width && h >= 1 && h <= height) {
            weld_rectangle crop = {.width = (int)w, .height = (int)h};
            crop.y = (int)weld_random_below(random, (uint64_t)(height - crop.height + 1));
            crop.x = (int)weld_random_below(random, (uint64_t)(width - crop.width + 1));
            return crop;
        }
    }
    double aspect = (double)width / height;
    weld_rectangle crop = {.width = width, .height = height};
    if (aspect < a->crop_ratio[0]) {
        crop.height = (int)nearbyint(width / a->crop_ratio[0]);
    } else if (aspect > a->crop_ratio[1]) {
        crop.width = (int)nearbyint(height * a->crop_ratio[1]);
    }
    crop.width = crop.width < 1 ? 1 : crop.width > width ? width : crop.width;
    crop.height = crop.height < 1 ? 1 : crop.height > height ? height : crop.height;
    crop.x = (width - crop.width) / 2;
    crop.y = (height - crop.height) / 2;
    return crop;
}

weld_rectangle weld_transform_whole(const weld_transform *t) {
    const int size = t->preprocessing.input_size;
    return (weld_rectangle){0, 0, size, size};
}

weld_sample_plan weld_transform_plan(const weld_transform *t, int width, int height,
                                     weld_rectangle cell, weld_random *random) {
    weld_sample_plan plan = {
        .crop = {0, 0, width, height}, .reduction = 1, .cell = cell, .to = cell};
    switch (t->augmentation.kind) {
    case WELD_AUGMENT_IMAGENET:
        plan.crop = weld_random_crop(&t->augmentation, width, height, random);
        while (plan.reduction < 8 && plan.crop.width / plan.reduction / 2 >= cell.width &&
               plan.crop.height / plan.reduction / 2 >= cell.height) {
            plan.reduction *= 2;
        }
        break;
    case WELD_AUGMENT_SMALL:
        plan.to.x += SMALL_PADDING - (int)weld_random_below(random, 2 * SMALL_PADDING + 1);
        plan.to.y += SMALL_PADDING - (int)weld_random_below(random, 2 * SMALL_PADDING + 1);
        break;
    case WELD_AUGMENT_NONE:
        return plan;
    }
    plan.flip = weld_random_uniform(random) < t->augmentation.hflip;
    return plan;
}

weld_placement weld_transform_evaluation_placement(const weld_transform *t, int width, int height) {
    int left, top;
    const weld_resize_request r = central_request(&t->preprocessing, width, height, &left, &top);
    return (weld_placement){.width = width,
                            .height = height,
                            .scale = {(double)r.full_width / width, (double)r.full_height / height},
                            .shift = {(double)(left - r.x), (double)(top - r.y)},
                            .cell = weld_transform_whole(t)};
}

weld_placement weld_transform_placement(const weld_transform *t, const weld_sample_plan *plan,
                                        int width, int height) {
    if (t->augmentation.kind == WELD_AUGMENT_NONE) {
        return weld_transform_evaluation_placement(t, width, height);
    }
    const weld_rectangle *crop = &plan->crop, *to = &plan->to, *cell = &plan->cell;
    weld_placement p = {.width = width, .height = height, .cell = *cell};
    p.scale[0] = (double)to->width / crop->width;
    p.scale[1] = (double)to->height / crop->height;
    p.shift[0] = to->x - crop->x * p.scale[0];
    p.shift[1] = to->y - crop->y * p.scale[1];
    if (plan->flip) {
        p.scale[0] = -p.scale[0];
        p.shift[0] = 2.0 * cell->x + cell->width - p.shift[0];
    }
    return p;
}

/* Scale to the plan's size, whatever the aspect, into scratch->image, where that is not the size
 * already. *out is a view. */
static weld_status stretch(const weld_transform *t, const weld_sample_plan *plan,
                           const weld_decoded_part *in, weld_transform_scratch *scratch,
                           weld_pixels *out, weld_error *err) {
    const int width = plan->to.width, height = plan->to.height;
    weld_resize_request request = {.filter = t->preprocessing.interpolation,
                                   .full_width = width,
                                   .full_height = height,
                                   .width = width,
                                   .height = height,
                                   .box = in->box};
    *out = in->pixels;
    if (out->width == width && out->height == height) {
        return WELD_OK;
    }
    WELD_TRY(weld_image_resize_buffer(&scratch->image, width, height, err));
    WELD_TRY(
        weld_resize_pixels(&in->pixels, &request, &scratch->resize, scratch->image.pixels, err));
    *out = weld_image_pixels(&scratch->image);
    return WELD_OK;
}

/* scratch->sample, of the input's size, black. */
static weld_status begin_bytes(const weld_transform *t, weld_transform_scratch *scratch,
                               weld_error *err) {
    const int size = t->preprocessing.input_size;
    WELD_TRY(weld_image_resize_buffer(&scratch->sample, size, size, err));
    memset(scratch->sample.pixels, 0, (size_t)size * (size_t)size * 3);
    return WELD_OK;
}

/* Put `in` into scratch->sample as place() does, but as bytes. */
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
        const uint8_t *from = in->data + (size_t)y * in->stride + (size_t)(x0 - left) * 3;
        uint8_t *to = scratch->sample.pixels + (size_t)to_y * row;
        if (!plan->flip) {
            memcpy(to + (size_t)x0 * 3, from, (size_t)(x1 - x0) * 3);
            continue;
        }
        to += (size_t)(cell->x + end - 1 - x0) * 3;
        for (int x = x0; x < x1; x++, from += 3, to -= 3) {
            memcpy(to, from, 3);
        }
    }
}

/* Of one image whose pixels stay as they are no copy is made. */
static weld_status assemble(const weld_transform *t, const weld_sample_plan *plans,
                            const weld_decoded_part *parts, int count, weld_random *random,
                            weld_transform_scratch *scratch, float *out, weld_error *err) {
    const bool plain = t->pixels.method == WELD_PIXELS_AS_THEY_ARE;
    weld_pixels pixels;
    if (plain && count == 1) {
        WELD_TRY(stretch(t, plans, parts, scratch, &pixels, err));
        place(t, &pixels, plans->to.x, plans->to.y, plans->flip, out);
        return WELD_OK;
    }
    WELD_TRY(begin_bytes(t, scratch, err));
    for (int i = 0; i < count; i++) {
        WELD_TRY(stretch(t, &plans[i], &parts[i], scratch, &pixels, err));
        place_bytes(&plans[i], &pixels, scratch);
    }
    if (!plain) {
        WELD_TRY(
            weld_pixel_augment_run(&t->pixels, random, &scratch->sample, &scratch->operation, err));
    }
    const weld_pixels sample = weld_image_pixels(&scratch->sample);
    place(t, &sample, 0, 0, false, out);
    return WELD_OK;
}

weld_status weld_transform_training(const weld_transform *t, const weld_sample_plan *plans,
                                    const weld_decoded_part *parts, int count, weld_random *random,
                                    weld_random *erase, weld_transform_scratch *scratch, float *out,
                                    weld_error *err) {
    if (t->augmentation.kind == WELD_AUGMENT_NONE) {
        return central_crop(t, &parts->pixels, scratch, out, err);
    }
    WELD_TRY(assemble(t, plans, parts, count, random, scratch, out, err));
    weld_random_erase(&t->augmentation, t->preprocessing.input_size, erase, out);
    return WELD_OK;
}
