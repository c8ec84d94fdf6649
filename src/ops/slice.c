/* A part of a tensor along an axis, and its gradient.
 *
 *     slice       x -> y: elements begin..end-1 along the axis
 *     slice_grad  dy -> dx: dy at begin..end-1 along the axis, of shape.dim[0] elements in all,
 * zero elsewhere
 */
#include "ops/ops.h"

#include <string.h>

#include "base/error.h"

static weld_status check_range(const weld_attributes *a, int64_t size, weld_error *err) {
    if (a->begin < 0 || a->end <= a->begin || a->end > size) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "elements %lld..%lld of axis %d: must be a range within its %lld elements",
                         (long long)a->begin, (long long)a->end, a->axis, (long long)size);
    }
    return WELD_OK;
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    const weld_attributes *a = &node->attributes;
    weld_status status = weld_expect_axis(&in[0], a->axis, err);
    status = status ? status : check_range(a, in[0].shape.dim[a->axis], err);
    if (!status) {
        out[0].dtype = in[0].dtype;
        out[0].shape = in[0].shape;
        out[0].shape.dim[a->axis] = a->end - a->begin;
    }
    return status;
}

/* Elements of the long tensor's row before the part. */
static int64_t skipped(const weld_run *run, const weld_tensor *t) {
    int axis = run->node->attributes.axis;
    return run->node->attributes.begin * (weld_strip(t, axis) / t->shape.dim[axis]);
}

static void take_rows(const weld_run *run, int64_t begin, int64_t end) {
    const weld_tensor *x = &run->in[0], *y = &run->out[0];
    int axis = run->node->attributes.axis;
    const size_t element = weld_dtype_size(y->dtype), bytes = (size_t)weld_strip(y, axis) * element;
    const size_t whole = (size_t)weld_strip(x, axis) * element;
    const char *from = weld_at(x, begin * weld_strip(x, axis) + skipped(run, x));
    char *to = weld_at(y, begin * weld_strip(y, axis));
    for (size_t row = 0; row < (size_t)(end - begin); row++) {
        memcpy(to + row * bytes, from + row * whole, bytes);
    }
}

/* Rows, one for each index of the dimensions before the axis, in pieces. */
static void run_rows(const weld_run *run, weld_piece piece) {
    const weld_tensor *y = &run->out[0];
    int64_t strip = weld_strip(y, run->node->attributes.axis);
    weld_run_pieces(run, weld_shape_count(&y->shape) / strip, strip, piece);
}

static void run(const weld_run *run) {
    run_rows(run, take_rows);
}

static void grad(const weld_gradient *of) {
    weld_attributes a = of->node->attributes;
    a.shape = WELD_SHAPE(of->node->inputs[0]->shape.dim[a.axis]);
    of->dx[0] = weld_graph_node(of->g, &weld_op_slice_grad, &a, of->dy, 1, 1);
}

static unsigned traits(const weld_node *node) {
    return weld_axis_traits(node, node->attributes.axis);
}

static weld_slicing slicing(const weld_node *node, const weld_tensor *in) {
    return weld_axis_slicing(&in[0], node->attributes.axis);
}

const weld_op weld_op_slice = {
    .name = "slice",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_AXIS | WELD_ATTR_BEGIN | WELD_ATTR_END,
    .types = WELD_TYPES_MOVED,
    .node_traits = traits,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run, .slicing = slicing, .sliced = 1 << 0},
};

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    const weld_attributes *a = &node->attributes;
    WELD_TRY(weld_expect_axis(&in[0], a->axis, err));
    WELD_TRY(check_range(a, a->shape.dim[0], err));
    weld_shape dy = in[0].shape;
    dy.dim[a->axis] = a->end - a->begin;
    out[0].dtype = in[0].dtype;
    out[0].shape = dy;
    out[0].shape.dim[a->axis] = a->shape.dim[0];
    return weld_expect(&in[0], in[0].dtype, dy, "dy", err);
}

static void put_rows(const weld_run *run, int64_t begin, int64_t end) {
    const weld_tensor *dy = &run->in[0], *dx = &run->out[0];
    int axis = run->node->attributes.axis;
    size_t size = weld_dtype_size(dx->dtype);
    int64_t from = weld_strip(dy, axis), to = weld_strip(dx, axis), skip = skipped(run, dx);
    for (int64_t row = begin; row < end; row++) {
        char *at = weld_at(dx, row * to);
        memset(at, 0, (size_t)skip * size);
        memcpy(at + (size_t)skip * size, weld_at(dy, row * from), (size_t)from * size);
        memset(at + (size_t)(skip + from) * size, 0, (size_t)(to - skip - from) * size);
    }
}

static void grad_run(const weld_run *run) {
    run_rows(run, put_rows);
}

const weld_op weld_op_slice_grad = {
    .name = "slice_grad",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_AXIS | WELD_ATTR_BEGIN | WELD_ATTR_END | WELD_ATTR_SHAPE,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .node_traits = traits,
    .infer = grad_infer,
    .cpu = {.run = grad_run, .slicing = slicing, .sliced = 1 << 0},
};

weld_value *weld_slice(weld_graph *g, weld_value *x, int axis, int64_t begin, int64_t end) {
    return weld_graph_node(g, &weld_op_slice,
                           &(weld_attributes){.axis = axis, .begin = begin, .end = end}, &x, 1, 1);
}
