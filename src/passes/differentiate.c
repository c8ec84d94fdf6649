/* Reverse-mode differentiation as a graph transformation: every node between the loss and what is
 * wanted is asked, last first, to emit the nodes of its gradients. */
#include "base/error.h"
#include "base/memory.h"
#include "graph/graph.h"
#include "ops/ops.h"

/* needed[v]: a wanted value is among v's ancestors (or is v itself). */
static void mark_needed(const weld_graph *g, size_t node_count, bool *needed) {
    for (size_t i = 0; i < node_count; i++) {
        const weld_node *node = g->nodes[i];
        bool any = false;
        for (int j = 0; j < node->input_count; j++) {
            any = any || (node->inputs[j] && needed[node->inputs[j]->id]);
        }
        for (int j = 0; any && j < node->output_count; j++) {
            needed[node->outputs[j]->id] = true;
        }
    }
}

typedef struct scratch {
    bool *needed;       /* by value id */
    weld_value **grads; /* by value id */
    bool *wanted;       /* by input of the node at hand */
    weld_value **dx;    /* likewise */
} scratch;

static void accumulate(weld_graph *g, weld_value **total, weld_value *part) {
    if (part) {
        *total = *total ? weld_add(g, *total, part) : part;
    }
}

static void differentiate_node(weld_graph *g, const weld_node *node, scratch *s) {
    weld_value *dy[WELD_MAX_OUTPUTS] = {0};
    bool flows = false, wants = false;
    for (int i = 0; i < node->output_count; i++) {
        dy[i] = s->grads[node->outputs[i]->id];
        flows = flows || dy[i];
    }
    for (int i = 0; i < node->input_count; i++) {
        s->wanted[i] = node->inputs[i] && s->needed[node->inputs[i]->id];
        s->dx[i] = NULL;
        wants = wants || s->wanted[i];
    }
    if (!flows || !wants || g->error.status != WELD_OK) {
        return;
    }
    char text[160];
    if (!node->op->grad) {
        weld_graph_fail(g, WELD_ERROR_ARGUMENT, "%s: this operator has no gradient",
                        weld_node_text(node, text, sizeof text));
        return;
    }
    node->op->grad(&(weld_gradient){g, node, dy, s->wanted, s->dx});
    for (int i = 0; i < node->input_count && g->error.status == WELD_OK; i++) {
        if (s->wanted[i]) {
            accumulate(g, &s->grads[node->inputs[i]->id], s->dx[i]);
        }
    }
}

weld_status weld_differentiate(weld_graph *g, weld_value *loss, weld_value *const *wrt,
                               size_t count, weld_value **grads, weld_error *err) {
    if (weld_graph_status(g, err) != WELD_OK) {
        return g->error.status;
    }
    if (!loss || weld_shape_count(&loss->shape) != 1) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "differentiate: the loss must have one element: take its mean first");
    }
    size_t values = g->value_count, nodes = g->node_count;
    size_t inputs = weld_graph_most_inputs(g);
    scratch s = {weld_alloc(values, sizeof *s.needed), weld_alloc(values, sizeof *s.grads),
                 weld_alloc(inputs, sizeof *s.wanted), weld_alloc(inputs, sizeof *s.dx)};
    weld_status status = WELD_OK;
    if (!s.needed || !s.grads || !s.wanted || !s.dx) {
        status = weld_fail_memory(err, "differentiate");
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        s.needed[wrt[i]->id] = true;
    }
    mark_needed(g, nodes, s.needed);
    s.grads[loss->id] = weld_fill_like(g, loss, 1.0);
    for (size_t i = nodes; i-- > 0;) {
        differentiate_node(g, g->nodes[i], &s);
    }
    status = weld_graph_status(g, err);
    for (size_t i = 0; i < count && !status; i++) {
        grads[i] = s.grads[wrt[i]->id];
        if (!grads[i]) {
            status =
                weld_fail(err, WELD_ERROR_ARGUMENT, "differentiate: the loss does not depend on %s",
                          *wrt[i]->name ? wrt[i]->name : "a wanted value");
        }
    }
done:
    weld_free(s.needed);
    weld_free(s.grads);
    weld_free(s.wanted);
    weld_free(s.dx);
    return status;
}
