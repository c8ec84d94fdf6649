/* Stopping and going on with a step of a network that a program built; see weld/step.h. */
#include <string.h>

#include "base/error.h"
#include "graph/graph.h"
#include "infer/model.h"
#include "train/own_step.h"

static weld_status check_complete(const weld_step *s, const weld_graph *evaluation,
                                  weld_error *err) {
    const weld_graph *g = s->step->graph;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        const bool leaf = v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER;
        if (leaf && !weld_graph_find_leaf(evaluation, v->name)) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "snapshot: the network that is evaluated has no %s: training could "
                             "not go on from it",
                             v->name);
        }
    }
    return WELD_OK;
}

weld_status weld_step_snapshot(const weld_step *s, const weld_graph *evaluation,
                               const weld_model_options *options, weld_model **out,
                               weld_error *err) {
    weld_weights *first = weld_optimizer_first_moments(s->step->optimizer);
    weld_weights *second = weld_optimizer_second_moments(s->step->optimizer);
    weld_model *m;
    *out = NULL;
    if (s->runs) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "snapshot: in the middle of update %lld: make the update first",
                         (long long)s->updates + 1);
    }
    WELD_TRY(weld_model_create(evaluation, s->weights, options, &m, err));
    m->file.trainer.seed = s->options.seed;
    m->file.trainer.step = s->updates;
    weld_status status = check_complete(s, m->graph, err);
    status = status ? status : weld_weights_clone(first, &m->file.moment1, err);
    status = status || !second ? status : weld_weights_clone(second, &m->file.moment2, err);
    if (!status && s->average) {
        status = weld_weights_take(m->graph, s->average, &m->file.ema, err);
    }
    if (status) {
        weld_model_free(m);
        return status;
    }
    *out = m;
    return WELD_OK;
}

/* Copy every tensor of `to` from that of its name; first only see whether all are there. */
static weld_status copy_all(const weld_weights *from, weld_weights *to, bool dry, const char *what,
                            weld_error *err) {
    for (size_t i = 0; i < weld_weights_count(to); i++) {
        const char *name = weld_weights_name(to, i);
        weld_tensor is, t = weld_weights_tensor(to, i);
        if (!from || !weld_weights_find(from, name, &is)) {
            return weld_fail(err, from ? WELD_ERROR_SHAPE : WELD_ERROR_ARGUMENT,
                             "restoring: the file has no %s%s%s: it was saved by another network, "
                             "or without a snapshot",
                             what, from ? " of " : "", from ? name : "");
        }
        if (is.dtype != t.dtype || !weld_shape_equal(&is.shape, &t.shape)) {
            return weld_fail(err, WELD_ERROR_SHAPE, "restoring: %s has another shape in the file",
                             name);
        }
        if (!dry) {
            memcpy(t.data, is.data, weld_tensor_bytes(&t));
        }
    }
    return WELD_OK;
}

weld_status weld_step_restore(weld_step *s, const weld_model *m, weld_error *err) {
    const weld_model_file *file = &m->file;
    weld_optimizer *optimizer = s->step->optimizer;
    const struct {
        const weld_weights *from;
        weld_weights *to;
        const char *what;
    } parts[] = {{file->weights, s->weights, "weights"},
                 {file->moment1, weld_optimizer_first_moments(optimizer), "optimizer's state"},
                 {file->moment2, weld_optimizer_second_moments(optimizer), "optimizer's state"},
                 {file->ema, s->average, "moving average"}};
    for (int dry = 1; dry >= 0; dry--) {
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            if (parts[i].to) {
                WELD_TRY(copy_all(parts[i].from, parts[i].to, dry, parts[i].what, err));
            }
        }
    }
    s->updates = file->trainer.step;
    s->runs = 0;
    weld_optimizer_set_updates(optimizer, s->updates);
    weld_weights_changed(s->weights);
    return WELD_OK;
}
