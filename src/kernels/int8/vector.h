/* The small machine that the int8 kernels are written for. WELD_ISA_CODES names a header with:
 *
 *   C_BYTES           codes of a vector: 16, 32 or 64; it has C_BYTES / 4 ints or floats
 *   codes ints floats the types; `codes` is also bytes by twos (words)
 *   c_load[_first|_half], c_store[_first|_half], c_set, c_max; c_set_four (of 4 codes), c_set_words
 *   c_low_bytes, c_high_bytes, c_low_words, c_high_words
 *                     those of a and b in turns, from the low or high half of each 16 bytes
 *   c_pack_ints, c_pack_words
 *                     their inverse: ints to words, words to codes, saturating; in each 16 bytes
 *                     those of a come before those of b
 *   c_add_words       saturating
 *   c_permute         the fours of bytes at the places of `index`
 *   c_join            the low half of one, then that of another; c_high_half takes the second out
 *   i_load i_store i_set i_add i_to_float, f_load f_store f_set f_mul f_add f_div f_fma f_max
 *   f_min f_round
 *   C_SHUFFLES, c_load_16, c_shuffle
 *                     where there is the instruction that takes, in each 16 bytes, those at the
 *                     places of `index`, and 0 where its top bit is set
 *   c_table, c_load_table, c_lookup, or C_SHUFFLED_TABLE and what tables of 16 take
 *   C_SMALL_TABLE     where a table is in a few registers
 *   factors, c_factors, weights, c_weights, c_dot, c_hide (from the compiler)
 *                     sum of four products for each int; weights take C_WEIGHTS bytes of memory,
 *                     1 byte each by fours, or 2: those of even place in one vector and those of
 *                     odd place in the next
 *   C_WIDENS          where factors are made of words in memory (c_widen, c_wide_factors)
 *   C_ROWS_4 ... C_ROWS_1  rows of a register tile that is 4, ..., 1 vectors wide
 *   C_STENCIL_ROWS    rows of a tile of a 3 x 3 convolution, 8 vectors each
 *
 * A `quad` is four vectors of ints, which came of one of codes by unpacking: in quarter l of the
 * vector (16 bytes) vector j has the numbers of codes 16 l + 4 j to 16 l + 4 j + 3. Packing brings
 * them back in order. */
#ifndef WELD_KERNELS_INT8_VECTOR_H
#define WELD_KERNELS_INT8_VECTOR_H

#include <stdint.h>
#include <string.h>

#include WELD_ISA_CODES

#define INT8_GLUE2(isa, name) weld_int8_##isa##_##name
#define INT8_GLUE(isa, name) INT8_GLUE2(isa, name)
/* The name of a function that other files of the same set use. */
#define INT8(name) INT8_GLUE(WELD_ISA_NAME, name)

#define C_UNROLL _Pragma("GCC unroll 16")

enum { LANES = C_BYTES / 4, QUARTERS = C_BYTES / 16 };

typedef struct quad {
    ints v[4];
} quad;

C_INLINE int64_t c_least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

#ifdef C_SHUFFLES
#define C_NONE 0x80, 0x80, 0x80
#define C_EVERY_FOURTH(i)                                                                          \
    { (i), C_NONE, (i) + 1, C_NONE, (i) + 2, C_NONE, (i) + 3, C_NONE }
/* Four shuffles, where unpacking by halves takes six instructions. */
C_INLINE quad c_unpack(codes x) {
    static const uint8_t places[4][16] = {C_EVERY_FOURTH(0), C_EVERY_FOURTH(4), C_EVERY_FOURTH(8),
                                          C_EVERY_FOURTH(12)};
    return (quad){
        {(ints)c_shuffle(x, c_load_16(places[0])), (ints)c_shuffle(x, c_load_16(places[1])),
         (ints)c_shuffle(x, c_load_16(places[2])), (ints)c_shuffle(x, c_load_16(places[3]))}};
}
#else
C_INLINE quad c_unpack(codes x) {
    const codes zero = c_set(0);
    const codes low = c_low_bytes(x, zero), high = c_high_bytes(x, zero);
    return (quad){{(ints)c_low_words(low, zero), (ints)c_high_words(low, zero),
                   (ints)c_low_words(high, zero), (ints)c_high_words(high, zero)}};
}
#endif

