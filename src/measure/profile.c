/* Profiles; see profile.h. */
#include "measure/profile.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/json_text.h"

/* What one thread told: only it writes here while a run goes on. */
typedef struct lane {
    _Alignas(WELD_ALIGNMENT) double *seconds; /* by position: times threads */
    weld_array events;                        /* of weld_session_event: of the latest run */
    bool lost;                                /* no memory for one */
} lane;

struct weld_profile {
    const weld_plan *plan;
    const char *optimizer;
    int64_t elements;
    size_t positions;
    lane *lanes; /* by thread */
    int runs;
    double begin, seconds; /* of the latest run; of all */
};

weld_status weld_profile_create(const weld_plan *plan, const char *optimizer, int64_t elements,
                                weld_profile **out, weld_error *err) {
    weld_profile *p = weld_alloc(1, sizeof *p);
    lane *lanes = weld_alloc((size_t)plan->threads, sizeof *lanes);
    if (!p || !lanes) {
        weld_free(p);
        weld_free(lanes);
        return weld_fail_memory(err, "profile");
    }
    *p = (weld_profile){.plan = plan,
                        .optimizer = optimizer,
                        .elements = elements,
                        .positions = plan->order_count + (optimizer != NULL),
                        .lanes = lanes};
    for (int i = 0; i < plan->threads; i++) {
        lanes[i].events.element = sizeof(weld_session_event);
        lanes[i].seconds = weld_alloc(p->positions, sizeof *lanes[i].seconds);
        if (!lanes[i].seconds) {
            weld_profile_free(p);
            return weld_fail_memory(err, "profile");
        }
    }
    *out = p;
    return WELD_OK;
}

void weld_profile_free(weld_profile *p) {
    if (p) {
        for (int i = 0; i < p->plan->threads; i++) {
            weld_free(p->lanes[i].seconds);
            weld_array_free(&p->lanes[i].events);
        }
        weld_free(p->lanes);
        weld_free(p);
    }
}

void weld_profile_note(void *profile, const weld_session_event *event) {
    weld_profile *p = profile;
    lane *l = &p->lanes[event->thread];
    l->seconds[event->position] += event->threads * (event->end - event->begin);
    l->lost = !weld_array_append(&l->events, event, 1) || l->lost;
}

void weld_profile_begin_run(weld_profile *p) {
    for (int i = 0; i < p->plan->threads; i++) {
        p->lanes[i].events.count = 0;
    }
    p->runs++;
    p->begin = weld_clock();
}

void weld_profile_end_run(weld_profile *p) {
    p->seconds += weld_clock() - p->begin;
}

void weld_profile_reset(weld_profile *p) {
    p->runs = 0;
    p->seconds = 0;
    for (int i = 0; i < p->plan->threads; i++) {
        memset(p->lanes[i].seconds, 0, p->positions * sizeof *p->lanes[i].seconds);
    }
}

void weld_profile_cost(const weld_plan *plan, const weld_node *node, double *flops, double *bytes) {
    weld_tensor in[64] = {0}, out[WELD_MAX_OUTPUTS];
    weld_cost cost = {0};
    for (int i = 0; i < node->input_count; i++) {
        weld_tensor t = node->inputs[i] ? plan->specs[node->inputs[i]->id] : (weld_tensor){0};
        if (i < 64) {
            in[i] = t;
        }
        cost.bytes += node->inputs[i] ? (double)weld_tensor_bytes(&t) : 0.0;
    }
    for (int i = 0; i < node->output_count; i++) {
        out[i] = plan->specs[node->outputs[i]->id];
        cost.bytes += (double)weld_tensor_bytes(&out[i]);
    }
    const weld_op *op = node->op;
    cost.flops = op->flops * (double)weld_shape_count(&in[0].shape);
    cost.bytes += op->extra_passes * (double)weld_tensor_bytes(&in[0]);
    if (op->cost && node->input_count <= 64) {
        op->cost(&(weld_run){.node = node, .in = in, .out = out}, &cost);
    }
    *flops = cost.flops;
    *bytes = cost.bytes;
}

/* Products of matrices have units of their own in bf16; what slides a window over single channels
 * is computed in f32. Codes have theirs for both. */
