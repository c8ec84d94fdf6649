/* Making plans; see plan.h.
 *
 * Values that share memory (in-place results) form a storage, and what reads a view reads the value
 * that it is of. A storage lives from the step that makes it to the last step that reads any of its
 * values; two storages whose lives touch get disjoint places. Scratch memory of a node is a storage
 * that lives for that node. Within a stream the same holds of the nodes and the scratch of a
 * thread.
 */
#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

#define FOREVER SIZE_MAX
#define NO_STORAGE SIZE_MAX

typedef struct planner {
    weld_plan *plan;
    size_t *last_use;                             /* by value id: position of the last reader */
    bool *read_apart;                             /* by value id: by a sum (weld_step.apart) */
    size_t *storage_of;                           /* by value id */
    size_t *workspace_storage, *prepared_storage; /* by position */
    weld_storage *storages;
    size_t storage_count;
    weld_storage **by_size; /* for placing */
    weld_storage **placed;
    weld_tensor *in; /* the specs of a node's inputs */
} planner;

/* --- shapes for this batch --- */

/* No value is so large that the sum of all could overflow. */
static weld_status check_size(const weld_shape *shape, const char *what, weld_error *err) {
    int64_t count = weld_shape_count(shape);
    if (count < 1 || count > (int64_t)1 << 40) {
        char text[128];
        return weld_fail(err, WELD_ERROR_SHAPE, "%s: shape %s has no elements or too many", what,
                         weld_shape_text(shape, text, sizeof text));
    }
    return WELD_OK;
}

static weld_status infer_node(const planner *p, const weld_node *node, weld_error *err) {
    weld_plan *plan = p->plan;
    weld_tensor out[WELD_MAX_OUTPUTS] = {0};
    weld_plan_inputs(p->plan, node, p->in);
    weld_error reason = {0};
    char text[160];
    weld_status status = node->op->infer(node, p->in, out, &reason);
    if (status) {
        return weld_fail(err, status, "%s: %s", weld_node_text(node, text, sizeof text),
                         reason.message);
    }
    for (int i = 0; i < node->output_count && !status; i++) {
        plan->specs[node->outputs[i]->id] = out[i];
        status = check_size(&out[i].shape, weld_node_text(node, text, sizeof text), err);
    }
    return status;
}

static weld_status infer_all(const planner *p, int64_t batch, weld_error *err) {
    weld_plan *plan = p->plan;
    const weld_graph *g = plan->graph;
    weld_status status = WELD_OK;
    for (size_t i = 0; i < g->value_count && !status; i++) {
        plan->specs[i] = (weld_tensor){g->values[i]->dtype, g->values[i]->shape, NULL};
        if (g->values[i]->kind == WELD_VALUE_INPUT && batch > 0) {
            plan->specs[i].shape.dim[0] = batch;
        }
        if (g->values[i]->kind != WELD_VALUE_RESULT) {
            status = check_size(&plan->specs[i].shape, g->values[i]->name, err);
        }
    }
    for (size_t i = 0; i < g->node_count && !status; i++) {
        status = infer_node(p, g->nodes[i], err);
    }
    return status;
}

/* --- order and lifetimes --- */

static size_t step_of(const weld_plan *plan, size_t at) {
    return plan->node_steps[plan->order[at]->id];
}

/* Views are not run, nor what is done in passing; what computes again is put in between later. */
static void choose_order(weld_plan *plan, const bool *needed) {
    const weld_graph *g = plan->graph;
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (!node->op->view && !node->again && weld_node_is_needed(node, needed) &&
            !weld_plan_is_finish(plan, node)) {
            plan->order[plan->order_count++] = node;
        }
    }
}

