/* The graph of a training step; see train_graph.h. */
#include "train/train_graph.h"

#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"

/* Outputs need names: a gradient's is its parameter's behind this. */
#define GRADIENT_NAME_SIZE 256

static const char *gradient_name(const weld_graph *g, size_t i, char name[GRADIENT_NAME_SIZE]) {
    snprintf(name, GRADIENT_NAME_SIZE, "gradient/%s", weld_value_name(weld_graph_parameter(g, i)));
    return name;
}

static weld_value *build_loss(weld_graph *g, const weld_model_config *config,
                              const weld_train_graph_options *o) {
    weld_value *target = weld_input(g, "target", WELD_SHAPE(o->batch, config->num_classes));
    weld_value *logits = weld_graph_output(g, "logits");
    weld_value *loss = weld_mean(g, weld_cross_entropy(g, logits, target, o->label_smoothing));
    if (config->distillation_head) {
        weld_value *second = weld_graph_output(g, "logits_dist");
        second = weld_mean(g, weld_cross_entropy(g, second, target, o->label_smoothing));
        loss = weld_scale(g, weld_add(g, loss, second), 0.5);
    }
    weld_output(g, "loss", loss);
    return loss;
}

static weld_status add_gradients(weld_graph *g, weld_value *loss, size_t count, weld_error *err) {
    char name[GRADIENT_NAME_SIZE];
    weld_value **parameters = weld_alloc(2 * count, sizeof(weld_value *));
    if (!parameters) {
        return weld_fail_memory(err, "training graph");
    }
    weld_value **gradients = parameters + count;
    for (size_t i = 0; i < count; i++) {
        parameters[i] = weld_graph_parameter(g, i);
    }
    weld_status status = weld_differentiate(g, loss, parameters, count, gradients, err);
    for (size_t i = 0; !status && i < count; i++) {
        weld_output(g, gradient_name(g, i, name), gradients[i]);
    }
    weld_free(parameters);
    return status ? status : weld_graph_status(g, err);
}

weld_status weld_train_graph_build(const weld_model_config *config,
                                   const weld_train_graph_options *o, weld_train_graph *out,
                                   weld_error *err) {
    weld_graph *g;
    weld_status status = weld_model_build(config, !o->bn_eval, o->batch, o->input_size,
                                          o->input_size, o->dtype, &g, err);
    if (status) {
        return status;
    }
    weld_value *loss = build_loss(g, config, o);
    size_t count = weld_graph_parameter_count(g);
    status = weld_graph_status(g, err);
    status = status ? status : add_gradients(g, loss, count, err);
    if (status) {
        weld_graph_free(g);
        return status;
    }
    *out = (weld_train_graph){.graph = g, .parameter_count = count};
    return WELD_OK;
}

void weld_train_graph_free(weld_train_graph *t) {
    weld_graph_free(t->graph);
    *t = (weld_train_graph){0};
}

weld_status weld_train_graph_gradients(const weld_train_graph *t, weld_session *s,
                                       weld_tensor *gradients, weld_error *err) {
    char name[GRADIENT_NAME_SIZE];
    for (size_t i = 0; i < t->parameter_count; i++) {
        gradients[i] = weld_session_output(s, gradient_name(t->graph, i, name));
        if (!gradients[i].data) {
            return weld_fail(err, WELD_ERROR_NOT_FOUND, "training graph: no output %s", name);
        }
    }
    return WELD_OK;
}
