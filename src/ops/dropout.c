/* Dropout (Srivastava et al. 2014) and stochastic depth (Huang et al. 2016).
 *
 * Masks are drawn from the counter-based generator, as a function of (seed, step, salt, place): the
 * node's salt sets it apart from others, and place is the block of elements, or the sample. So a
 * mask is never stored: the gradient is the same operator with the same salt applied to dy.
 */
#include "ops/ops.h"

#include <string.h>

#include "base/error.h"
#include "base/random.h"

/* Elements that one stream decides; part of what a resumed run must find unchanged. */
enum { STREAM_ELEMENTS = 4096 };

static weld_random stream(const weld_run *run, int64_t place) {
    /* 24 bits of salt and 32 of place: what an index of weld_random_start holds. */
    uint64_t index = (uint64_t)run->node->attributes.salt << 32 | (uint32_t)place;
    return weld_random_start(run->seed, (uint32_t)run->step, index, WELD_RANDOM_DROPOUT);
}

/* A draw below this drops; at most 2^32 - 1 as the probability is below 1. */
static uint32_t drop_below(const weld_node *node) {
    return (uint32_t)(node->attributes.probability * 0x1p32);
}

static double kept_factor(const weld_node *node) {
    return 1 / (1 - node->attributes.probability);
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    double p = node->attributes.probability;
    if (!(p >= 0 && p < 1)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "probability must be in [0, 1), is %g", p);
    }
    if (node->attributes.salt < 0 || node->attributes.salt >= 1 << 24) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "salt must be in [0, 2^24), is %lld",
                         (long long)node->attributes.salt);
    }
    if (in[0].shape.rank < 1) {
        return weld_fail(err, WELD_ERROR_SHAPE, "x must have at least one dimension, is []");
    }
    return weld_infer_same(node, in, out, err);
}

static void grad(const weld_gradient *of) {
    of->dx[0] = weld_graph_node(of->g, of->node->op, &of->node->attributes, of->dy, 1, 1);
}

static void dropout_item(void *arg, int64_t item, int thread) {
    (void)thread;
    const weld_run *run = arg;
    int64_t begin = item * STREAM_ELEMENTS;
    int64_t left = weld_shape_count(&run->in[0].shape) - begin;
    weld_random r = stream(run, item);
    run->kernels->dropout(&r, drop_below(run->node), kept_factor(run->node),
                          left < STREAM_ELEMENTS ? left : STREAM_ELEMENTS,
                          weld_at(&run->in[0], begin), weld_at(&run->out[0], begin));
}

static void dropout_run(const weld_run *run) {
    int64_t count = weld_shape_count(&run->in[0].shape);
    weld_run_items(run, (count + STREAM_ELEMENTS - 1) / STREAM_ELEMENTS, dropout_item);
}

const weld_op weld_op_dropout = {
    .name = "dropout",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_PROBABILITY | WELD_ATTR_SALT,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = infer,
    .grad = grad,
    .cpu = {.inplace = 1 << 0, .run = dropout_run},
};

static void depth_item(void *arg, int64_t sample, int thread) {
    (void)thread;
    const weld_run *run = arg;
    int64_t count = weld_shape_count(&run->in[0].shape) / run->in[0].shape.dim[0];
    weld_random r = stream(run, sample);
    void *y = weld_at(&run->out[0], sample * count);
    if (weld_random_u32(&r) < drop_below(run->node)) {
        memset(y, 0, (size_t)count * weld_dtype_size(run->out[0].dtype));
    } else {
        run->kernels->scale(count, kept_factor(run->node), weld_at(&run->in[0], sample * count), y);
    }
}

static void depth_run(const weld_run *run) {
    weld_run_items(run, run->in[0].shape.dim[0], depth_item);
}

const weld_op weld_op_stochastic_depth = {
    .name = "stochastic_depth",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_PROBABILITY | WELD_ATTR_SALT,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = infer,
    .grad = grad,
    .cpu = {.inplace = 1 << 0, .run = depth_run},
};

/* A probability of zero is no operator at all. */
static weld_value *build(weld_graph *g, const weld_op *op, weld_value *x, double probability) {
    if (probability == 0) {
        return x;
    }
    weld_attributes a = {.probability = probability, .salt = g->next_salt};
    weld_value *y = weld_graph_node(g, op, &a, &x, 1, 1);
    g->next_salt += y != NULL;
    return y;
}

weld_value *weld_dropout(weld_graph *g, weld_value *x, double probability) {
    return build(g, &weld_op_dropout, x, probability);
}

weld_value *weld_stochastic_depth(weld_graph *g, weld_value *x, double probability) {
    return build(g, &weld_op_stochastic_depth, x, probability);
}
