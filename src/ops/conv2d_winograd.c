/* Dense 3 x 3 convolutions whose weights stay as they are, by squares of 2 x 2 outputs: Winograd's
 * F(2 x 2, 3 x 3) (Lavin, Gray 2016), with 16 products a square and channel where there were 36.
 * F(4 x 4, 3 x 3) would take fewer still, but loses several more bits, and its weights are four
 * times as large: small maps then wait for memory.
 *
 * A block of squares goes through three steps, and stays in the second-level cache meanwhile: its
 * inputs are transformed, v[16][squares][c]; each of the 16 elements is a matrix product of its
 * own, m[16][squares][out] = v u; these are transformed back. Blocks go on from image to image.
 * Where all squares are no more than a block, threads share out each of the steps, so that weights
 * are read once. Weights are transformed and packed by chunks of columns, for which there is little
 * scratch. */
#include "ops/conv2d.h"

enum {
    ELEMENTS = 16, /* of a square, transformed */
    TAPS = 9,
    LOT = 16,                   /* kernels that are transformed at a time */
    CHUNK = 48,                 /* columns: whole panels of all micro-kernels */
    BLOCK_ELEMENTS = 12 * 1024, /* of inputs and outputs of one element in a block */
    SMALL = 64,                 /* squares that are one block in any case */
    LEAST_SQUARES = 32,         /* in a block, for which it is worth reading the weights again */
    PARTS = 8,                  /* so that a few threads are evenly loaded */
    PIECE = 4,                  /* squares that a thread transforms at a time */
    LEAST_CHANNELS = 16,
    LEAST_OUTPUTS = 100 /* of a map: at 7 x 7 there is little to gain, and weights are larger */
};

bool weld_conv2d_winograd_suits(const weld_run *run, const weld_conv2d_geometry *g) {
    const weld_window *w = &g->window;
    return run->constant_weights && run->kernels->winograd_input &&
           g->path == WELD_CONV2D_PATCHES && g->groups == 1 && w->kernel_h == 3 &&
           w->kernel_w == 3 && w->stride_h == 1 && w->stride_w == 1 && w->dilation_h == 1 &&
           w->dilation_w == 1 && w->c >= LEAST_CHANNELS && g->out >= LEAST_CHANNELS &&
           w->oh * w->ow >= LEAST_OUTPUTS;
}

static int64_t squares_of_image(const weld_window *w) {
    return ((w->oh + 1) / 2) * ((w->ow + 1) / 2);
}

static int64_t chunks_of(const weld_conv2d_geometry *g) {
    return (g->out + CHUNK - 1) / CHUNK;
}

static int64_t columns_of(const weld_conv2d_geometry *g, int64_t chunk) {
    const int64_t left = g->out - chunk * CHUNK;
    return left < CHUNK ? left : CHUNK;
}

static size_t packed_bytes(const weld_conv2d_call *call, int64_t columns) {
    const weld_kernels *kernels = call->run->kernels;
    return weld_round_up(kernels->packed_size(call->geometry.window.c, columns) *
                             weld_activation_size(kernels),
                         WELD_ALIGNMENT);
}

void weld_conv2d_winograd_plan(weld_conv2d_call *call) {
    const weld_conv2d_geometry *g = &call->geometry;
    const size_t size = weld_activation_size(call->run->kernels);
    const int64_t squares = g->n * squares_of_image(&g->window), channels = g->window.c + g->out;
    const int64_t wanted = BLOCK_ELEMENTS / channels, most = wanted > SMALL ? wanted : SMALL;
    const int64_t enough = squares <= SMALL ? 1 : squares / LEAST_SQUARES;
    call->blocks = weld_split_make(squares, most, enough < PARTS ? enough : PARTS, 1);
    call->packed_bytes = packed_bytes(call, CHUNK);
    call->packed =
        weld_reserve(&call->prepared, call->packed_bytes * (size_t)(ELEMENTS * chunks_of(g)));
    call->reordered =
        weld_reserve(&call->prepared, (size_t)(ELEMENTS * CHUNK * g->window.c) * size);
    /* No multiple of the alignment: the same weights prepared for patches, for a smaller map, are
     * another form, and forms are told apart by their size. */
    call->prepared++;
    /* Of no fewer squares than a smaller number of images has in a block. */
    call->patch_bytes = weld_round_up(
        (size_t)((squares < most ? squares : most) * ELEMENTS * channels) * size, WELD_ALIGNMENT);
    call->workspace = call->patch_bytes * (call->blocks.count > 1 ? (size_t)call->run->threads : 1);
}

