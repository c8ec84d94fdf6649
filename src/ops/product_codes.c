/* Products of codes: conv2d_codes and linear_codes (codes.h).
 *
 *     acc = sum (q_x - z_x) q_w + q_b, exact in i32; padding is the code z_x
 *     q = clamp(rne(float(acc) m[c]) + z_y), m[c] = float(float(s_x s_w[c]) / s_y)
 *     q = table[q] where there is a table
 *     q = clamp(rne(fma(q_a, r_a, fma(q, r_b, k)))), q_a the residual, where there is one
 *
 * Where y has no codes it is f32: float(acc) float(s_x s_w[c]). The geometry is that of conv2d and
 * linear. What is prepared: weights packed in chunks of output channels, z_x in the bias, m.
 */
#include <string.h>

#include "base/error.h"
#include "ops/codes.h"
#include "ops/conv2d.h"

enum {
    X = WELD_PRODUCT_X,
    WEIGHT = WELD_PRODUCT_WEIGHT,
    SCALES = WELD_PRODUCT_SCALES,
    BIAS = WELD_PRODUCT_BIAS,
    TABLE = WELD_PRODUCT_TABLE,
    RESIDUAL = WELD_PRODUCT_RESIDUAL,
    CHUNK_COLUMNS = 256,        /* a multiple of what kernels are wide */
    ITEM_PRODUCTS = 128 * 1024, /* multiplications that are worth a thread's while */
    MIN_ITEMS = 8,
    ROW_GRAIN = 16, /* rows of the kernels */
};

/* --- Shapes and types ------------------------------------------------------------------------- */

static weld_status expect_operands(const weld_node *node, const weld_tensor *in, weld_error *err) {
    const int64_t out = in[WEIGHT].shape.dim[0];
    WELD_TRY(weld_expect(&in[X], WELD_U8, in[X].shape, "x", err));
    WELD_TRY(weld_expect(&in[WEIGHT], WELD_I8, in[WEIGHT].shape, "weight", err));
    WELD_TRY(weld_expect(&in[SCALES], WELD_F32, WELD_SHAPE(out), "scales", err));
    if (weld_optional_input(node, BIAS)) {
        WELD_TRY(weld_expect(&in[BIAS], WELD_I32, WELD_SHAPE(out), "bias", err));
    }
    if (weld_optional_input(node, TABLE)) {
        WELD_TRY(weld_expect(&in[TABLE], WELD_U8, WELD_SHAPE(WELD_CODE_COUNT), "table", err));
    }
    return weld_expect_codes(node, WELD_CODES_X, WELD_CODES_X, err);
}

static weld_status expect_result(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                 weld_error *err) {
    const bool coded = node->attributes.codes[WELD_CODES_Y].scale != 0;
    const bool residual = weld_optional_input(node, RESIDUAL) != NULL;
    out[0].dtype = coded ? WELD_U8 : WELD_F32;
    if (!coded) {
        return residual || weld_optional_input(node, TABLE)
                   ? weld_fail(err, WELD_ERROR_SHAPE, "a table or residual of what has no codes")
                   : WELD_OK;
    }
    if (residual) {
        WELD_TRY(weld_expect(&in[RESIDUAL], WELD_U8, out[0].shape, "residual", err));
        WELD_TRY(weld_expect_codes(node, WELD_CODES_A, WELD_CODES_SUM, err));
    }
    return weld_expect_codes(node, WELD_CODES_Y, WELD_CODES_Y, err);
}

static weld_status conv_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    const weld_attributes *a = &node->attributes;
    WELD_TRY(weld_conv2d_check(a, in[X].shape, in[WEIGHT].shape, err));
    WELD_TRY(expect_operands(node, in, err));
    const weld_conv2d_geometry g = weld_conv2d_geometry_of(a, in[X].shape, in[WEIGHT].shape);
    out[0].shape = weld_conv2d_output_shape(&g);
    WELD_TRY(expect_result(node, in, out, err));
    return out[0].dtype == WELD_F32 && g.groups == g.window.c &&
                   (g.groups > 1 || in[WEIGHT].shape.dim[0] == 1)
               ? weld_fail(err, WELD_ERROR_SHAPE, "a group a channel and no codes")
               : WELD_OK;
}

