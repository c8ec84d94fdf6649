/* Levels of nodes; see levels.h. */
#include "passes/levels.h"

#include <limits.h>

#include "base/error.h"
#include "base/memory.h"

/* Is the value complete only when all rows of its producer's inputs have been seen, or a vector? */
static bool is_reduced(const weld_value *v) {
    return v->producer && (v->shape.rank <= 1 || weld_node_traits(v->producer) & WELD_OP_REDUCES);
}

static void find_earliest(const weld_graph *g, int *levels) {
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        levels[i] = 0;
        for (int k = 0; k < node->input_count; k++) {
            const weld_value *in = node->inputs[k];
            if (in && in->producer) {
                int level = levels[in->producer->id] + (is_reduced(in) ? 1 : 0);
                levels[i] = level > levels[i] ? level : levels[i];
            }
        }
    }
}

/* first[v]: the lowest level of a reader of value v so far, INT_MAX for none. */
static void move_to_readers(const weld_graph *g, int *levels, int *first) {
    for (size_t i = 0; i < g->value_count; i++) {
        first[i] = INT_MAX;
    }
    for (size_t i = 0; i < g->output_count; i++) {
        first[g->outputs[i].value->id] = 0;
    }
    for (size_t i = g->node_count; i-- > 0;) {
        const weld_node *node = g->nodes[i];
        int level = INT_MAX;
        for (int k = 0; k < node->output_count; k++) {
            const weld_value *out = node->outputs[k];
            int bound = is_reduced(out) ? 0 : first[out->id];
            level = bound < level ? bound : level;
        }
        levels[i] = level != INT_MAX && level > levels[i] ? level : levels[i];
        for (int k = 0; k < node->input_count; k++) {
            int *at = node->inputs[k] ? &first[node->inputs[k]->id] : NULL;
            if (at && levels[i] < *at) {
                *at = levels[i];
            }
        }
    }
}

weld_status weld_node_levels(const weld_graph *g, int *levels, weld_error *err) {
    int *first = weld_alloc(g->value_count, sizeof *first);
    if (!first) {
        return weld_fail_memory(err, "rewriting");
    }
    find_earliest(g, levels);
    move_to_readers(g, levels, first);
    weld_free(first);
    return WELD_OK;
}
