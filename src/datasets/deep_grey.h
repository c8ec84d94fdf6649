/* Data sets of 16-bit grey (X-rays, depth, microscopes): decoded as Pillow does it, everything
 * above 255 is white, which is most of such an image and has cost people whole trainings; so what
 * another scale16 (weld/image.h) loses is told. */
#ifndef WELD_DATASETS_DEEP_GREY_H
#define WELD_DATASETS_DEEP_GREY_H

#include "datasets/dataset.h"

/* Looks at a few images of a data set. A line for people where some of them are of that kind and
 * lose pixels, else ""; returns text. What cannot be read is for others to say. */
const char *weld_deep_grey_text(const weld_dataset *ds, int scale16, char *text, size_t size);

#endif