static weld_status linear_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                weld_error *err) {
    WELD_TRY(weld_expect_rank(&in[WEIGHT], 2, "weight", "[out, in]", err));
    if (in[X].shape.rank < 1 || weld_channels(&in[X]) != in[WEIGHT].shape.dim[1]) {
        return weld_fail(err, WELD_ERROR_SHAPE, "weight and x have other channels");
    }
    WELD_TRY(expect_operands(node, in, err));
    out[0].shape = in[X].shape;
    out[0].shape.dim[in[X].shape.rank - 1] = in[WEIGHT].shape.dim[0];
    return expect_result(node, in, out, err);
}

/* --- The product as all see it ---------------------------------------------------------------- */

/* A linear layer is a 1x1 convolution at every row. */
static weld_conv2d_geometry geometry_of(const weld_node *node, const weld_tensor *in) {
    if (node->op == &weld_op_conv2d_codes) {
        return weld_conv2d_geometry_of(&node->attributes, in[X].shape, in[WEIGHT].shape);
    }
    const weld_shape *w = &in[WEIGHT].shape;
    static const weld_attributes plain = {.stride = {1, 1}, .groups = 1};
    return weld_conv2d_geometry_of(&plain, WELD_SHAPE(1, 1, weld_rows(&in[X]), w->dim[1]),
                                   WELD_SHAPE(w->dim[0], w->dim[1], 1, 1));
}

/* Columns of a group's product in chunks: threads can share a product of few rows too. Depends on
 * the weights alone. Where packed weights, biases and factors lie in what is prepared. */
typedef struct product {
    const weld_run *run;
    weld_conv2d_geometry g;
    bool by_channel;    /* depthwise, 1x1 too */
    int64_t chunks;     /* of a group */
    size_t chunk_bytes; /* packed */
    size_t packed, reordered, bias, factors, prepared;
    weld_split blocks;  /* by patches: positions of an image; by channel: its rows */
    size_t patch_bytes; /* of one thread */
    weld_int8_finish finish;
} product;

static int64_t chunk_begin(const product *p, int64_t i) {
    return i < p->chunks ? i * CHUNK_COLUMNS : p->g.out_group;
}

static bool reorders(const product *p) {
    return p->g.taps > 1; /* [out, in, taps] to [out, taps, in], or [c, taps] to [taps, c] */
}

static void lay_out(product *p, const weld_int8_kernels *kernels) {
    const weld_conv2d_geometry *g = &p->g;
    if (p->by_channel) {
        p->packed = weld_reserve(&p->prepared, kernels->depthwise_packed_size(&g->window));
    } else {
        const int64_t most = chunk_begin(p, p->chunks) - chunk_begin(p, p->chunks - 1);
        weld_reserve(&p->chunk_bytes, kernels->packed_size(g->patch, most));
        p->packed = weld_reserve(&p->prepared, p->chunk_bytes * (size_t)(p->chunks * g->groups));
    }
    if (reorders(p)) {
        p->reordered = weld_reserve(&p->prepared, (size_t)(g->out * g->patch));
    }
    p->bias = weld_reserve(&p->prepared, (size_t)g->out * sizeof(int32_t));
    p->factors = weld_reserve(&p->prepared, (size_t)g->out * sizeof(float));
}

