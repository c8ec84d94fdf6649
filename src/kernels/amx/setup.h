/* Setting up the tile registers, for the products of either type.
 *
 * Registers 0 to 3 hold sums, 4 rows of A and 5 fours of bytes of B, 6 and 7 the same for the rest
 * of k that is no whole tile. */
#ifndef WELD_KERNELS_AMX_SETUP_H
#define WELD_KERNELS_AMX_SETUP_H

#include <immintrin.h>
#include <stdint.h>

enum { TILE_ROWS = 16, TILE_BYTES = 64 };

/* Tiles of this thread for `rows` (at most 16) rows of A, and a rest of `rest` fours of bytes of
 * a row. _tile_release gives them back, which keeps switches between threads cheap. */
static inline __attribute__((always_inline)) void tiles_start(int64_t rows, int64_t rest) {
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
    const int64_t fours = rest > 0 ? rest : 1;
    tiles.rows[5] = TILE_ROWS;
    tiles.row_bytes[6] = (uint16_t)(4 * fours);
    tiles.rows[7] = (uint8_t)fours;
    _tile_loadconfig((const void *)&tiles);
}

/* The height of row tiles that makes products of m rows least work. A tile costs its rows, but
 * no less than 9 cycles a product, and loads and stores; tiles go in twos. */
static inline int64_t tile_height(int64_t m) {
    int64_t best = TILE_ROWS, least = INT64_MAX;
    for (int64_t height = m < TILE_ROWS ? m : TILE_ROWS; height >= 8; height--) {
        const int64_t tiles = (m + height - 1) / height, cost = tiles * (height + 2);
        if (cost < least) {
            least = cost;
            best = height;
        }
    }
    return m < 8 ? m : best;
}

#endif
