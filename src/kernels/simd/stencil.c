/* One row of a depthwise stencil; see stencil.h.
 *
 * One vector of channels goes along the row at a time, several columns at once, each sum in a
 * register. For the 3 x 3 stencil the nine weights stay in registers too and each input is loaded
 * once for all the outputs of the tile that read it; others reload weights, which are in cache. */
#include "kernels/simd/stencil.h"

enum { TILE = 4, WIDE_TILE = 8 };

/* The sum at output column o, some of whose taps lie outside the image. */
V_INLINE void border_column(const stencil *s, int64_t o, int64_t j, vlanes lanes) {
    const int64_t column = s->first + o * s->step;
    const int64_t begin = greatest(0, -column), end = least(s->taps, s->width - column);
    vfloat sum = s->bias ? v_load(s->bias + j, lanes) : v_zero();
    for (int64_t r = 0; r < s->rows; r++) {
        const tvalue *x = s->x + r * s->x_row + column * s->c + j;
        const float *weight = s->weight + r * s->weight_row + j;
        for (int64_t t = begin; t < end; t++) {
            sum =
                v_fma(t_load(x + t * s->c, lanes), v_load(weight + t * s->weight_tap, lanes), sum);
        }
    }
    t_store(s->y + o * s->y_step + j, lanes, sum);
}

/* `columns` outputs from o on, none of them at the border. */
V_INLINE void any_tile(const int columns, const stencil *s, int64_t o, int64_t j, vlanes lanes) {
    vfloat sum[WIDE_TILE];
    const vfloat start = s->bias ? v_load(s->bias + j, lanes) : v_zero();
    V_UNROLL
    for (int i = 0; i < columns; i++) {
        sum[i] = start;
    }
    const int64_t pitch = s->step * s->c;
    for (int64_t r = 0; r < s->rows; r++) {
        const tvalue *x = s->x + r * s->x_row + (s->first + o * s->step) * s->c + j;
        const float *weight = s->weight + r * s->weight_row + j;
        for (int64_t t = 0; t < s->taps; t++, x += s->c, weight += s->weight_tap) {
            const vfloat w = v_load(weight, lanes);
            V_UNROLL
            for (int i = 0; i < columns; i++) {
                sum[i] = v_fma(t_load(x + i * pitch, lanes), w, sum[i]);
            }
        }
    }
    tvalue *y = s->y + o * s->y_step + j;
    V_UNROLL
    for (int i = 0; i < columns; i++) {
        t_store(y + i * s->y_step, lanes, sum[i]);
    }
}

/* The same for 3 x 3 with a stride that is known when compiling. */
V_INLINE void tile_3x3(const int columns, const int step, const stencil *s, int64_t o, int64_t j,
                       vlanes lanes, vfloat weight[3][3], vfloat start) {
    vfloat sum[TILE];
    V_UNROLL
    for (int i = 0; i < columns; i++) {
        sum[i] = start;
    }
    V_UNROLL
    for (int r = 0; r < 3; r++) {
        const tvalue *row = s->x + r * s->x_row + (s->first + o * step) * s->c + j;
        V_UNROLL
        for (int column = 0; column < (columns - 1) * step + 3; column++) {
            const vfloat x = t_load(row + column * s->c, lanes);
            V_UNROLL
            for (int i = 0; i < columns; i++) {
                const int t = column - i * step;
                if (t >= 0 && t < 3) {
                    sum[i] = v_fma(x, weight[r][t], sum[i]);
                }
            }
        }
    }
    tvalue *y = s->y + o * s->y_step + j;
    V_UNROLL
    for (int i = 0; i < columns; i++) {
        t_store(y + i * s->y_step, lanes, sum[i]);
    }
}

V_INLINE void interior_3x3(const int step, const stencil *s, int64_t begin, int64_t end, int64_t j,
                           vlanes lanes, fetching *f) {
    vfloat weight[3][3];
    V_UNROLL
    for (int r = 0; r < 3; r++) {
        V_UNROLL
        for (int t = 0; t < 3; t++) {
            weight[r][t] = v_load(s->weight + r * s->weight_row + t * s->weight_tap + j, lanes);
        }
    }
    const vfloat start = s->bias ? v_load(s->bias + j, lanes) : v_zero();
    int64_t o = begin;
    for (; o + TILE <= end; o += TILE) {
        fetch(f, TILE, step * step);
        tile_3x3(TILE, step, s, o, j, lanes, weight, start);
    }
    for (; o < end; o++) {
        fetch(f, 1, step * step);
        tile_3x3(1, step, s, o, j, lanes, weight, start);
    }
}

V_INLINE void interior_any(const stencil *s, int64_t begin, int64_t end, int64_t j, vlanes lanes,
                           fetching *f) {
    int64_t o = begin;
    for (; o + WIDE_TILE <= end; o += WIDE_TILE) {
        fetch(f, WIDE_TILE, s->ahead_rate);
        any_tile(WIDE_TILE, s, o, j, lanes);
    }
    for (; o + 2 <= end; o += 2) {
        fetch(f, 2, s->ahead_rate);
        any_tile(2, s, o, j, lanes);
    }
    if (o < end) {
        fetch(f, 1, s->ahead_rate);
        any_tile(1, s, o, j, lanes);
    }
}

enum shape { SHAPE_3X3_STEP_1, SHAPE_3X3_STEP_2, SHAPE_ANY };

/* The whole row for one vector of channels. */
V_INLINE void row_of_channels(const enum shape shape, const stencil *s, int64_t begin, int64_t end,
                              int64_t j, vlanes lanes, fetching *f) {
    for (int64_t o = 0; o < begin; o++) {
        fetch(f, 1, s->ahead_rate);
        border_column(s, o, j, lanes);
    }
    if (shape == SHAPE_3X3_STEP_1) {
        interior_3x3(1, s, begin, end, j, lanes, f);
    } else if (shape == SHAPE_3X3_STEP_2) {
        interior_3x3(2, s, begin, end, j, lanes, f);
    } else {
        interior_any(s, begin, end, j, lanes, f);
    }
    for (int64_t o = end; o < s->count; o++) {
        fetch(f, 1, s->ahead_rate);
        border_column(s, o, j, lanes);
    }
}

V_INLINE void row_of_shape(const enum shape shape, const stencil *s) {
    int64_t begin, end;
    stencil_interior(s->first, s->step, s->taps, s->width, s->count, &begin, &end);
    fetching f = {.input = (const char *)s->ahead_x, .output = (const char *)s->ahead_y};
    int64_t j = 0;
    for (; j + V_LANES <= s->c; j += V_LANES) {
        row_of_channels(shape, s, begin, end, j, v_all(), &f);
    }
    if (j < s->c) {
        row_of_channels(shape, s, begin, end, j, v_first(s->c - j), &f);
    }
}

void SIMD(stencil_row)(const stencil *s) {
    if (s->rows == 3 && s->taps == 3 && s->step == 1) {
        row_of_shape(SHAPE_3X3_STEP_1, s);
    } else if (s->rows == 3 && s->taps == 3 && s->step == 2) {
        row_of_shape(SHAPE_3X3_STEP_2, s);
    } else {
        row_of_shape(SHAPE_ANY, s);
    }
}