static product product_of(const weld_run *run) {
    product p = {.run = run, .g = geometry_of(run->node, run->in)};
    const weld_conv2d_geometry *g = &p.g;
    p.by_channel = g->path == WELD_CONV2D_CHANNEL_WISE || g->path == WELD_CONV2D_DEPTHWISE;
    p.chunks = g->out_group / CHUNK_COLUMNS > 1 ? g->out_group / CHUNK_COLUMNS : 1;
    lay_out(&p, run->int8);
    if (p.by_channel) { /* codes do not depend on bands: one thread takes an image at once */
        p.blocks = run->threads > 1 ? weld_conv2d_bands(g, g->window.oh, g->window.ow)
                                    : weld_split_make(g->window.oh, g->window.oh, 1, 1);
    } else if (g->path == WELD_CONV2D_PATCHES) {
        p.blocks = weld_conv2d_position_blocks(g);
        p.patch_bytes = weld_round_up((size_t)(weld_split_largest(p.blocks) * g->patch), 64);
    }
    return p;
}

/* What becomes of sums of output channels from `channel` on, of rows from `row` on. */
static weld_int8_finish finish_of(const product *p, int64_t row, int64_t channel) {
    const weld_run *run = p->run;
    const weld_codes *codes = run->node->attributes.codes;
    const char *prepared = run->prepared;
    const uint8_t *residual = weld_optional(run, RESIDUAL);
    weld_int8_finish f = {.bias = (const int32_t *)(prepared + p->bias) + channel,
                          .multiplier = (const float *)(prepared + p->factors) + channel,
                          .zero = codes[WELD_CODES_Y].zero,
                          .table = weld_optional(run, TABLE),
                          .residual_ld = p->g.out};
    if (residual) {
        f.residual = residual + row * p->g.out + channel;
        f.sum = weld_sum_of_codes(codes[WELD_CODES_A], codes[WELD_CODES_B], codes[WELD_CODES_SUM]);
    }
    return f;
}

/* --- Preparing -------------------------------------------------------------------------------- */

static size_t prepared(const weld_run *run) {
    return product_of(run).prepared;
}

/* to[outer, b, a] = from[outer, a, b] */
static void swap_inner(int64_t outer, int64_t a, int64_t b, const int8_t *from, int8_t *to) {
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < a; i++) {
            for (int64_t j = 0; j < b; j++) {
                to[(o * b + j) * a + i] = from[(o * a + i) * b + j];
            }
        }
    }
}

/* bias[c] = q_b - z_x sum q_w, which is within i32 (weld_quantization_check), and m[c]. */
static void prepare_finish(const product *p, char *prepared) {
    const weld_run *run = p->run;
    const weld_codes *codes = run->node->attributes.codes;
    const int8_t *weight = run->in[WEIGHT].data;
    const float *scales = run->in[SCALES].data;
    const int32_t *q_b = weld_optional(run, BIAS);
    int32_t *bias = (int32_t *)(prepared + p->bias);
    float *factors = (float *)(prepared + p->factors);
    for (int64_t c = 0; c < p->g.out; c++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < p->g.patch; i++) {
            sum += weight[c * p->g.patch + i];
        }
        bias[c] = (int32_t)((q_b ? q_b[c] : 0) - codes[WELD_CODES_X].zero * sum);
        factors[c] = weld_product_multiplier(codes[WELD_CODES_X], scales[c], codes[WELD_CODES_Y]);
    }
}

static void pack_groups(const product *p, const int8_t *weight, char *packed) {
    const weld_conv2d_geometry *g = &p->g;
    for (int64_t i = 0; i < g->groups * p->chunks; i++) {
        const int64_t chunk = i % p->chunks, begin = chunk_begin(p, chunk);
        const int64_t channel = i / p->chunks * g->out_group + begin;
        p->run->int8->pack(g->patch, chunk_begin(p, chunk + 1) - begin, weight + channel * g->patch,
                           1, g->patch, packed + (size_t)i * p->chunk_bytes);
    }
}

