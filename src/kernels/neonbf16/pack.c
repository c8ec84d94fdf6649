/* Packing matrices of a product into panels of fours; see quads.h. */
#include "kernels/neonbf16/quads.h"

size_t SIMD(packed_size)(int64_t k, int64_t n) {
    return (size_t)(quads_for(k) * QUAD) * (size_t)(quads_for(n) * QUAD);
}

/* B: of parameters, or of activations; its rows or its columns are contiguous. */
typedef struct matrix {
    const float *parameters;
    const tvalue *activations;
    int64_t row_stride, column_stride;
} matrix;

/* Elements from (i, j) on that lie one after the other; past `count` zeros. */
V_INLINE uint16x4_t load_four(const matrix *b, int64_t i, int64_t j, int64_t count) {
    const int64_t at = i * b->row_stride + j * b->column_stride;
    if (count <= 0) {
        return vdup_n_u16(0);
    }
    const vlanes lanes = count < QUAD ? v_first(count) : v_all();
    return b_round(b->parameters ? v_load(b->parameters + at, lanes)
                                 : t_load(b->activations + at, lanes));
}

/* Rows and columns of 4 x 4 exchanged. */
V_INLINE void transpose(uint16x4_t r[QUAD]) {
    const uint32x2_t a = vreinterpret_u32_u16(vtrn1_u16(r[0], r[1]));
    const uint32x2_t b = vreinterpret_u32_u16(vtrn2_u16(r[0], r[1]));
    const uint32x2_t c = vreinterpret_u32_u16(vtrn1_u16(r[2], r[3]));
    const uint32x2_t d = vreinterpret_u32_u16(vtrn2_u16(r[2], r[3]));
    r[0] = vreinterpret_u16_u32(vtrn1_u32(a, c));
    r[1] = vreinterpret_u16_u32(vtrn1_u32(b, d));
    r[2] = vreinterpret_u16_u32(vtrn2_u32(a, c));
    r[3] = vreinterpret_u16_u32(vtrn2_u32(b, d));
}

/* Rows [i, i + 4) and columns [j, j + 4) of B[k, n]. */
V_INLINE void pack_square(const matrix *b, int64_t k, int64_t n, int64_t i, int64_t j,
                          tvalue *packed) {
    uint16x4_t four[QUAD];
    const bool by_rows = b->column_stride == 1;
    V_UNROLL
    for (int64_t r = 0; r < QUAD; r++) {
        four[r] = by_rows ? load_four(b, i + r, j, i + r < k ? n - j : 0)
                          : load_four(b, i, j + r, j + r < n ? k - i : 0);
    }
    if (by_rows) {
        transpose(four);
    }
    V_UNROLL
    for (int64_t r = 0; r < QUAD; r++) {
        vst1_u16(&packed[r * QUAD].bits, four[r]);
    }
}

static void pack_all(const matrix *b, int64_t k, int64_t n, int64_t most, tvalue *packed) {
    for (int64_t column = 0; column < n;) {
        const int64_t width = panel_width(n - column, most);
        for (int64_t i = 0; i < k; i += QUAD) {
            for (int64_t j = 0; j < width; j += QUAD, packed += QUAD * QUAD) {
                pack_square(b, k, n, i, column + j, packed);
            }
        }
        column += width;
    }
}

void SIMD(pack)(int64_t k, int64_t n, const void *b, int64_t row_stride, int64_t column_stride,
                void *packed) {
    const matrix m = {.parameters = b, .row_stride = row_stride, .column_stride = column_stride};
    pack_all(&m, k, n, PANEL, packed);
}

void SIMD(pack_activations)(int64_t k, int64_t n, const void *b, int64_t row_stride,
                            int64_t column_stride, void *packed) {
    const matrix m = {.activations = b, .row_stride = row_stride, .column_stride = column_stride};
    pack_all(&m, k, n, PANEL, packed);
}

void SIMD(pack_quads)(int64_t k, int64_t n, const tvalue *b, int64_t ldb, int64_t most,
                      tvalue *packed) {
    const matrix m = {.activations = b, .row_stride = ldb, .column_stride = 1};
    pack_all(&m, k, n, most, packed);
}
