/* What each operation of augmentation costs on an image of 224 x 224: CPU time of one thread, the
 * fastest of some rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/random.h"
#include "images/operation.h"

enum { SIZE = 224, ROUNDS = 9, REPEATS = 20 };

static const struct {
    const char *name;
    weld_operation operation;
} cases[] = {{"auto_contrast", {WELD_OPERATION_AUTO_CONTRAST}},
             {"equalize", {WELD_OPERATION_EQUALIZE}},
             {"invert", {WELD_OPERATION_INVERT}},
             {"posterize", {WELD_OPERATION_POSTERIZE, 3}},
             {"solarize", {WELD_OPERATION_SOLARIZE, 26}},
             {"solarize_add", {WELD_OPERATION_SOLARIZE_ADD, 99}},
             {"color", {WELD_OPERATION_COLOR, 1.81}},
             {"contrast", {WELD_OPERATION_CONTRAST, 1.81}},
             {"brightness", {WELD_OPERATION_BRIGHTNESS, 1.81}},
             {"sharpness", {WELD_OPERATION_SHARPNESS, 1.81}},
             {"rotate, bilinear", {WELD_OPERATION_ROTATE, 27, WELD_BILINEAR}},
             {"rotate, bicubic", {WELD_OPERATION_ROTATE, 27, WELD_BICUBIC}},
             {"shear_x, bicubic", {WELD_OPERATION_SHEAR_X, 0.27, WELD_BICUBIC}},
             {"shear_y, bicubic", {WELD_OPERATION_SHEAR_Y, 0.27, WELD_BICUBIC}},
             {"translate_x, bicubic", {WELD_OPERATION_TRANSLATE_X, 0.405, WELD_BICUBIC}},
             {"translate_y, bicubic", {WELD_OPERATION_TRANSLATE_Y, 0.405, WELD_BICUBIC}},
             {"grey", {WELD_OPERATION_GREY}},
             {"gaussian_blur", {WELD_OPERATION_GAUSSIAN_BLUR, 1.05}}};

/* Smooth with noise, as a photo is; the same before each run. */
static void fill(weld_image *image) {
    weld_random random = weld_random_start(1, 0, 0, WELD_RANDOM_TEST);
    for (int i = 0; i < SIZE * SIZE * 3; i++) {
        image->pixels[i] = (uint8_t)(i / 3 % SIZE * 100 / SIZE + i / 3 / SIZE * 100 / SIZE +
                                     (int)(weld_random_u32(&random) % 40));
    }
}

int main(void) {
    const uint8_t mean[3] = {124, 116, 104};
    weld_image image = {0};
    weld_bytes scratch = {0};
    if (weld_image_resize_buffer(&image, SIZE, SIZE, NULL)) {
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clock_t best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            fill(&image);
            clock_t begin = clock();
            for (int k = 0; k < REPEATS; k++) {
                if (weld_operation_apply(&cases[i].operation, mean, &image, &scratch, NULL)) {
                    return EXIT_FAILURE;
                }
            }
            clock_t spent = clock() - begin;
            best = round == 0 || spent < best ? spent : best;
        }
        printf("%-22s %7.3f ms\n", cases[i].name, 1e3 * (double)best / CLOCKS_PER_SEC / REPEATS);
    }
    weld_image_free(&image);
    weld_bytes_free(&scratch);
    return EXIT_SUCCESS;
}
