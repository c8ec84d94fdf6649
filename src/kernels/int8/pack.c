/* The packed form of a k x n matrix: panels of 4 vectors of columns, the last one of as many as it
 * takes; in a panel the fours of rows one after the other, zeros after the last, and in a four a
 * vector of weights after the other, each lane the four weights of one column. Which lane has which
 * column: vector.h, c_index_compact. */
#include "kernels/int8/panels.h"
#include "kernels/int8/simd.h"

size_t INT8(packed_size)(int64_t k, int64_t n) {
    const int64_t vectors = (n + LANES - 1) / LANES;
    return (size_t)(vectors * fours(k) * C_WEIGHTS);
}

/* One four of rows of a panel. */
static void pack_four(int64_t rows, int64_t n, const int8_t *b, int64_t row_stride,
                      int64_t column_stride, int width, uint8_t *out) {
    for (int i = 0; i < width * LANES; i++) {
        int8_t w[4] = {0};
        const int vector = i / 4 % width, lane = i / 4 / width * 4 + i % 4;
        for (int64_t r = 0; i < n && r < rows; r++) {
            w[r] = b[r * row_stride + i * column_stride];
        }
        c_place_weights(out + vector * C_WEIGHTS, lane, w);
    }
}

void INT8(pack)(int64_t k, int64_t n, const int8_t *b, int64_t row_stride, int64_t column_stride,
                void *packed) {
    uint8_t *out = packed;
    for (int64_t column = 0; column < n; column += C_BYTES) {
        const int width = panel_width(n - column);
        for (int64_t row = 0; row < k; row += 4, out += width * C_WEIGHTS) {
            pack_four(c_least(4, k - row), n - column,
                      b + row * row_stride + column * column_stride, row_stride, column_stride,
                      width, out);
        }
    }
}
