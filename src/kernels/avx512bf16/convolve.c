/* Convolutions straight from the image by AVX512-BF16: pairs of channels, from tap to tap. B is
 * packed as products.h says; a tap's pairs lie beside the last one's, as k is even. */
#include "kernels/avx512bf16/products.h"
#include "kernels/avx512bf16/tile.h"

/* The results of `rows` columns side by side, of a panel of `vectors` vectors: as p_tile. */
P_INLINE void sweep_tile(int rows, int vectors, const weld_sweep *s, const pair_product *p,
                         const uint16_t *x, const uint32_t *panel, uint16_t *y) {
    __m512 sum[MOST_ROWS][2];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        const __m512 bias =
            p->bias ? _mm512_maskz_loadu_ps(p_first16(p->columns - 16 * v), p->bias + 16 * v)
                    : _mm512_setzero_ps();
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            sum[i][v] = bias;
        }
    }
    for (int64_t ky = 0; ky < s->taps_h; ky++) {
        for (int64_t kx = 0; kx < s->taps_w; kx++) {
            const char *a = (const char *)(x + ky * s->tap_row + kx * s->tap_column);
            for (int64_t k = 0; k < p->pairs; k++, panel += 16 * vectors, a += p->pair_bytes) {
                const __m512bh b0 = (__m512bh)_mm512_loadu_si512(panel);
                const __m512bh b1 = (__m512bh)_mm512_loadu_si512(panel + (vectors > 1 ? 16 : 0));
#pragma GCC unroll 12
                for (int i = 0; i < rows; i++) {
                    const __m512bh one = p_broadcast(a + i * p->row_bytes);
                    sum[i][0] = _mm512_dpbf16_ps(sum[i][0], one, b0);
                    if (vectors > 1) {
                        sum[i][1] = _mm512_dpbf16_ps(sum[i][1], one, b1);
                    }
                }
            }
        }
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        const __mmask16 mask = p_first16(p->columns - 16 * v);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            p_store_bf16(sum[i][v], false, mask, y + i * s->y_column + 16 * v);
        }
    }
}

#define SWEEP_ROWS(rows, vectors)                                                                  \
    case rows:                                                                                     \
        sweep_tile(rows, vectors, s, p, x, panel, y);                                              \
        break;
#define DEFINE_SWEEP(name, vectors)                                                                \
    static void name(int64_t rows, const weld_sweep *s, const pair_product *p, const uint16_t *x,  \
                     const uint32_t *panel, uint16_t *y) {                                         \
        switch (rows) {                                                                            \
            SWEEP_ROWS(1, vectors)                                                                 \
            SWEEP_ROWS(2, vectors)                                                                 \
            SWEEP_ROWS(3, vectors)                                                                 \
            SWEEP_ROWS(4, vectors)                                                                 \
            SWEEP_ROWS(5, vectors)                                                                 \
            SWEEP_ROWS(6, vectors)                                                                 \
            SWEEP_ROWS(7, vectors)                                                                 \
            SWEEP_ROWS(8, vectors)                                                                 \
            SWEEP_ROWS(9, vectors)                                                                 \
            SWEEP_ROWS(10, vectors)                                                                \
            SWEEP_ROWS(11, vectors)                                                                \
            SWEEP_ROWS(12, vectors)                                                                \
        }                                                                                          \
    }

DEFINE_SWEEP(sweep_wide, 2)
DEFINE_SWEEP(sweep_narrow, 1)

/* One row of results, in tiles of nearly equal height. */
static void sweep_row(bool wide, const weld_sweep *s, const pair_product *p, const uint16_t *x,
                      const uint32_t *panel, uint16_t *y) {
    int64_t left = s->columns, tiles = (left + MOST_ROWS - 1) / MOST_ROWS;
    for (; tiles > 0; tiles--) {
        const int64_t rows = (left + tiles - 1) / tiles;
        (wide ? sweep_wide : sweep_narrow)(rows, s, p, x, panel, y);
        left -= rows;
        x += rows * s->x_column;
        y += rows * s->y_column;
    }
}

void weld_bf16_avx512bf16_convolve(const weld_sweep *s, int64_t n, const void *x_,
                                   const void *packed, const void *bias, void *y_) {
    const uint16_t *x = x_;
    const uint32_t *panel = packed;
    uint16_t *y = y_;
    const int64_t element = sizeof *x;
    const int64_t pairs = p_round_up(s->taps_h * s->taps_w * s->k, PAIRED_K) / 2;
    pair_product p = {
        .pairs = s->k / 2, .row_bytes = s->x_column * element, .pair_bytes = 2 * element};
    for (int64_t column = 0; column < n;) {
        const int64_t width = p_panel_width(n - column);
        p.bias = bias ? (const float *)bias + column : NULL;
        p.columns = n - column;
        for (int64_t row = 0; row < s->rows; row++) {
            sweep_row(width == PANEL, s, &p, x + row * s->x_row, panel,
                      y + row * s->y_row + column);
        }
        panel += pairs * width;
        column += width;
    }
}
