/* How images are prepared where nobody says otherwise; see weld/image.h. */
#include "weld/image.h"

#include <math.h>
#include <stdio.h>

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

void weld_preprocessing_pad_with_mean(weld_preprocessing *p) {
    for (int c = 0; c < 3; c++) {
        /* Of the mean as it was written down, not as a float has it: 0.3 is 76.5, and halves become
         * even, as in Python. */
        const double value = nearbyint(255 * (round((double)p->mean[c] * 1e7) / 1e7));
        p->padding[c] = (unsigned char)(value > 255 ? 255 : value > 0 ? value : 0);
    }
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
