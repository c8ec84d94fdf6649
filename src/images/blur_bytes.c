/* The loops of blur.c, once for each instruction set. */
#include "images/loops.h"

enum { LANES = 96 /* bytes that are summed side by side */ };

static inline __attribute__((always_inline)) void blur_lanes(const uint8_t *restrict in,
                                                             ptrdiff_t step, const weld_blur_box *b,
                                                             int lanes, uint8_t *restrict out) {
    uint32_t sum[LANES];
    ptrdiff_t outer = (b->reach + 1) * step;
    for (int l = 0; l < lanes; l++) {
        sum[l] = in[l];
    }
    for (int k = 1; k <= b->reach; k++) {
        for (int l = 0; l < lanes; l++) {
            sum[l] += (uint32_t)in[l - k * step] + in[l + k * step];
        }
    }
    for (int l = 0; l < lanes; l++) {
        uint32_t ends = (uint32_t)in[l - outer] + in[l + outer];
        out[l] = (uint8_t)((sum[l] * b->inner + ends * b->outer + (1 << 23)) >> 24);
    }
}

static inline __attribute__((always_inline)) void
blur_bytes(const uint8_t *in, ptrdiff_t step, const weld_blur_box *b, size_t n, uint8_t *out) {
    for (; n >= LANES; n -= LANES, in += LANES, out += LANES) {
        blur_lanes(in, step, b, LANES, out);
    }
    blur_lanes(in, step, b, (int)n, out);
}

void weld_blur_bytes_ref(const uint8_t *in, ptrdiff_t step, const weld_blur_box *b, size_t n,
                         uint8_t *out) {
    blur_bytes(in, step, b, n, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void weld_blur_bytes_avx2(const uint8_t *in, ptrdiff_t step,
                                                          const weld_blur_box *b, size_t n,
                                                          uint8_t *out) {
    blur_bytes(in, step, b, n, out);
}
#endif