/* u = G k G^T of some kernels k[3][3], G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1]. */
static void transform_kernels(double k[TAPS][LOT], double u[ELEMENTS][LOT]) {
    double rows[4 * 3][LOT];
    for (int j = 0; j < 3; j++) {
        for (int i = 0; i < LOT; i++) {
            const double outer = k[j][i] + k[6 + j][i];
            rows[j][i] = k[j][i];
            rows[3 + j][i] = (outer + k[3 + j][i]) / 2;
            rows[6 + j][i] = (outer - k[3 + j][i]) / 2;
            rows[9 + j][i] = k[6 + j][i];
        }
    }
    for (int p = 0; p < 4; p++) {
        double(*row)[LOT] = rows + 3 * p, (*out)[LOT] = u + 4 * p;
        for (int i = 0; i < LOT; i++) {
            const double outer = row[0][i] + row[2][i];
            out[0][i] = row[0][i];
            out[1][i] = (outer + row[1][i]) / 2;
            out[2][i] = (outer - row[1][i]) / 2;
            out[3][i] = row[2][i];
        }
    }
}

/* Kernels of outputs [first, first + columns) to u[16][columns][c], a lot at a time: 16 stores far
 * apart for each kernel would take ten times as long. */
static void transform_chunk(const weld_conv2d_call *call, int64_t first, int64_t columns, void *u) {
    const weld_tensor *weight = &call->run->in[1];
    const int64_t c = call->geometry.window.c, count = columns * c;
    double kernels[TAPS][LOT] = {{0}}, transformed[ELEMENTS][LOT];
    for (int64_t begin = 0; begin < count; begin += LOT) {
        const int64_t lot = count - begin < LOT ? count - begin : LOT;
        for (int64_t i = 0; i < lot; i++) {
            for (int t = 0; t < TAPS; t++) {
                kernels[t][i] =
                    weld_get(weight->dtype, weight->data, (first * c + begin + i) * TAPS + t);
            }
        }
        transform_kernels(kernels, transformed);
        for (int64_t e = 0; e < ELEMENTS; e++) {
            for (int64_t i = 0; i < lot; i++) {
                weld_set(weight->dtype, u, e * count + begin + i, transformed[e][i]);
            }
        }
    }
}

void weld_conv2d_winograd_prepare(const weld_conv2d_call *call, char *prepared) {
    const weld_conv2d_geometry *g = &call->geometry;
    const weld_kernels *kernels = call->run->kernels;
    const size_t size = weld_activation_size(kernels);
    const int64_t c = g->window.c, chunks = chunks_of(g);
    char *u = prepared + call->reordered;
    for (int64_t i = 0; i < chunks; i++) {
        const int64_t columns = columns_of(g, i);
        transform_chunk(call, i * CHUNK, columns, u);
        for (int64_t e = 0; e < ELEMENTS; e++) {
            kernels->pack(c, columns, u + (size_t)(e * columns * c) * size, 1, c,
                          prepared + call->packed + (size_t)(e * chunks + i) * call->packed_bytes);
        }
    }
}

/* A block of squares on its way. */
typedef struct block {
    const weld_conv2d_call *call;
    int64_t first, squares;
    char *v, *m;
} block;

static block block_at(const weld_conv2d_call *call, int64_t i, int thread) {
    const int64_t first = weld_split_begin(call->blocks, i);
    block b = {call, first, weld_split_begin(call->blocks, i + 1) - first, NULL, NULL};
    b.v = (char *)call->run->workspace + call->patch_bytes * (size_t)thread;
    b.m = b.v + (size_t)(ELEMENTS * b.squares * call->geometry.window.c) *
                    weld_activation_size(call->run->kernels);
    return b;
}

/* Some squares of a block, from `at` on, that are squares [begin, end) of one image. */
typedef struct part {
    int64_t at, image, begin, end;
} part;

