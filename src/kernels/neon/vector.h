/* Vectors of 4 floats: NEON as every 64-bit ARM processor has it. The operations are those that
 * simd/vector.h lists; + - * between vectors are the compiler's own.
 *
 * There are no loads by mask, so a mask of memory's is the first lanes, none or all included, and
 * what it chooses is taken by pairs and single lanes. */
#ifndef WELD_KERNELS_NEON_VECTOR_H
#define WELD_KERNELS_NEON_VECTOR_H

#include <arm_neon.h>
#include <stdint.h>

#define V_LANES 4
/* Rows of a register tile that is 1, 2, 3 vectors wide: of 32 registers it takes rows x width, one
 * row of B and some elements of A. */
#define V_TILE_ROWS_1 14
#define V_TILE_ROWS_2 12
#define V_TILE_ROWS_3 8

typedef float32x4_t vfloat;
typedef uint32x4_t vmask; /* all ones in the lanes chosen */
typedef struct vdouble {  /* the lanes of a vfloat, in double */
    float64x2_t low, high;
} vdouble;

#define V_INLINE static inline __attribute__((always_inline))

V_INLINE vmask v_mask_first(int64_t n) {
    const int32x4_t lane = {0, 1, 2, 3};
    return vcgtq_s32(vdupq_n_s32((int32_t)n), lane);
}

V_INLINE uint32_t v_mask_count(vmask m) {
    return vaddvq_u32(vshrq_n_u32(m, 31));
}

V_INLINE vfloat v_set(float a) {
    return vdupq_n_f32(a);
}

V_INLINE vfloat v_load_all(const float *p) {
    return vld1q_f32(p);
}

V_INLINE vfloat v_load_masked(const float *p, vmask m) {
    const float32x2_t none = vdup_n_f32(0);
    switch (v_mask_count(m)) {
    case 0:
        return vdupq_n_f32(0);
    case 1:
        return vcombine_f32(vld1_lane_f32(p, none, 0), none);
    case 2:
        return vcombine_f32(vld1_f32(p), none);
    case 3:
        return vcombine_f32(vld1_f32(p), vld1_lane_f32(p + 2, none, 0));
    default:
        return vld1q_f32(p);
    }
}

