/* The reference against values computed by hand or from the formula in another way: checkkernels
 * trusts it. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "suite.h"

static const weld_kernels *ref(void) {
    return weld_kernels_ref_f64();
}

#define ASSERT_NEAR(count, got, ...)                                                               \
    do {                                                                                           \
        const double expect_[] = {__VA_ARGS__};                                                    \
        ck_assert_uint_eq(sizeof expect_ / sizeof *expect_, count);                                \
        for (int i_ = 0; i_ < (int)(count); i_++) {                                                \
            ck_assert_double_eq_tol((got)[i_], expect_[i_], 1e-12);                                \
        }                                                                                          \
    } while (0)

/* [1 2 3; 4 5 6] [1 0; 2 1; 0 3] = [5 11; 14 23] */
static const double a[] = {1, 2, 3, 4, 5, 6}, a_t[] = {1, 4, 2, 5, 3, 6};
static const double b[] = {1, 0, 2, 1, 0, 3}, b_t[] = {1, 2, 0, 0, 1, 3};

START_TEST(scores_are_products_of_packed_activations) {
    for (int transposed = 0; transposed < 2; transposed++) {
        double packed[6], c[] = {NAN, NAN, 7, NAN, NAN, 7};
        ref()->pack_activations(3, 2, transposed ? b_t : b, transposed ? 1 : 2, transposed ? 3 : 1,
                                packed);
        ref()->gemm_unrounded(2, 2, 3, a, 3, packed, NULL, c, 3);
        ASSERT_NEAR(6, c, 5, 11, 7, 14, 23, 7);
        ref()->gemm_unrounded(2, 2, 3, a, 3, packed, (const double[]){100, 200}, c, 3);
        ASSERT_NEAR(6, c, 105, 211, 7, 114, 223, 7);
    }
}
END_TEST

START_TEST(packed_product_adds_bias_and_accumulates) {
    double packed[6], c[] = {NAN, NAN, 7, NAN, NAN, 7};
    const double bias[] = {100, 200};
    ck_assert_uint_eq(ref()->packed_size(3, 2), 6);
    ref()->pack(3, 2, b_t, 1, 3, packed);
    ref()->gemm_packed(2, 2, 3, a, 3, packed, bias, false, c, 3);
    ASSERT_NEAR(6, c, 105, 211, 7, 114, 223, 7);
    ref()->gemm_packed(2, 2, 3, a, 3, packed, NULL, true, c, 3);
    ASSERT_NEAR(6, c, 110, 222, 7, 128, 246, 7);
}
END_TEST

START_TEST(product_of_a_transposed_accumulates) {
    double c[] = {NAN, NAN, NAN, NAN};
    ref()->gemm_at_b(2, 2, 3, a_t, 2, b, 2, false, c, 2);
    ASSERT_NEAR(4, c, 5, 11, 14, 23);
    ref()->gemm_at_b(2, 2, 3, a_t, 2, b, 2, true, c, 2);
    ASSERT_NEAR(4, c, 10, 22, 28, 46);
}
END_TEST

/* 3 x 3 image of two channels; the second is 10 times the first. */
static const double image[] = {1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60, 7, 70, 8, 80, 9, 90};
/* Channel 0: all nine ones. Channel 1: only the tap at the right of the middle. */
static const double stencil[] = {1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0};
static const weld_window same = {3, 3, 2, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1};
static const weld_window halving = {3, 3, 2, 2, 2, 3, 3, 2, 2, 1, 1, 1, 1};

START_TEST(depthwise_sums_neighbours) {
    double y[18];
    ref()->depthwise(&same, image, stencil, NULL, 0, 3, y);
    ASSERT_NEAR(18, y, 12, 20, 21, 30, 16, 0, 27, 50, 45, 60, 33, 0, 24, 80, 39, 90, 28, 0);
    const double bias[] = {0.5, 1000};
    ref()->depthwise(&halving, image, stencil, bias, 0, 2, y);
    ASSERT_NEAR(8, y, 12.5, 1020, 16.5, 1000, 24.5, 1080, 28.5, 1000);
}
END_TEST

/* The first channel of the image, padded, in one row of two squares: B d B^T by hand. */
START_TEST(squares_of_an_image_are_transformed) {
    const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const weld_window g = {3, 3, 1, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1};
    double v[16];
    ref()->winograd_input(&g, x, 0, 1, 1, v); /* d = 0 0 0 0; 0 1 2 3; 0 4 5 6; 0 7 8 9 */
    ASSERT_NEAR(16, v, 5, -9, -1, 2, -7, 12, 2, -4, -3, 6, 0, 0, 6, -12, 0, 0);
    ref()->winograd_input(&g, x, 3, 4, 1, v); /* d = 5 6 0 0; 8 9 0 0; 0 0 0 0; 0 0 0 0 */
    ASSERT_NEAR(16, v, 5, 6, -6, 6, 8, 9, -9, 9, -8, -9, 9, -9, 8, 9, -9, 9);
}
END_TEST

