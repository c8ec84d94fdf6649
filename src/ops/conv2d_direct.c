/* Convolutions whose weights stay as they are, straight from the image where the kernels can: no
 * patches are made. The image, with its padding, is copied once for all taps and groups: a band of
 * rows that stays in the second-level cache, by all threads, and then swept by them, each a group
 * and some of the rows. */
#include "ops/conv2d.h"

enum {
    BAND_ELEMENTS = 192 * 1024, /* of the padded image */
    PARTS = 8,                  /* of a band: so that a few threads are evenly loaded */
    PARTS_OF_GROUP = 4,         /* of the band of each of several groups */
    COPIED_ROWS = 2,            /* that a thread copies at a time */
    FEW_WEIGHTS = 4 * 1024,     /* which stay in the first-level cache */
    LEAST_STRETCH = 9           /* of channels side by side: fewer are better gathered */
};

/* Taps of a row are one stretch of memory where each takes all channels. */
static bool is_merged(const weld_conv2d_geometry *g) {
    return g->groups == 1 && g->window.dilation_w == 1;
}

static int64_t stretch(const weld_conv2d_geometry *g) {
    return is_merged(g) ? g->window.kernel_w * g->in_group : g->in_group;
}

bool weld_conv2d_direct_suits(const weld_run *run, const weld_conv2d_geometry *g) {
    const weld_kernels *kernels = run->kernels;
    const bool takes = kernels->dtype != WELD_BF16 || stretch(g) % 2 == 0;
    return run->constant_weights && kernels->convolve && takes && g->path == WELD_CONV2D_PATCHES &&
           g->taps > 1 && stretch(g) >= LEAST_STRETCH && run->out[0].dtype == kernels->dtype;
}

/* The padded image as the taps see it. */
static int64_t padded_width(const weld_window *w) {
    const int64_t seen = (w->ow - 1) * w->stride_w + (w->kernel_w - 1) * w->dilation_w + 1;
    return seen > w->w + w->pad_w ? seen : w->w + w->pad_w;
}

/* Its rows for so many rows of results. */
static int64_t rows_for(const weld_window *w, int64_t rows) {
    return (rows - 1) * w->stride_h + (w->kernel_h - 1) * w->dilation_h + 1;
}

static int64_t band_elements(const weld_window *w, int64_t rows) {
    return rows_for(w, rows) * padded_width(w) * w->c;
}

void weld_conv2d_direct_plan(weld_conv2d_call *call) {
    const weld_conv2d_geometry *g = &call->geometry;
    const weld_window *w = &g->window;
    const weld_kernels *kernels = call->run->kernels;
    const int64_t row = padded_width(w) * w->c * w->stride_h;
    int64_t rows = BAND_ELEMENTS / row;
    rows = rows < 1 ? 1 : rows > w->oh ? w->oh : rows;
    call->blocks = weld_split_make(w->oh, rows, 1, 1);
    call->packed_bytes =
        weld_round_up(kernels->packed_size(g->patch, g->out_group) * weld_activation_size(kernels),
                      WELD_ALIGNMENT);
    call->packed = weld_reserve(&call->prepared, call->packed_bytes * (size_t)g->groups);
    call->reordered = weld_reserve(&call->prepared, (size_t)(g->out * g->patch) *
                                                        weld_dtype_size(call->run->in[1].dtype));
    call->workspace =
        (size_t)band_elements(w, weld_split_largest(call->blocks)) * weld_activation_size(kernels);
}

/* One band of one image on its way. */
typedef struct band {
    const weld_conv2d_call *call;
    int64_t image, begin, end; /* rows of results */
    int64_t parts;             /* of these */
} band;

/* Rows of the padded image: each the one patch of a kernel as wide as it is. */
static void copy_rows(void *arg, int64_t piece, int thread) {
    (void)thread;
    const band *b = arg;
    const weld_run *run = b->call->run;
    const weld_window *w = &b->call->geometry.window;
    const int64_t width = padded_width(w), first = b->begin * w->stride_h;
    const int64_t all = rows_for(w, b->end - b->begin), row = piece * COPIED_ROWS;
    const int64_t end = row + COPIED_ROWS < all ? row + COPIED_ROWS : all;
    const weld_window padded = {w->h, w->w, w->c,     first + all, 1, 1, width,
                                1,    1,    w->pad_h, w->pad_w,    1, 1};
    run->kernels->im2col(&padded, weld_at(&run->in[0], b->image * w->h * w->w * w->c), 0, w->c,
                         first + row, first + end,
                         (char *)run->workspace +
                             (size_t)(row * width * w->c) * weld_activation_size(run->kernels));
}

/* Some rows of one group. Parts follow each other group by group, so that a thread has the rows
 * that it has of other nodes. */
static void sweep(void *arg, int64_t item, int thread) {
    (void)thread;
    const band *b = arg;
    const weld_conv2d_call *call = b->call;
    const weld_conv2d_geometry *g = &call->geometry;
    const weld_window *w = &g->window;
    const weld_run *run = call->run;
    const int64_t group = item % g->groups, part = item / g->groups, rows = b->end - b->begin;
    const int64_t first = rows * part / b->parts, end = rows * (part + 1) / b->parts;
    const int64_t row = padded_width(w) * w->c;
    const weld_sweep s = {.rows = end - first,
                          .columns = w->ow,
                          .taps_h = w->kernel_h,
                          .taps_w = is_merged(g) ? 1 : w->kernel_w,
                          .k = stretch(g),
                          .x_row = w->stride_h * row,
                          .x_column = w->stride_w * w->c,
                          .tap_row = w->dilation_h * row,
                          .tap_column = w->dilation_w * w->c,
                          .y_row = w->ow * g->out,
                          .y_column = g->out};
    const int64_t channel = group * g->out_group;
    const int64_t at = (b->image * w->oh + b->begin + first) * w->ow * g->out + channel;
    run->kernels->convolve(
        &s, g->out_group,
        (const char *)run->workspace +
            (size_t)(first * s.x_row + group * g->in_group) * weld_activation_size(run->kernels),
        (const char *)run->prepared + call->packed + (size_t)group * call->packed_bytes,
        weld_optional(run, 2) ? weld_at(&run->in[2], channel) : NULL, weld_at(&run->out[0], at));
    weld_finish(run, s.rows * w->ow, g->out_group, g->out, weld_at(&run->out[0], at));
}

/* Few weights: a row at a time, finished before it leaves the first-level cache. */
static int64_t parts_of(const weld_conv2d_geometry *g, int64_t rows) {
    const bool few = g->patch * g->out_group <= FEW_WEIGHTS;
    const int64_t wanted = g->groups > 1 ? PARTS_OF_GROUP : few ? rows : PARTS;
    return wanted < rows ? wanted : rows;
}

void weld_conv2d_direct_run(const weld_conv2d_call *call) {
    const weld_conv2d_geometry *g = &call->geometry;
    const int threads = call->run->threads;
    for (int64_t i = 0; i < g->n * call->blocks.count; i++) {
        const int64_t block = i % call->blocks.count;
        band b = {call, i / call->blocks.count, weld_split_begin(call->blocks, block),
                  weld_split_begin(call->blocks, block + 1), 1};
        const int64_t rows = b.end - b.begin;
        b.parts = parts_of(g, rows);
        const int64_t copied = rows_for(&g->window, rows);
        weld_parallel(threads, (copied + COPIED_ROWS - 1) / COPIED_ROWS, copy_rows, &b);
        weld_parallel(threads, g->groups * b.parts, sweep, &b);
    }
}
