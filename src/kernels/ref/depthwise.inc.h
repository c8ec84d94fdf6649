/* Depthwise convolution of one image, reference; included by ref.inc.h.
 *
 * Output (oy, ox) reads input (oy stride_h - pad_h + ky, ox stride_w - pad_w + kx), where that lies
 * inside the image. */

/* y[oh, ow, c] = bias[c] + sum over ky, kx of x[iy, ix, c] weight[ky, kx, c]; some output rows */
static void depthwise(const weld_window *g, const void *x_, const void *weight_, const void *bias_,
                      int64_t row_begin, int64_t row_end, void *y_) {
    const real *x = x_, *weight = weight_, *bias = bias_;
    real *y = y_;
    for (int64_t oy = row_begin; oy < row_end; oy++) {
        for (int64_t ox = 0; ox < g->ow; ox++) {
            for (int64_t c = 0; c < g->c; c++) {
                double sum = bias ? (double)bias[c] : 0.0;
                for (int64_t ky = 0; ky < g->kernel_h; ky++) {
                    const int64_t iy = oy * g->stride_h - g->pad_h + ky;
                    for (int64_t kx = 0; kx < g->kernel_w; kx++) {
                        const int64_t ix = ox * g->stride_w - g->pad_w + kx;
                        if (iy >= 0 && iy < g->h && ix >= 0 && ix < g->w) {
                            sum += (double)x[(iy * g->w + ix) * g->c + c] *
                                   weight[(ky * g->kernel_w + kx) * g->c + c];
                        }
                    }
                }
                y[(oy * g->ow + ox) * g->c + c] = (real)sum;
            }
        }
    }
}

/* The output position that reads input position `i` through tap `k`, -1 where there is none. */
static int64_t output_reading(int64_t i, int64_t k, int64_t stride, int64_t pad, int64_t outputs) {
    const int64_t scaled = i + pad - k;
    if (scaled < 0 || scaled % stride != 0 || scaled / stride >= outputs) {
        return -1;
    }
    return scaled / stride;
}

/* dx[h, w, c] = sum over (oy, ky), (ox, kx) reading it of dy[oy, ox, c] weight[ky, kx, c]; some
 * input rows */
static void depthwise_input_grad(const weld_window *g, const void *dy_, const void *weight_,
                                 int64_t row_begin, int64_t row_end, void *dx_) {
    const real *dy = dy_, *weight = weight_;
    real *dx = dx_;
    for (int64_t iy = row_begin; iy < row_end; iy++) {
        for (int64_t ix = 0; ix < g->w; ix++) {
            for (int64_t c = 0; c < g->c; c++) {
                double sum = 0;
                for (int64_t ky = 0; ky < g->kernel_h; ky++) {
                    const int64_t oy = output_reading(iy, ky, g->stride_h, g->pad_h, g->oh);
                    for (int64_t kx = 0; oy >= 0 && kx < g->kernel_w; kx++) {
                        const int64_t ox = output_reading(ix, kx, g->stride_w, g->pad_w, g->ow);
                        if (ox >= 0) {
                            sum += (double)dy[(oy * g->ow + ox) * g->c + c] *
                                   weight[(ky * g->kernel_w + kx) * g->c + c];
                        }
                    }
                }
                dx[(iy * g->w + ix) * g->c + c] = (real)sum;
            }
        }
    }
}

/* dweight[ky, kx, c] += sum over oy, ox of dy[oy, ox, c] x[iy, ix, c]; of some output rows */
static void depthwise_weight_grad(const weld_window *g, const void *x_, const void *dy_,
                                  int64_t row_begin, int64_t row_end, void *dweight_) {
    const real *x = x_, *dy = dy_;
    real *dweight = dweight_;
    for (int64_t ky = 0; ky < g->kernel_h; ky++) {
        for (int64_t kx = 0; kx < g->kernel_w; kx++) {
            for (int64_t c = 0; c < g->c; c++) {
                double sum = 0;
                for (int64_t oy = row_begin; oy < row_end; oy++) {
                    const int64_t iy = oy * g->stride_h - g->pad_h + ky;
                    for (int64_t ox = 0; iy >= 0 && iy < g->h && ox < g->ow; ox++) {
                        const int64_t ix = ox * g->stride_w - g->pad_w + kx;
                        if (ix >= 0 && ix < g->w) {
                            sum += (double)dy[(oy * g->ow + ox) * g->c + c] *
                                   x[(iy * g->w + ix) * g->c + c];
                        }
                    }
                }
                real *out = dweight + (ky * g->kernel_w + kx) * g->c + c;
                *out = (real)(*out + sum);
            }
        }
    }
}
