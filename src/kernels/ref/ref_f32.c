/* The reference kernels in float; see ref.inc.h. */
#define REAL_DTYPE WELD_F32
#define P_IS_T 1

typedef float real, param;

static double get(real x) {
    return x;
}

static real put(double x) {
    return (real)x;
}

#include "kernels/ref/ref.inc.h"

const weld_kernels *weld_kernels_ref_f32(void) {
    return &table;
}
