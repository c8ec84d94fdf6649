/* Chains of elementwise work as one pass; see fold_linear.h.
 *
 * First it is decided, from the first node to the last, which values their readers take apart, by
 * counting tensors alone; then the graph is copied, and where a tree ends its factors are computed
 * from the root to the leaves. */
#include "passes/fold_linear.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"
#include "passes/maps.h"
#include "graph/copy.h"
#include "passes/levels.h"
#include "passes/vectors.h"

/* What a node's value is the sum of: with `plain` as it is, else times a vector. */
typedef struct leaves {
    int count; /* 0: it is not a sum, or of too many */
    const weld_value *value[WELD_MAX_TERMS];
    bool plain[WELD_MAX_TERMS];
} leaves;

typedef struct fold {
    leaves *leaves;          /* by value id in from */
    bool *folded;            /* likewise: its readers take it apart */
    int *levels;             /* by node id */
    const weld_node **twins; /* of an activation: the activation_grad that goes with it */
    const weld_node **grads; /* by value id: the last activation_grad of it */
    const weld_node **other; /* of an activation_grad: the one of the same value before it */
} fold;

/* --- A node as a sum ------------------------------------------------------------------------- */

static weld_linear_form linear_of(const weld_node *node) {
    return weld_is_map(node->outputs[0]) ? weld_node_linear(node) : (weld_linear_form){0};
}

/* --- Decisions ------------------------------------------------------------------------------- */

/* Add what `more` stands for to `all`, times a vector unless plain; false where that cannot be, or
 * would leave no room for `rest` others. Of a plain leaf twice the factor would be 2, for which
 * there may be no vector to tell its size. */
static bool unite(leaves *all, const leaves *more, bool plain, int rest) {
    leaves sum = *all;
    for (int i = 0; i < more->count; i++) {
        bool is_plain = plain && more->plain[i];
        int at = 0;
        while (at < sum.count && sum.value[at] != more->value[i]) {
            at++;
        }
        if (at + rest >= WELD_MAX_TERMS || (at < sum.count && sum.plain[at] && is_plain)) {
            return false;
        }
        sum.plain[at] = at == sum.count && is_plain;
        sum.value[at] = more->value[i];
        sum.count += at == sum.count;
    }
    *all = sum;
    return true;
}

/* Unite with the leaves of v if it may be taken apart, else with v. */
static bool unite_value(fold *f, leaves *all, const weld_value *v, bool plain, int rest) {
    const leaves whole = {.count = 1, .value = {v}, .plain = {true}};
    f->folded[v->id] =
        v->reads == 1 && f->leaves[v->id].count > 0 && unite(all, &f->leaves[v->id], plain, rest);
    return f->folded[v->id] || unite(all, &whole, plain, rest);
}

static void decide(fold *f, const weld_node *node) {
    weld_linear_form l = linear_of(node);
    leaves all = {0};
    bool fits = l.terms > 0;
    for (int i = 0; i < l.terms && fits; i++) {
        fits = unite_value(f, &all, l.term[i], !l.factor[i], l.terms - 1 - i);
    }
    for (int i = 0; i < l.terms && !fits; i++) {
        f->folded[l.term[i]->id] = false;
    }
    f->leaves[node->outputs[0]->id] = fits ? all : (leaves){0};
}

/* The last activation_grad of the same value, function and level, whose dy is there before. */
static const weld_node *find_twin(const fold *f, const weld_node *node) {
    const weld_node *grad = f->grads[node->inputs[0]->id];
    for (; grad && grad->id > node->id; grad = f->other[grad->id]) {
        if (grad->attributes.function == node->attributes.function &&
            f->levels[grad->id] == f->levels[node->id]) {
            const weld_node *from = grad->inputs[1]->producer;
            return !from || from->id < node->id ? grad : NULL;
        }
    }
    return NULL;
}

/* What the node reads is done by it, and by its twin. */
static void decide_activation(fold *f, const weld_node *node) {
    const weld_value *u = node->inputs[0];
    const int count = f->leaves[u->id].count;
    const weld_node *twin = weld_is_map(u) ? find_twin(f, node) : NULL;
    f->twins[node->id] = twin;
    f->folded[u->id] = twin ? u->reads == 2 && count == 1 : u->reads == 1 && count > 0;
}

static void decide_all(fold *f, const weld_graph *g) {
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i]->op == &weld_op_activation_grad) {
            const weld_node **last = &f->grads[g->nodes[i]->inputs[0]->id];
            f->other[i] = *last;
            *last = g->nodes[i];
        }
    }
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i]->op == &weld_op_activation) {
            decide_activation(f, g->nodes[i]);
        } else {
            decide(f, g->nodes[i]);
        }
    }
}

/* --- The copy -------------------------------------------------------------------------------- */

