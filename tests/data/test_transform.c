#include <math.h>

#include "data/erasing.h"
#include "images/fixture_images.h"
#include "data/transform.h"
#include "suite.h"

static weld_preprocessing preprocessing_of(int size, double fraction) {
    return (weld_preprocessing){.height = size,
                                .width = size,
                                .crop_fraction = fraction,
                                .interpolation = WELD_BICUBIC,
                                .mean = {0.485f, 0.456f, 0.406f},
                                .std = {0.229f, 0.224f, 0.225f}};
}

static weld_transform transform_of(int size, double fraction, weld_augmentation_kind kind) {
    weld_transform t;
    weld_preprocessing p = preprocessing_of(size, fraction);
    weld_augmentation a = weld_augmentation_defaults();
    a.kind = kind;
    a.auto_augment[0] = 0;
    a.color_jitter = a.random_erasing = 0;
    ck_assert_int_eq(weld_transform_init(&t, &p, &a, NULL), WELD_OK);
    return t;
}

static weld_status train(const weld_transform *t, const weld_image *image, weld_random *random,
                         weld_transform_scratch *scratch, float *out, weld_error *err) {
    const weld_sample_plan plan =
        weld_transform_plan(t, image->width, image->height, weld_transform_whole(t), random);
    const weld_pixels whole = weld_image_pixels(image);
    const weld_decoded_part part = weld_part_of_image(&whole, &plan.crop);
    weld_random erase = *random;
    return weld_transform_training(t, &plan, &part, 1, random, &erase, scratch, out, err);
}

/* What torchvision's ToTensor and Normalize make of a value. */
static float normalised(const weld_preprocessing *p, int c, uint8_t value) {
    return ((float)value / 255.0f - p->mean[c]) / p->std[c];
}

START_TEST(evaluation_equals_torchvision) {
    size_t size;
    char *lines = (char *)read_image_fixture("evaluation.txt", &size), *line, *rest = lines;
    int count = 0;
    lines[size] = 0;
    weld_transform_scratch scratch = {0};
    while ((line = strsep(&rest, "\n")) && *line) {
        char name[64], filter[16], expected_name[64];
        int side;
        double fraction;
        ck_assert_int_eq(
            sscanf(line, "%63s %d %lf %15s %63s", name, &side, &fraction, filter, expected_name),
            5);
        weld_preprocessing p = preprocessing_of(side, fraction);
        p.interpolation = strcmp(filter, "bicubic") == 0 ? WELD_BICUBIC : WELD_BILINEAR;
        weld_transform t;
        ck_assert_int_eq(weld_transform_init(&t, &p, NULL, NULL), WELD_OK);
        weld_image in = decode_fixture(name), expected = read_ppm(expected_name);
        int values = side * side * 3;
        float *out = malloc((size_t)values * sizeof *out);
        ck_assert_int_eq(expected.width, side);
        ck_assert_int_eq(weld_transform_evaluation(&t, &in, &scratch, out, NULL), WELD_OK);
        for (int i = 0; i < values; i++) {
            ck_assert_msg(out[i] == normalised(&p, i % 3, expected.pixels[i]), "%s at %d", line, i);
        }
        free(out);
        weld_image_free(&in);
        weld_image_free(&expected);
        count++;
    }
    ck_assert_int_eq(count, 10);
    free(lines);
    weld_transform_scratch_free(&scratch);
}
END_TEST

