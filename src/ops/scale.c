/* scale: y = factor x, elementwise. */
#include "ops/ops.h"

static void grad(const weld_gradient *of) {
    of->dx[0] = weld_scale(of->g, of->dy[0], of->node->attributes.factor);
}

static void piece(const weld_run *run, int64_t begin, int64_t end) {
    run->kernels->scale(end - begin, run->node->attributes.factor, weld_at(&run->in[0], begin),
                        weld_at(&run->out[0], begin));
}

static void run(const weld_run *run) {
    weld_run_elements(run, piece);
}

const weld_op weld_op_scale = {
    .name = "scale",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = weld_infer_same,
    .grad = grad,
    .cpu = {.inplace = 1 << 0, .run = run, .slicing = weld_slice_rows, .sliced = 1 << 0},
};

weld_value *weld_scale(weld_graph *g, weld_value *x, double factor) {
    weld_attributes a = {.factor = factor};
    return weld_graph_node(g, &weld_op_scale, &a, (weld_value *[]){x}, 1, 1);
}
