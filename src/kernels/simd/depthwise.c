/* Depthwise convolution of one image and its input gradient, row by row as stencils (stencil.h).
 *
 * The input gradient is a convolution again. With stride s an input position gets something only
 * from the taps of its own residue modulo s, so each residue of rows and of columns is a stencil of
 * step 1 over dy with every s-th tap, taken backwards; nothing is tested inside. With dilation d as
 * well these are every s/g-th tap, d/g positions of dy apart, for g their greatest common divisor,
 * and none where the residue is no multiple of g. */
#include "kernels/simd/simd.h"
#include "kernels/simd/stencil.h"

void SIMD(depthwise)(const weld_window *g, const void *x_, const void *weight_, const void *bias,
                     int64_t row_begin, int64_t row_end, void *y_) {
    const tvalue *x = x_;
    const float *weight = weight_;
    tvalue *y = y_;
    stencil s = {.c = g->c,
                 .taps = g->kernel_w,
                 .x_row = g->dilation_h * g->w * g->c,
                 .width = g->w,
                 .first = -g->pad_w,
                 .step = g->stride_w,
                 .apart = g->dilation_w,
                 .weight_row = g->kernel_w * g->c,
                 .weight_tap = g->c,
                 .bias = bias,
                 .y_step = g->c,
                 .count = g->ow,
                 .ahead_rate = g->stride_h * g->stride_w};
    for (int64_t row = row_begin; row < row_end; row++) {
        const int64_t top = row * g->stride_h - g->pad_h;
        const int64_t apart = g->dilation_h, begin = (greatest(0, -top) + apart - 1) / apart;
        const int64_t end = least(g->kernel_h, (g->h - top + apart - 1) / apart);
        s.rows = greatest(0, end - begin);
        s.x = x + (top + begin * apart) * g->w * g->c;
        s.weight = weight + begin * s.weight_row;
        s.y = y + row * g->ow * g->c;
        s.ahead_x = s.x + s.rows * s.x_row;
        s.ahead_y = s.y + g->ow * g->c;
        SIMD(stencil_row)(&s);
    }
}

/* Along one axis, the taps that reach input position i: tap `last` - t * stride from output
 * position `first` + t * apart, for t in [0, taps); positions may lie outside. */
typedef struct phase {
    int64_t first, last, taps, stride, apart;
} phase;

static int64_t common_divisor(int64_t a, int64_t b) {
    return b == 0 ? a : common_divisor(b, a % b);
}

static phase phase_of(int64_t i, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    const int64_t divisor = common_divisor(stride, dilation), at = i + pad;
    phase p = {.stride = stride / divisor, .apart = dilation / divisor};
    int64_t tap = 0; /* the first of the residue */
    while (tap < p.stride && (at - tap * dilation) % stride != 0) {
        tap++;
    }
    p.taps = tap < p.stride && tap < kernel ? (kernel - 1 - tap) / p.stride + 1 : 0;
    p.last = tap + (p.taps - 1) * p.stride;
    p.first = p.taps > 0 ? (at - p.last * dilation) / stride : 0;
    return p;
}

/* Which of the taps have their positions in [0, size): [*begin, *end). */
static void phase_inside(const phase *p, int64_t size, int64_t *begin, int64_t *end) {
    *begin = (greatest(0, -p->first) + p->apart - 1) / p->apart;
    *end = greatest(*begin, least(p->taps, (size - p->first + p->apart - 1) / p->apart));
}

/* One row of dx: `vertical` says which rows of dy and of the kernel reach it. */
static void input_grad_row(const weld_window *g, phase vertical, const tvalue *dy,
                           const float *weight, tvalue *dx) {
    int64_t begin, end;
    phase_inside(&vertical, g->oh, &begin, &end);
    for (int64_t residue = 0; residue < least(g->stride_w, g->w); residue++) {
        const phase horizontal =
            phase_of(residue, g->kernel_w, g->stride_w, g->pad_w, g->dilation_w);
        const int64_t row = vertical.last - begin * vertical.stride;
        const stencil s = {.c = g->c,
                           .rows = end - begin,
                           .taps = horizontal.taps,
                           .x = dy + (vertical.first + begin * vertical.apart) * g->ow * g->c,
                           .x_row = vertical.apart * g->ow * g->c,
                           .width = g->ow,
                           .first = horizontal.first,
                           .step = 1,
                           .apart = horizontal.apart,
                           .weight = weight + (row * g->kernel_w + horizontal.last) * g->c,
                           .weight_row = -vertical.stride * g->kernel_w * g->c,
                           .weight_tap = -horizontal.stride * g->c,
                           .y = dx + residue * g->c,
                           .y_step = g->stride_w * g->c,
                           .count = (g->w - 1 - residue) / g->stride_w + 1,
                           .ahead_x = dy + (vertical.first + end * vertical.apart) * g->ow * g->c,
                           .ahead_y = dx + (g->w + residue * g->w / g->stride_w) * g->c,
                           .ahead_rate = g->stride_h * g->stride_w == 1};
        SIMD(stencil_row)(&s);
    }
}

void SIMD(depthwise_input_grad)(const weld_window *g, const void *dy, const void *weight,
                                int64_t row_begin, int64_t row_end, void *dx_) {
    tvalue *dx = dx_;
    for (int64_t row = row_begin; row < row_end; row++) {
        const phase vertical = phase_of(row, g->kernel_h, g->stride_h, g->pad_h, g->dilation_h);
        input_grad_row(g, vertical, dy, weight, dx + row * g->w * g->c);
    }
}
