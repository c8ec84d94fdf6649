/* Codes by the vector. An inner function takes its count as an argument and is inlined twice, for
 * whole vectors and for the last, partial one. */
#include <math.h>

#include "kernels/int8/simd.h"

C_INLINE codes load_some(const uint8_t *p, int64_t count) {
    return count == C_BYTES ? c_load(p) : c_load_first(p, count);
}

C_INLINE void store_some(uint8_t *p, codes x, int64_t count) {
    if (count == C_BYTES) {
        c_store(p, x);
    } else {
        c_store_first(p, x, count);
    }
}

/* body(i, count) for i of whole vectors with C_BYTES, then for what is left */
#define EACH_VECTOR(n, body)                                                                       \
    do {                                                                                           \
        int64_t i_ = 0;                                                                            \
        for (; i_ + C_BYTES <= (n); i_ += C_BYTES) {                                               \
            body(i_, C_BYTES);                                                                     \
        }                                                                                          \
        if (i_ < (n)) {                                                                            \
            body(i_, (n)-i_);                                                                      \
        }                                                                                          \
    } while (0)

void INT8(lookup)(int64_t n, const uint8_t *x, const uint8_t *table, uint8_t *y) {
    c_table t;
    c_load_table(&t, table);
#define LOOKUP(i, count) store_some(y + (i), c_lookup(&t, load_some(x + (i), count)), count)
    EACH_VECTOR(n, LOOKUP);
}

void INT8(add)(int64_t n, const uint8_t *a, const uint8_t *b, const weld_int8_sum *s, uint8_t *y) {
    const floats a_scale = f_set(s->a_scale), b_scale = f_set(s->b_scale);
    const floats constant = f_set(s->constant);
#define ADD(i, count)                                                                              \
    store_some(y + (i),                                                                            \
               sum_of_codes(4, a_scale, b_scale, constant, load_some(a + (i), count),              \
                            load_some(b + (i), count)),                                            \
               count)
    EACH_VECTOR(n, ADD);
}

/* --- products by channel --- */

/* (x - x_zero) (gate - gate_zero) is below 2^24, so that it is exact in floats, as is gate' x less
 * gate' x_zero, gate' being the second factor. */
typedef struct product {
    floats gate[4], less[4];
    floats scale, zero; /* of the result */
} product;

C_INLINE void multiply_channels(const product *p, int64_t rows, int64_t c, const uint8_t *x,
                                int64_t count, uint8_t *y) {
    const product own = *p; /* which no store to y can change */
    for (int64_t r = 0; r < rows; r++) {
        quad q = c_unpack(load_some(x + r * c, count));
        C_UNROLL
        for (int j = 0; j < 4; j++) {
            const floats exact = f_fma(i_to_float(q.v[j]), own.gate[j], own.less[j]);
            q.v[j] = f_round(f_add(f_mul(exact, own.scale), own.zero));
        }
        store_some(y + r * c, c_pack_only(q), count);
    }
}

void INT8(mul_channels)(int64_t rows, int64_t c, const uint8_t *x, int32_t x_zero,
                        const uint8_t *gate, int32_t gate_zero, float multiplier, int32_t zero,
                        uint8_t *y) {
    product p = {.scale = f_set(multiplier), .zero = f_set((float)zero)};
    for (int64_t i = 0; i < c; i += C_BYTES) {
        const int64_t count = c_least(C_BYTES, c - i);
        const quad g = c_unpack(load_some(gate + i, count));
        C_UNROLL
        for (int j = 0; j < 4; j++) {
            p.gate[j] = i_to_float(i_add(g.v[j], i_set(-gate_zero)));
            p.less[j] = f_mul(p.gate[j], f_set((float)-x_zero));
        }
        if (count == C_BYTES) {
            multiply_channels(&p, rows, c, x + i, C_BYTES, y + i);
        } else {
            multiply_channels(&p, rows, c, x + i, count, y + i);
        }
    }
}

/* --- sums --- */

