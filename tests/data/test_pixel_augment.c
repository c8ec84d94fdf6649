#include <math.h>
#include <stdio.h>

#include "data/pixel_augment.h"
#include "suite.h"

enum { DRAWS = 60000 };
static const float imagenet_mean[3] = {0.485f, 0.456f, 0.406f};

static weld_pixel_augment init(const weld_augmentation *a) {
    weld_pixel_augment p;
    ck_assert_int_eq(weld_pixel_augment_init(a, imagenet_mean, &p, NULL), WELD_OK);
    return p;
}

static int draw(const weld_pixel_augment *p, int image, weld_operation *operations) {
    weld_random random = weld_random_start(12, 0, (uint64_t)image, WELD_RANDOM_TEST);
    return weld_pixel_augment_draw(p, &random, operations);
}

START_TEST(settings_choose_the_method) {
    weld_augmentation a = weld_augmentation_defaults();
    weld_pixel_augment p = init(&a);
    ck_assert_int_eq(p.method, WELD_PIXELS_RAND_AUGMENT);
    ck_assert(p.rand_augment.magnitude == 9 && p.rand_augment.increasing);
    a.three_augment = true;
    ck_assert_int_eq(init(&a).method, WELD_PIXELS_THREE_AUGMENT);
    a.three_augment = false;
    snprintf(a.auto_augment, sizeof a.auto_augment, "none");
    ck_assert_int_eq(init(&a).method, WELD_PIXELS_COLOR_JITTER);
    a.color_jitter = 0;
    ck_assert_int_eq(init(&a).method, WELD_PIXELS_AS_THEY_ARE);
    a = weld_augmentation_defaults();
    a.kind = WELD_AUGMENT_SMALL;
    ck_assert_int_eq(init(&a).method, WELD_PIXELS_RAND_AUGMENT);
    a.kind = WELD_AUGMENT_NONE;
    ck_assert_int_eq(init(&a).method, WELD_PIXELS_AS_THEY_ARE);
}
END_TEST

START_TEST(what_comes_into_view_has_the_mean_colour) {
    const weld_augmentation a = weld_augmentation_defaults();
    const float odd[3] = {-0.5f, 1.5f, 0.5f};
    weld_pixel_augment p = init(&a);
    ck_assert(p.fill[0] == 124 && p.fill[1] == 116 && p.fill[2] == 104);
    ck_assert_int_eq(weld_pixel_augment_init(&a, odd, &p, NULL), WELD_OK);
    ck_assert(p.fill[0] == 0 && p.fill[1] == 255 && p.fill[2] == 128);
}
END_TEST

/* Number of one of the six orders of brightness, contrast and colour. */
static int order_of(const weld_operation *o) {
    int order = 0;
    for (int i = 0; i < 3; i++) {
        for (int k = i + 1; k < 3; k++) {
            ck_assert_int_ne(o[i].kind, o[k].kind);
        }
        ck_assert(o[i].kind == WELD_OPERATION_BRIGHTNESS || o[i].kind == WELD_OPERATION_CONTRAST ||
                  o[i].kind == WELD_OPERATION_COLOR);
    }
    order = o[0].kind == WELD_OPERATION_BRIGHTNESS ? 0
            : o[0].kind == WELD_OPERATION_CONTRAST ? 2
                                                   : 4;
    return order + (o[1].kind > o[2].kind);
}

static void expect_jitter(const weld_augmentation *a, int first, double low, double high) {
    const weld_pixel_augment p = init(a);
    weld_operation o[WELD_RAND_AUGMENT_KINDS];
    int orders[6] = {0};
    double sum = 0, squares = 0, least = 9, largest = 0;
    for (int i = 0; i < DRAWS; i++) {
        ck_assert_int_eq(draw(&p, i, o), first + 3);
        orders[order_of(o + first)]++;
        for (int k = first; k < first + 3; k++) {
            sum += o[k].argument;
            squares += o[k].argument * o[k].argument;
            least = fmin(least, o[k].argument);
            largest = fmax(largest, o[k].argument);
        }
    }
    double mean = sum / (3 * DRAWS), width = high - low;
    ck_assert_double_eq_tol(mean, (low + high) / 2, 6 * width / sqrt(12 * 3 * DRAWS));
    ck_assert_double_eq_tol(squares / (3 * DRAWS) - mean * mean, width * width / 12,
                            0.005 * width * width);
    ck_assert(least >= low && least < low + 0.001 * width);
    ck_assert(largest <= high && largest > high - 0.001 * width);
    for (int k = 0; k < 6; k++) {
        ck_assert_int_lt(abs(orders[k] - DRAWS / 6), 6 * 92);
    }
}

START_TEST(jitter_blends_in_any_order_by_even_factors) {
    weld_augmentation a = weld_augmentation_defaults();
    a.auto_augment[0] = 0;
    expect_jitter(&a, 0, 0.6, 1.4);
    a.color_jitter = 1.5;
    expect_jitter(&a, 0, 0, 2.5);
}
END_TEST

START_TEST(three_augment_takes_one_of_three_then_jitters) {
    weld_augmentation a = weld_augmentation_defaults();
    a.three_augment = true;
    const weld_pixel_augment p = init(&a);
    weld_operation o[WELD_RAND_AUGMENT_KINDS];
    int grey = 0, solarize = 0, blur = 0;
    double radius = 0, squares = 0;
    for (int i = 0; i < DRAWS; i++) {
        draw(&p, i, o);
        grey += o[0].kind == WELD_OPERATION_GREY;
        solarize += o[0].kind == WELD_OPERATION_SOLARIZE && o[0].argument == 128;
        if (o[0].kind == WELD_OPERATION_GAUSSIAN_BLUR) {
            ck_assert(o[0].argument >= 0.1 && o[0].argument <= 2);
            radius += o[0].argument;
            squares += o[0].argument * o[0].argument;
            blur++;
        }
    }
    ck_assert_int_eq(grey + solarize + blur, DRAWS);
    ck_assert_int_lt(abs(grey - DRAWS / 3), 6 * 116);
    ck_assert_int_lt(abs(blur - DRAWS / 3), 6 * 116);
    radius /= blur;
    ck_assert_double_eq_tol(radius, 1.05, 6 * 1.9 / sqrt(12.0 * blur));
    ck_assert_double_eq_tol(squares / blur - radius * radius, 1.9 * 1.9 / 12, 0.015);
    expect_jitter(&a, 1, 0.7, 1.3);
}
END_TEST

RUN_SUITE("data/pixel_augment", settings_choose_the_method,
          what_comes_into_view_has_the_mean_colour, jitter_blends_in_any_order_by_even_factors,
          three_augment_takes_one_of_three_then_jitters)