static void find_uses(planner *p) {
    const weld_plan *plan = p->plan;
    for (size_t i = 0; i < plan->step_count; i++) {
        for (size_t at = plan->steps[i].begin; at < plan->steps[i].end; at++) {
            plan->node_steps[plan->order[at]->id] = i;
        }
    }
    for (size_t at = 0; at < plan->order_count; at++) {
        const weld_node *node = plan->order[at];
        const bool is_apart =
            plan->large_sums[node->id] && plan->steps[plan->node_steps[node->id]].apart;
        for (int j = 0; j < node->output_count; j++) {
            p->last_use[node->outputs[j]->id] = at;
        }
        for (int j = 0; j < node->input_count; j++) {
            if (node->inputs[j]) {
                const int id = weld_plan_home(plan, node->inputs[j])->id;
                p->last_use[id] = at;
                p->read_apart[id] = p->read_apart[id] || is_apart;
            }
        }
    }
    for (size_t i = 0; i < plan->graph->output_count; i++) {
        p->last_use[weld_plan_home(plan, plan->graph->outputs[i].value)->id] = FOREVER;
    }
}

/* --- storages --- */

static size_t value_bytes(const weld_plan *plan, const weld_value *v) {
    return weld_tensor_bytes(&plan->specs[v->id]);
}

static size_t add_storage(planner *p, size_t bytes, size_t first, size_t last) {
    p->storages[p->storage_count] = (weld_storage){.bytes = weld_round_up(bytes, WELD_ALIGNMENT),
                                                   .first = first,
                                                   .last = last,
                                                   .pinned = last == FOREVER};
    return p->storage_count++;
}

static void join_storage(planner *p, const weld_value *v, size_t s, size_t last) {
    p->storage_of[v->id] = s;
    p->storages[s].last = last > p->storages[s].last ? last : p->storages[s].last;
    p->storages[s].pinned = p->storages[s].pinned || last == FOREVER;
}

/* An input that may not be overwritten lives in the same memory as input i. */
static bool is_shared(const planner *p, const weld_node *node, int i) {
    const weld_value *in = weld_plan_home(p->plan, node->inputs[i]);
    for (int j = 0; j < node->input_count; j++) {
        bool may = j < 32 && (node->op->cpu.inplace >> j & 1u);
        const weld_value *other = may ? NULL : weld_plan_home(p->plan, node->inputs[j]);
        if (other && p->storage_of[other->id] == p->storage_of[in->id] &&
            p->plan->in_scratch[other->id] == p->plan->in_scratch[in->id]) {
            return true;
        }
    }
    return false;
}

/* The storage (of the arena or of the scratch, as asked) that ends at `at` and that output 0 of the
 * node may take over, or NO_STORAGE. */
static size_t inplace_storage(const planner *p, const weld_node *node, size_t at, bool scratch) {
    size_t bytes = value_bytes(p->plan, node->outputs[0]);
    for (int i = 0; i < node->input_count && i < 32; i++) {
        const weld_value *in = weld_plan_home(p->plan, node->inputs[i]);
        if (!in || !(node->op->cpu.inplace >> i & 1u) || in->dtype != node->outputs[0]->dtype ||
            p->storage_of[in->id] == NO_STORAGE || p->plan->in_scratch[in->id] != scratch ||
            value_bytes(p->plan, in) != bytes) {
            continue;
        }
        const weld_storage *s = &p->storages[p->storage_of[in->id]];
        if (s->last == at && !s->pinned && !is_shared(p, node, i)) {
            return p->storage_of[in->id];
        }
    }
    return NO_STORAGE;
}

static size_t last_step(const planner *p, const weld_value *v) {
    size_t last = p->last_use[v->id];
    return last == FOREVER ? FOREVER : step_of(p->plan, last);
}

/* Of the arena, where lives are counted in steps. */
static void assign_output(planner *p, const weld_node *node, int j, size_t step) {
    const weld_value *out = node->outputs[j];
    const bool whole = p->plan->steps[step].slicing == WELD_SLICE_NONE;
    const size_t s = j == 0 && whole ? inplace_storage(p, node, step, false) : NO_STORAGE;
    if (s == NO_STORAGE) {
        p->storage_of[out->id] = add_storage(p, value_bytes(p->plan, out), step, last_step(p, out));
    } else {
        join_storage(p, out, s, last_step(p, out));
    }
}

static bool is_internal(const planner *p, const weld_node *node, int j, size_t step) {
    const weld_step *s = &p->plan->steps[step];
    return s->slicing != WELD_SLICE_NONE && !weld_node_sums(node, j) &&
           last_step(p, node->outputs[j]) == step && !p->read_apart[node->outputs[j]->id];
}

