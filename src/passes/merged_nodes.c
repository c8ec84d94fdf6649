/* Merging into nodes; see merged_nodes.h. */
#include "passes/merged_nodes.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"
#include "passes/rules.h"

static weld_status copy_leaves(const weld_graph *g, weld_merged_nodes *m, weld_value **made,
                               weld_error *err) {
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_RESULT) {
            continue;
        }
        weld_value *leaf = weld_graph_copy_leaf(m->graph, v);
        made[i] = v->kind == WELD_VALUE_INPUT || v->dtype == WELD_I64
                      ? leaf
                      : weld_cast(m->graph, leaf, WELD_F64);
    }
    return weld_graph_status(m->graph, err);
}

weld_status weld_merged_nodes_create(const weld_graph *g, weld_merged_nodes *out, weld_error *err) {
    weld_weighted_graph merged = {0};
    *out = (weld_merged_nodes){0};
    weld_value **made = weld_alloc(g->value_count, sizeof(weld_value *));
    weld_status status =
        made ? weld_graph_create(g->dtype, &out->graph, err) : weld_fail_memory(err, "merging");
    status = status ? status : copy_leaves(g, out, made, err);
    if (!status) {
        merged = (weld_weighted_graph){.graph = (weld_graph *)g, .maker = out->graph, .made = made};
        status = weld_reparameterize_weighted(&merged, err); /* which takes `made` */
    } else {
        weld_free(made);
    }
    if (!status) {
        out->merged = merged.graph;
        out->made = merged.made;
    } else {
        weld_merged_nodes_free(out);
    }
    return status;
}

void weld_merged_nodes_free(weld_merged_nodes *m) {
    weld_graph_free(m->graph);
    weld_graph_free(m->merged);
    weld_free(m->made);
    *m = (weld_merged_nodes){0};
}
