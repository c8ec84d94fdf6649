/* Pooling, patches and resampling of one image, reference; included by ref.inc.h. */

/* Offset in x[h, w, c] of the first maximum of the window of output (oy, ox), channel c, in
 * row-major order; -1 where the window lies in the padding altogether. */
static int64_t window_maximum(const weld_window *g, const real *x, int64_t oy, int64_t ox,
                              int64_t c) {
    int64_t best = -1;
    for (int64_t ky = 0; ky < g->kernel_h; ky++) {
        const int64_t iy = oy * g->stride_h - g->pad_h + ky * g->dilation_h;
        for (int64_t kx = 0; kx < g->kernel_w; kx++) {
            const int64_t ix = ox * g->stride_w - g->pad_w + kx * g->dilation_w;
            if (iy < 0 || iy >= g->h || ix < 0 || ix >= g->w) {
                continue;
            }
            const int64_t at = (iy * g->w + ix) * g->c + c;
            if (best < 0 || get(x[at]) > get(x[best])) {
                best = at;
            }
        }
    }
    return best;
}

/* y[oh, ow, c] = maximum over ky, kx of x[iy, ix, c]; some output rows */
static void max_pool(const weld_window *g, const void *x_, int64_t row_begin, int64_t row_end,
                     void *y_) {
    const real *x = x_;
    real *y = y_;
    for (int64_t oy = row_begin; oy < row_end; oy++) {
        for (int64_t ox = 0; ox < g->ow; ox++) {
            for (int64_t c = 0; c < g->c; c++) {
                const int64_t at = window_maximum(g, x, oy, ox, c);
                y[(oy * g->ow + ox) * g->c + c] = at < 0 ? put(-INFINITY) : x[at];
            }
        }
    }
}

/* dx[h, w, c] = sum of dy[oh, ow, c] over the windows whose first maximum is there */
static void max_pool_grad(const weld_window *g, const void *x_, const void *dy_, void *dx_) {
    const real *x = x_, *dy = dy_;
    real *dx = dx_;
    for (int64_t i = 0; i < g->h * g->w * g->c; i++) {
        dx[i] = put(0);
    }
    for (int64_t oy = 0; oy < g->oh; oy++) {
        for (int64_t ox = 0; ox < g->ow; ox++) {
            for (int64_t c = 0; c < g->c; c++) {
                const int64_t at = window_maximum(g, x, oy, ox, c);
                if (at >= 0) {
                    dx[at] = put(get(dx[at]) + get(dy[(oy * g->ow + ox) * g->c + c]));
                }
            }
        }
    }
}

/* Offset in x[h, w, c] of tap (ky, kx) of output position p, first channel; -1 in the padding. */
static int64_t tap_offset(const weld_window *g, int64_t p, int64_t ky, int64_t kx) {
    const int64_t iy = p / g->ow * g->stride_h - g->pad_h + ky * g->dilation_h;
    const int64_t ix = p % g->ow * g->stride_w - g->pad_w + kx * g->dilation_w;
    return iy < 0 || iy >= g->h || ix < 0 || ix >= g->w ? -1 : (iy * g->w + ix) * g->c;
}

/* out[end - begin, kh, kw, count] = x[iy, ix, channel + ...], 0 in the padding */
static void im2col(const weld_window *g, const void *x_, int64_t channel, int64_t count,
                   int64_t begin, int64_t end, void *out_) {
    const real *x = x_;
    real *out = out_;
    for (int64_t p = begin; p < end; p++) {
        for (int64_t ky = 0; ky < g->kernel_h; ky++) {
            for (int64_t kx = 0; kx < g->kernel_w; kx++) {
                const int64_t at = tap_offset(g, p, ky, kx);
                for (int64_t j = 0; j < count; j++) {
                    out[j] = at < 0 ? put(0) : x[at + channel + j];
                }
                out += count;
            }
        }
    }
}

/* dx[iy, ix, channel + ...] += patches[end - begin, kh, kw, count] */
static void col2im(const weld_window *g, const void *patches_, int64_t channel, int64_t count,
                   int64_t begin, int64_t end, void *dx_) {
    const real *patches = patches_;
    real *dx = dx_;
    for (int64_t p = begin; p < end; p++) {
        for (int64_t ky = 0; ky < g->kernel_h; ky++) {
            for (int64_t kx = 0; kx < g->kernel_w; kx++) {
                const int64_t at = tap_offset(g, p, ky, kx);
                for (int64_t j = 0; at >= 0 && j < count; j++) {
                    dx[at + channel + j] = put(get(dx[at + channel + j]) + get(patches[j]));
                }
                patches += count;
            }
        }
    }
}

/* One channel of y[p, q] = sum over the taps of weight x[from, from] */
static double resampled(const weld_resampling *g, const real *x, int64_t p, int64_t q, int64_t c) {
    const weld_taps *rows = &g->rows, *columns = &g->columns;
    double sum = 0;
    for (int64_t i = rows->first[p]; i < rows->first[p + 1]; i++) {
        for (int64_t j = columns->first[q]; j < columns->first[q + 1]; j++) {
            const int64_t at = (rows->from[i] * g->w + columns->from[j]) * g->c + c;
            sum += rows->weight[i] * columns->weight[j] * get(x[at]);
        }
    }
    return sum;
}

/* y[oh, ow, c] from x[h, w, c]; some output rows */
static void resample(const weld_resampling *g, const void *x, int64_t row_begin, int64_t row_end,
                     void *y_) {
    real *y = y_;
    for (int64_t p = row_begin; p < row_end; p++) {
        for (int64_t q = 0; q < g->ow; q++) {
            for (int64_t c = 0; c < g->c; c++) {
                y[(p * g->ow + q) * g->c + c] = put(resampled(g, x, p, q, c));
            }
        }
    }
}
