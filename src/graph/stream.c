/* Finding the streams of a plan; plan.h says what they are.
 *
 * Every node gets a level. Of one level, nodes that are run whole come first, in order, and then
 * streams. So an edge raises the level by one where it leaves a node of a stream and no slices flow
 * along it, as from a sum over the batch, and by none otherwise. Nodes of one level that can be
 * sliced do not wait for one another but slice by slice: those with the same number of images, or
 * of rows, are one stream.
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
    LARGE_MAP = 768 * 1024 /* bytes of one image that the second-level cache has no room for */
};

typedef struct grouping {
    const weld_plan *plan;
    bool sums;             /* is anything summed over the batch? */
    bool by_image;         /* may streams be sliced by images? */
    weld_slicing *slicing; /* by node id */
    int64_t *rows;         /* by node id: of what it makes in slices, or takes where it only sums */
    int64_t *images;       /* likewise; 0 where its maps are too large to be sliced by images */
    int *level;            /* by node id */
} grouping;

/* --- Operands --- */

static bool takes_slices(const weld_node *node, int input) {
    return node->inputs[input] && input < 32 && (node->op->cpu.sliced >> input & 1u);
}

static bool makes_slices(const weld_node *node, int output) {
    return !(node->op->cpu.sums >> output & 1u);
}

static const weld_tensor *spec(const weld_plan *plan, const weld_value *v) {
    return &plan->specs[v->id];
}

/* The tensors that a node takes or makes in slices. */
typedef struct sliced_tensors {
    int64_t images, most_rows, least_rows;
    size_t image_bytes; /* of the largest */
    bool fit;           /* all have rank 4 and as many images */
} sliced_tensors;

static void look_at(sliced_tensors *s, const weld_tensor *t) {
    s->fit = s->fit && t->shape.rank == 4 && (!s->images || s->images == t->shape.dim[0]);
    if (s->fit) {
        int64_t rows = weld_slice_units(WELD_SLICE_ROWS, t);
        s->images = t->shape.dim[0];
        s->most_rows = rows > s->most_rows ? rows : s->most_rows;
        s->least_rows = rows < s->least_rows ? rows : s->least_rows;
        size_t bytes = weld_slice_unit_bytes(WELD_SLICE_IMAGES, t);
        s->image_bytes = bytes > s->image_bytes ? bytes : s->image_bytes;
    }
}

/* How the node can be sliced, if at all. Its rows are those of what it makes. */
static weld_slicing slicing_of(grouping *g, const weld_node *node, weld_tensor *in) {
    const weld_plan *plan = g->plan;
    if (!node->op->cpu.slicing || node->op->view || node->op->mutates) {
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
    weld_slicing slicing = s.fit && s.images ? node->op->cpu.slicing(node, in) : WELD_SLICE_NONE;
    if (slicing == WELD_SLICE_ROWS && s.most_rows != s.least_rows) {
        slicing = WELD_SLICE_IMAGES;
    }
    /* Sums are taken while what they are of is in the cache in part at least. */
    const bool large = !g->sums && s.image_bytes > LARGE_MAP;
    g->images[node->id] = g->by_image && !large ? s.images : 0;
    return slicing == WELD_SLICE_IMAGES && !g->images[node->id] ? WELD_SLICE_NONE : slicing;
}

/* Does the node work on a map of so many rows by the same slices? A single position for each image
 * may come and go where images are the slices. */
static bool match(const grouping *g, const weld_node *node, int64_t rows) {
    const int64_t own = g->rows[node->id], images = g->images[node->id];
    return rows == own || (images && (rows == images || own == images));
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
    const int64_t rows = weld_slice_units(WELD_SLICE_ROWS, spec(g->plan, v));
    return g->images[node->id] == g->images[from->id] && match(g, node, rows) &&
           match(g, from, rows);
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
                bool waits = g->slicing[from->id] && !flows(g, node, i);
                int least = g->level[from->id] + waits;
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
    return node->op->cpu.sums != 0;
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
    int64_t key; /* 0: alone; else which stream of this level */
} place_in_order;

static int compare_places(const void *a, const void *b) {
    const place_in_order *x = a, *y = b;
    if (x->level != y->level) {
        return x->level < y->level ? -1 : 1;
    }
    if (x->key != y->key) {
        return !x->key || (y->key && x->key < y->key) ? -1 : 1;
    }
    return x->node->id < y->node->id ? -1 : 1;
}

/* What the nodes of a level must have in common to be a stream: as many images, or rows. */
static int64_t key_of(const grouping *g, const weld_node *node) {
    if (!g->slicing[node->id]) {
        return 0;
    }
    return g->images[node->id] ? g->images[node->id] : -g->rows[node->id];
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

static void cut_order(const grouping *g, weld_plan *plan, const place_in_order *places) {
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
            weld_size_step(plan, s);
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
static void look_at_batch(grouping *g) {
    const weld_plan *plan = g->plan;
    int64_t images = 0;
    for (size_t i = 0; i < plan->graph->value_count; i++) {
        const weld_value *v = plan->graph->values[i];
        if (v->kind == WELD_VALUE_INPUT && v->shape.rank == 4) {
            images = plan->specs[i].shape.dim[0];
        }
    }
    for (size_t at = 0; at < plan->order_count; at++) {
        g->sums = g->sums || has_sums(plan->order[at]);
    }
    g->by_image = images >= (g->sums ? LEAST_IMAGES : 2 * (int64_t)plan->threads);
}

weld_status weld_plan_find_steps(weld_plan *plan, bool node_by_node, weld_error *err) {
    const weld_graph *graph = plan->graph;
    const size_t nodes = graph->node_count;
    size_t most_inputs = 1;
    for (size_t i = 0; i < nodes; i++) {
        const size_t count = (size_t)graph->nodes[i]->input_count;
        most_inputs = count > most_inputs ? count : most_inputs;
    }
    grouping g = {.plan = plan};
    look_at_batch(&g);
    g.slicing = weld_alloc(nodes, sizeof *g.slicing);
    g.rows = weld_alloc(nodes, sizeof *g.rows);
    g.images = weld_alloc(nodes, sizeof *g.images);
    g.level = weld_alloc(nodes, sizeof *g.level);
    bool *live = weld_alloc(nodes, sizeof *live);
    int *latest = weld_alloc(nodes, sizeof *latest);
    weld_tensor *in = weld_alloc(most_inputs, sizeof *in);
    place_in_order *places = weld_alloc(plan->order_count + 1, sizeof *places);
    plan->steps = weld_alloc(plan->order_count + 1, sizeof *plan->steps);
    weld_status status = WELD_OK;
    if (!g.slicing || !g.rows || !g.images || !g.level || !live || !latest || !in || !places ||
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
        cut_order(&g, plan, places);
    }
    weld_free(g.slicing);
    weld_free(g.rows);
    weld_free(g.images);
    weld_free(g.level);
    weld_free(live);
    weld_free(latest);
    weld_free(in);
    weld_free(places);
    return status;
}
