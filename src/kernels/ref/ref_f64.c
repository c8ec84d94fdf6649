/* The reference kernels in double, for gradient checks and for bounds of error; see ref.inc.h. */
#define REAL_DTYPE WELD_F64
#define P_IS_T 1

typedef double real, param;

static double get(real x) {
    return x;
}

static real put(double x) {
    return (real)x;
}

#include "kernels/ref/ref.inc.h"

const weld_kernels *weld_kernels_ref_f64(void) {
    return &table;
}
