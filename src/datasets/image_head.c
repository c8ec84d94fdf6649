/* Sizes of images in files; see image_head.h. */
#include "datasets/image_head.h"

#include <string.h>
#include <unistd.h>

#include "formats/file.h"
#include "images/decode.h"
#include "images/upright.h"

enum { HEAD = 1 << 16 /* bytes: nearly always enough */ };

/* What the file begins with. */
static weld_status read_head(const char *path, weld_bytes *out, weld_error *err) {
    int descriptor;
    uint64_t size;
    weld_status status = weld_file_open(path, &descriptor, &size, err);
    if (status) {
        return status;
    }
    status = weld_bytes_resize(out, size < HEAD ? (size_t)size : HEAD, err);
    status = status ? status : weld_file_read_at(descriptor, path, out->data, out->size, 0, err);
    close(descriptor);
    return status;
}

weld_status weld_image_head_size(const char *path, weld_bytes *scratch, int *width, int *height,
                                 weld_error *err) {
    weld_status status = read_head(path, scratch, err);
    if (status) {
        return status;
    }
    status = weld_decode_size(scratch->data, scratch->size, width, height, err);
    /* Formats other than JPEG may tell the orientation behind the pixels. */
    const bool is_jpeg = scratch->size > 2 && memcmp(scratch->data, "\xff\xd8\xff", 3) == 0;
    if (scratch->size == HEAD && (status == WELD_ERROR_FORMAT || (!status && !is_jpeg))) {
        status = weld_read_file(path, scratch, err);
        status =
            status ? status : weld_decode_size(scratch->data, scratch->size, width, height, err);
    }
    if (!status) {
        weld_upright_size(weld_orientation_of(scratch->data, scratch->size), width, height);
    }
    return status;
}
