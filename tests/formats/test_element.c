/* Conversion of outside element types: every bit pattern of the 16-bit floats against the rule that
 * defines it, and rounding, ends of ranges and odd addresses of the others. */
#include "suite.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "formats/element.h"

/* sign * 2^(exponent - bias) * (1 + mantissa / 2^bits), with the exceptions of IEEE 754. */
static double defined_value(unsigned pattern, int exponent_bits, int mantissa_bits) {
    unsigned most = (1U << exponent_bits) - 1;
    unsigned mantissa = pattern & ((1U << mantissa_bits) - 1);
    unsigned exponent = pattern >> mantissa_bits & most;
    int bias = (int)(most >> 1);
    double sign = pattern >> 15 ? -1 : 1, part = ldexp(mantissa, -mantissa_bits);
    if (exponent == most) {
        return mantissa ? NAN : sign * INFINITY;
    }
    return exponent == 0 ? sign * ldexp(part, 1 - bias)
                         : sign * ldexp(1 + part, (int)exponent - bias);
}

static void assert_all_patterns(weld_element element, int exponent_bits, int mantissa_bits) {
    static uint16_t patterns[65536];
    static float single[65536];
    static double twice[65536];
    for (unsigned i = 0; i < 65536; i++) {
        patterns[i] = (uint16_t)i;
    }
    weld_element_convert(element, patterns, 65536, WELD_F32, single);
    weld_element_convert(element, patterns, 65536, WELD_F64, twice);
    for (unsigned i = 0; i < 65536; i++) {
        double expected = defined_value(i, exponent_bits, mantissa_bits);
        if (isnan(expected)) {
            ck_assert_msg(isnan(single[i]) && isnan(twice[i]), "pattern %04x", i);
            continue;
        }
        ck_assert_msg((double)single[i] == expected && twice[i] == expected, "pattern %04x", i);
        ck_assert_msg(!signbit(single[i]) == !signbit(expected), "sign of pattern %04x", i);
        ck_assert_msg(!signbit(twice[i]) == !signbit(expected), "sign of pattern %04x", i);
    }
}

START_TEST(every_float16_has_its_value) {
    assert_all_patterns(WELD_ELEMENT_F16, 5, 10);
}
END_TEST

START_TEST(every_bfloat16_has_its_value) {
    assert_all_patterns(WELD_ELEMENT_BF16, 8, 7);
}
END_TEST

START_TEST(float64_is_rounded_to_the_nearest_float32_and_ties_to_even) {
    const double from[] = {
        0.1,      1 + 0x1p-24, 1 + 3 * 0x1p-24, 1 + 0x1p-24 + 0x1p-50, 1e300, -1e300,
        0x1p-149, 0x1p-150,    -0x1p-160,       0x1.fffffep127,        -0.0};
    const float to[] = {0.1f,      1, 1 + 0x1p-22f, 1 + 0x1p-23f,    INFINITY, -INFINITY,
                        0x1p-149f, 0, -0.0f,        0x1.fffffep127f, -0.0f};
    float single[11];
    double twice[11];
    weld_element_convert(WELD_ELEMENT_F64, from, 11, WELD_F32, single);
    weld_element_convert(WELD_ELEMENT_F64, from, 11, WELD_F64, twice);
    ck_assert_int_eq(memcmp(single, to, sizeof to), 0);
    ck_assert_int_eq(memcmp(twice, from, sizeof from), 0);
}
END_TEST

START_TEST(float32_comes_through_bit_for_bit) {
    const uint32_t bits[] = {0, 0x80000000, 1, 0x7f800000, 0x7fc00001, 0x3f800001};
    uint32_t out[6];
    double twice[6];
    weld_element_convert(WELD_ELEMENT_F32, bits, 6, WELD_F32, out);
    ck_assert_int_eq(memcmp(out, bits, sizeof bits), 0);
    weld_element_convert(WELD_ELEMENT_F32, bits, 6, WELD_F64, twice);
    ck_assert(twice[2] == 0x1p-149 && isinf(twice[3]) && isnan(twice[4]) &&
              twice[5] == 1 + 0x1p-23);
}
END_TEST

