/* Plans: which nodes run, in which order and which steps, and where each value lives.
 *
 * A plan's order is cut into steps, run one after the other. A step is either one node, run whole
 * and parallel within itself, or a stream: several nodes that are run slice by slice, each thread
 * taking slices of its own. What a stream's nodes only pass on to each other lives in a small
 * scratch memory of each thread, which stays in the cache, and not in the arena; sums over the
 * slices have one partial sum for each of a fixed set of chunks, added in order at the end, so that
 * results depend on shapes alone.
 *
 * Partials of large sums (weight gradients of wide layers) cost memory and time: these have one for
 * each of a few groups of chunks. Where there are so many threads that groups do not occupy them,
 * the large sums are taken apart: first all else is run chunk by chunk, and what the large sums are
 * of is written to the arena; then they are taken, group by group and by blocks of their rows. Each
 * element is added up in the same order either way.
 *
 * In graphs for inference a function of each element (an activation) is no node of its own where
 * nothing else reads what it is of: the node that makes that gives it the function in passing.
 *
 * plan.c makes plans, finish.c finds such functions, plan_kernels.c chooses their kernels, stream.c
 * finds the steps (with an example), slices.c sizes them, again.c adds those that compute again
 * what was not kept, place.c packs memory, session_run.c runs a plan, stream_run.c a stream.
 */
#ifndef WELD_GRAPH_PLAN_H
#define WELD_GRAPH_PLAN_H

#include "graph/graph.h"

enum { WELD_MOST_CHUNKS = 64 }; /* so that a step with sums can use no more threads */

typedef struct weld_step {
    size_t begin, end;    /* positions in the plan's order */
    weld_slicing slicing; /* none: one node, whole */
    int64_t units;        /* rows or images of the whole */
    int64_t slice;        /* at most so many at once */
    int64_t chunks;  /* parts of the units that are summed on their own; each is cut in slices */
    int64_t groups;  /* parts of the chunks that have a partial of large sums; 0: there are none */
    bool apart;      /* large sums are taken after all else */
    size_t partials; /* offset in the arena: [chunks - 1][partial_bytes]; the first chunk adds to
                        the outputs themselves. Then [groups - 1][large_bytes], likewise */
    size_t partial_bytes, large_bytes;
} weld_step;

/* What running needs, made once for a graph and a batch. */
typedef struct weld_plan {
    const weld_graph *graph;
    const weld_kernels *kernels[WELD_DTYPES]; /* of the graph's type and of narrower ones that
                                               * values have; else NULL */
    const weld_int8_kernels *int8;            /* where values are codes; else NULL */
    int threads;
    weld_tensor *specs;      /* by value id: dtype and shape for this batch */
    const weld_node **order; /* the nodes that run, in this order: what is needed, but no views */
    size_t order_count;
    const weld_node **finishes; /* by node id: what is done in passing (weld_run.finish), and is not
                                 * in `order`; or NULL */
    weld_step *steps;
    size_t step_count;
    bool *large_sums;   /* by node id: its one output is a large sum of a stream */
    size_t *node_steps; /* by node id, of those that run: the step */
    size_t *offsets;  /* by value id: place in the arena, or in the scratch; SIZE_MAX for leaves */
    bool *in_scratch; /* by value id */
    size_t *workspaces; /* by position in order; in the scratch for nodes of streams */
    size_t *prepared;   /* by position; SIZE_MAX also where it is kept with constant weights */
    bool constant_weights;
    size_t arena_bytes;   /* without the scratch */
    size_t scratch_bytes; /* of one thread; the threads' follow the arena */
} weld_plan;

/* options->threads must be positive. With constant_weights the arena has no room for what nodes
 * prepare from constants (weld_node_prepares_constants). */
weld_status weld_plan_create(const weld_graph *g, const weld_session_options *options,
                             weld_plan **out, weld_error *err);
void weld_plan_free(weld_plan *plan);
/* Of the arena with the scratch of all threads. */
static inline size_t weld_plan_bytes(const weld_plan *plan) {
    return plan->arena_bytes + (size_t)plan->threads * plan->scratch_bytes;
}
/* Tables for the graph's type and for each that its values have beside it. */
weld_status weld_plan_choose_kernels(weld_plan *plan, const char *isa, weld_error *err);
/* The kernels that a node of the plan's graph runs with: those for the narrowest type among its
 * inputs and outputs, or for the graph's own where none is narrower. */