static part part_at(const block *b, int64_t at, int64_t end) {
    const int64_t each = squares_of_image(&b->call->geometry.window);
    const int64_t image = (b->first + at) / each, begin = (b->first + at) % each;
    const int64_t left = begin + end - at;
    return (part){at, image, begin, left < each ? left : each};
}

static void transform_inputs(const block *b, int64_t begin, int64_t end) {
    const weld_run *run = b->call->run;
    const weld_window *w = &b->call->geometry.window;
    const size_t size = weld_activation_size(run->kernels);
    while (begin < end) {
        const part p = part_at(b, begin, end);
        run->kernels->winograd_input(w, weld_at(&run->in[0], p.image * w->h * w->w * w->c), p.begin,
                                     p.end, b->squares * w->c, b->v + (size_t)(p.at * w->c) * size);
        begin += p.end - p.begin;
    }
}

/* One of the elements, one chunk of the columns. */
static void multiply(const block *b, int64_t element, int64_t chunk) {
    const weld_conv2d_call *call = b->call;
    const weld_conv2d_geometry *g = &call->geometry;
    const weld_kernels *kernels = call->run->kernels;
    const size_t size = weld_activation_size(kernels);
    const int64_t c = g->window.c, plane = element * b->squares;
    const char *packed = (const char *)call->run->prepared + call->packed +
                         (size_t)(element * chunks_of(g) + chunk) * call->packed_bytes;
    kernels->gemm_packed(b->squares, columns_of(g, chunk), c, b->v + (size_t)(plane * c) * size, c,
                         packed, NULL, false,
                         b->m + (size_t)(plane * g->out + chunk * CHUNK) * size, g->out);
}

static void transform_outputs(const block *b, int64_t begin, int64_t end) {
    const weld_run *run = b->call->run;
    const weld_conv2d_geometry *g = &b->call->geometry;
    const weld_window *w = &g->window;
    const size_t size = weld_activation_size(run->kernels);
    const weld_unary function =
        run->finish ? (weld_unary)run->finish->attributes.function : WELD_IDENTITY;
    while (begin < end) {
        const part p = part_at(b, begin, end);
        run->kernels->winograd_output(function, w, g->out, b->m + (size_t)(p.at * g->out) * size,
                                      b->squares * g->out, weld_optional(run, 2), p.begin, p.end,
                                      weld_at(&run->out[0], p.image * w->oh * w->ow * g->out));
        begin += p.end - p.begin;
    }
}

static void run_block(void *arg, int64_t i, int thread) {
    const weld_conv2d_call *call = arg;
    const block b = block_at(call, i, thread);
    transform_inputs(&b, 0, b.squares);
    for (int64_t e = 0; e < ELEMENTS; e++) {
        for (int64_t chunk = 0; chunk < chunks_of(&call->geometry); chunk++) {
            multiply(&b, e, chunk);
        }
    }
    transform_outputs(&b, 0, b.squares);
}

static void input_piece(void *arg, int64_t i, int thread) {
    (void)thread;
    const block *b = arg;
    const int64_t left = b->squares - i * PIECE;
    transform_inputs(b, i * PIECE, i * PIECE + (left < PIECE ? left : PIECE));
}

static void product_piece(void *arg, int64_t i, int thread) {
    (void)thread;
    const block *b = arg;
    const int64_t chunks = chunks_of(&b->call->geometry);
    multiply(b, i / chunks, i % chunks);
}

static void output_piece(void *arg, int64_t i, int thread) {
    (void)thread;
    const block *b = arg;
    const int64_t left = b->squares - i * PIECE;
    transform_outputs(b, i * PIECE, i * PIECE + (left < PIECE ? left : PIECE));
}

void weld_conv2d_winograd_run(weld_conv2d_call *call) {
    const int threads = call->run->threads;
    if (call->blocks.count > 1) {
        weld_parallel(threads, call->blocks.count, run_block, call);
        return;
    }
    block b = block_at(call, 0, 0);
    const int64_t pieces = (b.squares + PIECE - 1) / PIECE;
    weld_parallel(threads, pieces, input_piece, &b);
    weld_parallel(threads, ELEMENTS * chunks_of(&call->geometry), product_piece, &b);
    weld_parallel(threads, pieces, output_piece, &b);
}
