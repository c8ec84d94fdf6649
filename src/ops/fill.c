/* fill: a tensor of the input's shape (which follows the batch), all `factor`. The input's elements
 * are not read, so nothing flows back to it. */
#include "ops/ops.h"

static void grad(const weld_gradient *of) {
    (void)of;
}

static void piece(const weld_run *run, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
        weld_set(run->out[0].dtype, run->out[0].data, i, run->node->attributes.factor);
    }
}

static void run(const weld_run *run) {
    weld_run_elements(run, piece);
}

const weld_op weld_op_fill = {
    .name = "fill",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = weld_infer_same,
    .grad = grad,
    .cpu = {.inplace = 1 << 0, .run = run},
};

weld_value *weld_fill_like(weld_graph *g, weld_value *like, double value) {
    return weld_graph_node(g, &weld_op_fill, &(weld_attributes){.factor = value},
                           (weld_value *[]){like}, 1, 1);
}
