/* The definition of every int8 kernel, in plain C; kernels/int8.h has the formulas. It is compiled
 * without contraction of floats, as all is that must give these bits. */
#include "kernels/int8.h"

#include <math.h>
#include <string.h>

static uint8_t clamp_code(int64_t q) {
    return (uint8_t)(q < 0 ? 0 : q > 255 ? 255 : q);
}

static int64_t rne(float x) {
    return lrintf(x);
}

/* clamp(rne(fma(a, a_scale, fma(b, b_scale, constant)))) */
static uint8_t sum_of(const weld_int8_sum *s, uint8_t a, uint8_t b) {
    return clamp_code(rne(fmaf((float)a, s->a_scale, fmaf((float)b, s->b_scale, s->constant))));
}

/* Row i, column j of a finish. */
static uint8_t finished(const weld_int8_finish *f, int64_t i, int64_t j, int32_t sum) {
    const float acc = (float)(sum + f->bias[j]);
    uint8_t q = clamp_code(rne(acc * f->multiplier[j]) + f->zero);
    if (f->table) {
        q = f->table[q];
    }
    if (f->residual) {
        q = sum_of(&f->sum, f->residual[i * f->residual_ld + j], q);
    }
    return q;
}

/* k n */
static size_t packed_size(int64_t k, int64_t n) {
    return (size_t)k * (size_t)n;
}

/* packed[n, k](j, i) = b[i row_stride + j column_stride]: columns lie straight */
static void pack(int64_t k, int64_t n, const int8_t *b, int64_t row_stride, int64_t column_stride,
                 void *packed_) {
    int8_t *packed = packed_;
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < k; i++) {
            packed[j * k + i] = b[i * row_stride + j * column_stride];
        }
    }
}

static int32_t dot(int64_t k, const uint8_t *a, const int8_t *b) {
    int32_t sum = 0;
    for (int64_t i = 0; i < k; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* C[m, n] = finish(A[m, k] packed[n, k]^T) */
static void gemm(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda, const void *packed,
                 const weld_int8_finish *f, uint8_t *c, int64_t ldc) {
    const int8_t *b = packed;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            c[i * ldc + j] = finished(f, i, j, dot(k, a + i * lda, b + j * k));
        }
    }
}

/* C[m, n] = float32(A[m, k] packed[n, k]^T + bias[n]) * scale[n] */
static void gemm_f32(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda,
                     const void *packed, const int32_t *bias, const float *scale, float *c,
                     int64_t ldc) {
    const int8_t *b = packed;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            c[i * ldc + j] = (float)(dot(k, a + i * lda, b + j * k) + bias[j]) * scale[j];
        }
    }
}

/* kh kw c */
static size_t depthwise_packed_size(const weld_window *g) {
    return (size_t)(g->kernel_h * g->kernel_w * g->c);
}

/* packed[kh, kw, c] = weight[kh, kw, c] */
static void depthwise_pack(const weld_window *g, const int8_t *weight, void *packed) {
    memcpy(packed, weight, depthwise_packed_size(g));
}

/* x of tap (ky, kx) of output (oy, ox); NULL in the padding. */
static const uint8_t *tap(const weld_window *g, const uint8_t *x, int64_t oy, int64_t ox,
                          int64_t ky, int64_t kx) {
    const int64_t iy = oy * g->stride_h - g->pad_h + ky * g->dilation_h;
    const int64_t ix = ox * g->stride_w - g->pad_w + kx * g->dilation_w;
    const bool inside = iy >= 0 && iy < g->h && ix >= 0 && ix < g->w;
    return inside ? x + (iy * g->w + ix) * g->c : NULL;
}

/* y[oh, ow, c] = finish(sum over ky, kx of x[iy, ix, c] weight[ky, kx, c]); some output rows */
static void depthwise(const weld_window *g, const uint8_t *x, uint8_t padding, const void *packed,
                      const weld_int8_finish *f, int64_t row_begin, int64_t row_end, uint8_t *y) {
    const int8_t *weight = packed;
    for (int64_t i = row_begin * g->ow; i < row_end * g->ow; i++) {
        for (int64_t j = 0; j < g->c; j++) {
            int32_t sum = 0;
            for (int64_t t = 0; t < g->kernel_h * g->kernel_w; t++) {
                const uint8_t *at =
                    tap(g, x, i / g->ow, i % g->ow, t / g->kernel_w, t % g->kernel_w);
                sum += (at ? at[j] : padding) * weight[t * g->c + j];
            }
            y[i * g->c + j] = finished(f, i, j, sum);
        }
    }
}

