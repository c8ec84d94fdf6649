/* Reparameterization: the rules, applied until none fits; and what of batch norms is left as
 * layers. */
#include "passes/reparameterize.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"
#include "passes/rules.h"

static const weld_rule *const rules[] = {
    &weld_rule_fold_batch_norm,
    &weld_rule_merge_branches,
    &weld_rule_fold_scale,
};
enum { RULE_COUNT = sizeof rules / sizeof *rules };
/* Where none of them fits. */
static const weld_rule *const last_rule = &weld_rule_fold_batch_norm_before;

static bool is_leaf(const weld_value *v) {
    return v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER;
}

/* Put the weights next to the graph's leaves. The graph itself is only borrowed. */
static weld_status pair_up(const weld_graph *g, const weld_weights *w, weld_weighted_graph *out,
                           weld_error *err) {
    *out = (weld_weighted_graph){.graph = (weld_graph *)g, .data_capacity = g->value_count};
    out->data = weld_alloc(g->value_count, sizeof *out->data);
    if (!out->data) {
        return weld_fail_memory(err, "merging");
    }
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        weld_tensor *t = &out->data[i];
        if (!is_leaf(v)) {
            continue;
        }
        if (!weld_weights_find(w, v->name, t)) {
            return weld_fail(err, WELD_ERROR_NOT_FOUND,
                             "merging: the weights have no '%s': they belong to another network",
                             v->name);
        }
        if (t->dtype != v->dtype || !weld_shape_equal(&t->shape, &v->shape)) {
            char has[96], wants[96];
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "merging: '%s' is %s %s, but the graph has %s %s: the weights belong "
                             "to another network",
                             v->name, weld_dtype_name(t->dtype),
                             weld_shape_text(&t->shape, has, sizeof has), weld_dtype_name(v->dtype),
                             weld_shape_text(&v->shape, wants, sizeof wants));
        }
    }
    return WELD_OK;
}

/* Round merged values to the type of the leaf. */
static weld_status round_values(const weld_value *v, const double *from, weld_tensor *to,
                                weld_error *err) {
    int64_t count = weld_shape_count(&v->shape);
    for (int64_t i = 0; i < count; i++) {
        if (to->dtype == WELD_F64) {
            ((double *)to->data)[i] = from[i];
            continue;
        }
        float rounded = (float)from[i];
        if (!isfinite(rounded)) {
            return weld_fail(err, WELD_ERROR_NUMERIC,
                             "merging: element %lld of '%s' would be %g, too large for f32: the "
                             "weights that go into it are damaged",
                             (long long)i, v->name, from[i]);
        }
        ((float *)to->data)[i] = rounded;
    }
    return WELD_OK;
}

/* The weights of a rewritten graph as a collection of their own. */
static weld_status collect_weights(const weld_weighted_graph *from, weld_weights **out,
                                   weld_error *err) {
    const weld_graph *g = from->graph;
    weld_weights *w;
    weld_status status = weld_weights_create(&w, err);
    if (status) {
        return status;
    }
    for (size_t i = 0; i < g->value_count && !status; i++) {
        const weld_value *v = g->values[i];
        weld_tensor t;
        if (!is_leaf(v)) {
            continue;
        }
        status = weld_weights_add(w, v->name, v->dtype, &v->shape, &t, err);
        if (!status && from->data[i].dtype == t.dtype) {
            memcpy(t.data, from->data[i].data, weld_tensor_bytes(&t));
        } else if (!status) {
            status = round_values(v, from->data[i].data, &t, err);
        }
    }
    if (status) {
        weld_weights_free(w);
        return status;
    }
    *out = w;
    return WELD_OK;
}

/* Replace *now by its copy to which the rule was applied. `owned` says whether *now is to be freed.
 */
