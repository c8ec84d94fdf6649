/* The passes of resizing in plain C; see loops.h. */
#include "images/loops.h"

static uint8_t to_byte(int32_t sum) {
    sum >>= WELD_RESIZE_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static uint8_t filter(const uint8_t *in, size_t step, const int32_t *weights, int count) {
    int32_t sum = 1 << (WELD_RESIZE_BITS - 1);
    for (int k = 0; k < count; k++) {
        sum += weights[k] * in[(size_t)k * step];
    }
    return to_byte(sum);
}

void weld_resize_across_ref(const uint8_t *in, size_t stride, int rows, const weld_resize_axis *a,
                            int width, uint8_t *out, size_t out_stride) {
    for (int y = 0; y < rows; y++, in += stride, out += out_stride) {
        for (int x = 0; x < width; x++) {
            const uint8_t *from = in + (size_t)a->spans[x].first * 3;
            const int32_t *weights = a->weights + (size_t)x * (size_t)a->taps;
            for (int c = 0; c < 3; c++) {
                out[3 * x + c] = filter(from + c, 3, weights, a->spans[x].count);
            }
        }
    }
}

void weld_resize_down_ref(const uint8_t *in, size_t stride, const weld_resize_axis *a, int i,
                          int bytes, uint8_t *out) {
    const int32_t *weights = a->weights + (size_t)i * (size_t)a->taps;
    for (int x = 0; x < bytes; x++) {
        out[x] = filter(in + x, stride, weights, a->spans[i].count);
    }
}
