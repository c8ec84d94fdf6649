/* Sums over a combination of two maps; see join_sums.h, and ops/joined_sums.c for the formulas and
 * the letters. */
#include "passes/join_sums.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/conv2d.h"
#include "passes/maps.h"
#include "graph/copy.h"

/* What is known of t = a p + b q + d, with counterparts in `to`. Role 0 is p's, 1 is q's. */
typedef struct combination {
    const weld_value *maps[2]; /* p, q in from; NULL where there is no such t */
    weld_value *moments[2], *product, *factors[2], *constant, *means[2];
} combination;

/* Of y: sums(y, p, cp) and sums(y, q, cq), taken because of this t. */
typedef struct gradient {
    const weld_value *t; /* in from */
    weld_value *sums[2];
} gradient;

/* u = A y + B t + D. */
typedef struct update {
    const weld_value *y; /* in from; NULL where there is no such u */
    weld_value *vectors[3];
} update;

/* All by value id in from. */
typedef struct join {
    const weld_node **moments; /* the node that takes a value's moments */
    combination *combinations;
    gradient *gradients;
    update *updates;
} join;

static weld_value *get(const weld_copy *c, const weld_value *v) {
    return c->map[v->id];
}

static bool reads(const weld_node *node, const weld_value *v) {
    for (int i = 0; node && i < node->input_count; i++) {
        if (node->inputs[i] == v) {
            return true;
        }
    }
    return false;
}

/* Which input of this affine2 is p: made from the other one, its own moments taken before; -1 if
 * none is. */
static int find_p(const join *j, const weld_node *t) {
    for (int i = 0; i < 2; i++) {
        const weld_node *moments = j->moments[t->inputs[i]->id];
        if (moments && moments->id < t->id && reads(t->inputs[i]->producer, t->inputs[1 - i])) {
            return i;
        }
    }
    return -1;
}

/* --- Forward --- */

static weld_value *moments_of(const join *j, weld_copy *c, const weld_value *v, int before) {
    const weld_node *made = j->moments[v->id];
    weld_value *x = get(c, v);
    return made && made->id < before && get(c, made->outputs[0])
               ? get(c, made->outputs[0])
               : weld_graph_node(c->to, &weld_op_moments, NULL, &x, 1, 1);
}

static bool join_moments(join *j, weld_copy *c, const weld_node *node) {
    const weld_value *value = node->inputs[0];
    const weld_node *t = value->producer;
    int p = t && t->op == &weld_op_affine2 && weld_is_map(value) ? find_p(j, t) : -1;
    if (p < 0) {
        return false;
    }
    combination k = {.constant = get(c, t->inputs[4])};
    for (int i = 0; i < 2; i++) {
        int at = i == 0 ? p : 1 - p;
        k.maps[i] = t->inputs[at];
        k.factors[i] = get(c, t->inputs[2 + at]);
        k.moments[i] = moments_of(j, c, k.maps[i], node->id);
    }
    weld_value *maps[] = {get(c, k.maps[0]), get(c, k.maps[1])};
    k.product = weld_graph_node(c->to, &weld_op_batch_norm_sums, NULL, maps, 2, 2);
    weld_value *in[] = {k.moments[0], k.moments[1], k.product,
                        k.factors[0], k.factors[1], k.constant};
    weld_value *made = weld_graph_node(c->to, &weld_op_moments_of_affine2, NULL, in, 6, 6);
    if (made) {
        k.means[0] = made->producer->outputs[1];
        k.means[1] = made->producer->outputs[2];
        j->combinations[value->id] = k;
        c->map[node->outputs[0]->id] = made;
    }
    return true;
}

/* --- Backward --- */

/* sums(y, t, m) */
static bool join_dots(join *j, weld_copy *c, const weld_node *node) {
    const weld_value *y = node->inputs[0], *t = node->inputs[1];
    const combination *k = &j->combinations[t->id];
    if (!k->maps[0] || node->input_count < 3) {
        return false;
    }
    gradient made = {.t = t};
    for (int i = 0; i < 2; i++) {
        weld_value *in[] = {get(c, y), get(c, k->maps[i]), k->means[i]};
        made.sums[i] = weld_graph_node(c->to, &weld_op_batch_norm_sums, NULL, in, 3, 3);
    }
    weld_value *in[] = {made.sums[0], made.sums[1], k->factors[0], k->factors[1],
                        k->constant,  k->means[0],  k->means[1],   get(c, node->inputs[2])};
    c->map[node->outputs[0]->id] = weld_graph_node(c->to, &weld_op_sums_of_affine2, NULL, in, 8, 8);
    j->gradients[y->id] = made;
    return true;
}

