/* Weight gradient of a depthwise convolution over some rows of one image:
 * dweight[ky, kx, c] += sum over oy, ox of dy[oy, ox, c] x[iy, ix, c].
 *
 * For 3 x 3 kernels without dilation and with padding of at most 1 the nine sums of a vector of
 * channels stay in registers over a few rows, and each x is loaded once for all the dy of a tile of
 * columns that meet it. Other kernels go tap by tap. */
#include "kernels/simd/simd.h"
#include "kernels/simd/stencil.h"

enum {
    TILE = STENCIL_TILE,
    POSITIONS = 96 /* output positions summed in registers, about; then added to dweight */
};

typedef struct tap_range { /* of taps inside the image: [begin, end) */
    int begin, end;
} tap_range;

/* Sums of one vector of channels over `columns` outputs, x and dy pointing to tap (0, 0) of the
 * first and to the first; only taps inside the spans are read. */
V_INLINE void tile_sums(const int columns, const int step, const tap_range ky, const tap_range kx,
                        int64_t c, const tvalue *x, int64_t x_row, const tvalue *dy, vspan lanes,
                        vpair sum[3][3], fetching *f) {
    fetch(f, lanes, columns, step * step);
    vpair g[TILE];
    V_UNROLL
    for (int i = 0; i < columns; i++) {
        g[i] = t_load_pair(dy + i * c, lanes);
    }
    V_UNROLL
    for (int r = ky.begin; r < ky.end; r++) {
        V_UNROLL
        for (int column = kx.begin; column < (columns - 1) * step + kx.end; column++) {
            const vpair v = v_hold_pair(t_load_pair(x + r * x_row + column * c, lanes));
            V_UNROLL
            for (int i = 0; i < columns; i++) {
                const int t = column - i * step;
                if (t >= kx.begin && t < kx.end) {
                    sum[r][t] = v_fma_pair(v, g[i], sum[r][t]);
                }
            }
        }
    }
}

/* The row of dy `dy`; x points to tap (0, 0) of its first position. */
V_INLINE void row_sums(const int step, const tap_range ky, const weld_window *g, const tvalue *x,
                       const tvalue *dy, vspan lanes, vpair sum[3][3], fetching *f) {
    const int64_t c = g->c, x_row = g->w * c, pitch = step * c;
    const tap_range inner = {0, 3}, left = {1, 3}, right = {0, 2};
    const bool right_border = (g->ow - 1) * step - g->pad_w + 3 > g->w;
    const int64_t end = g->ow - (right_border ? 1 : 0);
    int64_t o = 0;
    if (g->pad_w > 0) {
        tile_sums(1, step, ky, left, c, x, x_row, dy, lanes, sum, f);
        o = 1;
    }
    for (; o + TILE <= end; o += TILE) {
        tile_sums(TILE, step, ky, inner, c, x + o * pitch, x_row, dy + o * c, lanes, sum, f);
    }
    for (; o < end; o++) {
        tile_sums(1, step, ky, inner, c, x + o * pitch, x_row, dy + o * c, lanes, sum, f);
    }
    if (right_border) {
        tile_sums(1, step, ky, right, c, x + o * pitch, x_row, dy + o * c, lanes, sum, f);
    }
}

/* Rows [row_begin, row_end) of dy, one vector of channels. */
V_INLINE void block_sums(const int step, const weld_window *g, const tvalue *x, const tvalue *dy,
                         int64_t row_begin, int64_t row_end, int64_t j, vspan lanes, float *dweight,
                         fetching *f) {
    const tap_range inner = {0, 3}, upper = {1, 3}, lower = {0, 2};
    vpair sum[3][3];
    V_UNROLL
    for (int t = 0; t < 9; t++) {
        sum[t / 3][t % 3] = v_set_pair(0);
    }
    for (int64_t row = row_begin; row < row_end; row++) {
        const int64_t top = row * step - g->pad_h;
        const tvalue *from = x + (top * g->w - g->pad_w) * g->c + j;
        const tvalue *gradient = dy + row * g->ow * g->c + j;
        if (top < 0) {
            row_sums(step, upper, g, from, gradient, lanes, sum, f);
        } else if (top + 3 > g->h) {
            row_sums(step, lower, g, from, gradient, lanes, sum, f);
        } else {
            row_sums(step, inner, g, from, gradient, lanes, sum, f);
        }
    }
    V_UNROLL
    for (int t = 0; t < 9; t++) {
        float *out = dweight + t * g->c + j;
        v_store_pair(out, lanes, v_add_pair(v_load_pair(out, lanes), sum[t / 3][t % 3]));
    }
}

