/* Depthwise convolution by products of four taps: the codes of four positions, a vector of channels
 * each, are interleaved so that each channel has its four side by side.
 *
 * Any window takes its taps by fours. With 3 x 3 taps and stride 1 the four are neighbours in a
 * row, which serve two outputs, times (w0 w1 w2 0) and (0 w0 w1 w2), and up to three rows of them.
 *
 * Packed weights: for each vector of channels the fours of taps, zeros after the last, as a quad of
 * weights each; for 3 x 3 then those two for each row of taps. */
#include "kernels/int8/finish.h"
#include "kernels/int8/simd.h"

enum { MOST_TAPS = 64, QUAD_WEIGHTS = 4 * C_WEIGHTS };

static bool is_3x3(const weld_window *g) {
    return g->kernel_h == 3 && g->kernel_w == 3;
}

static int64_t tap_fours(const weld_window *g) {
    return (g->kernel_h * g->kernel_w + 3) / 4;
}

/* Bytes of a vector of channels. */
static int64_t block_bytes(const weld_window *g) {
    return (tap_fours(g) + (is_3x3(g) ? 6 : 0)) * QUAD_WEIGHTS;
}

size_t INT8(depthwise_packed_size)(const weld_window *g) {
    return (size_t)((g->c + C_BYTES - 1) / C_BYTES * block_bytes(g));
}

/* Weights of `taps` taps (at most 4) from weight[taps, c], `shift` places later in their four. */
static void pack_taps(const weld_window *g, const int8_t *weight, int64_t taps, int shift,
                      int64_t channel, uint8_t *out) {
    for (int i = 0; i < C_BYTES; i++) {
        int8_t w[4] = {0};
        for (int64_t t = 0; t < taps && channel + i < g->c; t++) {
            w[t + shift] = weight[t * g->c + channel + i];
        }
        c_place_weights(out + i / 4 % 4 * C_WEIGHTS, i / 16 * 4 + i % 4, w);
    }
}

void INT8(depthwise_pack)(const weld_window *g, const int8_t *weight, void *packed) {
    const int64_t taps = g->kernel_h * g->kernel_w;
    uint8_t *out = packed;
    for (int64_t channel = 0; channel < g->c; channel += C_BYTES) {
        for (int64_t t = 0; t < taps; t += 4, out += QUAD_WEIGHTS) {
            pack_taps(g, weight + t * g->c, c_least(4, taps - t), 0, channel, out);
        }
        for (int64_t row = 0; is_3x3(g) && row < 3; row++) {
            for (int shift = 0; shift < 2; shift++, out += QUAD_WEIGHTS) {
                pack_taps(g, weight + 3 * row * g->c, 3, shift, channel, out);
            }
        }
    }
}

C_INLINE codes load_channels(const uint8_t *p, int64_t count) {
    return count == C_BYTES ? c_load(p) : c_load_first(p, count);
}

/* sum += the products of a quad of codes and one of weights */
C_INLINE void add_products(ints sum[4], const factors f[4], const uint8_t *w) {
    C_UNROLL
    for (int j = 0; j < 4; j++) {
        sum[j] = c_dot(sum[j], f[j], c_weights(w + j * C_WEIGHTS));
    }
}

C_INLINE void make_factors(quad q, factors f[4]) {
    C_UNROLL
    for (int j = 0; j < 4; j++) {
        f[j] = c_factors((codes)q.v[j]);
    }
}

/* One vector of channels, on its way through the image. */
typedef struct block {
    const weld_window *g;
    const uint8_t *x, *weight;
    codes padding;
    const finisher *finish;
    columns columns;
    uint8_t *y;
} block;

/* --- any window --- */

enum { STRETCH = 8 }; /* outputs of a row that are finished together */

/* Where taps [first, first + count) of an output position are; NULL in the padding. */
static void list_taps(const weld_window *g, const uint8_t *x, int64_t iy, int64_t ix, int64_t first,
                      int64_t count, const uint8_t *taps[MOST_TAPS]) {
    for (int64_t t = 0; t < count; t++) {
        const int64_t y = iy + (first + t) / g->kernel_w * g->dilation_h;
        const int64_t z = ix + (first + t) % g->kernel_w * g->dilation_w;
        const bool inside = y >= 0 && y < g->h && z >= 0 && z < g->w;
        taps[t] = inside ? x + (y * g->w + z) * g->c : NULL;
    }
    for (int64_t t = count; t % 4 != 0; t++) {
        taps[t] = NULL;
    }
}

static codes load_tap(const block *b, const uint8_t *tap) {
    return tap ? load_channels(tap + b->columns.column, b->columns.count) : b->padding;
}

