/* Computing segments again; see rematerialize.h.
 *
 * Forward is what runs until the loss is known, backward what runs after. Nodes of the network that
 * only the backward pass needs run there too, so they are copied behind the loss. Of gradients that
 * run before it all that they read is kept. */
#include "passes/rematerialize.h"

#include "base/error.h"
#include "base/memory.h"
#include "graph/copy.h"
#include "passes/maps.h"

typedef enum phase { NOT_RUN, FORWARD, BACKWARD, NEITHER } phase;

typedef struct rematerialize {
    const weld_graph *from;
    const int *segments;
    const weld_node *loss;
    phase *phases;      /* by node id; a view's is that of what it is of */
    bool *made;         /* by value id: something in the forward pass reads it */
    bool *kept;         /* by value id; not asked of views */
    bool *wanted;       /* by node id: it is computed again */
    weld_value **again; /* by value id: its counterpart that is computed again, or NULL so far */
} rematerialize;

/* --- Decisions ------------------------------------------------------------------------------- */

static void find_phases(rematerialize *r, const weld_plan *plan) {
    const size_t known = plan->node_steps[r->loss->id];
    for (size_t at = 0; at < plan->order_count; at++) {
        const weld_node *node = plan->order[at];
        r->phases[node->id] = plan->node_steps[node->id] > known ? BACKWARD
                              : node->id <= r->loss->id          ? FORWARD
                                                                 : NEITHER;
    }
    for (size_t i = 0; i < r->from->node_count; i++) {
        const weld_node *node = r->from->nodes[i];
        const weld_value *of = weld_viewed(node->outputs[0]);
        if (node->op->view && of->producer) {
            r->phases[i] = r->phases[of->producer->id];
        }
    }
}

static bool is_reduction(const weld_node *node) {
    return node->op->cpu.sums || node->op->cpu.running.count ||
           weld_node_traits(node) & WELD_OP_REDUCES;
}

/* Of what the node reads is kept what comes from another segment, or goes where it cannot be had
 * again. */
static void look_at_inputs(rematerialize *r, const weld_node *node) {
    const phase reads = r->phases[node->id];
    for (int i = 0; i < node->input_count; i++) {
        const weld_value *v = weld_viewed(node->inputs[i]);
        if (!v || !v->producer || node->op->view || reads == BACKWARD || reads == NOT_RUN) {
            continue;
        }
        r->made[v->id] = r->made[v->id] || reads == FORWARD;
        if (reads == NEITHER || r->segments[v->producer->id] != r->segments[node->id]) {
            r->kept[v->id] = true;
        }
    }
}

/* A node that only the backward pass reads would not be run in the forward pass any more. */
static void look_at_outputs(rematerialize *r, const weld_node *node, int below) {
    bool again = r->phases[node->id] == FORWARD && r->segments[node->id] < below;
    bool read = false;
    for (int i = 0; i < node->output_count; i++) {
        read = read || r->made[node->outputs[i]->id];
    }
    again = again && read && !is_reduction(node);
    for (int i = 0; i < node->output_count; i++) {
        const weld_value *out = node->outputs[i];
        r->kept[out->id] = r->kept[out->id] || !again || !weld_is_map(out);
    }
}

static int at_most(int a, int b) {
    return a < b ? a : b;
}

static void find_kept(rematerialize *r, int below) {
    const weld_graph *g = r->from;
    for (size_t i = 0; i < g->output_count; i++) {
        r->kept[weld_viewed(g->outputs[i].value)->id] = true;
    }
    for (size_t i = 0; i < g->node_count; i++) {
        look_at_inputs(r, g->nodes[i]);
    }
    for (size_t i = 0; i < g->node_count; i++) {
        look_at_outputs(r, g->nodes[i], below);
    }
}

static bool is_again(const rematerialize *r, const weld_value *v) {
    v = weld_viewed(v);
    return v && v->producer && !r->kept[v->id];
}

/* From the last node to the first: what the backward pass reads, and what that is made from. */
static void find_wanted(rematerialize *r) {
    for (size_t k = r->from->node_count; k-- > 0;) {
        const weld_node *node = r->from->nodes[k];
        const bool reads = (r->phases[k] == BACKWARD && !node->op->view) || r->wanted[k];
        for (int i = 0; reads && i < node->input_count; i++) {
            const weld_value *v = weld_viewed(node->inputs[i]);
            if (is_again(r, v)) {
                r->wanted[v->producer->id] = true;
            }
        }
    }
}