START_TEST(squares_are_transformed_back_and_take_a_function) {
    const double m[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, bias[] = {100};
    const weld_window even = {4, 4, 1, 2, 2, 3, 3, 1, 1, 0, 0, 1, 1};
    const weld_window odd = {3, 3, 1, 1, 1, 3, 3, 1, 1, 0, 0, 1, 1};
    double y[] = {NAN, NAN, NAN, NAN};
    ref()->winograd_output(WELD_IDENTITY, &even, 1, m, 1, NULL, 0, 1, y);
    ASSERT_NEAR(4, y, 54, -27, -54, 21);
    ref()->winograd_output(WELD_RELU, &even, 1, m, 1, bias, 0, 1, y);
    ASSERT_NEAR(4, y, 154, 73, 46, 121);
    y[0] = y[1] = 7;
    ref()->winograd_output(WELD_IDENTITY, &odd, 1, m, 1, NULL, 0, 1, y);
    ASSERT_NEAR(2, y, 54, 7);
}
END_TEST

/* Two columns of results of 2 x 2 taps of one channel, the second of the image's. */
START_TEST(a_sweep_multiplies_what_the_taps_see) {
    const double x[] = {9, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 6}; /* 1 2 3; 4 5 6 */
    const double packed[] = {1, 0, 10, 0, 100, 0, 1000, 1}, bias[] = {0.5, 0};
    double y[] = {NAN, NAN, 7, NAN, NAN, 7};
    const weld_sweep s = {.rows = 1,
                          .columns = 2,
                          .taps_h = 2,
                          .taps_w = 2,
                          .k = 1,
                          .x_column = 2,
                          .tap_row = 6,
                          .tap_column = 2,
                          .y_column = 3};
    ref()->convolve(&s, 2, x + 1, packed, bias, y);
    ASSERT_NEAR(6, y, 5421.5, 5, 7, 6532.5, 6, 7);
}
END_TEST

START_TEST(depthwise_gradients_follow_the_taps_back) {
    const double dy[] = {1, 1, 2, 2, 3, 3, 4, 4};
    double dx[18], dweight[18] = {0};
    ref()->depthwise_input_grad(&halving, dy, stencil, 0, 3, dx);
    ASSERT_NEAR(18, dx, 1, 0, 3, 1, 2, 0, 4, 0, 10, 0, 6, 0, 3, 0, 7, 3, 4, 0);
    dweight[0] = 1000;
    ref()->depthwise_weight_grad(&halving, image, dy, 0, 2, dweight);
    /* Tap (ky, kx) of channel 0: the sum of dy times the pixel it reads, those inside. */
    ASSERT_NEAR(18, dweight, 1000 + 4 * 5, 200, 3 * 4 + 4 * 6, 360, 3 * 5, 150, /* upper taps */
                2 * 2 + 4 * 8, 360, 1 + 2 * 3 + 3 * 7 + 4 * 9, 640, 2 + 3 * 8, 260, 2 * 5, 100,
                4 + 2 * 6, 160, 5, 50);
}
END_TEST

START_TEST(moments_survive_a_mean_far_above_the_deviation) {
    const float x[] = {1e6f - 1, 1, 1e6f, 2, 1e6f + 1, 6};
    double mean[2], m2[2];
    weld_kernels_ref_f32()->moments(3, 2, x, mean, m2);
    ASSERT_NEAR(2, mean, 1e6, 3);
    ASSERT_NEAR(2, m2, 2, 14);
}
END_TEST

START_TEST(channel_kernels_follow_their_formulas) {
    const double x[] = {1, 2, 3, 4}, dy[] = {5, 6, 7, 8}, c[] = {1, 3};
    double y[4], sum[2], dot[2];
    ref()->affine(2, 2, x, c, dy, y);
    ASSERT_NEAR(4, y, 6, 12, 8, 18);
    ref()->affine(2, 2, x, NULL, NULL, y);
    ASSERT_NEAR(4, y, 1, 2, 3, 4);
    ref()->channel_sum(2, 2, x, sum);
    ASSERT_NEAR(2, sum, 4, 6);
    ref()->channel_dot(2, 2, dy, x, c, sum, dot);
    ASSERT_NEAR(2, sum, 12, 14);
    ASSERT_NEAR(2, dot, 14, 2);
    ref()->channel_dot(2, 2, dy, x, NULL, NULL, dot);
    ASSERT_NEAR(2, dot, 26, 44);
    ref()->affine2(2, 2, dy, x, c, sum, dot, y);
    ASSERT_NEAR(4, y, 5 + 12 + 26, 18 + 28 + 44, 7 + 36 + 26, 24 + 56 + 44);
}
END_TEST

START_TEST(combine_adds_scaled_rows_and_applies_a_function) {
    const double x0[] = {1, 2, 3, 4}, x1[] = {5, 6, 7, 8}, scale[] = {2, -3}, shift[] = {-9, 1};
    const void *x[] = {x0, x1, x0}, *scales[] = {NULL, scale, NULL};
    double y[4];
    ref()->combine(WELD_IDENTITY, 2, 2, 1, x, scales, NULL, y);
    ASSERT_NEAR(4, y, 1, 2, 3, 4);
    ref()->combine(WELD_IDENTITY, 2, 2, 3, x, scales, shift, y);
    ASSERT_NEAR(4, y, 1 + 10 - 9 + 1, 2 - 18 + 1 + 2, 3 + 14 - 9 + 3, 4 - 24 + 1 + 4);
    ref()->combine(WELD_RELU, 2, 2, 2, x, scales, shift, y);
    ASSERT_NEAR(4, y, 2, 0, 8, 0);
}
END_TEST

START_TEST(unary_pair_is_the_function_and_its_gradient) {
    const double x[] = {-2, -1, 1, 2}, scale[] = {2, -1}, shift[] = {1, 3}, dy[] = {1, 2, 3, 4};
    const double u[] = {-3, 4, 3, 1};
    double y[4], dx[4], expect[4];
    for (int f = 0; f < WELD_UNARY_COUNT; f++) {
        ref()->unary_pair((weld_unary)f, 2, 2, x, scale, shift, dy, y, dx);
        ref()->unary((weld_unary)f, 4, u, expect);
        ASSERT_NEAR(4, y, expect[0], expect[1], expect[2], expect[3]);
        ref()->unary_grad((weld_unary)f, 4, u, dy, expect);
        ASSERT_NEAR(4, dx, expect[0], expect[1], expect[2], expect[3]);
    }
}
END_TEST

/* f(x) of the table of the normal distribution, logistic function etc. */
START_TEST(activations_have_their_known_values) {
    const double x[] = {-4, -1, 0, 1, 4};
    double y[5];
    ref()->unary(WELD_GELU, 5, x, y);
    ASSERT_NEAR(5, y, -1.266849673324797e-4, -0.15865525393145707, 0, 0.8413447460685429,
                3.9998733150326675);
    ref()->unary(WELD_SIGMOID, 5, x, y);
    ASSERT_NEAR(5, y, 0.01798620996209156, 0.2689414213699951, 0.5, 0.7310585786300049,
                0.9820137900379085);
    ref()->unary(WELD_SILU, 5, x, y);
    ASSERT_NEAR(5, y, -0.07194483984836624, -0.2689414213699951, 0, 0.7310585786300049,
                3.928055160151634);
    ref()->unary(WELD_RELU, 5, x, y);
    ASSERT_NEAR(5, y, 0, 0, 0, 1, 4);
    ref()->unary(WELD_HARD_SWISH, 5, x, y);
    ASSERT_NEAR(5, y, 0, -1 / 3.0, 0, 2 / 3.0, 4);
    ref()->unary(WELD_HARD_SIGMOID, 5, x, y);
    ASSERT_NEAR(5, y, 0, 1 / 3.0, 0.5, 2 / 3.0, 1);
}
END_TEST

START_TEST(activation_gradients_are_difference_quotients) {
    const double x[] = {-6.5, -2.9, -0.7, 0.3, 1.9, 3.1, 8}, h = 1e-6;
    for (int f = 0; f < WELD_UNARY_COUNT; f++) {
        for (int i = 0; i < 7; i++) {
            const double dy = 3, ends[] = {x[i] - h, x[i] + h};
            double dx, y[2];
            ref()->unary((weld_unary)f, 2, ends, y);
            ref()->unary_grad((weld_unary)f, 1, &x[i], &dy, &dx);
            ck_assert_double_eq_tol(dx, 3 * (y[1] - y[0]) / (2 * h), 1e-8);
        }
    }
}
END_TEST

START_TEST(extreme_activations_stay_finite) {
    const double x[] = {-1e300, -1e30, -800, 800, 1e30, 1e300};
    for (int f = 0; f < WELD_UNARY_COUNT; f++) {
        const double dy[] = {1, 1, 1, 1, 1, 1};
        double y[6], dx[6];
        ref()->unary((weld_unary)f, 5, x + 1, y);
        ref()->unary_grad((weld_unary)f, 6, x, dy, dx);
        ck_assert_int_eq(ref()->first_not_finite(5, y), -1);
        ck_assert_int_eq(ref()->first_not_finite(6, dx), -1);
    }
}
END_TEST

START_TEST(elementwise_kernels_work_in_place) {
    double x[] = {1, 2, 3};
    ref()->add(3, x, x, x);
    ASSERT_NEAR(3, x, 2, 4, 6);
    ref()->scale(3, -0.5, x, x);
    ASSERT_NEAR(3, x, -1, -2, -3);
}
END_TEST

/* First step: m / c1 = g and v / c2 = g^2, so w moves by lr in the direction of -g. */
START_TEST(adamw_steps_as_the_paper_says) {
    weld_adamw_step s = {.lr = 0.1,
                         .beta1 = 0.9,
                         .beta2 = 0.99,
                         .eps = 0,
                         .weight_decay = 0.5,
                         .correction1 = 0.1,
                         .correction2 = 0.01,
                         .gradient_scale = 1,
                         .gradient_limit = INFINITY};
    double w[] = {1, -2}, m[] = {0, 0}, v[] = {0, 0};
    const double first[] = {4, -0.5}, second[] = {-2, -0.5};
    ref()->adamw(&s, 2, first, w, m, v, NULL);
    ASSERT_NEAR(2, w, 0.95 - 0.1, -1.9 + 0.1);
    ASSERT_NEAR(2, m, 0.4, -0.05);
    ASSERT_NEAR(2, v, 0.16, 0.0025);
    s.correction1 = 0.19;
    s.correction2 = 0.0199;
    ref()->adamw(&s, 2, second, w, m, v, NULL);
    /* m = 0.36 - 0.2, v = 0.1584 + 0.04 for the first; the second's gradient did not change. */
    ASSERT_NEAR(2, w, 0.85 * 0.95 - 0.1 * (0.16 / 0.19) / sqrt(0.1984 / 0.0199), -1.8 * 0.95 + 0.1);
}
END_TEST

START_TEST(adamw_clips_gradients_and_averages_weights) {
    weld_adamw_step s = {.lr = 0.1,
                         .beta1 = 0.5,
                         .beta2 = 0.5,
                         .correction1 = 0.5,
                         .correction2 = 0.5,
                         .gradient_scale = 0.25,
                         .gradient_limit = 2,
                         .average_decay = 0.75};
    double w[] = {1, 1, 1, 1}, m[4] = {0}, v[4] = {0}, average[] = {0, 4, 0, 0};
    const double grad[] = {4, 400, -8.4, NAN};
    ref()->adamw(&s, 4, grad, w, m, v, average);
    ASSERT_NEAR(3, w, 0.9, 0.9, 1.1);
    ASSERT_NEAR(3, m, 0.5, 1, -1);
    ASSERT_NEAR(3, average, 0.225, 3.225, 0.275);
    ck_assert(isnan(w[3]) && isnan(m[3]) && isnan(average[3]));
    ck_assert_double_eq(ref()->square_sum(3, grad), 16 + 160000 + 8.4 * 8.4);
}
END_TEST

START_TEST(first_value_that_is_not_finite_is_found) {
    const double x[] = {0, -1e308, 1, NAN, INFINITY, -INFINITY};
    ck_assert_int_eq(ref()->first_not_finite(3, x), -1);
    ck_assert_int_eq(ref()->first_not_finite(6, x), 3);
    ck_assert_int_eq(ref()->first_not_finite(2, x + 4), 0);
    ck_assert_int_eq(ref()->first_not_finite(0, x), -1);
}
END_TEST

START_TEST(dropout_goes_by_the_words_of_a_stream) {
    enum { N = 11 };
    const weld_random stream = weld_random_start(7, 3, 5, WELD_RANDOM_DROPOUT);
    weld_random words = stream;
    double x[N], y[N];
    for (int i = 0; i < N; i++) {
        x[i] = i + 1;
    }
    ref()->dropout(&stream, 0x80000000, 2, N, x, y);
    for (int i = 0; i < N; i++) {
        ck_assert_double_eq(y[i], weld_random_u32(&words) < 0x80000000 ? 0 : 2 * x[i]);
    }
}
END_TEST

START_TEST(softmax_and_its_gradient) {
    const double x[] = {0, log(2), log(5), 1e30, 1e30, -1e30}, dy[] = {1, 2, 3, 4, -4, 9};
    double y[6], dx[6];
    ref()->softmax(2, 3, x, y);
    ASSERT_NEAR(6, y, 1 / 8.0, 2 / 8.0, 5 / 8.0, 0.5, 0.5, 0);
    ref()->softmax_grad(2, 3, y, dy, dx);
    ASSERT_NEAR(6, dx, -1.5 / 8, -0.5 * 2 / 8, 0.5 * 5 / 8, 2, -2, 0);
}
END_TEST

/* Places 0, 1, 2 by 1/8, 2/8, 5/8. */
START_TEST(expectation_is_the_mean_place_and_its_gradient) {
    const double x[] = {0, log(2), log(5), 1e30, 1e30, -1e30}, dy[] = {2, 4};
    double y[2], dx[6];
    ref()->expectation(2, 3, x, y);
    ASSERT_NEAR(2, y, 1.5, 0.5);
    ref()->expectation_grad(2, 3, x, dy, dx);
    ASSERT_NEAR(6, dx, -3 / 8.0, -2 / 8.0, 5 / 8.0, -1, 1, 0);
}
END_TEST

/* Rows of 2 that are 3 apart; the factor and the bias make of the scores log 2, log 6; 0, 0. */
START_TEST(softmax_of_attention_scales_and_adds_a_bias) {
    double x[] = {log(2), log(3), 7, 5, 5, 7}, y[] = {NAN, NAN, 7, NAN, NAN, 7};
    const double bias[] = {-log(2), log(6) - 2 * log(3), -10, -10};
    ref()->attention_softmax(2, 2, 3, 2, x, bias, y);
    ASSERT_NEAR(6, y, 0.25, 0.75, 7, 0.5, 0.5, 7);
    double scores[] = {log(2), log(6)};
    ref()->attention_softmax(1, 2, 2, 1, scores, NULL, scores);
    ASSERT_NEAR(2, scores, 0.25, 0.75);
    const double dy[] = {4, 8, 7, 1, 3, 7};
    double dx[] = {NAN, NAN, 7, NAN, NAN, 7}, dbias[] = {100, 100, 100, 100};
    ref()->attention_softmax_grad(2, 2, 3, 2, y, dy, dx, dbias); /* sums of dy y: 7, 2 */
    ASSERT_NEAR(6, dx, -1.5, 1.5, 7, -1, 1, 7);
    ASSERT_NEAR(4, dbias, 99.25, 100.75, 99.5, 100.5);
    ref()->attention_softmax_grad(2, 2, 3, 4, y, dy, y, NULL);
    ASSERT_NEAR(6, y, -3, 3, 7, -2, 2, 7);
}
END_TEST

START_TEST(layer_norm_gives_rows_no_mean_and_unit_variance) {
    const double x[] = {1, 2, 3, 6}, weight[] = {1, 1, 1, 2}, bias[] = {0, 0, 0, 10};
    double y[4];
    ref()->layer_norm(1, 4, x, weight, bias, 0.5, y); /* mean 3, variance 14 / 4, + 0.5 */
    ASSERT_NEAR(4, y, -1, -0.5, 0, 13);
}
END_TEST

START_TEST(layer_norm_gradient_is_the_difference_quotient) {
    double x[] = {1, 2, 3, 6, -1, 0.5, 0.25, 2};
    const double weight[] = {1, -2, 0.5, 2}, bias[] = {0, 0, 0, 1}, eps = 1e-5, h = 1e-6;
    const double dy[] = {1, 2, -3, 0.5, 0.1, -1, 2, 1};
    double y[8], dx[8], dweight[4], dbias[4];
    ref()->layer_norm(2, 4, x, weight, bias, eps, y);
    ref()->layer_norm_grad(2, 4, x, weight, eps, dy, dx, dweight, dbias);
    ASSERT_NEAR(4, dbias, 1.1, 1, -1, 1.5);
    for (int j = 0; j < 4; j++) {
        const double z0 = (y[j] - bias[j]) / weight[j], z1 = (y[4 + j] - bias[j]) / weight[j];
        ck_assert_double_eq_tol(dweight[j], dy[j] * z0 + dy[4 + j] * z1, 1e-12);
    }
    for (int i = 0; i < 8; i++) {
        double quotient = 0;
        for (int side = -1; side <= 1; side += 2) {
            const double keep = x[i];
            x[i] += side * h;
            ref()->layer_norm(2, 4, x, weight, bias, eps, y);
            x[i] = keep;
            for (int j = 0; j < 8; j++) {
                quotient += side * dy[j] * y[j] / (2 * h);
            }
        }
        ck_assert_double_eq_tol(dx[i], quotient, 1e-8);
    }
}
END_TEST

START_TEST(cross_entropy_and_its_gradient) {
    /* softmax 1/8, 2/8, 5/8 */
    const double x[] = {0, log(2), log(5)}, target[] = {0, 0.25, 0.75}, dloss = 2;
    double loss, dx[3];
    ref()->cross_entropy(1, 3, x, target, 0, &loss);
    ck_assert_double_eq_tol(loss, 0.25 * log(4) + 0.75 * log(1.6), 1e-12);
    ref()->cross_entropy_grad(1, 3, x, target, 0, &dloss, dx);
    ASSERT_NEAR(3, dx, 2 / 8.0, 0, 2 * (0.625 - 0.75));
    /* Smoothing 0.3 gives targets 0.1, 0.275, 0.625. */
    ref()->cross_entropy(1, 3, x, target, 0.3, &loss);
    ck_assert_double_eq_tol(loss, 0.1 * log(8) + 0.275 * log(4) + 0.625 * log(1.6), 1e-12);
    ref()->cross_entropy_grad(1, 3, x, target, 0.3, &dloss, dx);
    ASSERT_NEAR(3, dx, 0.05, -0.05, 0);
}
END_TEST

START_TEST(binary_cross_entropy_and_its_gradient) {
    /* sigmoid 1/2, 3/4, 1/5 */
    const double x[] = {0, log(3), -log(4)}, target[] = {1, 0.5, 0}, dloss = 6;
    double loss, dx[3];
    ref()->binary_cross_entropy(1, 3, x, target, 0, &loss);
    ck_assert_double_eq_tol(loss, (log(2) + 0.5 * log(16 / 3.) + log(1.25)) / 3, 1e-12);
    ref()->binary_cross_entropy_grad(1, 3, x, target, 0, &dloss, dx);
    ASSERT_NEAR(3, dx, -1, 0.5, 0.4);
    /* Smoothing 0.3 gives targets 0.8, 0.45, 0.1; logits without end have a loss. */
    ref()->binary_cross_entropy_grad(1, 3, x, target, 0.3, &dloss, dx);
    ASSERT_NEAR(3, dx, -0.6, 0.6, 0.2);
    ref()->binary_cross_entropy(1, 3, (double[]){1e4, -1e4, -1e4}, (double[]){1, 0, 1}, 0, &loss);
    ck_assert_double_eq_tol(loss, 1e4 / 3, 1e-9);
}
END_TEST

START_TEST(softplus_sum) {
    const double x[] = {0, log(3), -log(4), 1e4, -1e4};
    ck_assert_double_eq_tol(ref()->softplus_sum(3, x), log(2) + log(4) + log(1.25), 1e-12);
    ck_assert_double_eq_tol(ref()->softplus_sum(5, x), 1e4 + log(10), 1e-9);
    ck_assert(isnan(ref()->softplus_sum(2, (double[]){1, NAN})));
}
END_TEST

START_TEST(cross_entropy_of_targets_that_do_not_sum_to_one) {
    const double x[] = {1e30, 1e30}, target[] = {3, 1}, dloss = 1;
    double loss, dx[2];
    ref()->cross_entropy(1, 2, x, target, 0, &loss);
    ck_assert_double_eq_tol(loss, 4 * log(2), 1e-12);
    ref()->cross_entropy_grad(1, 2, x, target, 0, &dloss, dx);
    ASSERT_NEAR(2, dx, -1, 1);
}
END_TEST

START_TEST(max_pool_ignores_padding_and_routes_to_the_first_maximum) {
    const weld_window g = {3, 3, 1, 2, 2, 3, 3, 2, 2, 1, 1, 1, 1};
    const double x[] = {-1, -2, -3, -2, -1, -3, -3, -3, -3}, dy[] = {1, 10, 100, 1000};
    double y[4], dx[9];
    ref()->max_pool(&g, x, 0, 2, y);
    ASSERT_NEAR(4, y, -1, -1, -1, -1);
    ref()->max_pool_grad(&g, x, dy, dx);
    ASSERT_NEAR(9, dx, 1, 0, 0, 0, 1110, 0, 0, 0, 0);
}
END_TEST

START_TEST(patches_of_some_channels_and_back) {
    const weld_window g = {3, 3, 2, 3, 3, 1, 3, 1, 1, 0, 1, 1, 1};
    double patches[6], dx[18] = {0};
    ref()->im2col(&g, image, 1, 1, 3, 5, patches); /* the row of 40, 50, 60 */
    ASSERT_NEAR(6, patches, 0, 40, 50, 40, 50, 60);
    dx[9] = 1;
    ref()->col2im(&g, patches, 1, 1, 3, 5, dx);
    ASSERT_NEAR(18, dx, 0, 0, 0, 0, 0, 0, 0, 80, 0, 101, 0, 60, 0, 0, 0, 0, 0, 0);
}
END_TEST

/* The reference sums 64 columns at a time; with one term the sums are plain products. */
START_TEST(more_columns_than_are_summed_at_a_time) {
    enum { C = 150 };
    const weld_window g = {1, 1, C, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1};
    const double two = 2;
    double x[C], weight[C], y[6][C];
    for (int i = 0; i < C; i++) {
        x[i] = i + 1;
        weight[i] = 1000 - i;
    }
    memset(y, 0, sizeof y);
    ref()->depthwise(&g, x, weight, x, 0, 1, y[0]);
    ref()->depthwise_input_grad(&g, x, weight, 0, 1, y[1]);
    ref()->depthwise_weight_grad(&g, x, weight, 0, 1, y[2]);
    ref()->gemm_packed(1, C, 1, &two, 1, x, weight, false, y[3], C);
    ref()->gemm_at_b(1, C, 1, &two, 1, x, C, false, y[4], C);
    ref()->gemm_unrounded(1, C, 1, &two, 1, x, NULL, y[5], C);
    for (int i = 0; i < C; i++) {
        ck_assert_double_eq_tol(y[0][i], x[i] * weight[i] + x[i], 1e-12);
        ck_assert_double_eq_tol(y[1][i], x[i] * weight[i], 1e-12);
        ck_assert_double_eq_tol(y[2][i], x[i] * weight[i], 1e-12);
        ck_assert_double_eq_tol(y[3][i], 2 * x[i] + weight[i], 1e-12);
        for (int j = 4; j < 6; j++) {
            ck_assert_double_eq_tol(y[j][i], 2 * x[i], 1e-12);
        }
    }
}
END_TEST

static double dot(int n, const double *x, const double *y) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += x[i] * y[i];
    }
    return sum;
}

