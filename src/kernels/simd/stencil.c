/* One row of a depthwise stencil; see stencil.h.
 *
 * One vector of channels, or a pair of them, goes along the row at a time, several columns at once,
 * each sum in a register. For the 3 x 3 stencil the nine weights stay in registers too and each
 * input is loaded once for all the outputs of the tile that read it; others reload weights, which
 * are in cache. */
#include "kernels/simd/stencil.h"

enum { TILE = STENCIL_TILE, WIDE_TILE = 8 };

/* The sum at output column o, some of whose taps lie outside the image. */
V_INLINE void border_column(const stencil *s, int64_t o, int64_t j, vspan lanes) {
    const int64_t column = s->first + o * s->step;
    const int64_t apart = s->apart, before = greatest(0, -column), room = s->width - column;
    const int64_t begin = (before + apart - 1) / apart;
    const int64_t end = least(s->taps, (room + apart - 1) / apart);
    vpair sum = s->bias ? v_load_pair(s->bias + j, lanes) : v_set_pair(0);
    for (int64_t r = 0; r < s->rows; r++) {
        const tvalue *x = s->x + r * s->x_row + column * s->c + j;
        const float *weight = s->weight + r * s->weight_row + j;
        for (int64_t t = begin; t < end; t++) {
            sum = v_fma_pair(t_load_pair(x + t * apart * s->c, lanes),
                             v_load_pair(weight + t * s->weight_tap, lanes), sum);
        }
    }
    t_store_pair(s->y + o * s->y_step + j, lanes, sum);
}

/* `columns` outputs from o on, none of them at the border. */
V_INLINE void any_tile(const int columns, const stencil *s, int64_t o, int64_t j, vspan lanes) {
    vpair sum[WIDE_TILE];
    const vpair start = s->bias ? v_load_pair(s->bias + j, lanes) : v_set_pair(0);
    V_UNROLL
    for (int i = 0; i < columns; i++) {
        sum[i] = start;
    }
    const int64_t pitch = s->step * s->c;
    for (int64_t r = 0; r < s->rows; r++) {
        const tvalue *x = s->x + r * s->x_row + (s->first + o * s->step) * s->c + j;
        const float *weight = s->weight + r * s->weight_row + j;
        for (int64_t t = 0; t < s->taps; t++, x += s->apart * s->c, weight += s->weight_tap) {
            const vpair w = v_load_pair(weight, lanes);
            V_UNROLL
            for (int i = 0; i < columns; i++) {
                sum[i] = v_fma_pair(t_load_pair(x + i * pitch, lanes), w, sum[i]);
            }
        }
    }
    tvalue *y = s->y + o * s->y_step + j;
    V_UNROLL
    for (int i = 0; i < columns; i++) {
        t_store_pair(y + i * s->y_step, lanes, sum[i]);
    }
}

/* Which taps of a row lie inside the image: [begin, end), known when compiling. */
typedef struct tap_range {
    int begin, end;
} tap_range;

/* `columns` outputs of a stencil of 3 taps a row, x pointing to tap (0, 0) of the first. All but
 * s, x and y are known when compiling. */
V_INLINE void tile_of_3(const int rows, const int columns, const int step, const tap_range taps,
                        const stencil *s, const tvalue *x, tvalue *y, vspan lanes,
                        vpair weight[3][3], vpair start) {
    vpair sum[TILE];
    V_UNROLL
    for (int i = 0; i < columns; i++) {
        sum[i] = start;
    }
    V_UNROLL
    for (int column = taps.begin; column < (columns - 1) * step + taps.end; column++) {
        V_UNROLL
        for (int r = 0; r < rows; r++) {
            const vpair in = v_hold_pair(t_load_pair(x + r * s->x_row + column * s->c, lanes));
            V_UNROLL
            for (int i = 0; i < columns; i++) {
                const int t = column - i * step;
                if (t >= taps.begin && t < taps.end) {
                    sum[i] = v_fma_pair(in, weight[r][t], sum[i]);
                }
            }
        }
    }
    V_UNROLL
    for (int i = 0; i < columns; i++) {
        t_store_pair(y + i * s->y_step, lanes, sum[i]);
    }
}

/* A whole row of 3 taps a row, for one vector of channels: at most one output at either end has a
 * tap outside. */
