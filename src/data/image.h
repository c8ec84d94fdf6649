/* Images and file contents in memory that grows on demand and is used again. */
#ifndef WELD_DATA_IMAGE_H
#define WELD_DATA_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

/* Largest image that is decoded: the limit beyond which Pillow takes a file for an attack. */
#define WELD_MAX_PIXELS 178956970

/* [height, width, 3], red, green, blue, rows without gaps. Start with all zero. */
typedef struct weld_image {
    uint8_t *pixels;
    int width, height;
    size_t capacity; /* bytes at `pixels` */
} weld_image;

/* Set the size and make room; the pixels are undefined. More than WELD_MAX_PIXELS is
 * WELD_ERROR_FORMAT. */
weld_status weld_image_resize_buffer(weld_image *image, int width, int height, weld_error *err);
void weld_image_free(weld_image *image); /* the memory, not the struct */

typedef struct weld_bytes {
    uint8_t *data;
    size_t size, capacity;
} weld_bytes;

/* Set the size and make room; the contents are undefined. */
weld_status weld_bytes_resize(weld_bytes *bytes, size_t size, weld_error *err);
void weld_bytes_free(weld_bytes *bytes);

/* The contents of a regular file, of at most 1 GiB. Messages name the path. */
weld_status weld_read_file(const char *path, weld_bytes *out, weld_error *err);

#endif