static void assert_integers(weld_element element, const void *from, const int64_t *expected,
                            size_t count) {
    int64_t whole[8];
    double twice[8];
    float single[8];
    weld_element_convert(element, from, count, WELD_I64, whole);
    weld_element_convert(element, from, count, WELD_F64, twice);
    weld_element_convert(element, from, count, WELD_F32, single);
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(whole[i] == expected[i], "%s %zu", weld_element_name(element), i);
        ck_assert_msg(twice[i] == (double)expected[i], "%s %zu", weld_element_name(element), i);
        ck_assert_msg(single[i] == (float)expected[i], "%s %zu", weld_element_name(element), i);
    }
}

START_TEST(integers_keep_their_value_and_sign) {
    assert_integers(WELD_ELEMENT_I64, (int64_t[]){INT64_MIN, -1, INT64_MAX, (1LL << 53) + 1},
                    (int64_t[]){INT64_MIN, -1, INT64_MAX, (1LL << 53) + 1}, 4);
    assert_integers(WELD_ELEMENT_I32, (int32_t[]){INT32_MIN, -1, INT32_MAX},
                    (int64_t[]){INT32_MIN, -1, INT32_MAX}, 3);
    assert_integers(WELD_ELEMENT_I16, (int16_t[]){INT16_MIN, -1, INT16_MAX},
                    (int64_t[]){INT16_MIN, -1, INT16_MAX}, 3);
    assert_integers(WELD_ELEMENT_I8, (int8_t[]){-128, -1, 127}, (int64_t[]){-128, -1, 127}, 3);
    assert_integers(WELD_ELEMENT_U8, (uint8_t[]){0, 255}, (int64_t[]){0, 255}, 2);
    assert_integers(WELD_ELEMENT_BOOL, (uint8_t[]){0, 1, 255}, (int64_t[]){0, 1, 1}, 3);
}
END_TEST

START_TEST(elements_may_begin_at_any_address) {
    const double values[] = {1.5, -2.25};
    unsigned char bytes[32];
    float out[2];
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(bytes + shift, values, sizeof values);
        weld_element_convert(WELD_ELEMENT_F64, bytes + shift, 2, WELD_F32, out);
        ck_assert(out[0] == 1.5f && out[1] == -2.25f);
    }
}
END_TEST

START_TEST(each_type_has_its_name_and_size) {
    static const struct {
        weld_element element;
        const char *name;
        size_t size;
    } all[] = {{WELD_ELEMENT_F64, "float64", 8}, {WELD_ELEMENT_F32, "float32", 4},
               {WELD_ELEMENT_F16, "float16", 2}, {WELD_ELEMENT_BF16, "bfloat16", 2},
               {WELD_ELEMENT_I64, "int64", 8},   {WELD_ELEMENT_I32, "int32", 4},
               {WELD_ELEMENT_I16, "int16", 2},   {WELD_ELEMENT_I8, "int8", 1},
               {WELD_ELEMENT_U8, "uint8", 1},    {WELD_ELEMENT_BOOL, "bool", 1}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ck_assert_str_eq(weld_element_name(all[i].element), all[i].name);
        ck_assert_uint_eq(weld_element_size(all[i].element), all[i].size);
        ck_assert_int_eq(weld_element_is_float(all[i].element),
                         strstr(all[i].name, "float") != NULL);
    }
}
END_TEST

RUN_SUITE("formats/element", every_float16_has_its_value, every_bfloat16_has_its_value,
          float64_is_rounded_to_the_nearest_float32_and_ties_to_even,
          float32_comes_through_bit_for_bit, integers_keep_their_value_and_sign,
          elements_may_begin_at_any_address, each_type_has_its_name_and_size)
