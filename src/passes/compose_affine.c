/* Chains of affine maps as one; see compose_affine.h. */
#include "passes/compose_affine.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"
#include "passes/maps.h"
#include "graph/copy.h"
#include "passes/vectors.h"

enum { MOST_TERMS = 2 };

/* factor[c] value; a factor NULL is 1. */
typedef struct term {
    const weld_value *value; /* in from */
    weld_value *factor;      /* in to */
} term;

/* A value as the sum of terms and a constant[c], where NULL is 0. */
typedef struct form {
    int count; /* 0: not known to be a combination */
    term terms[MOST_TERMS];
    weld_value *constant;
    bool composed; /* of more than one node */
} form;

typedef struct compose {
    form *forms; /* by value id in from */
    bool *kept;  /* likewise: weld_find_kept */
} compose;

/* --- Forms ----------------------------------------------------------------------------------- */

static form itself(const weld_value *v) {
    return (form){.count = 1, .terms = {{v, NULL}}};
}

/* The form of an input: that of the node that makes it, or itself. */
static form form_of(const compose *p, const weld_value *v) {
    const form *f = &p->forms[v->id];
    form whole = *f;
    whole.composed = true;
    return f->count && !p->kept[v->id] ? whole : itself(v);
}

/* f scale + shift */
static form scaled(weld_graph *g, form f, weld_value *scale, weld_value *shift) {
    for (int i = 0; i < f.count; i++) {
        f.terms[i].factor = weld_vector_times(g, f.terms[i].factor, scale);
    }
    f.constant = weld_vector_times_plus(g, f.constant, scale, shift);
    return f;
}

static int find_term(const form *f, const weld_value *v) {
    for (int i = 0; i < f->count; i++) {
        if (f->terms[i].value == v) {
            return i;
        }
    }
    return -1;
}

/* Number of terms of a + b, or more than MOST_TERMS where that cannot be had. */
static int terms_of_sum(const form *a, const form *b) {
    int count = a->count;
    for (int i = 0; i < b->count; i++) {
        int at = find_term(a, b->terms[i].value);
        bool twice = at >= 0 && !a->terms[at].factor && !b->terms[i].factor; /* no vector to fill */
        count += twice ? MOST_TERMS + 1 : at < 0;
    }
    return count;
}

/* a + b, which has at most MOST_TERMS terms. */
static form sum(weld_graph *g, form a, form b) {
    for (int i = 0; i < b.count; i++) {
        int at = find_term(&a, b.terms[i].value);
        if (at < 0) {
            a.terms[a.count++] = b.terms[i];
        } else {
            a.terms[at].factor =
                weld_vector_sum_of_factors(g, a.terms[at].factor, b.terms[i].factor);
        }
    }
    a.constant = weld_vector_plus(g, a.constant, b.constant);
    a.composed = a.composed || b.composed;
    return a;
}

/* The sum of x scale_x and y scale_y + shift: of what x and y are made of as far as that leaves
 * two terms. */
static form sum_of_inputs(const compose *p, weld_graph *g, const weld_value *x, weld_value *scale_x,
                          const weld_value *y, weld_value *scale_y, weld_value *shift) {
    form xs[] = {form_of(p, x), itself(x)}, ys[] = {form_of(p, y), itself(y)};
    for (int i = 0; i < 4; i++) { /* both, y alone, x alone, neither */
        form a = scaled(g, xs[i & 1], scale_x, NULL), b = scaled(g, ys[i >> 1], scale_y, NULL);
        if (terms_of_sum(&a, &b) <= MOST_TERMS) {
            a = sum(g, a, b);
            a.constant = weld_vector_plus(g, a.constant, shift);
            return a;
        }
    }
    return (form){0};
}

static weld_value *counterpart(const weld_copy *c, const weld_value *v) {
    return v ? c->map[v->id] : NULL;
}

static form find_form(const compose *p, const weld_copy *c, const weld_node *node) {
    const weld_linear_form l = weld_node_linear(node);
    weld_value *factor[2] = {counterpart(c, l.factor[0]), counterpart(c, l.factor[1])};
    weld_value *shift = counterpart(c, l.shift);
    if (l.terms == 1) {
        weld_value *by = l.is_weight ? weld_vector_of_weight(c->to, factor[0]) : factor[0];
        return scaled(c->to, form_of(p, l.term[0]), by, shift);
    }
    return l.terms == 2 ? sum_of_inputs(p, c->to, l.term[0], factor[0], l.term[1], factor[1], shift)
                        : (form){0};
}

/* --- The copy -------------------------------------------------------------------------------- */

static weld_value *some_vector(const form *f) {
    weld_value *v = f->constant;
    for (int i = 0; i < f->count; i++) {
        v = f->terms[i].factor ? f->terms[i].factor : v;
    }
    return v;
}

static weld_value *build(const weld_copy *c, const form *f) {
    weld_value *like = some_vector(f), *factors[MOST_TERMS], *values[MOST_TERMS];
    for (int i = 0; i < f->count; i++) {
        values[i] = c->map[f->terms[i].value->id];
        factors[i] = f->terms[i].factor ? f->terms[i].factor : weld_fill_like(c->to, like, 1);
    }
    if (f->count == 1) {
        return weld_vector_times_plus(c->to, values[0], factors[0], f->constant);
    }
    weld_value *constant = f->constant ? f->constant : weld_fill_like(c->to, like, 0);
    weld_value *in[] = {values[0], values[1], factors[0], factors[1], constant};
    return weld_graph_node(c->to, &weld_op_affine2, NULL, in, 5, 5);
}

static bool replace(weld_copy *c, const weld_node *node, void *context) {
    compose *p = context;
    const weld_value *out = node->outputs[0];
    if (!weld_is_map(out)) {
        return false;
    }
    form *f = &p->forms[out->id];
    *f = find_form(p, c, node);
    if (!f->composed || !some_vector(f)) {
        return false;
    }
    c->map[out->id] = build(c, f);
    return true;
}

/* Nodes on vectors that no composition took in the end are dropped last. */
weld_status weld_compose_affine(const weld_graph *g, weld_graph **out, weld_error *err) {
    compose p = {.forms = weld_alloc(g->value_count, sizeof *p.forms),
                 .kept = weld_alloc(g->value_count, sizeof *p.kept)};
    weld_graph *made = NULL;
    *out = NULL;
    weld_status status = p.forms && p.kept ? WELD_OK : weld_fail_memory(err, "rewriting");
    if (!status) {
        weld_find_kept(g, p.kept);
        status = weld_copy_graph(g, replace, &p, &made, err);
    }
    status = status ? status : weld_copy_graph(made, NULL, NULL, out, err);
    weld_graph_free(made);
    weld_free(p.forms);
    weld_free(p.kept);
    return status;
}
