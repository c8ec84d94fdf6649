#include "base/random.h"
#include "images/fixture_images.h"
#include "images/loops.h"
#include "suite.h"

START_TEST(resizing_equals_pillow_bit_for_bit) {
    weld_resize_scratch scratch = {0};
    size_t size;
    char *lines = (char *)read_image_fixture("resize.txt", &size), *line, *rest = lines;
    int count = 0;
    lines[size] = 0;
    while ((line = strsep(&rest, "\n")) && *line) {
        char name[64], filter[16], expected_name[64];
        int width, height;
        float box[4];
        ck_assert_int_eq(sscanf(line, "%63s %d %d %15s %f %f %f %f %63s", name, &width, &height,
                                filter, &box[0], &box[1], &box[2], &box[3], expected_name),
                         9);
        weld_image in = decode_fixture(name), expected = read_ppm(expected_name), got = {0};
        weld_pixels pixels = weld_image_pixels(&in);
        weld_resize_request request = {.filter = strcmp(filter, "bicubic") == 0 ? WELD_BICUBIC
                                                                                : WELD_BILINEAR,
                                       .full_width = width,
                                       .full_height = height,
                                       .width = width,
                                       .height = height,
                                       .box = box};
        weld_image_resize_buffer(&got, width, height, NULL);
        ck_assert_int_eq(weld_resize_pixels(&pixels, &request, &scratch, got.pixels, NULL),
                         WELD_OK);
        ck_assert_msg(largest_difference(&got, &expected) == 0, "%s", line);
        weld_image_free(&in);
        weld_image_free(&expected);
        weld_image_free(&got);
        count++;
    }
    ck_assert_int_eq(count, 7);
    free(lines);
    weld_resize_scratch_free(&scratch);
}
END_TEST

/* Reductions and enlargements, odd sizes, fractional boxes, many taps and few pixels. */
static void compare_filters(int in_width, int in_height, int width, int height, uint64_t seed) {
    weld_random r = weld_random_start(seed, 0, 0, WELD_RANDOM_TEST);
    weld_image in = {0}, expected = {0}, got = {0};
    weld_resize_scratch scratch = {0};
    weld_image_resize_buffer(&in, in_width, in_height, NULL);
    for (int i = 0; i < in_width * in_height * 3; i++) {
        uint64_t v = weld_random_below(&r, 400); /* the extremes often, where sums leave 0..255 */
        in.pixels[i] = (uint8_t)(v < 72 ? 0 : v > 327 ? 255 : v - 72);
    }
    weld_pixels whole = weld_image_pixels(&in);
    int x = in_width / 3, y = in_height / 4;
    weld_pixels pixels = weld_pixels_crop(&whole, x, y, in_width - x, in_height - y);
    const float box[4] = {0.25f * (float)(seed % 3), 0, (float)pixels.width,
                          (float)pixels.height - 0.4f * (float)(seed % 2)};
    for (int filter = 0; filter < 2; filter++) {
        weld_resize_request request = {.filter = filter ? WELD_BILINEAR : WELD_BICUBIC,
                                       .full_width = width,
                                       .full_height = height,
                                       .width = width,
                                       .height = height,
                                       .box = box};
        weld_image_resize_buffer(&expected, width, height, NULL);
        weld_image_resize_buffer(&got, width, height, NULL);
        ck_assert_int_eq(weld_resize_by(weld_image_loops_at(0), &pixels, &request, &scratch,
                                        expected.pixels, NULL),
                         WELD_OK);
        for (int i = 1; weld_image_loops_at(i); i++) {
            ck_assert_int_eq(weld_resize_by(weld_image_loops_at(i), &pixels, &request, &scratch,
                                            got.pixels, NULL),
                             WELD_OK);
            ck_assert_msg(largest_difference(&got, &expected) == 0, "%s: %d x %d to %d x %d",
                          weld_image_loops_at(i)->isa, in_width, in_height, width, height);
        }
    }
    weld_image_free(&in);
    weld_image_free(&expected);
    weld_image_free(&got);
    weld_resize_scratch_free(&scratch);
}

START_TEST(every_filter_gives_the_same_bits) {
    const int sizes[] = {1, 2, 3, 5, 8, 13, 31, 64, 97, 300};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    weld_random r = weld_random_start(1, 0, 0, WELD_RANDOM_TEST);
    for (uint64_t i = 0; i < 150; i++) {
        int size[4];
        for (int k = 0; k < 4; k++) {
            size[k] = sizes[weld_random_below(&r, COUNT)];
        }
        compare_filters(size[0] + 1, size[1] + 1, size[2], size[3], i);
    }
    compare_filters(3000, 2, 2, 3, 0); /* thousands of taps */
    compare_filters(2, 3000, 3, 2, 1);
}
END_TEST

