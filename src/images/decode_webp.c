/* WebP, by libwebp; see decode.h. */
#include <stdbool.h>
#include <string.h>

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

/* Into the image from column x and row y on, where it fits. */
static weld_status decode_at(const uint8_t *bytes, size_t size, WebPDecoderConfig *config,
                             weld_image *out, int x, int y, weld_error *err) {
    const size_t stride = (size_t)out->width * 3, begin = (size_t)y * stride + (size_t)x * 3;
    config->output.colorspace = MODE_RGB; /* alpha is left away, not blended with anything */
    config->output.is_external_memory = 1;
    config->output.u.RGBA.rgba = out->pixels + begin;
    config->output.u.RGBA.stride = (int)stride;
    config->output.u.RGBA.size = stride * (size_t)out->height - begin;
    const VP8StatusCode code = WebPDecode(bytes, size, config);
    WebPFreeDecBuffer(&config->output);
    return code == VP8_STATUS_OK ? WELD_OK : fail(code, size, err);
}

/* --- Animations: their first frame, on black -------------------------------------------------- */

static size_t get(const uint8_t *at, int bytes) {
    size_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) {
        value = value << 8 | at[i];
    }
    return value;
}

/* The body of the first chunk of that name from `bytes` on; NULL: there is none that is whole. */
static const uint8_t *find_chunk(const uint8_t *bytes, size_t size, const char *name,
                                 size_t *length) {
    for (size_t at = 0; size - at >= 8;) {
        *length = get(bytes + at + 4, 4);
        if (*length > size - at - 8) {
            return NULL;
        }
        if (memcmp(bytes + at, name, 4) == 0) {
            return bytes + at + 8;
        }
        const size_t whole = *length + *length % 2;
        at += whole > size - at - 8 ? size - at : 8 + whole;
    }
    return NULL;
}

/* A frame is its place (halves of x and y, width and height less one, three bytes each), four bytes
 * that say how long it is shown, and chunks: one of them is an image. */
static weld_status decode_first_frame(const uint8_t *bytes, size_t size, WebPDecoderConfig *config,
                                      weld_image *out, int *width, int *height, weld_error *err) {
    enum { HEADER = 12, FRAME = 16, CHUNK = 8 };
    size_t length = 0, image_size = 0;
    const uint8_t *frame = find_chunk(bytes + HEADER, size - HEADER, "ANMF", &length), *image;
    const char *const kinds[] = {"VP8 ", "VP8L"};
    *width = config->input.width;
    *height = config->input.height;
    WELD_TRY(out ? weld_image_resize_buffer(out, *width, *height, err) : WELD_OK);
    for (int i = 0; frame && length > FRAME && i < 2; i++) {
        image = find_chunk(frame + FRAME, length - FRAME, kinds[i], &image_size);
        if (!image) {
            continue;
        }
        const size_t x = 2 * get(frame, 3), y = 2 * get(frame + 3, 3);
        image -= CHUNK; /* libwebp takes it without the header of a file too */
        image_size += CHUNK;
        if (WebPGetFeatures(image, image_size, &config->input) != VP8_STATUS_OK ||
            x + (size_t)config->input.width > (size_t)*width ||
            y + (size_t)config->input.height > (size_t)*height) {
            break;
        }
        if (!out) {
            return WELD_OK;
        }
        memset(out->pixels, 0, (size_t)*width * (size_t)*height * 3);
        return decode_at(image, image_size, config, out, (int)x, (int)y, err);
    }
    return weld_fail(err, WELD_ERROR_FORMAT, "bad WebP: an animation without a first frame");
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
        return decode_first_frame(bytes, size, &config, out, width, height, err);
    }
    *width = config.input.width;
    *height = config.input.height;
    weld_status status = out ? weld_image_resize_buffer(out, *width, *height, err) : WELD_OK;
    if (status || !out) {
        return status;
    }
    return decode_at(bytes, size, &config, out, 0, 0, err);
}