/* u = affine2(y, t, A, B, D) stays as it is, but what sums over u read is noted. */
static void note_update(join *j, const weld_copy *c, const weld_node *node) {
    const weld_value *y = node->inputs[0], *t = node->inputs[1];
    if (j->combinations[t->id].maps[0] && j->gradients[y->id].t == t) {
        update u = {.y = y};
        for (int i = 0; i < 3; i++) {
            u.vectors[i] = get(c, node->inputs[2 + i]);
        }
        j->updates[node->outputs[0]->id] = u;
    }
}

/* sums(u, x, mean) for x one of the two maps that t is made of (or NULL: any); mean may be NULL.
 * NULL where u or x is no such value. */
static weld_value *sums_over(const join *j, const weld_copy *c, const weld_value *u,
                             const weld_value *x, weld_value *mean) {
    const update *of = &j->updates[u->id];
    if (!of->y) {
        return NULL;
    }
    const gradient *y = &j->gradients[of->y->id];
    const combination *k = &j->combinations[y->t->id];
    int p = x == k->maps[1] ? 1 : 0, q = 1 - p;
    if (x && x != k->maps[p]) {
        return NULL;
    }
    weld_value *in[] = {y->sums[p],     k->moments[p],  k->moments[q], k->product,
                        k->factors[p],  k->factors[q],  k->constant,   of->vectors[0],
                        of->vectors[1], of->vectors[2], k->means[p],   mean};
    return weld_graph_node(c->to, &weld_op_grad_sums_of_affine2, NULL, in, mean ? 12 : 11, 11);
}

/* The node's output as a row of sums, if there are sums. */
static bool take_row(weld_copy *c, const weld_node *node, weld_value *sums, int row,
                     weld_value *like) {
    if (sums) {
        weld_attributes a = {.begin = row, .shape = node->outputs[0]->shape};
        c->map[node->outputs[0]->id] =
            weld_graph_node(c->to, &weld_op_sums_row, &a, (weld_value *[]){sums, like}, 2, 2);
    }
    return sums != NULL;
}

static bool join_sums_of_update(const join *j, weld_copy *c, const weld_node *node) {
    if (node->op == &weld_op_batch_norm_sums) {
        weld_value *mean = node->input_count > 2 ? get(c, node->inputs[2]) : NULL;
        weld_value *made = sums_over(j, c, node->inputs[0], node->inputs[1], mean);
        c->map[node->outputs[0]->id] = made;
        return made != NULL;
    }
    const weld_value *u = node->inputs[node->op == &weld_op_channel_sum ? 0 : 1];
    weld_value *like = j->updates[u->id].vectors[0];
    if (node->op == &weld_op_channel_sum) {
        return take_row(c, node, sums_over(j, c, u, NULL, NULL), 0, like);
    }
    return take_row(c, node, sums_over(j, c, u, node->inputs[0], NULL), 1, like);
}

/* --- The copy --- */

static bool is_grad_of_factors(const weld_node *node) {
    return node->op == &weld_op_conv2d_weight_grad &&
           weld_conv2d_geometry_of(&node->attributes, node->inputs[0]->shape,
                                   node->outputs[0]->shape)
                   .path == WELD_CONV2D_CHANNEL_WISE;
}

static bool replace(weld_copy *c, const weld_node *node, void *context) {
    join *j = context;
    if (node->op == &weld_op_moments) {
        return join_moments(j, c, node);
    } else if (node->op == &weld_op_affine2) {
        note_update(j, c, node);
    } else if (node->op == &weld_op_batch_norm_sums) {
        return join_dots(j, c, node) || join_sums_of_update(j, c, node);
    } else if (node->op == &weld_op_channel_sum || is_grad_of_factors(node)) {
        return join_sums_of_update(j, c, node);
    }
    return false;
}

weld_status weld_join_sums(const weld_graph *g, weld_graph **out, weld_error *err) {
    size_t count = g->value_count;
    join j = {.moments = weld_alloc(count, sizeof *j.moments),
              .combinations = weld_alloc(count, sizeof *j.combinations),
              .gradients = weld_alloc(count, sizeof *j.gradients),
              .updates = weld_alloc(count, sizeof *j.updates)};
    weld_status status = j.moments && j.combinations && j.gradients && j.updates
                             ? WELD_OK
                             : weld_fail_memory(err, "rewriting");
    *out = NULL;
    if (!status) {
        for (size_t i = 0; i < g->node_count; i++) {
            if (g->nodes[i]->op == &weld_op_moments) {
                j.moments[g->nodes[i]->inputs[0]->id] = g->nodes[i];
            }
        }
        status = weld_copy_graph(g, replace, &j, out, err);
    }
    weld_free(j.moments);
    weld_free(j.combinations);
    weld_free(j.gradients);
    weld_free(j.updates);
    return status;
}
