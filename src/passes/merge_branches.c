/* Branches that are added up. Convolution is linear in its kernel, so the sum of two over the same
 * input is one with the sum of their kernels, laid over each other by their centres; the input
 * itself is a branch whose kernel is a one in the centre.
 *
 * A sum is a tree of additions whose inner values have no other reader. Its terms are put into
 * groups that can merge; the first layer of a group leads it.
 */
#include "base/memory.h"
#include "ops/ops.h"
#include "passes/layer.h"
#include "passes/layer_nodes.h"
#include "passes/rules.h"

typedef struct term {
    const weld_value *value;
    const weld_node *layer; /* what makes it, NULL where that cannot merge */
    const weld_node *norm;  /* likewise, where it is a batch norm */
    size_t leader;          /* index of the first layer of its group; its own where it has none */
    bool merges;            /* is in a group of two or more */
} term;

typedef struct sum {
    term *terms;
    size_t count, capacity;
} sum;

static bool push(sum *s, const weld_value *v) {
    if (s->count == s->capacity) {
        size_t capacity = 2 * s->capacity + 8;
        term *grown = weld_grow(s->terms, s->capacity, capacity, sizeof *grown);
        if (!grown) {
            return false;
        }
        s->terms = grown;
        s->capacity = capacity;
    }
    s->terms[s->count++] = (term){.value = v};
    return true;
}

static void find_kind(const weld_rewrite *r, term *t) {
    const weld_node *norm = weld_rewrite_inner(r, t->value, &weld_op_batch_norm_eval);
    t->layer = weld_layer_inner(r, t->value);
    t->norm = norm && weld_rewrite_owns_leaves(r, norm) ? norm : NULL;
}

/* Replace each inner addition among the terms by its two operands, in their place. */
static bool collect(const weld_rewrite *r, const weld_node *root, sum *s) {
    if (!push(s, root->inputs[0]) || !push(s, root->inputs[1])) {
        return false;
    }
    for (size_t i = 0; i < s->count;) {
        const weld_node *inner = weld_rewrite_inner(r, s->terms[i].value, &weld_op_add);
        if (!inner) {
            find_kind(r, &s->terms[i++]);
            continue;
        }
        if (!push(s, NULL)) {
            return false;
        }
        for (size_t k = s->count - 1; k > i + 1; k--) {
            s->terms[k] = s->terms[k - 1];
        }
        s->terms[i] = (term){.value = inner->inputs[0]};
        s->terms[i + 1] = (term){.value = inner->inputs[1]};
    }
    return true;
}

/* --- Which terms merge ----------------------------------------------------------------------- */

static bool is_conv(const weld_node *node) {
    return node && node->op == &weld_op_conv2d;
}

static int kernel_size(const weld_node *conv, int axis) {
    return (int)conv->inputs[1]->shape.dim[2 + axis];
}

static int64_t dilation(const weld_node *conv, int axis) {
    return weld_dilation(&conv->attributes, axis);
}

/* Where the centre of the kernel lies for output 0, in elements of the input; false where the
 * kernel has none, being of even size, or that depends on the size of the input. */
static bool centre(const weld_node *conv, int axis, int64_t *at) {
    int kernel = kernel_size(conv, axis);
    *at = (kernel - 1) / 2 * dilation(conv, axis) - conv->attributes.padding[axis];
    return kernel % 2 == 1 && !conv->attributes.same;
}

static int stride(const weld_node *conv, int axis) {
    int value = conv->attributes.stride[axis];
    return value ? value : 1;
}

static int groups(const weld_node *conv) {
    return conv->attributes.groups ? conv->attributes.groups : 1;
}

/* May the input of this layer, added to its output, become part of it? */
static bool takes_identity(const weld_node *layer) {
    if (layer->op == &weld_op_linear) {
        return true;
    }
    for (int axis = 0; axis < 2; axis++) {
        int64_t at;
        if (!centre(layer, axis, &at) || at != 0 || stride(layer, axis) != 1) {
            return false;
        }
    }
    return true;
}

static bool takes_layer(const weld_node *a, const weld_node *b) {
    if (a->op != b->op || a->inputs[0] != b->inputs[0]) {
        return false;
    }
    if (a->op == &weld_op_linear) {
        return true;
    }
    for (int axis = 0; axis < 2; axis++) {
        int64_t at_a, at_b;
        if (!centre(a, axis, &at_a) || !centre(b, axis, &at_b) || at_a != at_b ||
            stride(a, axis) != stride(b, axis) || dilation(a, axis) != dilation(b, axis)) {
            return false;
        }
    }
    return groups(a) == groups(b);
}

static bool takes(const weld_node *leader, const term *t) {
    if (t->layer) {
        return takes_layer(leader, t->layer);
    }
    const weld_value *x = t->norm ? t->norm->inputs[0] : t->value;
    return x == leader->inputs[0] && takes_identity(leader);
}

