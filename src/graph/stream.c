/* Finding the streams of a plan; plan.h says what they are.
 *
 * Every node gets a level. Along an edge by which slices flow (from a node that makes its output
 * slice by slice to one that takes it so) the level stays; along every other edge, such as that of
 * a sum over the batch, it rises by one. Nodes of one level do not wait for one another but slice
 * by slice: those with the same number of images, or of rows, are one stream.
 *
 * A node whose readers all are on higher levels, but take its slices, moves up to the lowest of
 * them: so that values that a gradient computes again are not computed early and kept.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/plan.h"

enum {
    LEAST_IMAGES = 4,      /* fewer are not worth slicing by */
    SLICE_BYTES = 1 << 20, /* of all that a slice touches: half of a second-level cache */
    LEAST_ROWS = 16,
    LEAST_SLICES = 8, /* so that a few threads are evenly loaded by a small stream */
    MOST_CHUNKS = 16,
    MOST_PARTIAL_BYTES = 16 << 20
};

typedef struct grouping {
    const weld_plan *plan;
    bool by_image;         /* may streams be sliced by images? */
    weld_slicing *slicing; /* by node id */
    int64_t *rows;         /* by node id: of the largest tensor that is sliced */
    int *level;            /* by node id */
} grouping;

int64_t weld_slice_units(weld_slicing slicing, const weld_tensor *t) {
    return slicing == WELD_SLICE_IMAGES ? t->shape.dim[0]
                                        : t->shape.dim[0] * t->shape.dim[1] * t->shape.dim[2];
}

size_t weld_slice_unit_bytes(weld_slicing slicing, const weld_tensor *t) {
    return (size_t)(weld_shape_count(&t->shape) / weld_slice_units(slicing, t)) *
           weld_dtype_size(t->dtype);
}

weld_shape weld_slice_shape(weld_slicing slicing, const weld_tensor *t, int64_t units) {
    weld_shape shape = t->shape;
    shape.dim[0] = units;
    if (slicing == WELD_SLICE_ROWS) {
        shape.dim[0] = shape.dim[1] = 1;
        shape.dim[2] = units;
    }
    return shape;
}

/* --- Operands --- */

static bool takes_slices(const weld_node *node, int input) {
    return node->inputs[input] && input < 32 && (node->op->sliced >> input & 1u);
}

static bool makes_slices(const weld_node *node, int output) {
    return !(node->op->sums >> output & 1u);
}

static const weld_tensor *spec(const weld_plan *plan, const weld_value *v) {
    return &plan->specs[v->id];
}

/* The tensors that a node takes or makes in slices. */
typedef struct sliced_tensors {
    int64_t images, most_rows, least_rows;
    bool fit; /* all have rank 4 and as many images */
} sliced_tensors;

static void look_at(sliced_tensors *s, const weld_tensor *t) {
    s->fit = s->fit && t->shape.rank == 4 && (!s->images || s->images == t->shape.dim[0]);
    if (s->fit) {
        int64_t rows = weld_slice_units(WELD_SLICE_ROWS, t);
        s->images = t->shape.dim[0];
        s->most_rows = rows > s->most_rows ? rows : s->most_rows;
        s->least_rows = rows < s->least_rows ? rows : s->least_rows;
    }
}

/* How the node can be sliced, if at all. Its rows are those of what it makes. */
static weld_slicing slicing_of(grouping *g, const weld_node *node, weld_tensor *in) {
    const weld_plan *plan = g->plan;
    if (!node->op->slicing || node->op->view || node->op->mutates) {
        return WELD_SLICE_NONE;
    }
    sliced_tensors s = {.least_rows = INT64_MAX, .fit = true};
    for (int i = 0; i < node->output_count; i++) {
        if (makes_slices(node, i)) {
            look_at(&s, spec(plan, node->outputs[i]));
        }
    }
    g->rows[node->id] = s.most_rows;
    for (int i = 0; i < node->input_count; i++) {
        in[i] = node->inputs[i] ? *spec(plan, node->inputs[i]) : (weld_tensor){0};
        if (takes_slices(node, i)) {
            look_at(&s, &in[i]);
        }
    }
    if (!g->rows[node->id]) {
        g->rows[node->id] = s.most_rows;
    }
    weld_slicing slicing = s.fit && s.images ? node->op->slicing(node, in) : WELD_SLICE_NONE;
    if (slicing == WELD_SLICE_ROWS && s.most_rows != s.least_rows) {
        slicing = WELD_SLICE_IMAGES;
    }
    return slicing == WELD_SLICE_IMAGES && !g->by_image ? WELD_SLICE_NONE : slicing;
}