static void assign_arena(planner *p) {
    weld_plan *plan = p->plan;
    for (size_t i = 0; i < plan->graph->value_count; i++) {
        const weld_value *v = plan->graph->values[i];
        p->storage_of[i] = NO_STORAGE;
        if (v->kind == WELD_VALUE_INPUT) { /* stays as it was filled, for any number of runs */
            p->storage_of[i] = add_storage(p, value_bytes(plan, v), 0, FOREVER);
        }
    }
    for (size_t at = 0; at < plan->order_count; at++) {
        const weld_node *node = plan->order[at];
        const size_t step = plan->node_steps[node->id];
        for (int j = 0; j < node->output_count; j++) {
            if (is_internal(p, node, j, step)) {
                plan->in_scratch[node->outputs[j]->id] = true;
            } else {
                assign_output(p, node, j, step);
            }
        }
    }
}

/* A run of the node as a size of memory is asked for: whole, and without data. */
static weld_run specs_of(const planner *p, const weld_node *node, weld_tensor *out) {
    const weld_plan *plan = p->plan;
    weld_plan_inputs(plan, node, p->in);
    for (int i = 0; i < node->output_count; i++) {
        out[i] = plan->specs[node->outputs[i]->id];
    }
    return (weld_run){.node = node,
                      .in = p->in,
                      .out = out,
                      .threads = plan->threads,
                      .constant_weights =
                          plan->constant_weights && weld_node_prepares_constants(node),
                      .kernels = weld_plan_kernels(plan, node),
                      .int8 = plan->int8};
}

/* Bytes that the node at `at` wants for itself: of one slice, and of one thread, in a stream. */
static size_t workspace_bytes(planner *p, size_t at) {
    const weld_node *node = p->plan->order[at];
    const weld_step *step = &p->plan->steps[step_of(p->plan, at)];
    const bool streams = step->slicing != WELD_SLICE_NONE;
    if (!node->op->cpu.workspace) {
        return 0;
    }
    weld_tensor out[WELD_MAX_OUTPUTS];
    weld_run run = specs_of(p, node, out);
    for (int i = 0; i < node->input_count && streams; i++) {
        if (weld_node_takes_slices(node, i)) {
            p->in[i].shape = weld_slice_shape(step->slicing, &p->in[i], step->slice);
        }
    }
    for (int i = 0; i < node->output_count && streams; i++) {
        if (!weld_node_sums(node, i)) {
            out[i].shape = weld_slice_shape(step->slicing, &out[i], step->slice);
        }
    }
    run.threads = streams ? 1 : run.threads;
    return node->op->cpu.workspace(&run);
}

static void assign_arena_workspaces(planner *p) {
    weld_plan *plan = p->plan;
    for (size_t i = 0; i < plan->step_count; i++) {
        weld_step *step = &plan->steps[i];
        const size_t at = step->begin;
        size_t bytes =
            step->slicing == WELD_SLICE_NONE ? workspace_bytes(p, at) : weld_partials_bytes(step);
        p->workspace_storage[at] = bytes ? add_storage(p, bytes, i, i) : NO_STORAGE;
    }
}

static size_t prepared_bytes(const planner *p, const weld_node *node) {
    if (!node->op->cpu.prepared ||
        (p->plan->constant_weights && weld_node_prepares_constants(node))) {
        return 0;
    }
    weld_tensor out[WELD_MAX_OUTPUTS];
    weld_run run = specs_of(p, node, out);
    return node->op->cpu.prepared(&run);
}

static void assign_prepared(planner *p) {
    for (size_t at = 0; at < p->plan->order_count; at++) {
        const size_t step = step_of(p->plan, at), bytes = prepared_bytes(p, p->plan->order[at]);
        p->prepared_storage[at] = bytes ? add_storage(p, bytes, step, step) : NO_STORAGE;
    }
}

static size_t offset_of(const planner *p, size_t s) {
    return s == NO_STORAGE ? SIZE_MAX : p->storages[s].offset;
}

