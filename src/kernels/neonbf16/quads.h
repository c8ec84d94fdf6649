/* Matrix products of bf16 by BFMMLA (Armv8.6), which adds to 2 x 2 floats the products of 2 x 4 and
 * 4 x 2 bf16: four times what an instruction for floats multiplies, and twice BFDOT.
 *
 * The right-hand matrix B[k, n] lies in panels of PANEL columns; the last panel has as many fours
 * of columns as are needed. A panel is [k / 4][width][4]: four elements of a column beside each
 * other, zeros past k (padded to a multiple of 4) and past n.
 *
 * Unlike the reference the instruction counts subnormal factors, products and sums as zero, and
 * rounds each product, each sum of two and each sum that it adds those to. It rounds to odd: what
 * is not exact gets 1 for its last bit, and so is off by up to a unit of the last place, twice what
 * rounding to nearest allows, but evenly to both sides. */
#ifndef WELD_KERNELS_NEONBF16_QUADS_H
#define WELD_KERNELS_NEONBF16_QUADS_H

#include "kernels/simd/simd.h"

enum {
    QUAD = 4,
    PANEL = 12,
    TILE_ROWS = 8 /* 4 x 6 registers of sums, and as many panels' width of a left matrix packed */
};

V_INLINE int64_t quads_for(int64_t n) {
    return (n + QUAD - 1) / QUAD;
}

/* Columns of the panel, of up to `most`, in which `left` columns are still to be put. */
V_INLINE int64_t panel_width(int64_t left, int64_t most) {
    return least(most, quads_for(left) * QUAD);
}

/* Pack B[k, n] that is bf16, with rows of ldb elements, in panels of up to `most` columns. */
void SIMD(pack_quads)(int64_t k, int64_t n, const tvalue *b, int64_t ldb, int64_t most,
                      tvalue *packed);

#endif
