/* Random changes of pixels; see pixel_augment.h. */
#include "data/pixel_augment.h"

#include <math.h>
#include <string.h>

#include "images/hsv.h"

static const double three_augment_jitter = 0.3;

weld_status weld_pixel_augment_init(const weld_augmentation *a, const float mean[3],
                                    weld_pixel_augment *out, weld_error *err) {
    *out = (weld_pixel_augment){.strength = a->color_jitter};
    for (int c = 0; c < 3; c++) {
        out->fill[c] = (uint8_t)nearbyint(fmax(0, fmin(255, 255 * (double)mean[c])));
    }
    weld_status status = weld_rand_augment_parse(a->auto_augment, &out->rand_augment, err);
    if (status || a->kind == WELD_AUGMENT_NONE) {
        return status;
    }
    if (a->kind == WELD_AUGMENT_DETECTION) {
        const bool any = a->hsv[0] > 0 || a->hsv[1] > 0 || a->hsv[2] > 0;
        out->method = any ? WELD_PIXELS_HSV : WELD_PIXELS_AS_THEY_ARE;
        memcpy(out->gains, a->hsv, sizeof out->gains);
        return WELD_OK;
    }
    if (a->three_augment) {
        out->method = WELD_PIXELS_THREE_AUGMENT;
        out->strength = three_augment_jitter;
    } else if (out->rand_augment.count > 0) {
        out->method = WELD_PIXELS_RAND_AUGMENT;
    } else if (a->color_jitter > 0) {
        out->method = WELD_PIXELS_COLOR_JITTER;
    }
    return WELD_OK;
}

/* Three operations. */
static int draw_jitter(double strength, weld_random *random, weld_operation *operations) {
    static const weld_operation_kind kinds[3] = {WELD_OPERATION_BRIGHTNESS, WELD_OPERATION_CONTRAST,
                                                 WELD_OPERATION_COLOR};
    int64_t order[3] = {0, 1, 2};
    weld_random_shuffle(random, order, 3);
    for (int i = 0; i < 3; i++) {
        operations[i] = (weld_operation){
            .kind = kinds[order[i]],
            .argument = weld_random_range(random, fmax(0, 1 - strength), 1 + strength)};
    }
    return 3;
}

static weld_operation draw_of_three(weld_random *random) {
    switch (weld_random_below(random, 3)) {
    case 0:
        return (weld_operation){.kind = WELD_OPERATION_GREY};
    case 1:
        return (weld_operation){.kind = WELD_OPERATION_SOLARIZE, .argument = 128};
    default:
        return (weld_operation){.kind = WELD_OPERATION_GAUSSIAN_BLUR,
                                .argument = weld_random_range(random, 0.1, 2.0)};
    }
}

int weld_pixel_augment_draw(const weld_pixel_augment *p, weld_random *random,
                            weld_operation *operations) {
    switch (p->method) {
    case WELD_PIXELS_AS_THEY_ARE:
    case WELD_PIXELS_HSV:
        break;
    case WELD_PIXELS_RAND_AUGMENT:
        return weld_rand_augment_draw(&p->rand_augment, random, operations);
    case WELD_PIXELS_COLOR_JITTER:
        return draw_jitter(p->strength, random, operations);
    case WELD_PIXELS_THREE_AUGMENT:
        operations[0] = draw_of_three(random);
        return 1 + draw_jitter(p->strength, random, operations + 1);
    }
    return 0;
}

static void shift_hsv(const double gains[3], weld_random *random, weld_image *image) {
    double gain[3];
    for (int i = 0; i < 3; i++) {
        gain[i] = weld_random_range(random, -gains[i], gains[i]);
    }
    weld_image_shift_hsv(image, gain);
}

weld_status weld_pixel_augment_run(const weld_pixel_augment *p, weld_random *random,
                                   weld_image *image, weld_bytes *scratch, weld_error *err) {
    if (p->method == WELD_PIXELS_HSV) {
        shift_hsv(p->gains, random, image);
        return WELD_OK;
    }
    weld_operation operations[WELD_RAND_AUGMENT_KINDS];
    int count = weld_pixel_augment_draw(p, random, operations);
    weld_status status = WELD_OK;
    for (int i = 0; !status && i < count; i++) {
        status = weld_operation_apply(&operations[i], p->fill, image, scratch, err);
    }
    return status;
}
