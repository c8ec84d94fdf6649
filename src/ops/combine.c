/* combine(x_0, scale_0, shift, x_1, scale_1, ...) -> y = f(sum over i of scale_i[c] x_i + shift[c])
 * of one to WELD_MAX_TERMS maps; each scale and the shift may be absent; f is a weld_unary or
 * WELD_IDENTITY.
 *
 * activation_pair(x, scale, shift, dy) -> y = f(u), dx = f'(u) dy, with u = scale[c] x + shift[c]
 * (each may be absent): where both are wanted of one u, the one for the gradient of the layer that
 * reads y, the other for that of what makes x.
 *
 * passes/fold_linear.c makes these nodes. */
#include "base/error.h"
#include "ops/ops.h"

static weld_status expect_vector(const weld_node *node, const weld_tensor *in, int i,
                                 const char *what, weld_error *err) {
    return node->inputs[i] ? weld_expect(&in[i], weld_parameter_dtype(in[0].dtype),
                                         WELD_SHAPE(weld_channels(&in[0])), what, err)
                           : WELD_OK;
}

static weld_status expect_function(const weld_node *node, int most, weld_error *err) {
    int function = node->attributes.function;
    return function >= 0 && function <= most
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_SHAPE, "there is no function %d, only 0 to %d", function,
                           most);
}

/* --- combine --- */

enum { SHIFT = 2, MOST_INPUTS = 2 * WELD_MAX_TERMS + 1 };

static int term_count(const weld_node *node) {
    return (node->input_count - 1) / 2;
}

/* Inputs of term i. */
static int x_of(int i) {
    return i == 0 ? 0 : 2 * i + 1;
}

static int scale_of(int i) {
    return x_of(i) + 1;
}

static weld_status combine_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                 weld_error *err) {
    if (node->input_count % 2 == 0) {
        return weld_fail(err, WELD_ERROR_SHAPE, "%d inputs: each term has an x and a scale",
                         node->input_count);
    }
    weld_status status = expect_function(node, WELD_IDENTITY, err);
    status = status ? status : expect_vector(node, in, SHIFT, "shift", err);
    for (int i = 0; i < term_count(node) && !status; i++) {
        status = weld_expect(&in[x_of(i)], in[0].dtype, in[0].shape, "x", err);
        status = status ? status : expect_vector(node, in, scale_of(i), "scale", err);
    }
    return status ? status : weld_infer_same(node, in, out, err);
}

static void combine_piece(const weld_run *run, int64_t begin, int64_t end) {
    const void *x[WELD_MAX_TERMS], *scale[WELD_MAX_TERMS];
    int64_t c = weld_channels(&run->in[0]);
    int count = term_count(run->node);
    for (int i = 0; i < count; i++) {
        x[i] = weld_at(&run->in[x_of(i)], begin * c);
        scale[i] = run->in[scale_of(i)].data;
    }
    run->kernels->combine((weld_unary)run->node->attributes.function, end - begin, c, count, x,
                          scale, run->in[SHIFT].data, weld_at(&run->out[0], begin * c));
}

static void combine_run(const weld_run *run) {
    weld_run_rows(run, combine_piece);
}

static void combine_cost(const weld_run *run, weld_cost *cost) {
    cost->flops = 2.0 * term_count(run->node) * (double)weld_shape_count(&run->in[0].shape);
}

const weld_op weld_op_combine = {
    .name = "combine",
    .inputs = {3, MOST_INPUTS},
    .outputs = 1,
    .attributes = WELD_ATTR_FUNCTION,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = combine_infer,
    .cost = combine_cost,
    .cpu = {.inplace = 1 << 0 | 1 << 3 | 1 << 5 | 1 << 7,
            .run = combine_run,
            .slicing = weld_slice_rows,
            .sliced = 1 << 0 | 1 << 3 | 1 << 5 | 1 << 7},
};

/* --- activation_pair --- */

enum { PAIR_X, PAIR_SCALE, PAIR_SHIFT, PAIR_DY };

static weld_status pair_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    weld_status status = expect_function(node, WELD_UNARY_COUNT - 1, err);
    status = status ? status : expect_vector(node, in, PAIR_SCALE, "scale", err);
    status = status ? status : expect_vector(node, in, PAIR_SHIFT, "shift", err);
    status = status ? status : weld_expect(&in[PAIR_DY], in[0].dtype, in[0].shape, "dy", err);
    out[0] = out[1] = (weld_tensor){in[0].dtype, in[0].shape, NULL};
    return status;
}

static void pair_piece(const weld_run *run, int64_t begin, int64_t end) {
    int64_t c = weld_channels(&run->in[PAIR_X]), at = begin * c;
    run->kernels->unary_pair((weld_unary)run->node->attributes.function, end - begin, c,
                             weld_at(&run->in[PAIR_X], at), run->in[PAIR_SCALE].data,
                             run->in[PAIR_SHIFT].data, weld_at(&run->in[PAIR_DY], at),
                             weld_at(&run->out[0], at), weld_at(&run->out[1], at));
}

static void pair_run(const weld_run *run) {
    weld_run_rows(run, pair_piece);
}

const weld_op weld_op_activation_pair = {
    .name = "activation_pair",
    .inputs = {4, 4},
    .outputs = 2,
    .attributes = WELD_ATTR_FUNCTION,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = pair_infer,
    .cpu = {.inplace = 1 << PAIR_X | 1 << PAIR_DY,
            .run = pair_run,
            .slicing = weld_slice_rows,
            .sliced = 1 << PAIR_X | 1 << PAIR_DY},
};
