/* Adaptive gradient clipping; see clip_units.h. */
#include "optimize/clip_units.h"

#include <math.h>

static const double LEAST_WEIGHT = 1e-3, LEAST_GRADIENT = 1e-6; /* norms, as timm takes them */

/* Comparisons with NaN are false: the norm of one stays NaN. */
static double at_least(double least, double norm) {
    return norm < least ? least : norm;
}

void weld_clip_units(const weld_kernels *kernels, double clip, const weld_tensor *weight,
                     const weld_tensor *gradient) {
    const int64_t count = weld_shape_count(&weight->shape);
    const int64_t rows = weight->shape.rank > 1 ? weight->shape.dim[0] : 1;
    const int64_t length = rows > 0 ? count / rows : 0;
    const size_t row_bytes = (size_t)length * weld_dtype_size(weight->dtype);
    for (int64_t row = 0; row < rows; row++) {
        const char *w = (const char *)weight->data + (size_t)row * row_bytes;
        char *g = (char *)gradient->data + (size_t)row * row_bytes;
        double limit = clip * at_least(LEAST_WEIGHT, sqrt(kernels->square_sum(length, w)));
        double norm = sqrt(kernels->square_sum(length, g));
        if (!(norm < limit)) {
            kernels->scale(length, limit / at_least(LEAST_GRADIENT, norm), g, g);
        }
    }
}
