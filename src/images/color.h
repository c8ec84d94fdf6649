/* What augmentation does to the values of RGB8 images, in place: Pillow's ImageOps and ImageEnhance
 * to the bit.
 *
 * All work on a whole image; a factor of 1 changes nothing, below 1 there is less of the quality,
 * above 1 more. Blends are made in float and cut off, not rounded, as Pillow does it.
 */
#ifndef WELD_IMAGES_COLOR_H
#define WELD_IMAGES_COLOR_H

#include "formats/bytes.h"
#include "images/image.h"

/* Each channel is stretched so that its values fill 0..255; one of a single value stays. */
void weld_image_auto_contrast(weld_image *image);
/* Each channel is mapped by its cumulative histogram, so that its values are evenly spread. */
void weld_image_equalize(weld_image *image);
void weld_image_invert(weld_image *image);
/* Keep the `bits` highest of eight; 0 and less: black. */
void weld_image_posterize(weld_image *image, int bits);
/* Invert values from `threshold` up. */
void weld_image_solarize(weld_image *image, int threshold);
/* Add to values below 128; above 255 they are cut off. */
void weld_image_solarize_add(weld_image *image, int amount);

/* Luma as Pillow's convert("L") has it: 0.299 R + 0.587 G + 0.114 B in fixed point, rounded. */
void weld_image_grey(weld_image *image);

/* Blends with the image's grey version, with its mean grey level, with black. */
void weld_image_color(weld_image *image, double factor);
void weld_image_contrast(weld_image *image, double factor);
void weld_image_brightness(weld_image *image, double factor);

/* Blend with the image smoothed by (1 1 1; 1 5 1; 1 1 1) / 13, whose border is the image's own. */
weld_status weld_image_sharpness(weld_image *image, double factor, weld_bytes *scratch,
                                 weld_error *err);

#endif
