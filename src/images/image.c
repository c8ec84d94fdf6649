/* Buffers for images; see image.h. */
#include "images/image.h"

#include "base/error.h"
#include "base/memory.h"
#include "formats/bytes.h"

weld_status weld_image_check_size(int width, int height, weld_error *err) {
    if (width < 1 || height < 1 || (int64_t)width * height > WELD_MAX_PIXELS) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "image of %d x %d pixels: the limit is %d pixels in all", width, height,
                         WELD_MAX_PIXELS);
    }
    return WELD_OK;
}

weld_status weld_rectangle_check(const weld_rectangle *part, int width, int height,
                                 weld_error *err) {
    bool inside = part->x >= 0 && part->y >= 0 && part->width > 0 && part->height > 0 &&
                  part->x <= width - part->width && part->y <= height - part->height;
    return inside ? WELD_OK
                  : weld_fail(err, WELD_ERROR_ARGUMENT,
                              "part %d x %d at (%d, %d) of an image of %d x %d pixels", part->width,
                              part->height, part->x, part->y, width, height);
}

weld_status weld_image_resize_buffer(weld_image *image, int width, int height, weld_error *err) {
    WELD_TRY(weld_image_check_size(width, height, err));
    image->width = width;
    image->height = height;
    return weld_bytes_make_room(&image->pixels, &image->capacity,
                                (size_t)width * (size_t)height * 3)
               ? WELD_OK
               : weld_fail_memory(err, "image");
}

void weld_image_free(weld_image *image) {
    weld_free(image->pixels);
    *image = (weld_image){0};
}

weld_pixels weld_image_pixels(const weld_image *image) {
    return (weld_pixels){image->pixels, image->width, image->height, (size_t)image->width * 3};
}

weld_pixels weld_pixels_crop(const weld_pixels *in, int x, int y, int width, int height) {
    return (weld_pixels){in->data + (size_t)y * in->stride + (size_t)x * 3, width, height,
                         in->stride};
}
