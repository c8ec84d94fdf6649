/* How a training sample is made of several images, as a mosaic is. */
#ifndef WELD_DATA_COMPOSITION_H
#define WELD_DATA_COMPOSITION_H

#include "base/random.h"
#include "images/image.h"

/* An image, and the part of the sample that it fills. Parts of the next layer are a picture of
 * their own, with which that of the layer before is blended. */
typedef struct weld_sample_part {
    int64_t index;
    weld_rectangle cell;
    int layer; /* rising: 0, or 0 and then 1 */
} weld_sample_part;

#define WELD_SAMPLE_PARTS 9

typedef struct weld_composition {
    int most; /* images of a sample, 1..WELD_SAMPLE_PARTS */
    /* parts[0] is the image whose turn it is, filling all of a sample of height x width. Choose the
     * others out of the `images` of the data set, and all cells; returns how many there are. A
     * function of its arguments and of what is drawn. */
    int (*compose)(const void *settings, int64_t images, int height, int width, weld_random *random,
                   weld_sample_part *parts);
    const void *settings;
} weld_composition;

#endif