/* Inputs that are not square, and images that are not cropped to them. */
START_TEST(every_fit_equals_timm) {
    size_t size;
    char *lines = (char *)read_image_fixture("fits.txt", &size), *line, *rest = lines;
    int count = 0;
    lines[size] = 0;
    weld_transform_scratch scratch = {0};
    while ((line = strsep(&rest, "\n")) && *line) {
        char name[64], fit[16], filter[16], expected_name[64];
        weld_preprocessing p = preprocessing_of(1, 1);
        ck_assert_int_eq(sscanf(line, "%63s %d %d %15s %lf %15s %63s", name, &p.height, &p.width,
                                fit, &p.crop_fraction, filter, expected_name),
                         7);
        p.interpolation = strcmp(filter, "bicubic") == 0 ? WELD_BICUBIC : WELD_BILINEAR;
        p.resize = *fit == 'c' ? WELD_FIT_CROP : *fit == 's' ? WELD_FIT_SQUASH : WELD_FIT_LETTERBOX;
        weld_preprocessing_pad_with_mean(&p);
        weld_transform t;
        ck_assert_int_eq(weld_transform_init(&t, &p, NULL, NULL), WELD_OK);
        weld_image in = decode_fixture(name), expected = read_ppm(expected_name);
        const int values = p.height * p.width * 3;
        float *out = malloc((size_t)values * sizeof *out);
        ck_assert_int_eq(expected.width, p.width);
        ck_assert_int_eq(expected.height, p.height);
        ck_assert_int_eq(weld_transform_evaluation(&t, &in, &scratch, out, NULL), WELD_OK);
        for (int i = 0; i < values; i++) {
            ck_assert_msg(out[i] == normalised(&p, i % 3, expected.pixels[i]), "%s at %d", line, i);
        }
        free(out);
        weld_image_free(&in);
        weld_image_free(&expected);
        count++;
    }
    ck_assert_int_eq(count, 10);
    free(lines);
    weld_transform_scratch_free(&scratch);
}
END_TEST

static weld_transform fitting(int height, int width, weld_fit fit, weld_augmentation_kind kind) {
    weld_transform t;
    weld_preprocessing p = preprocessing_of(1, 1);
    weld_augmentation a = weld_augmentation_defaults();
    p.height = height;
    p.width = width;
    p.resize = fit;
    a.kind = kind;
    a.hflip = 0;
    a.crop_scale[0] = 0.05; /* so small that none has to be drawn again */
    a.crop_scale[1] = 0.2;
    a.auto_augment[0] = 0;
    a.color_jitter = a.random_erasing = 0;
    ck_assert_int_eq(weld_transform_init(&t, &p, &a, NULL), WELD_OK);
    return t;
}

/* The mean of log(stretch across / stretch down), which is 0 where things are seen in proportion,
 * and what it is in evaluation. */
static double mean_stretch(weld_fit fit, int width, int height, double *evaluation) {
    const weld_transform t = fitting(64, 128, fit, WELD_AUGMENT_IMAGENET);
    const weld_placement p = weld_transform_evaluation_placement(&t, width, height);
    double sum = 0;
    enum { MANY = 2000 };
    *evaluation = log(p.scale[0] / p.scale[1]);
    for (int i = 0; i < MANY; i++) {
        weld_random r = weld_random_start(1, 0, (uint64_t)i, WELD_RANDOM_AUGMENT);
        const weld_sample_plan plan =
            weld_transform_plan(&t, width, height, weld_transform_whole(&t), &r);
        const weld_placement q = weld_transform_placement(&t, &plan, width, height);
        const weld_rectangle *c = &plan.crop;
        ck_assert(c->x >= 0 && c->y >= 0 && c->x + c->width <= width && c->y + c->height <= height);
        ck_assert(plan.to.x >= 0 && plan.to.x + plan.to.width <= 128);
        ck_assert(plan.to.y >= 0 && plan.to.y + plan.to.height <= 64);
        sum += log(q.scale[0] / q.scale[1]);
    }
    return sum / MANY;
}

START_TEST(training_shows_things_in_the_proportions_of_evaluation) {
    double evaluation;
    for (int f = 0; f < 3; f++) {
        ck_assert_double_lt(fabs(mean_stretch((weld_fit)f, 300, 300, &evaluation) - evaluation),
                            0.03);
        ck_assert_double_lt(fabs(mean_stretch((weld_fit)f, 200, 500, &evaluation) - evaluation),
                            0.03);
        ck_assert((f == WELD_FIT_SQUASH) == (fabs(evaluation) > 0.1));
    }
}
END_TEST

