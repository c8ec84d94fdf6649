/* RandAugment (Cubuk, Zoph, Shlens, Le: "RandAugment: practical automated data augmentation with a
 * reduced search space", 2020) as timm configures it by a text.
 *
 * The text is "rand" and sections after dashes, in any order, each at most once:
 *
 *   m9       magnitude, a whole number of 0 to 100; 10
 *   n2       operations an image, 1 to 15; 2
 *   p0.5     probability that an operation drawn is applied; 0.5
 *   mstd0.5  the magnitude is drawn from normal(m, mstd); above 100, or inf: uniformly from 0 to m;
 * 0 mmax10   the magnitude is brought to within 0 and this, 1 to 100; 10 inc1     posterize,
 * solarize and blends do more with greater magnitude; 0: as the first implementations, in which
 * some do less w0       operations are drawn without replacement and with weights, mostly geometric
 * ones
 *
 * "none", or nothing, is the configuration without operations. An image takes its draws in this
 * order: all operations, then for each: whether it is applied, its magnitude, its sign, its filter,
 * as far as there is anything to draw.
 */
#ifndef WELD_DATA_RAND_AUGMENT_H
#define WELD_DATA_RAND_AUGMENT_H

#include <stdbool.h>

#include "base/random.h"
#include "images/operation.h"

/* The first operations of operation.h, up to translation. */
#define WELD_RAND_AUGMENT_KINDS (WELD_OPERATION_TRANSLATE_Y + 1)

typedef struct weld_rand_augment {
    int magnitude, count, magnitude_max;
    double magnitude_std; /* INFINITY: uniform */
    double probability;
    bool increasing, weighted;
} weld_rand_augment;

/* On error (WELD_ERROR_ARGUMENT) the message says what is wrong with which section. */
weld_status weld_rand_augment_parse(const char *text, weld_rand_augment *out, weld_error *err);

/* What to do with one image, which may be nothing; returns how many. operations: room for
 * WELD_RAND_AUGMENT_KINDS. */
int weld_rand_augment_draw(const weld_rand_augment *r, weld_random *random,
                           weld_operation *operations);

#endif
