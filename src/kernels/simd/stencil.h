/* One output row of a depthwise convolution, or of one phase of its input gradient: both are
 *
 *   y[o * y_step] = bias + sum over r < rows, t < taps of x_r[o * step + first + t * apart] w_rt
 *
 * for o < count, where x_r is row r of an image `width` columns wide, columns outside it count as
 * zero, and each column is a vector of c channels. */
#ifndef WELD_KERNELS_SIMD_STENCIL_H
#define WELD_KERNELS_SIMD_STENCIL_H

#include "kernels/simd/vector.h"

/* Where 32 registers hold nine pairs of weights and the sums of a few columns, bf16 goes by pairs
 * of vectors; else by single ones. STENCIL_TILE: columns whose sums fit the registers beside the
 * weights. STEP_BYTES: of one column of a step. */
#if defined(WELD_SIMD_BF16) && V_TILE_ROWS_3 >= 8
enum { STENCIL_PAIRS = true, STENCIL_TILE = 4, STEP_BYTES = 64 };
#define V_EACH_STEP V_EACH_PAIR
#else
enum {
    STENCIL_PAIRS = false,
    STENCIL_TILE = V_TILE_ROWS_3 >= 8 ? 6 : 4,
    STEP_BYTES = sizeof(tvalue) == sizeof(float) ? 64 : V_LANES * sizeof(tvalue)
};
#define V_EACH_STEP V_EACH_VECTOR
#endif

typedef struct stencil {
    int64_t c;
    int64_t rows, taps; /* taps of one row */
    const tvalue *x;
    int64_t x_row, width; /* elements from one x_r to the next; columns */
    int64_t first, step;  /* columns */
    int64_t apart;        /* columns from one tap to the next */
    const float *weight;
    int64_t weight_row, weight_tap; /* elements from one to the next */
    const float *bias;              /* or NULL */
    tvalue *y;
    int64_t y_step, count;           /* elements, columns */
    const tvalue *ahead_x, *ahead_y; /* what the next row will want, to be fetched meanwhile */
    int64_t ahead_rate;              /* of x, columns for each output column */
} stencil;

/* Memory that the next rows will want, fetched while these are computed: the way along a row with a
 * stride of all channels is not one that the processor foresees. Into the second-level cache: the
 * first has no room for a row more. */
typedef struct fetching {
    const char *input, *output; /* x; and y, or dy in the weight gradient */
} fetching;

/* Fetches what belongs to `columns` outputs of one step of channels: `rate` inputs for each. */
V_INLINE void fetch(fetching *f, vspan lanes, int64_t columns, int64_t rate) {
    const size_t step = STENCIL_PAIRS && lanes.one ? STEP_BYTES / 2 : STEP_BYTES;
    V_UNROLL
    for (int64_t i = 0; i < columns; i++, f->output += step) {
        __builtin_prefetch(f->output, 0, 2);
    }
    for (int64_t i = 0; i < columns * rate; i++, f->input += step) {
        __builtin_prefetch(f->input, 0, 2);
    }
}

/* Output columns whose taps, over `extent` columns, all lie inside the image: [*begin, *end). */
V_INLINE void stencil_interior(int64_t first, int64_t step, int64_t extent, int64_t width,
                               int64_t count, int64_t *begin, int64_t *end) {
    const int64_t room = width - extent - first; /* o * step <= room */
    *begin = least(count, first < 0 ? (-first + step - 1) / step : 0);
    *end = room < 0 ? 0 : least(count, room / step + 1);
    *end = greatest(*begin, *end);
}

/* Writes the whole row. */
void SIMD(stencil_row)(const stencil *s);

#endif
