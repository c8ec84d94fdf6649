/* Depthwise convolution of one image and its input gradient, row by row as stencils (stencil.h).
 *
 * The input gradient is a convolution again. With stride s an input position gets something only
 * from the taps of its own residue modulo s, so each residue of rows and of columns is a stencil of
 * step 1 over dy with every s-th tap, taken backwards; nothing is tested inside. */
#include "kernels/simd/simd.h"
#include "kernels/simd/stencil.h"

void SIMD(depthwise)(const weld_window *g, const void *x_, const void *weight_, const void *bias,
                     int64_t row_begin, int64_t row_end, void *y_) {
    const tvalue *x = x_;
    const float *weight = weight_;
    tvalue *y = y_;
    stencil s = {.c = g->c,
                 .taps = g->kernel_w,
                 .x_row = g->w * g->c,
                 .width = g->w,
                 .first = -g->pad_w,
                 .step = g->stride_w,
                 .weight_row = g->kernel_w * g->c,
                 .weight_tap = g->c,
                 .bias = bias,
                 .y_step = g->c,
                 .count = g->ow,
                 .ahead_rate = g->stride_h * g->stride_w};
    for (int64_t row = row_begin; row < row_end; row++) {
        const int64_t top = row * g->stride_h - g->pad_h;
        const int64_t begin = greatest(0, -top), end = least(g->kernel_h, g->h - top);
        s.rows = greatest(0, end - begin);
        s.x = x + (top + begin) * s.x_row;
        s.weight = weight + begin * s.weight_row;
        s.y = y + row * g->ow * g->c;
        s.ahead_x = s.x + s.rows * s.x_row;
        s.ahead_y = s.y + g->ow * g->c;
        SIMD(stencil_row)(&s);
    }
}

/* Along one axis, the taps that reach input position i: tap `last` - t * stride from output
 * position `first` + t, for t in [0, taps); positions may lie outside. */
typedef struct phase {
    int64_t first, last, taps;
} phase;

static phase phase_of(int64_t i, int64_t kernel, int64_t stride, int64_t pad) {
    const int64_t residue = (i + pad) % stride;
    const int64_t taps = residue < kernel ? (kernel - 1 - residue) / stride + 1 : 0;
    return (phase){.first = (i + pad) / stride - (taps - 1),
                   .last = residue + (taps - 1) * stride,
                   .taps = taps};
}

/* One row of dx: `vertical` says which rows of dy and of the kernel reach it. */
static void input_grad_row(const weld_window *g, phase vertical, const tvalue *dy,
                           const float *weight, tvalue *dx) {
    const int64_t begin = greatest(0, -vertical.first);
    const int64_t end = least(vertical.taps, g->oh - vertical.first);
    for (int64_t residue = 0; residue < least(g->stride_w, g->w); residue++) {
        const phase horizontal = phase_of(residue, g->kernel_w, g->stride_w, g->pad_w);
        const int64_t row = vertical.last - begin * g->stride_h;
        const stencil s = {.c = g->c,
                           .rows = greatest(0, end - begin),
                           .taps = horizontal.taps,
                           .x = dy + (vertical.first + begin) * g->ow * g->c,
                           .x_row = g->ow * g->c,
                           .width = g->ow,
                           .first = horizontal.first,
                           .step = 1,
                           .weight = weight + (row * g->kernel_w + horizontal.last) * g->c,
                           .weight_row = -g->stride_h * g->kernel_w * g->c,
                           .weight_tap = -g->stride_w * g->c,
                           .y = dx + residue * g->c,
                           .y_step = g->stride_w * g->c,
                           .count = (g->w - 1 - residue) / g->stride_w + 1,
                           .ahead_x = dy + (vertical.first + end) * g->ow * g->c,
                           .ahead_y = dx + (g->w + residue * g->w / g->stride_w) * g->c,
                           .ahead_rate = g->stride_h * g->stride_w == 1};
        SIMD(stencil_row)(&s);
    }
}

void SIMD(depthwise_input_grad)(const weld_window *g, const void *dy, const void *weight,
                                int64_t row_begin, int64_t row_end, void *dx_) {
    tvalue *dx = dx_;
    for (int64_t row = row_begin; row < row_end; row++) {
        const phase vertical = phase_of(row, g->kernel_h, g->stride_h, g->pad_h);
        input_grad_row(g, vertical, dy, weight, dx + row * g->w * g->c);
    }
}
