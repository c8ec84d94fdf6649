/* The arithmetic of batch norm on vectors of channels, for the operators that do it whole
 * (batch_norm, batch_norm_grad) and those that do it in steps (batch_norm_steps.c). All vectors are
 * [c] and of one type. */
#ifndef WELD_OPS_BATCH_NORM_H
#define WELD_OPS_BATCH_NORM_H

#include "ops/ops.h"

typedef struct weld_batch_norm_vectors {
    weld_dtype dtype;
    int64_t c;
    double eps;
    const void *weight, *bias;
    void *scale, *shift, *mean, *rstd;
    double *statistics; /* [2, c]: mean, and m2 / (rows - 1) */
} weld_batch_norm_vectors;

/* Channel j of `rows` rows with this mean and m2 = sum of (x - mean)^2: y = x scale + shift. */
void weld_batch_norm_channel(const weld_batch_norm_vectors *v, int64_t j, double rows, double mean,
                             double m2);

typedef struct weld_batch_norm_grad_vectors {
    weld_dtype dtype;
    const void *weight, *mean, *rstd;
    void *a, *b, *d, *dweight, *dbias;
} weld_batch_norm_grad_vectors;

/* Channel j from sum_dy = sum of dy, sum_dy_x = sum of dy (x - mean): dx = a dy + b x + d with
 *
 *     dbias = sum_dy,   dweight = sum_dy_x rstd
 *     a = weight rstd,   b = -a rstd dweight / rows,   d = -a dbias / rows - b mean
 */
void weld_batch_norm_grad_channel(const weld_batch_norm_grad_vectors *v, int64_t j, double rows,
                                  double sum_dy, double sum_dy_x);

#endif
