/* Rounding to codes and back, which operators for training on codes share. */
#ifndef WELD_OPS_ROUNDING_H
#define WELD_OPS_ROUNDING_H

#include <stdint.h>

#include "weld/tensor.h"

/* y = scale clamp(rne(x / scale), low, high) */
typedef struct weld_rounding {
    double scale, low, high;
} weld_rounding;

/* n numbers of x to y, which may be x; both are WELD_F32 or both WELD_F64. */
void weld_round_to_codes(weld_dtype dtype, int64_t n, const weld_rounding *r, const void *x,
                         void *y);

#endif