V_INLINE void row_of_3(const int rows, const int step, const stencil *s, int64_t begin, int64_t end,
                       int64_t j, vspan lanes, fetching *f) {
    const tap_range inner = {0, 3}, left = {1, 3}, right = {0, 2};
    vpair weight[3][3];
    V_UNROLL
    for (int r = 0; r < rows; r++) {
        V_UNROLL
        for (int t = 0; t < 3; t++) {
            weight[r][t] =
                v_load_pair(s->weight + r * s->weight_row + t * s->weight_tap + j, lanes);
        }
    }
    const vpair start = s->bias ? v_load_pair(s->bias + j, lanes) : v_set_pair(0);
    const int64_t pitch = step * s->c;
    const tvalue *x = s->x + s->first * s->c + j;
    tvalue *y = s->y + j;
    if (begin > 0) {
        fetch(f, lanes, 1, step * step);
        tile_of_3(rows, 1, step, left, s, x, y, lanes, weight, start);
        x += pitch;
        y += s->y_step;
    }
    int64_t o = begin;
    for (; o + TILE <= end; o += TILE, x += TILE * pitch, y += TILE * s->y_step) {
        fetch(f, lanes, TILE, step * step);
        tile_of_3(rows, TILE, step, inner, s, x, y, lanes, weight, start);
    }
    for (; o + 2 <= end; o += 2, x += 2 * pitch, y += 2 * s->y_step) {
        fetch(f, lanes, 2, step * step);
        tile_of_3(rows, 2, step, inner, s, x, y, lanes, weight, start);
    }
    if (o < end) {
        fetch(f, lanes, 1, step * step);
        tile_of_3(rows, 1, step, inner, s, x, y, lanes, weight, start);
        x += pitch;
        y += s->y_step;
    }
    if (end < s->count) {
        fetch(f, lanes, 1, step * step);
        tile_of_3(rows, 1, step, right, s, x, y, lanes, weight, start);
    }
}

V_INLINE void interior_any(const stencil *s, int64_t begin, int64_t end, int64_t j, vspan lanes,
                           fetching *f) {
    int64_t o = begin;
    for (; o + WIDE_TILE <= end; o += WIDE_TILE) {
        fetch(f, lanes, WIDE_TILE, s->ahead_rate);
        any_tile(WIDE_TILE, s, o, j, lanes);
    }
    for (; o + 2 <= end; o += 2) {
        fetch(f, lanes, 2, s->ahead_rate);
        any_tile(2, s, o, j, lanes);
    }
    if (o < end) {
        fetch(f, lanes, 1, s->ahead_rate);
        any_tile(1, s, o, j, lanes);
    }
}

/* The whole row for one vector of channels, of any shape. */
V_INLINE void row_of_any(const stencil *s, int64_t begin, int64_t end, int64_t j, vspan lanes,
                         fetching *f) {
    for (int64_t o = 0; o < begin; o++) {
        fetch(f, lanes, 1, s->ahead_rate);
        border_column(s, o, j, lanes);
    }
    interior_any(s, begin, end, j, lanes, f);
    for (int64_t o = end; o < s->count; o++) {
        fetch(f, lanes, 1, s->ahead_rate);
        border_column(s, o, j, lanes);
    }
}

/* rows 0: any shape */
V_INLINE void row_of_channels(const int rows, const int step, const stencil *s, int64_t begin,
                              int64_t end, int64_t j, vspan lanes, fetching *f) {
    if (rows > 0) {
        row_of_3(rows, step, s, begin, end, j, lanes, f);
    } else {
        row_of_any(s, begin, end, j, lanes, f);
    }
}

V_INLINE void row_of_shape(const int rows, const int step, const stencil *given, int64_t begin,
                           int64_t end) {
    const stencil copy = *given, *s = &copy; /* out of reach of the stores: stays in registers */
    fetching f = {.input = (const char *)s->ahead_x, .output = (const char *)s->ahead_y};
    V_EACH_STEP(s->c, row_of_channels(rows, step, s, begin, end, j, span, &f));
}

void SIMD(stencil_row)(const stencil *s) {
    int64_t begin, end;
    const int64_t extent = s->taps > 0 ? (s->taps - 1) * s->apart + 1 : 0;
    stencil_interior(s->first, s->step, extent, s->width, s->count, &begin, &end);
    const int64_t last = s->first + (s->count - 1) * s->step; /* column of its first tap */
    const bool fits =
        s->taps == 3 && s->apart == 1 && s->first >= -1 && last + 2 <= s->width && begin < end;
    if (fits && s->rows == 3 && s->step == 1) {
        row_of_shape(3, 1, s, begin, end);
    } else if (fits && s->rows == 2 && s->step == 1) {
        row_of_shape(2, 1, s, begin, end);
    } else if (fits && s->rows == 3 && s->step == 2) {
        row_of_shape(3, 2, s, begin, end);
    } else if (fits && s->rows == 2 && s->step == 2) {
        row_of_shape(2, 2, s, begin, end);
    } else {
        row_of_shape(0, 0, s, begin, end);
    }
}
