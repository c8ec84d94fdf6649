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

/* Patches side by side that lie inside of the image, of rows of `row` bytes: each is copied with
 * more after it, up to `wide` bytes, which the next one then covers. Returns how many of them, as
 * there must be room for more. */
C_INLINE int64_t copy_patches(const weld_window *g, int wide, int64_t row, const uint8_t *from,
                              int64_t patches, const ends *e, uint8_t *out) {
    const int64_t line = g->dilation_h * g->w * g->c, step = g->stride_w * g->c;
    const int64_t high = g->kernel_h, last = (high - 1) * line;
    for (int64_t i = 0; i < patches; i++, from += step) {
        if (e->read - from < last + wide || e->write - out < high * row + wide) {
            return i;
        }
        const uint8_t *f = from;
        for (int64_t ky = 0; ky < high; ky++, out += row, f += line) {
            memcpy(out, f, (size_t)wide);
        }
    }
    return patches;
}

static int64_t copy_inside(const weld_window *g, int64_t row, const uint8_t *from, int64_t patches,
                           const ends *e, uint8_t *out) {
    return row <= 16   ? copy_patches(g, 16, row, from, patches, e, out)
           : row <= 32 ? copy_patches(g, 32, row, from, patches, e, out)
           : row <= 64 ? copy_patches(g, 64, row, from, patches, e, out)
           : row <= 96 ? copy_patches(g, 96, row, from, patches, e, out)
                       : 0;
}

/* One patch. */
static void copy_patch(const weld_window *g, const uint8_t *x, uint8_t padding, int64_t count,
                       int64_t iy, int64_t ix, uint8_t *out) {
    for (int64_t ky = 0; ky < g->kernel_h; ky++) {
        const int64_t y = iy + ky * g->dilation_h;
        for (int64_t kx = 0; kx < g->kernel_w; kx++, out += count) {
            const int64_t z = ix + kx * g->dilation_w;
            if (y >= 0 && y < g->h && z >= 0 && z < g->w) {
                copy_codes(out, x + (y * g->w + z) * g->c, count);
            } else {
                memset(out, padding, (size_t)count);
            }
        }
    }
}

void INT8(im2col)(const weld_window *g, const uint8_t *x, uint8_t padding, int64_t channel,
                  int64_t count, int64_t begin, int64_t end, uint8_t *out) {
    const int64_t row = g->kernel_w * count, patch = g->kernel_h * row;
    const int64_t high = (g->kernel_h - 1) * g->dilation_h;
    const bool joined = count == g->c && g->dilation_w == 1; /* taps lie side by side */
    const ends e = {x + g->h * g->w * g->c, out + (end - begin) * patch};
    for (int64_t i = begin; i < end;) {
        const int64_t oy = i / g->ow, ox = i % g->ow;
        const int64_t iy = oy * g->stride_h - g->pad_h, ix = ox * g->stride_w - g->pad_w;
        int64_t done = 0;
        if (joined && iy >= 0 && iy + high < g->h && ix >= 0 && ix + g->kernel_w <= g->w) {
            const int64_t inside = (g->w - g->kernel_w - ix) / g->stride_w + 1;
            const int64_t patches = c_least(c_least(inside, g->ow - ox), end - i);
            done = copy_inside(g, row, x + (iy * g->w + ix) * g->c, patches, &e, out);
        }
        if (done == 0) {
            copy_patch(g, x + channel, padding, count, iy, ix, out);
            done = 1;
        }
        i += done;
        out += done * patch;
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
