/* Pooling and patches of one image. */
#include <math.h>
#include <string.h>

#include "kernels/simd/simd.h"

typedef struct range {
    int64_t begin, end;
} range;

/* Taps of the window at `start`, `dilation` apart, that lie inside [0, size). */
V_INLINE range taps_inside(int64_t start, int64_t kernel, int64_t dilation, int64_t size) {
    const int64_t before = greatest(0, -start), room = size - start;
    if (dilation == 1) { /* a division takes as long as a small patch */
        return (range){before, least(kernel, room)};
    }
    return (range){(before + dilation - 1) / dilation,
                   least(kernel, room > 0 ? (room - 1) / dilation + 1 : 0)};
}

/* The window of one output position: its taps inside the image and its first column's offset. */
typedef struct patch {
    range ky, kx;
    int64_t offset; /* of tap (0, 0), in elements; may lie outside */
} patch;

V_INLINE patch patch_at(const weld_window *g, int64_t oy, int64_t ox) {
    const int64_t top = oy * g->stride_h - g->pad_h, left = ox * g->stride_w - g->pad_w;
    return (patch){.ky = taps_inside(top, g->kernel_h, g->dilation_h, g->h),
                   .kx = taps_inside(left, g->kernel_w, g->dilation_w, g->w),
                   .offset = (top * g->w + left) * g->c};
}

/* From the window's first tap to another, in elements. */
V_INLINE int64_t tap_offset(const weld_window *g, int64_t ky, int64_t kx) {
    return (ky * g->dilation_h * g->w + kx * g->dilation_w) * g->c;
}

/* The maximum of a window for one vector of channels; where `which` is not NULL, also the tap that
 * holds it first. */
V_INLINE vfloat window_maximum(const weld_window *g, const patch *p, const tvalue *x, vlanes lanes,
                               vfloat *which) {
    vfloat best = v_set(-INFINITY), at = v_set(-1);
    bool first = true;
    for (int64_t ky = p->ky.begin; ky < p->ky.end; ky++) {
        for (int64_t kx = p->kx.begin; kx < p->kx.end; kx++) {
            const vfloat v = t_load(x + p->offset + tap_offset(g, ky, kx), lanes);
            const vfloat tap = v_set((float)(ky * g->kernel_w + kx));
            const vmask more = v_greater(v, best);
            best = first ? v : v_select(more, v, best);
            at = first ? tap : v_select(more, tap, at);
            first = false;
        }
    }
    if (which) {
        *which = at;
    }
    return best;
}

void SIMD(max_pool)(const weld_window *g, const void *x_, int64_t row_begin, int64_t row_end,
                    void *y_) {
    const tvalue *x = x_;
    tvalue *y = (tvalue *)y_ + row_begin * g->ow * g->c;
    for (int64_t oy = row_begin; oy < row_end; oy++) {
        for (int64_t ox = 0; ox < g->ow; ox++, y += g->c) {
            const patch p = patch_at(g, oy, ox);
            for (int64_t j = 0; j < g->c; j += V_LANES) {
                const vlanes lanes = v_lanes_at(j, g->c);
                t_store(y + j, lanes, window_maximum(g, &p, x + j, lanes, NULL));
            }
        }
    }
}

/* Adds dy to dx at the maximum of one window, for one vector of channels. */
V_INLINE void spread(const weld_window *g, const patch *p, const tvalue *x, vfloat dy, vlanes lanes,
                     tvalue *dx) {
    vfloat which;
    window_maximum(g, p, x, lanes, &which);
    for (int64_t ky = p->ky.begin; ky < p->ky.end; ky++) {
        for (int64_t kx = p->kx.begin; kx < p->kx.end; kx++) {
            const vmask here = v_equal(which, v_set((float)(ky * g->kernel_w + kx)));
            tvalue *out = dx + p->offset + tap_offset(g, ky, kx);
            t_store(out, lanes, t_load(out, lanes) + v_select(here, dy, v_zero()));
        }
    }
}