/* Find the groups; true where there is any. */
static bool find_groups(sum *s) {
    bool any = false;
    for (size_t i = 0; i < s->count; i++) {
        s->terms[i].leader = i;
    }
    for (size_t i = 0; i < s->count; i++) {
        term *leader = &s->terms[i];
        bool leads = leader->layer && leader->leader == i;
        for (size_t k = 0; leads && k < s->count; k++) {
            term *t = &s->terms[k];
            if (k != i && !t->merges && takes(leader->layer, t)) {
                t->leader = i;
                t->merges = leader->merges = any = true;
            }
        }
    }
    return any;
}

static bool match(weld_rewrite *r, const weld_node *node) {
    if (node->op != &weld_op_add) {
        return false;
    }
    sum s = {0};
    bool any = false;
    if (collect(r, node, &s)) {
        any = find_groups(&s);
    } else {
        r->out_of_memory = true;
    }
    for (size_t i = 0; any && i < s.count; i++) {
        const term *t = &s.terms[i];
        weld_rewrite_need(r, t->merges ? s.terms[t->leader].layer->inputs[0] : t->value);
    }
    weld_free(s.terms);
    return any;
}

/* --- Merging --------------------------------------------------------------------------------- */

/* Add the weights of a layer of equal shape. */
static void add_layer(weld_layer *to, const weld_layer *from) {
    to->has_bias = to->has_bias || from->has_bias;
    int64_t count = weld_shape_count(&to->shape);
    for (int64_t i = 0; to->weight && i < count; i++) {
        to->weight[i] += from->weight[i];
    }
    for (int64_t o = 0; to->weight && o < to->shape.dim[0]; o++) {
        to->bias[o] += from->bias[o];
    }
}

/* Add the kernel that gives output o the input channel o: itself, or (norm not NULL) normalised. */
static bool add_identity(weld_rewrite *r, weld_layer *to, const weld_node *norm) {
    const weld_shape *shape = &to->shape;
    int64_t inputs = shape->dim[1]; /* of one group */
    int64_t window = shape->rank == 4 ? shape->dim[2] * shape->dim[3] : 1;
    to->has_bias = to->has_bias || norm;
    for (int64_t o = 0; to->weight && o < shape->dim[0]; o++) {
        double scale = 1, shift = 0;
        if (norm && !weld_norm_affine(r, norm, o, &scale, &shift)) {
            return false;
        }
        to->weight[(o * inputs + o % inputs) * window + window / 2] += scale;
        to->bias[o] += shift;
    }
    return true;
}

/* Add what a term other than the leader does. */
static bool add_term(weld_rewrite *r, const term *t, const int kernel[2], weld_layer *to) {
    weld_layer branch;
    if (!t->layer) {
        if (t->norm) {
            weld_rewrite_consume(r, t->norm);
        }
        if (to->made_weight) {
            weld_nodes_add_identity(r, to, t->norm);
        }
        return add_identity(r, to, t->norm);
    }
    if (!weld_layer_take(r, t->layer, kernel, &branch)) {
        return false;
    }
    if (to->made_weight) {
        weld_nodes_add(r, to, &branch);
    }
    add_layer(to, &branch);
    return true;
}

/* The layer that the group led by term `leader` becomes. */
static weld_value *build_group(weld_rewrite *r, const sum *s, size_t leader) {
    const weld_node *first = s->terms[leader].layer;
    int kernel[2] = {1, 1};
    for (size_t i = 0; i < s->count; i++) {
        const term *t = &s->terms[i];
        for (int axis = 0; axis < 2 && t->leader == leader && is_conv(t->layer); axis++) {
            int size = kernel_size(t->layer, axis);
            kernel[axis] = size > kernel[axis] ? size : kernel[axis];
        }
    }
    weld_layer merged;
    if (!weld_layer_take(r, first, kernel, &merged)) {
        return NULL;
    }
    for (size_t i = 0; i < s->count; i++) {
        const term *t = &s->terms[i];
        if (i != leader && t->leader == leader && !add_term(r, t, kernel, &merged)) {
            return NULL;
        }
    }
    return weld_layer_put(r, &merged, weld_rewrite_get(r, first->inputs[0]));
}

static weld_value *build(weld_rewrite *r, const weld_node *node) {
    sum s = {0};
    if (!collect(r, node, &s)) {
        weld_free(s.terms);
        return weld_graph_fail(r->to, WELD_ERROR_MEMORY, "merging: out of memory");
    }
    find_groups(&s);
    weld_value *total = NULL;
    for (size_t i = 0; i < s.count; i++) {
        const term *t = &s.terms[i];
        if (t->leader != i) {
            continue;
        }
        weld_value *v = t->merges ? build_group(r, &s, i) : weld_rewrite_get(r, t->value);
        total = total ? weld_add(r->to, total, v) : v;
    }
    weld_free(s.terms);
    return total;
}

const weld_rule weld_rule_merge_branches = {"merge_branches", match, build};
