/* Adaptive gradient clipping (Brock et al., "High-performance large-scale image recognition without
 * normalization", 2021), as timm's adaptive_clip_grad and so the reference implementation have it.
 */
#ifndef WELD_OPTIMIZE_CLIP_UNITS_H
#define WELD_OPTIMIZE_CLIP_UNITS_H

#include "kernels/kernels.h"

/* Limit the gradient of a parameter, in place: for each row along its first dimension (that of the
 * outputs), |g| to clip * max(|w|, 1e-3) in the Euclidean norm; a parameter with one dimension is
 * one row. What is not a number stays so. */
void weld_clip_units(const weld_kernels *kernels, double clip, const weld_tensor *weight,
                     const weld_tensor *gradient);

#endif
