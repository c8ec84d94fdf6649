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
    if (!status) {
        status = weld_augmentation_check(&t->augmentation, err);
    }
    if (!status) {
        status = weld_pixel_augment_init(&t->augmentation, preprocessing->mean, &t->pixels, err);
    }
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

/* Resize to full_width x full_height but compute only the part that a central crop to input_size
 * keeps; into scratch->image. *left and *top: where that belongs in the output. */
static weld_status resize_center(const weld_transform *t, const weld_pixels *image,
                                 int64_t full_width, int64_t full_height,
                                 weld_transform_scratch *scratch, int *left, int *top,
                                 weld_error *err) {
    int size = t->preprocessing.input_size;
    weld_resize_request request = {.filter = t->preprocessing.interpolation,
                                   .full_width = full_width,
                                   .full_height = full_height};
    request.x = full_width > size ? half_even(full_width - size) : 0;
    request.y = full_height > size ? half_even(full_height - size) : 0;
    request.width = full_width > size ? size : (int)full_width;
    request.height = full_height > size ? size : (int)full_height;
    *left = (size - request.width) / 2;
    *top = (size - request.height) / 2;
    weld_status status =
        weld_image_resize_buffer(&scratch->image, request.width, request.height, err);
    return status ? status
                  : weld_resize(image, &request, &scratch->resize, scratch->image.pixels, err);
}

static weld_status central_crop(const weld_transform *t, const weld_pixels *image,
                                weld_transform_scratch *scratch, float *out, weld_error *err) {
    const weld_preprocessing *p = &t->preprocessing;
    int64_t shorter = (int64_t)floor(p->input_size / p->crop_fraction);
    int64_t width = image->width, height = image->height;
    int left, top;
    shorter = shorter < 1 ? 1 : shorter;
    if (width <= height) {
        height = shorter * height / width;
        width = shorter;
    } else {
        width = shorter * width / height;
        height = shorter;
    }
    weld_status status = resize_center(t, image, width, height, scratch, &left, &top, err);
    if (!status) {
        weld_pixels part = weld_image_pixels(&scratch->image);
        place(t, &part, left, top, false, out);
    }
    return status;
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

weld_sample_plan weld_transform_plan(const weld_transform *t, int width, int height,
                                     weld_random *random) {
    const int size = t->preprocessing.input_size;
    weld_sample_plan plan = {.crop = {0, 0, width, height}, .reduction = 1};
    switch (t->augmentation.kind) {
    case WELD_AUGMENT_IMAGENET:
        plan.crop = weld_random_crop(&t->augmentation, width, height, random);
        while (plan.reduction < 8 && plan.crop.width / plan.reduction / 2 >= size &&
               plan.crop.height / plan.reduction / 2 >= size) {
            plan.reduction *= 2;
        }
        break;
    case WELD_AUGMENT_SMALL:
        plan.left = SMALL_PADDING - (int)weld_random_below(random, 2 * SMALL_PADDING + 1);
        plan.top = SMALL_PADDING - (int)weld_random_below(random, 2 * SMALL_PADDING + 1);
        break;
    case WELD_AUGMENT_NONE:
        return plan;
    }
    plan.flip = weld_random_uniform(random) < t->augmentation.hflip;
    return plan;
}

/* Scale to the input's size, whatever the aspect, into scratch->image; *out is a view of it. */
static weld_status stretch(const weld_transform *t, const weld_decoded_part *in,
                           weld_transform_scratch *scratch, weld_pixels *out, weld_error *err) {
    int size = t->preprocessing.input_size;
    weld_resize_request request = {.filter = t->preprocessing.interpolation,
                                   .full_width = size,
                                   .full_height = size,
                                   .width = size,
                                   .height = size,
                                   .box = in->box};
    weld_status status = weld_image_resize_buffer(&scratch->image, size, size, err);
    if (!status) {
        status = weld_resize(&in->pixels, &request, &scratch->resize, scratch->image.pixels, err);
        *out = weld_image_pixels(&scratch->image);
    }
    return status;
}

/* Put `in` into scratch->sample of the input's size as place() does, but as bytes. */
static weld_status place_bytes(const weld_transform *t, const weld_sample_plan *plan,
                               const weld_pixels *in, weld_transform_scratch *scratch,
                               weld_error *err) {
    const int size = t->preprocessing.input_size, left = plan->left, right = left + in->width;
    const int x0 = left < 0 ? 0 : left, x1 = right > size ? size : right;
    const size_t row = (size_t)size * 3;
    weld_status status = weld_image_resize_buffer(&scratch->sample, size, size, err);
    if (status) {
        return status;
    }
    memset(scratch->sample.pixels, 0, row * (size_t)size);
    for (int y = 0; y < in->height; y++) {
        int to_y = y + plan->top;
        if (to_y < 0 || to_y >= size) {
            continue;
        }
        const uint8_t *from = in->data + (size_t)y * in->stride + (size_t)(x0 - left) * 3;
        uint8_t *to = scratch->sample.pixels + (size_t)to_y * row;
        if (!plan->flip) {
            memcpy(to + (size_t)x0 * 3, from, (size_t)(x1 - x0) * 3);
            continue;
        }
        to += (size_t)(size - 1 - x0) * 3;
        for (int x = x0; x < x1; x++, from += 3, to -= 3) {
            memcpy(to, from, 3);
        }
    }
    return WELD_OK;
}

/* Flip, change pixels, normalise. */
static weld_status augment(const weld_transform *t, const weld_sample_plan *plan,
                           const weld_pixels *in, weld_random *random,
                           weld_transform_scratch *scratch, float *out, weld_error *err) {
    if (t->pixels.method == WELD_PIXELS_AS_THEY_ARE) {
        place(t, in, plan->left, plan->top, plan->flip, out);
        return WELD_OK;
    }
    weld_status status = place_bytes(t, plan, in, scratch, err);
    if (!status) {
        status =
            weld_pixel_augment_run(&t->pixels, random, &scratch->sample, &scratch->operation, err);
    }
    if (!status) {
        const weld_pixels sample = weld_image_pixels(&scratch->sample);
        place(t, &sample, 0, 0, false, out);
    }
    return status;
}

weld_status weld_transform_training(const weld_transform *t, const weld_sample_plan *plan,
                                    const weld_decoded_part *part, weld_random *random,
                                    weld_random *erase, weld_transform_scratch *scratch, float *out,
                                    weld_error *err) {
    const int size = t->preprocessing.input_size;
    weld_pixels pixels = part->pixels;
    if (t->augmentation.kind == WELD_AUGMENT_NONE) {
        return central_crop(t, &pixels, scratch, out, err);
    }
    weld_status status = WELD_OK;
    if (pixels.width != size || pixels.height != size) {
        status = stretch(t, part, scratch, &pixels, err);
    }
    if (!status) {
        status = augment(t, plan, &pixels, random, scratch, out, err);
    }
    if (!status) {
        weld_random_erase(&t->augmentation, size, erase, out);
    }
    return status;
}