/* Rows and columns of 4 x 4 floats exchanged: by pairs, then halves between them. */
V_INLINE void v_transpose(vfloat r[V_LANES]) {
    const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r[0], r[1]));
    const float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(r[0], r[1]));
    const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r[2], r[3]));
    const float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(r[2], r[3]));
    r[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
    r[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
    r[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
    r[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

V_INLINE void v_store_all(float *p, vfloat a) {
    vst1q_f32(p, a);
}

V_INLINE void v_store_masked(float *p, vmask m, vfloat a) {
    switch (v_mask_count(m)) {
    case 0:
        break;
    case 1:
        vst1q_lane_f32(p, a, 0);
        break;
    case 2:
        vst1_f32(p, vget_low_f32(a));
        break;
    case 3:
        vst1_f32(p, vget_low_f32(a));
        vst1q_lane_f32(p + 2, a, 2);
        break;
    default:
        vst1q_f32(p, a);
    }
}

/* a, in a register: else the compiler loads it anew for each product. */
V_INLINE vfloat v_hold(vfloat a) {
    __asm__("" : "+w"(a));
    return a;
}

V_INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c) {
    return vfmaq_f32(c, a, b);
}

V_INLINE vfloat v_fnma(vfloat a, vfloat b, vfloat c) {
    return vfmsq_f32(c, a, b);
}

V_INLINE vmask v_greater(vfloat a, vfloat b) {
    return vcgtq_f32(a, b);
}

V_INLINE vmask v_equal(vfloat a, vfloat b) {
    return vceqq_f32(a, b);
}

V_INLINE vfloat v_select(vmask m, vfloat a, vfloat b) {
    return vbslq_f32(m, a, b);
}

/* The instructions for these give NaN where either is, not the second. */
V_INLINE vfloat v_min(vfloat a, vfloat b) {
    return v_select(vcltq_f32(a, b), a, b);
}

V_INLINE vfloat v_max(vfloat a, vfloat b) {
    return v_select(vcgtq_f32(a, b), a, b);
}

V_INLINE vfloat v_abs(vfloat a) {
    return vabsq_f32(a);
}

V_INLINE vfloat v_sqrt(vfloat a) {
    return vsqrtq_f32(a);
}

V_INLINE vfloat v_divide(vfloat a, vfloat b) {
    return vdivq_f32(a, b);
}

V_INLINE vfloat v_reciprocal(vfloat a) {
    return vdivq_f32(vdupq_n_f32(1), a);
}

/* 8 bits and one step of Newton. */
V_INLINE vfloat v_reciprocal_short(vfloat a) {
    const vfloat guess = vrecpeq_f32(a);
    return vmulq_f32(guess, vrecpsq_f32(a, guess));
}

V_INLINE vfloat v_round(vfloat a) {
    return vrndnq_f32(a);
}

V_INLINE vfloat v_power_of_two(int32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

/* In two steps, since 2^n itself may lie outside the normal floats where the product does not. */
V_INLINE vfloat v_scale_by_power(vfloat a, vfloat n) {
    const int32x4_t whole = vcvtq_s32_f32(n);
    const int32x4_t half = vshrq_n_s32(whole, 1);
    return a * v_power_of_two(half) * v_power_of_two(vsubq_s32(whole, half));
}

V_INLINE unsigned v_bits_not_finite(vfloat a) {
    const uint32x4_t exponent = vdupq_n_u32(0x7f800000), bit = {1, 2, 4, 8};
    const uint32x4_t bits = vandq_u32(vreinterpretq_u32_f32(a), exponent);
    return vaddvq_u32(vandq_u32(vceqq_u32(bits, exponent), bit));
}

V_INLINE float v_sum(vfloat a) {
    return vaddvq_f32(a);
}

V_INLINE float v_maximum(vfloat a) {
    return vmaxvq_f32(a);
}

#ifdef WELD_SIMD_BF16
V_INLINE vfloat b_widen(uint16x4_t halves) {
    return vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
}

V_INLINE vfloat b_load_all(const bfloat *p) {
    return b_widen(vld1_u16(&p->bits));
}

V_INLINE vfloat b_load_first(const bfloat *p, int64_t n) {
    bfloat whole[V_LANES] = {0};
    for (int64_t i = 0; i < n; i++) {
        whole[i] = p[i];
    }
    return b_load_all(whole);
}

#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
V_INLINE uint16x4_t b_round(vfloat a) {
    return vreinterpret_u16_bf16(vcvt_bf16_f32(a));
}

V_INLINE uint16x8_t b_round_pair(vfloat even, vfloat odd) {
    const uint16x4_t a = b_round(even), b = b_round(odd);
    return vcombine_u16(vzip1_u16(a, b), vzip2_u16(a, b));
}
#else
/* Half of the last place that stays, less one where it is even: the carry rounds. It would turn
 * some NaN into other numbers, so those are made quiet instead. */
V_INLINE uint32x4_t b_round_in_place(vfloat a) {
    const uint32x4_t bits = vreinterpretq_u32_f32(a);
    const uint32x4_t odd = vshlq_n_u32(bits, 15); /* the last place is its sign */
    const uint32x4_t carried = vsraq_n_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd, 31);
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    return vbslq_u32(vceqq_f32(a, a), carried, quiet);
}

V_INLINE uint16x4_t b_round(vfloat a) {
    return vshrn_n_u32(b_round_in_place(a), 16);
}

V_INLINE uint16x8_t b_round_pair(vfloat even, vfloat odd) {
    const uint32x4_t both = vsriq_n_u32(b_round_in_place(odd), b_round_in_place(even), 16);
    return vreinterpretq_u16_u32(both);
}
#endif

V_INLINE void b_store_all(bfloat *p, vfloat a) {
    vst1_u16(&p->bits, b_round(a));
}

/* 8 of them, those of even and of odd place apart. */
V_INLINE void b_load_pair(const bfloat *p, vfloat *even, vfloat *odd) {
    const uint32x4_t line = vreinterpretq_u32_u16(vld1q_u16(&p->bits));
    *even = vreinterpretq_f32_u32(vshlq_n_u32(line, 16));
    *odd = vreinterpretq_f32_u32(vbicq_u32(line, vdupq_n_u32(0xffff)));
}

V_INLINE void b_store_pair(bfloat *p, vfloat even, vfloat odd) {
    vst1q_u16(&p->bits, b_round_pair(even, odd));
}

/* The same of floats in registers: two vectors in order to even and odd places, and back. */
V_INLINE void b_part(vfloat first, vfloat second, vfloat *even, vfloat *odd) {
    *even = vuzp1q_f32(first, second);
    *odd = vuzp2q_f32(first, second);
}

V_INLINE void b_join(vfloat even, vfloat odd, vfloat *first, vfloat *second) {
    *first = vzip1q_f32(even, odd);
    *second = vzip2q_f32(even, odd);
}

V_INLINE void b_store_first(bfloat *p, int64_t n, vfloat a) {
    bfloat whole[V_LANES];
    b_store_all(whole, a);
    for (int64_t i = 0; i < n; i++) {
        p[i] = whole[i];
    }
}
#endif

V_INLINE vdouble w_widen(vfloat a) {
    return (vdouble){vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a)};
}

V_INLINE vdouble w_set(double a) {
    return (vdouble){vdupq_n_f64(a), vdupq_n_f64(a)};
}

V_INLINE vdouble w_load_all(const double *p) {
    return (vdouble){vld1q_f64(p), vld1q_f64(p + 2)};
}

V_INLINE vdouble w_load_masked(const double *p, vmask m) {
    const float64x2_t none = vdupq_n_f64(0);
    switch (v_mask_count(m)) {
    case 0:
        return (vdouble){none, none};
    case 1:
        return (vdouble){vld1q_lane_f64(p, none, 0), none};
    case 2:
        return (vdouble){vld1q_f64(p), none};
    case 3:
        return (vdouble){vld1q_f64(p), vld1q_lane_f64(p + 2, none, 0)};
    default:
        return w_load_all(p);
    }
}

V_INLINE void w_store_all(double *p, vdouble a) {
    vst1q_f64(p, a.low);
    vst1q_f64(p + 2, a.high);
}

V_INLINE void w_store_masked(double *p, vmask m, vdouble a) {
    switch (v_mask_count(m)) {
    case 0:
        break;
    case 1:
        vst1q_lane_f64(p, a.low, 0);
        break;
    case 2:
        vst1q_f64(p, a.low);
        break;
    case 3:
        vst1q_f64(p, a.low);
        vst1q_lane_f64(p + 2, a.high, 0);
        break;
    default:
        w_store_all(p, a);
    }
}

#endif
