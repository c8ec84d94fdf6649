/* Convolutions by patches whose weights do not fit the second-level cache: many positions for each
 * time that the weights are read. Patches of a block of positions, which goes on from image to
 * image, are made by all threads, and then multiplied by chunks of columns. */
#include "ops/conv2d.h"
#include "ops/products.h"

enum {
    WEIGHT_ELEMENTS = 512 * 1024,
    PATCH_ELEMENTS = 256 * 1024, /* of one block */
    LEAST_POSITIONS = 32,        /* in a block */
    PIECE = 8                    /* positions whose patches a thread makes at a time */
};

bool weld_conv2d_wide_suits(const weld_conv2d_geometry *g) {
    return g->path == WELD_CONV2D_PATCHES && g->groups == 1 && g->out * g->patch >= WEIGHT_ELEMENTS;
}

void weld_conv2d_wide_plan(weld_conv2d_call *call) {
    const weld_conv2d_geometry *g = &call->geometry;
    const weld_run *run = call->run;
    const int64_t positions = g->n * g->window.oh * g->window.ow;
    int64_t most = PATCH_ELEMENTS / g->patch;
    most = most > LEAST_POSITIONS ? most : LEAST_POSITIONS;
    call->blocks = weld_split_make(positions, most, 1, PIECE);
    call->packed =
        weld_reserve(&call->prepared, weld_row_product_prepared(run->kernels, g->patch, g->out));
    call->reordered = weld_reserve(&call->prepared,
                                   (size_t)(g->out * g->patch) * weld_dtype_size(run->in[1].dtype));
    call->workspace = (size_t)((positions < most ? positions : most) * g->patch) *
                      weld_activation_size(run->kernels);
}

static weld_row_product product(const weld_conv2d_call *call, const void *reordered) {
    const weld_conv2d_geometry *g = &call->geometry;
    return (weld_row_product){.k = g->patch,
                              .n = g->out,
                              .b = reordered,
                              .row_stride = 1,
                              .column_stride = g->patch,
                              .bias = weld_optional(call->run, 2),
                              .by_columns = true};
}

void weld_conv2d_wide_prepare(const weld_conv2d_call *call, char *prepared) {
    const weld_conv2d_geometry *g = &call->geometry;
    const weld_tensor *weight = &call->run->in[1];
    char *reordered = prepared + call->reordered;
    weld_swap_inner(weight->dtype, g->out, g->in_group, g->taps, weight->data, reordered);
    weld_row_product_prepare(product(call, reordered), call->run, prepared + call->packed);
}

typedef struct gathering {
    const weld_conv2d_call *call;
    int64_t begin, end; /* positions of all images */
} gathering;

static void gather(void *arg, int64_t piece, int thread) {
    (void)thread;
    const gathering *job = arg;
    const weld_conv2d_geometry *g = &job->call->geometry;
    const weld_run *run = job->call->run;
    const weld_window *w = &g->window;
    const int64_t each = w->oh * w->ow, last = job->begin + (piece + 1) * PIECE;
    const int64_t end = last < job->end ? last : job->end;
    for (int64_t at = job->begin + piece * PIECE; at < end;) {
        const int64_t image = at / each, left = end - image * each;
        const int64_t until = left < each ? left : each;
        char *patches = (char *)run->workspace +
                        (size_t)((at - job->begin) * g->patch) * weld_activation_size(run->kernels);
        run->kernels->im2col(w, weld_at(&run->in[0], image * w->h * w->w * w->c), 0, w->c,
                             at - image * each, until, patches);
        at = image * each + until;
    }
}

void weld_conv2d_wide_run(const weld_conv2d_call *call) {
    const weld_run *run = call->run;
    weld_run multiplying = *run;
    multiplying.prepared = (const char *)run->prepared + call->packed;
    for (int64_t i = 0; i < call->blocks.count; i++) {
        gathering job = {call, weld_split_begin(call->blocks, i),
                         weld_split_begin(call->blocks, i + 1)};
        weld_parallel(run->threads, (job.end - job.begin + PIECE - 1) / PIECE, gather, &job);
        weld_row_product p = product(call, NULL);
        p.rows = job.end - job.begin;
        p.a = run->workspace;
        p.c = weld_at(&run->out[0], job.begin * call->geometry.out);
        weld_row_product_run(p, &multiplying);
    }
}
