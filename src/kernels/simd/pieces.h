/* Piecewise polynomials, where a vector can be a table of 32 floats. */
#ifndef WELD_KERNELS_SIMD_PIECES_H
#define WELD_KERNELS_SIMD_PIECES_H

#include "kernels/simd/vector.h"

#ifdef V_TABLE

enum { PIECES = 32 };
#define PIECE_WIDTH 0.390625f

/* The value at x, taken to [-6.25, 6.05], of what `table` holds: coefficients by power of the
 * distance from the middle of a piece, and by piece. The middle of piece i is (i < 16 ? i : i - 32)
 * widths. */
V_INLINE vfloat v_pieces(const int degree, const float (*table)[PIECES], vfloat x) {
    const vfloat shift = v_set(0x1.8p23f); /* adding it rounds, and leaves an integer's low bits */
    const vfloat bounded = v_max(v_set(-16 * PIECE_WIDTH), v_min(v_set(6.05f), x));
    const vfloat piece = v_fma(bounded, v_set(1 / PIECE_WIDTH), shift);
    const vfloat distance = v_fnma(piece - shift, v_set(PIECE_WIDTH), bounded);
    vfloat p = v_lookup(table[degree], piece);
    V_UNROLL
    for (int power = degree - 1; power >= 0; power--) {
        p = v_fma(p, distance, v_lookup(table[power], piece));
    }
    return p;
}

#endif

#endif