const weld_kernels *weld_plan_kernels(const weld_plan *plan, const weld_node *node);

/* The specs of the node's inputs; zero for those that are absent. */
static inline void weld_plan_inputs(const weld_plan *plan, const weld_node *node, weld_tensor *in) {
    for (int i = 0; i < node->input_count; i++) {
        in[i] = node->inputs[i] ? plan->specs[node->inputs[i]->id] : (weld_tensor){0};
    }
}

/* Find what nodes do in passing, among those needed, by value id. */
weld_status weld_plan_find_finishes(weld_plan *plan, const bool *needed, weld_error *err);
/* Is the node done in passing by another? */
bool weld_plan_is_finish(const weld_plan *plan, const weld_node *node);
/* The value in whose place v comes to be: as weld_viewed, and what is done in passing is in the
 * place of what it is of. */
const weld_value *weld_plan_home(const weld_plan *plan, const weld_value *v);
/* What is in memory after a run of the node as output i: for what it is done with in passing, the
 * result of that. */
static inline const weld_value *weld_plan_output(const weld_plan *plan, const weld_node *node,
                                                 int i) {
    const weld_node *finish = plan->finishes[node->id];
    return finish ? finish->outputs[0] : node->outputs[i];
}

/* Cut the plan's order (which it sorts anew) into steps. Needs specs. */
weld_status weld_plan_find_steps(weld_plan *plan, bool node_by_node, weld_error *err);

/* Put the nodes that compute again (weld_node.again) and are needed, by value id, into order and
 * steps, which have the others: all of a segment before the first step that reads any of them, in
 * the steps that they were computed in first, but for their sums. */
weld_status weld_plan_insert_again(weld_plan *plan, const bool *needed, weld_error *err);

/* Does a node in a stream take a slice of input i? Others, and inputs that are absent, it takes as
 * they are. */
static inline bool weld_node_takes_slices(const weld_node *node, int i) {
    return node->inputs[i] && i < 32 && (node->op->cpu.sliced >> i & 1u);
}
/* Is output i a sum over the slices? The others are made in slices. */
static inline bool weld_node_sums(const weld_node *node, int i) {
    return node->op->cpu.sums >> i & 1u;
}

enum { WELD_SUM_INPUTS = 4 }; /* at most, of a node with a large sum */
/* Bytes of all partials of a step. */
size_t weld_partials_bytes(const weld_step *s);
/* The first slice of a chunk, in units, and how many there are. */
typedef struct weld_chunk {
    int64_t first, units, slices;
} weld_chunk;
weld_chunk weld_chunk_of(const weld_step *s, int64_t chunk);

/* Choose slice, chunks, groups and the bytes of partials of a step whose slicing and units are
 * known. */
void weld_size_step(const weld_plan *plan, weld_step *s);
/* Bytes of a sum within a partial. */
size_t weld_sum_bytes(const weld_tensor *t);

/* Number of units of a sliced tensor, and its bytes for each. */
int64_t weld_slice_units(weld_slicing slicing, const weld_tensor *t);
size_t weld_slice_unit_bytes(weld_slicing slicing, const weld_tensor *t);
/* The shape of a slice of `units` of t. */
weld_shape weld_slice_shape(weld_slicing slicing, const weld_tensor *t, int64_t units);
/* Bounds of part i of `count` even parts of [0, total). */
static inline int64_t weld_part_begin(int64_t total, int64_t count, int64_t i) {
    return total / count * i + (total % count < i ? total % count : i);
}

/* Memory that lives from position `first` to `last`, inclusive. */
typedef struct weld_storage {
    size_t bytes, first, last, offset;
    bool pinned; /* must not be overwritten in place */
} weld_storage;
/* Give each a place so that no two that live at once overlap; returns the bytes of all together.
 * `order` and `placed` are scratch for as many pointers. */
size_t weld_place_storages(weld_storage *storages, size_t count, weld_storage **order,
                           weld_storage **placed);

#endif
