/* Vectors of 16 codes: NEON as every 64-bit ARM processor has it, with products of unsigned and
 * signed bytes (I8MM) where they are. The operations are those that int8/vector.h lists. */
#ifndef WELD_KERNELS_NEON_CODES_H
#define WELD_KERNELS_NEON_CODES_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define C_INLINE static inline __attribute__((always_inline))
#define C_BYTES 16

typedef uint8x16_t codes;
typedef int32x4_t ints;
typedef float32x4_t floats;

C_INLINE codes c_load(const uint8_t *p) {
    return vld1q_u8(p);
}

C_INLINE void c_store(uint8_t *p, codes x) {
    vst1q_u8(p, x);
}

C_INLINE codes c_load_first(const uint8_t *p, int64_t n) {
    uint8_t padded[C_BYTES] = {0};
    memcpy(padded, p, (size_t)n);
    return vld1q_u8(padded);
}

C_INLINE void c_store_first(uint8_t *p, codes x, int64_t n) {
    uint8_t all[C_BYTES];
    vst1q_u8(all, x);
    memcpy(p, all, (size_t)n);
}

C_INLINE codes c_load_half(const uint8_t *p) {
    return vcombine_u8(vld1_u8(p), vdup_n_u8(0));
}

C_INLINE void c_store_half(uint8_t *p, codes x) {
    vst1_u8(p, vget_low_u8(x));
}

C_INLINE codes c_set(uint8_t a) {
    return vdupq_n_u8(a);
}

C_INLINE codes c_set_four(uint32_t a) {
    return vreinterpretq_u8_u32(vdupq_n_u32(a));
}

C_INLINE codes c_set_words(int16_t a) {
    return vreinterpretq_u8_s16(vdupq_n_s16(a));
}

C_INLINE codes c_max(codes a, codes b) {
    return vmaxq_u8(a, b);
}

C_INLINE codes c_low_bytes(codes a, codes b) {
    return vzip1q_u8(a, b);
}

C_INLINE codes c_high_bytes(codes a, codes b) {
    return vzip2q_u8(a, b);
}

C_INLINE codes c_low_words(codes a, codes b) {
    return vreinterpretq_u8_u16(vzip1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}

C_INLINE codes c_high_words(codes a, codes b) {
    return vreinterpretq_u8_u16(vzip2q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}

C_INLINE codes c_add_words(codes a, codes b) {
    return vreinterpretq_u8_s16(vqaddq_s16(vreinterpretq_s16_u8(a), vreinterpretq_s16_u8(b)));
}

C_INLINE codes c_pack_ints(ints a, ints b) {
    return vreinterpretq_u8_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)));
}

C_INLINE codes c_pack_words(codes a, codes b) {
    return vcombine_u8(vqmovun_s16(vreinterpretq_s16_u8(a)), vqmovun_s16(vreinterpretq_s16_u8(b)));
}

/* With 16 bytes a vector, all orders that int8/vector.h asks for are one. */
C_INLINE codes c_permute(codes x, codes index) {
    (void)index;
    return x;
}

C_INLINE codes c_join(codes low, codes high) {
    return vcombine_u8(vget_low_u8(low), vget_low_u8(high));
}

C_INLINE codes c_high_half(codes x) {
    return vcombine_u8(vget_high_u8(x), vget_high_u8(x));
}

C_INLINE ints i_load(const int32_t *p) {
    return vld1q_s32(p);
}

C_INLINE void i_store(int32_t *p, ints x) {
    vst1q_s32(p, x);
}

C_INLINE ints i_set(int32_t a) {
    return vdupq_n_s32(a);
}

C_INLINE ints i_add(ints a, ints b) {
    return vaddq_s32(a, b);
}

C_INLINE floats i_to_float(ints x) {
    return vcvtq_f32_s32(x);
}

C_INLINE floats f_load(const float *p) {
    return vld1q_f32(p);
}

C_INLINE void f_store(float *p, floats x) {
    vst1q_f32(p, x);
}

C_INLINE floats f_set(float a) {
    return vdupq_n_f32(a);
}

C_INLINE floats f_mul(floats a, floats b) {
    return vmulq_f32(a, b);
}

C_INLINE floats f_add(floats a, floats b) {
    return vaddq_f32(a, b);
}

C_INLINE floats f_div(floats a, floats b) {
    return vdivq_f32(a, b);
}

C_INLINE floats f_fma(floats a, floats b, floats c) {
    return vfmaq_f32(c, a, b);
}

/* The other where one is not a number. */
C_INLINE floats f_max(floats a, floats b) {
    return vmaxnmq_f32(a, b);
}

C_INLINE floats f_min(floats a, floats b) {
    return vminnmq_f32(a, b);
}

C_INLINE ints f_round(floats x) {
    return vcvtnq_s32_f32(x);
}

typedef struct c_table {
    uint8x16x4_t part[4];
} c_table;

C_INLINE void c_load_table(c_table *t, const uint8_t *p) {
    for (int i = 0; i < 4; i++) {
        t->part[i] = vld1q_u8_x4(p + 64 * i);
    }
}

C_INLINE codes c_lookup(const c_table *t, codes x) {
    const codes step = vdupq_n_u8(64);
    codes y = vqtbl4q_u8(t->part[0], x);
    for (int i = 1; i < 4; i++) {
        x = vsubq_u8(x, step);
        y = vqtbx4q_u8(y, t->part[i], x);
    }
    return y;
}

#ifdef __ARM_FEATURE_MATMUL_INT8
#define C_WEIGHTS 16
#define C_STENCIL_ROWS 2
#define C_ROWS_4 6
#define C_ROWS_3 8
#define C_ROWS_2 10
#define C_ROWS_1 12

typedef codes factors;
typedef int8x16_t weights;

C_INLINE factors c_factors(codes x) {
    return x;
}

C_INLINE void c_hide(factors *f) {
    __asm__ volatile("" : "+w"(*f));
}

C_INLINE weights c_weights(const uint8_t *p) {
    return vreinterpretq_s8_u8(vld1q_u8(p));
}

C_INLINE ints c_dot(ints sum, factors a, weights b) {
    return vusdotq_s32(sum, a, b);
}
#else
#define C_WEIGHTS 32
#define C_STENCIL_ROWS 1
#define C_ROWS_4 3
#define C_ROWS_3 4
#define C_ROWS_2 5
#define C_ROWS_1 6

typedef struct factors {
    int16x8_t even, odd;
} factors;
typedef factors weights;

C_INLINE factors c_factors(codes x) {
    const uint16x8_t words = vreinterpretq_u16_u8(x);
    return (factors){vreinterpretq_s16_u16(vandq_u16(words, vdupq_n_u16(0xff))),
                     vreinterpretq_s16_u16(vshrq_n_u16(words, 8))};
}

C_INLINE void c_hide(factors *f) {
    __asm__ volatile("" : "+w"(f->even), "+w"(f->odd));
}

C_INLINE weights c_weights(const uint8_t *p) {
    return (weights){vreinterpretq_s16_u8(vld1q_u8(p)), vreinterpretq_s16_u8(vld1q_u8(p + 16))};
}

C_INLINE ints c_dot(ints sum, factors a, weights b) {
    int32x4_t low = vmull_s16(vget_low_s16(a.even), vget_low_s16(b.even));
    int32x4_t high = vmull_high_s16(a.even, b.even);
    low = vmlal_s16(low, vget_low_s16(a.odd), vget_low_s16(b.odd));
    high = vmlal_high_s16(high, a.odd, b.odd);
    return vaddq_s32(sum, vpaddq_s32(low, high));
}
#endif

#endif