/* Around a letterbox there is padding in training too, also where a sample is made of bytes. */
START_TEST(a_letterbox_is_padded_in_training_as_in_evaluation) {
    enum { HEIGHT = 16, WIDTH = 48 };
    static float out[HEIGHT * WIDTH * 3], whole[HEIGHT * WIDTH * 3];
    weld_image image = decode_fixture("one_pixel.jpg");
    weld_transform_scratch scratch = {0};
    weld_transform t = fitting(HEIGHT, WIDTH, WELD_FIT_LETTERBOX, WELD_AUGMENT_IMAGENET);
    for (int c = 0; c < 3; c++) {
        t.preprocessing.padding[c] = (uint8_t)(200 + c);
    }
    t.augmentation.crop_scale[0] = t.augmentation.crop_scale[1] = 1;
    t.augmentation.crop_ratio[0] = t.augmentation.crop_ratio[1] = 1;
    ck_assert_int_eq(weld_transform_evaluation(&t, &image, &scratch, whole, NULL), WELD_OK);
    for (uint64_t i = 0; i < 20; i++) {
        weld_random r = weld_random_start(1, 0, i, WELD_RANDOM_AUGMENT);
        int seen = 0;
        ck_assert_int_eq(train(&t, &image, &r, &scratch, out, NULL), WELD_OK);
        for (int x = 0; x < WIDTH; x++) {
            seen += out[3 * x] != normalised(&t.preprocessing, 0, 200);
        }
        ck_assert_int_eq(seen, HEIGHT); /* a square image, somewhere across */
    }
    ck_assert(whole[0] == normalised(&t.preprocessing, 0, 200));
    ck_assert(whole[3 * (WIDTH / 2) + 1] == normalised(&t.preprocessing, 1, image.pixels[1]));
    weld_image_free(&image);
    weld_transform_scratch_free(&scratch);
}
END_TEST

/* The areas, aspects and places of many crops of a large image have the recipe's distributions. */
START_TEST(crops_have_the_area_and_aspect_of_the_recipe) {
    weld_augmentation a = weld_augmentation_defaults();
    const int width = 4000, height = 4000, n = 40000;
    double area = 0, area2 = 0, aspect = 0, aspect2 = 0, x = 0, y = 0;
    int kept = 0;
    a.crop_scale[1] = 0.6; /* so that nearly every first try fits */
    for (int i = 0; i < n; i++) {
        weld_random r = weld_random_start(5, 0, (uint64_t)i, WELD_RANDOM_AUGMENT);
        weld_rectangle c = weld_random_crop(&a, width, height, &r);
        ck_assert(c.x >= 0 && c.y >= 0 && c.width > 0 && c.height > 0);
        ck_assert(c.x + c.width <= width && c.y + c.height <= height);
        double part = (double)c.width * c.height / width / height;
        double ratio = log((double)c.width / c.height);
        ck_assert(part > 0.0798 && part < 0.6005);
        ck_assert_double_le(fabs(ratio), log(4.0 / 3.0) + 0.002);
        area += part;
        area2 += part * part;
        aspect += ratio;
        aspect2 += ratio * ratio;
        if (c.width < width && c.height < height) {
            x += (double)c.x / (width - c.width);
            y += (double)c.y / (height - c.height);
            kept++;
        }
    }
    double log_range = 2 * log(4.0 / 3.0);
    ck_assert_double_eq_tol(area / n, 0.34, 0.005);
    ck_assert_double_eq_tol(area2 / n - pow(area / n, 2), 0.52 * 0.52 / 12, 0.001);
    ck_assert_double_eq_tol(aspect / n, 0.0, 0.005);
    ck_assert_double_eq_tol(aspect2 / n, log_range * log_range / 12, 0.001);
    ck_assert_double_eq_tol(x / kept, 0.5, 0.01);
    ck_assert_double_eq_tol(y / kept, 0.5, 0.01);
}
END_TEST

