#include <dirent.h>

#include "base/array.h"
#include "images/fixture_images.h"
#include "suite.h"

static bool ends_in(const char *name, const char *ending) {
    size_t length = strlen(name), tail = strlen(ending);
    return length > tail && strcmp(name + length - tail, ending) == 0;
}

/* Calls check for every .jpg, .png and .webp of the fixtures; returns how many there are. */
static int for_each_fixture(void (*check)(const char *name)) {
    char path[512];
    int count = 0;
    snprintf(path, sizeof path, "%s/images", getenv("WELD_FIXTURES"));
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (ends_in(e->d_name, ".jpg") || ends_in(e->d_name, ".png") ||
            ends_in(e->d_name, ".webp")) {
            check(e->d_name);
            count++;
        }
    }
    closedir(dir);
    return count;
}

static void compare_with_pillow(const char *name) {
    char expected_name[300], path[512];
    snprintf(expected_name, sizeof expected_name, "%s.rgb.ppm", name);
    snprintf(path, sizeof path, "%s/images/%s", getenv("WELD_FIXTURES"), expected_name);
    if (access(path, R_OK) == 0) { /* two are only there to be resized */
        weld_image got = decode_fixture(name), expected = read_ppm(expected_name);
        int difference = largest_difference(&got, &expected);
        ck_assert_msg(difference <= 1, "%s differs by %d", name, difference);
        weld_image_free(&got);
        weld_image_free(&expected);
    }
}

START_TEST(every_kind_of_file_decodes_as_pillow_does_it) {
    ck_assert_int_ge(for_each_fixture(compare_with_pillow), 33);
}
END_TEST

/* 16-bit grey with other values of white than Pillow's. */
START_TEST(grey_of_16_bits_is_scaled_to_what_is_white) {
    size_t size, bytes_size;
    char *lines = (char *)read_image_fixture("scale16.txt", &size), *line, *rest = lines;
    int count = 0;
    lines[size] = 0;
    while ((line = strsep(&rest, "\n")) && *line) {
        char name[64], expected_name[64];
        int white;
        ck_assert_int_eq(sscanf(line, "%63s %d %63s", name, &white, expected_name), 3);
        unsigned char *bytes = read_image_fixture(name, &bytes_size);
        weld_image got = {0}, memory = {0}, expected = read_ppm(expected_name);
        weld_decoded_part part;
        weld_grey_range range;
        int above = 0;
        ck_assert_int_eq(weld_decode_image(bytes, bytes_size, white, &got, NULL), WELD_OK);
        ck_assert_msg(largest_difference(&got, &expected) == 0, "%s", line);
        const weld_rectangle corner = {20, 10, 11, 13};
        ck_assert_int_eq(
            weld_decode_part(bytes, bytes_size, &corner, 1, white, &memory, &part, NULL), WELD_OK);
        for (int y = 0; y < corner.height; y++) {
            ck_assert_mem_eq(part.pixels.data + (size_t)y * part.pixels.stride,
                             expected.pixels + ((corner.y + y) * expected.width + corner.x) * 3,
                             (size_t)corner.width * 3);
        }
        ck_assert_int_eq(weld_decode_grey_range(bytes, bytes_size, white, &memory, &range, NULL),
                         WELD_OK);
        for (int i = 0; i < 713; i++) {
            above += i * 65535 / 712 > white; /* the values of the picture */
        }
        ck_assert_int_eq(range.least, 0);
        ck_assert_int_eq(range.most, 65535);
        ck_assert_double_eq(range.clipped, above / 713.0);
        weld_image_free(&got);
        weld_image_free(&memory);
        weld_image_free(&expected);
        free(bytes);
        count++;
    }
    ck_assert_int_eq(count, 5);
    free(lines);
}
END_TEST

static void check_size(const char *name) {
    weld_image image = decode_fixture(name);
    int width = 0, height = 0;
    size_t size;
    unsigned char *bytes = read_image_fixture(name, &size);
    ck_assert_int_eq(weld_decode_size(bytes, size, &width, &height, NULL), WELD_OK);
    ck_assert_int_eq(width, image.width);
    ck_assert_int_eq(height, image.height);
    free(bytes);
    weld_image_free(&image);
}

START_TEST(the_size_is_known_from_the_header) {
    for_each_fixture(check_size);
}
END_TEST

/* Bytes of the mark of the end, without which every pixel is still there; WebP has none. */
static size_t end_of(const char *name) {
    return ends_in(name, ".jpg") ? 2 : ends_in(name, ".png") ? 12 : 0;
}

