/* The kernels that the nodes of a plan run with; see plan.h. */
#include "base/error.h"
#include "graph/plan.h"

weld_status weld_plan_choose_kernels(weld_plan *plan, const char *isa, weld_error *err) {
    const weld_graph *g = plan->graph;
    weld_status status = weld_kernels_select(g->dtype, isa, &plan->kernels[g->dtype], err);
    for (size_t i = 0; i < g->value_count && !status; i++) {
        const weld_dtype dtype = g->values[i]->dtype;
        if (weld_dtype_size(dtype) < weld_dtype_size(g->dtype) && !plan->kernels[dtype]) {
            status = weld_kernels_select(dtype, isa, &plan->kernels[dtype], err);
        }
    }
    return status;
}

static weld_dtype narrower(weld_dtype dtype, const weld_value *v) {
    return v && weld_dtype_size(v->dtype) < weld_dtype_size(dtype) ? v->dtype : dtype;
}

const weld_kernels *weld_plan_kernels(const weld_plan *plan, const weld_node *node) {
    weld_dtype dtype = plan->graph->dtype;
    for (int i = 0; i < node->input_count; i++) {
        dtype = narrower(dtype, node->inputs[i]);
    }
    for (int i = 0; i < node->output_count; i++) {
        dtype = narrower(dtype, node->outputs[i]);
    }
    return plan->kernels[dtype];
}