/* 5 x 5 pixels, a kernel of 2 x 2 whose taps are two rows and three columns apart. */
START_TEST(dilated_windows_take_pixels_apart) {
    const weld_window g = {5, 5, 1, 3, 2, 2, 2, 1, 1, 0, 0, 2, 3};
    double x[25], y[6], patches[24], dx[25], dweight[4] = {0}, back[25] = {0};
    for (int i = 0; i < 25; i++) {
        x[i] = i;
    }
    const double weight[] = {1, 10, 100, 1000}, dy[] = {1, 0, 0, 0, 0, 2};
    ref()->depthwise(&g, x, weight, NULL, 0, 3, y);
    ASSERT_NEAR(6, y, 14030, 15141, 19585, 20696, 25140, 26251);
    ref()->im2col(&g, x, 0, 1, 5, 6, patches); /* the last position */
    ASSERT_NEAR(4, patches, 11, 14, 21, 24);
    ref()->depthwise_input_grad(&g, dy, weight, 0, 5, dx);
    ASSERT_NEAR(25, dx, 1, 0, 0, 10, 0, 0, 0, 0, 0, 0, 100, 2, 0, 1000, 20, 0, 0, 0, 0, 0, 0, 200,
                0, 0, 2000);
    ref()->depthwise_weight_grad(&g, x, dy, 0, 3, dweight);
    ASSERT_NEAR(4, dweight, 0 + 2 * 11, 3 + 2 * 14, 10 + 2 * 21, 13 + 2 * 24);
    ref()->col2im(&g, patches, 0, 1, 5, 6, back);
    ck_assert_double_eq(back[11] + back[14] + back[21] + back[24], 70);
    ref()->max_pool(&g, x, 0, 3, y);
    ASSERT_NEAR(6, y, 13, 14, 18, 19, 23, 24);
}
END_TEST

