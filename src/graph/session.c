/* Making sessions: a plan, its arena, and every node's operands looked up once, so that running is
 * one loop over function calls (session_run.c). */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "graph/session.h"

/* Parameters and buffers live in the weights, results and inputs in the arena, views where what
 * they view lives. */
static weld_status bind_leaf(weld_session *s, const weld_value *v, const weld_weights *w,
                             weld_error *err) {
    weld_tensor found;
    char want[128], have[128];
    if (!weld_weights_find(w, v->name, &found)) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s: the weights have no such tensor", v->name);
    }
    if (found.dtype != v->dtype || !weld_shape_equal(&found.shape, &v->shape)) {
        return weld_fail(
            err, WELD_ERROR_SHAPE, "%s: the network wants %s %s, the weights have %s %s", v->name,
            weld_dtype_name(v->dtype), weld_shape_text(&v->shape, want, sizeof want),
            weld_dtype_name(found.dtype), weld_shape_text(&found.shape, have, sizeof have));
    }
    s->memory[v->id] = found.data;
    return WELD_OK;
}

static weld_status bind_memory(weld_session *s, const weld_weights *w, weld_error *err) {
    const weld_graph *g = s->plan->graph;
    weld_status status = WELD_OK;
    for (size_t i = 0; i < g->value_count && !status; i++) {
        const weld_value *v = g->values[i];
        const bool overwritten = v->producer && s->plan->finishes[v->producer->id];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            status = bind_leaf(s, v, w, err);
        } else if (overwritten) {
            s->memory[i] = NULL;
        } else if (s->plan->offsets[i] != SIZE_MAX && !s->plan->in_scratch[i]) {
            s->memory[i] = s->arena + s->plan->offsets[i];
        } else {
            s->memory[i] = s->memory[weld_viewed(v)->id];
        }
    }
    return status;
}

weld_tensor weld_session_tensor(const weld_session *s, const weld_value *v) {
    weld_tensor t = s->plan->specs[v->id];
    t.data = s->memory[v->id];
    return t;
}

static void bind_runs(weld_session *s, uint64_t seed) {
    weld_tensor *next = s->operands;
    for (size_t at = 0; at < s->plan->order_count; at++) {
        const weld_node *node = s->plan->order[at];
        const size_t workspace = s->plan->workspaces[at], prepared = s->plan->prepared[at];
        weld_tensor *in = next, *out = next + node->input_count;
        for (int i = 0; i < node->input_count; i++) {
            in[i] = node->inputs[i] ? weld_session_tensor(s, node->inputs[i]) : (weld_tensor){0};
        }
        for (int i = 0; i < node->output_count; i++) {
            out[i] = weld_session_tensor(s, weld_plan_output(s->plan, node, i));
        }
        next = out + node->output_count;
        s->runs[at] = (weld_run){.node = node,
                                 .finish = s->plan->finishes[node->id],
                                 .in = in,
                                 .out = out,
                                 .workspace = workspace == SIZE_MAX ? NULL : s->arena + workspace,
                                 .prepared = prepared == SIZE_MAX ? NULL : s->arena + prepared,
                                 .threads = s->plan->threads,
                                 .constant_weights = s->plan->constant_weights &&
                                                     weld_node_prepares_constants(node),
                                 .kernels = weld_plan_kernels(s->plan, node),
                                 .int8 = s->plan->int8,
                                 .lost = &s->lost,
                                 .seed = seed};
    }
}

/* 0: nothing that is constant. */
static size_t prepared_bytes(const weld_run *run) {
    const weld_op *op = run->node->op;
    return op->cpu.prepared && weld_node_prepares_constants(run->node) ? op->cpu.prepared(run) : 0;
}

/* Find, or make, the prepared forms of constant weights. */
static weld_status prepare_constants(weld_session *s, weld_weights *w, weld_error *err) {
    weld_run **runs = weld_alloc(s->plan->order_count, sizeof(weld_run *));
    size_t *bytes = weld_alloc(s->plan->order_count, sizeof *bytes);
    size_t count = 0, total = 0;
    weld_status status = runs && bytes ? weld_weights_prepared(w, &s->prepared, err)
                                       : weld_fail_memory(err, "session");
    for (size_t at = 0; !status && at < s->plan->order_count; at++) {
        bytes[count] = prepared_bytes(&s->runs[at]);
        if (bytes[count]) {
            s->prepared_bytes += bytes[count];
            total += weld_round_up(bytes[count], WELD_ALIGNMENT);
            runs[count++] = &s->runs[at];
        }
    }
    status = status ? status : weld_prepared_reserve(s->prepared, total, err);
    status = status ? status
                    : weld_prepared_find(s->prepared, runs, bytes, count, s->plan->threads, err);
    weld_free(runs);
    weld_free(bytes);
    return status;
}

static size_t count_operands(const weld_plan *plan) {
    size_t count = 0;
    for (size_t at = 0; at < plan->order_count; at++) {
        count += (size_t)(plan->order[at]->input_count + plan->order[at]->output_count);
    }
    return count;
}

/* All but the arena. */
static bool allocate(weld_session *s) {
    const weld_plan *plan = s->plan;
    const size_t threads = (size_t)plan->threads;
    for (size_t i = 0; i < plan->step_count; i++) {
        const weld_step *step = &plan->steps[i];
        size_t operands = 0, nodes = step->slicing == WELD_SLICE_NONE ? 0 : step->end - step->begin;
        for (size_t at = step->begin; at < step->begin + nodes; at++) {
            operands += (size_t)(plan->order[at]->input_count + plan->order[at]->output_count);
        }
        s->thread_run_count = nodes > s->thread_run_count ? nodes : s->thread_run_count;
        s->thread_operand_count =
            operands > s->thread_operand_count ? operands : s->thread_operand_count;
    }
    s->scratch = plan->arena_bytes;
    s->memory = weld_alloc(plan->graph->value_count, sizeof *s->memory);
    s->runs = weld_alloc(plan->order_count, sizeof *s->runs);
    s->operands = weld_alloc(count_operands(plan), sizeof *s->operands);
    s->thread_runs = weld_alloc(threads * s->thread_run_count, sizeof *s->thread_runs);
    s->thread_operands = weld_alloc(threads * s->thread_operand_count, sizeof *s->thread_operands);
    return s->memory && s->runs && s->operands && s->thread_runs && s->thread_operands;
}