static weld_status step(weld_weighted_graph *now, bool *owned, const weld_rule *rule, bool always,
                        weld_pool *pool, bool *changed, weld_error *err) {
    weld_weighted_graph next;
    weld_status status = weld_rewrite_apply(now, rule, always, pool, &next, changed, err);
    if (!status && next.graph) {
        if (*owned) {
            weld_weighted_graph_free(now);
        } else {
            weld_free(now->data);
            weld_free(now->made);
        }
        *now = next;
        *owned = true;
    }
    return status;
}

/* Apply the rules to a graph that is paired up, which is freed on an error. */
static weld_status apply_rules(weld_weighted_graph *now, weld_pool *pool, weld_error *err) {
    weld_status status = WELD_OK;
    bool owned = false, any = true;
    while (!status && any) {
        any = false;
        for (int i = 0; i < RULE_COUNT && !status; i++) {
            bool changed;
            status = step(now, &owned, rules[i], !owned, pool, &changed, err);
            any = any || (!status && changed);
        }
        if (!status && !any) {
            status = step(now, &owned, last_rule, false, pool, &any, err);
        }
    }
    if (status && !owned) {
        now->graph = NULL; /* the caller's */
    }
    if (status) {
        weld_weighted_graph_free(now);
    }
    return status;
}

static weld_status apply_norms(weld_weighted_graph *now, weld_pool *pool, weld_error *err) {
    bool owned = false, changed;
    const weld_status status =
        step(now, &owned, &weld_rule_norm_as_layer, true, pool, &changed, err);
    if (status) {
        now->graph = NULL; /* the caller's */
        weld_weighted_graph_free(now);
    }
    return status;
}

/* To a graph that is paired up, which is freed on an error. */
typedef weld_status applying(weld_weighted_graph *now, weld_pool *pool, weld_error *err);

static weld_status rewrite(const weld_graph *g, const weld_weights *w, applying *apply,
                           weld_graph **out_graph, weld_weights **out_weights, weld_error *err) {
    weld_weighted_graph now = {0};
    weld_pool pool = {0};
    weld_status status = pair_up(g, w, &now, err);
    if (!status) {
        status = apply(&now, &pool, err);
    } else {
        weld_free(now.data);
    }
    if (!status) {
        status = collect_weights(&now, out_weights, err);
        if (!status) {
            *out_graph = now.graph;
            weld_free(now.data);
        } else {
            weld_weighted_graph_free(&now);
        }
    }
    weld_pool_free(&pool);
    return status;
}

weld_status weld_reparameterize(const weld_graph *g, const weld_weights *w, weld_graph **out_graph,
                                weld_weights **out_weights, weld_error *err) {
    return rewrite(g, w, apply_rules, out_graph, out_weights, err);
}

weld_status weld_reparameterize_weighted(weld_weighted_graph *g, weld_error *err) {
    weld_pool pool = {0};
    const weld_status status = apply_rules(g, &pool, err);
    weld_pool_free(&pool);
    return status;
}

weld_status weld_reparameterize_graph(const weld_graph *g, weld_graph **out, weld_error *err) {
    weld_weighted_graph now = {.graph = (weld_graph *)g};
    const weld_status status = weld_reparameterize_weighted(&now, err);
    if (!status) {
        *out = now.graph;
    }
    return status;
}

/* --- What is left of batch norms -------------------------------------------------------------- */

bool weld_has_norms(const weld_graph *g) {
    bool has = false;
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        has = has || (node->op == &weld_op_batch_norm_eval && node->inputs[0]->shape.rank == 4);
    }
    return has;
}

weld_status weld_norms_as_layers(const weld_graph *g, const weld_weights *w, weld_graph **out_graph,
                                 weld_weights **out_weights, weld_error *err) {
    return rewrite(g, w, apply_norms, out_graph, out_weights, err);
}

weld_status weld_norms_as_layers_graph(const weld_graph *g, weld_graph **out, weld_error *err) {
    weld_weighted_graph now = {.graph = (weld_graph *)g};
    weld_pool pool = {0};
    const weld_status status = apply_norms(&now, &pool, err);
    weld_pool_free(&pool);
    if (!status) {
        *out = now.graph;
    }
    return status;
}