START_TEST(a_resampled_image_is_a_sum_over_the_taps_of_both_axes) {
    const int64_t row_first[] = {0, 2, 2}, row_from[] = {1, 0};
    const int64_t column_first[] = {0, 1, 3}, column_from[] = {2, 0, 1};
    const double row_weight[] = {0.25, 0.5}, column_weight[] = {1, 2, 4};
    const weld_resampling g = {
        3, 2, 2, {row_first, row_from, row_weight}, {column_first, column_from, column_weight}};
    const double x[] = {1, -1, 2, -2, 3, -3, 10, -10, 20, -20, 30, -30};
    double y[8] = {0};
    ref()->resample(&g, x, 0, 2, y); /* the second row has no taps */
    ASSERT_NEAR(8, y, 9, -9, 30, -30, 0, 0, 0, 0);
}
END_TEST

START_TEST(products_and_clamped_numbers) {
    const double x[] = {2, -3, 0.5, 7}, other[] = {5, 4, -8, 0};
    double y[4];
    ref()->mul(4, x, other, y);
    ASSERT_NEAR(4, y, 10, -12, -4, 0);
    ref()->clamp(4, -1, 2, x, y);
    ASSERT_NEAR(4, y, 2, -1, 0.5, 2);
    ref()->clamp_grad(4, -1, 2, x, other, y);
    ASSERT_NEAR(4, y, 0, 0, -8, 0);
    ref()->clamp(1, -1, 2, &(const double){NAN}, y);
    ck_assert(isnan(y[0]));
}
END_TEST