START_TEST(a_crop_that_never_fits_is_the_largest_central_one) {
    weld_augmentation a = weld_augmentation_defaults();
    a.crop_scale[0] = a.crop_scale[1] = 1.0;
    const struct {
        int width, height;
        weld_rectangle crop;
    } cases[] = {{1000, 100, {433, 0, 133, 100}},
                 {100, 1000, {0, 433, 100, 133}},
                 {1, 50, {0, 24, 1, 1}},
                 {50, 1, {24, 0, 1, 1}}};
    for (int i = 0; i < 4; i++) {
        weld_random r = weld_random_start(5, 0, (uint64_t)i, WELD_RANDOM_AUGMENT);
        weld_rectangle c = weld_random_crop(&a, cases[i].width, cases[i].height, &r);
        ck_assert_int_eq(memcmp(&c, &cases[i].crop, sizeof c), 0);
    }
}
END_TEST

/* A small image whose pixels say where they are: value = 1 + 16 y + x, 0 for what was padded. */
START_TEST(small_images_are_shifted_by_up_to_four_and_flipped) {
    weld_transform t = transform_of(12, 1.0, WELD_AUGMENT_SMALL);
    weld_transform_scratch scratch = {0};
    weld_image image = {0};
    int shifts[9][9] = {{0}}, flips = 0;
    weld_image_resize_buffer(&image, 12, 12, NULL);
    for (int i = 0; i < 12 * 12 * 3; i++) {
        image.pixels[i] = (uint8_t)(1 + i / 3 / 12 * 16 + i / 3 % 12);
    }
    for (int i = 0; i < 3000; i++) {
        float out[12 * 12 * 3];
        weld_random r = weld_random_start(5, 1, (uint64_t)i, WELD_RANDOM_AUGMENT);
        ck_assert_int_eq(train(&t, &image, &r, &scratch, out, NULL), WELD_OK);
        /* Draws in the order in which the transform documents its shift: below 9 twice, a flip. */
        weld_random again = weld_random_start(5, 1, (uint64_t)i, WELD_RANDOM_AUGMENT);
        int left = 4 - (int)weld_random_below(&again, 9),
            top = 4 - (int)weld_random_below(&again, 9);
        bool flip = weld_random_uniform(&again) < 0.5;
        shifts[left + 4][top + 4]++;
        flips += flip;
        for (int k = 0; k < 12 * 12 * 3; k++) {
            int y = k / 3 / 12 - top, column = k / 3 % 12;
            int x = (flip ? 11 - column : column) - left;
            bool inside = x >= 0 && x < 12 && y >= 0 && y < 12;
            uint8_t value = inside ? (uint8_t)(1 + 16 * y + x) : 0;
            ck_assert(out[k] == normalised(&t.preprocessing, k % 3, value));
        }
    }
    for (int i = 0; i < 81; i++) {
        ck_assert_int_gt(shifts[i / 9][i % 9], 10);
    }
    ck_assert_int_gt(flips, 1350);
    ck_assert_int_lt(flips, 1650);
    weld_image_free(&image);
    weld_transform_scratch_free(&scratch);
}
END_TEST

/* The same image with everything on: shifted and flipped as above, then changed, normalised and
 * erased by the streams that go on or are given. */
