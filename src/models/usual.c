/* How images are prepared where nobody says otherwise; see weld/image.h. */
#include "weld/image.h"

#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "models/models.h"

const char *const weld_fit_names[] = {
    [WELD_FIT_CROP] = "crop", [WELD_FIT_SQUASH] = "squash", [WELD_FIT_LETTERBOX] = "letterbox"};
const char *const weld_interpolation_names[] = {
    [WELD_BICUBIC] = "bicubic", [WELD_BILINEAR] = "bilinear"};

weld_preprocessing weld_preprocessing_of(int input_size) {
    return (weld_preprocessing){.height = input_size,
                                .width = input_size,
                                .crop_fraction = 0.875,
                                .interpolation = WELD_BICUBIC,
                                .mean = {0.485f, 0.456f, 0.406f},
                                .std = {0.229f, 0.224f, 0.225f},
                                .padding = {124, 116, 104},
                                .scale16 = WELD_SCALE16_MIN};
}

static weld_status check_channel(float mean, float std, weld_error *err) {
    return fabsf(mean) <= (float)WELD_MAX_MEAN && std >= (float)WELD_MIN_STD &&
                   std <= (float)WELD_MAX_STD
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "mean %g, std %g: a mean must be in %g..%g, a std in %g..%g",
                           (double)mean, (double)std, -WELD_MAX_MEAN, WELD_MAX_MEAN, WELD_MIN_STD,
                           WELD_MAX_STD);
}

weld_status weld_preprocessing_check(const weld_preprocessing *p, weld_error *err) {
    if (p->height < 1 || p->height > WELD_MAX_INPUT_SIZE || p->width < 1 ||
        p->width > WELD_MAX_INPUT_SIZE) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "input_size is %d x %d: each must be 1..%d",
                         p->height, p->width, WELD_MAX_INPUT_SIZE);
    }
    if ((unsigned)p->resize > WELD_FIT_LETTERBOX || (unsigned)p->interpolation > WELD_BILINEAR) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "resize is %d, interpolation %d: there is no such mode", (int)p->resize,
                         (int)p->interpolation);
    }
    if (!(p->crop_fraction >= WELD_MIN_CROP_FRACTION &&
          p->crop_fraction <= WELD_MAX_CROP_FRACTION)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "crop_fraction is %g: it must be in %g..%g, and is 0.875 as a rule",
                         p->crop_fraction, WELD_MIN_CROP_FRACTION, (double)WELD_MAX_CROP_FRACTION);
    }
    if (p->scale16 && (p->scale16 < WELD_SCALE16_MIN || p->scale16 > WELD_SCALE16_MAX)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "scale16 is %d: it must be in %d..%d",
                         p->scale16, WELD_SCALE16_MIN, WELD_SCALE16_MAX);
    }
    if ((unsigned)p->orientation > WELD_ORIENTATION_EXIF) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "orientation is %d: there is no such mode",
                         (int)p->orientation);
    }
    if (p->max_pixels < 0 || p->max_pixels > WELD_MAX_PIXELS) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "max_pixels is %d: it must be in 1..%d",
                         p->max_pixels, WELD_MAX_PIXELS);
    }
    for (int c = 0; c < 3; c++) {
        WELD_TRY(check_channel(p->mean[c], p->std[c], err));
    }
    return WELD_OK;
}

void weld_preprocessing_pad_with_mean(weld_preprocessing *p) {
    for (int c = 0; c < 3; c++) {
        /* Of the mean as it was written down, not as a float has it: 0.3 is 76.5, and halves become
         * even, as in Python. */
        const double value = nearbyint(255 * (round((double)p->mean[c] * 1e7) / 1e7));
        p->padding[c] = (unsigned char)(value > 255 ? 255 : value > 0 ? value : 0);
    }
}

bool weld_preprocessing_is_of_bytes(const weld_preprocessing *p) {
    return p->mean[0] > 2 || p->mean[1] > 2 || p->mean[2] > 2;
}

const char *weld_input_text(const weld_preprocessing *p, char text[WELD_INPUT_TEXT_SIZE]) {
    snprintf(text, WELD_INPUT_TEXT_SIZE, p->height == p->width ? "%d" : "%d x %d", p->height,
             p->width);
    if (p->resize == WELD_FIT_SQUASH) {
        weld_append(text, WELD_INPUT_TEXT_SIZE, ", squash");
    } else if (p->resize == WELD_FIT_LETTERBOX) {
        weld_append(text, WELD_INPUT_TEXT_SIZE, ", letterbox on %d,%d,%d", p->padding[0],
                    p->padding[1], p->padding[2]);
    }
    if (p->scale16 > WELD_SCALE16_MIN) {
        weld_append(text, WELD_INPUT_TEXT_SIZE, ", 16-bit grey up to %d", p->scale16);
    }
    return text;
}
