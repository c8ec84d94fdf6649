/* Computing cheap values anew; see recompute.h. */
#include "passes/recompute.h"

#include "base/error.h"
#include "base/memory.h"
#include "passes/maps.h"
#include "graph/copy.h"
#include "passes/levels.h"

/* What is known of a value of the graph; of a value that is not cheap only `last_read`. */
typedef struct about {
    bool cheap; /* may be computed anew */
    int root_count;
    const weld_value *roots[WELD_RECOMPUTE_MOST_ROOTS]; /* the kept values that it comes from */
    size_t last_read;   /* id of the last reader that is not itself cheap; SIZE_MAX: an output */
    weld_value *again;  /* its latest copy, */
    int level_of_again; /* and whom that is for */
} about;

typedef struct recompute {
    const weld_graph *from;
    int most_roots;
    bool *kept;    /* by value id: weld_find_kept */
    int *levels;   /* by node id */
    about *values; /* by value id */
} recompute;

static void find_cheap(recompute *r) {
    for (size_t i = 0; i < r->from->node_count; i++) {
        const weld_node *node = r->from->nodes[i];
        const weld_value *out = node->outputs[0];
        r->values[out->id].cheap =
            weld_is_map(out) && !r->kept[out->id] && weld_node_traits(node) & WELD_OP_CHEAP;
    }
}

/* --- What they come from --------------------------------------------------------------------- */

static bool add_root(about *a, const weld_value *root, int most) {
    for (int i = 0; i < a->root_count; i++) {
        if (a->roots[i] == root) {
            return true;
        }
    }
    if (a->root_count == most) {
        return false;
    }
    a->roots[a->root_count++] = root;
    return true;
}

/* The roots of a cheap node's output; false if they are too many. Inputs of another shape are
 * vectors, which cost nothing to keep. */
static bool find_roots(recompute *r, const weld_node *node) {
    about *a = &r->values[node->outputs[0]->id];
    bool fits = true;
    a->root_count = 0;
    for (int k = 0; k < node->input_count; k++) {
        const weld_value *in = node->inputs[k];
        if (!in || !weld_shape_equal(&in->shape, &node->outputs[0]->shape)) {
            continue;
        }
        const about *of = &r->values[in->id];
        for (int i = 0; of->cheap && i < of->root_count; i++) {
            fits = fits && add_root(a, of->roots[i], r->most_roots);
        }
        fits = fits && (of->cheap || add_root(a, in, r->most_roots));
    }
    return fits;
}

static void find_all_roots(recompute *r) {
    for (size_t i = 0; i < r->from->node_count; i++) {
        const weld_node *node = r->from->nodes[i];
        about *a = &r->values[node->outputs[0]->id];
        a->cheap = a->cheap && find_roots(r, node);
    }
}

static void find_last_reads(recompute *r) {
    for (size_t i = 0; i < r->from->value_count; i++) {
        r->values[i].last_read = r->from->values[i]->producer ? 0 : SIZE_MAX;
    }
    for (size_t i = 0; i < r->from->node_count; i++) {
        const weld_node *node = r->from->nodes[i];
        for (int k = 0; k < node->input_count && !r->values[node->outputs[0]->id].cheap; k++) {
            if (node->inputs[k] && node->inputs[k]->producer) {
                r->values[node->inputs[k]->id].last_read = i;
            }
        }
    }
    for (size_t i = 0; i < r->from->output_count; i++) {
        r->values[r->from->outputs[i].value->id].last_read = SIZE_MAX;
    }
}

/* A cheap value that this node, of another level, reads. */
static bool reads_late(const recompute *r, const weld_node *node, const weld_value *v) {
    return v && r->values[v->id].cheap && r->levels[v->producer->id] != r->levels[node->id];
}

static bool roots_are_kept(const recompute *r, const about *a, size_t until) {
    for (int i = 0; i < a->root_count; i++) {
        if (r->values[a->roots[i]->id].last_read < until) {
            return false;
        }
    }
    return true;
}

