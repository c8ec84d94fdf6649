/* C[m, n] = A[m, k] B[k, n] + bias in bf16, B packed as avx512bf16/products.h says.
 *
 * Rows of A are taken in groups of tiles, small enough for a group to stay in the first-level cache
 * or near it while all panels of B pass over it. Sums leave the tile registers through a buffer;
 * they are finished (bias, C, rounding) while the tiles of the next block are multiplied, which is
 * why there are two. */
#include "kernels/amx/amx.h"
#include "kernels/amx/tiles.h"

enum { GROUP = 8, WIDE = 2 };

typedef struct job {
    int64_t n, k, lda, ldc, height; /* rows of a tile */
    const uint16_t *a;
    const float *bias;
    bool accumulate;
    uint16_t *c;
} job;

/* Where a row tile's results go: the last tile overlaps the one before and leaves out `skip` rows,
 * which are done already. */
typedef struct target {
    uint16_t *c;
    int64_t skip;
} target;

/* Sums on the way from tiles to C. */
typedef struct block {
    _Alignas(64) float sum[4 * TILE_ROWS * 16]; /* [tiles][16][width] */
    const target *to;
    int tiles; /* row tiles; 0: the block is empty */
    int64_t column, columns, width;
} block;

P_INLINE __m512 finished(const float *sum, __m512 bias, bool accumulate, __mmask16 mask,
                         const uint16_t *c) {
    __m512 x = _mm512_add_ps(_mm512_load_ps(sum), bias);
    if (accumulate) {
        x = _mm512_add_ps(x, p_widen(_mm256_maskz_loadu_epi16(mask, c)));
    }
    return x;
}

