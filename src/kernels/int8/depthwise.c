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

C_INLINE codes load_tap(const block *b, const uint8_t *tap) {
    return tap ? load_channels(tap + b->columns.column, b->columns.count) : b->padding;
}

/* --- any window --- */

/* Where taps [first, first + count) of an output position are; NULL in the padding. */
static void list_taps(const weld_window *g, const uint8_t *x, int64_t oy, int64_t ox, int64_t first,
                      int64_t count, const uint8_t *taps[MOST_TAPS]) {
    int64_t ky = first / g->kernel_w, kx = first % g->kernel_w;
    for (int64_t t = 0; t < count; t++) {
        const int64_t iy = oy * g->stride_h - g->pad_h + ky * g->dilation_h;
        const int64_t ix = ox * g->stride_w - g->pad_w + kx * g->dilation_w;
        const bool inside = iy >= 0 && iy < g->h && ix >= 0 && ix < g->w;
        taps[t] = inside ? x + (iy * g->w + ix) * g->c : NULL;
        if (++kx == g->kernel_w) {
            kx = 0;
            ky++;
        }
    }
    for (int64_t t = count; t % 4 != 0; t++) {
        taps[t] = NULL;
    }
}

static void convolve_position(const block *b, int64_t oy, int64_t ox) {
    const weld_window *g = b->g;
    const int64_t all = g->kernel_h * g->kernel_w;
    const uint8_t *taps[MOST_TAPS], *weight = b->weight;
    ints sum[4];
    memcpy(sum, b->columns.bias, sizeof sum);
    for (int64_t first = 0; first < all; first += MOST_TAPS) {
        const int64_t count = c_least(MOST_TAPS, all - first);
        list_taps(g, b->x, oy, ox, first, count, taps);
        for (int64_t t = 0; t < count; t += 4, weight += QUAD_WEIGHTS) {
            factors f[4];
            make_factors(c_interleave(load_tap(b, taps[t]), load_tap(b, taps[t + 1]),
                                      load_tap(b, taps[t + 2]), load_tap(b, taps[t + 3])),
                         f);
            add_products(sum, f, weight);
        }
    }
    const int64_t position = oy * g->ow + ox;
    finish_row(b->finish, &b->columns, sum, position, b->y + position * g->c);
}

/* --- 3 x 3, stride 1 --- */

/* Outputs of rows oy to oy + rows - 1, columns ox and ox + 1. */
C_INLINE void convolve_tile(const block *b, int rows, int64_t oy, int64_t ox) {
    const weld_window *g = b->g;
    const int64_t left = ox - g->pad_w;
    ints sum[C_STENCIL_ROWS][2][4];
    C_UNROLL
    for (int r = 0; r < rows; r++) {
        memcpy(sum[r][0], b->columns.bias, sizeof sum[r][0]);
        memcpy(sum[r][1], b->columns.bias, sizeof sum[r][1]);
    }
    C_UNROLL
    for (int i = 0; i < rows + 2; i++) {
        const int64_t iy = oy - g->pad_h + i;
        const uint8_t *from = iy >= 0 && iy < g->h ? b->x + (iy * g->w + left) * g->c : NULL;
        codes x[4];
        C_UNROLL
        for (int t = 0; t < 4; t++) {
            const bool inside = left + t >= 0 && left + t < g->w;
            x[t] = load_tap(b, from && inside ? from + t * g->c : NULL);
        }
        factors f[4];
        make_factors(c_interleave(x[0], x[1], x[2], x[3]), f);
        C_UNROLL
        for (int r = 0; r < rows; r++) {
            if (i - r >= 0 && i - r < 3) {
                add_products(sum[r][0], f, b->weight + (i - r) * 2 * QUAD_WEIGHTS);
                add_products(sum[r][1], f, b->weight + ((i - r) * 2 + 1) * QUAD_WEIGHTS);
            }
        }
    }
    const int outputs = ox + 1 < g->ow ? 2 : 1;
    for (int r = 0; r < rows; r++) {
        for (int i = 0; i < outputs; i++) {
            const int64_t position = (oy + r) * g->ow + ox + i;
            finish_row(b->finish, &b->columns, sum[r][i], position, b->y + position * g->c);
        }
    }
}

static void convolve_rows(const block *b, int64_t row_begin, int64_t row_end) {
    int64_t oy = row_begin;
    for (; oy + C_STENCIL_ROWS <= row_end; oy += C_STENCIL_ROWS) {
        for (int64_t ox = 0; ox < b->g->ow; ox += 2) {
            convolve_tile(b, C_STENCIL_ROWS, oy, ox);
        }
    }
    for (; oy < row_end; oy++) {
        for (int64_t ox = 0; ox < b->g->ow; ox += 2) {
            convolve_tile(b, 1, oy, ox);
        }
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
            block rows = b;
            rows.weight += tap_fours(g) * QUAD_WEIGHTS;
            convolve_rows(&rows, row_begin, row_end);
            continue;
        }
        for (int64_t i = row_begin * g->ow; i < row_end * g->ow; i++) {
            convolve_position(&b, i / g->ow, i % g->ow);
        }
    }
}
