/* The int8 reference against values computed by hand: checkkernels trusts it. */
#include <math.h>
#include <string.h>

#include "kernels/int8.h"
#include "suite.h"

static const weld_int8_kernels *ref(void) {
    return weld_int8_kernels_ref();
}

#define ASSERT_CODES(got, ...)                                                                     \
    do {                                                                                           \
        const int expect_[] = {__VA_ARGS__};                                                       \
        for (size_t i_ = 0; i_ < sizeof expect_ / sizeof *expect_; i_++) {                         \
            ck_assert_msg((got)[i_] == expect_[i_], "code %zu is %d, not %d", i_, (int)(got)[i_],  \
                          expect_[i_]);                                                            \
        }                                                                                          \
    } while (0)

/* The code of one sum. */
static int code_of(int32_t sum, float multiplier, int32_t zero) {
    const weld_int8_finish f = {.bias = &sum, .multiplier = &multiplier, .zero = zero};
    const uint8_t nothing = 0;
    const int8_t one = 1;
    int8_t packed;
    uint8_t c = 77;
    ck_assert_uint_eq(ref()->packed_size(1, 1), 1);
    ref()->pack(1, 1, &one, 1, 1, &packed);
    ref()->gemm(1, 1, 1, &nothing, 1, &packed, &f, &c, 1);
    return c;
}

START_TEST(halves_are_rounded_to_even_and_codes_are_clamped) {
    ck_assert_int_eq(code_of(1, 0.5F, 0), 0);
    ck_assert_int_eq(code_of(3, 0.5F, 0), 2);
    ck_assert_int_eq(code_of(5, 0.5F, 0), 2);
    ck_assert_int_eq(code_of(-1, 0.5F, 10), 10);
    ck_assert_int_eq(code_of(-3, 0.5F, 10), 8);
    ck_assert_int_eq(code_of(-5, 0.5F, 10), 8);
    ck_assert_int_eq(code_of(-1, 1, 0), 0);
    ck_assert_int_eq(code_of(-129, 1, 128), 0);
    ck_assert_int_eq(code_of(127, 1, 128), 255);
    ck_assert_int_eq(code_of(128, 1, 128), 255);
    ck_assert_int_eq(code_of(-255, 1, 255), 0);
    ck_assert_int_eq(code_of(1, 1, 255), 255);
    ck_assert_int_eq(code_of(1000000000, 1, 0), 255);
    ck_assert_int_eq(code_of(-1000000000, 1, 255), 0);
}
END_TEST

/* 2^24 + 1 is no float: it becomes 2^24, and half of 2^-24 of that is rounded down to 0; the sum
 * itself would give a bit more than a half. 2^24 + 3 becomes 2^24 + 4. */
START_TEST(large_sums_are_rounded_to_float_first) {
    ck_assert_int_eq(code_of(16777217, 0x1p-25F, 0), 0);
    ck_assert_int_eq(code_of(16777219, 0x1p-25F, 0), 1);
}
END_TEST

/* Rows (1 2 255) and (0 10 3) times columns (1 2 3), (-1 0 1): 770 254; 29 3. */
static const uint8_t a[] = {1, 2, 255, 9, 0, 10, 3, 9};
static const int8_t b[] = {1, -1, 2, 0, 3, 1}, b_t[] = {1, 2, 3, -1, 0, 1};

START_TEST(product_is_finished_by_column) {
    const int32_t bias[] = {30, -4};
    const float multiplier[] = {0.125F, 0.5F};
    weld_int8_finish f = {.bias = bias, .multiplier = multiplier, .zero = 20};
    for (int transposed = 0; transposed < 2; transposed++) {
        int8_t packed[6];
        uint8_t c[] = {0, 0, 7, 0, 0, 7};
        ref()->pack(3, 2, transposed ? b_t : b, transposed ? 1 : 2, transposed ? 3 : 1, packed);
        ref()->gemm(2, 2, 3, a, 4, packed, &f, c, 3);
        /* 800/8 + 20, 250/2 + 20; 59/8 + 20 = 27.4, -1/2 + 20 */
        ASSERT_CODES(c, 120, 145, 7, 27, 20, 7);
        float logits[4];
        ref()->gemm_f32(2, 2, 3, a, 4, packed, bias, multiplier, logits, 2);
        ck_assert(logits[0] == 100 && logits[1] == 125 && logits[2] == 7.375F &&
                  logits[3] == -0.5F);
    }
}
END_TEST

