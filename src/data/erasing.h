/* Random erasing (Zhong, Zheng, Kang, Li, Yang: "Random erasing data augmentation", 2017): a box of
 * a normalised sample is filled with noise. */
#ifndef WELD_DATA_ERASING_H
#define WELD_DATA_ERASING_H

#include <stdbool.h>

#include "base/random.h"
#include "data/augmentation.h"
#include "images/image.h"

/* A box of an image of height x width: area uniform in 0.02..1/3 of the image's, height over width
 * log-uniform in 0.3..1/0.3, up to ten tries for one that is smaller than the image each way.
 * False: none was, *box is as before. */
bool weld_erasing_box(int image_height, int image_width, weld_random *random, weld_rectangle *box);

/* With the probability that the settings give: draw a box and fill it, as erasing_mode says. image:
 * [height, width, 3]. */
void weld_random_erase(const weld_augmentation *a, int height, int width, weld_random *random,
                       float *image);

#endif
