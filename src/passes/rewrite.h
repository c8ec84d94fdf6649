/* Rewriting a graph by a rule.
 *
 * A rule looks at one node of the graph `from` and either leaves it or says what takes its place.
 * The frame walks `from` backwards from its outputs asking the rule at every node that is needed,
 * and then forwards, building the graph `to`: nodes that the rule took are replaced, other needed
 * nodes are copied, and what nobody needs any more is not built at all.
 *
 * Weights travel along: a leaf of `to` has either the tensor of the leaf that it is a copy of, or
 * values in double that a rule computed. They are rounded once, when all rules are done.
 *
 * Errors of a rule are errors of the graph `to` (weld_graph_fail).
 */
#ifndef WELD_PASSES_REWRITE_H
#define WELD_PASSES_REWRITE_H

#include "graph/graph.h"

/* A graph with its weights, between two rules. `data` is NULL where weights are not asked for, but
 * only what a graph becomes. */
typedef struct weld_weighted_graph {
    weld_graph *graph;
    weld_tensor *data; /* by value id; data NULL where the value is no parameter or buffer */
    size_t data_capacity;
    /* In the place of tensors, nodes that make them (merged_nodes.h): a graph, borrowed, whose
     * values of f64 the leaves are; made[value id] likewise. NULL: they are not asked for. */
    weld_graph *maker;
    weld_value **made;
    size_t made_capacity;
} weld_weighted_graph;

/* Arrays of double that live until all rules are done. */
typedef struct weld_pool {
    struct weld_pool_block *blocks;
} weld_pool;
double *weld_pool_alloc(weld_pool *pool, int64_t count); /* zeroed; NULL when memory is short */
void weld_pool_free(weld_pool *pool);

typedef struct weld_rewrite {
    const weld_weighted_graph *source;
    const weld_graph *from; /* source->graph */
    weld_weighted_graph *target;
    weld_graph *to; /* target->graph */
    weld_pool *pool;
    size_t *uses;     /* by value id in from: live readers, being an output included */
    bool *needed;     /* by value id in from */
    bool *matched;    /* by node id in from */
    weld_value **map; /* by value id in from: its counterpart in to, or NULL so far */
    int *consumed;    /* by value id in from: the replacement (counted from 1) that took the leaf */
    int replacement;
    bool out_of_memory; /* set by a match that could not finish */
} weld_rewrite;

typedef struct weld_rule {
    const char *name;
    /* Does the rule take this node? If so it calls weld_rewrite_need for every value that the
     * replacement reads, parameters and buffers excepted. */
    bool (*match)(weld_rewrite *r, const weld_node *node);
    /* What takes the place of the node's output in r->to; NULL after an error. */
    weld_value *(*build)(weld_rewrite *r, const weld_node *node);
} weld_rule;

/* Apply a rule everywhere once. Where it fits nowhere (and `always` is false) *changed is false and
 * out->graph NULL. The result shares tensors with `in` and arrays with `pool`. */
weld_status weld_rewrite_apply(const weld_weighted_graph *in, const weld_rule *rule, bool always,
                               weld_pool *pool, weld_weighted_graph *out, bool *changed,
                               weld_error *err);
void weld_weighted_graph_free(weld_weighted_graph *g);

/* --- For rules ------------------------------------------------------------------------------- */

/* The node that makes v, if it is of this operator and v has one reader; else NULL. */
const weld_node *weld_rewrite_inner(const weld_rewrite *r, const weld_value *v, const weld_op *op);
/* Are all inputs of the node but the first parameters or buffers that no other node reads? */
bool weld_rewrite_owns_leaves(const weld_rewrite *r, const weld_node *node);
void weld_rewrite_need(weld_rewrite *r, const weld_value *v);

/* The counterpart of v in r->to. */
weld_value *weld_rewrite_get(weld_rewrite *r, const weld_value *v);
/* Are there weights as numbers? Otherwise rules give NULL for values. */
bool weld_rewrite_has_weights(const weld_rewrite *r);
/* Element i of a parameter or buffer of r->from. */
double weld_rewrite_element(const weld_rewrite *r, const weld_value *leaf, int64_t i);
/* Note that the leaves of this node end in the replacement being built (for its name). */
void weld_rewrite_consume(weld_rewrite *r, const weld_node *node);
/* A parameter of r->to with these values (from r->pool)... */
weld_value *weld_rewrite_parameter(weld_rewrite *r, const char *name, weld_shape shape,
                                   double *values);
/* ...and where nodes make weights, the value that it is. */
void weld_rewrite_set_made(weld_rewrite *r, const weld_value *leaf, weld_value *made);
/* What a parameter or buffer of r->from is, where nodes make weights. */
weld_value *weld_rewrite_made(const weld_rewrite *r, const weld_value *leaf);

#endif
