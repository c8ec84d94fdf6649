/* The small machine that the fast kernels are written for.
 *
 * Each file of this folder is compiled once per instruction set, with -DWELD_ISA_NAME=avx2 and so
 * on and that set's compiler flags; WELD_ISA_VECTOR names the header that gives
 *
 *   V_LANES                  floats in a vector
 *   V_TILE_ROWS_1, _2, _3    rows of the register tile of a matrix product (see tile.h)
 *   vfloat, vmask, vdouble   a vector, a choice of its lanes, its lanes in double
 *   v_set, v_fma (ab + c), v_fnma (c - ab), v_min, v_max (where either is NaN: the second), v_abs,
 *   v_hold (a, in a register), v_sqrt, v_divide, v_reciprocal (2 ulp), v_reciprocal_short (2^-14),
 * v_round (to nearest even), v_scale_by_power (a 2^n), v_greater, v_equal, v_select(m, a, b) (a
 * where m), v_bits_not_finite (bit i for lane i), v_sum, v_maximum, v_transpose (V_LANES vectors),
 * w_widen, w_set, and loads and stores, whole and masked; where 32 floats can be looked up also
 * V_TABLE and v_lookup. With WELD_SIMD_BF16 also
 *
 *   b_load_all, b_load_first         a vector of V_LANES bf16, or of the first n
 *   b_store_all, b_store_first       the same, rounded to nearest even
 *   b_load_pair, b_store_pair        two vectors: the elements of even and those of odd place
 *   b_part, b_join                   floats in order to that arrangement, and back
 *
 * Everything in these headers is static inline: code compiled with an instruction set's flags must
 * not be found by the linker under a name that common code uses too. */
#ifndef WELD_KERNELS_SIMD_VECTOR_H
#define WELD_KERNELS_SIMD_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bfloat { /* a bf16 in memory: the upper half of a float */
    uint16_t bits;
} bfloat;

#include WELD_ISA_VECTOR

/* SIMD(pack) is weld_avx2_pack, weld_avx512_pack, ... */
#define WELD_SIMD_JOIN(isa, name) weld_##isa##_##name
#define WELD_SIMD_NAME(isa, name) WELD_SIMD_JOIN(isa, name)
#define SIMD(name) WELD_SIMD_NAME(WELD_ISA_NAME, name)

/* Before a loop whose count is known when compiling: arrays that it indexes stay in registers. */
#ifdef __clang__
#define V_UNROLL _Pragma("clang loop unroll(full)")
#else
#define V_UNROLL _Pragma("GCC unroll 16")
#endif

/* Before a short loop that is better left one: rows of memory, each with its own address. */
#ifdef __clang__
#define V_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define V_ROLLED _Pragma("GCC unroll 1")
#endif

/* The lanes that a step works on: all of them, known when compiling, or the first few at the end of
 * a row. A loop is written once as an inline function of this and called with each. */
typedef struct vlanes {
    bool all;
    vmask mask;    /* used where not all, */
    int64_t count; /* and so is this: how many */
} vlanes;

V_INLINE vlanes v_all(void) {
    return (vlanes){.all = true, .mask = v_mask_first(0), .count = V_LANES};
}

V_INLINE vlanes v_first(int64_t n) {
    return (vlanes){.all = false, .mask = v_mask_first(n), .count = n};
}

/* The lanes at column j of a row of n, in a form that costs no branch. */
V_INLINE vlanes v_lanes_at(int64_t j, int64_t n) {
    return v_first(n - j < V_LANES ? n - j : V_LANES);
}

V_INLINE vfloat v_load(const float *p, vlanes lanes) {
    return lanes.all ? v_load_all(p) : v_load_masked(p, lanes.mask);
}

V_INLINE void v_store(float *p, vlanes lanes, vfloat a) {
    if (lanes.all) {
        v_store_all(p, a);
    } else {
        v_store_masked(p, lanes.mask, a);
    }
}

