/* C[m, n] += A[k, m]^T B[k, n], A and B bf16, C floats: weight gradients.
 *
 * A block of B's rows and columns is packed into pairs; then strips of 32 columns of A are
 * transposed, which makes them rows of a left-hand matrix, and multiplied with all of the packed
 * block. Sums start from C and stay in tile registers over the whole block of k; only tiles at C's
 * edges go through a buffer. */
#include <string.h>

#include "kernels/amx/amx.h"
#include "kernels/amx/tiles.h"
#include "kernels/avx512bf16/products.h"

enum {
    K_BLOCK = 256,
    N_BLOCK = 512, /* a packed block of B stays in the second-level cache */
    STRIP = 2 * TILE_ROWS
};

/* Rows and columns exchanged: 32 rows of 8 columns of A to 8 rows of 32, one after the other. Loads
 * put the rows i, 8 + i, 16 + i, 24 + i into one register's quarters, in which three steps of
 * shuffles transpose 8 x 8 elements. */
P_INLINE void transpose_8(const uint16_t *a, int64_t lda, uint16_t *out) {
    __m512i r[8], s[8];
    const char *row = (const char *)a;
    const int64_t step = lda * (int64_t)sizeof *a;
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)row));
#pragma GCC unroll 3
        for (int q = 1; q < 4; q++) {
            r[i] = _mm512_mask_broadcast_i32x4(
                r[i], (__mmask16)(0xf << 4 * q),
                _mm_loadu_si128((const __m128i *)(row + q * (8 * step))));
        }
        row += step;
        __asm__("" : "+r"(row)); /* else gcc keeps 32 addresses, more than there is room for */
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 2) { /* pairs of rows; columns 0-3, 4-7 */
        s[i] = _mm512_unpacklo_epi16(r[i], r[i + 1]);
        s[i + 1] = _mm512_unpackhi_epi16(r[i], r[i + 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 4) { /* fours of rows; columns 0 1, 2 3, 4 5, 6 7 */
        r[i] = _mm512_unpacklo_epi32(s[i], s[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi32(s[i], s[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi32(s[i + 1], s[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi32(s[i + 1], s[i + 3]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 4; i++) {
        _mm512_storeu_si512(out + 2 * i * PAIRED_K, _mm512_unpacklo_epi64(r[i], r[i + 4]));
        _mm512_storeu_si512(out + (2 * i + 1) * PAIRED_K, _mm512_unpackhi_epi64(r[i], r[i + 4]));
    }
}

/* strip[k / 32][32][32] = A[k][columns] transposed, in each part columns by 32 of k; columns are at
 * most 32. Zeros past k up to a whole 32; columns up to the next 8 are written too. */
static void transpose_strip(int64_t k, int64_t columns, const uint16_t *a, int64_t lda,
                            uint16_t *strip) {
    _Alignas(64) uint16_t edge[32 * STRIP];
    const __mmask32 mask = p_first32(columns);
    for (int64_t i = 0; i < k; i += 32, a += 32 * lda) {
        const uint16_t *from = a;
        int64_t stride = lda;
        if (k - i < 32 || columns % 8 != 0) {
            from = edge;
            stride = STRIP;
            for (int64_t row = 0; row < 32; row++) {
                const __m512i x = i + row < k ? _mm512_maskz_loadu_epi16(mask, a + row * lda)
                                              : _mm512_setzero_si512();
                _mm512_store_si512(edge + row * STRIP, x);
            }
        }
        for (int64_t column = 0; column < columns; column += 8) {
            transpose_8(from + column, stride, strip + i * STRIP + column * PAIRED_K);
        }
    }
}

/* A part of C of at most 32 x 32, and where its sums go from the tiles: there or, at C's edges,
 * into a buffer. */
typedef struct block {
    tile_places places;
    bool buffered, accumulate;
    int64_t rows, columns;
    float *c;
} block;

typedef struct job {
    int64_t m, n, lda, ldb, ldc;
    float *buffer; /* four tiles */
    block before;  /* whose sums are in the tiles */
} job;

static block block_at(const job *j, int64_t rows, int64_t columns, bool accumulate, float *c) {
    block b = {places_in(j->buffer), true, accumulate, rows, columns, c};
    if (rows % TILE_ROWS != 0 || columns % 16 != 0) {
        return b;
    }
    b.buffered = false;
    int tile = 0;
    for (int64_t row = 0; row < rows; row += TILE_ROWS) {
        for (int64_t column = 0; column < columns; column += 16, tile++) {
            b.places.at[tile] = c + row * j->ldc + column;
            b.places.bytes[tile] = j->ldc * (int64_t)sizeof *c;
        }
    }
    return b;
}

/* Sums that went into the buffer are added to C, or written there. Tiles lie in it by rows and, in
 * these, by columns, if there are two. */
static void finish(const job *j) {
    const block *b = &j->before;
    if (!b->buffered) {
        return;
    }
    const int64_t across = b->columns > 16 ? 2 : 1;
    for (int64_t i = 0; i < b->rows; i++) {
        for (int64_t v = 0; v < across; v++) {
            const float *sum =
                j->buffer + (i / TILE_ROWS * across + v) * TILE_ROWS * 16 + i % TILE_ROWS * 16;
            const __mmask16 mask = p_first16(b->columns - 16 * v);
            float *c = b->c + i * j->ldc + 16 * v;
            __m512 x = _mm512_load_ps(sum);
            if (b->accumulate) {
                x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, c));
            }
            _mm512_mask_storeu_ps(c, mask, x);
        }
    }
}

/* One strip of A times all panels of a packed block of B. */
static void multiply_strip(job *j, tile_product *p, int64_t rows, int64_t n, const uint16_t *strip,
                           const uint32_t *panel, bool accumulate, float *c) {
    static const float zeros[16];
    const tile_places none = {{(float *)zeros, (float *)zeros, (float *)zeros, (float *)zeros},
                              {0}};
    const row_tile r[2] = {{(const char *)strip, NULL},
                           {(const char *)(strip + TILE_ROWS * PAIRED_K), NULL}};
    for (int64_t column = 0; column < n;) {
        const int64_t width = p_panel_width(n - column);
        const block b = block_at(j, rows, p_least(width, n - column), accumulate, c + column);
        const tile_turn turn = {&j->before.places, accumulate && !b.buffered ? &b.places : &none};
        p->b_bytes = width * (int64_t)sizeof *panel;
        multiply(rows > TILE_ROWS ? 2 : 1, width, p, r, panel, turn);
        finish(j);
        j->before = b;
        panel += p->steps * TILE_ROWS * width;
        column += width;
    }
}

/* k rows of A and B, and n columns of B. */
static void multiply_rows(job *j, int64_t n, int64_t k, const uint16_t *a, const uint16_t *b,
                          bool accumulate, float *c) {
    _Alignas(64) uint32_t packed[K_BLOCK / 2 * N_BLOCK];
    _Alignas(64) uint16_t strip[STRIP * K_BLOCK];
    tile_product p = {.steps = (k + PAIRED_K - 1) / PAIRED_K,
                      .a_bytes = TILE_BYTES,
                      .a_step = STRIP * TILE_BYTES};
    weld_bf16_avx512bf16_interleave(k, n, b, j->ldb, packed);
    for (int64_t row = 0; row < j->m; row += STRIP) {
        const int64_t rows = p_least(STRIP, j->m - row);
        transpose_strip(k, rows, a + row, j->lda, strip);
        multiply_strip(j, &p, rows, n, strip, packed, accumulate, c + row * j->ldc);
    }
}

static void clear(int64_t m, int64_t n, float *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++) {
        memset(c + i * ldc, 0, (size_t)n * sizeof *c);
    }
}

void weld_bf16_amx_gemm_at_b(int64_t m, int64_t n, int64_t k, const void *a_, int64_t lda,
                             const void *b_, int64_t ldb, bool accumulate, void *c_, int64_t ldc) {
    const uint16_t *a = a_, *b = b_;
    float *c = c_;
    if (k <= 0 && !accumulate) {
        clear(m, n, c, ldc);
    }
    _Alignas(64) float buffer[4 * TILE_ROWS * 16];
    job j = {m, n, lda, ldb, ldc, buffer, {.places = places_in(buffer)}};
    /* Blocks of nearly equal height, whole tiles but for the last. */
    const int64_t blocks = (k + K_BLOCK - 1) / K_BLOCK;
    tiles_start(TILE_ROWS, 0);
    for (int64_t i = 0, begin = 0; i < blocks; i++) {
        const int64_t end = p_least(k, p_round_up(k * (i + 1) / blocks, PAIRED_K));
        for (int64_t column = 0; column < n; column += N_BLOCK) {
            multiply_rows(&j, p_least(N_BLOCK, n - column), end - begin, a + begin * lda,
                          b + begin * ldb + column, accumulate || i > 0, c + column);
        }
        begin = end;
    }
    take_out_sums(&j.before.places);
    finish(&j);
    _tile_release();
}
