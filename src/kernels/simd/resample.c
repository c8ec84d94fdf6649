/* Resampling of one image: each output position is a sum of a few of the input's, with one weight
 * for all channels. */
#include "kernels/simd/simd.h"

/* A pair of vectors of channels of one output; x points to these channels of input (0, 0). */
V_INLINE void resample_step(const weld_resampling *g, int64_t p, int64_t q, const tvalue *x,
                            vspan span, tvalue *y) {
    const weld_taps *rows = &g->rows, *columns = &g->columns;
    vpair sum = v_set_pair(0);
    for (int64_t i = rows->first[p]; i < rows->first[p + 1]; i++) {
        const tvalue *row = x + rows->from[i] * g->w * g->c;
        for (int64_t j = columns->first[q]; j < columns->first[q + 1]; j++) {
            const vpair weight = v_set_pair((float)(rows->weight[i] * columns->weight[j]));
            sum = v_fma_pair(weight, t_load_pair(row + columns->from[j] * g->c, span), sum);
        }
    }
    t_store_pair(y, span, sum);
}

void SIMD(resample)(const weld_resampling *given, const void *x_, int64_t row_begin,
                    int64_t row_end, void *y_) {
    const weld_resampling copy = *given, *g = &copy; /* out of reach of the stores */
    const tvalue *x = x_;
    tvalue *y = (tvalue *)y_ + row_begin * g->ow * g->c;
    for (int64_t p = row_begin; p < row_end; p++) {
        for (int64_t q = 0; q < g->ow; q++, y += g->c) {
            V_EACH_PAIR(g->c, resample_step(g, p, q, x + j, span, y + j));
        }
    }
}
