/* Progressive JPEGs of very many scans: a few bytes each, and each a pass over all pixels. */
#include "base/array.h"
#include "images/decode.h"
#include "suite.h"

static void put(weld_array *file, const void *bytes, size_t count) {
    ck_assert(weld_array_append(file, bytes, count));
}

/* Grey, of these sides (of at most 32767 blocks of 8 x 8 pixels a token), all of its coefficients
 * zero: its `scans` say so, the one of the mean first. */
static weld_array make_file(int width, int height, int scans) {
    weld_array file = {.element = 1};
    const uint8_t begin[] = {0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0}, one = 1; /* a table of 64 ones */
    const uint8_t frame[] = {0xFF,
                             0xC2,
                             0,
                             11,
                             8,
                             (uint8_t)(height >> 8),
                             (uint8_t)height,
                             (uint8_t)(width >> 8),
                             (uint8_t)width,
                             1,
                             1,
                             0x11,
                             0};
    /* Codes of one bit: 0 is "no difference" of means; of others "the next 16384 blocks and as many
     * as 14 bits say are zero". */
    const uint8_t codes[] = {0xFF, 0xC4, 0, 20, 0x00, 1, 0, 0,    0,    0, 0,  0,    0, 0,   0,
                             0,    0,    0, 0,  0,    0, 0, 0xFF, 0xC4, 0, 20, 0x10, 1, 0,   0,
                             0,    0,    0, 0,  0,    0, 0, 0,    0,    0, 0,  0,    0, 0xE0};
    const uint8_t mean[] = {0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0}, zeros = 0, end[] = {0xFF, 0xD9};
    const uint8_t first[] = {0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 63, 0};
    const int blocks = (width + 7) / 8 * ((height + 7) / 8);
    put(&file, begin, sizeof begin);
    for (int i = 0; i < 64; i++) {
        put(&file, &one, 1);
    }
    put(&file, frame, sizeof frame);
    put(&file, codes, sizeof codes);
    put(&file, mean, sizeof mean);
    for (int i = 0; i < (blocks + 7) / 8; i++) { /* a bit each */
        put(&file, &zeros, 1);
    }
    for (int s = 1; s < scans; s++) {
        put(&file, first, sizeof first);
        for (int done = 0; done < blocks; done += 16384) { /* two bytes: a run of 16384 */
            const uint8_t run[] = {0, 0};
            put(&file, run, sizeof run);
        }
    }
    put(&file, end, sizeof end);
    return file;
}

static weld_status decode(int width, int height, int scans, weld_error *err) {
    weld_array file = make_file(width, height, scans);
    weld_image image = {0};
    const weld_status status = weld_decode_image(file.data, file.count, 0, &image, err);
    if (!status) {
        ck_assert_int_eq(image.width, width);
        ck_assert_int_eq(image.pixels[0], 128);
    }
    weld_image_free(&image);
    weld_array_free(&file);
    return status;
}

START_TEST(as_many_scans_as_any_encoder_makes_are_taken) {
    weld_error err = {0};
    ck_assert_msg(!decode(64, 48, 2, &err), "%s", err.message);
    ck_assert_msg(!decode(64, 48, 100, &err), "%s", err.message);
    ck_assert_msg(!decode(4000, 3000, 20, &err), "%s", err.message);
}
END_TEST

START_TEST(thousands_are_refused_before_they_are_gone_through) {
    weld_error err = {0};
    ck_assert_int_eq(decode(64, 48, 2000, &err), WELD_ERROR_FORMAT);
    ck_assert_str_eq(err.message,
                     "bad JPEG: more than 500 scans of 64 x 48 pixels, which no encoder makes");
}
END_TEST

START_TEST(of_large_images_fewer_are_taken) {
    weld_error err = {0};
    ck_assert_int_eq(decode(8000, 8000, 200, &err), WELD_ERROR_FORMAT);
    ck_assert_str_eq(err.message,
                     "bad JPEG: more than 24 scans of 8000 x 8000 pixels, which no encoder makes");
}
END_TEST

RUN_SUITE("images/scans", as_many_scans_as_any_encoder_makes_are_taken,
          thousands_are_refused_before_they_are_gone_through, of_large_images_fewer_are_taken)
