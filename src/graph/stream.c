/* Finding the steps of a plan; plan.h says what steps and streams are.
 *
 * Four passes over the nodes, each a section below:
 *
 * 1. Slicing. Can the node be run in slices of rows or images, and of how many?
 * 2. Levels. Edges along which no slices flow, as from a sum over the batch, raise the level by
 *    one: who reads a sum waits for all of it. All other edges leave it as it is.
 * 3. Moving up. A node whose readers all are on higher levels, and take its slices, moves up to the
 *    lowest of them: what is made just before it is read need not be kept.
 * 4. Steps. Of one level, nodes that are run whole come first, each a step of its own. The others
 *    wait for one another slice by slice at most: those with as many images, or rows, are a stream.
 *
 * An example (tests/graph/test_stream.c plans it): a convolution with a batch norm in training,
 * which is taken apart into sums, a node of vectors and a map of each channel; a second branch; a
 * convolution that makes the map smaller; the head. All is [n, h, w, c], in order of levels:
 *
 *     node                        makes            waits for  level  step         value lives in
 *     a = conv2d 1x1(x)           [8, 56, 56, 48]             0      1 by rows    arena
 *     s = moments(a)              [3, 48] a sum               0      1 by rows    arena
 *     v = statistics(s)           [48], [48]       s          1      2 whole      arena
 *     k = relu(x)                 [8, 56, 56, 48]             0 > 1  3 by rows    scratch
 *     n = affine(a, v)            [8, 56, 56, 48]             1      3 by rows    scratch
 *     e = add(n, k)               [8, 56, 56, 48]             1      3 by rows    arena
 *     d = conv2d 3x3 stride 2(e)  [8, 28, 28, 96]  e          2      4 by images  scratch
 *     p = global_avg_pool(d)      [8, 1, 1, 96]               2      4 by images  arena
 *     l = linear(p)               [8, 10]          p          3      5 whole      arena
 *
 * s takes slices of a as they come, so that both are one step; a is read by another step too and
 * has to be whole in the arena. v needs the whole sum: level 1. n takes slices of a, which is
 * whole by then, and vectors of v, which is complete since nodes that are run whole come first. k
 * could be made on level 0, but only e reads it: it moves up to e's level, and only a slice of it
 * ever exists, in the scratch of a thread, as of n. d could take slices of e, but those of a map
 * that is four times as large are not what suits d: level 2. p has one row for each image, which
 * goes with slices of whole images. l cannot be sliced.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/plan.h"

enum {
    LEAST_IMAGES = 4,      /* fewer are not worth slicing by */
    LARGE_MAP = 768 * 1024 /* bytes of one image that the second-level cache has no room for */
};

/* What is known of a node; all zero for nodes that do not run. */
typedef struct facts {
    const weld_node *node; /* NULL: does not run */
    weld_slicing slicing;  /* how it can be sliced, if at all */
    int64_t rows;          /* of what it makes in slices, or takes where it only sums */
    int64_t images;        /* likewise; 0 where its maps are too large to be sliced by images */
    int level;
    int lowest_reader; /* level of it; its own level if one of them does not take slices */
} facts;

typedef struct grouping {
    weld_plan *plan;
    bool sums;           /* is anything summed over the batch? */
    bool by_image;       /* may streams be sliced by images? */
    facts *facts;        /* by node id */
    const facts **order; /* of running */
    weld_tensor *in;     /* the specs of a node's inputs */
} grouping;

static const weld_tensor *spec(const grouping *g, const weld_value *v) {
    return &g->plan->specs[v->id];
}

/* Of a view: what makes the value that it is of; of what is done in passing: what does it. Of what
 * is computed again: what has computed it first, so that steps are as they are where all is kept,
 * and their sums the same to the bit. */
static facts *producer(const grouping *g, const weld_value *v) {
    v = weld_plan_home(g->plan, v);
    const weld_node *node = v ? v->producer : NULL;
    return node ? &g->facts[node->again ? node->again->id : node->id] : NULL;
}

/* --- Slicing --- */

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
        g->sums = g->sums || plan->order[at]->op->cpu.sums;
    }
    g->by_image = images >= (g->sums ? LEAST_IMAGES : 2 * (int64_t)plan->threads);
}

/* The tensors that a node takes or makes in slices. */
typedef struct sliced_tensors {
    int64_t images, most_rows, least_rows;
    size_t image_bytes; /* of the largest */
    bool fit;           /* all are maps or tokens (rank 3) of as many images */
} sliced_tensors;