/* Nothing square: 2 x 5 pixels, kernel 2 x 3, stride 1 x 2, padding 1 x 0. */
START_TEST(oblong_windows_do_not_mix_up_their_axes) {
    const weld_window g = {2, 5, 1, 3, 2, 2, 3, 1, 2, 1, 0, 1, 1};
    const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, weight[] = {1, 1, 1, 10, 10, 10};
    const double dy[] = {3, 1, 4, 1, 5, 9};
    double y[6], patches[36], dx[10], dweight[6] = {0}, back[10] = {0};
    ref()->depthwise(&g, x, weight, NULL, 0, 3, y);
    ASSERT_NEAR(6, y, 60, 120, 216, 282, 21, 27);
    ref()->im2col(&g, x, 0, 1, 0, 6, patches);
    for (int p = 0; p < 6; p++) {
        ck_assert_double_eq_tol(dot(6, patches + 6 * p, weight), y[p], 1e-12);
    }
    /* The gradients of dy y, which is linear in x and in the weight. */
    ref()->depthwise_input_grad(&g, dy, weight, 0, 2, dx);
    ASSERT_NEAR(10, dx, 34, 34, 45, 11, 11, 45, 45, 64, 19, 19);
    ref()->depthwise_weight_grad(&g, x, dy, 0, 3, dweight);
    ck_assert_double_eq_tol(dot(6, weight, dweight), dot(6, y, dy), 1e-12);
    ck_assert_double_eq_tol(dweight[0], 4 * 1 + 1 * 3 + 5 * 6 + 9 * 8, 1e-12);
    ref()->col2im(&g, patches, 0, 1, 0, 6, back); /* each pixel as often as it is read */
    ASSERT_NEAR(10, back, 2, 4, 12, 8, 10, 12, 14, 32, 18, 20);
    ref()->max_pool(&g, x, 0, 3, y);
    ASSERT_NEAR(6, y, 3, 5, 8, 10, 8, 10);
    ref()->max_pool_grad(&g, x, dy, dx);
    ASSERT_NEAR(10, dx, 0, 0, 3, 0, 1, 0, 0, 9, 0, 10);
}
END_TEST

