/* One decoder per file format, for decode.c. With out NULL they read the header only. */
#ifndef WELD_DATA_DECODE_FORMAT_H
#define WELD_DATA_DECODE_FORMAT_H

#include "data/image.h"

weld_status weld_decode_jpeg(const uint8_t *bytes, size_t size, weld_image *out, int *width,
                             int *height, weld_error *err);
weld_status weld_decode_png(const uint8_t *bytes, size_t size, weld_image *out, int *width,
                            int *height, weld_error *err);

#endif
