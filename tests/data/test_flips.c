/* Mirror images: that they are ones, how often they come, and where annotations go with them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/transform.h"
#include "suite.h"

enum { SIZE = 20, FLOATS = SIZE * SIZE * 3 };

static weld_transform transform_of(double hflip, double vflip, const char *auto_augment) {
    weld_transform t;
    const weld_preprocessing p = {
        .height = SIZE, .width = SIZE, .crop_fraction = 1, .std = {1, 1, 1}};
    weld_augmentation a = weld_augmentation_defaults();
    a.hflip = hflip;
    a.vflip = vflip;
    a.crop_scale[0] = a.crop_ratio[0] = a.crop_ratio[1] = 1; /* all of a square image */
    snprintf(a.auto_augment, sizeof a.auto_augment, "%s", auto_augment);
    a.color_jitter = a.random_erasing = 0;
    ck_assert_int_eq(weld_transform_init(&t, &p, &a, NULL), WELD_OK);
    return t;
}

static void fill(uint8_t *pixels) {
    for (int i = 0; i < FLOATS; i++) {
        pixels[i] = (uint8_t)(i * 37 + i / 251);
    }
}

/* `count` images beside each other, each drawn by itself. Returns the plans. */
static void train(const weld_transform *t, const weld_pixels *image, int count, uint64_t number,
                  weld_sample_plan *plans, float *out) {
    weld_decoded_part parts[2];
    weld_transform_scratch scratch = {0};
    weld_random random = weld_random_start(3, 0, number, WELD_RANDOM_AUGMENT), erase = random;
    for (int i = 0; i < count; i++) {
        const weld_rectangle cell = {i * SIZE / 2, i * SIZE / 4, SIZE / count, SIZE / count};
        plans[i] = weld_transform_plan(t, image->width, image->height, cell, &random);
        parts[i] = weld_part_of_image(image, &plans[i].crop);
    }
    ck_assert_int_eq(
        weld_transform_training(t, plans, parts, count, &random, &erase, &scratch, out, NULL),
        WELD_OK);
    weld_transform_scratch_free(&scratch);
}

START_TEST(images_are_mirrored_both_ways_as_often_as_asked) {
    enum { MANY = 4000 };
    const weld_transform t = transform_of(0.5, 0.25, "none");
    uint8_t pixels[FLOATS];
    const weld_pixels image = {pixels, SIZE, SIZE, SIZE * 3};
    int seen[2][2] = {{0}};
    fill(pixels);
    for (int i = 0; i < MANY; i++) {
        float out[FLOATS];
        weld_sample_plan plan;
        train(&t, &image, 1, (uint64_t)i, &plan, out);
        int matches = 0;
        for (int way = 0; way < 4; way++) {
            bool same = true;
            for (int k = 0; k < FLOATS && same; k++) {
                int y = k / 3 / SIZE, x = k / 3 % SIZE;
                y = way & 2 ? SIZE - 1 - y : y;
                x = way & 1 ? SIZE - 1 - x : x;
                same = out[k] == (float)pixels[(y * SIZE + x) * 3 + k % 3] / 255.0f;
            }
            seen[way / 2][way % 2] += same;
            matches += same;
        }
        ck_assert_int_eq(matches, 1);
    }
    /* Within four deviations of what probabilities make of them, each by itself. */
    ck_assert_int_lt(abs(seen[0][0] - MANY * 3 / 8), 123);
    ck_assert_int_lt(abs(seen[0][1] - MANY * 3 / 8), 123);
    ck_assert_int_lt(abs(seen[1][0] - MANY / 8), 84);
    ck_assert_int_lt(abs(seen[1][1] - MANY / 8), 84);
}
END_TEST

/* A run without vertical flips has the samples that it had before there were any. */
START_TEST(no_vertical_flip_draws_nothing) {
    const weld_transform without = transform_of(0.5, 0, "none"),
                         with = transform_of(0.5, 1, "none");
    const weld_rectangle cell = {0, 0, SIZE, SIZE};
    for (uint64_t i = 0; i < 20; i++) {
        weld_random r[3];
        for (int k = 0; k < 3; k++) {
            r[k] = weld_random_start(3, 0, i, WELD_RANDOM_AUGMENT);
        }
        weld_sample_plan a = weld_transform_plan(&without, SIZE, SIZE, cell, &r[0]);
        weld_sample_plan b = weld_transform_plan(&with, SIZE, SIZE, cell, &r[1]);
        weld_random_crop(&without.augmentation, SIZE, SIZE, &r[2]);
        ck_assert(a.hflip == (weld_random_uniform(&r[2]) < 0.5));
        ck_assert(a.hflip == b.hflip && !a.vflip && b.vflip);
        ck_assert(weld_random_uniform(&r[0]) == weld_random_uniform(&r[2]));
    }
}
END_TEST

/* One bright pixel in the dark, in samples of one image and of two: it is where the placement of
 * its image says, also where pixels go through RandAugment's memory. */
static void find_the_pixel(const char *auto_augment, int count, int side) {
    uint8_t pixels[FLOATS] = {0};
    const weld_transform t = transform_of(0.5, 0.5, auto_augment);
    const weld_pixels image = {pixels, side, side, (size_t)side * 3};
    const int x = 3, y = 1;
    memset(pixels + (y * side + x) * 3, 255, 3);
    int ways = 0;
    for (uint64_t i = 0; i < 40; i++) {
        float out[FLOATS];
        weld_sample_plan plans[2];
        train(&t, &image, count, i, plans, out);
        for (int part = 0; part < count; part++) {
            const weld_placement p = weld_transform_placement(&t, &plans[part], side, side);
            const int to_x = (int)floor(p.scale[0] * (x + 0.5) + p.shift[0]);
            const int to_y = (int)floor(p.scale[1] * (y + 0.5) + p.shift[1]);
            ck_assert((p.scale[1] < 0) == plans[part].vflip);
            ck_assert(out[(to_y * SIZE + to_x) * 3] == 1.0f);
            ways |= 1 << (plans[part].hflip + 2 * plans[part].vflip);
        }
        float sum = 0;
        for (int k = 0; k < FLOATS; k++) {
            sum += out[k];
        }
        ck_assert_float_eq(sum, 3.0f * (float)count);
    }
    ck_assert_int_eq(ways, 15);
}

START_TEST(what_an_image_shows_is_where_its_placement_says) {
    find_the_pixel("none", 1, SIZE);
    find_the_pixel("rand-m0-n1-p0.0", 1, SIZE);
    find_the_pixel("none", 2, SIZE / 2);
}
END_TEST

RUN_SUITE("data/flips", images_are_mirrored_both_ways_as_often_as_asked,
          no_vertical_flip_draws_nothing, what_an_image_shows_is_where_its_placement_says)
