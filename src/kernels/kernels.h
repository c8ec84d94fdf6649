/* The table of kernels: every hot loop of weld, behind function pointers.
 *
 * src/kernels/ref is the definition of each, in plain C, compiled for float, double and bf16. The
 * other folders make the same contracts fast. All kernels are serial and work on one block; who
 * calls them (ops/) splits the work into blocks by shape alone and runs the blocks in parallel. So
 * the same block gives the same bits whatever the number of threads.
 *
 * `void *` data are elements of the table's dtype ("T" below) unless said otherwise. Weights,
 * biases, gradients of weights and vectors of channels ("P") are f32 where T is bf16, else T too.
 * Arithmetic on bf16 is done in f32, sums of products too, and each result is rounded once, to
 * nearest even; results below the smallest normal number may become 0, and factors of matrix
 * products that are may count as 0; NaN stays NaN. A bf16 table lacks what is only ever done in
 * f32: those entries are NULL. Arrays do not alias unless said otherwise; nothing need be aligned
 * beyond its element. A kernel writes exactly the elements its contract names. Sums over rows are
 * given in double.
 *
 * Accuracy: a float variant differs from the double reference run on the same input by at most what
 * rounding of a plain loop would (tests/kernels/checkkernels.c holds the bound of each).
 */
#ifndef WELD_KERNELS_H
#define WELD_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "weld/tensor.h"

enum { WELD_DTYPES = WELD_I32 + 1 }; /* how many weld_dtype there are */

/* The type P of weights and vectors that goes with activations of type T. */
static inline weld_dtype weld_parameter_dtype(weld_dtype t) {
    return t == WELD_BF16 ? WELD_F32 : t;
}

typedef enum weld_unary {
    WELD_GELU,         /* x Phi(x), Phi the normal distribution function; Hendrycks, Gimpel 2016 */
    WELD_RELU,         /* max(x, 0); derivative 0 at 0 */
    WELD_SILU,         /* x sigmoid(x) */
    WELD_HARD_SWISH,   /* x clamp(x + 3, 0, 6) / 6 */
    WELD_HARD_SIGMOID, /* clamp(x + 3, 0, 6) / 6 */
    WELD_SIGMOID,      /* 1 / (1 + exp(-x)) */
    WELD_UNARY_COUNT,
    WELD_IDENTITY = WELD_UNARY_COUNT /* x; only for kernels and operators that say so */
} weld_unary;

/* Where the hard functions bend the derivative is that of the outer side: hard-swish 0 at -3, 1 at
 * 3, hard-sigmoid 0 at both. */

/* Geometry of a sliding window over one image: h x w -> oh x ow with c channels. Tap (ky, kx) of
 * output (oy, ox) is input (oy stride_h - pad_h + ky dilation_h, ox stride_w - pad_w + kx
 * dilation_w). */
typedef struct weld_window {
    int64_t h, w, c, oh, ow;
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
} weld_window;

/* A convolution whose taps all lie inside of the image, and where: distances in elements, between
 * results (their first taps, and themselves) and between taps, along rows and columns. */
typedef struct weld_sweep {
    int64_t rows, columns;       /* of results */
    int64_t taps_h, taps_w, k;   /* k: channels of a tap, side by side */
    int64_t x_row, x_column;     /* from result to result */
    int64_t tap_row, tap_column; /* from tap to tap */
    int64_t y_row, y_column;
} weld_sweep;

/* One axis of a resampling: output i is the sum over t, first[i] <= t < first[i + 1], of weight[t]
 * times input from[t]. */
typedef struct weld_taps {
    const int64_t *first, *from;
    const double *weight;
} weld_taps;

/* From one image to another, [h, w, c] -> [oh, ow, c], along rows and columns. */
typedef struct weld_resampling {
    int64_t w, ow, c;
    weld_taps rows, columns;
} weld_resampling;

typedef struct weld_adamw_step {
    double lr, beta1, beta2, eps, weight_decay;
    double correction1, correction2; /* 1 - beta1^t, 1 - beta2^t */
    double gradient_scale;           /* of all gradients, before all else */
    double gradient_limit;           /* then they are brought to within +- this; may be infinite */
    double average_decay;            /* of the moving average of weights */
} weld_adamw_step;