START_TEST(pixels_are_changed_after_the_flip_and_erased_after_normalising) {
    weld_preprocessing p = preprocessing_of(12, 1.0);
    weld_augmentation a = weld_augmentation_defaults();
    weld_transform t;
    weld_transform_scratch scratch = {0};
    weld_image image = {0}, expected = {0};
    int changed = 0, erased = 0;
    a.kind = WELD_AUGMENT_SMALL;
    ck_assert_int_eq(weld_transform_init(&t, &p, &a, NULL), WELD_OK);
    weld_image_resize_buffer(&image, 12, 12, NULL);
    weld_image_resize_buffer(&expected, 12, 12, NULL);
    for (int i = 0; i < 12 * 12 * 3; i++) {
        image.pixels[i] = (uint8_t)(i * 37);
    }
    for (int i = 0; i < 300; i++) {
        float out[12 * 12 * 3], want[12 * 12 * 3];
        weld_random r = weld_random_start(5, 1, (uint64_t)i, WELD_RANDOM_AUGMENT), again = r;
        weld_random e = weld_random_start(5, 1, (uint64_t)i, WELD_RANDOM_ERASE), e_again = e;
        const weld_sample_plan plan = weld_transform_plan(&t, 12, 12, weld_transform_whole(&t), &r);
        const weld_pixels whole = weld_image_pixels(&image);
        const weld_decoded_part part = weld_part_of_image(&whole, &plan.crop);
        ck_assert_int_eq(weld_transform_training(&t, &plan, &part, 1, &r, &e, &scratch, out, NULL),
                         WELD_OK);
        weld_transform_plan(&t, 12, 12, weld_transform_whole(&t), &again);
        for (int k = 0; k < 12 * 12 * 3; k++) {
            int column = k / 3 % 12, y = k / 3 / 12 - plan.to.y;
            int x = (plan.hflip ? 11 - column : column) - plan.to.x;
            bool inside = x >= 0 && x < 12 && y >= 0 && y < 12;
            expected.pixels[k] = inside ? image.pixels[(y * 12 + x) * 3 + k % 3] : 0;
        }
        weld_random before = again;
        weld_bytes memory = {0};
        ck_assert_int_eq(weld_pixel_augment_run(&t.pixels, &again, &expected, &memory, NULL),
                         WELD_OK);
        weld_operation operations[WELD_RAND_AUGMENT_KINDS];
        changed += weld_pixel_augment_draw(&t.pixels, &before, operations) > 0;
        for (int k = 0; k < 12 * 12 * 3; k++) {
            want[k] = normalised(&p, k % 3, expected.pixels[k]);
        }
        float unerased = want[0] + want[12 * 6 * 3];
        weld_random_erase(&a, 12, 12, &e_again, want);
        erased += want[0] + want[12 * 6 * 3] != unerased;
        ck_assert_int_eq(memcmp(out, want, sizeof out), 0);
        weld_bytes_free(&memory);
    }
    ck_assert_int_gt(changed, 150);
    ck_assert_int_gt(erased, 3);
    weld_image_free(&image);
    weld_image_free(&expected);
    weld_transform_scratch_free(&scratch);
}
END_TEST

START_TEST(training_transforms_vary_by_stream_and_repeat_by_it) {
    weld_transform_scratch scratch = {0};
    weld_image image = decode_fixture("photo.jpg");
    const weld_augmentation_kind kinds[] = {WELD_AUGMENT_IMAGENET, WELD_AUGMENT_SMALL};
    for (int k = 0; k < 2; k++) {
        weld_transform t = transform_of(24, 0.875, kinds[k]);
        float out[3][24 * 24 * 3];
        for (int i = 0; i < 3; i++) {
            weld_random r = weld_random_start(1, 0, i == 2 ? 9 : 7, WELD_RANDOM_AUGMENT);
            ck_assert_int_eq(train(&t, &image, &r, &scratch, out[i], NULL), WELD_OK);
        }
        ck_assert_int_eq(memcmp(out[0], out[1], sizeof out[0]), 0);
        ck_assert_int_ne(memcmp(out[0], out[2], sizeof out[0]), 0);
    }
    weld_image_free(&image);
    weld_transform_scratch_free(&scratch);
}
END_TEST

START_TEST(kind_none_is_the_evaluation_transform) {
    weld_transform t = transform_of(24, 0.875, WELD_AUGMENT_NONE);
    weld_transform_scratch scratch = {0};
    weld_image image = decode_fixture("photo.jpg");
    float a[24 * 24 * 3], b[24 * 24 * 3];
    weld_random r = weld_random_start(1, 0, 0, WELD_RANDOM_AUGMENT);
    ck_assert_int_eq(train(&t, &image, &r, &scratch, a, NULL), WELD_OK);
    ck_assert_int_eq(weld_transform_evaluation(&t, &image, &scratch, b, NULL), WELD_OK);
    ck_assert_int_eq(memcmp(a, b, sizeof a), 0);
    weld_image_free(&image);
    weld_transform_scratch_free(&scratch);
}
END_TEST

