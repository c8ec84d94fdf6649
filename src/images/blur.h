/* Pillow's GaussianBlur of RGB8 images, to the bit: three box blurs a direction, whose box has a
 * fraction of a pixel at its ends (Gwosdek, Grewenig, Bruhn, Weickert: "Theoretical foundations of
 * Gaussian convolution by extended box filtering", 2011), each rounded to 8 bits. */
#ifndef WELD_IMAGES_BLUR_H
#define WELD_IMAGES_BLUR_H

#include "formats/bytes.h"
#include "images/image.h"

/* In place. radius: the Gaussian's standard deviation in pixels, 0 to 100. The outermost pixels go
 * on outside the image. scratch: memory that calls of one thread share. */
weld_status weld_image_gaussian_blur(weld_image *image, double radius, weld_bytes *scratch,
                                     weld_error *err);

#endif