#define WELD_MAX_TERMS 4 /* tensors that one call of `combine` adds up */

typedef struct weld_kernels {
    const char *name; /* "ref", "avx2", "avx512", "avx512bf16", "amx"; "neon", "neonbf16" */
    weld_dtype dtype;

    /* --- matrix products; all matrices row-major with a leading dimension in elements ----------
     */

    /* Elements (T) of a packed k x n matrix; its form is the table's own. */
    size_t (*packed_size)(int64_t k, int64_t n);
    /* Pack B[k, n] (P), rounded to T, for gemm_packed; element (i, j) of B is b[i * row_stride + j
     * * column_stride], where one of the two is 1. */
    void (*pack)(int64_t k, int64_t n, const void *b, int64_t row_stride, int64_t column_stride,
                 void *packed);
    /* The same of a B of activations (T): keys and values. */
    void (*pack_activations)(int64_t k, int64_t n, const void *b, int64_t row_stride,
                             int64_t column_stride, void *packed);
    /* C[m, n] = A[m, k] B[k, n] + bias[n] (P, may be NULL), added to C where accumulate. */
    void (*gemm_packed)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                        const void *packed, const void *bias, bool accumulate, void *c,
                        int64_t ldc);
    /* C[m, n] (P) = A^T B for A[k, m], B[k, n], added to C where accumulate. Meant for k much
     * larger than m and n: weight gradients. Rows of C that begin and end at multiples of 32, or
     * end with C, have the same bits when they are computed alone. */
    void (*gemm_at_b)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *b,
                      int64_t ldb, bool accumulate, void *c, int64_t ldc);
    /* C[m, n] (P) = A[m, k] B[k, n] + bias[n] (P, may be NULL): what is not rounded, as it is
     * exponentials that are taken of it. */
    void (*gemm_unrounded)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                           const void *packed, const void *bias, void *c, int64_t ldc);

    /* y[p y_row + q y_column + j] = bias[j] (P, may be NULL) + sum over ky, kx and i < k of
     * x[p x_row + q x_column + ky tap_row + kx tap_column + i] B[(ky taps_w + kx) k + i, j], j < n,
     * B[taps_h taps_w k, n] packed: the product of patches that need not be made. Where T is bf16 k
     * is even. NULL in tables that have nothing better than patches. */
    void (*convolve)(const weld_sweep *s, int64_t n, const void *x, const void *packed,
                     const void *bias, void *y);

    /* --- depthwise convolution of one image; weight (P) in kernel layout [kh, kw, c] -----------
     */

    /* Output rows [row_begin, row_end) of y[oh, ow, c] from x[h, w, c]; bias [c] (P) or NULL. */
    void (*depthwise)(const weld_window *g, const void *x, const void *weight, const void *bias,
                      int64_t row_begin, int64_t row_end, void *y);
    /* Rows [row_begin, row_end) of dx[h, w, c] from dy[oh, ow, c]; overwrites them. */
    void (*depthwise_input_grad)(const weld_window *g, const void *dy, const void *weight,
                                 int64_t row_begin, int64_t row_end, void *dx);
    /* Add to dweight[kh, kw, c] (P) what rows [row_begin, row_end) of dy contribute. */
    void (*depthwise_weight_grad)(const weld_window *g, const void *x, const void *dy,
                                  int64_t row_begin, int64_t row_end, void *dweight);

    /* --- rows of c channels --------------------------------------------------------------------
     */

    /* mean[c] and m2[c] = sum of (x - mean)^2 of these rows, in double; must not lose accuracy
     * where |mean| is far larger than the deviation. */
    void (*moments)(int64_t rows, int64_t c, const void *x, double *mean, double *m2);
    /* y = x scale[c] + shift[c] (P); scale or shift may be NULL (1, 0); y may be x. */
    void (*affine)(int64_t rows, int64_t c, const void *x, const void *scale, const void *shift,
                   void *y);
    /* sum[c] = sum of x over rows, in double. */
    void (*channel_sum)(int64_t rows, int64_t c, const void *x, double *sum);
    /* sum_dy[c] = sum of dy; sum_dy_x[c] = sum of dy (x - center[c]), in double. Either may be
     * NULL; center (P) NULL means 0. */
    void (*channel_dot)(int64_t rows, int64_t c, const void *dy, const void *x, const void *center,
                        double *sum_dy, double *sum_dy_x);
    /* dx = a[c] dy + b[c] x + d[c] (a, b, d: P); dx may be dy or x. */
    void (*affine2)(int64_t rows, int64_t c, const void *dy, const void *x, const void *a,
                    const void *b, const void *d, void *dx);

    /* y = f(sum over i < count of scale[i][c] x[i] + shift[c]) (scale[i], shift: P, either may be
     * NULL: 1, 0), count 1 to WELD_MAX_TERMS; f may be WELD_IDENTITY; y may be any of the x.
     * f and f' may be off as in `unary` and `unary_grad`. */
    void (*combine)(weld_unary f, int64_t rows, int64_t c, int count, const void *const *x,
                    const void *const *scale, const void *shift, void *y);
    /* A function and its gradient: y = f(u), dx = f'(u) dy, with u = scale[c] x + shift[c] (P,
     * either may be NULL). y may be NULL; each may be x or dy. */
    void (*unary_pair)(weld_unary f, int64_t rows, int64_t c, const void *x, const void *scale,
                       const void *shift, const void *dy, void *y, void *dx);

    /* --- elementwise over n; the output may be any of the inputs -------------------------------
     */

    /* In bf16, before the result is rounded, GELU may be off by 2^-13 of itself (where x < -4 by
     * 2^-8 of itself) + 2^-36, and its derivative by 2^-15; SiLU by 2^-13 of itself, and its
     * derivative by 2^-13. */
    void (*unary)(weld_unary f, int64_t n, const void *x, void *y);
    /* The same bits in place: y[rows, n], rows ld elements apart, a part of a larger result. */
    void (*unary_rows)(weld_unary f, int64_t rows, int64_t n, int64_t ld, void *y);
    void (*unary_grad)(weld_unary f, int64_t n, const void *x, const void *dy, void *dx);
    void (*add)(int64_t n, const void *a, const void *b, void *y);
    void (*mul)(int64_t n, const void *a, const void *b, void *y);
    void (*scale)(int64_t n, double factor, const void *x, void *y);
    /* y = factor x, but 0 where a word of the stream, which is at its beginning, is less than
     * `below`: word i (weld_random_u32) decides of element i. */
    void (*dropout)(const weld_random *stream, uint32_t below, double factor, int64_t n,
                    const void *x, void *y);
    /* y = x within [low, high], both rounded to P; and its gradient, dy where low < x < high, else
     * 0. NaN stays NaN, and has no gradient. */
    void (*clamp)(int64_t n, double low, double high, const void *x, void *y);
    void (*clamp_grad)(int64_t n, double low, double high, const void *x, const void *dy, void *dx);
    /* y (T) = x (f32), rounded; y (f32) = x (T). Both only in bf16 tables. */
    void (*from_f32)(int64_t n, const float *x, void *y);
    void (*to_f32)(int64_t n, const void *x, float *y);
    /* Decoupled weight decay (Loshchilov, Hutter 2019), as PyTorch's AdamW: w -= lr wd w;
     * m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w -= lr / c1 * m / (sqrt(v / c2) + eps),
     * with g the gradient scaled, then limited; what is not a number stays so. Where `average` is
     * not NULL, then also average = d average + (1 - d) w. */
    void (*adamw)(const weld_adamw_step *s, int64_t n, const void *grad, void *weight, void *m,
                  void *v, void *average);
    /* Sum of x^2, in double. */
    double (*square_sum)(int64_t n, const void *x);
    /* Sum of log(1 + exp(x)), in double. */
    double (*softplus_sum)(int64_t n, const void *x);
    /* Index of the first element that is infinite or NaN, -1 where there is none. */
    int64_t (*first_not_finite)(int64_t n, const void *x);

    /* --- rows of n, normalised or compared along the row ---------------------------------------
     */

    void (*softmax)(int64_t rows, int64_t n, const void *x, void *y); /* y may be x */
    /* dx = y (dy - sum_j dy_j y_j); dx may be dy. */
    void (*softmax_grad)(int64_t rows, int64_t n, const void *y, const void *dy, void *dx);
    /* y[r] (P) = sum_j j softmax(x)_j. */
    void (*expectation)(int64_t rows, int64_t n, const void *x, void *y);
    /* dx = dy[r] (P) softmax(x) (j - y[r]); dx may be x. */
    void (*expectation_grad)(int64_t rows, int64_t n, const void *x, const void *dy, void *dx);
    /* y = softmax(factor x + bias) of scores x (P), which are lost; bias [rows, n] (P) or NULL. The
     * rows of x and y are ld elements apart; where T is P y may be x. */
    void (*attention_softmax)(int64_t rows, int64_t n, int64_t ld, double factor, void *x,
                              const void *bias, void *y);
    /* Its gradient: dx = factor g and dbias[rows, n] (P) += g, unless that is NULL, with
     * g = y (dy - sum_j dy_j y_j); dy is P. The rows of y, dy and dx are ld elements apart; dx may
     * be y. */
    void (*attention_softmax_grad)(int64_t rows, int64_t n, int64_t ld, double factor,
                                   const void *y, const void *dy, void *dx, void *dbias);
    /* y = (x - mean) / sqrt(variance + eps) weight + bias (weight, bias: P); y may be x. */
    void (*layer_norm)(int64_t rows, int64_t n, const void *x, const void *weight, const void *bias,
                       double eps, void *y);
    /* dx, and the rows' sums for dweight[n] and dbias[n], in double (overwritten); dx may be x or
     * dy. */
    void (*layer_norm_grad)(int64_t rows, int64_t n, const void *x, const void *weight, double eps,
                            const void *dy, void *dx, double *dweight, double *dbias);
    /* loss[r] = -sum_j t_j log softmax(x)_j, t = (1 - smoothing) target + smoothing / n. */
    void (*cross_entropy)(int64_t rows, int64_t n, const void *x, const void *target,
                          double smoothing, void *loss);
    /* dx = dloss[r] (softmax(x) sum_j t_j - t). */
    void (*cross_entropy_grad)(int64_t rows, int64_t n, const void *x, const void *target,
                               double smoothing, const void *dloss, void *dx);

    /* loss[r] = mean over j of log(1 + exp(x)) - t x, t likewise. */
    void (*binary_cross_entropy)(int64_t rows, int64_t n, const void *x, const void *target,
                                 double smoothing, void *loss);
    /* dx = dloss[r] (sigmoid(x) - t) / n. */
    void (*binary_cross_entropy_grad)(int64_t rows, int64_t n, const void *x, const void *target,
                                      double smoothing, const void *dloss, void *dx);

    /* --- windows of one image ------------------------------------------------------------------
     */

    /* Output rows [row_begin, row_end) of the maximum; positions in the padding do not take part.
     */
    void (*max_pool)(const weld_window *g, const void *x, int64_t row_begin, int64_t row_end,
                     void *y);
    /* dx[h, w, c] of the whole image, overwritten: dy goes to the first maximum of its window in
     * row-major order. In bf16 each addition of a dy is rounded. */
    void (*max_pool_grad)(const weld_window *g, const void *x, const void *dy, void *dx);
    /* Patches of output positions [begin, end) (row-major over oh x ow), of channels
     * [channel, channel + count): out[end - begin, kh, kw, count]; zero in the padding. */
    void (*im2col)(const weld_window *g, const void *x, int64_t channel, int64_t count,
                   int64_t begin, int64_t end, void *out);
    /* The transpose: add patches[end - begin, kh, kw, count] to dx[h, w, c]; in bf16 each addition
     * is rounded. */
    void (*col2im)(const weld_window *g, const void *patches, int64_t channel, int64_t count,
                   int64_t begin, int64_t end, void *dx);

    /* Rows [row_begin, row_end) of y[oh, ow, c] from x[h, w, c]: y[p, q] = sum over the taps i of
     * row p and j of column q of weight_i weight_j x[from_i, from_j]. */
    void (*resample)(const weld_resampling *g, const void *x, int64_t row_begin, int64_t row_end,
                     void *y);

    /* --- dense convolution of 3 x 3 with stride and dilation 1, by squares of 2 x 2 outputs
     * --------
     *
     * F(2 x 2, 3 x 3) of Winograd (Lavin, Gray 2016): 16 products a square where there were 36.
     * Square i of an image covers outputs (2 i', 2 i'') on, with i' = i / across, i'' = i % across,
     * across = (ow + 1) / 2; only what lies in the image is written. Both are for squares [begin,
     * end), and `plane` elements lie between the 16 elements of a square. Not in bf16 tables. */

    /* v[4 p + q][end - begin, c] = (B d B^T)[p][q], d the 4 x 4 inputs from where the first output
     * has its tap (0, 0), zero outside of x[h, w, c]; B = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1].
     */
    void (*winograd_input)(const weld_window *g, const void *x, int64_t begin, int64_t end,
                           int64_t plane, void *v);
    /* y[oh, ow, n] = f(A m A^T + bias[n]) (P, may be NULL), of m[4 p + q][end - begin, n];
     * A = [1 1 1 0; 0 1 -1 -1]; f, which may be WELD_IDENTITY, is taken of what is rounded, as
     * `unary` does. */
    void (*winograd_output)(weld_unary f, const weld_window *g, int64_t n, const void *m,
                            int64_t plane, const void *bias, int64_t begin, int64_t end, void *y);

    /* --- for measuring -------------------------------------------------------------------------
     */

    /* Nothing but fused multiply-adds, in registers and independent enough to keep every unit busy:
     * the limit of arithmetic. Returns the flops done; *sum (T) is what they came to. NULL where
     * the table has no way to. */
    double (*multiply_adds)(int64_t rounds, void *sum);
} weld_kernels;