static void cut_everywhere(const char *name) {
    weld_image image = {0}, whole = decode_fixture(name);
    size_t size;
    unsigned char *bytes = read_image_fixture(name, &size);
    for (size_t cut = 0; cut < size; cut += cut + 40 < size ? 1 + size / 97 : 1) {
        /* A copy of its own, so that reading past the end is noticed. */
        unsigned char *part = malloc(cut ? cut : 1);
        weld_error err = {0};
        memcpy(part, bytes, cut);
        if (weld_decode_image(part, cut, 0, &image, &err) == WELD_OK) {
            ck_assert_msg(largest_difference(&image, &whole) == 0, "%s cut to %zu of %zu bytes",
                          name, cut, size);
        } else {
            char place[40];
            snprintf(place, sizeof place, "at byte %zu", cut);
            ck_assert_msg(strstr(err.message, place) || strstr(err.message, "not a JPEG, PNG or "),
                          "%s", err.message);
            ck_assert_msg(cut + end_of(name) < size, "%s without its end: %s", name, err.message);
        }
        free(part);
    }
    free(bytes);
    weld_image_free(&whole);
    weld_image_free(&image);
}

START_TEST(a_truncated_file_has_every_pixel_or_is_refused_and_the_place_named) {
    for_each_fixture(cut_everywhere);
}
END_TEST

/* What a disk has in the place of the rest of a file. */
static void pad_with_zeros(const char *name) {
    weld_image image = {0}, whole = decode_fixture(name);
    size_t size;
    unsigned char *bytes = read_image_fixture(name, &size);
    unsigned char *padded = calloc(1, size + 64);
    for (size_t cut = size; cut > size - 40 && ends_in(name, ".jpg"); cut--) {
        weld_error err = {0};
        memset(padded, 0, size + 64);
        memcpy(padded, bytes, cut);
        weld_status status = weld_decode_image(padded, cut + 64, 0, &image, &err);
        ck_assert_msg(status || largest_difference(&image, &whole) == 0, "%s cut to %zu of %zu",
                      name, cut, size);
        ck_assert_msg(!status || cut + 2 < size, "%s without its end: %s", name, err.message);
    }
    free(padded);
    free(bytes);
    weld_image_free(&whole);
    weld_image_free(&image);
}

START_TEST(zeros_in_the_place_of_the_end_are_no_pixels) {
    for_each_fixture(pad_with_zeros);
}
END_TEST

/* Whatever a damaged file decodes to, nothing may crash; sanitizers watch. */
static void damage(const char *name) {
    weld_image image = {0};
    size_t size;
    unsigned char *bytes = read_image_fixture(name, &size);
    for (unsigned i = 0; i < 200; i++) {
        size_t at = (i * 2654435761u) % size;
        unsigned char old = bytes[at];
        bytes[at] = (unsigned char)(old ^ (1u << i % 8));
        weld_decode_image(bytes, size, 0, &image, NULL);
        bytes[at] = old;
    }
    free(bytes);
    weld_image_free(&image);
}

START_TEST(damaged_files_do_no_harm) {
    for_each_fixture(damage);
}
END_TEST

static void expect_error(const void *bytes, size_t size, const char *text) {
    weld_image image = {0};
    weld_error err = {0};
    ck_assert_int_eq(weld_decode_image(bytes, size, 0, &image, &err), WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, text) != NULL, "%s", err.message);
    weld_image_free(&image);
}

START_TEST(what_is_no_image_is_called_so) {
    expect_error("this is a text file\n", 20, "not a JPEG, PNG or WebP image");
    expect_error("", 0, "empty file");
    expect_error("GIF89a\1\0\1\0", 10, "a GIF image: not a JPEG, PNG or WebP image");
    expect_error("\0\0\0\x18"
                 "ftypheic",
                 12, "a HEIC image: not");
    expect_error("\0\0\0\x18"
                 "ftypavif",
                 12, "an AVIF image: not");
    expect_error("II*\0\10\0", 6, "a TIFF image: not");
    expect_error("<!DOCTYPE html>", 15, "an HTML page");
    expect_error("version https://git-lfs.github.com/spec/v1\n", 43, "git lfs pull");
    expect_error("\xff\xd8\xff\xe0 and then text", 18, "JPEG");
    expect_error("\x89PNG\r\n\x1a\n and then text", 22, "PNG");
    expect_error("RIFF\x10\0\0\0WEBP and then text", 26, "WebP");
}
END_TEST

