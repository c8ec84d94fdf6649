/* Finding lanes, and rescaling weights along them; see lanes.h. */
#include "passes/lanes.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"

enum { X, WEIGHT, BIAS };

/* --- Elements in sets ------------------------------------------------------------------------- */

typedef struct finder {
    const weld_graph *graph;
    size_t *first;
    size_t *parent; /* by element, behind them the set of what is fixed: a forest of sets */
    size_t fixed;   /* that element */
} finder;

static int64_t channels_of(const weld_value *v) {
    return v->shape.rank > 0 ? v->shape.dim[v->shape.rank - 1] : 1;
}

size_t *weld_channel_elements(const weld_graph *g) {
    size_t *first = weld_alloc(g->value_count + 1, sizeof *first);
    for (size_t i = 0; first && i < g->value_count; i++) {
        first[i + 1] = first[i] + (size_t)channels_of(g->values[i]);
    }
    return first;
}

static size_t root_of(finder *f, size_t element) {
    while (f->parent[element] != element) {
        f->parent[element] = f->parent[f->parent[element]];
        element = f->parent[element];
    }
    return element;
}

/* The smaller number stands for both, so that the forest does not depend on the order. */
static void unite(finder *f, size_t a, size_t b) {
    a = root_of(f, a);
    b = root_of(f, b);
    if (a < b) {
        f->parent[b] = a;
    } else {
        f->parent[a] = b;
    }
}

static void fix(finder *f, const weld_value *v) {
    for (size_t i = f->first[v->id]; i < f->first[v->id + 1]; i++) {
        unite(f, i, f->fixed);
    }
}

/* Channels [begin, begin + count) of a are those of b from `at` on. */
static void tie_some(finder *f, const weld_value *a, int64_t begin, int64_t count,
                     const weld_value *b, int64_t at) {
    for (int64_t i = 0; i < count; i++) {
        unite(f, f->first[a->id] + (size_t)(begin + i), f->first[b->id] + (size_t)(at + i));
    }
}

static void tie(finder *f, const weld_value *a, const weld_value *b) {
    if (channels_of(a) == channels_of(b)) {
        tie_some(f, a, 0, channels_of(a), b, 0);
    } else {
        fix(f, a);
        fix(f, b);
    }
}

static void fix_all(finder *f, const weld_node *node) {
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i]) {
            fix(f, node->inputs[i]);
        }
    }
    for (int i = 0; i < node->output_count; i++) {
        fix(f, node->outputs[i]);
    }
}

/* --- What operators ask ----------------------------------------------------------------------- */

/* Have layers of it a row of weights for each channel that they make? */
static bool is_layer(const weld_node *node) {
    return node->op == &weld_op_conv2d || node->op == &weld_op_linear ||
           node->op == &weld_op_affine;
}

static bool owns_weights(const weld_node *node) {
    bool owns = true;
    for (int i = WEIGHT; i < node->input_count; i++) {
        const weld_value *v = node->inputs[i];
        owns = owns && (!v || (v->kind == WELD_VALUE_PARAMETER && v->reads == 1));
    }
    return owns;
}

static bool along_channels(const weld_node *node, const weld_value *v) {
    return node->attributes.axis == v->shape.rank - 1;
}

static void tie_concat(finder *f, const weld_node *node) {
    const weld_value *y = node->outputs[0];
    int64_t at = 0;
    for (int i = 0; i < node->input_count; i++) {
        const weld_value *x = node->inputs[i];
        if (along_channels(node, y)) {
            tie_some(f, x, 0, channels_of(x), y, at);
            at += channels_of(x);
        } else {
            tie(f, x, y);
        }
    }
}

static void tie_slice(finder *f, const weld_node *node) {
    const weld_value *x = node->inputs[X], *y = node->outputs[0];
    if (along_channels(node, x)) {
        tie_some(f, x, node->attributes.begin, channels_of(y), y, 0);
    } else {
        tie(f, x, y);
    }
}

static bool keeps_channels_last(const weld_node *node) {
    const int rank = node->outputs[0]->shape.rank;
    return node->attributes.shape.dim[rank - 1] == rank - 1;
}

/* f(x / s) s = f(x) for each s > 0, channel by channel? */
static bool is_homogeneous(const weld_node *node) {
    const weld_op *op = node->op;
    return op == &weld_op_global_avg_pool || op == &weld_op_max_pool || op == &weld_op_resize ||
           op == &weld_op_scale || op == &weld_op_reshape ||
           (op == &weld_op_activation && node->attributes.function == WELD_RELU) ||
           (op == &weld_op_permute && keeps_channels_last(node));
}

static void look_at(finder *f, const weld_node *node) {
    const weld_op *op = node->op;
    weld_value *const *in = node->inputs;
    if (is_layer(node) && owns_weights(node)) {
        return; /* the one side does not bind the other */
    }
    if (op == &weld_op_add) {
        tie(f, in[0], node->outputs[0]);
        tie(f, in[1], node->outputs[0]);
    } else if (op == &weld_op_channel_scale) {
        tie(f, in[0], node->outputs[0]);
        fix(f, in[1]);
    } else if (op == &weld_op_concat) {
        tie_concat(f, node);
    } else if (op == &weld_op_slice) {
        tie_slice(f, node);
    } else if (is_homogeneous(node)) {
        tie(f, in[0], node->outputs[0]);
    } else {
        fix_all(f, node);
    }
}

/* --- Finding ---------------------------------------------------------------------------------- */

