/* Pixels to a PNG file in memory. */
#ifndef WELD_IMAGES_ENCODE_PNG_H
#define WELD_IMAGES_ENCODE_PNG_H

#include "formats/bytes.h"
#include "images/image.h"

/* Lossless, 8-bit RGB. Equal pixels make equal bytes. Errors: WELD_ERROR_ARGUMENT for an image
 * without pixels, WELD_ERROR_MEMORY. */
weld_status weld_encode_png(const weld_image *image, weld_bytes *out, weld_error *err);

#endif
