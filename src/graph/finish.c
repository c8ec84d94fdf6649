/* Functions of each element that the node before does in passing; see plan.h. */
#include "base/error.h"
#include "base/memory.h"
#include "graph/plan.h"

bool weld_plan_is_finish(const weld_plan *plan, const weld_node *node) {
    const weld_value *of = node->op->cpu.is_finish ? node->inputs[0] : NULL;
    return of && of->producer && plan->finishes[of->producer->id] == node;
}

const weld_value *weld_plan_home(const weld_plan *plan, const weld_value *v) {
    while (v && v->producer && (v->producer->op->view || weld_plan_is_finish(plan, v->producer))) {
        v = v->producer->inputs[0];
    }
    return v;
}

/* Training sums over the batch, by chunks whose number follows from the nodes of a stream; and
 * reads what activations are of once more. */
static bool is_inference(const weld_graph *g, const bool *needed) {
    bool is = true;
    for (size_t i = 0; i < g->node_count && is; i++) {
        const weld_node *node = g->nodes[i];
        is = !weld_node_is_needed(node, needed) || !(node->op->cpu.sums || node->again);
    }
    return is;
}

/* By value id: how many read it, being an output included. */
static void count_readers(const weld_graph *g, const bool *needed, size_t *readers) {
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        for (int k = 0; k < node->input_count && weld_node_is_needed(node, needed); k++) {
            if (node->inputs[k]) {
                readers[node->inputs[k]->id]++;
            }
        }
    }
    for (size_t i = 0; i < g->output_count; i++) {
        readers[g->outputs[i].value->id]++;
    }
}

static bool may_finish(const weld_plan *plan, const weld_node *node, const size_t *readers) {
    const weld_value *of = node->op->cpu.is_finish ? node->inputs[0] : NULL;
    const weld_node *maker = of ? of->producer : NULL;
    const weld_kernels *kernels = weld_plan_kernels(plan, node);
    return maker && maker->op->cpu.finishes && maker->output_count == 1 && readers[of->id] == 1 &&
           weld_plan_kernels(plan, maker) == kernels && maker->op->cpu.finishes(maker, kernels);
}

weld_status weld_plan_find_finishes(weld_plan *plan, const bool *needed, weld_error *err) {
    const weld_graph *g = plan->graph;
    if (!is_inference(g, needed)) {
        return WELD_OK;
    }
    size_t *readers = weld_alloc(g->value_count, sizeof *readers);
    if (!readers) {
        return weld_fail_memory(err, "plan");
    }
    count_readers(g, needed, readers);
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (weld_node_is_needed(node, needed) && may_finish(plan, node, readers)) {
            plan->finishes[node->inputs[0]->producer->id] = node;
        }
    }
    weld_free(readers);
    return WELD_OK;
}
