/* Matrix products in tiles: an instruction multiplies 16 rows of 32 bf16 with 16 x 16 pairs (see
 * avx512bf16/products.h) and adds to 16 x 16 floats, in as many cycles as there are rows.
 *
 * setup.h says which registers hold what. They are renamed, so one for each factor is enough; loads
 * go on beside products.
 *
 * Subnormal factors and sums count as zero, whatever the rounding mode is; infinities and NaN come
 * through. */
#ifndef WELD_KERNELS_AMX_TILES_H
#define WELD_KERNELS_AMX_TILES_H

#include "kernels/amx/setup.h"
#include "kernels/avx512bf16/pairs.h"

/* What is common to the tiles of a product. */
typedef struct tile_product {
    int64_t steps;               /* whole 32 of k */
    int64_t a_bytes, rest_bytes; /* from row to row; rest_bytes 0: there is no rest */
    int64_t a_step;              /* bytes from step to step, for the whole 32 */
    int64_t b_bytes;             /* from pair to pair */
    /* Of convolutions: the products of the first tap, which is at rows' beginnings, and of these.
     */
    int64_t taps, tap_pairs;  /* how many more; pairs of k of each */
    const int64_t *tap_bytes; /* from a row's beginning to each */
} tile_product;

/* Rows of A, as many as a tile has. */
typedef struct row_tile {
    const char *a;
    const char *rest; /* their last k % 32 elements, or a copy that ends in a whole pair */
} row_tile;

/* Where the four tiles of sums go to or come from; those that are not used need memory too. */
typedef struct tile_places {
    float *at[4];
    int64_t bytes[4]; /* from row to row */
} tile_places;

/* The sums of the block before go out as those of this block come in, each just before its first
 * product: the products of the other tiles then hide how long that takes. Storing all four at the
 * end of a block made products wait. */
typedef struct tile_turn {
    const tile_places *out, *in;
} tile_turn;

#define KEEP(t) (void)0
#define TAKE_OUT(t) _tile_stored(t, turn.out->at[t], turn.out->bytes[t])
#define TURN(t)                                                                                    \
    do {                                                                                           \
        TAKE_OUT(t);                                                                               \
        _tile_loadd(t, turn.in->at[t], turn.in->bytes[t]);                                         \
    } while (0)

#define WIDE_STEP(BEFORE, two_rows, A, B, a0, a1, a_bytes, b, b_bytes)                             \
    do {                                                                                           \
        _tile_loadd(A, a0, a_bytes);                                                               \
        _tile_loadd(B, b, b_bytes);                                                                \
        BEFORE(0);                                                                                 \
        _tile_dpbf16ps(0, A, B);                                                                   \
        _tile_loadd(B, (b) + TILE_BYTES, b_bytes);                                                 \
        BEFORE(1);                                                                                 \
        _tile_dpbf16ps(1, A, B);                                                                   \
        if (two_rows) {                                                                            \
            _tile_loadd(A, a1, a_bytes);                                                           \
            BEFORE(3);                                                                             \
            _tile_dpbf16ps(3, A, B);                                                               \
            _tile_loadd(B, b, b_bytes);                                                            \
            BEFORE(2);                                                                             \
            _tile_dpbf16ps(2, A, B);                                                               \
        }                                                                                          \
    } while (0)

/* One or two row tiles times a panel: the sums 0 1, 2 3. */
P_INLINE void multiply_wide(bool two_rows, const tile_product *p, const row_tile *r,
                            const uint32_t *panel, tile_turn turn) {
    const row_tile *last = r + two_rows;
    const char *b = (const char *)panel;
    const int64_t step = TILE_ROWS * p->b_bytes;
    if (!two_rows) {
        TAKE_OUT(2);
        TAKE_OUT(3);
    }
    if (p->steps > 0) {
        WIDE_STEP(TURN, two_rows, 4, 5, r->a, last->a, p->a_bytes, b, p->b_bytes);
        for (int64_t i = 1; i < p->steps; i++) {
            b += step;
            WIDE_STEP(KEEP, two_rows, 4, 5, r->a + i * p->a_step, last->a + i * p->a_step,
                      p->a_bytes, b, p->b_bytes);
        }
        if (p->rest_bytes) {
            b += step;
            WIDE_STEP(KEEP, two_rows, 6, 7, r->rest, last->rest, p->rest_bytes, b, p->b_bytes);
        }
    } else {
        WIDE_STEP(TURN, two_rows, 6, 7, r->rest, last->rest, p->rest_bytes, b, p->b_bytes);
    }
    for (int64_t t = 0; t < p->taps; t++) {
        const int64_t at = p->tap_bytes[t];
        b = (const char *)panel + (t + 1) * p->tap_pairs * p->b_bytes;
        for (int64_t i = 0; i < p->steps; i++, b += step) {
            WIDE_STEP(KEEP, two_rows, 4, 5, r->a + at + i * p->a_step, last->a + at + i * p->a_step,
                      p->a_bytes, b, p->b_bytes);
        }
        if (p->rest_bytes) {
            WIDE_STEP(KEEP, two_rows, 6, 7, r->rest + at, last->rest + at, p->rest_bytes, b,
                      p->b_bytes);
        }
    }
}

