/* The kernels of one instruction set, as src/kernels/kernels.h specifies them; `SIMD` gives each
 * set's functions names of their own. */
#ifndef WELD_KERNELS_SIMD_SIMD_H
#define WELD_KERNELS_SIMD_SIMD_H

#include "kernels/kernels.h"
#include "kernels/simd/vector.h"

size_t SIMD(packed_size)(int64_t k, int64_t n);
void SIMD(pack)(int64_t k, int64_t n, const void *b, int64_t row_stride, int64_t column_stride,
                void *packed);
void SIMD(pack_activations)(int64_t k, int64_t n, const void *b, int64_t row_stride,
                            int64_t column_stride, void *packed);
void SIMD(gemm_packed)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                       const void *packed, const void *bias, bool accumulate, void *c, int64_t ldc);
void SIMD(gemm_at_b)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *b,
                     int64_t ldb, bool accumulate, void *c, int64_t ldc);
void SIMD(gemm_unrounded)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                          const void *packed, const void *bias, void *c, int64_t ldc);
void SIMD(convolve)(const weld_sweep *s, int64_t n, const void *x, const void *packed,
                    const void *bias, void *y);

void SIMD(depthwise)(const weld_window *g, const void *x, const void *weight, const void *bias,
                     int64_t row_begin, int64_t row_end, void *y);
void SIMD(depthwise_input_grad)(const weld_window *g, const void *dy, const void *weight,
                                int64_t row_begin, int64_t row_end, void *dx);
void SIMD(depthwise_weight_grad)(const weld_window *g, const void *x, const void *dy,
                                 int64_t row_begin, int64_t row_end, void *dweight);

void SIMD(moments)(int64_t rows, int64_t c, const void *x, double *mean, double *m2);
void SIMD(affine)(int64_t rows, int64_t c, const void *x, const void *scale, const void *shift,
                  void *y);
void SIMD(channel_sum)(int64_t rows, int64_t c, const void *x, double *sum);
void SIMD(channel_dot)(int64_t rows, int64_t c, const void *dy, const void *x, const void *center,
                       double *sum_dy, double *sum_dy_x);
void SIMD(affine2)(int64_t rows, int64_t c, const void *dy, const void *x, const void *a,
                   const void *b, const void *d, void *dx);
void SIMD(combine)(weld_unary f, int64_t rows, int64_t c, int count, const void *const *x,
                   const void *const *scale, const void *shift, void *y);
void SIMD(unary_pair)(weld_unary f, int64_t rows, int64_t c, const void *x, const void *scale,
                      const void *shift, const void *dy, void *y, void *dx);

void SIMD(unary)(weld_unary f, int64_t n, const void *x, void *y);
void SIMD(unary_rows)(weld_unary f, int64_t rows, int64_t n, int64_t ld, void *y);
void SIMD(unary_grad)(weld_unary f, int64_t n, const void *x, const void *dy, void *dx);
void SIMD(add)(int64_t n, const void *a, const void *b, void *y);
void SIMD(mul)(int64_t n, const void *a, const void *b, void *y);
void SIMD(scale)(int64_t n, double factor, const void *x, void *y);
void SIMD(dropout)(const weld_random *stream, uint32_t below, double factor, int64_t n,
                   const void *x, void *y);
void SIMD(clamp)(int64_t n, double low, double high, const void *x, void *y);
void SIMD(clamp_grad)(int64_t n, double low, double high, const void *x, const void *dy, void *dx);
void SIMD(adamw)(const weld_adamw_step *s, int64_t n, const void *grad, void *weight, void *m,
                 void *v, void *average);
double SIMD(square_sum)(int64_t n, const void *x);
double SIMD(softplus_sum)(int64_t n, const void *x);
void SIMD(from_f32)(int64_t n, const float *x, void *y);
void SIMD(to_f32)(int64_t n, const void *x, float *y);
int64_t SIMD(first_not_finite)(int64_t n, const void *x);

void SIMD(softmax)(int64_t rows, int64_t n, const void *x, void *y);
void SIMD(softmax_grad)(int64_t rows, int64_t n, const void *y, const void *dy, void *dx);
void SIMD(expectation)(int64_t rows, int64_t n, const void *x, void *y);
void SIMD(expectation_grad)(int64_t rows, int64_t n, const void *x, const void *dy, void *dx);
void SIMD(attention_softmax)(int64_t rows, int64_t n, int64_t ld, double factor, void *x,
                             const void *bias, void *y);
void SIMD(attention_softmax_grad)(int64_t rows, int64_t n, int64_t ld, double factor, const void *y,
                                  const void *dy, void *dx, void *dbias);
void SIMD(layer_norm)(int64_t rows, int64_t n, const void *x, const void *weight, const void *bias,
                      double eps, void *y);
void SIMD(layer_norm_grad)(int64_t rows, int64_t n, const void *x, const void *weight, double eps,
                           const void *dy, void *dx, double *dweight, double *dbias);
void SIMD(cross_entropy)(int64_t rows, int64_t n, const void *x, const void *target,
                         double smoothing, void *loss);
void SIMD(cross_entropy_grad)(int64_t rows, int64_t n, const void *x, const void *target,
                              double smoothing, const void *dloss, void *dx);
void SIMD(binary_cross_entropy)(int64_t rows, int64_t n, const void *x, const void *target,
                                double smoothing, void *loss);
void SIMD(binary_cross_entropy_grad)(int64_t rows, int64_t n, const void *x, const void *target,
                                     double smoothing, const void *dloss, void *dx);

void SIMD(max_pool)(const weld_window *g, const void *x, int64_t row_begin, int64_t row_end,
                    void *y);
void SIMD(max_pool_grad)(const weld_window *g, const void *x, const void *dy, void *dx);
void SIMD(im2col)(const weld_window *g, const void *x, int64_t channel, int64_t count,
                  int64_t begin, int64_t end, void *out);
void SIMD(col2im)(const weld_window *g, const void *patches, int64_t channel, int64_t count,
                  int64_t begin, int64_t end, void *dx);
void SIMD(resample)(const weld_resampling *g, const void *x, int64_t row_begin, int64_t row_end,
                    void *y);

double SIMD(multiply_adds)(int64_t rounds, void *sum);

void SIMD(winograd_input)(const weld_window *g, const void *x, int64_t begin, int64_t end,
                          int64_t plane, void *v);
void SIMD(winograd_output)(weld_unary f, const weld_window *g, int64_t n, const void *m,
                           int64_t plane, const void *bias, int64_t begin, int64_t end, void *y);

#endif