/* A value that cannot be computed anew for one of its readers is kept for all. */
static bool keep_what_loses_roots(recompute *r) {
    bool any = false;
    for (size_t i = 0; i < r->from->node_count; i++) {
        const weld_node *node = r->from->nodes[i];
        for (int k = 0; k < node->input_count; k++) {
            const weld_value *in = node->inputs[k];
            if (reads_late(r, node, in) && !roots_are_kept(r, &r->values[in->id], i)) {
                r->values[in->id].cheap = false;
                any = true;
            }
        }
    }
    return any;
}

/* What is kept after all is a root itself, and read by what makes it. */
static void settle(recompute *r) {
    find_cheap(r);
    do {
        find_all_roots(r);
        find_last_reads(r);
    } while (keep_what_loses_roots(r));
}

/* --- The copy -------------------------------------------------------------------------------- */

static weld_value *again(recompute *r, weld_copy *c, const weld_value *v, int level);

/* What a node of this level reads in place of v. */
static weld_value *read_at(recompute *r, weld_copy *c, const weld_value *v, int level) {
    bool elsewhere = v && r->values[v->id].cheap && r->levels[v->producer->id] != level;
    return !v ? NULL : elsewhere ? again(r, c, v, level) : c->map[v->id];
}

static weld_node *copy_for(recompute *r, weld_copy *c, const weld_node *node, int level) {
    weld_value **inputs = weld_alloc((size_t)node->input_count, sizeof(weld_value *));
    if (!inputs) {
        weld_graph_fail(c->to, WELD_ERROR_MEMORY, "rewriting: out of memory");
        return NULL;
    }
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = read_at(r, c, node->inputs[i], level);
    }
    weld_node *made = weld_copy_node(c, node, inputs);
    weld_free(inputs);
    return made;
}

static weld_value *again(recompute *r, weld_copy *c, const weld_value *v, int level) {
    about *a = &r->values[v->id];
    if (!a->again || a->level_of_again != level) {
        const weld_node *made = copy_for(r, c, v->producer, level);
        a->again = made ? made->outputs[0] : NULL;
        a->level_of_again = level;
    }
    return a->again;
}

static bool replace(weld_copy *c, const weld_node *node, void *context) {
    recompute *r = context;
    const weld_node *made = copy_for(r, c, node, r->levels[node->id]);
    for (int i = 0; made && i < node->output_count; i++) {
        c->map[node->outputs[i]->id] = made->outputs[i];
    }
    return true;
}

static weld_status make(const weld_graph *g, int roots, weld_graph **out, weld_error *err) {
    recompute r = {.from = g,
                   .most_roots = roots,
                   .kept = weld_alloc(g->value_count, sizeof *r.kept),
                   .levels = weld_alloc(g->node_count, sizeof *r.levels),
                   .values = weld_alloc(g->value_count, sizeof *r.values)};
    weld_status status = r.kept && r.levels && r.values ? weld_node_levels(g, r.levels, err)
                                                        : weld_fail_memory(err, "rewriting");
    if (!status) {
        weld_find_kept(g, r.kept);
        settle(&r);
        status = weld_copy_graph(g, replace, &r, out, err);
    }
    weld_free(r.kept);
    weld_free(r.levels);
    weld_free(r.values);
    return status;
}

/* Nodes that nobody needs would pass for readers, so they are dropped first; and last, those whose
 * only readers were late. */
weld_status weld_recompute(const weld_graph *g, int roots, weld_graph **out, weld_error *err) {
    weld_graph *live = NULL, *made = NULL;
    *out = NULL;
    if (roots < 1 || roots > WELD_RECOMPUTE_MOST_ROOTS) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "recompute: %d roots: use 1 to %d", roots,
                         WELD_RECOMPUTE_MOST_ROOTS);
    }
    weld_status status = weld_copy_graph(g, NULL, NULL, &live, err);
    status = status ? status : make(live, roots, &made, err);
    status = status ? status : weld_copy_graph(made, NULL, NULL, out, err);
    weld_graph_free(live);
    weld_graph_free(made);
    return status;
}