/* --- The copy -------------------------------------------------------------------------------- */

static weld_value *read(rematerialize *r, weld_copy *c, const weld_value *v);

/* The node with the inputs that are computed again in the place of what is not kept. */
static weld_node *copy_of(rematerialize *r, weld_copy *c, const weld_node *node) {
    weld_value **inputs = weld_alloc((size_t)node->input_count, sizeof(weld_value *));
    if (!inputs) {
        weld_graph_fail(c->to, WELD_ERROR_MEMORY, "rewriting: out of memory");
        return NULL;
    }
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = read(r, c, node->inputs[i]);
    }
    weld_node *made = weld_copy_node(c, node, inputs);
    weld_free(inputs);
    return made;
}

static void copy_again(rematerialize *r, weld_copy *c, const weld_node *node) {
    weld_node *made = copy_of(r, c, node);
    for (int i = 0; made && i < node->output_count; i++) {
        r->again[node->outputs[i]->id] = made->outputs[i];
    }
    if (made && !node->op->view) {
        made->again = c->map[node->outputs[0]->id]->producer;
        made->segment = r->segments[node->id];
    }
}

static void copy_segment(rematerialize *r, weld_copy *c, int segment) {
    for (size_t i = 0; i < r->from->node_count; i++) {
        if (r->wanted[i] && r->segments[i] == segment) {
            copy_again(r, c, r->from->nodes[i]);
        }
    }
}

/* What stands for v in the backward pass; NULL also after an error. */
static weld_value *read(rematerialize *r, weld_copy *c, const weld_value *v) {
    if (!is_again(r, v)) {
        return v ? c->map[v->id] : NULL;
    }
    const bool is_there = r->again[v->id] || weld_graph_status(c->to, NULL) != WELD_OK;
    if (!is_there && v->producer->op->view) {
        copy_again(r, c, v->producer);
    } else if (!is_there) {
        copy_segment(r, c, r->segments[v->producer->id]);
    }
    return r->again[v->id];
}

static void copy_for(rematerialize *r, weld_copy *c, const weld_node *node) {
    const weld_node *made = copy_of(r, c, node);
    for (int i = 0; made && i < node->output_count; i++) {
        c->map[node->outputs[i]->id] = made->outputs[i];
    }
}

/* Nodes before the loss that are not needed for it wait until all is there that is. */
static bool replace(weld_copy *c, const weld_node *node, void *context) {
    rematerialize *r = context;
    const bool backward = r->phases[node->id] == BACKWARD;
    if (backward && node->id > r->loss->id) {
        copy_for(r, c, node);
    } else if (node == r->loss) {
        copy_for(r, c, node);
        for (int i = 0; i < node->id; i++) {
            const weld_node *waits = r->from->nodes[i];
            if (r->phases[i] == BACKWARD && weld_node_is_needed(waits, c->needed)) {
                copy_for(r, c, waits);
            }
        }
    } else if (!backward) {
        return false;
    }
    return true;
}

weld_status weld_rematerialize(const weld_plan *plan, const weld_value *loss, const int *segments,
                               int below, weld_graph **out, weld_error *err) {
    const weld_graph *g = plan->graph;
    rematerialize r = {.from = g,
                       .segments = segments,
                       .loss = weld_viewed(loss)->producer,
                       .phases = weld_alloc(g->node_count, sizeof *r.phases),
                       .made = weld_alloc(g->value_count, sizeof *r.made),
                       .kept = weld_alloc(g->value_count, sizeof *r.kept),
                       .wanted = weld_alloc(g->node_count, sizeof *r.wanted),
                       .again = weld_alloc(g->value_count, sizeof(weld_value *))};
    weld_status status = r.phases && r.made && r.kept && r.wanted && r.again
                             ? WELD_OK
                             : weld_fail_memory(err, "rewriting");
    *out = NULL;
    if (!status) {
        find_phases(&r, plan);
        find_kept(&r, at_most(below, segments[r.loss->id]));
        find_wanted(&r);
        status = weld_copy_graph(g, replace, &r, out, err);
    }
    weld_free(r.phases);
    weld_free(r.made);
    weld_free(r.kept);
    weld_free(r.wanted);
    weld_free(r.again);
    return status;
}
