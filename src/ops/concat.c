/* Tensors one after the other along an axis; all other dimensions are equal. */
#include "ops/ops.h"

#include <string.h>

#include "base/error.h"

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    int axis = node->attributes.axis;
    WELD_TRY(weld_expect_axis(&in[0], axis, err));
    weld_shape shape = in[0].shape;
    int64_t total = 0;
    for (int i = 0; i < node->input_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "input %d", i);
        shape.dim[axis] = in[i].shape.rank > axis ? in[i].shape.dim[axis] : 1;
        WELD_TRY(weld_expect(&in[i], in[0].dtype, shape, name, err));
        total += shape.dim[axis];
    }
    shape.dim[axis] = total;
    out[0].dtype = in[0].dtype;
    out[0].shape = shape;
    return WELD_OK;
}

/* Rows [begin, end): what each input has under one index of the dimensions before the axis. */
static void join_rows(const weld_run *run, int64_t begin, int64_t end) {
    const int axis = run->node->attributes.axis;
    const size_t element = weld_dtype_size(run->out[0].dtype);
    const size_t together = (size_t)weld_strip(&run->out[0], axis) * element;
    char *to = run->out[0].data;
    for (int i = 0; i < run->node->input_count; i++) {
        const size_t bytes = (size_t)weld_strip(&run->in[i], axis) * element;
        const char *from = run->in[i].data;
        for (size_t row = (size_t)begin; row < (size_t)end; row++) {
            memcpy(to + row * together, from + row * bytes, bytes);
        }
        to += bytes;
    }
}

static void run(const weld_run *run) {
    int64_t count = weld_shape_count(&run->out[0].shape);
    int64_t strip = weld_strip(&run->out[0], run->node->attributes.axis);
    weld_run_pieces(run, count / strip, strip, join_rows);
}

static void grad(const weld_gradient *of) {
    int axis = of->node->attributes.axis;
    int64_t begin = 0;
    for (int i = 0; i < of->node->input_count; i++) {
        int64_t end = begin + of->node->inputs[i]->shape.dim[axis];
        if (of->wanted[i]) {
            of->dx[i] = weld_slice(of->g, of->dy[0], axis, begin, end);
        }
        begin = end;
    }
}

/* Along the last axis it is row by row, along another but the first image by image; the bits of
 * `sliced` are 32. */
static unsigned traits(const weld_node *node) {
    return weld_axis_traits(node, node->attributes.axis);
}

static weld_slicing slicing(const weld_node *node, const weld_tensor *in) {
    return node->input_count > 32 ? WELD_SLICE_NONE
                                  : weld_axis_slicing(&in[0], node->attributes.axis);
}

const weld_op weld_op_concat = {
    .name = "concat",
    .inputs = {1, -1},
    .outputs = 1,
    .attributes = WELD_ATTR_AXIS,
    .types = WELD_TYPES_MOVED,
    .node_traits = traits,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run, .slicing = slicing, .sliced = ~0u},
};

weld_value *weld_concat(weld_graph *g, weld_value *const *x, size_t count, int axis) {
    if (count > 1 << 20) {
        return weld_graph_fail(g, WELD_ERROR_ARGUMENT, "concat: %zu inputs are too many", count);
    }
    return weld_graph_node(g, &weld_op_concat, &(weld_attributes){.axis = axis}, x, (int)count,
                           (int)count);
}