static void place_arena(planner *p) {
    weld_plan *plan = p->plan;
    plan->arena_bytes = weld_place_storages(p->storages, p->storage_count, p->by_size, p->placed);
    for (size_t i = 0; i < plan->graph->value_count; i++) {
        plan->offsets[i] = offset_of(p, p->storage_of[i]);
    }
    for (size_t at = 0; at < plan->order_count; at++) {
        plan->prepared[at] = offset_of(p, p->prepared_storage[at]);
    }
    for (size_t i = 0; i < plan->step_count; i++) {
        const size_t at = plan->steps[i].begin;
        const size_t offset = offset_of(p, p->workspace_storage[at]);
        if (plan->steps[i].slicing == WELD_SLICE_NONE) {
            plan->workspaces[at] = offset;
        } else {
            plan->steps[i].partials = offset;
        }
    }
}

/* --- the scratch of a stream, where lives are counted in nodes --- */

static void assign_scratch(planner *p, const weld_step *step) {
    const weld_plan *plan = p->plan;
    for (size_t at = step->begin; at < step->end; at++) {
        const weld_node *node = plan->order[at];
        size_t bytes = workspace_bytes(p, at);
        p->workspace_storage[at] = bytes ? add_storage(p, bytes, at, at) : NO_STORAGE;
        for (int j = 0; j < node->output_count; j++) {
            const weld_value *out = node->outputs[j];
            if (!plan->in_scratch[out->id]) {
                continue;
            }
            size_t s = j == 0 ? inplace_storage(p, node, at, true) : NO_STORAGE;
            if (s != NO_STORAGE) {
                join_storage(p, out, s, p->last_use[out->id]);
            } else {
                size_t unit = weld_slice_unit_bytes(step->slicing, &plan->specs[out->id]);
                p->storage_of[out->id] =
                    add_storage(p, unit * (size_t)step->slice, at, p->last_use[out->id]);
            }
        }
    }
}

static void place_scratch(planner *p, const weld_step *step) {
    weld_plan *plan = p->plan;
    size_t bytes = weld_place_storages(p->storages, p->storage_count, p->by_size, p->placed);
    plan->scratch_bytes = bytes > plan->scratch_bytes ? bytes : plan->scratch_bytes;
    for (size_t at = step->begin; at < step->end; at++) {
        const weld_node *node = plan->order[at];
        plan->workspaces[at] = offset_of(p, p->workspace_storage[at]);
        for (int j = 0; j < node->output_count; j++) {
            const weld_value *out = node->outputs[j];
            if (plan->in_scratch[out->id]) {
                plan->offsets[out->id] = p->storages[p->storage_of[out->id]].offset;
            }
        }
    }
}

static void plan_scratch(planner *p) {
    for (size_t i = 0; i < p->plan->step_count; i++) {
        const weld_step *step = &p->plan->steps[i];
        if (step->slicing != WELD_SLICE_NONE) {
            p->storage_count = 0;
            assign_scratch(p, step);
            place_scratch(p, step);
        }
    }
}

/* Views lie where that lies which they are of. Of a parameter: the session knows where. */
static void place_views(weld_plan *plan) {
    for (size_t i = 0; i < plan->graph->value_count; i++) {
        const weld_value *v = plan->graph->values[i], *of = weld_plan_home(plan, v);
        plan->offsets[v->id] = plan->offsets[of->id];
        plan->in_scratch[v->id] = plan->in_scratch[of->id];
    }
}

/* --- putting it together --- */

