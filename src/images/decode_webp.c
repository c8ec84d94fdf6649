/* WebP, by libwebp; see decode.h. */
#include <stdbool.h>

#include <webp/decode.h>

#include "base/error.h"
#include "images/decode_format.h"

static weld_status fail(VP8StatusCode code, size_t size, weld_error *err) {
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return weld_fail_memory(err, "WebP");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return weld_fail(err, WELD_ERROR_FORMAT, "truncated WebP: the data ends at byte %zu", size);
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return weld_fail(err, WELD_ERROR_FORMAT, "bad WebP: of a kind that is not supported");
    default:
        return weld_fail(err, WELD_ERROR_FORMAT, "bad WebP: the image data is damaged");
    }
}

/* The length that the file's first header names: libwebp does not miss the end of everything. */
static bool is_cut(const uint8_t *bytes, size_t size) {
    const uint32_t rest = (uint32_t)bytes[4] | (uint32_t)bytes[5] << 8 | (uint32_t)bytes[6] << 16 |
                          (uint32_t)bytes[7] << 24;
    return rest > size - 8;
}

weld_status weld_decode_webp(const uint8_t *bytes, size_t size, weld_image *out, int *width,
                             int *height, weld_error *err) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) {
        return weld_fail(err, WELD_ERROR_FORMAT, "WebP: libwebp is of another version");
    }
    VP8StatusCode code = is_cut(bytes, size) ? VP8_STATUS_NOT_ENOUGH_DATA
                                             : WebPGetFeatures(bytes, size, &config.input);
    if (code != VP8_STATUS_OK) {
        return fail(code, size, err);
    }
    if (config.input.has_animation) {
        return weld_fail(err, WELD_ERROR_FORMAT, "animated WebP: only still images are supported");
    }
    *width = config.input.width;
    *height = config.input.height;
    weld_status status = out ? weld_image_resize_buffer(out, *width, *height, err) : WELD_OK;
    if (status || !out) {
        return status;
    }
    const size_t stride = (size_t)out->width * 3;
    config.output.colorspace = MODE_RGB; /* alpha is left away, not blended with anything */
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out->pixels;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * (size_t)out->height;
    code = WebPDecode(bytes, size, &config);
    WebPFreeDecBuffer(&config.output);
    return code == VP8_STATUS_OK ? WELD_OK : fail(code, size, err);
}
