/* Panels of packed matrices; pack.c says how they lie. */
#ifndef WELD_KERNELS_INT8_PANELS_H
#define WELD_KERNELS_INT8_PANELS_H

#include "kernels/int8/vector.h"

C_INLINE int64_t fours(int64_t k) {
    return (k + 3) / 4;
}

/* Vectors of columns of the panel in which `left` columns are still to be put. */
C_INLINE int panel_width(int64_t left) {
    return left >= C_BYTES ? 4 : (int)((left + LANES - 1) / LANES);
}

#endif