/* The numbers + zero, each clamped; zero is of words. */
C_INLINE codes c_pack(quad q, codes zero) {
    return c_pack_words(c_add_words(c_pack_ints(q.v[0], q.v[1]), zero),
                        c_add_words(c_pack_ints(q.v[2], q.v[3]), zero));
}

C_INLINE codes c_pack_only(quad q) {
    return c_pack_words(c_pack_ints(q.v[0], q.v[1]), c_pack_ints(q.v[2], q.v[3]));
}

/* Four codes of each of a, b, c, d in turns: what c_dot multiplies, as a quad. */
C_INLINE quad c_interleave(codes a, codes b, codes c, codes d) {
    const codes ab = c_low_bytes(a, b), cd = c_low_bytes(c, d);
    const codes ab2 = c_high_bytes(a, b), cd2 = c_high_bytes(c, d);
    return (quad){{(ints)c_low_words(ab, cd), (ints)c_high_words(ab, cd),
                   (ints)c_low_words(ab2, cd2), (ints)c_high_words(ab2, cd2)}};
}

/* fma(a, a_scale, fma(b, b_scale, constant)), of the numbers in the first vectors of a quad */
C_INLINE codes sum_of_codes(int vectors, floats a_scale, floats b_scale, floats constant, codes a,
                            codes b) {
    const quad p = c_unpack(a), q = c_unpack(b);
    quad sum = {{i_set(0), i_set(0), i_set(0), i_set(0)}};
    C_UNROLL
    for (int j = 0; j < vectors; j++) {
        const floats second = f_fma(i_to_float(q.v[j]), b_scale, constant);
        sum.v[j] = f_round(f_fma(i_to_float(p.v[j]), a_scale, second));
    }
    return c_pack_only(sum);
}

#if C_BYTES == 64
#define C_EACH_LANE(f, width)                                                                      \
    {                                                                                              \
        f(0, width), f(1, width), f(2, width), f(3, width), f(4, width), f(5, width), f(6, width), \
            f(7, width), f(8, width), f(9, width), f(10, width), f(11, width), f(12, width),       \
            f(13, width), f(14, width), f(15, width)                                               \
    }
#elif C_BYTES == 32
#define C_EACH_LANE(f, width)                                                                      \
    {                                                                                              \
        f(0, width), f(1, width), f(2, width), f(3, width), f(4, width), f(5, width), f(6, width), \
            f(7, width)                                                                            \
    }
#else
#define C_EACH_LANE(f, width)                                                                      \
    { f(0, width), f(1, width), f(2, width), f(3, width) }
#endif

/* Indices for c_permute. Of codes packed from `width` vectors of ints, columns 4 width l + 4 j + e
 * in their places, in order; and back. */
C_INLINE codes c_index_compact(int width) {
#define C_COMPACT(i, width) (i) / (width) < QUARTERS ? (i) / (width)*4 + (i) % (width) : 0
    _Alignas(C_BYTES) static const int32_t index[4][LANES] = {
        C_EACH_LANE(C_COMPACT, 1), C_EACH_LANE(C_COMPACT, 2), C_EACH_LANE(C_COMPACT, 3),
        C_EACH_LANE(C_COMPACT, 4)};
    return c_load((const uint8_t *)index[width - 1]);
}

C_INLINE codes c_index_spread(int width) {
#define C_SPREAD(i, width) (i) % 4 < (width) ? (i) / 4 * (width) + (i) % 4 : 0
    _Alignas(C_BYTES) static const int32_t index[4][LANES] = {
        C_EACH_LANE(C_SPREAD, 1), C_EACH_LANE(C_SPREAD, 2), C_EACH_LANE(C_SPREAD, 3),
        C_EACH_LANE(C_SPREAD, 4)};
    return c_load((const uint8_t *)index[width - 1]);
}

/* The same of two rows of `width` vectors, 1 or 2, the second being vectors 2 and 3: one in each
 * half.
 */
C_INLINE codes c_index_compact_pair(int width) {
#define C_HALF_LANE(i) ((i) % (LANES / 2))
#define C_COMPACT_PAIR(i, width)                                                                   \
    C_HALF_LANE(i) / (width) < QUARTERS                                                            \
        ? C_HALF_LANE(i) / (width)*4 + (i) / (LANES / 2) * 2 + C_HALF_LANE(i) % (width)            \
        : 0
    _Alignas(C_BYTES) static const int32_t index[2][LANES] = {C_EACH_LANE(C_COMPACT_PAIR, 1),
                                                              C_EACH_LANE(C_COMPACT_PAIR, 2)};
    return c_load((const uint8_t *)index[width - 1]);
}