/* out[end - begin, kh, kw, count] = x[iy, ix, channel ... channel + count), or padding */
static void im2col(const weld_window *g, const uint8_t *x, uint8_t padding, int64_t channel,
                   int64_t count, int64_t begin, int64_t end, uint8_t *out) {
    for (int64_t i = begin; i < end; i++) {
        for (int64_t t = 0; t < g->kernel_h * g->kernel_w; t++, out += count) {
            const uint8_t *at = tap(g, x, i / g->ow, i % g->ow, t / g->kernel_w, t % g->kernel_w);
            if (at) {
                memcpy(out, at + channel, (size_t)count);
            } else {
                memset(out, padding, (size_t)count);
            }
        }
    }
}

/* y[oh, ow, c] = max over the taps inside of x[iy, ix, c]; some output rows */
static void max_pool(const weld_window *g, const uint8_t *x, int64_t row_begin, int64_t row_end,
                     uint8_t *y) {
    for (int64_t i = row_begin * g->ow; i < row_end * g->ow; i++) {
        uint8_t *out = y + i * g->c;
        memset(out, 0, (size_t)g->c);
        for (int64_t t = 0; t < g->kernel_h * g->kernel_w; t++) {
            const uint8_t *at = tap(g, x, i / g->ow, i % g->ow, t / g->kernel_w, t % g->kernel_w);
            for (int64_t j = 0; at && j < g->c; j++) {
                out[j] = at[j] > out[j] ? at[j] : out[j];
            }
        }
    }
}

/* sum[c] = sum over rows of x[rows, c] */
static void channel_sum(int64_t rows, int64_t c, const uint8_t *x, int32_t *sum) {
    memset(sum, 0, (size_t)c * sizeof *sum);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < c; j++) {
            sum[j] += x[i * c + j];
        }
    }
}

/* y[n] = clamp(rne(float32(sum[n] + offset) * multiplier) + zero) */
static void scale_sums(int64_t n, const int32_t *sum, int32_t offset, float multiplier,
                       int32_t zero, uint8_t *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = clamp_code(rne((float)(sum[i] + offset) * multiplier) + zero);
    }
}

/* y[rows, c] = clamp(rne(float32((x - x_zero) (gate[c] - gate_zero)) * multiplier + zero)) */
static void mul_channels(int64_t rows, int64_t c, const uint8_t *x, int32_t x_zero,
                         const uint8_t *gate, int32_t gate_zero, float multiplier, int32_t zero,
                         uint8_t *y) {
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < c; j++) {
            const int32_t product = (x[i * c + j] - x_zero) * (gate[j] - gate_zero);
            const float scaled = (float)product * multiplier;
            y[i * c + j] = clamp_code(rne(scaled + (float)zero));
        }
    }
}

/* y[n] = clamp(rne(x[n] / scale) + zero); clamped first, as what is not finite has no integer */
static void quantize(int64_t n, const float *x, float scale, int32_t zero, uint8_t *y) {
    const float low = (float)-zero, high = (float)(255 - zero);
    for (int64_t i = 0; i < n; i++) {
        float q = x[i] / scale;
        q = q > low ? q : low;
        q = q < high ? q : high;
        y[i] = (uint8_t)(rne(q) + zero);
    }
}

/* y[n] = scale float32(x[n] - zero) */
static void dequantize(int64_t n, const uint8_t *x, float scale, int32_t zero, float *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = scale * (float)(x[i] - zero);
    }
}

static void add(int64_t n, const uint8_t *a, const uint8_t *b, const weld_int8_sum *s, uint8_t *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = sum_of(s, a[i], b[i]);
    }
}

static void lookup(int64_t n, const uint8_t *x, const uint8_t *table, uint8_t *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = table[x[i]];
    }
}

static const weld_int8_kernels table = {
    .name = "ref",
    .packed_size = packed_size,
    .pack = pack,
    .gemm = gemm,
    .gemm_f32 = gemm_f32,
    .depthwise_packed_size = depthwise_packed_size,
    .depthwise_pack = depthwise_pack,
    .depthwise = depthwise,
    .im2col = im2col,
    .max_pool = max_pool,
    .channel_sum = channel_sum,
    .scale_sums = scale_sums,
    .mul_channels = mul_channels,
    .quantize = quantize,
    .dequantize = dequantize,
    .add = add,
    .lookup = lookup,
};

const weld_int8_kernels *weld_int8_kernels_ref(void) {
    return &table;
}
