/* The passes of resizing with NEON; see loops.h. Products and their sums fit 32 bits. */
#include "images/loops.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

/* Sums to values of a byte, of 16 bits each. */
static inline uint16x4_t finish(int32x4_t sum) {
    return vqmovun_s32(vshrq_n_s32(sum, WELD_RESIZE_BITS));
}

/* One pixel of a row: red, green and blue in the first three lanes, four taps at a time. */
static inline uint32_t pixel_of(const uint8_t *in, const int32_t *weights, int count) {
    /* Bytes of each of four pixels to 32 bits; others give 0. */
    static const uint8_t spread[4][16] = {
        {0, 99, 99, 99, 1, 99, 99, 99, 2, 99, 99, 99, 99, 99, 99, 99},
        {3, 99, 99, 99, 4, 99, 99, 99, 5, 99, 99, 99, 99, 99, 99, 99},
        {6, 99, 99, 99, 7, 99, 99, 99, 8, 99, 99, 99, 99, 99, 99, 99},
        {9, 99, 99, 99, 10, 99, 99, 99, 11, 99, 99, 99, 99, 99, 99, 99}};
    int32x4_t sum = vdupq_n_s32(1 << (WELD_RESIZE_BITS - 1)), other = vdupq_n_s32(0);
    for (int k = 0; k < count; k += 4, in += 12) {
        const uint8x16_t bytes = vld1q_u8(in);
        const int32x4_t weight = vld1q_s32(weights + k); /* those from count on are 0 */
        int32x4_t tap[4];
        for (int t = 0; t < 4; t++) {
            tap[t] = vreinterpretq_s32_u8(vqtbl1q_u8(bytes, vld1q_u8(spread[t])));
        }
        sum = vmlaq_laneq_s32(sum, tap[0], weight, 0);
        other = vmlaq_laneq_s32(other, tap[1], weight, 1);
        sum = vmlaq_laneq_s32(sum, tap[2], weight, 2);
        other = vmlaq_laneq_s32(other, tap[3], weight, 3);
    }
    const uint16x4_t values = finish(vaddq_s32(sum, other));
    return vget_lane_u32(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(values, values))), 0);
}

void weld_resize_across_neon(const uint8_t *in, size_t stride, int rows, const weld_resize_axis *a,
                             int width, uint8_t *out, size_t out_stride) {
    for (int x = 0; x < width; x++) {
        const weld_resize_span span = a->spans[x];
        const int32_t *weights = a->weights + (size_t)x * (size_t)a->taps;
        for (int y = 0; y < rows; y++) {
            const uint32_t pixel =
                pixel_of(in + (size_t)y * stride + (size_t)span.first * 3, weights, span.count);
            /* The fourth byte is the next pixel's, or padding. */
            memcpy(out + (size_t)y * out_stride + 3 * x, &pixel, 4);
        }
    }
}

/* 16 bytes of one output row. */
static inline uint8x16_t bytes_of(const uint8_t *in, size_t stride, const int32_t *weights,
                                  int count) {
    int32x4_t sum[4];
    for (int i = 0; i < 4; i++) {
        sum[i] = vdupq_n_s32(1 << (WELD_RESIZE_BITS - 1));
    }
    for (int k = 0; k < count; k++, in += stride) {
        const uint8x16_t bytes = vld1q_u8(in);
        const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_high_u8(bytes);
        const uint32x4_t tap[4] = {vmovl_u16(vget_low_u16(low)), vmovl_high_u16(low),
                                   vmovl_u16(vget_low_u16(high)), vmovl_high_u16(high)};
        for (int i = 0; i < 4; i++) {
            sum[i] = vmlaq_n_s32(sum[i], vreinterpretq_s32_u32(tap[i]), weights[k]);
        }
    }
    return vcombine_u8(vqmovn_u16(vcombine_u16(finish(sum[0]), finish(sum[1]))),
                       vqmovn_u16(vcombine_u16(finish(sum[2]), finish(sum[3]))));
}

void weld_resize_down_neon(const uint8_t *in, size_t stride, const weld_resize_axis *a, int i,
                           int bytes, uint8_t *out) {
    const int32_t *weights = a->weights + (size_t)i * (size_t)a->taps;
    const int count = a->spans[i].count;
    int x = 0;
    for (; x + 16 <= bytes; x += 16) {
        vst1q_u8(out + x, bytes_of(in + x, stride, weights, count));
    }
    if (x < bytes) {
        uint8_t last[16];
        vst1q_u8(last, bytes_of(in + x, stride, weights, count));
        memcpy(out + x, last, (size_t)(bytes - x));
    }
}
#endif