void SIMD(max_pool_grad)(const weld_window *g, const void *x_, const void *dy_, void *dx_) {
    const tvalue *x = x_, *dy = dy_;
    tvalue *dx = dx_;
    memset(dx, 0, sizeof *dx * (size_t)(g->h * g->w * g->c));
    for (int64_t oy = 0; oy < g->oh; oy++) {
        for (int64_t ox = 0; ox < g->ow; ox++, dy += g->c) {
            const patch p = patch_at(g, oy, ox);
            for (int64_t j = 0; j < g->c; j += V_LANES) {
                const vlanes lanes = v_lanes_at(j, g->c);
                spread(g, &p, x + j, t_load(dy + j, lanes), lanes, dx + j);
            }
        }
    }
}

/* Onwards by positions of one row. */
V_INLINE void go_on(const weld_window *g, int64_t positions, int64_t *oy, int64_t *ox) {
    *ox += positions;
    if (*ox == g->ow) {
        *ox = 0;
        ++*oy;
    }
}

V_INLINE void copy_floats(int64_t n, const float *from, float *to) {
    int64_t j = 0;
    for (; j + V_LANES <= n; j += V_LANES) {
        v_store_all(to + j, v_load_all(from + j));
    }
    if (j < n) {
        v_store(to + j, v_first(n - j), v_load(from + j, v_first(n - j)));
    }
}

/* Two bf16 are moved as one float: none is converted on the way. */
V_INLINE void copy(int64_t n, const tvalue *from, tvalue *to) {
    const int64_t parts = sizeof(float) / sizeof *to;
    if (n % parts == 0) {
        copy_floats(n / parts, (const float *)from, (float *)to);
        return;
    }
    for (int64_t j = 0; j < n; j += V_LANES) {
        const vlanes lanes = v_lanes_at(j, n);
        t_store(to + j, lanes, t_load(from + j, lanes));
    }
}

V_INLINE void fill_zero(int64_t n, tvalue *to) {
    for (int64_t j = 0; j < n; j += V_LANES) {
        t_store(to + j, v_lanes_at(j, n), v_zero());
    }
}

/* Are the taps of a row of the patch, of so many channels, side by side in the image? */
V_INLINE bool is_stretch(const weld_window *g, int64_t count) {
    return count == g->c && g->dilation_w == 1;
}

/* One row of a patch, out[kw, count], x pointing to its first tap. */
V_INLINE void copy_patch_row(const weld_window *g, range kx, const tvalue *x, int64_t count,
                             tvalue *out) {
    fill_zero(kx.begin * count, out);
    if (is_stretch(g, count)) {
        copy((kx.end - kx.begin) * count, x + kx.begin * count, out + kx.begin * count);
    } else {
        for (int64_t t = kx.begin; t < kx.end; t++) {
            copy(count, x + tap_offset(g, 0, t), out + t * count);
        }
    }
    fill_zero((g->kernel_w - kx.end) * count, out + kx.end * count);
}

/* How many positions from (oy, ox) on along the row have all their taps inside of the image, if
 * these are stretches. */
V_INLINE int64_t positions_inside(const weld_window *g, int64_t count, int64_t oy, int64_t ox) {
    const int64_t top = oy * g->stride_h - g->pad_h, left = ox * g->stride_w - g->pad_w;
    const int64_t room = g->w - g->kernel_w - left; /* to the last position */
    if (!is_stretch(g, count) || top < 0 || top + (g->kernel_h - 1) * g->dilation_h >= g->h ||
        left < 0 || room < 0) {
        return 0;
    }
    return least(room / g->stride_w + 1, g->ow - ox);
}

/* The patches of such positions, x pointing to the first tap. */
static void copy_inside(const weld_window *g, int64_t positions, const tvalue *x, tvalue *out) {
    const int64_t n = g->kernel_w * g->c, rows = g->kernel_h, step = g->stride_w * g->c;
    const int64_t row = g->dilation_h * g->w * g->c;
    for (; positions > 0; positions--, x += step) {
        for (int64_t ky = 0; ky < rows; ky++, out += n) {
            copy(n, x + ky * row, out);
        }
    }
}

