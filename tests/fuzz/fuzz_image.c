/* JPEG, PNG and WebP images. The checksums of a PNG's chunks are set right, so that libpng reads
 * them. */
#include <string.h>
#include <zlib.h>

#include "images/decode.h"
#include "fuzz.h"

/* Larger ones are measured alone: what a decoder takes for the largest image is bounded, but far
 * above what an input may take here. */
enum { MAX_PIXELS = 1 << 18, SIGNATURE = 8, CHUNK = 12 };

static uint32_t get_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void repair_png(uint8_t *bytes, size_t size) {
    for (size_t at = SIGNATURE; size >= CHUNK && at <= size - CHUNK;) {
        size_t length = get_u32(bytes + at);
        if (length > size - CHUNK - at) {
            return;
        }
        uint32_t crc = (uint32_t)crc32_z(0, bytes + at + 4, length + 4);
        for (int i = 0; i < 4; i++) {
            bytes[at + 8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        }
        at += CHUNK + length;
    }
}

/* What can be decoded whole has parts, which show the same. */
static void check_part(const uint8_t *bytes, size_t size, const weld_image *whole) {
    const int x = bytes[size / 2] % whole->width, y = bytes[size / 3] % whole->height;
    const weld_rectangle part = {x, y, 1 + (whole->width - x) / 2, 1 + (whole->height - y) / 2};
    weld_image memory = {0};
    weld_decoded_part got;
    FUZZ_CHECK(weld_decode_part(bytes, size, &part, 1, 0, &memory, &got, NULL) == WELD_OK);
    for (int i = 0; i < part.height; i++) {
        const size_t at = ((size_t)(y + i) * (size_t)whole->width + (size_t)x) * 3;
        FUZZ_CHECK(memcmp(got.pixels.data + (size_t)i * got.pixels.stride, whole->pixels + at,
                          (size_t)part.width * 3) == 0);
    }
    weld_image_free(&memory);
}

static void check(const uint8_t *bytes, size_t size) {
    int width = 0, height = 0;
    weld_image image = {0};
    weld_error err = fuzz_error();
    weld_status status = weld_decode_size(bytes, size, &width, &height, &err);
    fuzz_check_status(status, &err);
    if (status != WELD_OK) {
        err = fuzz_error();
        status = weld_decode_image(bytes, size, 0, &image, &err);
        FUZZ_CHECK(status != WELD_OK);
        fuzz_check_status(status, &err);
        weld_image_free(&image);
        return;
    }
    FUZZ_CHECK(width > 0 && height > 0);
    int64_t pixels = (int64_t)width * height;
    if (pixels > MAX_PIXELS && pixels <= WELD_MAX_PIXELS) {
        return;
    }
    status = weld_decode_image(bytes, size, 0, &image, &err);
    fuzz_check_status(status, &err);
    if (status == WELD_OK) {
        FUZZ_CHECK(pixels <= MAX_PIXELS);
        FUZZ_CHECK(image.width == width && image.height == height);
        uint32_t sum = (uint32_t)crc32_z(0, image.pixels, (size_t)width * (size_t)height * 3);
        check_part(bytes, size, &image);
        FUZZ_CHECK(weld_decode_image(bytes, size, 0, &image, &err) == WELD_OK); /* and once more */
        FUZZ_CHECK(sum == crc32_z(0, image.pixels, (size_t)width * (size_t)height * 3));
    }
    weld_image_free(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    uint8_t *bytes = malloc(size ? size : 1);
    FUZZ_CHECK(bytes);
    memcpy(bytes, data, size);
    check(bytes, size);
    if (size >= sizeof png && memcmp(bytes, png, sizeof png) == 0) {
        repair_png(bytes, size);
        check(bytes, size);
    }
    free(bytes);
    return 0;
}
