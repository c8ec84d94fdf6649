/* Element types of other programs' files; see element.h. */
#include "formats/element.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
    bool is_float;
} elements[] = {
    [WELD_ELEMENT_F64] = {"float64", 8, true}, [WELD_ELEMENT_F32] = {"float32", 4, true},
    [WELD_ELEMENT_F16] = {"float16", 2, true}, [WELD_ELEMENT_BF16] = {"bfloat16", 2, true},
    [WELD_ELEMENT_I64] = {"int64", 8, false},  [WELD_ELEMENT_I32] = {"int32", 4, false},
    [WELD_ELEMENT_I16] = {"int16", 2, false},  [WELD_ELEMENT_I8] = {"int8", 1, false},
    [WELD_ELEMENT_U8] = {"uint8", 1, false},   [WELD_ELEMENT_BOOL] = {"bool", 1, false},
};

size_t weld_element_size(weld_element element) {
    return elements[element].size;
}

const char *weld_element_name(weld_element element) {
    return elements[element].name;
}

bool weld_element_is_float(weld_element element) {
    return elements[element].is_float;
}

static uint64_t load(const unsigned char *at, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

static float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double double_of_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: 1 bit sign, 5 exponent (bias 15), 10 mantissa. Every value is one of f32. */
static float half_value(uint16_t half) {
    uint32_t sign = (uint32_t)(half >> 15) << 31, exponent = half >> 10 & 31,
             mantissa = half & 1023;
    if (exponent == 0) {
        float value = (float)mantissa * 0x1p-24f;
        return sign ? -value : value;
    }
    return float_of_bits(sign | (exponent == 31 ? 255 : exponent + 112) << 23 | mantissa << 13);
}

static int64_t integer_at(weld_element element, const unsigned char *from, size_t i) {
    switch (element) {
    case WELD_ELEMENT_I64:
        return (int64_t)load(from + 8 * i, 8);
    case WELD_ELEMENT_I32:
        return (int32_t)load(from + 4 * i, 4);
    case WELD_ELEMENT_I16:
        return (int16_t)load(from + 2 * i, 2);
    case WELD_ELEMENT_I8:
        return (int8_t)from[i];
    case WELD_ELEMENT_BOOL:
        return from[i] != 0;
    default:
        return from[i];
    }
}

static float small_float_at(weld_element element, const unsigned char *from, size_t i) {
    switch (element) {
    case WELD_ELEMENT_F32:
        return float_of_bits((uint32_t)load(from + 4 * i, 4));
    case WELD_ELEMENT_F16:
        return half_value((uint16_t)load(from + 2 * i, 2));
    default:
        return float_of_bits((uint32_t)load(from + 2 * i, 2) << 16);
    }
}

static void to_f32(weld_element element, const unsigned char *from, size_t count, float *to) {
    if (element == WELD_ELEMENT_F32) {
        memcpy(to, from, count * sizeof *to);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        to[i] = element == WELD_ELEMENT_F64      ? (float)double_of_bits(load(from + 8 * i, 8))
                : weld_element_is_float(element) ? small_float_at(element, from, i)
                                                 : (float)integer_at(element, from, i);
    }
}

static void to_f64(weld_element element, const unsigned char *from, size_t count, double *to) {
    for (size_t i = 0; i < count; i++) {
        to[i] = element == WELD_ELEMENT_F64      ? double_of_bits(load(from + 8 * i, 8))
                : weld_element_is_float(element) ? (double)small_float_at(element, from, i)
                                                 : (double)integer_at(element, from, i);
    }
}

void weld_element_convert(weld_element element, const void *from, size_t count, weld_dtype dtype,
                          void *to) {
    if (dtype == WELD_F32) {
        to_f32(element, from, count, to);
    } else if (dtype == WELD_F64) {
        to_f64(element, from, count, to);
    } else {
        for (size_t i = 0; i < count; i++) {
            ((int64_t *)to)[i] = integer_at(element, from, i);
        }
    }
}
