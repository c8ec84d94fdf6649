/* The orientation that cameras write into a file's metadata (EXIF, tag 0x0112), for those who want
 * images upright: as people see them, and drew boxes on them.
 *
 * Orientation 1 is upright; 2, 3, 4 are mirrored left to right, turned by 180 degrees, mirrored top
 * to bottom; 5 to 8 have width and height exchanged: mirrored at the diagonal, to be turned by 90
 * degrees clockwise, mirrored at the other diagonal, to be turned by 90 degrees anticlockwise. */
#ifndef WELD_IMAGES_UPRIGHT_H
#define WELD_IMAGES_UPRIGHT_H

#include "images/decode.h"

/* 1 to 8; 1 where the file does not say. */
int weld_orientation_of(const void *bytes, size_t size);
/* From the size as stored to that of the upright image, or back. */
void weld_upright_size(int orientation, int *width, int *height);

/* An image as it is to be read: of no more pixels than are taken, and turned where that is said. */
weld_status weld_reading_decode(weld_reading how, const void *bytes, size_t size, weld_image *out,
                                weld_error *err);
/* The same where the orientation is known. */
weld_status weld_decode_upright(weld_reading how, const void *bytes, size_t size, int orientation,
                                weld_image *out, weld_error *err);
/* weld_decode_part (decode.h; also scale16) of the image with this orientation applied: the part is
 * one of the upright image, and so are the pixels. */
weld_status weld_decode_part_upright(const void *bytes, size_t size, int orientation,
                                     const weld_rectangle *part, int reduction, int scale16,
                                     weld_image *memory, weld_decoded_part *out, weld_error *err);

#endif
