/* y = a + b, elementwise, of equal shapes. */
#include "ops/ops.h"
#include "base/error.h"

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    WELD_TRY(weld_expect(&in[1], in[0].dtype, in[0].shape, "b", err));
    return weld_infer_same(node, in, out, err);
}

static void grad(const weld_gradient *of) {
    for (int i = 0; i < 2; i++) {
        of->dx[i] = of->wanted[i] ? of->dy[0] : NULL;
    }
}

static void piece(const weld_run *run, int64_t begin, int64_t end) {
    run->kernels->add(end - begin, weld_at(&run->in[0], begin), weld_at(&run->in[1], begin),
                      weld_at(&run->out[0], begin));
    weld_finish(run, 1, end - begin, end - begin, weld_at(&run->out[0], begin));
}

static void run(const weld_run *run) {
    weld_run_elements(run, piece);
}

static weld_linear_form linear(const weld_node *node) {
    return (weld_linear_form){.terms = 2, .term = {node->inputs[0], node->inputs[1]}};
}

const weld_op weld_op_add = {
    .name = "add",
    .inputs = {2, 2},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = infer,
    .grad = grad,
    .linear = linear,
    .cpu = {.inplace = 1 << 0 | 1 << 1,
            .run = run,
            .slicing = weld_slice_rows,
            .sliced = 1 << 0 | 1 << 1,
            .finishes = weld_finishes_floats},
};

weld_value *weld_add(weld_graph *g, weld_value *a, weld_value *b) {
    return weld_graph_node(g, &weld_op_add, &(weld_attributes){0}, (weld_value *[]){a, b}, 2, 2);
}
