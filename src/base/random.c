/* Philox4x32-10 and the distributions drawn from it; see random.h. */
#include "base/random.h"

#include <math.h>

void weld_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

weld_random weld_random_start(uint64_t seed, uint32_t epoch, uint64_t index,
                              weld_random_purpose purpose) {
    /* counter[0] counts blocks of one stream; the rest names the stream. 24 bits of the index's top
     * share a word with the purpose: sample indices and steps stay below 2^56, and a name's hash
     * loses nothing that matters. */
    weld_random r = {.key = {(uint32_t)seed, (uint32_t)(seed >> 32)}, .used = 4};
    r.counter[1] = (uint32_t)index;
    r.counter[2] = ((uint32_t)(index >> 32) & 0xFFFFFFu) | ((uint32_t)purpose << 24);
    r.counter[3] = epoch;
    return r;
}

uint32_t weld_random_u32(weld_random *r) {
    if (r->used == 4) {
        weld_philox(r->counter, r->key, r->block);
        r->counter[0]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

uint64_t weld_random_u64(weld_random *r) {
    uint64_t high = weld_random_u32(r);
    return high << 32 | weld_random_u32(r);
}

double weld_random_uniform(weld_random *r) {
    return (double)(weld_random_u64(r) >> 11) * 0x1p-53;
}

double weld_random_range(weld_random *r, double low, double high) {
    return low + (high - low) * weld_random_uniform(r);
}

uint64_t weld_random_below(weld_random *r, uint64_t n) {
    uint64_t reject_from = UINT64_MAX - UINT64_MAX % n;
    uint64_t draw;
    do {
        draw = weld_random_u64(r);
    } while (draw >= reject_from);
    return draw % n;
}

double weld_random_normal(weld_random *r) {
    /* Box-Muller; the second value is dropped so that a stream holds no hidden state. */
    double u = 1.0 - weld_random_uniform(r);
    double v = weld_random_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

static double draw_gamma(weld_random *r, double shape) {
    /* Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; for shapes below
     * one by the power of a uniform. */
    double boost = 1.0;
    if (shape < 1.0) {
        boost = pow(1.0 - weld_random_uniform(r), 1.0 / shape);
        shape += 1.0;
    }
    double d = shape - 1.0 / 3.0;
    double c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = weld_random_normal(r);
        double v = 1.0 + c * x;
        if (v <= 0.0) {
            continue;
        }
        v = v * v * v;
        double u = 1.0 - weld_random_uniform(r);
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) {
            return boost * d * v;
        }
    }
}

double weld_random_beta(weld_random *r, double a, double b) {
    double x = draw_gamma(r, a);
    double y = draw_gamma(r, b);
    return x + y > 0.0 ? x / (x + y) : 0.5;
}

void weld_random_shuffle(weld_random *r, int64_t *order, int64_t n) {
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)weld_random_below(r, (uint64_t)i + 1);
        int64_t held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}

uint64_t weld_hash_name(const char *name) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *name; name++) {
        hash = (hash ^ (unsigned char)*name) * 0x100000001B3u;
    }
    return hash;
}