START_TEST(table_comes_before_the_residual) {
    const int32_t bias[] = {30, -4};
    const float multiplier[] = {0.125F, 0.5F};
    uint8_t table[256];
    for (int i = 0; i < 256; i++) {
        table[i] = (uint8_t)(255 - i);
    }
    const uint8_t residual[] = {10, 20, 9, 30, 255};
    weld_int8_finish f = {.bias = bias, .multiplier = multiplier, .zero = 20, .table = table};
    int8_t packed[6];
    uint8_t c[4];
    ref()->pack(3, 2, b, 2, 1, packed);
    ref()->gemm(2, 2, 3, a, 4, packed, &f, c, 2);
    ASSERT_CODES(c, 135, 110, 228, 235);
    f.residual = residual;
    f.residual_ld = 3;
    f.sum = (weld_int8_sum){2, 0.25F, -1};
    ref()->gemm(2, 2, 3, a, 4, packed, &f, c, 2);
    /* 20 + 33.75 - 1, 40 + 27.5 - 1 = 66.5, 60 + 57 - 1, clamped */
    ASSERT_CODES(c, 53, 66, 116, 255);
}
END_TEST

/* b comes first: 22 * 2^-24 + 10 is rounded to 10 + 2^-20, and 28.5 + 2^-20 to 28.5, which is a
 * tie. The other way around 28.5 + 22 * 2^-24 is above it, as is the sum of all. */
START_TEST(sum_is_rounded_after_each_fma) {
    uint8_t y[3];
    const weld_int8_sum s = {0.5F, 0x1p-24F, 10};
    ref()->add(1, (const uint8_t[]){37}, (const uint8_t[]){22}, &s, y);
    ASSERT_CODES(y, 28);
    /* 3 (1 + 2^-23) - 1.5 - 2^-21 is 1.5 - 2^-23; with the product rounded, to 3 + 2^-21, it were
     * a tie. */
    ref()->add(1, (const uint8_t[]){3}, (const uint8_t[]){0},
               &(weld_int8_sum){1 + 0x1p-23F, 1, -1.5F - 0x1p-21F}, y);
    ASSERT_CODES(y, 1);
    ref()->add(3, (const uint8_t[]){0, 255, 5}, (const uint8_t[]){0, 255, 4},
               &(weld_int8_sum){1, 1, -3}, y);
    ASSERT_CODES(y, 0, 255, 6);
}
END_TEST

/* 3 x 3 image of two channels; all ones, and the tap at the right of the middle. */
static const uint8_t image[] = {1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60, 7, 70, 8, 80, 9, 90};
static const int8_t stencil[] = {1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0};
static const weld_window same = {3, 3, 2, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1};

START_TEST(depthwise_sums_neighbours_and_pads_with_a_code) {
    const int32_t bias[] = {0, 5};
    const float multiplier[] = {1, 1};
    const weld_int8_finish f = {.bias = bias, .multiplier = multiplier, .zero = 0};
    int8_t packed[18];
    uint8_t y[18];
    ck_assert_uint_eq(ref()->depthwise_packed_size(&same), 18);
    ref()->depthwise_pack(&same, stencil, packed);
    ref()->depthwise(&same, image, 0, packed, &f, 0, 3, y);
    ASSERT_CODES(y, 12, 25, 21, 35, 16, 5, 27, 55, 45, 65, 33, 5, 24, 85, 39, 95, 28, 5);
    /* Five taps of a corner, three of an edge lie outside. */
    memset(y, 7, sizeof y);
    ref()->depthwise(&same, image, 2, packed, &f, 1, 2, y);
    ASSERT_CODES(y, 7, 7, 7, 7, 7, 7, 33, 55, 45, 65, 39, 7, 7, 7, 7, 7, 7, 7);
}
END_TEST

START_TEST(windows_take_padding_or_leave_it_out) {
    uint8_t out[2 * 9], y[18];
    ref()->im2col(&same, image, 200, 1, 1, 2, 4, out);
    ASSERT_CODES(out, 200, 200, 200, 20, 30, 200, 50, 60, 200, 200, 10, 20, 200, 40, 50, 200, 70,
                 80);
    ref()->max_pool(&same, image, 0, 3, y);
    ASSERT_CODES(y, 5, 50, 6, 60, 6, 60, 8, 80, 9, 90, 9, 90, 8, 80, 9, 90, 9, 90);
}
END_TEST

