/* Buffers for images and file contents; see image.h. */
#include "images/image.h"

#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"

/* Room for `size` bytes whose old contents do not matter. */
static bool make_room(uint8_t **data, size_t *capacity, size_t size) {
    if (size > *capacity || !*data) {
        weld_free(*data);
        *data = weld_alloc_raw(size, 1);
        *capacity = *data ? size : 0;
    }
    return *data != NULL;
}

weld_status weld_image_check_size(int width, int height, weld_error *err) {
    if (width < 1 || height < 1 || (int64_t)width * height > WELD_MAX_PIXELS) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "image of %d x %d pixels: the limit is %d pixels in all", width, height,
                         WELD_MAX_PIXELS);
    }
    return WELD_OK;
}

weld_status weld_image_resize_buffer(weld_image *image, int width, int height, weld_error *err) {
    weld_status status = weld_image_check_size(width, height, err);
    if (status) {
        return status;
    }
    image->width = width;
    image->height = height;
    return make_room(&image->pixels, &image->capacity, (size_t)width * (size_t)height * 3)
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

weld_status weld_bytes_resize(weld_bytes *bytes, size_t size, weld_error *err) {
    bytes->size = size;
    return make_room(&bytes->data, &bytes->capacity, size) ? WELD_OK
                                                           : weld_fail_memory(err, "file contents");
}

void weld_bytes_free(weld_bytes *bytes) {
    weld_free(bytes->data);
    *bytes = (weld_bytes){0};
}

weld_status weld_read_file(const char *path, weld_bytes *out, weld_error *err) {
    uint64_t size;
    int fd;
    weld_status status = weld_file_open(path, &fd, &size, err);
    if (status) {
        return status;
    }
    if (size > WELD_MAX_FILE_SIZE) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: larger than 1 GiB: not an image", path);
    } else {
        status = weld_bytes_resize(out, (size_t)size, err);
        if (!status) {
            status = weld_file_read_at(fd, path, out->data, out->size, 0, err);
        }
    }
    close(fd);
    return status;
}