/* An input that is never filled counts as zero. */
static void clear_inputs(const weld_session *s) {
    const weld_graph *g = s->plan->graph;
    for (size_t i = 0; i < g->value_count; i++) {
        if (g->values[i]->kind == WELD_VALUE_INPUT) {
            weld_tensor t = weld_session_tensor(s, g->values[i]);
            memset(t.data, 0, weld_tensor_bytes(&t));
        }
    }
}

/* A session that has its plan, and no memory yet. */
static weld_status open_plan(const weld_graph *g, weld_weights *w, const weld_session_options *o,
                             weld_session **out, weld_error *err) {
    if (o->batch < 0 || o->threads < 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "session: batch and threads must be positive, or 0 for the default");
    }
    weld_session *s = *out = weld_alloc(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, "session");
    }
    s->weights = w;
    s->options = *o;
    s->options.threads = weld_threads_count(o->threads);
    return weld_plan_create(g, &s->options, &s->plan, err);
}

/* An arena for all of them, which is the first one's. */
static weld_status share_arena(weld_session **sessions, size_t count, weld_error *err) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t own = weld_session_arena_bytes(sessions[i]);
        bytes = own > bytes ? own : bytes;
    }
    sessions[0]->own_arena = weld_alloc_raw(bytes, 1);
    bool all = sessions[0]->own_arena != NULL;
    for (size_t i = 0; i < count && all; i++) {
        sessions[i]->arena = sessions[0]->own_arena;
        all = allocate(sessions[i]);
    }
    return all ? WELD_OK
               : weld_fail(err, WELD_ERROR_MEMORY,
                           "session: no memory for %zu MB of activations: use a smaller batch",
                           bytes >> 20);
}

static weld_status bind(weld_session *s, weld_error *err) {
    WELD_TRY(bind_memory(s, s->weights, err));
    bind_runs(s, s->options.seed);
    WELD_TRY(s->options.constant_weights ? prepare_constants(s, s->weights, err) : WELD_OK);
    clear_inputs(s);
    return WELD_OK;
}

weld_status weld_sessions_create(const weld_graph *const *graphs, size_t count, weld_weights *w,
                                 const weld_session_options *options, weld_session **out,
                                 weld_error *err) {
    weld_status status = WELD_OK;
    memset(out, 0, count * sizeof(weld_session *));
    for (size_t i = 0; i < count && !status; i++) {
        status = open_plan(graphs[i], w, options, &out[i], err);
    }
    status = status ? status : share_arena(out, count, err);
    for (size_t i = 0; i < count && !status; i++) {
        status = bind(out[i], err);
    }
    for (size_t i = 0; i < count && status; i++) {
        weld_session_free(out[i]);
        out[i] = NULL;
    }
    return status;
}

weld_status weld_session_create(const weld_graph *g, weld_weights *w,
                                const weld_session_options *options, weld_session **out,
                                weld_error *err) {
    static const weld_session_options defaults = {0};
    WELD_TRY(weld_sessions_create(&g, 1, w, options ? options : &defaults, out, err));
    (*out)->moves = true;
    return WELD_OK;
}

void weld_session_free(weld_session *s) {
    if (s) {
        weld_plan_free(s->plan);
        weld_free(s->own_arena);
        weld_free(s->memory);
        weld_free(s->runs);
        weld_free(s->operands);
        weld_free(s->thread_runs);
        weld_free(s->thread_operands);
        weld_prepared_release(s->prepared);
        weld_free(s);
    }
}

weld_tensor weld_session_input(weld_session *s, const char *name) {
    const weld_value *v = weld_graph_find_leaf(s->plan->graph, name);
    return v && v->kind == WELD_VALUE_INPUT ? weld_session_tensor(s, v) : (weld_tensor){0};
}

weld_tensor weld_session_output(weld_session *s, const char *name) {
    const weld_value *v = weld_graph_output(s->plan->graph, name);
    return v ? weld_session_tensor(s, v) : (weld_tensor){0};
}

const weld_plan *weld_session_plan(const weld_session *s) {
    return s->plan;
}

size_t weld_session_arena_bytes(const weld_session *s) {
    return weld_plan_bytes(s->plan);
}

void weld_session_observe(weld_session *s, weld_session_observer observer, void *context) {
    s->observer = observer;
    s->observer_context = context;
}

void weld_session_after_step(weld_session *s, weld_session_step_function function, void *context) {
    s->after_step = function;
    s->after_step_context = context;
}

size_t weld_session_step_of(const weld_session *s, const weld_value *v) {
    const weld_node *producer = weld_plan_home(s->plan, v)->producer;
    return producer ? s->plan->node_steps[producer->id] : 0;
}

size_t weld_session_prepared_bytes(const weld_session *s) {
    return s->prepared_bytes;
}

void weld_session_prepare(const weld_session *s, size_t position) {
    const weld_run *run = &s->runs[position];
    if (s->plan->prepared[position] != SIZE_MAX) {
        run->node->op->cpu.prepare(run, s->arena + s->plan->prepared[position]);
    }
}
