/* From a decoded image to a network's input; see transform.h. */
#include "data/transform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "data/transform_pixels.h"
#include "models/models.h"

enum { CROP_TRIES = 10, SMALL_PADDING = 4 };

weld_status weld_transform_init(weld_transform *t, const weld_preprocessing *preprocessing,
                                const weld_augmentation *augmentation, weld_error *err) {
    weld_status status = weld_preprocessing_check(preprocessing, err);
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
    weld_image_free(&s->below);
    weld_image_free(&s->turned);
    weld_bytes_free(&s->operation);
}

/* One row of `width` pixels to floats, from the right where `mirror` is set. */
static void normalise_row(const weld_transform *t, const uint8_t *in, int width, bool mirror,
                          float *out) {
    ptrdiff_t step = mirror ? -3 : 3;
    out += mirror ? (ptrdiff_t)(width - 1) * 3 : 0;
    for (int x = 0; x < width; x++, in += 3, out += step) {
        out[0] = t->normalised[0][in[0]];
        out[1] = t->normalised[1][in[1]];
        out[2] = t->normalised[2][in[2]];
    }
}

const uint8_t *weld_transform_background(const weld_transform *t) {
    static const uint8_t black[3] = {0};
    const weld_preprocessing *p = &t->preprocessing;
    return p->resize == WELD_FIT_LETTERBOX ? p->padding : black;
}

static void background_row(const weld_transform *t, int width, float *out) {
    const uint8_t *color = weld_transform_background(t);
    for (int x = 0; x < width; x++, out += 3) {
        out[0] = t->normalised[0][color[0]];
        out[1] = t->normalised[1][color[1]];
        out[2] = t->normalised[2][color[2]];
    }
}

void weld_transform_place(const weld_transform *t, const weld_pixels *in, int left, int top,
                          bool hflip, bool vflip, float *out) {
    const int height = t->preprocessing.height, width = t->preprocessing.width;
    int x0 = left < 0 ? 0 : left, x1 = left + in->width > width ? width : left + in->width;
    size_t row = (size_t)width * 3;
    for (int y = 0; y < height; y++, out += row) {
        int from_y = (vflip ? height - 1 - y : y) - top;
        if (from_y < 0 || from_y >= in->height) {
            background_row(t, width, out);
            continue;
        }
        if (x1 - x0 < width) {
            background_row(t, width, out);
        }
        const uint8_t *from = in->data + (size_t)from_y * in->stride + (size_t)(x0 - left) * 3;
        normalise_row(t, from, x1 - x0, hflip, out + (size_t)(hflip ? width - x1 : x0) * 3);
    }
}

/* (a - b) / 2 rounded to the nearest whole number, halves to the even one. */
static int64_t half_even(int64_t difference) {
    int64_t half = difference / 2;
    return difference % 2 ? half + half % 2 : half;
}

static int64_t frame_side(int side, double crop_fraction) {
    const double frame = floor(side / crop_fraction);
    return frame < 1 ? 1 : (int64_t)frame;
}

static int64_t scaled(int64_t side, double ratio) {
    const double s = nearbyint((double)side / ratio); /* halves to the even one, as Python rounds */
    return s < 1 ? 1 : (int64_t)s;
}

/* The size that an image is resized to. A square frame is covered as torchvision's Resize does it,
 * every other thing as timm's ResizeKeepRatio does. */
static void resized_size(const weld_preprocessing *p, int64_t *width, int64_t *height) {
    const int64_t frame_width = frame_side(p->width, p->crop_fraction);
    const int64_t frame_height = frame_side(p->height, p->crop_fraction);
    const double by_width = (double)*width / (double)frame_width;
    const double by_height = (double)*height / (double)frame_height;
    if (p->resize == WELD_FIT_SQUASH) {
        *width = frame_width;
        *height = frame_height;
    } else if (p->resize == WELD_FIT_LETTERBOX || frame_width != frame_height) {
        const double ratio =
            p->resize == WELD_FIT_LETTERBOX ? fmax(by_width, by_height) : fmin(by_width, by_height);
        *width = scaled(*width, ratio);
        *height = scaled(*height, ratio);
    } else if (*width <= *height) {
        *height = frame_width * *height / *width;
        *width = frame_width;
    } else {
        *width = frame_width * *width / *height;
        *height = frame_width;
    }
}

/* Resizing an image as evaluation does, but only the part that the central crop to the input keeps.
 * *left and *top: where that belongs in the output. */