V_INLINE void weight_grad_3x3(const int step, const weld_window *g, const tvalue *x,
                              const tvalue *dy, int64_t row_begin, int64_t row_end,
                              float *dweight) {
    const int64_t block = greatest(1, POSITIONS / g->ow);
    for (int64_t row = row_begin; row < row_end; row += block) {
        const int64_t end = least(row + block, row_end);
        fetching f = {.input = (const char *)(x + ((end - 1) * step - g->pad_h + 3) * g->w * g->c),
                      .output = (const char *)(dy + end * g->ow * g->c)};
        V_EACH_STEP(g->c, block_sums(step, g, x, dy, row, end, j, span, dweight, &f));
    }
}

/* dweight[c] += sum along `count` positions of dy x, x stepping by `pitch` elements. */
V_INLINE void tap_sums(int64_t c, int64_t count, const tvalue *x, int64_t pitch, const tvalue *dy,
                       vspan lanes, float *dweight) {
    vpair sum = v_set_pair(0);
    for (int64_t o = 0; o < count; o++) {
        sum = v_fma_pair(t_load_pair(x + o * pitch, lanes), t_load_pair(dy + o * c, lanes), sum);
    }
    v_store_pair(dweight, lanes, v_add_pair(v_load_pair(dweight, lanes), sum));
}

static void weight_grad_any(const weld_window *g, const tvalue *x, const tvalue *dy,
                            int64_t row_begin, int64_t row_end, float *dweight) {
    const int64_t c = g->c;
    for (int64_t row = row_begin; row < row_end; row++) {
        for (int64_t t = 0; t < g->kernel_h * g->kernel_w; t++) {
            const int64_t iy = row * g->stride_h - g->pad_h + t / g->kernel_w * g->dilation_h;
            const int64_t first = t % g->kernel_w * g->dilation_w - g->pad_w;
            int64_t begin, end;
            stencil_interior(first, g->stride_w, 1, g->w, g->ow, &begin, &end);
            if (iy < 0 || iy >= g->h || begin == end) {
                continue;
            }
            const tvalue *from = x + (iy * g->w + first + begin * g->stride_w) * c;
            const tvalue *gradient = dy + (row * g->ow + begin) * c;
            float *out = dweight + t * c;
            V_EACH_STEP(c, tap_sums(c, end - begin, from + j, g->stride_w * c, gradient + j, span,
                                    out + j));
        }
    }
}

/* Whether along an axis every window of 3 has its middle tap inside and at most one outside. */
static bool fits_3(int64_t size, int64_t out, int64_t kernel, int64_t stride, int64_t pad) {
    return kernel == 3 && pad <= 1 && size >= 2 && (out - 1) * stride - pad + 2 <= size;
}

void SIMD(depthwise_weight_grad)(const weld_window *g, const void *x, const void *dy,
                                 int64_t row_begin, int64_t row_end, void *dweight) {
    const bool fits = g->stride_h == g->stride_w && g->dilation_h == 1 && g->dilation_w == 1 &&
                      fits_3(g->h, g->oh, g->kernel_h, g->stride_h, g->pad_h) &&
                      fits_3(g->w, g->ow, g->kernel_w, g->stride_w, g->pad_w);
    if (fits && g->stride_w == 1) {
        weight_grad_3x3(1, g, x, dy, row_begin, row_end, dweight);
    } else if (fits && g->stride_w == 2) {
        weight_grad_3x3(2, g, x, dy, row_begin, row_end, dweight);
    } else {
        weight_grad_any(g, x, dy, row_begin, row_end, dweight);
    }
}
