/* Putting what computes again into a plan; see weld_plan_insert_again in plan.h.
 *
 * The steps that are there stay as they are, so that each sum is made of the same parts: a segment
 * comes as steps of its own. None of them has sums, so that its slices may be any.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/plan.h"

/* A node that computes again. */
typedef struct repeat {
    const weld_node *node;
    size_t before; /* the step before which its segment comes, */
    size_t first;  /* and the one in which it was computed first, of those without it */
} repeat;

typedef struct insertion {
    weld_plan *plan;
    repeat *repeats; /* in the order in which they are run */
    size_t count;
    size_t *before;   /* by segment: the first step that reads what is computed in it */
    size_t *step_of;  /* by node id, of those in the order: the step */
    weld_step *steps; /* as they are without the repeats */
    size_t step_count;
    const weld_node **order; /* likewise */
} insertion;

static size_t count_segments(const weld_graph *g) {
    size_t count = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        count = node->again && (size_t)node->segment >= count ? (size_t)node->segment + 1 : count;
    }
    return count;
}

/* The node that computes v again, or NULL. */
static const weld_node *repeat_of(const weld_value *v) {
    v = weld_viewed(v);
    return v && v->producer && v->producer->again ? v->producer : NULL;
}

static void find_steps(insertion *in) {
    for (size_t s = 0; s < in->step_count; s++) {
        for (size_t at = in->steps[s].begin; at < in->steps[s].end; at++) {
            const weld_node *node = in->order[at];
            in->step_of[node->id] = s;
            for (int i = 0; i < node->input_count; i++) {
                const weld_node *from = repeat_of(node->inputs[i]);
                size_t *before = from ? &in->before[from->segment] : NULL;
                if (before && *before > s) {
                    *before = s;
                }
            }
        }
    }
}

static int compare(const void *a, const void *b) {
    const repeat *x = a, *y = b;
    if (x->before != y->before) {
        return x->before < y->before ? -1 : 1;
    }
    if (x->node->segment != y->node->segment) {
        return x->node->segment < y->node->segment ? -1 : 1;
    }
    if (x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    return x->node->id < y->node->id ? -1 : 1;
}

static void find_repeats(insertion *in, const bool *needed) {
    const weld_graph *g = in->plan->graph;
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (node->again && !node->op->view && weld_node_is_needed(node, needed)) {
            in->repeats[in->count++] =
                (repeat){node, in->before[node->segment], in->step_of[node->again->id]};
        }
    }
    qsort(in->repeats, in->count, sizeof *in->repeats, compare);
}

/* All that the node reads is there before the step. */
static weld_status check_inputs(const insertion *in, const repeat *again, weld_error *err) {
    char text[160];
    for (int i = 0; i < again->node->input_count; i++) {
        const weld_value *v = weld_viewed(again->node->inputs[i]);
        if (v && v->producer && !v->producer->again &&
            in->step_of[v->producer->id] >= again->before) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "%s would be computed again before what it reads: the graph was made "
                             "for another batch, or to be run otherwise",
                             weld_node_text(again->node, text, sizeof text));
        }
    }
    return WELD_OK;
}

static weld_status check(const insertion *in, weld_error *err) {
    for (size_t i = 0; i < in->count; i++) {
        WELD_TRY(check_inputs(in, &in->repeats[i], err));
    }
    return WELD_OK;
}

static weld_step *append(weld_plan *plan, weld_step step, size_t nodes) {
    weld_step *s = &plan->steps[plan->step_count++];
    *s = step;
    s->begin = plan->order_count - nodes;
    s->end = plan->order_count;
    return s;
}

/* The step from repeats[i] on; returns the repeat behind it. */
static size_t append_repeats(insertion *in, size_t i) {
    weld_plan *plan = in->plan;
    const repeat *first = &in->repeats[i];
    const weld_step *was = &in->steps[first->first];
    size_t nodes = 0;
    for (; i < in->count && in->repeats[i].before == first->before &&
           in->repeats[i].node->segment == first->node->segment &&
           in->repeats[i].first == first->first;
         i++, nodes++) {
        plan->order[plan->order_count++] = in->repeats[i].node;
    }
    const weld_step whole = {.slicing = WELD_SLICE_NONE};
    const weld_step sliced = {.slicing = was->slicing, .units = was->units};
    weld_step *s = append(plan, nodes > 1 ? sliced : whole, nodes);
    if (s->slicing != WELD_SLICE_NONE) {
        weld_size_step(plan, s);
    }
    return i;
}

static void merge(insertion *in) {
    weld_plan *plan = in->plan;
    size_t next = 0;
    plan->order_count = plan->step_count = 0;
    for (size_t s = 0; s < in->step_count; s++) {
        while (next < in->count && in->repeats[next].before == s) {
            next = append_repeats(in, next);
        }
        const weld_step *step = &in->steps[s];
        for (size_t at = step->begin; at < step->end; at++) {
            plan->order[plan->order_count++] = in->order[at];
        }
        append(plan, *step, step->end - step->begin);
    }
}

/* Room for as many nodes and steps as the graph has nodes. */
static bool allocate(insertion *in, size_t segments) {
    const size_t nodes = in->plan->graph->node_count;
    const weld_node **order = weld_alloc(nodes, sizeof *order);
    weld_step *steps = weld_alloc(nodes, sizeof *steps);
    in->order = in->plan->order;
    in->steps = in->plan->steps;
    in->step_count = in->plan->step_count;
    in->repeats = weld_alloc(nodes, sizeof *in->repeats);
    in->before = weld_alloc(segments, sizeof *in->before);
    in->step_of = weld_alloc(nodes, sizeof *in->step_of);
    if (!order || !steps || !in->repeats || !in->before || !in->step_of) {
        weld_free(order);
        weld_free(steps);
        in->order = NULL;
        in->steps = NULL;
        return false;
    }
    in->plan->order = order;
    in->plan->steps = steps;
    return true;
}

weld_status weld_plan_insert_again(weld_plan *plan, const bool *needed, weld_error *err) {
    insertion in = {.plan = plan};
    const size_t segments = count_segments(plan->graph);
    if (!segments) {
        return WELD_OK;
    }
    weld_status status = allocate(&in, segments) ? WELD_OK : weld_fail_memory(err, "plan");
    if (!status) {
        for (size_t i = 0; i < segments; i++) {
            in.before[i] = SIZE_MAX;
        }
        find_steps(&in);
        find_repeats(&in, needed);
        merge(&in);
        status = check(&in, err);
    }
    weld_free(in.order);
    weld_free(in.steps);
    weld_free(in.repeats);
    weld_free(in.before);
    weld_free(in.step_of);
    return status;
}