/* The sum over terms of factor[c] value + shift[c], all in the graph that is made. */
typedef struct sum {
    int count;
    weld_value *value[WELD_MAX_TERMS], *factor[WELD_MAX_TERMS], *shift;
} sum;

static void add_term(weld_graph *g, sum *s, weld_value *value, weld_value *factor) {
    for (int i = 0; i < s->count; i++) {
        if (s->value[i] == value) {
            s->factor[i] = weld_vector_sum_of_factors(g, s->factor[i], factor);
            return;
        }
    }
    s->value[s->count] = value;
    s->factor[s->count++] = factor;
}

static weld_value *counterpart(const weld_copy *c, const weld_value *v) {
    return v ? c->map[v->id] : NULL;
}

/* Add `factor` times the node's value. */
static void add_node(const fold *f, const weld_copy *c, sum *s, const weld_node *node,
                     weld_value *factor) {
    weld_linear_form l = linear_of(node);
    s->shift = weld_vector_times_plus(c->to, counterpart(c, l.shift), factor, s->shift);
    for (int i = 0; i < l.terms; i++) {
        weld_value *own = counterpart(c, l.factor[i]);
        weld_value *all =
            weld_vector_times(c->to, l.is_weight ? weld_vector_of_weight(c->to, own) : own, factor);
        if (f->folded[l.term[i]->id]) {
            add_node(f, c, s, l.term[i]->producer, all);
        } else {
            add_term(c->to, s, counterpart(c, l.term[i]), all);
        }
    }
}

static weld_value *combine(weld_graph *g, const sum *s, int function) {
    weld_value *in[2 * WELD_MAX_TERMS + 1] = {s->value[0], s->factor[0], s->shift};
    for (int i = 1; i < s->count; i++) {
        in[2 * i + 1] = s->value[i];
        in[2 * i + 2] = s->factor[i];
    }
    weld_attributes a = {.function = function};
    return weld_graph_node(g, &weld_op_combine, &a, in, 2 * s->count + 1, 1);
}

static void pair(const fold *f, weld_copy *c, const weld_node *node, const weld_node *twin) {
    const weld_value *u = node->inputs[0];
    sum s = {.count = 1, .value = {counterpart(c, u)}};
    if (f->folded[u->id]) {
        s = (sum){0};
        add_node(f, c, &s, u->producer, NULL);
    }
    weld_value *in[] = {s.value[0], s.factor[0], s.shift, counterpart(c, twin->inputs[1])};
    weld_attributes a = {.function = node->attributes.function};
    weld_value *made = weld_graph_node(c->to, &weld_op_activation_pair, &a, in, 4, 1);
    if (made) {
        c->map[node->outputs[0]->id] = made;
        c->map[twin->outputs[0]->id] = made->producer->outputs[1];
    }
}

static bool replace(weld_copy *c, const weld_node *node, void *context) {
    const fold *f = context;
    const int id = node->outputs[0]->id;
    if (f->folded[id] || c->map[id]) { /* in its reader, or made with its twin */
        return true;
    }
    if (f->twins[node->id]) {
        pair(f, c, node, f->twins[node->id]);
        return true;
    }
    sum s = {0};
    if (node->op == &weld_op_activation && f->folded[node->inputs[0]->id]) {
        add_node(f, c, &s, node->inputs[0]->producer, NULL);
        c->map[id] = combine(c->to, &s, node->attributes.function);
        return true;
    }
    weld_linear_form l = linear_of(node);
    for (int i = 0; i < l.terms; i++) {
        if (f->folded[l.term[i]->id]) {
            add_node(f, c, &s, node, NULL);
            c->map[id] = combine(c->to, &s, WELD_IDENTITY);
            return true;
        }
    }
    return false;
}

weld_status weld_fold_linear(const weld_graph *g, weld_graph **out, weld_error *err) {
    fold f = {.leaves = weld_alloc(g->value_count, sizeof *f.leaves),
              .folded = weld_alloc(g->value_count, sizeof *f.folded),
              .levels = weld_alloc(g->node_count, sizeof *f.levels),
              .twins = weld_alloc(g->node_count, sizeof(weld_node *)),
              .grads = weld_alloc(g->value_count, sizeof(weld_node *)),
              .other = weld_alloc(g->node_count, sizeof(weld_node *))};
    *out = NULL;
    weld_status status = f.leaves && f.folded && f.levels && f.twins && f.grads && f.other
                             ? weld_node_levels(g, f.levels, err)
                             : weld_fail_memory(err, "rewriting");
    if (!status) {
        decide_all(&f, g);
        status = weld_copy_graph(g, replace, &f, out, err);
    }
    weld_free(f.leaves);
    weld_free(f.folded);
    weld_free(f.levels);
    weld_free(f.twins);
    weld_free(f.grads);
    weld_free(f.other);
    return status;
}