/* The table for a dtype: for WELD_F64 the reference; for WELD_F32 and WELD_BF16 that of `isa`, a
 * name of kernels/isa.h ("ref"; on x86 "avx2", "avx512", ..., on ARM "neon", ...), or for NULL that
 * of the environment's WELD_ISA, or the best that the cpu can run. A set that has no table of its
 * own for a type stands for the best before it ("amx" for avx512 in f32). A name that is unknown,
 * or that this cpu or this build cannot run, is an error saying which can.
 */
weld_status weld_kernels_select(weld_dtype dtype, const char *isa, const weld_kernels **out,
                                weld_error *err);

/* Name of table number i for a dtype of those that this cpu can run, slowest ("ref") first; NULL
 * past the end. The names of bf16 tables include those of the float tables. */
const char *weld_kernels_available(weld_dtype dtype, int i);

/* Variants; kernels/isa.h. */
const weld_kernels *weld_kernels_ref_f32(void);
const weld_kernels *weld_kernels_ref_f64(void);
const weld_kernels *weld_kernels_ref_bf16(void);
/* Built for x86-64 alone. */
const weld_kernels *weld_kernels_avx2(void);
const weld_kernels *weld_kernels_avx512(void);
const weld_kernels *weld_kernels_bf16_avx2(void);
const weld_kernels *weld_kernels_bf16_avx512(void);
const weld_kernels *weld_kernels_bf16_avx512bf16(void); /* avx512's, with bf16 instructions */
const weld_kernels *weld_kernels_bf16_amx(void);        /* that, with products in AMX tiles */
/* Built for 64-bit ARM alone. */
const weld_kernels *weld_kernels_neon(void);
const weld_kernels *weld_kernels_bf16_neon(void);
const weld_kernels *weld_kernels_bf16_neonbf16(void); /* neon's, with bf16 instructions */

#endif