static float rounded(float x) {
    uint16_t stored;
    float back;
    weld_kernels_ref_bf16()->from_f32(1, &x, &stored);
    weld_kernels_ref_bf16()->to_f32(1, &stored, &back);
    return back;
}

START_TEST(bf16_is_the_nearest_and_of_two_the_even_one) {
    ck_assert_float_eq(rounded(1), 1);
    ck_assert_float_eq(rounded(-1.0078125f), -1.0078125f); /* 1 + 2^-7: the next one */
    ck_assert_float_eq(rounded(1 + 0x1p-8f), 1);           /* ties */
    ck_assert_float_eq(rounded(1 + 0x3p-8f), 1 + 0x1p-6f);
    ck_assert_float_eq(rounded(1 + 0x1p-8f + 0x1p-23f), 1 + 0x1p-7f); /* just above a tie */
    ck_assert_float_eq(rounded(1 + 0x3p-8f - 0x1p-23f), 1 + 0x1p-7f); /* just below one */
    ck_assert_float_eq(rounded(0x1.fep127f), 0x1.fep127f);            /* the largest */
    ck_assert_float_eq(rounded(0x1.fefffep127f), 0x1.fep127f);
    ck_assert_float_eq(rounded(0x1.ffp127f), INFINITY);
    ck_assert_float_eq(rounded(-INFINITY), -INFINITY);
    ck_assert_float_eq(rounded(0x1p-133f), 0x1p-133f); /* the least subnormal one */
    ck_assert(signbit(rounded(-0.0f)));
    const uint32_t payload_below[] = {0x7f800001, 0xffbfffff, 0x7fffffff};
    for (int i = 0; i < 3; i++) {
        float nan;
        memcpy(&nan, &payload_below[i], sizeof nan);
        ck_assert_float_nan(rounded(nan));
    }
}
END_TEST

