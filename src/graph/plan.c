/* Plans: which nodes run, in which order, and where each value lives.
 *
 * Values that share memory (views, in-place results) form a storage. A storage lives from the node
 * that makes it to the last node that reads any of its values; two storages whose lives touch get
 * disjoint places in one arena. Scratch memory of a node is a storage that lives for that node.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/graph.h"

#define FOREVER SIZE_MAX
#define NO_STORAGE SIZE_MAX

typedef struct storage {
    size_t bytes;
    size_t first, last; /* positions in the order, inclusive */
    size_t offset;
    bool pinned; /* must not be overwritten in place */
} storage;

typedef struct planner {
    weld_plan *plan;
    size_t *last_use;   /* by value id: position of the last reader */
    size_t *storage_of; /* by value id */
    storage *storages;
    size_t storage_count;
    storage **by_size; /* sorting and placing */
    storage **placed;
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

static weld_status infer_node(weld_plan *plan, const weld_node *node, weld_tensor *in,
                              weld_error *err) {
    weld_tensor out[WELD_MAX_OUTPUTS] = {0};
    for (int i = 0; i < node->input_count; i++) {
        in[i] = node->inputs[i] ? plan->specs[node->inputs[i]->id] : (weld_tensor){0};
    }
    weld_error reason = {0};
    char text[160];
    weld_status status = node->op->infer(node, in, out, &reason);
    if (status != WELD_OK) {
        return weld_fail(err, status, "%s: %s", weld_node_text(node, text, sizeof text),
                         reason.message);
    }
    for (int i = 0; i < node->output_count && status == WELD_OK; i++) {
        plan->specs[node->outputs[i]->id] = out[i];
        status = check_size(&out[i].shape, weld_node_text(node, text, sizeof text), err);
    }
    return status;
}

static weld_status infer_all(weld_plan *plan, int64_t batch, weld_tensor *in, weld_error *err) {
    const weld_graph *g = plan->graph;
    weld_status status = WELD_OK;
    for (size_t i = 0; i < g->value_count && status == WELD_OK; i++) {
        plan->specs[i] = (weld_tensor){g->values[i]->dtype, g->values[i]->shape, NULL};
        if (g->values[i]->kind == WELD_VALUE_INPUT && batch > 0) {
            plan->specs[i].shape.dim[0] = batch;
        }
        if (g->values[i]->kind != WELD_VALUE_RESULT) {
            status = check_size(&plan->specs[i].shape, g->values[i]->name, err);
        }
    }
    for (size_t i = 0; i < g->node_count && status == WELD_OK; i++) {
        status = infer_node(plan, g->nodes[i], in, err);
    }
    return status;
}

/* --- order and lifetimes --- */

static void choose_order(planner *p, bool *live) {
    weld_plan *plan = p->plan;
    const weld_graph *g = plan->graph;
    for (size_t i = 0; i < g->output_count; i++) {
        live[g->outputs[i].value->id] = true;
    }
    for (size_t i = g->node_count; i-- > 0;) {
        const weld_node *node = g->nodes[i];
        bool runs = false;
        for (int j = 0; j < node->output_count; j++) {
            runs = runs || live[node->outputs[j]->id];
        }
        for (int j = 0; runs && j < node->input_count; j++) {
            if (node->inputs[j]) {
                live[node->inputs[j]->id] = true;
            }
        }
        if (runs) {
            plan->order[plan->order_count++] = node;
        }
    }
    for (size_t i = 0; i < plan->order_count / 2; i++) { /* collected last first */
        const weld_node *held = plan->order[i];
        plan->order[i] = plan->order[plan->order_count - 1 - i];
        plan->order[plan->order_count - 1 - i] = held;
    }
}

static void find_last_uses(planner *p) {
    const weld_plan *plan = p->plan;
    for (size_t at = 0; at < plan->order_count; at++) {
        const weld_node *node = plan->order[at];
        for (int j = 0; j < node->output_count; j++) {
            p->last_use[node->outputs[j]->id] = at;
        }
        for (int j = 0; j < node->input_count; j++) {
            if (node->inputs[j]) {
                p->last_use[node->inputs[j]->id] = at;
            }
        }
    }
    for (size_t i = 0; i < plan->graph->output_count; i++) {
        p->last_use[plan->graph->outputs[i].value->id] = FOREVER;
    }
}

/* --- storages --- */

static size_t value_bytes(const weld_plan *plan, const weld_value *v) {
    return (size_t)weld_shape_count(&plan->specs[v->id].shape) * weld_dtype_size(v->dtype);
}

static size_t add_storage(planner *p, size_t bytes, size_t first, size_t last) {
    size_t rounded = (bytes + WELD_ALIGNMENT - 1) & ~(size_t)(WELD_ALIGNMENT - 1);
    p->storages[p->storage_count] =
        (storage){.bytes = rounded, .first = first, .last = last, .pinned = last == FOREVER};
    return p->storage_count++;
}

static void join_storage(planner *p, const weld_value *v, size_t s) {
    size_t last = p->last_use[v->id];
    p->storage_of[v->id] = s;
    p->storages[s].last = last > p->storages[s].last ? last : p->storages[s].last;
    p->storages[s].pinned = p->storages[s].pinned || last == FOREVER;
}

/* An input that may not be overwritten lives in the same memory as input i. */
static bool is_shared(const planner *p, const weld_node *node, int i) {
    size_t s = p->storage_of[node->inputs[i]->id];
    for (int j = 0; j < node->input_count; j++) {
        bool may = j < 32 && (node->op->inplace >> j & 1u);
        if (!may && node->inputs[j] && p->storage_of[node->inputs[j]->id] == s) {
            return true;
        }
    }
    return false;
}

/* The storage that output 0 of the node at `at` may take over, or NO_STORAGE. */
static size_t inplace_storage(const planner *p, const weld_node *node, size_t at) {
    size_t bytes = value_bytes(p->plan, node->outputs[0]);
    for (int i = 0; i < node->input_count && i < 32; i++) {
        const weld_value *in = node->inputs[i];
        if (!in || !(node->op->inplace >> i & 1u) || in->dtype != node->outputs[0]->dtype ||
            p->storage_of[in->id] == NO_STORAGE || value_bytes(p->plan, in) != bytes) {
            continue;
        }
        const storage *s = &p->storages[p->storage_of[in->id]];
        if (s->last == at && !s->pinned && !is_shared(p, node, i)) {
            return p->storage_of[in->id];
        }
    }
    return NO_STORAGE;
}

static void assign_outputs(planner *p, const weld_node *node, size_t at) {
    for (int j = 0; j < node->output_count; j++) {
        const weld_value *out = node->outputs[j];
        size_t s = NO_STORAGE;
        if (j == 0 && node->op->view) {
            s = p->storage_of[node->inputs[0]->id];
            if (s == NO_STORAGE) {
                continue; /* a view of a parameter: the session follows it to its memory */
            }
        } else if (j == 0) {
            s = inplace_storage(p, node, at);
        }
        if (s == NO_STORAGE) {
            p->storage_of[out->id] =
                add_storage(p, value_bytes(p->plan, out), at, p->last_use[out->id]);
        } else {
            join_storage(p, out, s);
        }
    }
}

static void assign_storages(planner *p) {
    weld_plan *plan = p->plan;
    for (size_t i = 0; i < plan->graph->value_count; i++) {
        const weld_value *v = plan->graph->values[i];
        p->storage_of[i] = NO_STORAGE;
        if (v->kind == WELD_VALUE_INPUT) { /* stays as it was filled, for any number of runs */
            p->storage_of[i] = add_storage(p, value_bytes(plan, v), 0, FOREVER);
        }
    }
    for (size_t at = 0; at < plan->order_count; at++) {
        assign_outputs(p, plan->order[at], at);
    }
}

static size_t prepared_bytes(const weld_plan *plan, const weld_node *node, const weld_tensor *in,
                             const weld_tensor *out) {
    bool elsewhere = plan->constant_weights && weld_node_prepares_constants(node);
    return node->op->prepared && !elsewhere
               ? node->op->prepared(node, in, out, weld_plan_kernels(plan, node))
               : 0;
}

/* Scratch and prepared weights of each node. */
static void assign_workspaces(planner *p, weld_tensor *in, size_t *storage_of_workspace,
                              size_t *storage_of_prepared) {
    weld_plan *plan = p->plan;
    for (size_t at = 0; at < plan->order_count; at++) {
        const weld_node *node = plan->order[at];
        weld_tensor out[WELD_MAX_OUTPUTS] = {0};
        for (int i = 0; i < node->input_count; i++) {
            in[i] = node->inputs[i] ? plan->specs[node->inputs[i]->id] : (weld_tensor){0};
        }
        for (int i = 0; i < node->output_count; i++) {
            out[i] = plan->specs[node->outputs[i]->id];
        }
        size_t bytes = 0;
        if (node->op->workspace && !node->op->view) {
            bytes =
                node->op->workspace(node, in, out, weld_plan_kernels(plan, node), plan->threads);
        }
        storage_of_workspace[at] = bytes ? add_storage(p, bytes, at, at) : NO_STORAGE;
        bytes = prepared_bytes(plan, node, in, out);
        storage_of_prepared[at] = bytes ? add_storage(p, bytes, at, at) : NO_STORAGE;
    }
}

/* --- places --- */

static int larger_first(const void *a, const void *b) {
    const storage *x = *(storage *const *)a, *y = *(storage *const *)b;
    if (x->bytes != y->bytes) {
        return x->bytes < y->bytes ? 1 : -1;
    }
    return x < y ? -1 : x > y;
}

/* The lowest-waste gap among the storages already placed (sorted by offset) that live at the same
 * time as s. */
static size_t find_gap(const planner *p, size_t placed_count, const storage *s) {
    size_t best = SIZE_MAX, best_size = SIZE_MAX, end = 0;
    for (size_t i = 0; i < placed_count; i++) {
        const storage *other = p->placed[i];
        if (other->last < s->first || s->last < other->first) {
            continue;
        }
        if (other->offset > end) {
            size_t gap = other->offset - end;
            if (gap >= s->bytes && gap < best_size) {
                best = end;
                best_size = gap;
            }
        }
        end = other->offset + other->bytes > end ? other->offset + other->bytes : end;
    }
    return best == SIZE_MAX ? end : best;
}

static void place_storages(planner *p) {
    for (size_t i = 0; i < p->storage_count; i++) {
        p->by_size[i] = &p->storages[i];
    }
    qsort(p->by_size, p->storage_count, sizeof *p->by_size, larger_first);
    for (size_t i = 0; i < p->storage_count; i++) {
        storage *s = p->by_size[i];
        s->offset = find_gap(p, i, s);
        size_t at = i;
        for (; at > 0 && p->placed[at - 1]->offset > s->offset; at--) {
            p->placed[at] = p->placed[at - 1];
        }
        p->placed[at] = s;
        size_t end = s->offset + s->bytes;
        p->plan->arena_bytes = end > p->plan->arena_bytes ? end : p->plan->arena_bytes;
    }
}

/* --- putting it together --- */

static bool allocate(planner *p, const weld_graph *g) {
    weld_plan *plan = p->plan;
    size_t values = g->value_count, nodes = g->node_count;
    size_t storages = values + 2 * nodes + 1;
    plan->specs = weld_alloc(values, sizeof *plan->specs);
    plan->order = weld_alloc(nodes, sizeof *plan->order);
    plan->offsets = weld_alloc(values, sizeof *plan->offsets);
    plan->workspaces = weld_alloc(nodes, sizeof *plan->workspaces);
    plan->prepared = weld_alloc(nodes, sizeof *plan->prepared);
    p->last_use = weld_alloc(values, sizeof *p->last_use);
    p->storage_of = weld_alloc(values, sizeof *p->storage_of);
    p->storages = weld_alloc(storages, sizeof *p->storages);
    p->by_size = weld_alloc(storages, sizeof(storage *));
    p->placed = weld_alloc(storages, sizeof(storage *));
    return plan->specs && plan->order && plan->offsets && plan->workspaces && plan->prepared &&
           p->last_use && p->storage_of && p->storages && p->by_size && p->placed;
}

static weld_tensor *input_scratch(const weld_graph *g) {
    int largest = 1;
    for (size_t i = 0; i < g->node_count; i++) {
        largest = g->nodes[i]->input_count > largest ? g->nodes[i]->input_count : largest;
    }
    return weld_alloc((size_t)largest, sizeof(weld_tensor));
}

static size_t offset_of(const planner *p, size_t s) {
    return s == NO_STORAGE ? SIZE_MAX : p->storages[s].offset;
}

static void write_offsets(planner *p, const size_t *storage_of_workspace,
                          const size_t *storage_of_prepared) {
    weld_plan *plan = p->plan;
    for (size_t i = 0; i < plan->graph->value_count; i++) {
        plan->offsets[i] = offset_of(p, p->storage_of[i]);
    }
    for (size_t at = 0; at < plan->order_count; at++) {
        plan->workspaces[at] = offset_of(p, storage_of_workspace[at]);
        plan->prepared[at] = offset_of(p, storage_of_prepared[at]);
    }
}

/* --- kernels --- */

static weld_status choose_kernels(weld_plan *plan, const char *isa, weld_error *err) {
    const weld_graph *g = plan->graph;
    bool has_bf16 = false;
    for (size_t i = 0; i < g->value_count; i++) {
        has_bf16 = has_bf16 || g->values[i]->dtype == WELD_BF16;
    }
    weld_status status = weld_kernels_select(g->dtype, isa, &plan->kernels, err);
    return status || !has_bf16 ? status : weld_kernels_select(WELD_BF16, isa, &plan->bf16, err);
}

const weld_kernels *weld_plan_kernels(const weld_plan *plan, const weld_node *node) {
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i] && node->inputs[i]->dtype == WELD_BF16) {
            return plan->bf16;
        }
    }
    for (int i = 0; i < node->output_count; i++) {
        if (node->outputs[i]->dtype == WELD_BF16) {
            return plan->bf16;
        }
    }
    return plan->kernels;
}