static void look_at(sliced_tensors *s, const weld_tensor *t) {
    s->fit = s->fit && t->shape.rank >= 3 && (!s->images || s->images == t->shape.dim[0]);
    if (s->fit) {
        const int64_t rows = weld_slice_units(WELD_SLICE_ROWS, t);
        const size_t bytes = weld_slice_unit_bytes(WELD_SLICE_IMAGES, t);
        s->images = t->shape.dim[0];
        s->most_rows = rows > s->most_rows ? rows : s->most_rows;
        s->least_rows = rows < s->least_rows ? rows : s->least_rows;
        s->image_bytes = bytes > s->image_bytes ? bytes : s->image_bytes;
    }
}

static void find_slicing(const grouping *g, facts *f) {
    const weld_node *node = f->node;
    if (!node->op->cpu.slicing) {
        return;
    }
    sliced_tensors s = {.least_rows = INT64_MAX, .fit = true};
    for (int i = 0; i < node->output_count; i++) {
        if (!weld_node_sums(node, i)) {
            look_at(&s, spec(g, node->outputs[i]));
        }
    }
    const int64_t rows_made = s.most_rows;
    weld_plan_inputs(g->plan, node, g->in);
    for (int i = 0; i < node->input_count; i++) {
        if (weld_node_takes_slices(node, i)) {
            look_at(&s, &g->in[i]);
        }
    }
    /* Sums are taken while what they are of is in the cache in part at least. */
    const bool large = !g->sums && s.image_bytes > LARGE_MAP;
    f->images = g->by_image && !large ? s.images : 0;
    f->rows = rows_made ? rows_made : s.most_rows;
    if (s.fit && s.images) {
        f->slicing = node->op->cpu.slicing(node, g->in);
    }
    if (f->slicing == WELD_SLICE_ROWS && s.most_rows != s.least_rows) {
        f->slicing = WELD_SLICE_IMAGES;
    }
    if (f->slicing == WELD_SLICE_IMAGES && !f->images) {
        f->slicing = WELD_SLICE_NONE;
    }
}

/* --- Levels --- */

/* Does the node work on a map of so many rows by the same slices? A single position for each image
 * may come and go where images are the slices. */
static bool match(const facts *f, int64_t rows) {
    return rows == f->rows || (f->images && (rows == f->images || f->rows == f->images));
}

/* Do slices flow to the node from the producer of its input i? Not where the size of the maps
 * changes (a downsampling convolution), as slices of one kind of map would be too large or too
 * small for the other. */
static bool flows(const grouping *g, const facts *to, int i) {
    const weld_value *v = to->node->inputs[i];
    const facts *from = producer(g, v);
    if (!from || !to->slicing || !from->slicing || !weld_node_takes_slices(to->node, i) ||
        weld_node_sums(from->node, weld_plan_home(g->plan, v)->output_index)) {
        return false;
    }
    const int64_t rows = weld_slice_units(WELD_SLICE_ROWS, spec(g, v));
    return to->images == from->images && match(to, rows) && match(from, rows);
}

/* The lowest level that each node can be on. */
static void find_levels(grouping *g) {
    for (size_t k = 0; k < g->plan->graph->node_count; k++) {
        facts *f = &g->facts[k];
        for (int i = 0; f->node && i < f->node->input_count; i++) {
            const facts *from = producer(g, f->node->inputs[i]);
            if (from) {
                const bool waits = from->slicing && !flows(g, f, i);
                const int least = from->level + waits;
                f->level = least > f->level ? least : f->level;
            }
        }
    }
}

/* --- Moving up --- */

static void note_reader(facts *f, int level) {
    f->lowest_reader = level < f->lowest_reader ? level : f->lowest_reader;
}

/* From the last node to the first, so that those that read a node have moved before it does. Sums
 * stay: they are taken where what they are of is at hand. */
static void move_up(grouping *g) {
    const weld_graph *graph = g->plan->graph;
    for (size_t k = 0; k < graph->node_count; k++) {
        g->facts[k].lowest_reader = INT32_MAX;
    }
    for (size_t i = 0; i < graph->output_count; i++) {
        facts *f = producer(g, graph->outputs[i].value);
        if (f) {
            note_reader(f, f->level);
        }
    }
    for (size_t k = graph->node_count; k-- > 0;) {
        facts *f = &g->facts[k];
        if (f->slicing && !f->node->op->cpu.sums && f->lowest_reader != INT32_MAX) {
            f->level = f->lowest_reader > f->level ? f->lowest_reader : f->level;
        }
        for (int i = 0; f->node && i < f->node->input_count; i++) {
            facts *from = producer(g, f->node->inputs[i]);
            if (from) {
                note_reader(from, flows(g, f, i) ? f->level : from->level);
            }
        }
    }
}

