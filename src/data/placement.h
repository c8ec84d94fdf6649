/* Where what an image shows comes to lie in a sample. */
#ifndef WELD_DATA_PLACEMENT_H
#define WELD_DATA_PLACEMENT_H

#include <stdbool.h>

#include "images/image.h"

/* The image's point (x, y), in pixels from the upper left corner, lies at
 *     u = scale[0] x + shift[0],  v = scale[1] y + shift[1];
 * a flip is a negative scale. Where it is turned, that is a plane whose points lie where the map
 * `turn` puts them (projection.h).
 * What RandAugment does to shapes is not told. */
typedef struct weld_placement {
    int width, height; /* of the image */
    double scale[2], shift[2];
    double extent[4]; /* left, top, right, bottom, before turning: all of the image, or what a
                       * mosaic's canvas leaves of it */
    bool turned;
    double turn[9];
    weld_rectangle cell; /* of the sample; the image is seen nowhere else. Empty: not at all */
} weld_placement;

/* Have the extent be all of the image. */
void weld_placement_extend(weld_placement *p);

/* Mirror it in the `length` pixels of the sample from `begin` on, across (axis 0) or down (1). */
void weld_placement_mirror(weld_placement *p, int axis, int begin, int length);

/* What becomes of a box of the image (left, top, right, bottom): it is cut to the extent, put into
 * the sample, where it is the smallest around its corners, and cut to the cell. Both may be left
 * without area. Returns the area that it had before it was turned and cut to the cell: what of that
 * is left tells how much of it is still seen. */
double weld_placement_box(const weld_placement *p, const double box[4], double out[4]);

#endif