static weld_resize_request central_request(const weld_preprocessing *p, int64_t width,
                                           int64_t height, int *left, int *top) {
    resized_size(p, &width, &height);
    weld_resize_request request = {
        .filter = p->interpolation, .full_width = width, .full_height = height};
    request.x = width > p->width ? half_even(width - p->width) : 0;
    request.y = height > p->height ? half_even(height - p->height) : 0;
    request.width = width > p->width ? p->width : (int)width;
    request.height = height > p->height ? p->height : (int)height;
    *left = (p->width - request.width) / 2;
    *top = (p->height - request.height) / 2;
    return request;
}

weld_status weld_transform_central(const weld_transform *t, const weld_pixels *image,
                                   weld_transform_scratch *scratch, float *out, weld_error *err) {
    int left, top;
    const weld_resize_request request =
        central_request(&t->preprocessing, image->width, image->height, &left, &top);
    WELD_TRY(weld_image_resize_buffer(&scratch->image, request.width, request.height, err));
    WELD_TRY(weld_resize_pixels(image, &request, &scratch->resize, scratch->image.pixels, err));
    weld_pixels part = weld_image_pixels(&scratch->image);
    weld_transform_place(t, &part, left, top, false, false, out);
    return WELD_OK;
}

weld_status weld_transform_evaluation(const weld_transform *t, const weld_image *image,
                                      weld_transform_scratch *scratch, float *out,
                                      weld_error *err) {
    const weld_pixels whole = weld_image_pixels(image);
    return weld_transform_central(t, &whole, scratch, out, err);
}

/* What a crop is taken from: an image, and around it, for a letterbox, its padding. */
typedef struct canvas {
    int width, height;             /* of all */
    int image_width, image_height; /* which is in the middle */
    double aspect; /* width over height of a crop that shows things as evaluation does */
} canvas;

/* Where a crop begins: in the image, or so that all of it is in the crop, which is as large then.
 */
static int random_place(int crop, int image, weld_random *random) {
    const int place = (int)weld_random_below(random, (uint64_t)abs(image - crop) + 1);
    return crop > image ? -place : place;
}

static weld_rectangle random_crop(const weld_augmentation *a, const canvas *c,
                                  weld_random *random) {
    const double low = log(a->crop_ratio[0]), high = log(a->crop_ratio[1]);
    const double least = a->crop_ratio[0] * c->aspect, most = a->crop_ratio[1] * c->aspect;
    for (int i = 0; i < CROP_TRIES; i++) {
        double area = (double)c->width * c->height *
                      weld_random_range(random, a->crop_scale[0], a->crop_scale[1]);
        double aspect = c->aspect * exp(weld_random_range(random, low, high));
        double w = nearbyint(sqrt(area * aspect)), h = nearbyint(sqrt(area / aspect));
        if (w >= 1 && w <= c->width && h >= 1 && h <= c->height) {
            weld_rectangle crop = {.width = (int)w, .height = (int)h};
            crop.y = random_place(crop.height, c->image_height, random);
            crop.x = random_place(crop.width, c->image_width, random);
            return crop;
        }
    }
    const double aspect = (double)c->width / c->height;
    weld_rectangle crop = {.width = c->width, .height = c->height};
    if (aspect < least) {
        crop.height = (int)nearbyint(c->width / least);
    } else if (aspect > most) {
        crop.width = (int)nearbyint(c->height * most);
    }
    crop.width = crop.width < 1 ? 1 : crop.width > c->width ? c->width : crop.width;
    crop.height = crop.height < 1 ? 1 : crop.height > c->height ? c->height : crop.height;
    crop.x = (c->image_width - crop.width) / 2;
    crop.y = (c->image_height - crop.height) / 2;
    return crop;
}

weld_rectangle weld_random_crop(const weld_augmentation *a, int width, int height,
                                weld_random *random) {
    return random_crop(a, &(canvas){width, height, width, height, 1}, random);
}

static int at_least(int side, double wanted) {
    const int other = (int)nearbyint(wanted);
    return other > side ? other : side;
}

static canvas canvas_of(const weld_transform *t, int width, int height,
                        const weld_rectangle *cell) {
    const double aspect = (double)cell->width / cell->height;
    canvas c = {width, height, width, height, aspect};
    if (t->preprocessing.resize == WELD_FIT_SQUASH) {
        c.aspect = (double)width / height;
    } else if (t->preprocessing.resize == WELD_FIT_LETTERBOX) {
        c.width = at_least(width, height * aspect);
        c.height = at_least(height, width / aspect);
    }
    return c;
}

/* Of a span of `length` from `begin`, which becomes `cell`, the part that lies in 0..end: what of
 * the image it is, and where it comes to lie. */
