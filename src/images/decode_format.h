/* One decoder per file format, for decode.c. With out NULL they read the header only. */
#ifndef WELD_IMAGES_DECODE_FORMAT_H
#define WELD_IMAGES_DECODE_FORMAT_H

#include "images/decode.h"

weld_status weld_decode_jpeg(const uint8_t *bytes, size_t size, weld_image *out, int *width,
                             int *height, weld_error *err);
weld_status weld_decode_jpeg_part(const uint8_t *bytes, size_t size, const weld_rectangle *part,
                                  int reduction, weld_image *memory, weld_decoded_part *out,
                                  weld_error *err);
weld_status weld_decode_png(const uint8_t *bytes, size_t size, int scale16, weld_image *out,
                            int *width, int *height, weld_error *err);
/* At least the 12 bytes that tell the format. */
weld_status weld_decode_webp(const uint8_t *bytes, size_t size, weld_image *out, int *width,
                             int *height, weld_error *err);

#endif
