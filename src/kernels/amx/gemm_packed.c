/* C[m, n] = A[m, k] B[k, n] + bias in bf16, B packed as avx512bf16/products.h says; and
 * convolutions, whose rows of A are where the image has them.
 *
 * Rows of A are taken in groups of tiles, small enough for a group to stay in the first-level cache
 * or near it while all panels of B pass over it. Sums start from the bias and leave the tile
 * registers through a buffer; that is finished (C added, rounded) while the next block is
 * multiplied. */
#include "kernels/amx/amx.h"
#include "kernels/amx/tiles.h"
#include "kernels/avx512bf16/products.h"

enum { GROUP = 8, MOST_TILES = 4, TILE = TILE_ROWS * 16 };

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

/* Which part of C the sums in the tiles, or on their way in the buffer, are. */
typedef struct block {
    const target *to;
    int tiles; /* of rows; 0: none are on their way */
    int64_t column, columns, width;
} block;

P_INLINE __m512 finished(const float *sum, bool accumulate, __mmask16 mask, const uint16_t *c) {
    __m512 x = _mm512_load_ps(sum);
    if (accumulate) {
        x = _mm512_add_ps(x, p_widen(_mm256_maskz_loadu_epi16(mask, c)));
    }
    return x;
}

P_INLINE void finish_wide(const job *j, const block *b, const float *sums, bool accumulate,
                          bool whole) {
    const __mmask32 mask = whole ? ~0U : p_first32(b->columns);
    const __mmask16 low = (__mmask16)mask, high = (__mmask16)(mask >> 16);
    const int64_t height = j->height, ldc = j->ldc;
    for (int t = 0; t < b->tiles; t++) {
        const int64_t skip = b->to[t].skip;
        const float *sum = sums + 2 * t * TILE + skip * 16;
        uint16_t *c = b->to[t].c + skip * ldc + b->column;
        for (int64_t i = skip; i < height; i++, sum += 16, c += ldc) {
            const __m512 x = finished(sum, accumulate, low, c);
            const __m512 y = finished(sum + TILE, accumulate, high, c + 16);
            const __m512i result = (__m512i)_mm512_cvtne2ps_pbh(y, x);
            if (whole) {
                _mm512_storeu_si512(c, result);
            } else {
                _mm512_mask_storeu_epi16(c, mask, result);
            }
        }
    }
}

P_INLINE void finish_narrow(const job *j, const block *b, const float *sums, bool accumulate) {
    const __mmask16 mask = p_first16(b->columns);
    const int64_t height = j->height, ldc = j->ldc;
    for (int t = 0; t < b->tiles; t++) {
        const int64_t skip = b->to[t].skip;
        const float *sum = sums + t * TILE + skip * 16;
        uint16_t *c = b->to[t].c + skip * ldc + b->column;
        for (int64_t i = skip; i < height; i++, sum += 16, c += ldc) {
            _mm256_mask_storeu_epi16(c, mask, p_narrow(finished(sum, accumulate, mask, c)));
        }
    }
}

static void finish(const job *j, const block *b, const float *sums) {
    if (b->width == HALF_PANEL) {
        if (j->accumulate) {
            finish_narrow(j, b, sums, true);
        } else {
            finish_narrow(j, b, sums, false);
        }
    } else if (b->columns >= PANEL) {
        if (j->accumulate) {
            finish_wide(j, b, sums, true, true);
        } else {
            finish_wide(j, b, sums, false, true);
        }
    } else {
        if (j->accumulate) {
            finish_wide(j, b, sums, true, false);
        } else {
            finish_wide(j, b, sums, false, false);
        }
    }
}

/* The bias of a panel's columns: one row that all rows of sums start from. */
static tile_places start_from(const job *j, int64_t column, int64_t width, float row[PANEL]) {
    const int64_t left = j->bias ? j->n - column : 0;
    const float *from = left > 0 ? j->bias + column : row;
    const int64_t second = width == PANEL ? 16 : 0;
    _mm512_store_ps(row, _mm512_maskz_loadu_ps(p_first16(left), from));
    _mm512_store_ps(row + 16,
                    _mm512_maskz_loadu_ps(p_first16(left - 16), left > 16 ? from + 16 : row));
    return (tile_places){{row, row + second, row, row + second}, {0}};
}

/* A group of row tiles times all panels. `before` is the block whose sums are in the tiles, and
 * becomes the last of these. */
