/* How images are prepared where nobody says otherwise; see weld/image.h. */
#include "weld/image.h"

weld_preprocessing weld_preprocessing_of(int input_size) {
    return (weld_preprocessing){.input_size = input_size,
                                .crop_fraction = 0.875,
                                .interpolation = WELD_BICUBIC,
                                .mean = {0.485f, 0.456f, 0.406f},
                                .std = {0.229f, 0.224f, 0.225f}};
}