static double best_rate(const weld_plan *plan, const weld_node *node, const weld_limits *limits) {
    if (node->input_count && node->inputs[0]->dtype == WELD_U8 && limits->int8_ops > 0) {
        return limits->int8_ops;
    }
    const bool product = node->attributes.groups <= 1 && limits->bf16_flops > 0;
    return product && weld_plan_kernels(plan, node)->dtype == WELD_BF16 ? limits->bf16_flops
                                                                        : limits->flops;
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

static void describe_node(const weld_plan *plan, const weld_node *node, weld_profile_row *row) {
    char text[96], shape[64];
    const weld_node *finish = plan->finishes[node->id];
    snprintf(row->name, sizeof row->name, "%s%s%s %s", weld_node_text(node, text, sizeof text),
             finish ? " + " : "", finish ? finish->op->name : "",
             weld_shape_text(&plan->specs[node->outputs[0]->id].shape, shape, sizeof shape));
}

static weld_profile_row row_at(const weld_profile *p, size_t at, const weld_limits *limits,
                               bool by_node) {
    weld_profile_row row = {.op = p->optimizer, .nodes = 1};
    for (int i = 0; i < p->plan->threads; i++) {
        row.seconds += p->lanes[i].seconds[at] / p->plan->threads / p->runs;
    }
    if (at < p->plan->order_count) {
        const weld_node *node = p->plan->order[at];
        row.op = node->op->name;
        weld_profile_cost(p->plan, node, &row.flops, &row.bytes);
        row.limit = row.flops / best_rate(p->plan, node, limits);
        if (by_node) {
            describe_node(p->plan, node, &row);
        }
    } else {
        row.bytes =
            7.0 * 4 * (double)p->elements; /* gradient; weight, two averages: read, written */
    }
    row.limit = larger(row.limit, row.bytes / limits->bandwidth);
    return row;
}

static int slower_first(const void *a, const void *b) {
    const weld_profile_row *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* Add row to the one of its operator. */
static void gather(weld_profile_row *rows, size_t *count, const weld_profile_row *row) {
    size_t at = 0;
    while (at < *count && (*row->name || strcmp(rows[at].op, row->op) != 0)) {
        at++;
    }
    if (at == *count) {
        rows[(*count)++] = *row;
    } else {
        rows[at].nodes++;
        rows[at].seconds += row->seconds;
        rows[at].flops += row->flops;
        rows[at].bytes += row->bytes;
        rows[at].limit += row->limit;
    }
}

weld_status weld_profile_rows(const weld_profile *p, const weld_limits *limits, bool by_node,
                              weld_profile_row **rows, size_t *count, weld_error *err) {
    *rows = weld_alloc(p->positions + 1, sizeof **rows);
    *count = 0;
    if (!*rows) {
        return weld_fail_memory(err, "profile");
    }
    weld_profile_row waiting = {.op = "(waiting)", .seconds = p->seconds / p->runs};
    for (size_t at = 0; at < p->positions; at++) {
        const weld_profile_row row = row_at(p, at, limits, by_node);
        gather(*rows, count, &row);
        waiting.seconds -= row.seconds;
    }
    qsort(*rows, *count, sizeof **rows, slower_first);
    waiting.seconds = larger(waiting.seconds, 0);
    (*rows)[(*count)++] = waiting;
    return WELD_OK;
}

/* --- traces --- */

static json_t *trace_event(const weld_profile *p, const weld_session_event *e, int thread) {
    char text[160] = "";
    const char *op = p->optimizer;
    double flops = 0, bytes = 0;
    if (e->position < p->plan->order_count) {
        const weld_node *node = p->plan->order[e->position];
        op = node->op->name;
        weld_node_text(node, text, sizeof text);
        weld_profile_cost(p->plan, node, &flops, &bytes);
    }
    json_t *name = json_string(text); /* a cut name may be no UTF-8 */
    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:i, s:i, s:{s:o, s:f, s:f}}", "name", op, "cat",
                     "node", "ph", "X", "ts", 1e6 * (e->begin - p->begin), "dur",
                     1e6 * (e->end - e->begin), "pid", 1, "tid", thread, "args", "node",
                     name ? name : json_string(""), "flops", flops, "bytes", bytes);
}

static bool add_events(const weld_profile *p, const lane *l, json_t *events) {
    const weld_session_event *all = l->events.data;
    for (size_t i = 0; i < l->events.count; i++) {
        const weld_session_event *e = &all[i];
        for (int k = 0; k < e->threads; k++) {
            json_t *event = trace_event(p, e, e->thread + k);
            if (!event || json_array_append_new(events, event)) {
                return false;
            }
        }
    }
    return !l->lost;
}

weld_status weld_profile_write_trace(const weld_profile *p, const char *path, weld_error *err) {
    json_t *events = json_array(), *root = NULL;
    bool whole = events != NULL;
    for (int i = 0; i < p->plan->threads && whole; i++) {
        whole = add_events(p, &p->lanes[i], events);
    }
    root = whole ? json_pack("{s:O, s:s}", "traceEvents", events, "displayTimeUnit", "ms") : NULL;
    char *text = weld_json_dump(root, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(root);
    json_decref(events);
    weld_status status =
        text ? weld_file_write(path, text, strlen(text), err) : weld_fail_memory(err, "trace");
    weld_free(text);
    return status;
}
