/* Matrix products in tiles: an instruction multiplies 16 rows of 32 bf16 with 16 x 16 pairs (see
 * avx512bf16/products.h) and adds to 16 x 16 floats, in as many cycles as there are rows.
 *
 * Tile registers 0 to 3 hold sums, 4 rows of A and 5 pairs of B, 6 and 7 the same for the rest of k
 * that is no whole 32. Registers are renamed, so one for each factor is enough; loads go on beside
 * products.
 *
 * Subnormal factors and sums count as zero, whatever the rounding mode is; infinities and NaN come
 * through. */
#ifndef WELD_KERNELS_AMX_TILES_H
#define WELD_KERNELS_AMX_TILES_H

#include "kernels/avx512bf16/pairs.h"

enum { TILE_ROWS = 16, TILE_BYTES = 64 };

/* Set up the tiles of this thread for `rows` (at most 16) rows of A, and a rest of `rest` < 32
 * of k. _tile_release gives them back, which keeps switches between threads cheap. */
P_INLINE void tiles_start(int64_t rows, int64_t rest) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } volatile tiles; /* gcc 12 drops stores to it that are not volatile */
    volatile uint64_t *words = (volatile uint64_t *)&tiles;
    for (size_t i = 0; i < sizeof tiles / sizeof *words; i++) {
        words[i] = 0;
    }
    tiles.palette = 1;
    for (int i = 0; i < 8; i++) {
        tiles.row_bytes[i] = TILE_BYTES;
        tiles.rows[i] = (uint8_t)rows;
    }
    const int64_t pairs = rest > 0 ? (rest + 1) / 2 : 1;
    tiles.rows[5] = TILE_ROWS;
    tiles.row_bytes[6] = (uint16_t)(4 * pairs);
    tiles.rows[7] = (uint8_t)pairs;
    _tile_loadconfig((const void *)&tiles);
}

/* What is common to the tiles of a product. */
typedef struct tile_product {
    int64_t steps;               /* whole 32 of k */
    int64_t a_bytes, rest_bytes; /* from row to row; rest_bytes 0: there is no rest */
    int64_t b_bytes;             /* from pair to pair */
} tile_product;

/* Rows of A, as many as a tile has. */
typedef struct row_tile {
    const char *a;
    const char *rest; /* their last k % 32 elements, or a copy that ends in a whole pair */
} row_tile;

#define WIDE_STEP(two_rows, A, B, a0, a1, a_bytes, b, b_bytes)                                     \
    do {                                                                                           \
        _tile_loadd(A, a0, a_bytes);                                                               \
        _tile_loadd(B, b, b_bytes);                                                                \
        _tile_dpbf16ps(0, A, B);                                                                   \
        _tile_loadd(B, (b) + TILE_BYTES, b_bytes);                                                 \
        _tile_dpbf16ps(1, A, B);                                                                   \
        if (two_rows) {                                                                            \
            _tile_loadd(A, a1, a_bytes);                                                           \
            _tile_dpbf16ps(3, A, B);                                                               \
            _tile_loadd(B, b, b_bytes);                                                            \
            _tile_dpbf16ps(2, A, B);                                                               \
        }                                                                                          \
    } while (0)

/* Add one or two row tiles times a panel to the sums 0 1, 2 3. */
P_INLINE void multiply_wide(bool two_rows, const tile_product *p, const row_tile *r,
                            const uint32_t *panel) {
    const row_tile *last = r + two_rows;
    const char *b = (const char *)panel;
    const int64_t step = TILE_ROWS * p->b_bytes;
    for (int64_t i = 0; i < p->steps; i++, b += step) {
        WIDE_STEP(two_rows, 4, 5, r->a + i * TILE_BYTES, last->a + i * TILE_BYTES, p->a_bytes, b,
                  p->b_bytes);
    }
    if (p->rest_bytes) {
        WIDE_STEP(two_rows, 6, 7, r->rest, last->rest, p->rest_bytes, b, p->b_bytes);
    }
}

#define NARROW_STEP(rows, A, B, from, offset, a_bytes, b, b_bytes)                                 \
    do {                                                                                           \
        _tile_loadd(B, b, b_bytes);                                                                \
        _tile_loadd(A, r[0].from + (offset), a_bytes);                                             \
        _tile_dpbf16ps(0, A, B);                                                                   \
        if ((rows) > 1) {                                                                          \
            _tile_loadd(A, r[1].from + (offset), a_bytes);                                         \
            _tile_dpbf16ps(1, A, B);                                                               \
        }                                                                                          \
        if ((rows) > 2) {                                                                          \
            _tile_loadd(A, r[2].from + (offset), a_bytes);                                         \
            _tile_dpbf16ps(2, A, B);                                                               \
            _tile_loadd(A, r[3].from + (offset), a_bytes);                                         \
            _tile_dpbf16ps(3, A, B);                                                               \
        }                                                                                          \
    } while (0)

/* Add 1, 2 or 4 row tiles times a half panel to the sums 0, 1, 2, 3. */
P_INLINE void multiply_narrow(int rows, const tile_product *p, const row_tile *r,
                              const uint32_t *panel) {
    const char *b = (const char *)panel;
    const int64_t step = TILE_ROWS * p->b_bytes;
    for (int64_t i = 0; i < p->steps; i++, b += step) {
        NARROW_STEP(rows, 4, 5, a, i * TILE_BYTES, p->a_bytes, b, p->b_bytes);
    }
    if (p->rest_bytes) {
        NARROW_STEP(rows, 6, 7, rest, 0, p->rest_bytes, b, p->b_bytes);
    }
}

P_INLINE void zero_sums(void) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

#endif