START_TEST(a_part_is_the_part_of_the_whole) {
    weld_image in = decode_fixture("photo.jpg"), whole = {0}, part = {0};
    weld_resize_scratch scratch = {0};
    weld_pixels pixels = weld_image_pixels(&in);
    for (int filter = 0; filter < 2; filter++) {
        for (int kind = 0; kind < 2; kind++) {
            int w = kind ? in.width : 73, h = kind ? in.height : 211;
            weld_resize_request request = {.filter = filter ? WELD_BILINEAR : WELD_BICUBIC,
                                           .full_width = w,
                                           .full_height = h,
                                           .width = w,
                                           .height = h};
            weld_image_resize_buffer(&whole, w, h, NULL);
            ck_assert_int_eq(weld_resize_pixels(&pixels, &request, &scratch, whole.pixels, NULL),
                             WELD_OK);
            request.x = 11;
            request.y = 90;
            request.width = 47;
            request.height = 33;
            weld_image_resize_buffer(&part, 47, 33, NULL);
            ck_assert_int_eq(weld_resize_pixels(&pixels, &request, &scratch, part.pixels, NULL),
                             WELD_OK);
            for (int y = 0; y < 33; y++) {
                ck_assert_int_eq(memcmp(part.pixels + y * 47 * 3,
                                        whole.pixels + ((y + 90) * w + 11) * 3, 47 * 3),
                                 0);
            }
        }
    }
    weld_image_free(&in);
    weld_image_free(&whole);
    weld_image_free(&part);
    weld_resize_scratch_free(&scratch);
}
END_TEST

START_TEST(a_crop_is_resized_as_an_image_of_its_own) {
    weld_image in = decode_fixture("photo.jpg"), copy = {0};
    weld_resize_scratch scratch = {0};
    weld_pixels whole = weld_image_pixels(&in);
    weld_pixels crop = weld_pixels_crop(&whole, 13, 29, 90, 51);
    weld_image_resize_buffer(&copy, 90, 51, NULL);
    for (int y = 0; y < 51; y++) {
        memcpy(copy.pixels + y * 270, in.pixels + ((y + 29) * in.width + 13) * 3, 270);
    }
    weld_pixels own = weld_image_pixels(&copy);
    uint8_t a[32 * 32 * 3], b[32 * 32 * 3];
    weld_resize_request request = {.full_width = 32, .full_height = 32, .width = 32, .height = 32};
    ck_assert_int_eq(weld_resize_pixels(&crop, &request, &scratch, a, NULL), WELD_OK);
    ck_assert_int_eq(weld_resize_pixels(&own, &request, &scratch, b, NULL), WELD_OK);
    ck_assert_int_eq(memcmp(a, b, sizeof a), 0);
    weld_image_free(&in);
    weld_image_free(&copy);
    weld_resize_scratch_free(&scratch);
}
END_TEST

START_TEST(requests_without_meaning_are_refused) {
    uint8_t in[4 * 4 * 3] = {0}, out[64 * 3];
    weld_pixels pixels = {in, 4, 4, 12};
    weld_resize_scratch scratch = {0};
    const float outside[4] = {0, 0, 5, 4}, empty[4] = {2, 0, 2, 4}, nan[4] = {0, 0, 0.0f / 0.0f, 4};
    const weld_resize_request bad[] = {
        {.full_width = 0, .full_height = 4, .width = 0, .height = 4},
        {.full_width = 4, .full_height = 4, .width = 5, .height = 4},
        {.full_width = 4, .full_height = 4, .x = 1, .width = 4, .height = 4},
        {.full_width = 4, .full_height = 4, .y = -1, .width = 4, .height = 4},
        {.full_width = 4, .full_height = 4, .width = 4, .height = 4, .box = outside},
        {.full_width = 4, .full_height = 4, .width = 4, .height = 4, .box = empty},
        {.full_width = 4, .full_height = 4, .width = 4, .height = 4, .box = nan}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(weld_resize_pixels(&pixels, &bad[i], &scratch, out, NULL),
                         WELD_ERROR_ARGUMENT);
    }
    weld_resize_scratch_free(&scratch);
}
END_TEST

START_TEST(failed_allocations_are_reported) {
    uint8_t in[9 * 9 * 3] = {0}, out[5 * 5 * 3];
    weld_pixels pixels = {in, 9, 9, 27};
    weld_resize_request request = {.full_width = 5, .full_height = 5, .width = 5, .height = 5};
    weld_status status = WELD_ERROR_MEMORY;
    long i = 0;
    for (; status; i++) {
        weld_resize_scratch scratch = {0};
        weld_memory_fail_after(i);
        status = weld_resize_pixels(&pixels, &request, &scratch, out, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        weld_resize_scratch_free(&scratch);
    }
    ck_assert_int_ge(i, 5);
}
END_TEST

RUN_SUITE("images/resize", resizing_equals_pillow_bit_for_bit, every_filter_gives_the_same_bits,
          a_part_is_the_part_of_the_whole, a_crop_is_resized_as_an_image_of_its_own,
          requests_without_meaning_are_refused, failed_allocations_are_reported)