static void cut_span(int *begin, int *length, int end, int *to, int *to_length) {
    const int first = *begin < 0 ? 0 : *begin;
    const int last = *begin + *length > end ? end : *begin + *length;
    const double scale = (double)*to_length / *length;
    const int place = (int)nearbyint((first - *begin) * scale);
    const int shown = (int)nearbyint((last - first) * scale);
    if (first == *begin && last == *begin + *length) {
        return;
    }
    *to += place;
    *to_length = shown < 1 ? 1 : shown;
    *begin = first;
    *length = last - first;
}

weld_rectangle weld_letterbox(int width, int height, const weld_rectangle *cell) {
    const weld_preprocessing p = {.width = cell->width,
                                  .height = cell->height,
                                  .resize = WELD_FIT_LETTERBOX,
                                  .crop_fraction = 1};
    int left, top;
    const weld_resize_request r = central_request(&p, width, height, &left, &top);
    return (weld_rectangle){cell->x + left, cell->y + top, r.width, r.height};
}

weld_rectangle weld_transform_whole(const weld_transform *t) {
    return (weld_rectangle){0, 0, t->preprocessing.width, t->preprocessing.height};
}

weld_sample_plan weld_transform_plan(const weld_transform *t, int width, int height,
                                     weld_rectangle cell, weld_random *random) {
    weld_sample_plan plan = {.crop = {0, 0, width, height},
                             .reduction = 1,
                             .cell = cell,
                             .to = cell,
                             .frame = weld_transform_whole(t)};
    const canvas shown = canvas_of(t, width, height, &cell);
    switch (t->augmentation.kind) {
    case WELD_AUGMENT_IMAGENET:
        plan.crop = random_crop(&t->augmentation, &shown, random);
        cut_span(&plan.crop.x, &plan.crop.width, width, &plan.to.x, &plan.to.width);
        cut_span(&plan.crop.y, &plan.crop.height, height, &plan.to.y, &plan.to.height);
        while (plan.reduction < 8 && plan.crop.width / plan.reduction / 2 >= plan.to.width &&
               plan.crop.height / plan.reduction / 2 >= plan.to.height) {
            plan.reduction *= 2;
        }
        break;
    case WELD_AUGMENT_SMALL:
        if (t->preprocessing.resize == WELD_FIT_LETTERBOX) {
            plan.to = weld_letterbox(width, height, &cell);
        }
        plan.to.x += SMALL_PADDING - (int)weld_random_below(random, 2 * SMALL_PADDING + 1);
        plan.to.y += SMALL_PADDING - (int)weld_random_below(random, 2 * SMALL_PADDING + 1);
        break;
    case WELD_AUGMENT_DETECTION: /* of all images of a sample together: mosaic.c */
    case WELD_AUGMENT_NONE:
        return plan;
    }
    plan.hflip = weld_random_uniform(random) < t->augmentation.hflip;
    if (t->augmentation.vflip > 0) { /* else nothing is drawn: what follows is as without the key */
        plan.vflip = weld_random_uniform(random) < t->augmentation.vflip;
    }
    return plan;
}

weld_placement weld_transform_evaluation_placement(const weld_transform *t, int width, int height) {
    int left, top;
    const weld_resize_request r = central_request(&t->preprocessing, width, height, &left, &top);
    weld_placement p = {.width = width,
                        .height = height,
                        .scale = {(double)r.full_width / width, (double)r.full_height / height},
                        .shift = {(double)(left - r.x), (double)(top - r.y)},
                        .cell = weld_transform_whole(t)};
    weld_placement_extend(&p);
    return p;
}

/* How a crop fills the place that it was made for. */
static weld_placement place_crop(const weld_sample_plan *plan, int width, int height) {
    const weld_rectangle *crop = &plan->crop, *to = &plan->to;
    weld_placement p = {.width = width, .height = height, .cell = plan->cell};
    p.scale[0] = (double)to->width / crop->width;
    p.scale[1] = (double)to->height / crop->height;
    p.shift[0] = to->x - crop->x * p.scale[0];
    p.shift[1] = to->y - crop->y * p.scale[1];
    weld_placement_extend(&p);
    return p;
}

weld_placement weld_transform_placement(const weld_transform *t, const weld_sample_plan *plan,
                                        int width, int height) {
    if (t->augmentation.kind == WELD_AUGMENT_NONE) {
        return weld_transform_evaluation_placement(t, width, height);
    }
    weld_placement p =
        t->augmentation.kind == WELD_AUGMENT_DETECTION ? plan->at : place_crop(plan, width, height);
    if (plan->hflip) {
        weld_placement_mirror(&p, 0, plan->cell.x, plan->cell.width);
    }
    if (plan->vflip) {
        weld_placement_mirror(&p, 1, plan->cell.y, plan->cell.height);
    }
    return p;
}