START_TEST(images_of_extreme_shape_pass) {
    const int sides[][2] = {{1, 1}, {1, 20000}, {20000, 1}, {3, 2}};
    const weld_augmentation_kind kinds[] = {WELD_AUGMENT_IMAGENET, WELD_AUGMENT_SMALL,
                                            WELD_AUGMENT_NONE};
    weld_transform_scratch scratch = {0};
    weld_image image = {0};
    float out[32 * 32 * 3];
    for (int i = 0; i < 4; i++) {
        weld_image_resize_buffer(&image, sides[i][0], sides[i][1], NULL);
        memset(image.pixels, 77, (size_t)image.width * (size_t)image.height * 3);
        for (int k = 0; k < 3; k++) {
            weld_transform t = transform_of(32, 0.875, kinds[k]);
            t.augmentation.hflip = 1;
            weld_random r = weld_random_start(1, 0, 0, WELD_RANDOM_AUGMENT);
            ck_assert_int_eq(train(&t, &image, &r, &scratch, out, NULL), WELD_OK);
            ck_assert(out[16 * 32 * 3 + 48] == normalised(&t.preprocessing, 0, 77));
        }
    }
    weld_image_free(&image);
    weld_transform_scratch_free(&scratch);
}
END_TEST

static void expect_refusal(const weld_preprocessing *p, const weld_augmentation *a,
                           const char *key) {
    weld_transform t;
    weld_error err = {0};
    ck_assert_int_eq(weld_transform_init(&t, p, a, &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, key) != NULL, "%s", err.message);
}

START_TEST(values_out_of_range_are_named) {
    const weld_preprocessing good = preprocessing_of(224, 0.875);
    const weld_augmentation fine = weld_augmentation_defaults();
    weld_preprocessing p = good;
    p.height = p.width = 0;
    expect_refusal(&p, NULL, "input_size");
    p = good;
    p.crop_fraction = NAN;
    expect_refusal(&p, NULL, "crop_fraction");
    p = good;
    p.scale16 = 254;
    expect_refusal(&p, NULL, "scale16");
    p = good;
    p.std[1] = 0;
    expect_refusal(&p, NULL, "std");
    weld_augmentation a = fine;
    a.crop_scale[0] = 0;
    expect_refusal(&good, &a, "crop_scale");
    a = fine;
    a.crop_ratio[0] = 2;
    expect_refusal(&good, &a, "crop_ratio");
    a = fine;
    a.hflip = 1.5;
    expect_refusal(&good, &a, "hflip");
    a = fine;
    a.vflip = -0.1;
    expect_refusal(&good, &a, "vflip");
    a = fine;
    a.color_jitter = -1;
    expect_refusal(&good, &a, "color_jitter");
    a = fine;
    a.random_erasing = 2;
    expect_refusal(&good, &a, "random_erasing");
    a = fine;
    snprintf(a.auto_augment, sizeof a.auto_augment, "rand-q3");
    expect_refusal(&good, &a, "q3");
    a = fine;
    a.mixup = -1;
    expect_refusal(&good, &a, "mixup");
}
END_TEST

RUN_SUITE("data/transform", evaluation_equals_torchvision, every_fit_equals_timm,
          training_shows_things_in_the_proportions_of_evaluation,
          a_letterbox_is_padded_in_training_as_in_evaluation,
          crops_have_the_area_and_aspect_of_the_recipe,
          a_crop_that_never_fits_is_the_largest_central_one,
          small_images_are_shifted_by_up_to_four_and_flipped,
          pixels_are_changed_after_the_flip_and_erased_after_normalising,
          training_transforms_vary_by_stream_and_repeat_by_it,
          kind_none_is_the_evaluation_transform, images_of_extreme_shape_pass,
          values_out_of_range_are_named)