P_INLINE void finish_wide(const job *j, const block *b, bool accumulate, bool whole) {
    const __mmask32 mask = p_first32(b->columns);
    const __mmask16 low = (__mmask16)mask, high = (__mmask16)(mask >> 16);
    __m512 bias[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    if (j->bias) {
        bias[0] = _mm512_maskz_loadu_ps(low, j->bias + b->column);
        bias[1] = _mm512_maskz_loadu_ps(high, j->bias + b->column + 16);
    }
    for (int t = 0; t < b->tiles; t++) {
        const int64_t skip = b->to[t].skip;
        const float *sum = b->sum + (t * TILE_ROWS + skip) * PANEL;
        uint16_t *c = b->to[t].c + skip * j->ldc + b->column;
        for (int64_t i = skip; i < j->height; i++, sum += PANEL, c += j->ldc) {
            const __m512 x = finished(sum, bias[0], accumulate, low, c);
            const __m512 y = finished(sum + 16, bias[1], accumulate, high, c + 16);
            const __m512i result = (__m512i)_mm512_cvtne2ps_pbh(y, x);
            if (whole) {
                _mm512_storeu_si512(c, result);
            } else {
                _mm512_mask_storeu_epi16(c, mask, result);
            }
        }
    }
}

P_INLINE void finish_narrow(const job *j, const block *b, bool accumulate) {
    const __mmask16 mask = p_first16(b->columns);
    const __m512 bias =
        j->bias ? _mm512_maskz_loadu_ps(mask, j->bias + b->column) : _mm512_setzero_ps();
    for (int t = 0; t < b->tiles; t++) {
        const int64_t skip = b->to[t].skip;
        const float *sum = b->sum + (t * TILE_ROWS + skip) * HALF_PANEL;
        uint16_t *c = b->to[t].c + skip * j->ldc + b->column;
        for (int64_t i = skip; i < j->height; i++, sum += HALF_PANEL, c += j->ldc) {
            const __m512 x = finished(sum, bias, accumulate, mask, c);
            _mm256_mask_storeu_epi16(c, mask, p_narrow(x));
        }
    }
}

static void finish(const job *j, block *b) {
    if (b->tiles == 0) {
        return;
    }
    if (b->width == HALF_PANEL) {
        if (j->accumulate) {
            finish_narrow(j, b, true);
        } else {
            finish_narrow(j, b, false);
        }
    } else if (j->accumulate) {
        finish_wide(j, b, true, false);
    } else if (b->columns >= PANEL) {
        finish_wide(j, b, false, true);
    } else {
        finish_wide(j, b, false, false);
    }
    b->tiles = 0;
}

P_INLINE void store_sums(block *b) {
    if (b->width == PANEL) {
        _tile_stored(0, b->sum, 2 * TILE_BYTES);
        _tile_stored(1, b->sum + 16, 2 * TILE_BYTES);
        if (b->tiles > 1) {
            _tile_stored(2, b->sum + TILE_ROWS * PANEL, 2 * TILE_BYTES);
            _tile_stored(3, b->sum + TILE_ROWS * PANEL + 16, 2 * TILE_BYTES);
        }
        return;
    }
    _tile_stored(0, b->sum, TILE_BYTES);
    if (b->tiles > 1) {
        _tile_stored(1, b->sum + TILE_ROWS * 16, TILE_BYTES);
    }
    if (b->tiles > 2) {
        _tile_stored(2, b->sum + 2 * TILE_ROWS * 16, TILE_BYTES);
        _tile_stored(3, b->sum + 3 * TILE_ROWS * 16, TILE_BYTES);
    }
}

/* A group of row tiles times all panels. */
static void multiply_group(const job *j, tile_product *p, int tiles, const row_tile *r,
                           const target *to, const uint32_t *panel, block blocks[2]) {
    const int64_t pairs = p_round_up(j->k, PAIRED_K) / 2;
    int turn = 0;
    for (int64_t column = 0; column < j->n;) {
        const int64_t width = p_panel_width(j->n - column);
        p->b_bytes = width * (int64_t)sizeof *panel;
        for (int t = 0; t < tiles;) {
            const int left = tiles - t;
            block *b = &blocks[turn];
            zero_sums();
            int done;
            if (width == PANEL) {
                done = left > 1 ? 2 : 1;
                if (left > 1) {
                    multiply_wide(true, p, r + t, panel);
                } else {
                    multiply_wide(false, p, r + t, panel);
                }
            } else {
                done = left > 3 ? 4 : left > 1 ? 2 : 1;
                if (left > 3) {
                    multiply_narrow(4, p, r + t, panel);
                } else if (left > 1) {
                    multiply_narrow(2, p, r + t, panel);
                } else {
                    multiply_narrow(1, p, r + t, panel);
                }
            }
            turn ^= 1;
            finish(j, &blocks[turn]); /* the block before */
            b->to = to + t;
            b->tiles = done;
            b->column = column;
            b->columns = j->n - column;
            b->width = width;
            store_sums(b);
            t += done;
        }
        panel += pairs * width;
        column += width;
    }
    finish(j, &blocks[turn ^ 1]);
}

/* Copies of the rest of a tile's rows, with a zero after an odd last element. */
static void copy_rest(int64_t height, int64_t rest, const uint16_t *a, int64_t lda,
                      uint16_t *copy) {
    const __mmask32 mask = p_first32(rest);
    for (int64_t i = 0; i < height; i++) {
        _mm512_storeu_si512(copy + i * PAIRED_K, _mm512_maskz_loadu_epi16(mask, a + i * lda));
    }
}

/* The height of row tiles that makes products of m rows least work. A tile costs its rows, but
 * no less than 9 cycles a product, and loads and stores; tiles go in twos. */
static int64_t tile_height(int64_t m) {
    int64_t best = TILE_ROWS, least = INT64_MAX;
    for (int64_t height = p_least(m, TILE_ROWS); height >= 8; height--) {
        const int64_t tiles = (m + height - 1) / height, cost = tiles * (height + 2);
        if (cost < least) {
            least = cost;
            best = height;
        }
    }
    return m < 8 ? m : best;
}

void weld_bf16_amx_gemm_packed(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                               const void *packed, const void *bias, bool accumulate, void *c,
                               int64_t ldc) {
    if (m <= 0 || n <= 0) {
        return;
    }
    const int64_t element = sizeof(uint16_t), height = tile_height(m), rest = k % PAIRED_K;
    const job j = {n, k, lda, ldc, height, a, bias, accumulate, c};
    tile_product p = {.steps = k / PAIRED_K, .a_bytes = lda * element};
    if (rest > 0) {
        p.rest_bytes = rest % 2 == 0 ? p.a_bytes : PAIRED_K * element;
    }
    _Alignas(64) uint16_t copies[GROUP][TILE_ROWS * PAIRED_K];
    block blocks[2];
    blocks[0].tiles = blocks[1].tiles = 0;
    tiles_start(height, rest);
    const int64_t tiles = (m + height - 1) / height;
    for (int64_t first = 0; first < tiles; first += GROUP) {
        row_tile r[GROUP];
        target to[GROUP];
        const int count = (int)p_least(GROUP, tiles - first);
        for (int t = 0; t < count; t++) {
            const int64_t wanted = (first + t) * height, row = p_least(wanted, m - height);
            const uint16_t *from = j.a + row * lda;
            to[t] = (target){j.c + row * ldc, wanted - row};
            r[t] = (row_tile){(const char *)from, (const char *)(from + k - rest)};
            if (rest % 2 != 0) {
                copy_rest(height, rest, from + k - rest, lda, copies[t]);
                r[t].rest = (const char *)copies[t];
            }
        }
        multiply_group(&j, &p, count, r, to, packed, blocks);
    }
    _tile_release();
}