START_TEST(image_data_that_is_lost_is_an_error) {
    size_t size;
    unsigned char *bytes = read_image_fixture("baseline_444.jpg", &size);
    /* Cut in the middle of the data, but closed as if it were whole. */
    bytes[size / 2] = 0xFF;
    bytes[size / 2 + 1] = 0xD9;
    expect_error(bytes, size / 2 + 2, "premature end");
    free(bytes);
    bytes = read_image_fixture("rgb.png", &size);
    bytes[size / 2] ^= 1;
    expect_error(bytes, size, "bad PNG");
    free(bytes);
}
END_TEST

START_TEST(stray_bytes_that_lose_nothing_are_no_error) {
    size_t size;
    unsigned char *bytes = read_image_fixture("baseline_444.jpg", &size);
    unsigned char *longer = malloc(size + 3);
    weld_image a = {0}, b = decode_fixture("baseline_444.jpg");
    memcpy(longer, bytes, size - 2);
    memcpy(longer + size - 2, "\1\2\3\xff\xd9", 5);
    ck_assert_int_eq(weld_decode_image(longer, size + 3, 0, &a, NULL), WELD_OK);
    ck_assert_int_eq(largest_difference(&a, &b), 0);
    free(bytes);
    free(longer);
    weld_image_free(&a);
    weld_image_free(&b);
}
END_TEST

/* A chunk of a PNG; its sum is bit by bit that of the standard. */
static void add_chunk(weld_array *png, const char *kind, const void *data, uint32_t size) {
    const uint8_t length[] = {(uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                              (uint8_t)size};
    ck_assert(weld_array_append(png, length, 4));
    const size_t from = png->count;
    ck_assert(weld_array_append(png, kind, 4) && weld_array_append(png, data, size));
    uint32_t sum = UINT32_MAX;
    for (size_t i = from; i < png->count; i++) {
        sum ^= ((const uint8_t *)png->data)[i];
        for (int bit = 0; bit < 8; bit++) {
            sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320 : 0);
        }
    }
    sum = ~sum;
    const uint8_t end[] = {(uint8_t)(sum >> 24), (uint8_t)(sum >> 16), (uint8_t)(sum >> 8),
                           (uint8_t)sum};
    ck_assert(weld_array_append(png, end, 4));
}

/* A grey PNG of 16 x 16 zeros (`interlaced`: 1), whose compressed bytes are `blocks` blocks of 16
 * KiB of zeros that are stored as they are. */
static weld_status decode_long_png(uint8_t interlaced, int blocks, weld_error *err) {
    enum { BLOCK = 16 << 10, BASE = 65521 };
    static const uint8_t zeros[BLOCK];
    const uint8_t header[13] = {0, 0, 0, 16, 0, 0, 0, 16, 8, 0, 0, 0, interlaced};
    weld_array png = {.element = 1}, data = {.element = 1};
    ck_assert(weld_array_append(&data, "\x78\x01", 2));
    for (int i = 0; i < blocks; i++) {
        const uint8_t head[] = {i + 1 == blocks, BLOCK & 255, BLOCK >> 8, ~BLOCK & 255,
                                (~BLOCK >> 8) & 255};
        ck_assert(weld_array_append(&data, head, 5) && weld_array_append(&data, zeros, BLOCK));
    }
    const uint32_t sum =
        (uint32_t)blocks * BLOCK % BASE; /* Adler-32 of zeros: 1, and their count */
    const uint8_t end[] = {(uint8_t)(sum >> 8), (uint8_t)sum, 0, 1};
    ck_assert(weld_array_append(&data, end, 4));
    ck_assert(weld_array_append(&png, "\x89PNG\r\n\x1a\n", 8));
    add_chunk(&png, "IHDR", header, sizeof header);
    add_chunk(&png, "IDAT", data.data, (uint32_t)data.count);
    add_chunk(&png, "IEND", NULL, 0);
    weld_image image = {0};
    const weld_status status = weld_decode_image(png.data, png.count, 0, &image, err);
    ck_assert(status || (image.width == 16 && image.pixels[0] == 0));
    weld_image_free(&image);
    weld_array_free(&data);
    weld_array_free(&png);
    return status;
}

