/* The kernels that the nodes of a plan run with; see plan.h. */
#include "base/error.h"
#include "graph/plan.h"

/* Of networks of integers: what has kernels of its own (kernels/int8.h). */
static bool is_integer(weld_dtype dtype) {
    return dtype == WELD_U8 || dtype == WELD_I8 || dtype == WELD_I32;
}

static bool is_narrower(weld_dtype dtype, weld_dtype than) {
    return !is_integer(dtype) && weld_dtype_size(dtype) < weld_dtype_size(than);
}

/* In a graph of f32: does the node take nothing but f64? */
static bool is_of_f64(const weld_node *node) {
    bool all = node->input_count > 0;
    for (int i = 0; i < node->input_count; i++) {
        all = all && node->inputs[i] && node->inputs[i]->dtype == WELD_F64;
    }
    return all;
}

weld_status weld_plan_choose_kernels(weld_plan *plan, const char *isa, weld_error *err) {
    const weld_graph *g = plan->graph;
    weld_status status = weld_kernels_select(g->dtype, isa, &plan->kernels[g->dtype], err);
    for (size_t i = 0; i < g->node_count && !status && !plan->kernels[WELD_F64]; i++) {
        if (is_of_f64(g->nodes[i])) {
            status = weld_kernels_select(WELD_F64, isa, &plan->kernels[WELD_F64], err);
        }
    }
    for (size_t i = 0; i < g->value_count && !status; i++) {
        const weld_dtype dtype = g->values[i]->dtype;
        if (dtype == WELD_U8 && !plan->int8) {
            status = weld_int8_kernels_select(isa, &plan->int8, err);
        } else if (is_narrower(dtype, g->dtype) && !plan->kernels[dtype]) {
            status = weld_kernels_select(dtype, isa, &plan->kernels[dtype], err);
        }
    }
    return status;
}

static weld_dtype narrower(weld_dtype dtype, const weld_value *v) {
    return v && is_narrower(v->dtype, dtype) ? v->dtype : dtype;
}

const weld_kernels *weld_plan_kernels(const weld_plan *plan, const weld_node *node) {
    weld_dtype dtype = plan->graph->dtype;
    if (is_of_f64(node)) {
        return plan->kernels[WELD_F64];
    }
    for (int i = 0; i < node->input_count; i++) {
        dtype = narrower(dtype, node->inputs[i]);
    }
    for (int i = 0; i < node->output_count; i++) {
        dtype = narrower(dtype, node->outputs[i]);
    }
    return plan->kernels[dtype];
}