/* Are maps of so many positions worked on by slices of the same kind? A single position for each
 * image may come and go where images are the slices. */
static bool match(const grouping *g, int64_t rows, int64_t other, int64_t images) {
    return rows == other || (g->by_image && (rows == images || other == images));
}

/* Do slices flow from the producer of input i to the node? Not where the size of the maps changes
 * (a downsampling convolution), as slices of one kind of map would be too large or too small for
 * the other. */
static bool flows(const grouping *g, const weld_node *node, int i) {
    const weld_value *v = node->inputs[i];
    const weld_node *from = v ? v->producer : NULL;
    if (!from || !g->slicing[node->id] || !g->slicing[from->id] || !takes_slices(node, i) ||
        !makes_slices(from, v->output_index)) {
        return false;
    }
    const int64_t images = spec(g->plan, v)->shape.dim[0];
    const int64_t rows = weld_slice_units(WELD_SLICE_ROWS, spec(g->plan, v));
    return match(g, rows, g->rows[node->id], images) && match(g, rows, g->rows[from->id], images);
}

/* --- Levels --- */

static void find_earliest(grouping *g, const bool *live) {
    const weld_graph *graph = g->plan->graph;
    for (size_t k = 0; k < graph->node_count; k++) {
        const weld_node *node = graph->nodes[k];
        int level = 0;
        for (int i = 0; live[k] && i < node->input_count; i++) {
            const weld_node *from = node->inputs[i] ? node->inputs[i]->producer : NULL;
            if (from) {
                int least = g->level[from->id] + !flows(g, node, i);
                level = least > level ? least : level;
            }
        }
        g->level[k] = level;
    }
}

/* latest[k]: the lowest level of the node's readers, or its own level if one of them does not take
 * slices. */
static void note_reader(const grouping *g, const weld_node *node, int *latest) {
    for (int i = 0; i < node->input_count; i++) {
        const weld_node *from = node->inputs[i] ? node->inputs[i]->producer : NULL;
        if (from) {
            int bound = flows(g, node, i) ? g->level[node->id] : g->level[from->id];
            latest[from->id] = bound < latest[from->id] ? bound : latest[from->id];
        }
    }
}

static bool has_sums(const weld_node *node) {
    return node->op->sums != 0;
}

static void move_up(grouping *g, const bool *live, int *latest) {
    const weld_graph *graph = g->plan->graph;
    for (size_t i = 0; i < graph->node_count; i++) {
        latest[i] = INT32_MAX;
    }
    for (size_t i = 0; i < graph->output_count; i++) {
        const weld_node *node = graph->outputs[i].value->producer;
        if (node) {
            latest[node->id] = g->level[node->id];
        }
    }
    for (size_t k = graph->node_count; k-- > 0;) {
        const weld_node *node = graph->nodes[k];
        if (!live[k]) {
            continue;
        }
        if (g->slicing[k] && !has_sums(node) && latest[k] != INT32_MAX) {
            g->level[k] = latest[k] > g->level[k] ? latest[k] : g->level[k];
        }
        note_reader(g, node, latest);
    }
}

/* --- Steps --- */

typedef struct place_in_order {
    const weld_node *node;
    int level;
    int64_t key; /* 0: alone; else the kind of stream of this level */
} place_in_order;