/* The sums of a position whose window may reach out of the image, or has many taps. */
static void convolve_slowly(const block *b, int64_t iy, int64_t ix, ints sum[4]) {
    const int64_t all = b->g->kernel_h * b->g->kernel_w;
    const uint8_t *taps[MOST_TAPS], *weight = b->weight;
    memcpy(sum, b->columns.bias, sizeof b->columns.bias);
    for (int64_t first = 0; first < all; first += MOST_TAPS) {
        const int64_t count = c_least(MOST_TAPS, all - first);
        list_taps(b->g, b->x, iy, ix, first, count, taps);
        for (int64_t t = 0; t < count; t += 4, weight += QUAD_WEIGHTS) {
            factors f[4];
            make_factors(c_interleave(load_tap(b, taps[t]), load_tap(b, taps[t + 1]),
                                      load_tap(b, taps[t + 2]), load_tap(b, taps[t + 3])),
                         f);
            add_products(sum, f, weight);
        }
    }
}

/* The sums of one that lies inside, with its taps at offsets from the first; those that fill up the
 * last four have no weight. */
C_INLINE void convolve_inside(const block *b, const uint8_t *from, int64_t count,
                              const int64_t offsets[MOST_TAPS], int64_t taps, ints sums[4]) {
    ints sum[4];
    memcpy(sum, b->columns.bias, sizeof sum);
    const uint8_t *weight = b->weight;
    for (int64_t t = 0; t < taps; t += 4, weight += QUAD_WEIGHTS) {
        factors f[4];
        make_factors(c_interleave(load_channels(from + offsets[t], count),
                                  load_channels(from + offsets[t + 1], count),
                                  load_channels(from + offsets[t + 2], count),
                                  load_channels(from + offsets[t + 3], count)),
                     f);
        add_products(sum, f, weight);
    }
    memcpy(sums, sum, sizeof sum);
}

static void list_offsets(const weld_window *g, int64_t taps, int64_t offsets[MOST_TAPS]) {
    for (int64_t t = 0; t < MOST_TAPS; t++) {
        const int64_t ky = t / g->kernel_w * g->dilation_h, kx = t % g->kernel_w * g->dilation_w;
        offsets[t] = t < taps ? (ky * g->w + kx) * g->c : 0;
    }
}

static void convolve_any(const block *b, int64_t row_begin, int64_t row_end) {
    const weld_window *g = b->g;
    const int64_t taps = g->kernel_h * g->kernel_w;
    const int64_t high = (g->kernel_h - 1) * g->dilation_h,
                  wide = (g->kernel_w - 1) * g->dilation_w;
    int64_t offsets[MOST_TAPS];
    list_offsets(g, taps, offsets);
    for (int64_t oy = row_begin; oy < row_end; oy++) {
        const int64_t iy = oy * g->stride_h - g->pad_h;
        const bool rows_inside = taps <= MOST_TAPS && iy >= 0 && iy + high < g->h;
        for (int64_t first = 0; first < g->ow; first += STRETCH) {
            const int64_t outputs = c_least(STRETCH, g->ow - first);
            ints sums[STRETCH][4];
            for (int64_t i = 0; i < outputs; i++) {
                const int64_t ix = (first + i) * g->stride_w - g->pad_w;
                const uint8_t *from = b->x + (iy * g->w + ix) * g->c + b->columns.column;
                if (!rows_inside || ix < 0 || ix + wide >= g->w) {
                    convolve_slowly(b, iy, ix, sums[i]);
                } else if (b->columns.count == C_BYTES) {
                    convolve_inside(b, from, C_BYTES, offsets, taps, sums[i]);
                } else {
                    convolve_inside(b, from, b->columns.count, offsets, taps, sums[i]);
                }
            }
            finish_rows(b->finish, &b->columns, sums[0], oy * g->ow + first, outputs, b->y, g->c);
        }
    }
}

/* --- 3 x 3, stride 1 --- */

/* Four neighbours of row iy from column ix on. */
C_INLINE void load_neighbours(const block *b, bool inside, int64_t count, int64_t iy, int64_t ix,
                              codes x[4]) {
    const weld_window *g = b->g;
    const uint8_t *from = b->x + (iy * g->w + ix) * g->c + b->columns.column;
    C_UNROLL
    for (int t = 0; t < 4; t++) {
        const bool there = iy >= 0 && iy < g->h && ix + t >= 0 && ix + t < g->w;
        x[t] = inside || there ? load_channels(from + t * g->c, count) : b->padding;
    }
}

