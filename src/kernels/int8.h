/* The table of int8 kernels: weld_kernels' counterpart for networks of 8-bit codes.
 *
 * Activations are codes u8, weights i8 (-127..127), sums i32 and exact; the arithmetic is
 * "weld-int8-1": float32, rounded to nearest even, no contraction but where fma is written. Below,
 * rne rounds a float to the nearest integer, ties to even, and clamp brings to 0..255. Every result
 * is defined to the last bit, so all tables give the same ones; ref/int8.c is the definition.
 *
 * The caller vouches, once for a network, that
 *   - no sum, with its bias, leaves int32 for any codes (nor does one without the bias), and
 *   - what is rounded is below 2^30 in magnitude (quantize alone takes any float).
 * Zero points are 0..255. A product is of codes less their zero point: sum (q_x - z_x) q_w + q_b is
 * had as sum q_x q_w + (q_b - z_x sum q_w), and that bracket is the bias given here. It holds at
 * borders too as padding is z_x.
 *
 * Kernels are serial, as those of kernels.h: arrays do not alias unless said otherwise, nothing
 * need be aligned beyond its element, and exactly the elements named are written. Codes between the
 * rows of a matrix may be read.
 */
#ifndef WELD_KERNELS_INT8_H
#define WELD_KERNELS_INT8_H

#include "kernels/kernels.h"

/* y = clamp(rne(fma(a, a_scale, fma(b, b_scale, constant)))) for codes a and b: a_scale is
 * s_a / s_y, b_scale s_b / s_y and constant z_y - fma(a_scale, z_a, b_scale z_b), each product and
 * sum rounded. */
typedef struct weld_int8_sum {
    float a_scale, b_scale, constant;
} weld_int8_sum;

/* What becomes of a sum i32 on its way to memory, with column (channel) j and row (position) i:
 *   q = clamp(rne(float32(sum + bias[j]) * multiplier[j]) + zero),
 *   q = table[q]                               where table is not NULL,
 *   q = the sum of a = residual[i * ld + j] and b = q, by `sum`,  where residual is not NULL. */
typedef struct weld_int8_finish {
    const int32_t *bias;     /* compensated, as above */
    const float *multiplier; /* float32(float32(s_x * s_w[j]) / s_y) */
    int32_t zero;
    const uint8_t *table;    /* 256 codes */
    const uint8_t *residual; /* may be the output, where ld is the output's */
    int64_t residual_ld;
    weld_int8_sum sum;
} weld_int8_finish;