static void multiply_group(const job *j, tile_product *p, int tiles, const row_tile *r,
                           const target *to, const uint32_t *panel, float *sums, block *before) {
    const int64_t pairs = p_round_up((p->taps + 1) * j->k, PAIRED_K) / 2;
    const tile_places out = places_in(sums);
    for (int64_t column = 0; column < j->n;) {
        _Alignas(64) float row[PANEL];
        const int64_t width = p_panel_width(j->n - column);
        const tile_places in = start_from(j, column, width, row);
        p->b_bytes = width * (int64_t)sizeof *panel;
        for (int t = 0; t < tiles;) {
            const int done = multiply(tiles - t, width, p, r + t, panel, (tile_turn){&out, &in});
            finish(j, before, sums);
            *before = (block){to + t, done, column, j->n - column, width};
            t += done;
        }
        panel += pairs * width;
        column += width;
    }
}

/* Copies of the rest of a tile's rows, with a zero after an odd last element. */
static void copy_rest(int64_t height, int64_t rest, const uint16_t *a, int64_t lda,
                      uint16_t *copy) {
    const __mmask32 mask = p_first32(rest);
    for (int64_t i = 0; i < height; i++) {
        _mm512_storeu_si512(copy + i * PAIRED_K, _mm512_maskz_loadu_epi16(mask, a + i * lda));
    }
}

void weld_bf16_amx_gemm_packed(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                               const void *packed, const void *bias, bool accumulate, void *c,
                               int64_t ldc) {
    if (m <= 0 || n <= 0) {
        return;
    }
    const int64_t element = sizeof(uint16_t), height = tile_height(m), rest = k % PAIRED_K;
    const job j = {n, k, lda, ldc, height, a, bias, accumulate, c};
    tile_product p = {.steps = k / PAIRED_K, .a_bytes = lda * element, .a_step = TILE_BYTES};
    if (rest > 0) {
        p.rest_bytes = rest % 2 == 0 ? p.a_bytes : PAIRED_K * element;
    }
    _Alignas(64) uint16_t copies[GROUP][TILE_ROWS * PAIRED_K];
    _Alignas(64) float sums[MOST_TILES * TILE];
    target targets[2][GROUP]; /* the last block of a group is finished in the next one */
    block before = {.tiles = 0};
    tiles_start(height, (rest + 1) / 2);
    const int64_t tiles = (m + height - 1) / height;
    for (int64_t first = 0; first < tiles; first += GROUP) {
        row_tile r[GROUP];
        target *to = targets[first / GROUP % 2];
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
        multiply_group(&j, &p, count, r, to, packed, sums, &before);
    }
    const tile_places out = places_in(sums);
    take_out_sums(&out);
    finish(&j, &before, sums);
    _tile_release();
}

enum { MOST_TAPS = 64 };

/* Row tiles are of results side by side in a row of the image: its last one overlaps the one
 * before.
 */
void weld_bf16_amx_convolve(const weld_sweep *s, int64_t n, const void *x, const void *packed,
                            const void *bias, void *y) {
    const int64_t element = sizeof(uint16_t), taps = s->taps_h * s->taps_w, rest = s->k % PAIRED_K;
    if (taps > MOST_TAPS) {
        weld_bf16_avx512bf16_convolve(s, n, x, packed, bias, y);
        return;
    }
    if (s->rows <= 0 || s->columns <= 0 || n <= 0) {
        return;
    }
    const int64_t height = tile_height(s->columns), across = (s->columns + height - 1) / height;
    const job j = {n, s->k, s->x_column, s->y_column, height, x, bias, false, y};
    int64_t tap_bytes[MOST_TAPS];
    for (int64_t t = 1; t < taps; t++) {
        tap_bytes[t - 1] = (t / s->taps_w * s->tap_row + t % s->taps_w * s->tap_column) * element;
    }
    tile_product p = {.steps = s->k / PAIRED_K,
                      .a_bytes = s->x_column * element,
                      .rest_bytes = rest > 0 ? s->x_column * element : 0,
                      .a_step = TILE_BYTES,
                      .taps = taps - 1,
                      .tap_pairs = s->k / 2,
                      .tap_bytes = tap_bytes};
    _Alignas(64) float sums[MOST_TILES * TILE];
    target targets[2][GROUP];
    block before = {.tiles = 0};
    tiles_start(height, rest / 2);
    for (int64_t first = 0; first < s->rows * across; first += GROUP) {
        row_tile r[GROUP];
        target *to = targets[first / GROUP % 2];
        const int count = (int)p_least(GROUP, s->rows * across - first);
        for (int t = 0; t < count; t++) {
            const int64_t row = (first + t) / across, wanted = (first + t) % across * height;
            const int64_t column = p_least(wanted, s->columns - height);
            const uint16_t *from = j.a + row * s->x_row + column * s->x_column;
            to[t] = (target){j.c + row * s->y_row + column * s->y_column, wanted - column};
            r[t] = (row_tile){(const char *)from, (const char *)(from + s->k - rest)};
        }
        multiply_group(&j, &p, count, r, to, packed, sums, &before);
    }
    const tile_places out = places_in(sums);
    take_out_sums(&out);
    finish(&j, &before, sums);
    _tile_release();
}