/* 1 + 2^-8 is a tie between 1 and 1 + 2^-7; the sum with 2^-40 lies above it, but not as a float.
 */
START_TEST(bf16_results_are_rounded_once) {
    const float terms[] = {1, 0x1p-8f, 0x1p-40f, -1, -0x1p-8f, -0x1p-40f};
    uint16_t x[6], y[2], one = 0;
    float packed_as_float[1] = {1}, sum[2];
    weld_kernels_ref_bf16()->from_f32(6, terms, x);
    ck_assert_uint_eq(weld_kernels_ref_bf16()->packed_size(1, 1), 1);
    weld_kernels_ref_bf16()->pack(1, 1, packed_as_float, 1, 1, &one);
    ck_assert_uint_eq(one, 0x3f80);
    const uint16_t ones[] = {one, one, one};
    weld_kernels_ref_bf16()->gemm_packed(2, 1, 3, x, 3, ones, NULL, false, y, 1);
    weld_kernels_ref_bf16()->to_f32(2, y, sum);
    ck_assert_float_eq(sum[0], 1 + 0x1p-7f);
    ck_assert_float_eq(sum[1], -1 - 0x1p-7f);
}
END_TEST

/* Vectors of channels, weights and their gradients beside activations in bf16. */
START_TEST(parameters_beside_bf16_are_floats) {
    const weld_kernels *k = weld_kernels_ref_bf16();
    const float values[] = {3, 5}, scale[] = {1.001f, -2}, shift[] = {0.25f, 0.5f};
    uint16_t x[2], y[2];
    float got[2], product[] = {0.125f};
    k->from_f32(2, values, x);
    k->affine(1, 2, x, scale, shift, y);
    k->to_f32(2, y, got);
    ck_assert_float_eq(got[0], 3.25f); /* 3.253: the spacing is 1 / 64 */
    ck_assert_float_eq(got[1], -9.5f);
    k->gemm_at_b(1, 1, 2, x, 1, x, 1, true, product, 1);
    ck_assert_float_eq(product[0], 34.125f);
    const weld_window g = {1, 2, 1, 1, 2, 1, 1, 1, 1, 0, 0, 1, 1};
    k->depthwise(&g, x, scale, shift, 0, 1, y);
    k->to_f32(2, y, got);
    ck_assert_float_eq(got[0], 3.25f);
    ck_assert_float_eq(got[1], 5.25f); /* 5.255: 1 / 32 */
    k->depthwise_weight_grad(&g, x, x, 0, 1, product);
    ck_assert_float_eq(product[0], 68.125f);
}
END_TEST