/* --- Steps --- */

/* What the nodes of a level must have in common to be a stream: as many images, or (negative)
 * rows. 0: the node is run whole. */
static int64_t stream_of(const facts *f) {
    return !f->slicing ? 0 : f->images ? f->images : -f->rows;
}

/* By level; then those that are run whole; then stream by stream; then as they were made. */
static int compare_places(const void *a, const void *b) {
    const facts *x = *(const facts *const *)a, *y = *(const facts *const *)b;
    const int64_t in = stream_of(x), other = stream_of(y);
    if (x->level != y->level) {
        return x->level < y->level ? -1 : 1;
    }
    if (in != other) {
        return !in || (other && in < other) ? -1 : 1;
    }
    return x->node->id < y->node->id ? -1 : 1;
}

static void sort_order(const grouping *g) {
    weld_plan *plan = g->plan;
    for (size_t at = 0; at < plan->order_count; at++) {
        g->order[at] = &g->facts[plan->order[at]->id];
    }
    qsort(g->order, plan->order_count, sizeof *g->order, compare_places);
    for (size_t at = 0; at < plan->order_count; at++) {
        plan->order[at] = g->order[at]->node;
    }
}

/* Position after the last node of the step that begins at `begin`. */
static size_t find_end(const grouping *g, size_t begin) {
    const facts *first = g->order[begin];
    size_t end = begin + 1;
    while (stream_of(first) && end < g->plan->order_count && g->order[end]->level == first->level &&
           stream_of(g->order[end]) == stream_of(first)) {
        end++;
    }
    return end;
}

/* Slices that all nodes of the stream can have: by rows where all can and have as many. */
static void slice_stream(const grouping *g, weld_step *s) {
    const facts *first = g->order[s->begin];
    s->slicing = WELD_SLICE_ROWS;
    for (size_t at = s->begin; at < s->end; at++) {
        const facts *f = g->order[at];
        if (f->slicing == WELD_SLICE_IMAGES || f->rows != first->rows) {
            s->slicing = WELD_SLICE_IMAGES;
        }
    }
    for (int i = 0; i < first->node->input_count; i++) {
        if (weld_node_takes_slices(first->node, i)) {
            s->units = weld_slice_units(s->slicing, spec(g, first->node->inputs[i]));
        }
    }
    weld_size_step(g->plan, s);
}

static void cut_order(const grouping *g) {
    weld_plan *plan = g->plan;
    for (size_t begin = 0, end; begin < plan->order_count; begin = end) {
        end = find_end(g, begin);
        weld_step *s = &plan->steps[plan->step_count++];
        *s = (weld_step){.begin = begin, .end = end};
        if (end - begin > 1) {
            slice_stream(g, s);
        }
    }
}

static void find_streams(grouping *g) {
    const weld_plan *plan = g->plan;
    look_at_batch(g);
    for (size_t at = 0; at < plan->order_count; at++) {
        facts *f = &g->facts[plan->order[at]->id];
        f->node = plan->order[at];
        find_slicing(g, f);
    }
    find_levels(g);
    move_up(g);
    sort_order(g);
    cut_order(g);
}

static void step_by_node(weld_plan *plan) {
    for (size_t at = 0; at < plan->order_count; at++) {
        plan->steps[plan->step_count++] = (weld_step){.begin = at, .end = at + 1};
    }
}

weld_status weld_plan_find_steps(weld_plan *plan, bool node_by_node, weld_error *err) {
    grouping g = {.plan = plan};
    g.facts = weld_alloc(plan->graph->node_count, sizeof *g.facts);
    g.order = weld_alloc(plan->order_count, sizeof *g.order);
    g.in = weld_alloc(weld_graph_most_inputs(plan->graph), sizeof *g.in);
    plan->steps = weld_alloc(plan->order_count, sizeof *plan->steps);
    const bool allocated = g.facts && g.order && g.in && plan->steps;
    if (allocated && node_by_node) {
        step_by_node(plan);
    } else if (allocated) {
        find_streams(&g);
    }
    weld_free(g.facts);
    weld_free(g.order);
    weld_free(g.in);
    return allocated ? WELD_OK : weld_fail_memory(err, "plan");
}
