/* Running a session, step after step, and looking at all that a run makes. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "graph/running.h"
#include "graph/session.h"

static void run_observed(const weld_session *s, size_t position) {
    const weld_run *run = &s->runs[position];
    weld_session_event event = {.position = position, .threads = run->threads};
    event.begin = weld_clock();
    weld_session_prepare(s, position);
    run->node->op->cpu.run(run);
    event.end = weld_clock();
    s->observer(s->observer_context, &event);
}

static void run_node(const weld_session *s, size_t position, uint64_t step) {
    weld_run *run = &s->runs[position];
    run->step = step;
    if (s->observer) {
        run_observed(s, position);
    } else {
        weld_session_prepare(s, position);
        run->node->op->cpu.run(run);
    }
    if (s->moves) {
        weld_running_move(run, run->out[run->node->output_count - 1].data);
    }
}

static bool is_finite(const weld_session *s, const weld_tensor *t, int64_t *index) {
    const weld_kernels *kernels = s->plan->kernels[t->dtype];
    if (!t->data || !kernels) {
        return true;
    }
    *index = kernels->first_not_finite(weld_shape_count(&t->shape), t->data);
    return *index < 0;
}

/* Are all inputs finite, in row `row` of `rows`? */
static bool is_finite_row(const weld_session *s, int64_t row, int64_t rows) {
    const weld_graph *g = s->plan->graph;
    int64_t index;
    bool finite = true;
    for (size_t i = 0; i < g->value_count && finite; i++) {
        weld_tensor t = weld_session_tensor(s, g->values[i]);
        if (g->values[i]->kind == WELD_VALUE_INPUT && t.shape.rank && t.shape.dim[0] == rows) {
            t.data = (char *)t.data + weld_tensor_bytes(&t) / (size_t)rows * (size_t)row;
            t.shape.dim[0] = 1;
            finite = is_finite(s, &t, &index);
        }
    }
    return finite;
}

/* Nothing in f32 that comes of what is not finite is: neither is it with codes between. That is
 * outputs of the rows whose inputs are not; where it came up within, all. */
static void spoil_output(const weld_session *s, const weld_tensor *t) {
    const int64_t rows = t->shape.rank ? t->shape.dim[0] : 1, size = weld_shape_count(&t->shape);
    bool within = true;
    for (int64_t row = 0; row < rows; row++) {
        within = within && is_finite_row(s, row, rows);
    }
    for (int64_t row = 0; row < rows; row++) {
        const bool spoilt = within || !is_finite_row(s, row, rows);
        for (int64_t i = row * (size / rows); spoilt && i < (row + 1) * (size / rows); i++) {
            ((float *)t->data)[i] = NAN;
        }
    }
}

static void spoil_outputs(const weld_session *s) {
    const weld_graph *g = s->plan->graph;
    for (size_t i = 0; i < g->output_count; i++) {
        const weld_value *v = g->outputs[i].value;
        const weld_tensor t = weld_session_tensor(s, v);
        if (v->kind == WELD_VALUE_RESULT && v->dtype == WELD_F32 && t.data) {
            spoil_output(s, &t);
        }
    }
}

void weld_session_run(weld_session *s, uint64_t step) {
    atomic_store_explicit(&s->lost, false, memory_order_relaxed);
    for (size_t i = 0; i < s->plan->step_count; i++) {
        const weld_step *part = &s->plan->steps[i];
        if (part->slicing == WELD_SLICE_NONE) {
            run_node(s, part->begin, step);
        } else {
            weld_session_run_stream(s, part, step);
        }
        if (s->after_step) {
            s->after_step(s->after_step_context, i);
        }
    }
    if (atomic_load_explicit(&s->lost, memory_order_relaxed)) {
        spoil_outputs(s);
    }
}

static weld_status check_leaves(weld_session *s, weld_error *err) {
    static const char *const kinds[] = {"input", "parameter", "buffer"};
    const weld_graph *g = s->plan->graph;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        weld_tensor t = weld_session_tensor(s, v);
        int64_t index;
        if (v->kind != WELD_VALUE_RESULT && !is_finite(s, &t, &index)) {
            return weld_fail(err, WELD_ERROR_NUMERIC, "%s %s: element %lld is not finite",
                             kinds[v->kind], v->name, (long long)index);
        }
    }
    return WELD_OK;
}

static weld_status run_and_check(weld_session *s, uint64_t step, weld_error *err) {
    weld_status status = check_leaves(s, err);
    for (size_t at = 0; at < s->plan->order_count && !status; at++) {
        const weld_run *run = &s->runs[at];
        run_node(s, at, step);
        for (int i = 0; i < run->node->output_count && !status; i++) {
            int64_t index;
            if (!is_finite(s, &run->out[i], &index)) {
                char text[160];
                status = weld_fail(
                    err, WELD_ERROR_NUMERIC, "%s: element %lld of its output %d is not finite",
                    weld_node_text(run->node, text, sizeof text), (long long)index, i);
            }
        }
    }
    return status;
}

static void copy_value(const weld_session *from, const weld_session *to, const weld_value *v) {
    weld_tensor t = weld_session_tensor(from, v), u = weld_session_tensor(to, v);
    if (t.data != u.data) { /* of a leaf there is but one */
        memcpy(u.data, t.data, weld_tensor_bytes(&t));
    }
}

static void copy_inputs(const weld_session *from, const weld_session *to) {
    const weld_graph *g = from->plan->graph;
    for (size_t i = 0; i < g->value_count; i++) {
        if (g->values[i]->kind == WELD_VALUE_INPUT) {
            copy_value(from, to, g->values[i]);
        }
    }
}

static void copy_outputs(const weld_session *from, const weld_session *to) {
    const weld_graph *g = from->plan->graph;
    for (size_t i = 0; i < g->output_count; i++) {
        copy_value(from, to, g->outputs[i].value);
    }
}

/* What streams do not keep must be seen too: so another session runs node by node. */
weld_status weld_session_run_checked(weld_session *s, uint64_t step, weld_error *err) {
    weld_session_options options = s->options;
    options.node_by_node = true;
    weld_session *plain;
    weld_status status = weld_session_create(s->plan->graph, s->weights, &options, &plain, err);
    if (!status) {
        plain->moves = s->moves;
        copy_inputs(s, plain);
        status = run_and_check(plain, step, err);
        copy_outputs(plain, s);
    }
    weld_session_free(plain);
    return status;
}
