/* affine(x, scale, shift) -> y = x scale[c] + shift[c] (shift may be absent) and
 * affine2(dy, x, a, b, d) -> dx = a[c] dy + b[c] x + d[c]. With vectors that are known by then they
 * are also what is left of batch norm and of its gradient (passes/split_batch_norm.c). x [c] is one
 * row: so vectors are multiplied. */
#include "base/error.h"
#include "ops/conv2d.h"

/* --- affine --- */

enum { X, SCALE, SHIFT };

static weld_status affine_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                weld_error *err) {
    static const char *const names[] = {"x", "scale", "shift"};
    WELD_TRY(weld_expect_channels(node, in, SCALE, SHIFT, names, err));
    return weld_infer_same(node, in, out, err);
}

/* As a map, for those who want one: [dim 0, the rest, 1, c]. */
static weld_value *as_map(weld_graph *g, weld_value *v) {
    weld_shape shape = WELD_SHAPE(v->shape.dim[0], -1, 1, v->shape.dim[v->shape.rank - 1]);
    return v->shape.rank == 4 ? v : weld_reshape(g, v, shape);
}

/* dscale is the sum over rows of x dy: the gradient of a convolution's weight whose groups are
 * single channels. */
static void affine_grad(const weld_gradient *of) {
    weld_value *x = of->node->inputs[X], *scale = of->node->inputs[SCALE], *dy = of->dy[0];
    const int64_t c = scale->shape.dim[0];
    const bool is_row = x->shape.rank == 1;
    if (of->wanted[X]) {
        of->dx[X] = weld_affine(of->g, dy, scale, NULL);
    }
    if (of->wanted[SCALE] && is_row) {
        of->dx[SCALE] = weld_cast(of->g, weld_mul(of->g, x, dy), scale->dtype);
    } else if (of->wanted[SCALE]) {
        const weld_attributes a = {.stride = {1, 1}, .groups = (int)c};
        weld_value *sums = weld_conv2d_weight_grad(of->g, as_map(of->g, x), as_map(of->g, dy), &a,
                                                   WELD_SHAPE(c, 1, 1, 1));
        of->dx[SCALE] = weld_reshape(of->g, sums, WELD_SHAPE(c));
    }
    if (of->node->input_count > SHIFT && of->wanted[SHIFT]) {
        of->dx[SHIFT] = is_row ? weld_cast(of->g, dy, scale->dtype) : weld_channel_sum(of->g, dy);
    }
}

static void affine_piece(const weld_run *run, int64_t begin, int64_t end) {
    int64_t c = weld_channels(&run->in[X]);
    run->kernels->affine(end - begin, c, weld_at(&run->in[X], begin * c), run->in[SCALE].data,
                         weld_optional(run, SHIFT), weld_at(&run->out[0], begin * c));
}

static void affine_run(const weld_run *run) {
    weld_run_rows(run, affine_piece);
}

static weld_linear_form affine_linear(const weld_node *node) {
    return (weld_linear_form){.terms = 1,
                              .term = {node->inputs[X]},
                              .factor = {node->inputs[SCALE]},
                              .shift = weld_optional_input(node, SHIFT)};
}

const weld_op weld_op_affine = {
    .name = "affine",
    .inputs = {2, 3},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = affine_infer,
    .grad = affine_grad,
    .flops = 2,
    .linear = affine_linear,
    .cpu = {.inplace = 1 << X, .run = affine_run, .slicing = weld_slice_rows, .sliced = 1 << X},
};

weld_value *weld_affine(weld_graph *g, weld_value *x, weld_value *scale, weld_value *shift) {
    weld_value *in[] = {x, scale, shift};
    return weld_graph_node(g, &weld_op_affine, NULL, in, shift ? 3 : 2, 2);
}

/* --- affine2 --- */

enum { GRAD_DY, GRAD_X, GRAD_A, GRAD_B, GRAD_D };

static weld_status affine2_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                 weld_error *err) {
    static const char *const names[] = {"dy", "x", "a", "b", "d"};
    WELD_TRY(weld_expect(&in[GRAD_X], in[GRAD_DY].dtype, in[GRAD_DY].shape, "x", err));
    WELD_TRY(weld_expect_channels(node, in, GRAD_A, GRAD_D, names, err));
    return weld_infer_same(node, in, out, err);
}

static void affine2_piece(const weld_run *run, int64_t begin, int64_t end) {
    int64_t c = weld_channels(&run->in[GRAD_DY]);
    run->kernels->affine2(end - begin, c, weld_at(&run->in[GRAD_DY], begin * c),
                          weld_at(&run->in[GRAD_X], begin * c), run->in[GRAD_A].data,
                          run->in[GRAD_B].data, run->in[GRAD_D].data,
                          weld_at(&run->out[0], begin * c));
}

static void affine2_run(const weld_run *run) {
    weld_run_rows(run, affine2_piece);
}

static weld_linear_form affine2_linear(const weld_node *node) {
    weld_value *const *in = node->inputs;
    return (weld_linear_form){.terms = 2,
                              .term = {in[GRAD_DY], in[GRAD_X]},
                              .factor = {in[GRAD_A], in[GRAD_B]},
                              .shift = in[GRAD_D]};
}

const weld_op weld_op_affine2 = {
    .name = "affine2",
    .inputs = {5, 5},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = affine2_infer,
    .flops = 4,
    .linear = affine2_linear,
    .cpu = {.inplace = 1 << GRAD_DY | 1 << GRAD_X,
            .run = affine2_run,
            .slicing = weld_slice_rows,
            .sliced = 1 << GRAD_DY | 1 << GRAD_X},
};