/* Sums of at most 256 rows, in words, of a vector of channels are added to sum. */
C_INLINE void add_rows(int64_t rows, int64_t c, const uint8_t *x, int64_t count, quad *sum) {
    enum { ROWS = 128 }; /* added as signed words, which saturate */
    const codes zero = c_set(0);
    for (int64_t begin = 0; begin < rows; begin += ROWS) {
        const int64_t end = c_least(rows, begin + ROWS);
        codes low = zero, high = zero;
        for (int64_t r = begin; r < end; r++) {
            const codes row = load_some(x + r * c, count);
            low = c_add_words(low, c_low_bytes(row, zero));
            high = c_add_words(high, c_high_bytes(row, zero));
        }
        sum->v[0] = i_add(sum->v[0], (ints)c_low_words(low, zero));
        sum->v[1] = i_add(sum->v[1], (ints)c_high_words(low, zero));
        sum->v[2] = i_add(sum->v[2], (ints)c_low_words(high, zero));
        sum->v[3] = i_add(sum->v[3], (ints)c_high_words(high, zero));
    }
}

void INT8(channel_sum)(int64_t rows, int64_t c, const uint8_t *x, int32_t *sum) {
    for (int64_t i = 0; i < c; i += C_BYTES) {
        const int64_t count = c_least(C_BYTES, c - i);
        quad q = {{i_set(0), i_set(0), i_set(0), i_set(0)}};
        if (count == C_BYTES) {
            add_rows(rows, c, x + i, C_BYTES, &q);
        } else {
            add_rows(rows, c, x + i, count, &q);
        }
        int32_t lanes[4][LANES], ordered[C_BYTES];
        for (int j = 0; j < 4; j++) {
            i_store(lanes[j], q.v[j]);
        }
        for (int j = 0; j < C_BYTES / 4; j++) {
            memcpy(ordered + 4 * j, lanes[j % 4] + j / 4 * 4, 4 * sizeof *ordered);
        }
        memcpy(sum + i, ordered, (size_t)count * sizeof *sum);
    }
}

void INT8(scale_sums)(int64_t n, const int32_t *sum, int32_t offset, float multiplier, int32_t zero,
                      uint8_t *y) {
    for (int64_t i = 0; i < n; i++) {
        const long q = lrintf((float)(sum[i] + offset) * multiplier) + zero;
        y[i] = (uint8_t)(q < 0 ? 0 : q > 255 ? 255 : q);
    }
}

/* --- from and to floats --- */

typedef struct quantizer {
    floats scale, low, high;
    codes zero, straight;
} quantizer;

C_INLINE codes quantized(const quantizer *s, const float *x) {
    quad q;
    C_UNROLL
    for (int j = 0; j < 4; j++) {
        const floats f = f_div(f_load(x + j * LANES), s->scale);
        q.v[j] = f_round(f_min(f_max(f, s->low), s->high));
    }
    return c_permute(c_pack(q, s->zero), s->straight);
}

void INT8(quantize)(int64_t n, const float *x, float scale, int32_t zero, uint8_t *y) {
    const quantizer s = {f_set(scale), f_set((float)-zero), f_set((float)(255 - zero)),
                         c_set_words((int16_t)zero), c_index_straight()};
    int64_t i = 0;
    for (; i + C_BYTES <= n; i += C_BYTES) {
        c_store(y + i, quantized(&s, x + i));
    }
    if (i < n) {
        float last[C_BYTES] = {0};
        memcpy(last, x + i, (size_t)(n - i) * sizeof *x);
        c_store_first(y + i, quantized(&s, last), n - i);
    }
}

C_INLINE void dequantized(codes x, ints less, floats scale, codes crooked, float *y) {
    const quad q = c_unpack(c_permute(x, crooked));
    C_UNROLL
    for (int j = 0; j < 4; j++) {
        f_store(y + j * LANES, f_mul(scale, i_to_float(i_add(q.v[j], less))));
    }
}

void INT8(dequantize)(int64_t n, const uint8_t *x, float scale, int32_t zero, float *y) {
    const floats factor = f_set(scale);
    const ints less = i_set(-zero);
    const codes crooked = c_index_crooked();
    int64_t i = 0;
    for (; i + C_BYTES <= n; i += C_BYTES) {
        dequantized(c_load(x + i), less, factor, crooked, y + i);
    }
    if (i < n) {
        float last[C_BYTES];
        dequantized(c_load_first(x + i, n - i), less, factor, crooked, last);
        memcpy(y + i, last, (size_t)(n - i) * sizeof *y);
    }
}
