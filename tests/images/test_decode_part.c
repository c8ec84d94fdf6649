#include <stdio.h>

#include <jpeglib.h>

#include "base/random.h"
#include "images/fixture_images.h"
#include "suite.h"

/* How a JPEG is made. */
typedef struct jpeg_kind {
    const char *name;
    int components, across, down; /* sampling factors of the first component */
    bool progressive, separate, unfinished, arithmetic;
    int restart_rows;
} jpeg_kind;

static const jpeg_kind kinds[] = {
    {"4:4:4", 3, 1, 1},
    {"4:2:2", 3, 2, 1},
    {"4:2:0", 3, 2, 2},
    {"4:1:1", 3, 4, 1},
    {"4:4:0", 3, 1, 2},
    {"4:1:0", 3, 4, 2},
    {"three across", 3, 3, 1},
    {"4:2:0 with restarts", 3, 2, 2, .restart_rows = 1},
    {"4:2:0, a scan each", 3, 2, 2, .separate = true},
    {"4:2:0, progressive", 3, 2, 2, .progressive = true},
    {"4:2:2, progressive, scans missing", 3, 2, 1, .progressive = true, .unfinished = true},
    {"4:2:0, progressive, scans missing", 3, 2, 2, .progressive = true, .unfinished = true},
    {"4:2:0, arithmetic", 3, 2, 2, .arithmetic = true},
    {"grey", 1, 1, 1},
    {"grey, 2x2", 1, 2, 2},
    {"CMYK", 4, 1, 1},
    {"CMYK, 2x2", 4, 2, 2},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void set_scans(struct jpeg_compress_struct *c, const jpeg_kind *k, jpeg_scan_info *scans) {
    if (k->separate) {
        for (int i = 0; i < 3; i++) {
            scans[i] = (jpeg_scan_info){1, {i}, 0, 63, 0, 0};
        }
        c->scan_info = scans;
        c->num_scans = 3;
    }
    if (k->progressive) {
        jpeg_simple_progression(c);
        if (k->unfinished) {
            c->num_scans = 3; /* a decoder smooths what the others would tell */
        }
    }
}

/* Noise on gradients. The caller frees. */
static unsigned char *make_jpeg(const jpeg_kind *k, int width, int height, unsigned long *size) {
    struct jpeg_compress_struct c = {0};
    struct jpeg_error_mgr errors;
    jpeg_scan_info scans[3];
    unsigned char *out = NULL, row[4 * 256];
    weld_random r = weld_random_start(7, 0, (uint64_t)(width * 1000 + height), 0);
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &out, size);
    c.image_width = (JDIMENSION)width;
    c.image_height = (JDIMENSION)height;
    c.input_components = k->components;
    c.in_color_space = k->components == 1 ? JCS_GRAYSCALE : k->components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 92, TRUE);
    c.comp_info[0].h_samp_factor = k->across;
    c.comp_info[0].v_samp_factor = k->down;
    c.restart_in_rows = k->restart_rows;
    c.arith_code = k->arithmetic;
    set_scans(&c, k, scans);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        JSAMPROW rows[1] = {row};
        for (int x = 0; x < width; x++) {
            for (int i = 0; i < k->components; i++) {
                double v = 128 + 60 * (x - width / 2.0) / width * (i + 1) +
                           40 * ((int)c.next_scanline - height / 2.0) / height * (3 - i) +
                           weld_random_range(&r, -25, 25);
                row[x * k->components + i] = (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
        }
        jpeg_write_scanlines(&c, rows, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return out;
}

static const int sizes[][2] = {{1, 1},   {1, 40},  {40, 1},  {7, 5},   {8, 8},   {16, 16},
                               {17, 33}, {53, 37}, {64, 48}, {75, 99}, {131, 97}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static weld_rectangle draw_part(weld_random *r, int width, int height) {
    weld_rectangle p;
    p.width = 1 + (int)weld_random_below(r, (uint64_t)width);
    p.height = 1 + (int)weld_random_below(r, (uint64_t)height);
    p.x = (int)weld_random_below(r, (uint64_t)(width - p.width + 1));
    p.y = (int)weld_random_below(r, (uint64_t)(height - p.height + 1));
    return p;
}

/* Pixels that a part covers, compared with those of the whole at the same reduction. */
static void compare_part(const char *name, const weld_decoded_part *whole, weld_rectangle part,
                         int reduction, const weld_decoded_part *got) {
    int x = part.x / reduction, y = part.y / reduction;
    int right = (part.x + part.width + reduction - 1) / reduction;
    int bottom = (part.y + part.height + reduction - 1) / reduction;
    ck_assert_int_eq(got->pixels.width, right - x);
    ck_assert_int_eq(got->pixels.height, bottom - y);
    ck_assert_float_eq(got->box[0], (float)part.x / (float)reduction - (float)x);
    ck_assert_float_eq(got->box[1], (float)part.y / (float)reduction - (float)y);
    ck_assert_float_eq(got->box[2], (float)(part.x + part.width) / (float)reduction - (float)x);
    ck_assert_float_eq(got->box[3], (float)(part.y + part.height) / (float)reduction - (float)y);
    for (int i = y; i < bottom; i++) {
        ck_assert_msg(memcmp(got->pixels.data + got->pixels.stride * (size_t)(i - y),
                             whole->pixels.data + whole->pixels.stride * (size_t)i + x * 3,
                             (size_t)(right - x) * 3) == 0,
                      "%s, 1/%d, part %d x %d at (%d, %d), row %d", name, reduction, part.width,
                      part.height, part.x, part.y, i);
    }
}

static void check_kind(const jpeg_kind *k, int width, int height, int reduction) {
    unsigned long size = 0;
    unsigned char *bytes = make_jpeg(k, width, height, &size);
    weld_image memory = {0}, whole_memory = {0};
    weld_rectangle all = {0, 0, width, height};
    weld_decoded_part whole, got;
    if (reduction == 1) {
        ck_assert_int_eq(weld_decode_image(bytes, size, 0, &whole_memory, NULL), WELD_OK);
        weld_pixels pixels = weld_image_pixels(&whole_memory);
        whole = weld_part_of_image(&pixels, &all);
    } else {
        ck_assert_int_eq(
            weld_decode_part(bytes, size, &all, reduction, 0, &whole_memory, &whole, NULL),
            WELD_OK);
    }
    weld_random r = weld_random_start(3, 0, 0, 0);
    for (int i = 0; i < 24; i++) {
        weld_rectangle part = draw_part(&r, width, height);
        weld_error err = {0};
        ck_assert_msg(weld_decode_part(bytes, size, &part, reduction, 0, &memory, &got, &err) == 0,
                      "%s: %s", k->name, err.message);
        compare_part(k->name, &whole, part, reduction, &got);
    }
    weld_image_free(&memory);
    weld_image_free(&whole_memory);
    free(bytes);
}

START_TEST(a_part_of_a_jpeg_is_that_part_of_the_whole_image) {
    for (int i = 0; i < KINDS * SIZES; i++) {
        check_kind(&kinds[i / SIZES], sizes[i % SIZES][0], sizes[i % SIZES][1], 1);
    }
}
END_TEST

START_TEST(a_part_of_a_reduced_jpeg_is_that_part_of_the_whole_reduced) {
    for (int i = 0; i < KINDS * SIZES; i++) {
        for (int reduction = 2; reduction <= 8; reduction *= 2) {
            check_kind(&kinds[i / SIZES], sizes[i % SIZES][0], sizes[i % SIZES][1], reduction);
        }
    }
}
END_TEST

static void check_part_of_fixture(const char *name) {
    size_t size;
    unsigned char *bytes = read_image_fixture(name, &size);
    weld_image whole = decode_fixture(name), memory = {0};
    weld_pixels pixels = weld_image_pixels(&whole);
    weld_random r = weld_random_start(5, 0, 0, 0);
    for (int i = 0; i < 10; i++) {
        weld_rectangle part = draw_part(&r, whole.width, whole.height);
        weld_decoded_part got, all = weld_part_of_image(&pixels, &part);
        /* Of other formats than JPEG a reduction changes nothing. */
        ck_assert_int_eq(weld_decode_part(bytes, size, &part, 4, 0, &memory, &got, NULL), WELD_OK);
        compare_part(name, &all, (weld_rectangle){0, 0, part.width, part.height}, 1, &got);
    }
    free(bytes);
    weld_image_free(&whole);
    weld_image_free(&memory);
}

START_TEST(reducing_equals_pillows_draft) {
    size_t size;
    char *lines = (char *)read_image_fixture("reduced.txt", &size), *line, *rest = lines;
    int count = 0;
    lines[size] = 0;
    while ((line = strsep(&rest, "\n")) && *line) {
        char name[64], expected_name[64];
        int reduction, width, height;
        size_t bytes_size;
        ck_assert_int_eq(sscanf(line, "%63s %d %63s", name, &reduction, expected_name), 3);
        unsigned char *bytes = read_image_fixture(name, &bytes_size);
        weld_image expected = read_ppm(expected_name), memory = {0};
        weld_decoded_part got;
        ck_assert_int_eq(weld_decode_size(bytes, bytes_size, &width, &height, NULL), WELD_OK);
        weld_rectangle all = {0, 0, width, height};
        ck_assert_int_eq(
            weld_decode_part(bytes, bytes_size, &all, reduction, 0, &memory, &got, NULL), WELD_OK);
        weld_pixels pixels = weld_image_pixels(&expected);
        weld_decoded_part whole = {.pixels = pixels};
        compare_part(line, &whole, all, reduction, &got);
        count++;
        free(bytes);
        weld_image_free(&expected);
        weld_image_free(&memory);
    }
    ck_assert_int_eq(count, 9);
    free(lines);
}
END_TEST

START_TEST(a_part_of_other_files_is_that_part_of_the_whole_image) {
    check_part_of_fixture("rgb.png");
    check_part_of_fixture("grey16_interlaced.png");
    check_part_of_fixture("lossy_alpha.webp");
}
END_TEST

/* Whatever of the image is asked for, and whether the rows that are cut off are part of it. */
START_TEST(a_cut_jpeg_is_refused_whatever_the_part_unless_only_its_end_mark_is_missing) {
    const weld_rectangle parts[] = {{0, 0, 5, 1}, {20, 30, 40, 20}, {0, 90, 131, 7}};
    weld_image memory = {0};
    weld_decoded_part got;
    for (int k = 0; k < KINDS; k++) {
        unsigned long size = 0;
        unsigned char *bytes = make_jpeg(&kinds[k], 131, 97, &size);
        for (unsigned long cut = 2; cut < size; cut += cut + 40 < size ? 1 + size / 97 : 1) {
            unsigned char *start = malloc(cut); /* so that reading past the end is noticed */
            memcpy(start, bytes, cut);
            for (int i = 0; i < 3; i++) {
                weld_error err = {0};
                weld_status status =
                    weld_decode_part(start, cut, &parts[i], 1, 0, &memory, &got, &err);
                /* Of these libjpeg does not tell whether all is there. */
                const bool told =
                    !kinds[k].separate && !kinds[k].unfinished && !kinds[k].arithmetic;
                ck_assert_msg((status == WELD_OK) == (told && cut + 2 >= size),
                              "%s cut to %lu of %lu bytes, part %d", kinds[k].name, cut, size, i);
            }
            free(start);
        }
        free(bytes);
    }
    weld_image_free(&memory);
}
END_TEST

START_TEST(damaged_files_do_no_harm) {
    const weld_rectangle part = {31, 22, 70, 50};
    weld_image memory = {0};
    for (int k = 0; k < KINDS; k++) {
        unsigned long size = 0;
        unsigned char *bytes = make_jpeg(&kinds[k], 131, 97, &size);
        for (unsigned i = 0; i < 300; i++) {
            size_t at = (i * 2654435761u) % size;
            unsigned char old = bytes[at];
            weld_decoded_part got;
            bytes[at] = (unsigned char)(old ^ (1u << i % 8));
            weld_decode_part(bytes, size, &part, 1 << i % 4, 0, &memory, &got, NULL);
            bytes[at] = old;
        }
        free(bytes);
    }
    weld_image_free(&memory);
}
END_TEST

START_TEST(parts_that_lie_outside_are_refused) {
    const weld_rectangle parts[] = {{-1, 0, 5, 5}, {0, -1, 5, 5},   {0, 0, 0, 5},
                                    {0, 0, 5, 0},  {49, 0, 5, 5},   {0, 33, 5, 5},
                                    {5, 5, 54, 1}, {5, 5, 1, 1000}, {1 << 30, 1, 1 << 30, 1}};
    const char *names[] = {"baseline_420.jpg", "rgb.png"};
    weld_image memory = {0};
    weld_decoded_part got;
    for (int n = 0; n < 2; n++) {
        size_t size;
        unsigned char *bytes = read_image_fixture(names[n], &size);
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            ck_assert_int_eq(weld_decode_part(bytes, size, &parts[i], 1, 0, &memory, &got, NULL),
                             WELD_ERROR_ARGUMENT);
        }
        free(bytes);
    }
    weld_image_free(&memory);
}
END_TEST

START_TEST(failed_allocations_are_reported) {
    for (int k = 0; k < KINDS; k++) {
        unsigned long size = 0;
        unsigned char *bytes = make_jpeg(&kinds[k], 53, 37, &size);
        const weld_rectangle part = {3, 5, 40, 20};
        weld_status status = WELD_ERROR_MEMORY;
        for (long i = 0; status; i++) {
            weld_image memory = {0};
            weld_decoded_part got;
            weld_memory_fail_after(i);
            status = weld_decode_part(bytes, size, &part, 1, 0, &memory, &got, NULL);
            weld_memory_fail_after(-1);
            ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
            weld_image_free(&memory);
        }
        free(bytes);
    }
}
END_TEST

RUN_SUITE("images/decode_part", a_part_of_a_jpeg_is_that_part_of_the_whole_image,
          a_part_of_a_reduced_jpeg_is_that_part_of_the_whole_reduced, reducing_equals_pillows_draft,
          a_part_of_other_files_is_that_part_of_the_whole_image,
          a_cut_jpeg_is_refused_whatever_the_part_unless_only_its_end_mark_is_missing,
          damaged_files_do_no_harm, parts_that_lie_outside_are_refused,
          failed_allocations_are_reported)
