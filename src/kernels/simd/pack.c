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

/* B: of parameters, or of activations; its rows or its columns are contiguous. */
typedef struct matrix {
    const float *parameters;
    const tvalue *activations;
    int64_t row_stride, column_stride;
} matrix;

/* Elements from (i, j) on that lie one after the other. */
V_INLINE vfloat load_from(const matrix *b, int64_t i, int64_t j, vlanes lanes) {
    const int64_t at = i * b->row_stride + j * b->column_stride;
    return b->parameters ? round_to_t(v_load(b->parameters + at, lanes))
                         : t_load(b->activations + at, lanes);
}

/* Columns [j, j + width) of which `columns` are there, rows being contiguous. */
static void pack_rows(const matrix *b, int64_t k, int64_t j, int64_t columns, float *panel) {
    for (int64_t i = 0; i < k; i++) {
        for (int64_t v = 0; v < columns; v += V_LANES, panel += V_LANES) {
            v_store_all(panel, load_from(b, i, j + v, v_lanes_at(v, columns)));
        }
    }
}

/* One vector of columns of a panel, columns being contiguous: squares are transposed. */
static void pack_columns(const matrix *b, int64_t k, int64_t j, int64_t columns, int64_t width,
                         float *panel) {
    for (int64_t i = 0; i < k; i += V_LANES) {
        const vlanes lanes = v_lanes_at(i, k);
        vfloat square[V_LANES];
        V_UNROLL
        for (int64_t c = 0; c < V_LANES; c++) {
            square[c] = c < columns ? load_from(b, i, j + c, lanes) : v_zero();
        }
        v_transpose(square);
        V_UNROLL
        for (int64_t r = 0; r < V_LANES; r++) {
            if (r < lanes.count) {
                v_store_all(panel + (i + r) * width, square[r]);
            }
        }
    }
}

static void pack_all(const matrix *b, int64_t k, int64_t n, float *packed) {
    for (int64_t column = 0; column < n;) {
        const int64_t width = panel_vectors(vectors_for(n - column)) * V_LANES;
        const int64_t present = least(width, n - column);
        if (b->column_stride == 1) {
            pack_rows(b, k, column, present, packed);
        }
        for (int64_t v = 0; v < width && b->column_stride != 1; v += V_LANES) {
            pack_columns(b, k, column + v, least(V_LANES, present - v), width, packed + v);
        }
        packed += k * width;
        column += width;
    }
}

void SIMD(pack)(int64_t k, int64_t n, const void *b, int64_t row_stride, int64_t column_stride,
                void *packed) {
    const matrix m = {.parameters = b, .row_stride = row_stride, .column_stride = column_stride};
    pack_all(&m, k, n, packed);
}

void SIMD(pack_activations)(int64_t k, int64_t n, const void *b, int64_t row_stride,
                            int64_t column_stride, void *packed) {
    const matrix m = {.activations = b, .row_stride = row_stride, .column_stride = column_stride};
    pack_all(&m, k, n, packed);
}