/* Any patch. */
static void copy_patch(const weld_window *g, patch p, const tvalue *x, int64_t count, tvalue *out) {
    if (p.kx.begin >= p.kx.end) {
        p.kx = (range){g->kernel_w, g->kernel_w}; /* nothing but padding */
    }
    for (int64_t ky = 0; ky < g->kernel_h; ky++, out += g->kernel_w * count) {
        if (ky < p.ky.begin || ky >= p.ky.end) {
            fill_zero(g->kernel_w * count, out);
        } else {
            copy_patch_row(g, p.kx, x + p.offset + tap_offset(g, ky, 0), count, out);
        }
    }
}

void SIMD(im2col)(const weld_window *g, const void *x_, int64_t channel, int64_t count,
                  int64_t begin, int64_t end, void *out_) {
    const tvalue *x = (const tvalue *)x_ + channel;
    tvalue *out = out_;
    int64_t oy = begin / g->ow, ox = begin % g->ow;
    while (begin < end) {
        const patch p = patch_at(g, oy, ox);
        const int64_t inside = least(positions_inside(g, count, oy, ox), end - begin);
        if (inside > 0) {
            copy_inside(g, inside, x + p.offset, out);
        } else {
            copy_patch(g, p, x, count, out);
        }
        const int64_t done = greatest(inside, 1);
        out += done * g->kernel_h * g->kernel_w * count;
        begin += done;
        go_on(g, done, &oy, &ox);
    }
}

V_INLINE void add_to(int64_t n, const tvalue *from, tvalue *to) {
    int64_t j = 0;
    for (; j + V_LANES <= n; j += V_LANES) {
        t_store(to + j, v_all(), t_load(to + j, v_all()) + t_load(from + j, v_all()));
    }
    if (j < n) {
        const vlanes lanes = v_first(n - j);
        t_store(to + j, lanes, t_load(to + j, lanes) + t_load(from + j, lanes));
    }
}

/* The transposes of copy_inside and copy_patch. */
static void add_inside(const weld_window *g, int64_t positions, const tvalue *patches, tvalue *dx) {
    const int64_t n = g->kernel_w * g->c, rows = g->kernel_h, step = g->stride_w * g->c;
    const int64_t row = g->dilation_h * g->w * g->c;
    for (; positions > 0; positions--, dx += step) {
        for (int64_t ky = 0; ky < rows; ky++, patches += n) {
            add_to(n, patches, dx + ky * row);
        }
    }
}

static void add_patch(const weld_window *g, patch p, const tvalue *patches, int64_t count,
                      tvalue *dx) {
    for (int64_t ky = p.ky.begin; ky < p.ky.end; ky++) {
        tvalue *row = dx + p.offset + tap_offset(g, ky, 0);
        const tvalue *from = patches + ky * g->kernel_w * count;
        if (is_stretch(g, count) && p.kx.begin < p.kx.end) {
            add_to((p.kx.end - p.kx.begin) * count, from + p.kx.begin * count,
                   row + p.kx.begin * count);
            continue;
        }
        for (int64_t kx = p.kx.begin; kx < p.kx.end; kx++) {
            add_to(count, from + kx * count, row + tap_offset(g, 0, kx));
        }
    }
}

void SIMD(col2im)(const weld_window *g, const void *patches_, int64_t channel, int64_t count,
                  int64_t begin, int64_t end, void *dx_) {
    const tvalue *patches = patches_;
    tvalue *dx = (tvalue *)dx_ + channel;
    int64_t oy = begin / g->ow, ox = begin % g->ow;
    while (begin < end) {
        const patch p = patch_at(g, oy, ox);
        const int64_t inside = least(positions_inside(g, count, oy, ox), end - begin);
        if (inside > 0) {
            add_inside(g, inside, patches, dx + p.offset);
        } else {
            add_patch(g, p, patches, count, dx);
        }
        const int64_t done = greatest(inside, 1);
        patches += done * g->kernel_h * g->kernel_w * count;
        begin += done;
        go_on(g, done, &oy, &ox);
    }
}