static void find_sets(finder *f) {
    const weld_graph *g = f->graph;
    for (size_t i = 0; i <= f->fixed; i++) {
        f->parent[i] = i;
    }
    for (size_t i = 0; i < g->value_count; i++) {
        if (g->values[i]->kind != WELD_VALUE_RESULT) {
            fix(f, g->values[i]);
        }
    }
    for (size_t i = 0; i < g->output_count; i++) {
        fix(f, g->outputs[i].value);
    }
    for (size_t i = 0; i < g->node_count; i++) {
        look_at(f, g->nodes[i]);
    }
}

/* Numbers from 1 in the order of their first elements. */
static void number_lanes(finder *f, weld_lanes *out) {
    const size_t fixed = root_of(f, f->fixed);
    out->count = 1;
    for (size_t i = 0; i < f->fixed; i++) {
        const size_t root = root_of(f, i);
        out->lane[i] = root == fixed ? 0 : root == i ? (int32_t)out->count++ : out->lane[root];
    }
}

weld_status weld_lanes_find(const weld_graph *g, weld_lanes *out, weld_error *err) {
    finder f = {.graph = g, .first = weld_channel_elements(g)};
    *out = (weld_lanes){.graph = g, .first = f.first};
    f.fixed = f.first ? f.first[g->value_count] : 0;
    f.parent = weld_alloc(f.fixed + 1, sizeof *f.parent);
    out->lane = weld_alloc(f.fixed, sizeof *out->lane);
    weld_status status =
        f.first && f.parent && out->lane ? WELD_OK : weld_fail_memory(err, "channels of a network");
    if (!status) {
        find_sets(&f);
        number_lanes(&f, out);
    } else {
        weld_lanes_free(out);
    }
    weld_free(f.parent);
    return status;
}

void weld_lanes_free(weld_lanes *l) {
    weld_free(l->first);
    weld_free(l->lane);
    *l = (weld_lanes){0};
}

/* --- Rescaling -------------------------------------------------------------------------------- */

/* What channel c of v is divided by. */
static double factor_of(const weld_lanes *l, const double *factors, const weld_value *v,
                        int64_t c) {
    return factors[l->lane[l->first[v->id] + (size_t)c]];
}

static bool multiply(weld_tensor *t, int64_t i, double by) {
    const double value = weld_get(t->dtype, t->data, i) * by;
    weld_set(t->dtype, t->data, i, value);
    return isfinite(weld_get(t->dtype, t->data, i));
}

/* Row o of the weight, its columns by those of the group's input. */
static bool rescale_row(const weld_lanes *l, const double *factors, const weld_node *node,
                        weld_tensor *weight, int64_t o) {
    const weld_value *x = node->inputs[X], *y = node->outputs[0];
    const weld_shape *s = &weight->shape;
    const bool affine = node->op == &weld_op_affine;
    const int64_t out = s->dim[0], columns = affine ? 1 : s->dim[1];
    const int64_t row = weld_shape_count(s) / out, taps = row / columns;
    const int64_t groups = affine ? out : channels_of(x) / columns;
    const int64_t begin = o / (out / groups) * columns;
    const double own = factor_of(l, factors, y, o);
    bool finite = true;
    for (int64_t i = 0; i < row; i++) {
        const double by = factor_of(l, factors, x, begin + i / taps) / own;
        finite = multiply(weight, o * row + i, by) && finite;
    }
    return finite;
}

static weld_status rescale_layer(const weld_lanes *l, const double *factors, const weld_node *node,
                                 weld_weights *w, weld_error *err) {
    const weld_value *leaf = node->inputs[WEIGHT], *b = weld_optional_input(node, BIAS);
    weld_tensor weight, bias = {0};
    b = b && b->kind == WELD_VALUE_PARAMETER ? b : NULL;
    if (!weld_weights_find(w, leaf->name, &weight) ||
        (b && !weld_weights_find(w, b->name, &bias))) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s: the weights have no such tensor",
                         leaf->name);
    }
    bool finite = true;
    for (int64_t o = 0; o < weight.shape.dim[0]; o++) {
        finite = rescale_row(l, factors, node, &weight, o) && finite;
        finite =
            (!b || multiply(&bias, o, 1 / factor_of(l, factors, node->outputs[0], o))) && finite;
    }
    return finite
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_NUMERIC,
                           "%s: not finite as f32 once rescaled: a value that is not, or too large",
                           leaf->name);
}

weld_status weld_lanes_rescale(const weld_lanes *l, const double *factors, weld_weights *w,
                               weld_error *err) {
    const weld_graph *g = l->graph;
    weld_status status = WELD_OK;
    for (size_t i = 0; i < g->node_count && !status; i++) {
        const weld_node *node = g->nodes[i];
        if (is_layer(node) && node->inputs[WEIGHT]->kind == WELD_VALUE_PARAMETER) {
            status = rescale_layer(l, factors, node, w, err);
        }
    }
    weld_weights_changed(w);
    return status;
}

void weld_lanes_equalise(const weld_lanes *l, const float *ranges, double *factors) {
    static const double least = 1.0 / 1024;
    for (size_t i = 0; i < l->count; i++) {
        factors[i] = i == 0 ? 1 : least;
    }
    for (size_t v = 0; v < l->graph->value_count; v++) {
        double largest = 0;
        for (size_t i = l->first[v]; i < l->first[v + 1]; i++) {
            const double range = (double)ranges[i];
            largest = range > largest ? range : largest;
        }
        for (size_t i = l->first[v]; i < l->first[v + 1] && largest > 0; i++) {
            double *factor = &factors[l->lane[i]];
            *factor = fmin(1, fmax(*factor, (double)ranges[i] / largest));
        }
    }
}
