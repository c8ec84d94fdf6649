/* Samples of data sets as bytes and pixels; see dataset.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "datasets/dataset_private.h"
#include "formats/file.h"
#include "images/upright.h"

bool weld_dataset_path_of(const weld_dataset *ds, const char *name, char *path, size_t size) {
    const char *root = ds->boxes ? ds->boxes->root : ds->root;
    const int length = root && *name == '/'
                           ? snprintf(path, size, "%s", name)
                           : snprintf(path, size, "%s/%s", root ? root : ds->path, name);
    return length < (int)size;
}

static bool find_size(const char *path, size_t *bytes) {
    struct stat info;
    *bytes = 0;
    if (weld_file_look(path, &info) != 0) {
        return errno == ENOENT || errno == ENOTDIR;
    }
    *bytes = (size_t)info.st_size;
    return true;
}

bool weld_dataset_find_stored_bytes(const weld_dataset *ds, int64_t i, size_t *bytes) {
    const int64_t number = weld_dataset_number(ds, i);
    char path[2 * PATH_MAX];
    *bytes = 0;
    if (ds->packed) {
        *bytes = weld_packed_size(ds->packed, number);
        return true;
    }
    if (ds->tar >= 0) {
        *bytes = (size_t)weld_listing_place_of(&ds->listing, number).size;
        return true;
    }
    return weld_dataset_path_of(ds, weld_listing_name(&ds->listing, number), path, sizeof path) &&
           find_size(path, bytes);
}

size_t weld_dataset_stored_bytes(const weld_dataset *ds, int64_t i) {
    size_t bytes;
    weld_dataset_find_stored_bytes(ds, i, &bytes);
    return bytes;
}

/* `path` is for messages. */
static weld_status read_member(const weld_dataset *ds, const char *path, int64_t i, weld_bytes *out,
                               weld_error *err) {
    weld_listing_place place = weld_listing_place_of(&ds->listing, weld_dataset_number(ds, i));
    if (place.size > WELD_MAX_FILE_SIZE) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: larger than 1 GiB: not an image", path);
    }
    WELD_TRY(weld_bytes_resize(out, (size_t)place.size, err));
    return weld_file_read_at(ds->tar, path, out->data, out->size, place.offset, err);
}

weld_status weld_dataset_read(const weld_dataset *ds, int64_t i, weld_bytes *out, weld_error *err) {
    if (ds->packed) {
        const int64_t number = weld_dataset_number(ds, i);
        WELD_TRY(weld_bytes_resize(out, weld_packed_size(ds->packed, number), err));
        return weld_packed_read(ds->packed, number, out->data, err);
    }
    char path[2 * PATH_MAX];
    const char *name = weld_dataset_name(ds, i);
    if (!weld_dataset_path_of(ds, name, path, sizeof path)) {
        return weld_fail(err, WELD_ERROR_IO, "%s/%s: path is too long", ds->path, name);
    }
    return ds->tar >= 0 ? read_member(ds, path, i, out, err) : weld_read_file(path, out, err);
}

/* Grey pixels to three channels. */
static weld_status expand_grey(const uint8_t *from, size_t stride, int width, int height,
                               weld_image *out, weld_error *err) {
    WELD_TRY(weld_image_resize_buffer(out, width, height, err));
    uint8_t *to = out->pixels;
    for (int y = 0; y < height; y++, from += stride) {
        for (int x = 0; x < width; x++, to += 3) {
            to[0] = to[1] = to[2] = from[x];
        }
    }
    return WELD_OK;
}

/* A part of pixels as they are stored: of colours a view of them. */
static weld_status raw_part(weld_packed_layout layout, const weld_bytes *bytes,
                            const weld_rectangle *part, weld_image *memory, weld_decoded_part *out,
                            weld_error *err) {
    WELD_TRY(weld_rectangle_check(part, layout.width, layout.height, err));
    if (layout.channels == 3) {
        const weld_pixels whole = {bytes->data, layout.width, layout.height,
                                   (size_t)layout.width * 3};
        *out = weld_part_of_image(&whole, part);
        return WELD_OK;
    }
    const uint8_t *from = bytes->data + (size_t)part->y * (size_t)layout.width + (size_t)part->x;
    weld_status status =
        expand_grey(from, (size_t)layout.width, part->width, part->height, memory, err);
    if (!status) {
        const weld_pixels pixels = weld_image_pixels(memory);
        *out = weld_part_of_image(&pixels, &(weld_rectangle){0, 0, part->width, part->height});
    }
    return status;
}