/* Activations, T of kernels.h: floats, or with WELD_SIMD_BF16 the upper halves of floats, which
 * become floats in registers. Parameters, P, are floats in both and go by v_load and v_store. */
#ifdef WELD_SIMD_BF16
typedef bfloat tvalue;

V_INLINE vfloat t_load(const tvalue *p, vlanes lanes) {
    return lanes.all ? b_load_all(p) : b_load_first(p, lanes.count);
}

V_INLINE void t_store(tvalue *p, vlanes lanes, vfloat a) {
    if (lanes.all) {
        b_store_all(p, a);
    } else {
        b_store_first(p, lanes.count, a);
    }
}
#else
typedef float tvalue;

V_INLINE vfloat t_load(const tvalue *p, vlanes lanes) {
    return v_load(p, lanes);
}

V_INLINE void t_store(tvalue *p, vlanes lanes, vfloat a) {
    v_store(p, lanes, a);
}
#endif

V_INLINE vfloat v_zero(void) {
    return v_set(0);
}

/* a in the lanes chosen, `other` in the rest. */
V_INLINE vfloat v_keep(vlanes lanes, vfloat a, vfloat other) {
    return lanes.all ? a : v_select(lanes.mask, a, other);
}

/* Two vectors side by side: 32 bf16 are a line of cache and are rounded together, and what is done
 * to one vector need not wait for the other. */
typedef struct vpair {
    vfloat a, b;
} vpair;

enum { PAIR = 2 * V_LANES };

/* The lanes of a pair that a step works on. With `one`, b is not there. */
typedef struct vspan {
    bool one;
    vlanes a, b;
} vspan;

/* Runs `step` for each pair of vectors along n elements and for what is left at the end; in it `j`
 * is the first element and `span` says which lanes. */
#define V_EACH_PAIR(n, step)                                                                       \
    do {                                                                                           \
        int64_t j = 0;                                                                             \
        for (; j + PAIR <= (n); j += PAIR) {                                                       \
            const vspan span = {.one = false, .a = v_all(), .b = v_all()};                         \
            step;                                                                                  \
        }                                                                                          \
        if ((n)-j > V_LANES) {                                                                     \
            const vspan span = {.one = false, .a = v_all(), .b = v_first((n)-j - V_LANES)};        \
            step;                                                                                  \
        } else if ((n)-j == V_LANES) {                                                             \
            const vspan span = {.one = true, .a = v_all(), .b = v_all()};                          \
            step;                                                                                  \
        } else if (j < (n)) {                                                                      \
            const vspan span = {.one = true, .a = v_first((n)-j), .b = v_all()};                   \
            step;                                                                                  \
        }                                                                                          \
    } while (0)

/* The same for single vectors. */
#define V_EACH_VECTOR(n, step)                                                                     \
    do {                                                                                           \
        int64_t j = 0;                                                                             \
        for (; j + V_LANES <= (n); j += V_LANES) {                                                 \
            const vspan span = {.one = true, .a = v_all(), .b = v_all()};                          \
            step;                                                                                  \
        }                                                                                          \
        if (j < (n)) {                                                                             \
            const vspan span = {.one = true, .a = v_first((n)-j), .b = v_all()};                   \
            step;                                                                                  \
        }                                                                                          \
    } while (0)

/* Of bf16, a whole pair is taken with elements of even place in `a` and of odd place in `b`. */
V_INLINE bool v_is_parted(vspan span) {
#ifdef WELD_SIMD_BF16
    return !span.one && span.b.all;
#else
    (void)span;
    return false;
#endif
}

V_INLINE vpair t_load_pair(const tvalue *p, vspan span) {
#ifdef WELD_SIMD_BF16
    if (v_is_parted(span)) {
        vpair x;
        b_load_pair(p, &x.a, &x.b);
        return x;
    }
#endif
    return (vpair){t_load(p, span.a), span.one ? v_zero() : t_load(p + V_LANES, span.b)};
}

