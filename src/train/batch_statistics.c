/* The chain of running statistics; see batch_statistics.h. */
#include "train/batch_statistics.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/running.h"
#include "graph/session.h"

/* One node that moves something. */
typedef struct link {
    const weld_run *run; /* the session's */
    const double *values;
    size_t count;
    size_t tensor; /* the first of its averages among those of all */
} link;

struct weld_batch_statistics {
    link *links; /* in the order of the nodes in the network */
    size_t link_count, count, tensor_count;
    size_t step; /* of the session, after which all are there */
};

/* Outputs need names: the number of the node among those that move something behind this. */
enum { NAME_SIZE = 48 };

static const char *output_name(size_t i, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "batch_statistics/%zu", i);
    return name;
}

weld_status weld_batch_statistics_outputs(weld_graph *g, weld_error *err) {
    char name[NAME_SIZE];
    size_t count = 0;
    bool *needed = weld_alloc(g->value_count, sizeof *needed);
    if (!needed) {
        return weld_fail_memory(err, "training graph");
    }
    weld_graph_find_needed(g, g->outputs, g->output_count, needed);
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (node->op->cpu.running.count && weld_node_is_needed(node, needed)) {
            weld_output(g, output_name(count++, name), node->outputs[node->output_count - 1]);
        }
    }
    weld_free(needed);
    return weld_graph_status(g, err);
}

/* What the session runs for the node. */
static const weld_run *find_run(const weld_session *s, const weld_node *node) {
    size_t at = 0;
    while (s->plan->order[at] != node) {
        at++;
    }
    return &s->runs[at];
}

static void find_links(const weld_session *s, weld_batch_statistics *b) {
    const weld_value *v;
    char name[NAME_SIZE];
    while ((v = weld_graph_output(s->plan->graph, output_name(b->link_count, name)))) {
        const weld_tensor values = weld_session_tensor(s, v);
        const link found = {find_run(s, v->producer), values.data,
                            (size_t)weld_shape_count(&values.shape), b->tensor_count};
        const size_t step = weld_session_step_of(s, v);
        b->links[b->link_count++] = found;
        b->count += found.count;
        b->tensor_count += (size_t)v->producer->op->cpu.running.count;
        b->step = step > b->step ? step : b->step;
    }
}

weld_status weld_batch_statistics_create(const weld_session *s, weld_batch_statistics **out,
                                         weld_error *err) {
    weld_batch_statistics *b = *out = weld_alloc(1, sizeof *b);
    if (b) {
        b->links = weld_alloc(s->plan->graph->output_count, sizeof *b->links);
    }
    if (!b || !b->links) {
        weld_batch_statistics_free(b);
        *out = NULL;
        return weld_fail_memory(err, "training");
    }
    find_links(s, b);
    return WELD_OK;
}

void weld_batch_statistics_free(weld_batch_statistics *b) {
    if (b) {
        weld_free(b->links);
        weld_free(b);
    }
}

size_t weld_batch_statistics_count(const weld_batch_statistics *b) {
    return b->count;
}

void weld_batch_statistics_copy(const weld_batch_statistics *b, double *block) {
    for (size_t i = 0; i < b->link_count; i++) {
        memcpy(block, b->links[i].values, b->links[i].count * sizeof *block);
        block += b->links[i].count;
    }
}

void weld_batch_statistics_move(const weld_batch_statistics *b, const double *block) {
    for (size_t i = 0; i < b->link_count; i++) {
        weld_running_move(b->links[i].run, block);
        block += b->links[i].count;
    }
}

/* --- Of several processes --- */

static const weld_tensor *averages(const link *l) {
    return &l->run->in[l->run->node->op->cpu.running.first];
}

size_t weld_batch_statistics_tensors(const weld_batch_statistics *b, weld_tensor *out) {
    for (size_t i = 0; out && i < b->link_count; i++) {
        const link *l = &b->links[i];
        const size_t end = i + 1 < b->link_count ? l[1].tensor : b->tensor_count;
        memcpy(out + l->tensor, averages(l), (end - l->tensor) * sizeof *out);
    }
    return b->tensor_count;
}

bool weld_batch_statistics_overlap(const weld_batch_statistics *b) {
    bool found = false;
    for (size_t i = 0; i < b->link_count; i++) {
        for (size_t j = 0; j < i; j++) {
            found = found || averages(&b->links[i])->data == averages(&b->links[j])->data;
        }
    }
    return found;
}

void weld_batch_statistics_move_some(const weld_batch_statistics *b, size_t tensor, int64_t begin,
                                     int64_t end, const double *values, void *average) {
    size_t low = 0, high = b->link_count; /* the last link whose tensors begin at or before it */
    while (high - low > 1) {
        const size_t middle = (low + high) / 2;
        *(b->links[middle].tensor <= tensor ? &low : &high) = middle;
    }
    const link *l = &b->links[low];
    weld_running_move_some(averages(l)->dtype, l->run->node->attributes.momentum, end - begin,
                           values, average);
}

void weld_batch_statistics_count_batches(const weld_batch_statistics *b, int64_t batches) {
    for (size_t i = 0; i < b->link_count; i++) {
        weld_running_count(b->links[i].run, batches);
    }
}

size_t weld_batch_statistics_step(const weld_batch_statistics *b) {
    return b->step;
}
