/* Choosing the decoder of an image; see decode.h. */
#include "data/decode.h"

#include <string.h>

#include "base/error.h"
#include "data/decode_format.h"

static weld_status decode(const uint8_t *bytes, size_t size, weld_image *out, int *width,
                          int *height, weld_error *err) {
    static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF};
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    if (size >= sizeof jpeg && memcmp(bytes, jpeg, sizeof jpeg) == 0) {
        return weld_decode_jpeg(bytes, size, out, width, height, err);
    }
    if (size >= sizeof png && memcmp(bytes, png, sizeof png) == 0) {
        return weld_decode_png(bytes, size, out, width, height, err);
    }
    return weld_fail(err, WELD_ERROR_FORMAT, "%snot a JPEG or PNG image",
                     size == 0 ? "empty file: " : "");
}

weld_status weld_decode_image(const void *bytes, size_t size, weld_image *out, weld_error *err) {
    int width, height;
    return decode(bytes, size, out, &width, &height, err);
}

weld_status weld_decode_size(const void *bytes, size_t size, int *width, int *height,
                             weld_error *err) {
    return decode(bytes, size, NULL, width, height, err);
}

weld_status weld_decode_file(const char *path, weld_image *out, weld_error *err) {
    weld_bytes bytes = {0};
    weld_status status = weld_read_file(path, &bytes, err);
    if (!status) {
        status = weld_decode_image(bytes.data, bytes.size, out, err);
        if (status) {
            status = weld_fail_context(err, status, "%s", path);
        }
    }
    weld_bytes_free(&bytes);
    return status;
}