static void prepare(const weld_run *run, void *prepared) {
    const product p = product_of(run);
    const weld_conv2d_geometry *g = &p.g;
    const int8_t *weight = run->in[WEIGHT].data;
    if (reorders(&p)) {
        int8_t *to = (int8_t *)prepared + p.reordered;
        if (p.by_channel) {
            swap_inner(1, g->out, g->taps, weight, to);
        } else {
            swap_inner(g->out, g->in_group, g->taps, weight, to);
        }
        weight = to;
    }
    if (p.by_channel) {
        run->int8->depthwise_pack(&g->window, weight, (char *)prepared + p.packed);
    } else {
        pack_groups(&p, weight, (char *)prepared + p.packed);
    }
    prepare_finish(&p, prepared);
}

/* --- Running ---------------------------------------------------------------------------------- */

/* y[rows, chunk of the group's columns] of a[rows, patch]. */
static void multiply(const product *p, int64_t group, int64_t chunk, int64_t row, int64_t rows,
                     const uint8_t *a, int64_t lda) {
    const weld_run *run = p->run;
    const int64_t begin = chunk_begin(p, chunk), columns = chunk_begin(p, chunk + 1) - begin;
    const int64_t channel = group * p->g.out_group + begin;
    const char *packed = (const char *)run->prepared + p->packed +
                         (size_t)(group * p->chunks + chunk) * p->chunk_bytes;
    const weld_int8_finish f = finish_of(p, row, channel);
    void *y = weld_at(&run->out[0], row * p->g.out + channel);
    if (run->out[0].dtype == WELD_U8) {
        run->int8->gemm(rows, columns, p->g.patch, a, lda, packed, &f, y, p->g.out);
    } else {
        run->int8->gemm_f32(rows, columns, p->g.patch, a, lda, packed, f.bias, f.multiplier, y,
                            p->g.out);
    }
}

typedef struct row_product {
    product *p;
    weld_split blocks; /* of rows */
    int64_t chunks_per_item;
} row_product;

static void row_item(void *arg, int64_t item, int thread) {
    (void)thread;
    const row_product *r = arg;
    const product *p = r->p;
    const int64_t parts = p->chunks / r->chunks_per_item;
    const int64_t begin = weld_split_begin(r->blocks, item / parts);
    const int64_t rows = weld_split_begin(r->blocks, item / parts + 1) - begin;
    const int64_t first = item % parts * r->chunks_per_item;
    for (int64_t i = first; i < first + r->chunks_per_item; i++) {
        multiply(p, 0, i, begin, rows, weld_at(&p->run->in[X], begin * p->g.patch), p->g.patch);
    }
}

/* In one thread it is whole; several share its rows or, where these are few, its columns. */
static void run_rows(product *p) {
    const weld_run *run = p->run;
    const int64_t rows = p->g.n * p->g.window.h * p->g.window.w;
    const int64_t products = rows * p->g.out * p->g.patch;
    int64_t items = run->threads > 1 ? products / ITEM_PRODUCTS : 1;
    items = items < MIN_ITEMS ? items : MIN_ITEMS;
    const bool by_columns = items > 1 && rows < items * ROW_GRAIN;
    row_product r = {p, weld_split_make(rows, rows, by_columns ? 1 : items, ROW_GRAIN),
                     by_columns ? 1 : p->chunks};
    weld_parallel(run->threads, r.blocks.count * (p->chunks / r.chunks_per_item), row_item, &r);
}

static void patches_item(void *arg, int64_t item, int thread) {
    const product *p = arg;
    const weld_conv2d_geometry *g = &p->g;
    const weld_window *w = &g->window;
    const int64_t image = item / p->blocks.count, block = item % p->blocks.count;
    const int64_t begin = weld_split_begin(p->blocks, block);
    const int64_t end = weld_split_begin(p->blocks, block + 1);
    const uint8_t zero = (uint8_t)p->run->node->attributes.codes[WELD_CODES_X].zero;
    uint8_t *patches = (uint8_t *)p->run->workspace + (size_t)thread * p->patch_bytes;
    const uint8_t *x = weld_at(&p->run->in[X], image * w->h * w->w * w->c);
    for (int64_t i = 0; i < g->groups; i++) {
        p->run->int8->im2col(w, x, zero, i * g->in_group, g->in_group, begin, end, patches);
        for (int64_t chunk = 0; chunk < p->chunks; chunk++) {
            multiply(p, i, chunk, image * w->oh * w->ow + begin, end - begin, patches, g->patch);
        }
    }
}

