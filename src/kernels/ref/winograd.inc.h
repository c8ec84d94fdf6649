/* Winograd's convolution of 3 x 3 by squares of 2 x 2 outputs, reference; included by ref.inc.h. */

static const int winograd_b[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
static const int winograd_a[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};

/* Element (iy, ix, c) of x[h, w, c], 0 outside of it. */
static double element_or_zero(const weld_window *g, const real *x, int64_t iy, int64_t ix,
                              int64_t c) {
    const bool inside = iy >= 0 && iy < g->h && ix >= 0 && ix < g->w;
    return inside ? get(x[(iy * g->w + ix) * g->c + c]) : 0;
}

/* v[4 p + q][square, c] = sum over r, s < 4 of b[p][r] b[q][s] x[2 sy - pad + r, 2 sx - pad + s, c]
 */
static void winograd_input(const weld_window *g, const void *x, int64_t begin, int64_t end,
                           int64_t plane, void *v_) {
    const int64_t across = (g->ow + 1) / 2;
    real *v = v_;
    for (int64_t i = begin; i < end; i++) {
        const int64_t top = i / across * 2 - g->pad_h, left = i % across * 2 - g->pad_w;
        for (int64_t p = 0; p < 16 * g->c; p++) {
            const int64_t c = p % g->c, element = p / g->c;
            double sum = 0;
            for (int t = 0; t < 16; t++) {
                sum += winograd_b[element / 4][t / 4] * winograd_b[element % 4][t % 4] *
                       element_or_zero(g, x, top + t / 4, left + t % 4, c);
            }
            v[element * plane + (i - begin) * g->c + c] = put(sum);
        }
    }
}

/* y[2 sy + p, 2 sx + q, c] = f(bias[c] + sum over r, s < 4 of a[p][r] a[q][s] m[4 r + s][square,
 * c]) */
static void winograd_output(weld_unary f, const weld_window *g, int64_t n, const void *m_,
                            int64_t plane, const void *bias, int64_t begin, int64_t end, void *y_) {
    const int64_t across = (g->ow + 1) / 2;
    const real *m = m_;
    real *y = y_;
    for (int64_t i = begin; i < end; i++) {
        for (int64_t p = 0; p < 4 * n; p++) {
            const int64_t c = p % n, row = p / n / 2, column = p / n % 2;
            const int64_t oy = i / across * 2 + row, ox = i % across * 2 + column;
            double sum = bias ? (double)((const param *)bias)[c] : 0;
            for (int t = 0; t < 16; t++) {
                sum += winograd_a[row][t / 4] * winograd_a[column][t % 4] *
                       get(m[t * plane + (i - begin) * n + c]);
            }
            if (oy < g->oh && ox < g->ow) {
                real *to = &y[(oy * g->ow + ox) * n + c];
                *to = put(sum);
                *to = f == WELD_IDENTITY ? *to : put(unary_value(f, get(*to)));
            }
        }
    }
}