static int compare_places(const void *a, const void *b) {
    const place_in_order *x = a, *y = b;
    if (x->level != y->level) {
        return x->level < y->level ? -1 : 1;
    }
    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    return x->node->id < y->node->id ? -1 : 1;
}

/* Any nodes of a level can be sliced by images together; by rows, those with as many. */
static int64_t key_of(const grouping *g, const weld_node *node) {
    return !g->slicing[node->id] ? 0 : g->by_image ? 1 : g->rows[node->id];
}

static size_t touched_bytes(const weld_plan *plan, const weld_step *s, bool *seen) {
    size_t bytes = 0;
    for (int clear = 0; clear < 2; clear++) {
        for (size_t at = s->begin; at < s->end; at++) {
            const weld_node *node = plan->order[at];
            for (int i = 0; i < node->input_count + node->output_count; i++) {
                const bool in = i < node->input_count;
                const weld_value *v = in ? node->inputs[i] : node->outputs[i - node->input_count];
                const bool sliced =
                    in ? takes_slices(node, i) : makes_slices(node, i - node->input_count);
                if (sliced && seen[v->id] == (bool)clear) {
                    seen[v->id] = !clear;
                    bytes += clear ? 0 : weld_slice_unit_bytes(s->slicing, spec(plan, v));
                }
            }
        }
    }
    return bytes;
}

static size_t aligned(size_t bytes) {
    return (bytes + WELD_ALIGNMENT - 1) & ~(size_t)(WELD_ALIGNMENT - 1);
}

static size_t sum_bytes(const weld_plan *plan, const weld_step *s) {
    size_t bytes = 0;
    for (size_t at = s->begin; at < s->end; at++) {
        const weld_node *node = plan->order[at];
        for (int i = 0; i < node->output_count; i++) {
            if (!makes_slices(node, i)) {
                const weld_tensor *t = spec(plan, node->outputs[i]);
                bytes += aligned((size_t)weld_shape_count(&t->shape) * weld_dtype_size(t->dtype));
            }
        }
    }
    return bytes;
}

