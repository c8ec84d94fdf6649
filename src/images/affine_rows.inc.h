/* The loops of one instruction set: affine_rows.c includes this with TARGET,
 * the set as an attribute, NAME(x), x with the set's name, and the set's functions LOAD (the bytes
 * of a pixel as whole numbers), REALS (whole numbers as reals) and PACK (reals cut off to whole
 * numbers of 0 to 255, one a byte). */

/* Between the second and the third of four values, d of the way. */
#define CUBIC(a, b, c, e, d)                                                                       \
    (REALS(b) + (d) * (REALS((c) - (a)) + (d) * (REALS(2 * ((a) - (b)) + (c) - (e)) +              \
                                                 (d)*REALS((b) - (a) - (c) + (e)))))

/* Along one line of pixels that are `step` bytes apart; the second is at p. */
INLINE TARGET reals4 NAME(cubic_line)(const uint8_t *p, ptrdiff_t step, double d) {
    ints4 a = LOAD(p - step), b = LOAD(p), c = LOAD(p + step), e = LOAD(p + 2 * step);
    return CUBIC(a, b, c, e, d);
}

INLINE TARGET reals4 NAME(linear_line)(const uint8_t *p, ptrdiff_t step, double d) {
    ints4 a = LOAD(p), b = LOAD(p + step);
    return REALS(a) + REALS(b - a) * d;
}

/* Both ways: along four rows, then between them. */
INLINE TARGET reals4 NAME(cubic)(const uint8_t *p, ptrdiff_t stride, double dx, double dy) {
    reals4 a = NAME(cubic_line)(p - stride, 3, dx), b = NAME(cubic_line)(p, 3, dx);
    reals4 c = NAME(cubic_line)(p + stride, 3, dx), e = NAME(cubic_line)(p + 2 * stride, 3, dx);
    reals4 p2 = c - a, p3 = 2 * (a - b) + c - e, p4 = b - a - c + e;
    return b + dy * (p2 + dy * (p3 + dy * p4));
}

INLINE TARGET reals4 NAME(linear)(const uint8_t *p, ptrdiff_t stride, double dx, double dy) {
    reals4 a = NAME(linear_line)(p, 3, dx), b = NAME(linear_line)(p + stride, 3, dx);
    return a + (b - a) * dy;
}

/* At (u, v) - 1/2. Where one of them is whole, interpolating that way gives the very value. */
INLINE TARGET reals4 NAME(sample)(const weld_sampling *s, bool is_cubic, double u, double v) {
    int x = u < 0 ? -1 : (int)u, y = v < 0 ? -1 : (int)v;
    const uint8_t *p = s->origin + y * s->stride + (ptrdiff_t)x * 3;
    double dx = u - x, dy = v - y;
    if (dy == 0) {
        return is_cubic ? NAME(cubic_line)(p, 3, dx) : NAME(linear_line)(p, 3, dx);
    }
    if (dx == 0) {
        return is_cubic ? NAME(cubic_line)(p, s->stride, dy) : NAME(linear_line)(p, s->stride, dy);
    }
    return is_cubic ? NAME(cubic)(p, s->stride, dx, dy) : NAME(linear)(p, s->stride, dx, dy);
}

INLINE TARGET void NAME(sample_row)(const weld_sampling *s, bool is_cubic, int row, uint8_t *out) {
    const double width = s->width, height = s->height, y = row + 0.5;
    const double m0 = s->m[0], m1y = s->m[1] * y, m2 = s->m[2];
    const double m3 = s->m[3], m4y = s->m[4] * y, m5 = s->m[5];
    for (double x = 0.5; x < width; x++, out += 3) {
        double u = m0 * x + m1y + m2, v = m3 * x + m4y + m5;
        if (u >= 0 && u < width && v >= 0 && v < height) {
            reals4 value = NAME(sample)(s, is_cubic, u - 0.5, v - 0.5);
            uint32_t packed = PACK(&value);
            memcpy(out, &packed, 3);
        } else {
            memcpy(out, s->fill, 3);
        }
    }
}

TARGET void NAME(weld_sample_rows)(const weld_sampling *in, uint8_t *out) {
    const weld_sampling s = *in; /* a copy that writing to `out` cannot change */
    for (int row = 0; row < s.height; row++, out += (size_t)s.width * 3) {
        if (s.cubic) {
            NAME(sample_row)(&s, true, row, out);
        } else {
            NAME(sample_row)(&s, false, row, out);
        }
    }
}

#undef CUBIC
