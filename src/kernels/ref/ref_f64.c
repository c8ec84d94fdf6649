/* The reference kernels in double, for gradient checks and for bounds of error; see ref.inc.h. */
#define real double
#define REAL_DTYPE WELD_F64
#include "kernels/ref/ref.inc.h"

const weld_kernels *weld_kernels_ref_f64(void) {
    return &table;
}