#define NARROW_STEP(BEFORE, rows, A, B, from, offset, a_bytes, b, b_bytes)                         \
    do {                                                                                           \
        _tile_loadd(B, b, b_bytes);                                                                \
        _tile_loadd(A, r[0].from + (offset), a_bytes);                                             \
        BEFORE(0);                                                                                 \
        _tile_dpbf16ps(0, A, B);                                                                   \
        if ((rows) > 1) {                                                                          \
            _tile_loadd(A, r[1].from + (offset), a_bytes);                                         \
            BEFORE(1);                                                                             \
            _tile_dpbf16ps(1, A, B);                                                               \
        }                                                                                          \
        if ((rows) > 2) {                                                                          \
            _tile_loadd(A, r[2].from + (offset), a_bytes);                                         \
            BEFORE(2);                                                                             \
            _tile_dpbf16ps(2, A, B);                                                               \
            _tile_loadd(A, r[3].from + (offset), a_bytes);                                         \
            BEFORE(3);                                                                             \
            _tile_dpbf16ps(3, A, B);                                                               \
        }                                                                                          \
    } while (0)

/* 1, 2 or 4 row tiles times a half panel: the sums 0, 1, 2, 3. */
P_INLINE void multiply_narrow(int rows, const tile_product *p, const row_tile *r,
                              const uint32_t *panel, tile_turn turn) {
    const char *b = (const char *)panel;
    const int64_t step = TILE_ROWS * p->b_bytes;
    if (rows < 2) {
        TAKE_OUT(1);
    }
    if (rows < 4) {
        TAKE_OUT(2);
        TAKE_OUT(3);
    }
    if (p->steps > 0) {
        NARROW_STEP(TURN, rows, 4, 5, a, 0, p->a_bytes, b, p->b_bytes);
        for (int64_t i = 1; i < p->steps; i++) {
            b += step;
            NARROW_STEP(KEEP, rows, 4, 5, a, i * p->a_step, p->a_bytes, b, p->b_bytes);
        }
        if (p->rest_bytes) {
            b += step;
            NARROW_STEP(KEEP, rows, 6, 7, rest, 0, p->rest_bytes, b, p->b_bytes);
        }
    } else {
        NARROW_STEP(TURN, rows, 6, 7, rest, 0, p->rest_bytes, b, p->b_bytes);
    }
    for (int64_t t = 0; t < p->taps; t++) {
        const int64_t at = p->tap_bytes[t];
        b = (const char *)panel + (t + 1) * p->tap_pairs * p->b_bytes;
        for (int64_t i = 0; i < p->steps; i++, b += step) {
            NARROW_STEP(KEEP, rows, 4, 5, a, at + i * p->a_step, p->a_bytes, b, p->b_bytes);
        }
        if (p->rest_bytes) {
            NARROW_STEP(KEEP, rows, 6, 7, rest, at, p->rest_bytes, b, p->b_bytes);
        }
    }
}

/* As many of `left` row tiles times a panel of that width as go into the sums; returns how many. */
P_INLINE int multiply(int left, int64_t width, const tile_product *p, const row_tile *r,
                      const uint32_t *panel, tile_turn turn) {
    /* gcc does not know that loads of tiles read memory: what they read must be there. */
    __asm__ volatile("" ::: "memory");
    if (width == PANEL) {
        if (left > 1) {
            multiply_wide(true, p, r, panel, turn);
            return 2;
        }
        multiply_wide(false, p, r, panel, turn);
        return 1;
    }
    if (left > 3) {
        multiply_narrow(4, p, r, panel, turn);
        return 4;
    }
    if (left > 1) {
        multiply_narrow(2, p, r, panel, turn);
        return 2;
    }
    multiply_narrow(1, p, r, panel, turn);
    return 1;
}

P_INLINE void take_out_sums(const tile_places *out) {
    const tile_turn turn = {out, NULL};
    TAKE_OUT(0);
    TAKE_OUT(1);
    TAKE_OUT(2);
    TAKE_OUT(3);
}

/* A buffer of four tiles, one after the other. */
P_INLINE tile_places places_in(float *buffer) {
    enum { TILE = TILE_ROWS * 16 };
    return (tile_places){{buffer, buffer + TILE, buffer + 2 * TILE, buffer + 3 * TILE},
                         {TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES}};
}

#endif