/* Sums of outputs of rows oy to oy + rows - 1, columns ox and ox + 1. */
C_INLINE void convolve_tile(const block *b, int rows, bool inside, int64_t count, int64_t oy,
                            int64_t ox, ints sums[C_STENCIL_ROWS][2][4]) {
    const uint8_t *weight = b->weight;
    ints sum[C_STENCIL_ROWS][2][4];
    C_UNROLL
    for (int r = 0; r < rows; r++) {
        C_UNROLL
        for (int j = 0; j < 8; j++) {
            sum[r][j / 4][j % 4] = b->columns.bias[j % 4];
        }
    }
    C_UNROLL
    for (int i = 0; i < rows + 2; i++) {
        codes x[4];
        factors f[4];
        load_neighbours(b, inside, count, oy - b->g->pad_h + i, ox - b->g->pad_w, x);
        make_factors(c_interleave(x[0], x[1], x[2], x[3]), f);
        C_UNROLL
        for (int r = 0; r < rows; r++) {
            if (i - r >= 0 && i - r < 3) {
                add_products(sum[r][0], f, weight + (i - r) * 2 * QUAD_WEIGHTS);
                add_products(sum[r][1], f, weight + ((i - r) * 2 + 1) * QUAD_WEIGHTS);
            }
        }
    }
    C_UNROLL
    for (int r = 0; r < rows; r++) {
        C_UNROLL
        for (int j = 0; j < 8; j++) {
            sums[r][j / 4][j % 4] = sum[r][j / 4][j % 4];
        }
    }
}

/* The sums of a tile, `outputs` (1 or 2) of each row, to codes. What has neither table nor residual
 * needs no call for each row. */
C_INLINE void finish_plain(bool whole, const block *b, int rows, int64_t outputs, int64_t oy,
                           int64_t ox, ints sums[C_STENCIL_ROWS][2][4]) {
    const int64_t c = b->g->c;
    uint8_t *y = b->y + (oy * b->g->ow + ox) * c + b->columns.column;
    constants k;
    start_rows(&k, false, false, b->finish, &b->columns);
    C_UNROLL
    for (int r = 0; r < rows; r++, y += b->g->ow * c) {
        finish_row(false, false, 4, whole, &k, sums[r][0], NULL, y);
        if (outputs > 1) {
            finish_row(false, false, 4, whole, &k, sums[r][1], NULL, y + c);
        }
    }
}

C_INLINE void finish_tile(const block *b, int rows, int64_t outputs, int64_t oy, int64_t ox,
                          ints sums[C_STENCIL_ROWS][2][4]) {
    if (b->finish->f->table || b->finish->f->residual) {
        for (int r = 0; r < rows; r++) {
            finish_rows(b->finish, &b->columns, sums[r][0], (oy + r) * b->g->ow + ox, outputs, b->y,
                        b->g->c);
        }
    } else if (b->columns.count == C_BYTES) {
        finish_plain(true, b, rows, outputs, oy, ox, sums);
    } else {
        finish_plain(false, b, rows, outputs, oy, ox, sums);
    }
}

C_INLINE void convolve_rows(const block *b, int rows, int64_t oy) {
    const weld_window *g = b->g;
    const int64_t iy = oy - g->pad_h, count = b->columns.count;
    const bool rows_inside = iy >= 0 && iy + rows + 2 <= g->h;
    for (int64_t ox = 0; ox < g->ow; ox += 2) {
        const int64_t ix = ox - g->pad_w, outputs = c_least(2, g->ow - ox);
        ints sums[C_STENCIL_ROWS][2][4];
        if (!rows_inside || ix < 0 || ix + 4 > g->w) {
            convolve_tile(b, rows, false, count, oy, ox, sums);
        } else if (count == C_BYTES) {
            convolve_tile(b, rows, true, C_BYTES, oy, ox, sums);
        } else {
            convolve_tile(b, rows, true, count, oy, ox, sums);
        }
        finish_tile(b, rows, outputs, oy, ox, sums);
    }
}

static void convolve_3x3(const block *b, int64_t row_begin, int64_t row_end) {
    int64_t oy = row_begin;
    for (; oy + C_STENCIL_ROWS <= row_end; oy += C_STENCIL_ROWS) {
        convolve_rows(b, C_STENCIL_ROWS, oy);
    }
    for (; oy < row_end; oy++) {
        convolve_rows(b, 1, oy);
    }
}

void INT8(depthwise)(const weld_window *g, const uint8_t *x, uint8_t padding, const void *packed,
                     const weld_int8_finish *f, int64_t row_begin, int64_t row_end, uint8_t *y) {
    const bool plain = is_3x3(g) && g->stride_h == 1 && g->stride_w == 1 && g->dilation_h == 1 &&
                       g->dilation_w == 1;
    finisher finish;
    start_finish(&finish, f);
    block b = {
        .g = g, .x = x, .weight = packed, .padding = c_set(padding), .finish = &finish, .y = y};
    for (int64_t channel = 0; channel < g->c; channel += C_BYTES, b.weight += block_bytes(g)) {
        start_columns(&b.columns, f->bias, f->multiplier, 4, channel, g->c - channel);
        if (plain) {
            block stencil = b;
            stencil.weight += tap_fours(g) * QUAD_WEIGHTS;
            convolve_3x3(&stencil, row_begin, row_end);
        } else {
            convolve_any(&b, row_begin, row_end);
        }
    }
}