typedef struct weld_int8_kernels {
    const char
        *name; /* "ref", "avx2", "avxvnni", "avx512", "avx512vnni", "amx"; "neon", "neoni8mm" */

    /* --- matrix products, row-major, leading dimensions in elements ----------------------------
     */

    /* Bytes of a packed k x n matrix; its form is the table's own. */
    size_t (*packed_size)(int64_t k, int64_t n);
    /* Pack B[k, n]; its element (i, j) is b[i * row_stride + j * column_stride]. */
    void (*pack)(int64_t k, int64_t n, const int8_t *b, int64_t row_stride, int64_t column_stride,
                 void *packed);
    /* C[m, n] = finish(A[m, k] B[k, n]). For some columns of a wider C (a group of a convolution)
     * give bias, multiplier, residual and c of the first of them. */
    void (*gemm)(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda, const void *packed,
                 const weld_int8_finish *f, uint8_t *c, int64_t ldc);
    /* C[m, n] = float32(A[m, k] B[k, n] + bias[n]) * scale[n]: logits. */
    void (*gemm_f32)(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda,
                     const void *packed, const int32_t *bias, const float *scale, float *c,
                     int64_t ldc);

    /* --- depthwise convolution of one image ----------------------------------------------------
     */

    /* Bytes of packed weights of a depthwise convolution: of g, kernel_h, kernel_w and c count. */
    size_t (*depthwise_packed_size)(const weld_window *g);
    /* Pack weight[kh, kw, c]. */
    void (*depthwise_pack)(const weld_window *g, const int8_t *weight, void *packed);
    /* Output rows [row_begin, row_end) of y[oh, ow, c] = finish(sum over taps of x[h, w, c]
     * weight); taps outside of the image have the code `padding`. Residual row i is output position
     * i. */
    void (*depthwise)(const weld_window *g, const uint8_t *x, uint8_t padding, const void *packed,
                      const weld_int8_finish *f, int64_t row_begin, int64_t row_end, uint8_t *y);

    /* --- windows of one image ------------------------------------------------------------------
     */

    /* Patches of output positions [begin, end) (row-major over oh x ow), of channels
     * [channel, channel + count): out[end - begin, kh, kw, count]; the code `padding` outside. */
    void (*im2col)(const weld_window *g, const uint8_t *x, uint8_t padding, int64_t channel,
                   int64_t count, int64_t begin, int64_t end, uint8_t *out);
    /* Output rows [row_begin, row_end) of the maximum; positions in the padding do not take part.
     */
    void (*max_pool)(const weld_window *g, const uint8_t *x, int64_t row_begin, int64_t row_end,
                     uint8_t *y);

    /* --- rows of c channels --------------------------------------------------------------------
     */

    /* sum[c] = sum of x[rows, c] over rows; rows <= 2^23. */
    void (*channel_sum)(int64_t rows, int64_t c, const uint8_t *x, int32_t *sum);
    /* y = clamp(rne(float32(sum + offset) * multiplier) + zero): a pool's mean, with -count z_x for
     * offset and float32(s_x / float32(s_y * count)) for multiplier. */
    void (*scale_sums)(int64_t n, const int32_t *sum, int32_t offset, float multiplier,
                       int32_t zero, uint8_t *y);
    /* y[rows, c] = clamp(rne(float32((x - x_zero) (gate[c] - gate_zero)) * multiplier +
     * float32(zero))): squeeze-excite's product, and with one row that of any two; y may be x. */
    void (*mul_channels)(int64_t rows, int64_t c, const uint8_t *x, int32_t x_zero,
                         const uint8_t *gate, int32_t gate_zero, float multiplier, int32_t zero,
                         uint8_t *y);

    /* --- elementwise over n --------------------------------------------------------------------
     */

    /* y = clamp(rne(x / scale) + zero), a true division; what is not a number becomes 0. */
    void (*quantize)(int64_t n, const float *x, float scale, int32_t zero, uint8_t *y);
    /* y = scale float32(x - zero). */
    void (*dequantize)(int64_t n, const uint8_t *x, float scale, int32_t zero, float *y);
    void (*add)(int64_t n, const uint8_t *a, const uint8_t *b, const weld_int8_sum *s,
                uint8_t *y); /* y may be a or b */
    void (*lookup)(int64_t n, const uint8_t *x, const uint8_t *table, uint8_t *y); /* y may be x */

    /* --- for measuring -------------------------------------------------------------------------
     */

    /* Nothing but the multiplying instruction, as multiply_adds of kernels.h: the products done. */
    double (*multiply_adds)(int64_t rounds, int32_t *sum);
} weld_int8_kernels;

/* The table of `isa`, or for NULL that of the environment's WELD_ISA, or the best that the cpu can
 * run. A set that has none of its own stands for the best before it. A name that is unknown, or
 * that this cpu or this build cannot run, is an error saying which can. */
weld_status weld_int8_kernels_select(const char *isa, const weld_int8_kernels **out,
                                     weld_error *err);

/* Name of table number i of those that this cpu can run, slowest ("ref") first; NULL past the end.
 */
const char *weld_int8_kernels_available(int i);

/* Variants; kernels/isa.h. */
const weld_int8_kernels *weld_int8_kernels_ref(void);
/* Built for x86-64 alone. */
const weld_int8_kernels *weld_int8_kernels_avx2(void);
const weld_int8_kernels *weld_int8_kernels_avxvnni(void);
const weld_int8_kernels *weld_int8_kernels_avx512(void);
const weld_int8_kernels *weld_int8_kernels_avx512vnni(void);
const weld_int8_kernels *weld_int8_kernels_avx512vnni_vbmi(void); /* with faster tables */
const weld_int8_kernels *weld_int8_kernels_amx(void); /* that, with products in AMX tiles */
/* Built for 64-bit ARM alone. */
const weld_int8_kernels *weld_int8_kernels_neon(void);
const weld_int8_kernels *weld_int8_kernels_neoni8mm(void);

#endif