static weld_status raw_whole(weld_packed_layout layout, const weld_bytes *bytes, weld_image *out,
                             weld_error *err) {
    if (layout.channels != 3) {
        return expand_grey(bytes->data, (size_t)layout.width, layout.width, layout.height, out,
                           err);
    }
    weld_status status = weld_image_resize_buffer(out, layout.width, layout.height, err);
    if (!status) {
        memcpy(out->pixels, bytes->data, bytes->size);
    }
    return status;
}

/* By its own path where it has one. */
static weld_status name_sample(const weld_dataset *ds, int64_t i, weld_status status,
                               weld_error *err) {
    char path[2 * PATH_MAX];
    const char *name = weld_dataset_name(ds, i);
    return !status ? WELD_OK
           : !ds->packed && ds->tar < 0 && weld_dataset_path_of(ds, name, path, sizeof path)
               ? weld_fail_context(err, status, "%s", path)
               : weld_fail_context(err, status, "%s/%s", ds->path, name);
}

/* Boxes were drawn on the upright image, unless the size that is stated with them says otherwise.
 */
static weld_status find_orientation(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                                    bool upright, int *out, weld_error *err) {
    int width, height;
    *out = 1;
    if (weld_dataset_layout(ds).height) {
        return WELD_OK;
    }
    if (!ds->boxes) {
        *out = upright ? weld_orientation_of(bytes->data, bytes->size) : 1;
        return WELD_OK;
    }
    const weld_box_image *stated =
        (const weld_box_image *)ds->boxes->images.data + weld_dataset_number(ds, i);
    const int orientation = weld_orientation_of(bytes->data, bytes->size);
    if (stated->width <= 0 || stated->height <= 0) {
        *out = orientation;
        return WELD_OK;
    }
    WELD_TRY(weld_decode_size(bytes->data, bytes->size, &width, &height, err));
    if (stated->width == width && stated->height == height) {
        const bool is_turned = orientation > 4 && width != height;
        *out = is_turned ? 1 : orientation;
        return WELD_OK;
    }
    *out = orientation;
    weld_upright_size(orientation, &width, &height);
    return stated->width == width && stated->height == height
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_FORMAT,
                           "is %d x %d pixels, but %d x %d by its annotations: boxes would not fit",
                           width, height, stated->width, stated->height);
}

weld_status weld_dataset_orientation(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                                     bool upright, int *out, weld_error *err) {
    return name_sample(ds, i, find_orientation(ds, i, bytes, upright, out, err), err);
}

weld_status weld_dataset_decode(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                                weld_reading how, weld_image *out, weld_error *err) {
    weld_packed_layout layout = weld_dataset_layout(ds);
    int orientation;
    weld_status status = find_orientation(ds, i, bytes, how.upright, &orientation, err);
    if (!status) {
        status = layout.height
                     ? raw_whole(layout, bytes, out, err)
                     : weld_decode_upright(how, bytes->data, bytes->size, orientation, out, err);
    }
    return name_sample(ds, i, status, err);
}

weld_status weld_dataset_size(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                              weld_reading how, int *width, int *height, weld_error *err) {
    weld_packed_layout layout = weld_dataset_layout(ds);
    int orientation;
    *width = layout.width;
    *height = layout.height;
    weld_status status = find_orientation(ds, i, bytes, how.upright, &orientation, err);
    if (!status && !layout.height) {
        status = weld_decode_size(bytes->data, bytes->size, width, height, err);
        status = status ? status : weld_reading_check(how, *width, *height, err);
    }
    if (!status) {
        weld_upright_size(orientation, width, height);
    }
    return name_sample(ds, i, status, err);
}

weld_status weld_dataset_decode_part(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                                     const weld_rectangle *part, int reduction, weld_reading how,
                                     weld_image *memory, weld_decoded_part *out, weld_error *err) {
    weld_packed_layout layout = weld_dataset_layout(ds);
    int orientation;
    weld_status status = find_orientation(ds, i, bytes, how.upright, &orientation, err);
    if (!status) {
        status = layout.height
                     ? raw_part(layout, bytes, part, memory, out, err)
                     : weld_decode_part_upright(bytes->data, bytes->size, orientation, part,
                                                reduction, how.scale16, memory, out, err);
    }
    return name_sample(ds, i, status, err);
}