V_INLINE void t_store_pair(tvalue *p, vspan span, vpair x) {
#ifdef WELD_SIMD_BF16
    if (v_is_parted(span)) {
        b_store_pair(p, x.a, x.b);
        return;
    }
#endif
    t_store(p, span.a, x.a);
    if (!span.one) {
        t_store(p + V_LANES, span.b, x.b);
    }
}

V_INLINE vpair v_load_pair(const float *p, vspan span) {
    vpair x = {v_load(p, span.a), span.one ? v_zero() : v_load(p + V_LANES, span.b)};
#ifdef WELD_SIMD_BF16
    if (v_is_parted(span)) {
        b_part(x.a, x.b, &x.a, &x.b);
    }
#endif
    return x;
}

/* The two vectors of a pair in the order of memory. */
V_INLINE vpair v_in_order(vpair x, vspan span) {
#ifdef WELD_SIMD_BF16
    if (v_is_parted(span)) {
        b_join(x.a, x.b, &x.a, &x.b);
    }
#endif
    (void)span;
    return x;
}

V_INLINE void v_store_pair(float *p, vspan span, vpair x) {
    x = v_in_order(x, span);
    v_store(p, span.a, x.a);
    if (!span.one) {
        v_store(p + V_LANES, span.b, x.b);
    }
}

V_INLINE vpair v_set_pair(float x) {
    return (vpair){v_set(x), v_set(x)};
}

V_INLINE vpair v_hold_pair(vpair x) {
    return (vpair){v_hold(x.a), v_hold(x.b)};
}

V_INLINE vpair v_add_pair(vpair x, vpair y) {
    return (vpair){x.a + y.a, x.b + y.b};
}

V_INLINE vpair v_sub_pair(vpair x, vpair y) {
    return (vpair){x.a - y.a, x.b - y.b};
}

V_INLINE vpair v_fma_pair(vpair x, vpair y, vpair z) {
    return (vpair){v_fma(x.a, y.a, z.a), v_fma(x.b, y.b, z.b)};
}

V_INLINE vdouble w_load(const double *p, vlanes lanes) {
    return lanes.all ? w_load_all(p) : w_load_masked(p, lanes.mask);
}

V_INLINE void w_store(double *p, vlanes lanes, vdouble a) {
    if (lanes.all) {
        w_store_all(p, a);
    } else {
        w_store_masked(p, lanes.mask, a);
    }
}

V_INLINE vdouble w_add(vdouble a, vdouble b) {
    return (vdouble){a.low + b.low, a.high + b.high};
}

V_INLINE vdouble w_sub(vdouble a, vdouble b) {
    return (vdouble){a.low - b.low, a.high - b.high};
}

V_INLINE vdouble w_mul(vdouble a, vdouble b) {
    return (vdouble){a.low * b.low, a.high * b.high};
}

/* sum[lane] += a */
V_INLINE void w_add_to(double *sum, vlanes lanes, vfloat a) {
    w_store(sum, lanes, w_add(w_load(sum, lanes), w_widen(a)));
}

V_INLINE void w_add_pair_to(double *sum, vspan span, vpair x) {
    x = v_in_order(x, span);
    w_add_to(sum, span.a, x.a);
    if (!span.one) {
        w_add_to(sum + V_LANES, span.b, x.b);
    }
}

/* Elements; where a kernel goes straight on. */
enum { FETCH_AHEAD = 1024 / sizeof(tvalue) };

/* Have the line of *p, which the next group of rows will want, in the second-level cache: a pair of
 * vectors of channels that goes down some rows is no straight way through memory, so that the
 * processor's own prefetching gets little of it. */
V_INLINE void fetch_far(const tvalue *p) {
    __builtin_prefetch(p, 0, 2);
}

/* Have the line of *p in the first-level cache, ours to write. Without this, results that replace
 * their inputs cost a second trip to memory, one line at a time: the line came to be read. */
V_INLINE void fetch_to_write(const tvalue *p) {
    __builtin_prefetch(p, 1);
}

V_INLINE int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

V_INLINE int64_t greatest(int64_t a, int64_t b) {
    return a > b ? a : b;
}

#endif
