/* The same elements, in the same order, under another shape. No memory moves.
 *
 * At most one dimension of the attribute `shape` is -1: it is what the others leave over. A first
 * dimension of -1 is how a shape follows the batch, whatever the batch is when a session is made.
 */
#include "ops/ops.h"

#include "base/error.h"

/* Puts the number that fits in the place of -1. */
static weld_status resolve(int64_t count, weld_shape *shape, const weld_shape *from,
                           weld_error *err) {
    if (shape->rank < 0 || shape->rank > WELD_MAX_DIMS) {
        return weld_fail(err, WELD_ERROR_SHAPE, "cannot reshape to %d dimensions: at most %d",
                         shape->rank, WELD_MAX_DIMS);
    }
    weld_shape known = *shape;
    int open = -1, open_count = 0;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] == -1) {
            known.dim[i] = 1;
            open = i;
            open_count++;
        }
    }
    char text[128], was[128];
    weld_shape_text(shape, text, sizeof text);
    int64_t product = weld_shape_count(&known);
    if (open_count > 1 || product < 1) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "cannot reshape to %s: dimensions must be positive, but for one -1", text);
    }
    if (open >= 0) {
        shape->dim[open] = count / product;
        product *= count / product;
    }
    if (product != count) {
        return weld_fail(err, WELD_ERROR_SHAPE, "cannot reshape %s to %s: %lld elements do not fit",
                         weld_shape_text(from, was, sizeof was), text, (long long)count);
    }
    return WELD_OK;
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    out[0].dtype = in[0].dtype;
    out[0].shape = node->attributes.shape;
    return resolve(weld_shape_count(&in[0].shape), &out[0].shape, &in[0].shape, err);
}

static weld_value *reshape_to(weld_graph *g, weld_value *x, weld_shape shape) {
    return weld_graph_node(g, &weld_op_reshape, &(weld_attributes){.shape = shape}, &x, 1, 1);
}

static void grad(const weld_gradient *of) {
    weld_shape back = of->node->inputs[0]->shape;
    if (back.rank > 0) {
        back.dim[0] = -1;
    }
    of->dx[0] = reshape_to(of->g, of->dy[0], back);
}

const weld_op weld_op_reshape = {
    .name = "reshape",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_SHAPE,
    .types = WELD_TYPES_MOVED,
    .view = true,
    .infer = infer,
    .grad = grad,
};

/* A first dimension that is a multiple of x's, or a part of it, is taken to mean the batch. */
weld_value *weld_reshape(weld_graph *g, weld_value *x, weld_shape shape) {
    if (x && x->shape.rank > 0 && shape.rank > 0) {
        weld_shape whole = shape;
        weld_error ignored; /* a shape that does not fit is refused, with its node's name, below */
        bool fits = resolve(weld_shape_count(&x->shape), &whole, &x->shape, &ignored) == WELD_OK;
        if (fits && (whole.dim[0] % x->shape.dim[0] == 0 || x->shape.dim[0] % whole.dim[0] == 0)) {
            shape = whole;
            shape.dim[0] = -1;
        }
    }
    return reshape_to(g, x, shape);
}
