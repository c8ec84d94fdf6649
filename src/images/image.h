/* Images in memory that grows on demand and is used again. */
#ifndef WELD_IMAGES_IMAGE_H
#define WELD_IMAGES_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "weld/image.h"

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

/* WELD_ERROR_FORMAT unless an image of this size may be decoded. */
weld_status weld_image_check_size(int width, int height, weld_error *err);

/* A view of RGB8 pixels, [height, width, 3]; rows begin `stride` bytes apart. */
typedef struct weld_pixels {
    const uint8_t *data;
    int width, height;
    size_t stride;
} weld_pixels;

typedef struct weld_rectangle {
    int x, y, width, height;
} weld_rectangle;

/* WELD_ERROR_ARGUMENT unless the part has pixels and lies inside an image of this size. */
weld_status weld_rectangle_check(const weld_rectangle *part, int width, int height,
                                 weld_error *err);

weld_pixels weld_image_pixels(const weld_image *image);
/* The part of an image with the given corner and size, which must lie inside. */
weld_pixels weld_pixels_crop(const weld_pixels *in, int x, int y, int width, int height);

#endif
