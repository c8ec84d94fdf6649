/* NumPy array files (.npy), versions 1 and 2:
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef WELD_FORMATS_NPY_H
#define WELD_FORMATS_NPY_H

#include "weld/tensor.h"

/* Read an array of f4, f2, f8, u1, i4 or i8 (little-endian, C order, at most WELD_MAX_DIMS
 * dimensions, not empty), converted to `dtype`, which is WELD_F32 or WELD_F64, each value rounded
 * to the nearest. out->data is released with weld_free. */
weld_status weld_npy_read(const char *path, weld_dtype dtype, weld_tensor *out, weld_error *err);

/* Write a tensor of WELD_F32, atomically. */
weld_status weld_npy_write(const char *path, const weld_tensor *tensor, weld_error *err);

#endif
