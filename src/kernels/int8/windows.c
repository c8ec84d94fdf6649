/* Patches and maxima of windows. */
#include "kernels/int8/simd.h"

/* As memcpy, for the few bytes of a patch's row: without a call. */
C_INLINE void copy_codes(uint8_t *to, const uint8_t *from, int64_t n) {
    if (n >= C_BYTES) {
        for (; n > C_BYTES; n -= C_BYTES, to += C_BYTES, from += C_BYTES) {
            c_store(to, c_load(from));
        }
        const int64_t back = C_BYTES - n; /* the last vector overlaps the one before */
        c_store(to - back, c_load(from - back));
    } else {
        c_store_first(to, c_load_first(from, n), n);
    }
}

/* Where patches come from and go to: nothing may be read or written past these. */
typedef struct ends {
    const uint8_t *read;
    uint8_t *write;
} ends;

/* The same where bytes after `to` may be anything, since they are written later. */
C_INLINE void copy_ahead(uint8_t *to, const uint8_t *from, int64_t n, const ends *e) {
    if (n <= 16 && e->read - from >= 16 && e->write - to >= 16) {
        memcpy(to, from, 16);
    } else if (n <= 32 && e->read - from >= 32 && e->write - to >= 32) {
        memcpy(to, from, 32);
    } else {
        copy_codes(to, from, n);
    }
}

/* The taps of row iy of the image from column ix on. */
static void copy_taps(const weld_window *g, const uint8_t *x, uint8_t padding, int64_t count,
                      int64_t iy, int64_t ix, const ends *e, uint8_t *out) {
    for (int64_t kx = 0; kx < g->kernel_w; kx++, ix += g->dilation_w, out += count) {
        if (iy >= 0 && iy < g->h && ix >= 0 && ix < g->w) {
            copy_ahead(out, x + (iy * g->w + ix) * g->c, count, e);
        } else {
            memset(out, padding, (size_t)count);
        }
    }
}

void INT8(im2col)(const weld_window *g, const uint8_t *x, uint8_t padding, int64_t channel,
                  int64_t count, int64_t begin, int64_t end, uint8_t *out) {
    const int64_t row = g->kernel_w * count;
    const bool joined = count == g->c && g->dilation_w == 1; /* taps lie side by side */
    const ends e = {x + g->h * g->w * g->c, out + (end - begin) * g->kernel_h * row};
    int64_t oy = begin / g->ow, ox = begin % g->ow;
    for (int64_t i = begin; i < end; i++) {
        const int64_t ix = ox * g->stride_w - g->pad_w;
        const bool inside = joined && ix >= 0 && ix + g->kernel_w <= g->w;
        for (int64_t ky = 0; ky < g->kernel_h; ky++, out += row) {
            const int64_t iy = oy * g->stride_h - g->pad_h + ky * g->dilation_h;
            if (inside && iy >= 0 && iy < g->h) {
                copy_ahead(out, x + (iy * g->w + ix) * g->c, row, &e);
            } else {
                copy_taps(g, x + channel, padding, count, iy, ix, &e, out);
            }
        }
        if (++ox == g->ow) {
            ox = 0;
            oy++;
        }
    }
}

/* The maximum of channels [channel, channel + count) at one position. */
C_INLINE codes max_of(const weld_window *g, const uint8_t *x, int64_t oy, int64_t ox,
                      int64_t channel, int64_t count) {
    codes max = c_set(0);
    for (int64_t ky = 0; ky < g->kernel_h; ky++) {
        const int64_t iy = oy * g->stride_h - g->pad_h + ky * g->dilation_h;
        for (int64_t kx = 0; kx < g->kernel_w && iy >= 0 && iy < g->h; kx++) {
            const int64_t ix = ox * g->stride_w - g->pad_w + kx * g->dilation_w;
            if (ix >= 0 && ix < g->w) {
                const uint8_t *from = x + (iy * g->w + ix) * g->c + channel;
                max = c_max(max, count == C_BYTES ? c_load(from) : c_load_first(from, count));
            }
        }
    }
    return max;
}

void INT8(max_pool)(const weld_window *g, const uint8_t *x, int64_t row_begin, int64_t row_end,
                    uint8_t *y) {
    for (int64_t oy = row_begin; oy < row_end; oy++) {
        for (int64_t ox = 0; ox < g->ow; ox++) {
            uint8_t *out = y + (oy * g->ow + ox) * g->c;
            int64_t c = 0;
            for (; c + C_BYTES <= g->c; c += C_BYTES) {
                c_store(out + c, max_of(g, x, oy, ox, c, C_BYTES));
            }
            if (c < g->c) {
                c_store_first(out + c, max_of(g, x, oy, ox, c, g->c - c), g->c - c);
            }
        }
    }
}