START_TEST(pixels_that_go_on_behind_the_last_row_are_not_gone_through) {
    for (uint8_t interlaced = 0; interlaced < 2; interlaced++) {
        weld_error err = {0};
        ck_assert_msg(!decode_long_png(interlaced, 1, &err), "%s", err.message);
        ck_assert_int_eq(decode_long_png(interlaced, 40, &err), WELD_ERROR_FORMAT);
        ck_assert_ptr_nonnull(strstr(err.message, "behind the last row"));
    }
}
END_TEST

/* Headers that announce more pixels than any data set holds must not be believed. */
START_TEST(huge_images_are_refused) {
    size_t size;
    unsigned char *bytes = read_image_fixture("baseline_420.jpg", &size);
    for (size_t i = 0; i + 9 < size; i++) {
        if (bytes[i] == 0xFF && bytes[i + 1] == 0xC0) {
            memset(bytes + i + 5, 0xFA, 4); /* height and width */
        }
    }
    expect_error(bytes, size, "the limit is 178956970 pixels");
    free(bytes);
    weld_image image = {0};
    ck_assert_int_eq(weld_image_resize_buffer(&image, 178956970, 1, NULL), WELD_OK);
    ck_assert_int_eq(weld_image_resize_buffer(&image, 178956971, 1, NULL), WELD_ERROR_FORMAT);
    ck_assert_int_eq(weld_image_resize_buffer(&image, 1 << 30, 1 << 30, NULL), WELD_ERROR_FORMAT);
    ck_assert_int_eq(weld_image_resize_buffer(&image, 0, 1, NULL), WELD_ERROR_FORMAT);
    weld_image_free(&image);
}
END_TEST

START_TEST(what_is_no_file_is_named_in_errors) {
    test_folder folder = test_folder_create();
    weld_bytes bytes = {0};
    weld_error err = {0};
    ck_assert_int_eq(weld_read_file(test_path(&folder, "missing.jpg"), &bytes, &err),
                     WELD_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "missing.jpg: cannot open"));
    ck_assert_int_eq(weld_read_file(folder.path, &bytes, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(mkfifo(test_path(&folder, "pipe.jpg"), 0600), 0);
    ck_assert_int_eq(weld_read_file(test_path(&folder, "pipe.jpg"), &bytes, &err),
                     WELD_ERROR_ARGUMENT);
    weld_bytes_free(&bytes);
    test_folder_remove(folder);
}
END_TEST

static void fail_allocations(const char *name) {
    size_t size;
    unsigned char *bytes = read_image_fixture(name, &size);
    weld_status status = WELD_ERROR_MEMORY;
    for (long i = 0; status; i++) {
        weld_image image = {0};
        weld_memory_fail_after(i);
        status = weld_decode_image(bytes, size, 0, &image, NULL);
        weld_memory_fail_after(-1);
        ck_assert_msg(status == WELD_OK || status == WELD_ERROR_MEMORY, "%s, %ld", name, i);
        weld_image_free(&image);
    }
    free(bytes);
}

START_TEST(failed_allocations_are_reported) {
    for_each_fixture(fail_allocations);
}
END_TEST

START_TEST(an_encoded_jpeg_is_close_to_its_image) {
    weld_image image = read_ppm("evaluation0.ppm"), again = {0};
    weld_bytes bytes = {0};
    ck_assert_int_eq(weld_encode_jpeg(&image, 95, &bytes, NULL), WELD_OK);
    ck_assert_int_eq(weld_decode_image(bytes.data, bytes.size, 0, &again, NULL), WELD_OK);
    int count = image.width * image.height * 3;
    double sum = 0;
    for (int i = 0; i < count; i++) {
        sum += abs(image.pixels[i] - again.pixels[i]);
    }
    ck_assert_double_lt(sum / count, 3.0);
    weld_image_free(&image);
    weld_image_free(&again);
    weld_bytes_free(&bytes);
}
END_TEST

RUN_SUITE("images/decode", every_kind_of_file_decodes_as_pillow_does_it,
          grey_of_16_bits_is_scaled_to_what_is_white, the_size_is_known_from_the_header,
          a_truncated_file_has_every_pixel_or_is_refused_and_the_place_named,
          zeros_in_the_place_of_the_end_are_no_pixels, damaged_files_do_no_harm,
          what_is_no_image_is_called_so, image_data_that_is_lost_is_an_error,
          stray_bytes_that_lose_nothing_are_no_error,
          pixels_that_go_on_behind_the_last_row_are_not_gone_through, huge_images_are_refused,
          what_is_no_file_is_named_in_errors, failed_allocations_are_reported,
          an_encoded_jpeg_is_close_to_its_image)
