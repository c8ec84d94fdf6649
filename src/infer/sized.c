/* The graph of a model for images of another size; see model.h. Most graphs follow the size. Where
 * nodes say sizes themselves (reshapes around a transformer), the network is built anew from its
 * configuration, and merged where the model is: that is the same graph, but for the size. */
#include "infer/model.h"

#include "base/error.h"
#include "graph/graph.h"
#include "models/models.h"
#include "passes/reparameterize.h"

/* Are all leaves among the weights, be they floats or integers? A deploy file's graph may be one
 * that its configuration does not make. */
static bool fits(const weld_graph *g, const weld_weights *w, bool integers) {
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        weld_tensor t;
        if ((v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) &&
            (!weld_weights_find(w, v->name, &t) || (t.dtype != v->dtype && !integers) ||
             !weld_shape_equal(&t.shape, &v->shape))) {
            return false;
        }
    }
    return true;
}

static weld_status build(const weld_model *m, int64_t height, int64_t width, weld_graph **out,
                         weld_error *err) {
    const bool merged = m->file.kind == WELD_MODEL_DEPLOY;
    weld_graph *unmerged;
    weld_status status = weld_model_build(&m->file.config, false, 1, height, width, WELD_F32,
                                          merged ? &unmerged : out, err);
    if (!status && merged) {
        status = weld_reparameterize_graph(unmerged, out, err);
        weld_graph_free(unmerged);
    }
    if (!status && m->file.quantization && weld_has_norms(*out) && !weld_has_norms(m->graph)) {
        weld_graph *before = *out; /* m has layers in their place */
        status = weld_norms_as_layers_graph(before, out, err);
        weld_graph_free(before);
    }
    return status;
}

weld_status weld_model_restore_norms(weld_model *m, weld_error *err) {
    const weld_preprocessing *p = &m->file.preprocessing;
    weld_graph *built;
    weld_weights *weights = NULL;
    if (weld_family_of(&m->file.config)->in_files_alone || weld_has_norms(m->graph)) {
        return WELD_OK;
    }
    WELD_TRY(build(m, p->height, p->width, &built, err));
    weld_status status = weld_has_norms(built)
                             ? weld_layers_as_norms(built, m->file.weights, &weights, err)
                             : WELD_OK;
    if (!weights) { /* as it is: there were none, or its configuration does not make it */
        weld_graph_free(built);
        return status == WELD_ERROR_SHAPE ? WELD_OK : status;
    }
    weld_graph_free(m->graph);
    weld_weights_free(m->file.weights);
    m->graph = m->file.graph = built;
    m->file.weights = weights;
    return WELD_OK;
}

weld_status weld_model_cut(const weld_model *m, int64_t height, int64_t width, weld_model_part part,
                           void *context, weld_graph **out, weld_error *err) {
    weld_error reason = {.message = ""}, anew = {.message = ""};
    weld_graph *built = NULL;
    *out = NULL;
    weld_status status = part(m->graph, context, out, &reason);
    if (status == WELD_ERROR_SHAPE && !weld_family_of(&m->file.config)->in_files_alone) {
        weld_status made = build(m, height, width, &built, &anew);
        if (made) {
            return weld_fail(err, made, "the network on images of %lld x %lld: %s",
                             (long long)height, (long long)width, anew.message);
        }
        if (fits(built, m->file.weights, m->file.quantization != NULL)) {
            status = part(built, context, out, &reason);
        } else if (weld_family_of(&m->file.config)->position_grids) {
            weld_fail(
                &reason, status,
                "the network on images of %lld x %lld: its tables of positions are for images "
                "of %d: set that size first, which resizes them (--size)",
                (long long)height, (long long)width, m->file.preprocessing.height);
        }
        weld_graph_free(built);
    }
    return status ? weld_fail(err, status, "%s", reason.message) : WELD_OK;
}
