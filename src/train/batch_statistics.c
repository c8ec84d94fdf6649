/* The chain of running statistics; see batch_statistics.h. */
#include "train/batch_statistics.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/session.h"

/* One node that moves something. */
typedef struct link {
    const weld_run *run; /* the session's */
    const double *values;
    size_t count;
} link;

struct weld_batch_statistics {
    link *links; /* in the order of the nodes in the network */
    size_t link_count, count;
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
        if (node->op->cpu.move && weld_node_is_needed(node, needed)) {
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
                            (size_t)weld_shape_count(&values.shape)};
        b->links[b->link_count++] = found;
        b->count += found.count;
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
        b->links[i].run->node->op->cpu.move(b->links[i].run, block);
        block += b->links[i].count;
    }
}