weld_status weld_plan_create(const weld_graph *g, int64_t batch, const char *isa, int threads,
                             bool constant_weights, weld_plan **out, weld_error *err) {
    *out = NULL;
    if (weld_graph_status(g, err) != WELD_OK) {
        return g->error.status;
    }
    planner p = {.plan = weld_alloc(1, sizeof *p.plan)};
    weld_tensor *in = input_scratch(g);
    bool *live = weld_alloc(g->value_count, sizeof *live);
    size_t *workspace_storages = weld_alloc(g->node_count, sizeof *workspace_storages);
    size_t *prepared_storages = weld_alloc(g->node_count, sizeof *prepared_storages);
    weld_status status = WELD_OK;
    if (!p.plan || !in || !live || !workspace_storages || !prepared_storages || !allocate(&p, g)) {
        status = weld_fail_memory(err, "plan");
        goto done;
    }
    p.plan->graph = g;
    p.plan->threads = threads;
    p.plan->constant_weights = constant_weights;
    status = choose_kernels(p.plan, isa, err);
    status = status ? status : infer_all(p.plan, batch, in, err);
    if (status == WELD_OK) {
        choose_order(&p, live);
        find_last_uses(&p);
        assign_storages(&p);
        assign_workspaces(&p, in, workspace_storages, prepared_storages);
        place_storages(&p);
        write_offsets(&p, workspace_storages, prepared_storages);
    }
done:
    weld_free(in);
    weld_free(live);
    weld_free(workspace_storages);
    weld_free(prepared_storages);
    weld_free(p.last_use);
    weld_free(p.storage_of);
    weld_free(p.storages);
    weld_free(p.by_size);
    weld_free(p.placed);
    if (status != WELD_OK) {
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
        weld_free(plan->offsets);
        weld_free(plan->workspaces);
        weld_free(plan->prepared);
        weld_free(plan);
    }
}
