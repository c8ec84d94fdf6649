/* The reference kernels for activations in bf16, parameters in float; see ref.inc.h.
 *
 * A bf16 is the upper half of a float: a sign, 8 bits of exponent, 7 of fraction. Here it is a
 * struct, so that none is computed with or taken for a parameter unconverted. */
#include <stdint.h>
#include <string.h>

#define REAL_DTYPE WELD_BF16
#define P_IS_T 0

typedef struct real {
    uint16_t bits;
} real;
typedef float param;

static double get(real x) {
    const uint32_t bits = (uint32_t)x.bits << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The nearest bf16, of two as near the even one; NaN stays NaN.
 *
 * On the way the double becomes a float, which must not round to a tie that it was not. So an
 * inexact float is made the one of the two around x whose last bit is odd: that still lies on x's
 * side of every tie (Boldo, Melquiond: "When double rounding is odd", 2005). */
static real put(double x) {
    const float value = (float)x;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) {
        return (real){(uint16_t)(bits >> 16 | 0x40)}; /* a payload in the lower half is lost */
    }
    if ((double)value != x && !(bits & 1)) {
        const double magnitude = x < 0 ? -x : x, got = value < 0 ? -value : value;
        bits += got < magnitude ? 1 : UINT32_MAX;
    }
    return (real){(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

#include "kernels/ref/ref.inc.h"

const weld_kernels *weld_kernels_ref_bf16(void) {
    return &table;
}