START_TEST(pools_and_gates) {
    int32_t sum[2];
    uint8_t y[6];
    ref()->channel_sum(9, 2, image, sum);
    ck_assert(sum[0] == 45 && sum[1] == 450);
    ref()->scale_sums(2, sum, -9 * 3, 0.25F, 100, y); /* 18/4 = 4.5, 423/4 = 105.75 */
    ASSERT_CODES(y, 104, 206);
    /* (x - 4)(gate - 100) / 8 + 3: the zero point is added before rounding, so 0.5 + 3 becomes 4
     * and -0.5 + 3 becomes 2. */
    const uint8_t x[] = {6, 5, 0, 4, 255, 255}, gate[] = {102, 96};
    ref()->mul_channels(3, 2, x, 4, gate, 100, 0.125F, 3, y);
    ASSERT_CODES(y, 4, 2, 2, 3, 66, 0);
}
END_TEST

START_TEST(floats_become_codes_by_true_division) {
    uint8_t y[9];
    const float x[] = {0, 0.5F, 1.5F, -2.5F, 1e30F, -1e30F, NAN, INFINITY, -INFINITY};
    ref()->quantize(9, x, 1, 7, y);
    ASSERT_CODES(y, 7, 7, 9, 5, 255, 0, 0, 255, 0);
    /* 1.65f / 0.3f is just below 5.5, and 1.65f times the nearest float to 1 / 0.3f is a tie. */
    ref()->quantize(1, (const float[]){1.65F}, 0.3F, 0, y);
    ASSERT_CODES(y, 5);
    float back[3];
    ref()->dequantize(3, (const uint8_t[]){0, 7, 255}, 0.5F, 7, back);
    ck_assert(back[0] == -3.5F && back[1] == 0 && back[2] == 124);
}
END_TEST

static const char *best_available(void) {
    const char *best = NULL;
    for (int i = 0; weld_int8_kernels_available(i); i++) {
        best = weld_int8_kernels_available(i);
    }
    return best;
}

static const weld_int8_kernels *chosen(const char *name) {
    const weld_int8_kernels *k = NULL;
    ck_assert_int_eq(weld_int8_kernels_select(name, &k, NULL), WELD_OK);
    return k;
}

START_TEST(tables_are_chosen_by_name) {
    ck_assert_str_eq(weld_int8_kernels_available(0), "ref");
    ck_assert_ptr_null(weld_int8_kernels_available(-1));
    ck_assert_ptr_null(weld_int8_kernels_available(100));
    for (int i = 0; weld_int8_kernels_available(i); i++) {
        ck_assert_str_eq(chosen(weld_int8_kernels_available(i))->name,
                         weld_int8_kernels_available(i));
    }
    unsetenv("WELD_ISA");
    ck_assert_str_eq(chosen(NULL)->name, best_available());
    setenv("WELD_ISA", "ref", 1);
    ck_assert_str_eq(chosen(NULL)->name, "ref");
    ck_assert_str_eq(chosen(best_available())->name, best_available());
    setenv("WELD_ISA", "sse9", 1);
    const weld_int8_kernels *k = NULL;
    weld_error err;
    ck_assert_int_eq(weld_int8_kernels_select(NULL, &k, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "WELD_ISA"));
    ck_assert_ptr_nonnull(strstr(err.message, best_available()));
}
END_TEST

/* One name does for a process with float and int8 networks. */
START_TEST(every_set_chooses_an_int8_table) {
    for (int i = 0; weld_kernels_available(WELD_BF16, i); i++) {
        ck_assert_ptr_nonnull(chosen(weld_kernels_available(WELD_BF16, i)));
    }
}
END_TEST

/* A table with a hole would be a crash far from its cause. */
START_TEST(every_table_is_complete) {
    for (int i = 0; weld_int8_kernels_available(i); i++) {
        const weld_int8_kernels *k = chosen(weld_int8_kernels_available(i));
        const char *first = (const char *)&k->packed_size, *end = (const char *)&k->multiply_adds;
        for (const char *at = first; at < end; at += sizeof(void (*)(void))) {
            void (*entry)(void);
            memcpy(&entry, at, sizeof entry);
            ck_assert_msg(entry != NULL, "%s lacks kernel %td", k->name,
                          (at - first) / (ptrdiff_t)sizeof entry);
        }
    }
}
END_TEST

RUN_SUITE("kernels/int8", halves_are_rounded_to_even_and_codes_are_clamped,
          large_sums_are_rounded_to_float_first, product_is_finished_by_column,
          table_comes_before_the_residual, sum_is_rounded_after_each_fma,
          depthwise_sums_neighbours_and_pads_with_a_code, windows_take_padding_or_leave_it_out,
          pools_and_gates, floats_become_codes_by_true_division, tables_are_chosen_by_name,
          every_set_chooses_an_int8_table, every_table_is_complete)