C_INLINE codes c_index_spread_pair(int width) {
#define C_SPREAD_PAIR(i, width)                                                                    \
    (i) % 2 < (width) ? (i) % 4 / 2 * (LANES / 2) + (i) / 4 * (width) + (i) % 2 : 0
    _Alignas(C_BYTES) static const int32_t index[2][LANES] = {C_EACH_LANE(C_SPREAD_PAIR, 1),
                                                              C_EACH_LANE(C_SPREAD_PAIR, 2)};
    return c_load((const uint8_t *)index[width - 1]);
}

/* Of codes packed from four vectors in order, one after the other; and back. */
C_INLINE codes c_index_straight(void) {
#define C_STRAIGHT(i, width) (i) % QUARTERS * 4 + (i) / QUARTERS
    _Alignas(C_BYTES) static const int32_t index[LANES] = C_EACH_LANE(C_STRAIGHT, 4);
    return c_load((const uint8_t *)index);
}

C_INLINE codes c_index_crooked(void) {
#define C_CROOKED(i, width) (i) % 4 * QUARTERS + (i) / 4
    _Alignas(C_BYTES) static const int32_t index[LANES] = C_EACH_LANE(C_CROOKED, 4);
    return c_load((const uint8_t *)index);
}

/* out[width vectors] of ints or floats: lane 4 l + e of vector j has from[4 width l + 4 j + e], 0
 * where that is past `count`. */
C_INLINE void c_place(int width, const void *from_, int64_t count, void *out_) {
    uint32_t padded[C_BYTES], *out = out_;
    const uint32_t *from = from_;
    if (count < LANES * width) {
        memset(padded, 0, sizeof padded);
        memcpy(padded, from, (size_t)count * sizeof *padded);
        from = padded;
    }
    for (int l = 0; l < QUARTERS; l++) {
        for (int j = 0; j < width; j++) {
            memcpy(out + j * LANES + 4 * l, from + 4 * (width * l + j), 4 * sizeof *out);
        }
    }
}

/* The same of four weights of a column each: lane `lane` of a vector of weights. */
C_INLINE void c_place_weights(uint8_t *vector, int lane, const int8_t w[4]) {
    if (C_WEIGHTS == C_BYTES) {
        memcpy(vector + 4 * lane, w, 4);
    } else {
        for (int i = 0; i < 4; i++) {
            const int16_t wide = w[i];
            memcpy(vector + i % 2 * C_BYTES + 4 * lane + i / 2 * 2, &wide, sizeof wide);
        }
    }
}

#ifdef C_WIDENS
/* Of each four in x, those of even place as words and, `odd` bytes after them, those of odd. */
C_INLINE void c_widen(codes x, uint8_t *to, int64_t odd) {
    const factors f = c_factors(x);
    c_store(to, f.even);
    c_store(to + odd, f.odd);
}

C_INLINE factors c_wide_factors(const uint8_t *p, int64_t odd) {
    uint32_t low, high;
    memcpy(&low, p, sizeof low);
    memcpy(&high, p + odd, sizeof high);
    return (factors){c_set_four(low), c_set_four(high)};
}
#endif

#ifdef C_SHUFFLED_TABLE
/* Part i is xor-ed with the one before; an index that is 16 i or more finds something in each of
 * parts 0 to i, which comes to part i's own. Those of the other half are negative and find 0. */
typedef struct c_table {
    codes part[16];
} c_table;

C_INLINE void c_load_table(c_table *t, const uint8_t *p) {
    for (int i = 0; i < 16; i++) {
        const codes own = c_load_16(p + 16 * i);
        t->part[i] = i % 8 == 0 ? own : c_xor(own, c_load_16(p + 16 * i - 16));
    }
}

C_INLINE codes c_lookup(const c_table *t, codes x) {
    codes other = c_xor(x, c_set(0x80));
    codes y = c_xor(c_shuffle(t->part[0], x), c_shuffle(t->part[8], other));
    C_UNROLL
    for (int i = 1; i < 8; i++) {
        x = c_subtract(x, c_set(16));
        other = c_subtract(other, c_set(16));
        y = c_xor(y, c_xor(c_shuffle(t->part[i], x), c_shuffle(t->part[8 + i], other)));
    }
    return y;
}
#endif

#endif
