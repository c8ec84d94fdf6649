/* Choosing the decoder of an image; see decode.h. */
#include "images/decode.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "formats/foreign.h"
#include "formats/tar.h"
#include "images/decode_format.h"

typedef enum file_kind { FILE_OTHER, FILE_JPEG, FILE_PNG, FILE_WEBP } file_kind;

static file_kind kind_of(const uint8_t *bytes, size_t size) {
    static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF};
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    if (size >= sizeof jpeg && memcmp(bytes, jpeg, sizeof jpeg) == 0) {
        return FILE_JPEG;
    }
    if (size >= sizeof png && memcmp(bytes, png, sizeof png) == 0) {
        return FILE_PNG;
    }
    bool is_webp = size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
    return is_webp ? FILE_WEBP : FILE_OTHER;
}

bool weld_is_image(const void *bytes, size_t size) {
    return kind_of(bytes, size) != FILE_OTHER;
}

static weld_status decode(const uint8_t *bytes, size_t size, int scale16, weld_image *out,
                          int *width, int *height, weld_error *err) {
    switch (kind_of(bytes, size)) {
    case FILE_JPEG:
        return weld_decode_jpeg(bytes, size, out, width, height, err);
    case FILE_PNG:
        return weld_decode_png(bytes, size, scale16, out, width, height, err);
    case FILE_WEBP:
        return weld_decode_webp(bytes, size, out, width, height, err);
    case FILE_OTHER:
        break;
    }
    const char *undo, *known = weld_foreign_text(bytes, size);
    const char *compression = weld_compression(bytes, size, &undo);
    return weld_fail(err, WELD_ERROR_FORMAT, "%s%s%snot a JPEG, PNG or WebP image",
                     size == 0     ? "empty file"
                     : compression ? "a file compressed by "
                                   : "",
                     compression ? compression
                     : known     ? known
                                 : "",
                     size == 0 || compression || known ? ": " : "");
}

weld_status weld_decode_image(const void *bytes, size_t size, int scale16, weld_image *out,
                              weld_error *err) {
    int width, height;
    return decode(bytes, size, scale16, out, &width, &height, err);
}

weld_status weld_decode_size(const void *bytes, size_t size, int *width, int *height,
                             weld_error *err) {
    return decode(bytes, size, 0, NULL, width, height, err);
}

weld_status weld_reading_check(weld_reading how, int width, int height, weld_error *err) {
    const int most = how.max_pixels ? how.max_pixels : WELD_USUAL_MAX_PIXELS;
    if (width < 1 || height < 1 || (int64_t)width * height > most) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "image of %d x %d pixels: the limit is %d pixels in all "
                         "(data.max_pixels of a recipe; --max-pixels)",
                         width, height, most);
    }
    return WELD_OK;
}

weld_decoded_part weld_part_of_image(const weld_pixels *image, const weld_rectangle *part) {
    return (weld_decoded_part){weld_pixels_crop(image, part->x, part->y, part->width, part->height),
                               {0, 0, (float)part->width, (float)part->height}};
}

weld_status weld_decode_part(const void *bytes, size_t size, const weld_rectangle *part,
                             int reduction, int scale16, weld_image *memory, weld_decoded_part *out,
                             weld_error *err) {
    if (kind_of(bytes, size) == FILE_JPEG) {
        return weld_decode_jpeg_part(bytes, size, part, reduction, memory, out, err);
    }
    int width, height;
    weld_status status = decode(bytes, size, scale16, memory, &width, &height, err);
    status = status ? status : weld_rectangle_check(part, width, height, err);
    if (!status) {
        weld_pixels whole = weld_image_pixels(memory);
        *out = weld_part_of_image(&whole, part);
    }
    return status;
}