RUN_SUITE("kernels/ref", bf16_is_the_nearest_and_of_two_the_even_one, bf16_results_are_rounded_once,
          parameters_beside_bf16_are_floats, scores_are_products_of_packed_activations,
          packed_product_adds_bias_and_accumulates, product_of_a_transposed_accumulates,
          depthwise_sums_neighbours, a_sweep_multiplies_what_the_taps_see,
          squares_of_an_image_are_transformed, squares_are_transformed_back_and_take_a_function,
          depthwise_gradients_follow_the_taps_back, moments_survive_a_mean_far_above_the_deviation,
          channel_kernels_follow_their_formulas, combine_adds_scaled_rows_and_applies_a_function,
          unary_pair_is_the_function_and_its_gradient, activations_have_their_known_values,
          activation_gradients_are_difference_quotients, extreme_activations_stay_finite,
          elementwise_kernels_work_in_place, adamw_steps_as_the_paper_says,
          adamw_clips_gradients_and_averages_weights, first_value_that_is_not_finite_is_found,
          dropout_goes_by_the_words_of_a_stream, softmax_and_its_gradient,
          expectation_is_the_mean_place_and_its_gradient,
          softmax_of_attention_scales_and_adds_a_bias,
          layer_norm_gives_rows_no_mean_and_unit_variance,
          layer_norm_gradient_is_the_difference_quotient, cross_entropy_and_its_gradient,
          binary_cross_entropy_and_its_gradient, softplus_sum,
          cross_entropy_of_targets_that_do_not_sum_to_one,
          max_pool_ignores_padding_and_routes_to_the_first_maximum,
          patches_of_some_channels_and_back, oblong_windows_do_not_mix_up_their_axes,
          dilated_windows_take_pixels_apart, a_resampled_image_is_a_sum_over_the_taps_of_both_axes,
          products_and_clamped_numbers, more_columns_than_are_summed_at_a_time)