static bool allocate(planner *p, const weld_graph *g) {
    weld_plan *plan = p->plan;
    const size_t values = g->value_count, nodes = g->node_count;
    const size_t storages = values + 2 * nodes + 1;
    plan->specs = weld_alloc(values, sizeof *plan->specs);
    plan->order = weld_alloc(nodes, sizeof *plan->order);
    plan->finishes = weld_alloc(nodes, sizeof *plan->finishes);
    plan->large_sums = weld_alloc(nodes, sizeof *plan->large_sums);
    plan->node_steps = weld_alloc(nodes, sizeof *plan->node_steps);
    plan->offsets = weld_alloc(values, sizeof *plan->offsets);
    plan->in_scratch = weld_alloc(values, sizeof *plan->in_scratch);
    plan->workspaces = weld_alloc(nodes, sizeof *plan->workspaces);
    plan->prepared = weld_alloc(nodes, sizeof *plan->prepared);
    p->last_use = weld_alloc(values, sizeof *p->last_use);
    p->read_apart = weld_alloc(values, sizeof *p->read_apart);
    p->storage_of = weld_alloc(values, sizeof *p->storage_of);
    p->prepared_storage = weld_alloc(nodes, sizeof *p->prepared_storage);
    p->workspace_storage = weld_alloc(nodes, sizeof *p->workspace_storage);
    p->storages = weld_alloc(storages, sizeof *p->storages);
    p->by_size = weld_alloc(storages, sizeof(weld_storage *));
    p->placed = weld_alloc(storages, sizeof(weld_storage *));
    p->in = weld_alloc(weld_graph_most_inputs(g), sizeof *p->in);
    return plan->specs && plan->order && plan->finishes && plan->large_sums && plan->node_steps &&
           plan->offsets && plan->in_scratch && plan->workspaces && plan->prepared && p->last_use &&
           p->read_apart && p->storage_of && p->workspace_storage && p->prepared_storage &&
           p->storages && p->by_size && p->placed && p->in;
}

static void free_planner(planner *p) {
    weld_free(p->last_use);
    weld_free(p->read_apart);
    weld_free(p->storage_of);
    weld_free(p->workspace_storage);
    weld_free(p->prepared_storage);
    weld_free(p->storages);
    weld_free(p->by_size);
    weld_free(p->placed);
    weld_free(p->in);
}

static weld_status make_plan(planner *p, const weld_session_options *options, weld_error *err) {
    const weld_graph *g = p->plan->graph;
    weld_status status = infer_all(p, options->batch, err);
    bool *needed = weld_alloc(g->value_count, sizeof *needed);
    if (!status && !needed) {
        status = weld_fail_memory(err, "plan");
    }
    if (!status) {
        weld_graph_find_needed(g, g->outputs, g->output_count, needed);
        status = options->node_by_node ? WELD_OK : weld_plan_find_finishes(p->plan, needed, err);
    }
    if (!status) {
        choose_order(p->plan, needed);
        status = weld_plan_find_steps(p->plan, options->node_by_node, err);
        status = status ? status : weld_plan_insert_again(p->plan, needed, err);
    }
    if (!status) {
        find_uses(p);
        assign_arena(p);
        assign_arena_workspaces(p);
        assign_prepared(p);
        place_arena(p);
        plan_scratch(p);
        place_views(p->plan);
    }
    weld_free(needed);
    return status;
}

weld_status weld_plan_create(const weld_graph *g, const weld_session_options *options,
                             weld_plan **out, weld_error *err) {
    *out = NULL;
    if (weld_graph_status(g, err) != WELD_OK) {
        return g->error.status;
    }
    planner p = {.plan = weld_alloc(1, sizeof *p.plan)};
    weld_status status = WELD_OK;
    if (!p.plan || !allocate(&p, g)) {
        status = weld_fail_memory(err, "plan");
    } else {
        p.plan->graph = g;
        p.plan->threads = options->threads;
        p.plan->constant_weights = options->constant_weights;
        status = weld_plan_choose_kernels(p.plan, options->isa, err);
        status = status ? status : make_plan(&p, options, err);
    }
    free_planner(&p);
    if (status) {
        weld_plan_free(p.plan);
    } else {
        *out = p.plan;
    }
    return status;
}

void weld_plan_free(weld_plan *plan) {
    if (plan) {
        weld_free(plan->specs);
        weld_free(plan->order);
        weld_free(plan->finishes);
        weld_free(plan->steps);
        weld_free(plan->large_sums);
        weld_free(plan->node_steps);
        weld_free(plan->offsets);
        weld_free(plan->in_scratch);
        weld_free(plan->workspaces);
        weld_free(plan->prepared);
        weld_free(plan);
    }
}