static void band_item(void *arg, int64_t item, int thread) {
    (void)thread;
    const product *p = arg;
    const weld_window *w = &p->g.window;
    const int64_t image = item / p->blocks.count, band = item % p->blocks.count;
    const int64_t first = image * w->oh * w->ow;
    const weld_int8_finish f = finish_of(p, first, 0);
    p->run->int8->depthwise(
        w, weld_at(&p->run->in[X], image * w->h * w->w * w->c),
        (uint8_t)p->run->node->attributes.codes[WELD_CODES_X].zero,
        (const char *)p->run->prepared + p->packed, &f, weld_split_begin(p->blocks, band),
        weld_split_begin(p->blocks, band + 1), weld_at(&p->run->out[0], first * w->c));
}

static void run(const weld_run *run) {
    product p = product_of(run);
    if (p.by_channel) {
        weld_parallel(run->threads, p.g.n * p.blocks.count, band_item, &p);
    } else if (p.g.path == WELD_CONV2D_PATCHES) {
        weld_parallel(run->threads, p.g.n * p.blocks.count, patches_item, &p);
    } else {
        run_rows(&p);
    }
}

static size_t workspace(const weld_run *run) {
    return (size_t)run->threads * product_of(run).patch_bytes;
}

/* --- The operators ---------------------------------------------------------------------------- */

static weld_slicing slicing(const weld_node *node, const weld_tensor *in) {
    return geometry_of(node, in).slicing;
}

static unsigned traits(const weld_node *node) {
    weld_tensor in[2] = {{node->inputs[X]->dtype, node->inputs[X]->shape, NULL},
                         {node->inputs[WEIGHT]->dtype, node->inputs[WEIGHT]->shape, NULL}};
    return geometry_of(node, in).path == WELD_CONV2D_POINTWISE ? WELD_OP_BY_ROW : 0u;
}

static void count_cost(const weld_run *run, weld_cost *cost) {
    const weld_conv2d_geometry g = geometry_of(run->node, run->in);
    cost->flops = 2.0 * (double)g.patch * (double)weld_shape_count(&run->out[0].shape);
}

#define PRODUCT_CPU                                                                                \
    {                                                                                              \
        .inplace = 1 << RESIDUAL, .workspace = workspace, .run = run, .prepared = prepared,        \
        .prepare = prepare, .prepares = 1u << WEIGHT | 1u << SCALES | 1u << BIAS,                  \
        .slicing = slicing, .sliced = 1 << X | 1 << RESIDUAL                                       \
    }

const weld_op weld_op_conv2d_codes = {
    .name = "conv2d_codes",
    .inputs = {WELD_PRODUCT_INPUTS, WELD_PRODUCT_INPUTS},
    .outputs = 1,
    .attributes = WELD_ATTR_STRIDE | WELD_ATTR_PADDING | WELD_ATTR_GROUPS | WELD_ATTR_DILATION |
                  WELD_ATTR_SAME | WELD_ATTR_CODES,
    .types = WELD_TYPES_PRODUCT,
    .traits = WELD_OP_CONVOLUTION,
    .infer = conv_infer,
    .cost = count_cost,
    .macs = weld_weight_macs,
    .node_traits = traits,
    .cpu = PRODUCT_CPU,
};

const weld_op weld_op_linear_codes = {
    .name = "linear_codes",
    .inputs = {WELD_PRODUCT_INPUTS, WELD_PRODUCT_INPUTS},
    .outputs = 1,
    .attributes = WELD_ATTR_CODES,
    .types = WELD_TYPES_PRODUCT,
    .infer = linear_infer,
    .cost = count_cost,
    .macs = weld_weight_macs,
    .node_traits = traits,
    .cpu = PRODUCT_CPU,
};
