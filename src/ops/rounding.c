/* See rounding.h. Adding and taking away 1.5 * 2^23 (2^52) rounds what is much smaller to the
 * nearest even. A NaN stays one. */
#include "ops/rounding.h"

#define DEFINE_ROUND(name, type, magic)                                                            \
    static void name(int64_t n, const weld_rounding *r, const type *x, type *y) {                  \
        const type scale = (type)r->scale, low = (type)r->low, high = (type)r->high;               \
        for (int64_t i = 0; i < n; i++) {                                                          \
            type t = x[i] / scale;                                                                 \
            t = t < low ? low : t;                                                                 \
            t = t > high ? high : t;                                                               \
            y[i] = ((t + (magic)) - (magic)) * scale;                                              \
        }                                                                                          \
    }

DEFINE_ROUND(round_f32, float, 12582912.0f)
DEFINE_ROUND(round_f64, double, 6755399441055744.0)

void weld_round_to_codes(weld_dtype dtype, int64_t n, const weld_rounding *r, const void *x,
                         void *y) {
    if (dtype == WELD_F64) {
        round_f64(n, r, x, y);
    } else {
        round_f32(n, r, x, y);
    }
}
