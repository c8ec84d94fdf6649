/* The two maps around the products of a convolution by Winograd's F(2 x 2, 3 x 3), as kernels.h
 * says; additions alone. One vector of channels goes through a square in registers. */
#include "kernels/simd/simd.h"
#include "kernels/simd/unary.h"

enum { SIDE = 4 };

/* B d B^T of one vector of channels of a square. `there`: bit 4 r + s where input (r, s) lies in
 * the image; not looked at where all do. */
V_INLINE void input_step(const bool inside, unsigned there, const float *x, int64_t row,
                         int64_t column, vlanes lanes, int64_t plane, float *v) {
    vfloat t[SIDE][SIDE];
    V_UNROLL
    for (int s = 0; s < SIDE; s++, x += column) {
        vfloat d[SIDE];
        V_UNROLL
        for (int r = 0; r < SIDE; r++) {
            d[r] = inside || (there >> (SIDE * r + s) & 1U) ? v_load(x + r * row, lanes) : v_zero();
        }
        t[0][s] = d[0] - d[2];
        t[1][s] = d[1] + d[2];
        t[2][s] = d[2] - d[1];
        t[3][s] = d[1] - d[3];
    }
    V_UNROLL
    for (int p = 0; p < SIDE; p++, v += SIDE * plane) {
        v_store(v, lanes, t[p][0] - t[p][2]);
        v_store(v + plane, lanes, t[p][1] + t[p][2]);
        v_store(v + 2 * plane, lanes, t[p][2] - t[p][1]);
        v_store(v + 3 * plane, lanes, t[p][1] - t[p][3]);
    }
}

V_INLINE void input_square(const bool inside, unsigned there, const weld_window *g, const float *x,
                           int64_t plane, float *v) {
    const int64_t c = g->c, row = g->w * c;
    int64_t j = 0;
    for (; j + V_LANES <= c; j += V_LANES) {
        input_step(inside, there, x + j, row, c, v_all(), plane, v + j);
    }
    if (j < c) {
        input_step(inside, there, x + j, row, c, v_first(c - j), plane, v + j);
    }
}

/* Which of the 4 x 4 inputs from (top, left) on lie in the image. */
static unsigned inputs_there(const weld_window *g, int64_t top, int64_t left) {
    unsigned there = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        const int64_t y = top + i / SIDE, x = left + i % SIDE;
        there |= (unsigned)(y >= 0 && y < g->h && x >= 0 && x < g->w) << i;
    }
    return there;
}

void SIMD(winograd_input)(const weld_window *g, const void *x_, int64_t begin, int64_t end,
                          int64_t plane, void *v_) {
    const int64_t across = (g->ow + 1) / 2;
    const float *x = x_;
    float *v = v_;
    for (int64_t i = begin; i < end; i++, v += g->c) {
        const int64_t top = i / across * 2 - g->pad_h, left = i % across * 2 - g->pad_w;
        const float *from = x + (top * g->w + left) * g->c;
        if (top >= 0 && left >= 0 && top + SIDE <= g->h && left + SIDE <= g->w) {
            input_square(true, 0, g, from, plane, v);
        } else {
            input_square(false, inputs_there(g, top, left), g, from, plane, v);
        }
    }
}

/* Where the results of a square go to; rows and columns of it that the image has. */
typedef struct square {
    float *y;
    int64_t row, column, rows, columns;
} square;

V_INLINE void output_step(const weld_unary f, const float *m, int64_t plane, const float *bias,
                          vlanes lanes, const square *to, int64_t j) {
    vfloat t[2][SIDE];
    V_UNROLL
    for (int s = 0; s < SIDE; s++, m += plane) {
        const vfloat m1 = v_load(m + SIDE * plane, lanes), m2 = v_load(m + 2 * SIDE * plane, lanes);
        t[0][s] = v_load(m, lanes) + m1 + m2;
        t[1][s] = m1 - m2 - v_load(m + 3 * SIDE * plane, lanes);
    }
    const vfloat start = bias ? v_load(bias + j, lanes) : v_zero();
    float *y = to->y + j;
    V_UNROLL
    for (int p = 0; p < 2; p++, y += to->row) {
        const vfloat both = t[p][1] + t[p][2], apart = t[p][1] - t[p][2];
        if (p < to->rows) {
            v_store(y, lanes, v_unary(f, t[p][0] + both + start));
        }
        if (p < to->rows && to->columns > 1) {
            v_store(y + to->column, lanes, v_unary(f, apart - t[p][3] + start));
        }
    }
}

V_INLINE void output_squares(const weld_unary f, const weld_window *g, int64_t n, const float *m,
                             int64_t plane, const float *bias, int64_t begin, int64_t end,
                             float *y) {
    const int64_t across = (g->ow + 1) / 2;
    for (int64_t i = begin; i < end; i++, m += n) {
        const int64_t top = i / across * 2, left = i % across * 2;
        const square to = {y + (top * g->ow + left) * n, g->ow * n, n, g->oh - top, g->ow - left};
        int64_t j = 0;
        for (; j + V_LANES <= n; j += V_LANES) {
            output_step(f, m + j, plane, bias, v_all(), &to, j);
        }
        if (j < n) {
            output_step(f, m + j, plane, bias, v_first(n - j), &to, j);
        }
    }
}

void SIMD(winograd_output)(weld_unary f, const weld_window *g, int64_t n, const void *m,
                           int64_t plane, const void *bias, int64_t begin, int64_t end, void *y) {
    if (f == WELD_IDENTITY) {
        output_squares(WELD_IDENTITY, g, n, m, plane, bias, begin, end, y);
    }
    V_BY_UNARY(f, output_squares(F, g, n, m, plane, bias, begin, end, y));
}
