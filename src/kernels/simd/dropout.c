/* Dropout: elements are scaled, or left out by the words of a stream of random numbers. */
#include "kernels/simd/simd.h"

enum {
    COUNTERS = 64, /* of Philox at a time, side by side */
    WORDS = 4 * COUNTERS
};

/* Words of blocks [first, first + COUNTERS) of the stream: weld_philox, in plain loops that
 * compilers turn to vectors. Whether each is at least `below`, as 1 or 0. */
static void draw(const weld_random *stream, uint32_t first, uint32_t below, float kept[WORDS]) {
    uint32_t c0[COUNTERS], c1[COUNTERS], c2[COUNTERS], c3[COUNTERS];
    uint32_t k0 = stream->key[0], k1 = stream->key[1];
    for (uint32_t i = 0; i < COUNTERS; i++) {
        c0[i] = stream->counter[0] + first + i;
        c1[i] = stream->counter[1];
        c2[i] = stream->counter[2];
        c3[i] = stream->counter[3];
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < COUNTERS; i++) {
            const uint64_t p0 = (uint64_t)0xD2511F53U * c0[i], p1 = (uint64_t)0xCD9E8D57U * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)p1;
            c3[i] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    for (int i = 0; i < COUNTERS; i++) {
        kept[4 * i] = c0[i] >= below ? 1.0F : 0.0F;
        kept[4 * i + 1] = c1[i] >= below ? 1.0F : 0.0F;
        kept[4 * i + 2] = c2[i] >= below ? 1.0F : 0.0F;
        kept[4 * i + 3] = c3[i] >= below ? 1.0F : 0.0F;
    }
}

/* Chosen, not multiplied: what is dropped is 0 even where it is not finite. */
V_INLINE void drop_step(vlanes lanes, vfloat factor, const float *kept, const tvalue *x,
                        tvalue *y) {
    const vmask chosen = v_greater(v_load(kept, lanes), v_zero());
    t_store(y, lanes, v_select(chosen, factor * t_load(x, lanes), v_zero()));
}

void SIMD(dropout)(const weld_random *stream, uint32_t below, double factor, int64_t n,
                   const void *x_, void *y_) {
    const vfloat scale = v_set((float)factor);
    for (int64_t i = 0; i < n; i += WORDS) {
        float kept[WORDS];
        const tvalue *x = (const tvalue *)x_ + i;
        tvalue *y = (tvalue *)y_ + i;
        draw(stream, (uint32_t)(i / 4), below, kept);
        V_EACH_VECTOR(least(WORDS, n - i), drop_step(span.a, scale, kept + j, x + j, y + j));
    }
}
