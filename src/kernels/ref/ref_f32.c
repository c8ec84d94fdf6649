/* The reference kernels in float; see ref.inc.h. */
#define real float
#define REAL_DTYPE WELD_F32
#include "kernels/ref/ref.inc.h"

const weld_kernels *weld_kernels_ref_f32(void) {
    return &table;
}
