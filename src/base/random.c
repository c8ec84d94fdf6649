/* Philox4x32-10 and the distributions drawn from it; see random.h. */
#include "base/random.h"

#include <math.h>
#include <string.h>

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

enum { PAIRS = 32 /* of normals that are made side by side */ };

/* log(x) for 0 < x <= 1, to float's precision: x = 2^k m with m near 1, whose logarithm is
 * 2 atanh((m - 1) / (m + 1)) by its series. */
static inline float log_of(float x) {
    union {
        float real;
        int32_t bits;
    } m = {.real = x};
    const int32_t least = 0x3F3504F3; /* of m: sqrt(1/2) */
    int32_t exponent = (m.bits - least) >> 23;
    m.bits -= exponent * (1 << 23);
    float s = (m.real - 1.0f) / (m.real + 1.0f), q = s * s;
    float series = 1.0f + q * (1.0f / 3 + q * (1.0f / 5 + q * (1.0f / 7 + q * (1.0f / 9))));
    return (float)exponent * 0.693147181f + 2.0f * s * series;
}

/* Box-Muller with both values of each pair: a radius from a[i], an angle from b[i]. Plain
 * arithmetic, without calls, which compilers turn to vectors. */
static void make_normals(const uint32_t a[PAIRS], const uint32_t b[PAIRS], float out[2 * PAIRS]) {
    for (int i = 0; i < PAIRS; i++) {
        float u = ((float)(int32_t)(a[i] >> 1) + 0.5f) * 0x1p-31f;
        float radius = sqrtf(-2.0f * log_of(u));
        /* The upper two bits are a quarter of the circle, the rest an angle x within it, of -pi/4
         * to pi/4; sine and cosine by their series. */
        float x = (float)(int32_t)(b[i] << 2) * (1.57079633f * 0x1p-32f), q = x * x;
        float sine = x * (1 - q / 6 * (1 - q / 20 * (1 - q / 42 * (1 - q / 72))));
        float cosine = 1 - q / 2 * (1 - q / 12 * (1 - q / 30 * (1 - q / 56)));
        int32_t is_odd = -(int32_t)(b[i] >> 30 & 1), is_lower = -(int32_t)(b[i] >> 31);
        float first = is_odd ? -sine : cosine, second = is_odd ? cosine : sine;
        out[i] = radius * (is_lower ? -first : first);
        out[i + PAIRS] = radius * (is_lower ? -second : second);
    }
}

void weld_random_normals(weld_random *r, float *out, size_t n) {
    uint32_t a[PAIRS], b[PAIRS], block[4];
    float normals[2 * PAIRS];
    r->used = 4;
    while (n) {
        size_t count = n < 2 * PAIRS ? n : 2 * PAIRS;
        for (int i = 0; i < PAIRS; i += 2, r->counter[0]++) {
            weld_philox(r->counter, r->key, block);
            a[i] = block[0];
            b[i] = block[1];
            a[i + 1] = block[2];
            b[i + 1] = block[3];
        }
        make_normals(a, b, normals);
        memcpy(out, normals, count * sizeof *out);
        out += count;
        n -= count;
    }
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