static int64_t at_most(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t at_least(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* Choose slices and chunks, from shapes alone. */
static void size_step(const weld_plan *plan, weld_step *s, bool *seen) {
    const int64_t least = s->slicing == WELD_SLICE_ROWS ? LEAST_ROWS : 1;
    int64_t slice = SLICE_BYTES / (int64_t)touched_bytes(plan, s, seen);
    slice = at_most(slice, divide_up(s->units, LEAST_SLICES));
    slice = at_most(at_least(slice, least), s->units);
    s->partial_bytes = sum_bytes(plan, s);
    if (s->partial_bytes == 0) {
        s->chunks = divide_up(s->units, slice);
        s->slice = divide_up(s->units, s->chunks);
        return;
    }
    const int64_t room = at_least(MOST_PARTIAL_BYTES / (int64_t)s->partial_bytes, 4);
    s->chunks = at_most(at_most(divide_up(s->units, slice), MOST_CHUNKS), room);
    const int64_t chunk = divide_up(s->units, s->chunks);
    s->slice = divide_up(chunk, divide_up(chunk, slice));
}

/* What slices all nodes of a stream can have. */
static void find_slicing(const grouping *g, weld_step *s) {
    const weld_plan *plan = g->plan;
    s->slicing = WELD_SLICE_ROWS;
    int64_t rows = g->rows[plan->order[s->begin]->id];
    for (size_t at = s->begin; at < s->end; at++) {
        const int id = plan->order[at]->id;
        if (g->slicing[id] == WELD_SLICE_IMAGES || g->rows[id] != rows) {
            s->slicing = WELD_SLICE_IMAGES;
        }
    }
    const weld_node *first = plan->order[s->begin];
    for (int i = 0; i < first->input_count; i++) {
        if (takes_slices(first, i)) {
            s->units = weld_slice_units(s->slicing, spec(plan, first->inputs[i]));
        }
    }
}

static void cut_order(const grouping *g, weld_plan *plan, const place_in_order *places,
                      bool *seen) {
    for (size_t begin = 0, end; begin < plan->order_count; begin = end) {
        const place_in_order *first = &places[begin];
        for (end = begin + 1; end < plan->order_count && first->key &&
                              places[end].key == first->key && places[end].level == first->level;
             end++) {
        }
        weld_step *s = &plan->steps[plan->step_count++];
        *s = (weld_step){.begin = begin, .end = end};
        if (end - begin > 1) {
            find_slicing(g, s);
            size_step(plan, s, seen);
        }
    }
}

static void sort_order(grouping *g, weld_plan *plan, place_in_order *places) {
    for (size_t at = 0; at < plan->order_count; at++) {
        const weld_node *node = plan->order[at];
        places[at] = (place_in_order){node, g->level[node->id], key_of(g, node)};
    }
    qsort(places, plan->order_count, sizeof *places, compare_places);
    for (size_t at = 0; at < plan->order_count; at++) {
        plan->order[at] = places[at].node;
    }
}

/* Slicing by images leaves threads idle where there are fewer. Where nothing is summed results do
 * not depend on slices, and the number of threads may decide. */
static bool slices_by_image(const weld_plan *plan) {
    int64_t images = INT64_MAX;
    bool sums = false;
    for (size_t i = 0; i < plan->graph->value_count; i++) {
        const weld_value *v = plan->graph->values[i];
        if (v->kind == WELD_VALUE_INPUT && v->shape.rank == 4) {
            images = at_most(images, plan->specs[i].shape.dim[0]);
        }
    }
    for (size_t at = 0; at < plan->order_count; at++) {
        sums = sums || has_sums(plan->order[at]);
    }
    return images != INT64_MAX && images >= (sums ? LEAST_IMAGES : 2 * (int64_t)plan->threads);
}

weld_status weld_plan_find_steps(weld_plan *plan, bool node_by_node, weld_error *err) {
    const weld_graph *graph = plan->graph;
    const size_t nodes = graph->node_count;
    size_t most_inputs = 1;
    for (size_t i = 0; i < nodes; i++) {
        const size_t count = (size_t)graph->nodes[i]->input_count;
        most_inputs = count > most_inputs ? count : most_inputs;
    }
    grouping g = {.plan = plan, .by_image = slices_by_image(plan)};
    g.slicing = weld_alloc(nodes, sizeof *g.slicing);
    g.rows = weld_alloc(nodes, sizeof *g.rows);
    g.level = weld_alloc(nodes, sizeof *g.level);
    bool *live = weld_alloc(nodes, sizeof *live);
    bool *seen = weld_alloc(graph->value_count, sizeof *seen);
    int *latest = weld_alloc(nodes, sizeof *latest);
    weld_tensor *in = weld_alloc(most_inputs, sizeof *in);
    place_in_order *places = weld_alloc(plan->order_count + 1, sizeof *places);
    plan->steps = weld_alloc(plan->order_count + 1, sizeof *plan->steps);
    weld_status status = WELD_OK;
    if (!g.slicing || !g.rows || !g.level || !live || !seen || !latest || !in || !places ||
        !plan->steps) {
        status = weld_fail_memory(err, "plan");
    } else if (node_by_node) {
        for (size_t at = 0; at < plan->order_count; at++) {
            plan->steps[plan->step_count++] = (weld_step){.begin = at, .end = at + 1};
        }
    } else {
        for (size_t at = 0; at < plan->order_count; at++) {
            const weld_node *node = plan->order[at];
            live[node->id] = true;
            g.slicing[node->id] = slicing_of(&g, node, in);
        }
        find_earliest(&g, live);
        move_up(&g, live, latest);
        sort_order(&g, plan, places);
        cut_order(&g, plan, places, seen);
    }
    weld_free(g.slicing);
    weld_free(g.rows);
    weld_free(g.level);
    weld_free(live);
    weld_free(seen);
    weld_free(latest);
    weld_free(in);
    weld_free(places);
    return status;
}
