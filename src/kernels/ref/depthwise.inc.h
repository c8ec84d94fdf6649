/* Depthwise convolution of one image, reference; included by ref.inc.h.
 *
 * Taps (kernels.h, weld_window) count where they lie inside the image. A stretch of channels is
 * summed at a time, as in gemm.inc.h. */

/* sum[count] += x[count] weight[count] */
static void add_channel_products(int64_t count, const real *x, const param *weight,
                                 double sum[COLUMNS]) {
    for (int64_t j = 0; j < count; j++) {
        sum[j] += get(x[j]) * weight[j];
    }
}

/* y[c0 ... c0 + count) = bias + sum over ky, kx of x[iy, ix] weight[ky, kx], of one position */
static void depthwise_position(const weld_window *g, const real *x, const param *weight,
                               const param *bias, int64_t oy, int64_t ox, int64_t c0, int64_t count,
                               real *y) {
    double sum[COLUMNS];
    for (int64_t j = 0; j < count; j++) {
        sum[j] = bias ? (double)bias[c0 + j] : 0.0;
    }
    for (int64_t ky = 0; ky < g->kernel_h; ky++) {
        const int64_t iy = oy * g->stride_h - g->pad_h + ky * g->dilation_h;
        for (int64_t kx = 0; kx < g->kernel_w; kx++) {
            const int64_t ix = ox * g->stride_w - g->pad_w + kx * g->dilation_w;
            if (iy >= 0 && iy < g->h && ix >= 0 && ix < g->w) {
                add_channel_products(count, x + (iy * g->w + ix) * g->c + c0,
                                     weight + (ky * g->kernel_w + kx) * g->c + c0, sum);
            }
        }
    }
    for (int64_t j = 0; j < count; j++) {
        y[(oy * g->ow + ox) * g->c + c0 + j] = put(sum[j]);
    }
}

/* y[oh, ow, c] = bias[c] + sum over ky, kx of x[iy, ix, c] weight[ky, kx, c]; some output rows */
static void depthwise(const weld_window *g, const void *x, const void *weight, const void *bias,
                      int64_t row_begin, int64_t row_end, void *y) {
    for (int64_t oy = row_begin; oy < row_end; oy++) {
        for (int64_t ox = 0; ox < g->ow; ox++) {
            for (int64_t c0 = 0; c0 < g->c; c0 += COLUMNS) {
                depthwise_position(g, x, weight, bias, oy, ox, c0, least(COLUMNS, g->c - c0), y);
            }
        }
    }
}

/* The output position that reads input position `i` through the tap `offset` from the window's
 * first, -1 where there is none. */
static int64_t output_reading(int64_t i, int64_t offset, int64_t stride, int64_t pad,
                              int64_t outputs) {
    const int64_t scaled = i + pad - offset;
    if (scaled < 0 || scaled % stride != 0 || scaled / stride >= outputs) {
        return -1;
    }
    return scaled / stride;
}

/* dx[c0 ... c0 + count) = sum over ky, kx of dy[oy, ox] weight[ky, kx], of one position */
static void depthwise_input_position(const weld_window *g, const real *dy, const param *weight,
                                     int64_t iy, int64_t ix, int64_t c0, int64_t count, real *dx) {
    double sum[COLUMNS] = {0};
    for (int64_t ky = 0; ky < g->kernel_h; ky++) {
        const int64_t oy = output_reading(iy, ky * g->dilation_h, g->stride_h, g->pad_h, g->oh);
        for (int64_t kx = 0; kx < g->kernel_w; kx++) {
            const int64_t ox = output_reading(ix, kx * g->dilation_w, g->stride_w, g->pad_w, g->ow);
            if (oy >= 0 && ox >= 0) {
                add_channel_products(count, dy + (oy * g->ow + ox) * g->c + c0,
                                     weight + (ky * g->kernel_w + kx) * g->c + c0, sum);
            }
        }
    }
    for (int64_t j = 0; j < count; j++) {
        dx[(iy * g->w + ix) * g->c + c0 + j] = put(sum[j]);
    }
}

/* dx[h, w, c] = sum over the outputs reading it of dy[oy, ox, c] weight[ky, kx, c]; some input rows
 */
static void depthwise_input_grad(const weld_window *g, const void *dy, const void *weight,
                                 int64_t row_begin, int64_t row_end, void *dx) {
    for (int64_t iy = row_begin; iy < row_end; iy++) {
        for (int64_t ix = 0; ix < g->w; ix++) {
            for (int64_t c0 = 0; c0 < g->c; c0 += COLUMNS) {
                depthwise_input_position(g, dy, weight, iy, ix, c0, least(COLUMNS, g->c - c0), dx);
            }
        }
    }
}

/* dweight[c0 ... c0 + count) += sum over oy, ox of dy[oy, ox] x[iy, ix], of one tap */
static void depthwise_weight_tap(const weld_window *g, const real *x, const real *dy,
                                 int64_t row_begin, int64_t row_end, int64_t ky, int64_t kx,
                                 int64_t c0, int64_t count, param *dweight) {
    double sum[COLUMNS] = {0};
    for (int64_t oy = row_begin; oy < row_end; oy++) {
        const int64_t iy = oy * g->stride_h - g->pad_h + ky * g->dilation_h;
        for (int64_t ox = 0; ox < g->ow; ox++) {
            const int64_t ix = ox * g->stride_w - g->pad_w + kx * g->dilation_w;
            if (iy >= 0 && iy < g->h && ix >= 0 && ix < g->w) {
                const real *a = dy + (oy * g->ow + ox) * g->c + c0;
                const real *b = x + (iy * g->w + ix) * g->c + c0;
                for (int64_t j = 0; j < count; j++) {
                    sum[j] += get(a[j]) * get(b[j]);
                }
            }
        }
    }
    for (int64_t j = 0; j < count; j++) {
        param *out = dweight + (ky * g->kernel_w + kx) * g->c + c0 + j;
        *out = (param)(*out + sum[j]);
    }
}

/* dweight[ky, kx, c] += sum over oy, ox of dy[oy, ox, c] x[iy, ix, c]; of some output rows */
static void depthwise_weight_grad(const weld_window *g, const void *x, const void *dy,
                                  int64_t row_begin, int64_t row_end, void *dweight) {
    for (int64_t ky = 0; ky < g->kernel_h; ky++) {
        for (int64_t kx = 0; kx < g->kernel_w; kx++) {
            for (int64_t c0 = 0; c0 < g->c; c0 += COLUMNS) {
                depthwise_weight_tap(g, x, dy, row_begin, row_end, ky, kx, c0,
                                     least(COLUMNS, g->c - c0), dweight);
            }
        }
    }
}
