/* Packing of B[k, n] for gemm_packed: as floats, rounded to T, in panels of up to 3 vectors of
 * columns, each [k, width] and contiguous, the last one padded with zeros to whole vectors. */
#include "kernels/simd/simd.h"
#include "kernels/simd/tile.h"

enum { PER_FLOAT = sizeof(float) / sizeof(tvalue) /* elements of T to a float */ };

size_t SIMD(packed_size)(int64_t k, int64_t n) {
    return (size_t)k * (size_t)vectors_for(n) * V_LANES * PER_FLOAT;
}

/* Nothing where T is float. */
V_INLINE vfloat round_to_t(vfloat a) {
    tvalue rounded[V_LANES];
    t_store(rounded, v_all(), a);
    return t_load(rounded, v_all());
}

/* One panel; `stride` between the columns of a row, known when compiling where it is 1. */
V_INLINE void pack_panel(int64_t k, int64_t columns, const float *b, int64_t row_stride,
                         int64_t stride, float *panel) {
    for (int64_t i = 0; i < k; i++, b += row_stride) {
        for (int64_t j = 0; j < columns; j += V_LANES, panel += V_LANES) {
            const vlanes lanes = v_lanes_at(j, columns);
            const vfloat row =
                stride == 1 ? v_load(b + j, lanes) : v_gather(b + j * stride, stride, lanes.mask);
            v_store_all(panel, round_to_t(row));
        }
    }
}

void SIMD(pack)(int64_t k, int64_t n, const void *b_, int64_t row_stride, int64_t column_stride,
                void *packed_) {
    const float *b = b_;
    float *packed = packed_;
    for (int64_t column = 0; column < n;) {
        const int64_t width = panel_vectors(vectors_for(n - column)) * V_LANES;
        const int64_t present = least(width, n - column);
        if (column_stride == 1) {
            pack_panel(k, present, b + column, row_stride, 1, packed);
        } else {
            pack_panel(k, present, b + column * column_stride, row_stride, column_stride, packed);
        }
        packed += k * width;
        column += width;
    }
}
