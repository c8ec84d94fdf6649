/* The graph of a training step; see train_graph.h. */
#include "train/train_graph.h"

#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/models.h"
#include "passes/precision.h"

/* Outputs need names: a gradient's is its parameter's behind this. */
#define GRADIENT_NAME_SIZE 256

static const char *gradient_name(const weld_graph *g, size_t i, char name[GRADIENT_NAME_SIZE]) {
    snprintf(name, GRADIENT_NAME_SIZE, "gradient/%s", weld_value_name(weld_graph_parameter(g, i)));
    return name;
}

/* The second head's distance from the teacher; see train_graph.h. The teacher's entropy has no
 * gradient: it is there so that the loss is a divergence, which is 0 where the two agree. */
static weld_value *build_distillation(weld_graph *g, const weld_model_config *config,
                                      const weld_train_graph_options *o) {
    weld_value *teacher = weld_input(g, "teacher", WELD_SHAPE(o->batch, config->num_classes));
    weld_value *student = weld_graph_output(g, "logits_dist");
    if (o->distillation == WELD_DISTILL_HARD) {
        return weld_mean(g, weld_cross_entropy(g, student, teacher, 0));
    }
    weld_value *p = weld_softmax(g, teacher);
    student = weld_scale(g, student, 1 / o->temperature);
    weld_value *crossed = weld_mean(g, weld_cross_entropy(g, student, p, 0));
    weld_value *entropy = weld_mean(g, weld_cross_entropy(g, teacher, p, 0));
    weld_value *divergence = weld_add(g, crossed, weld_scale(g, entropy, -1));
    return weld_scale(g, divergence, o->temperature * o->temperature / config->num_classes);
}

static weld_value *build_loss(weld_graph *g, const weld_model_config *config,
                              const weld_train_graph_options *o) {
    weld_value *target = weld_input(g, "target", WELD_SHAPE(o->batch, config->num_classes));
    weld_value *logits = weld_graph_output(g, "logits");
    weld_value *loss = weld_mean(g, weld_cross_entropy(g, logits, target, o->label_smoothing));
    if (o->distillation != WELD_DISTILL_NONE) {
        weld_value *second = weld_scale(g, build_distillation(g, config, o), o->alpha);
        loss = weld_add(g, weld_scale(g, loss, 1 - o->alpha), second);
    } else if (config->distillation_head) {
        weld_value *second = weld_graph_output(g, "logits_dist");
        second = weld_mean(g, weld_cross_entropy(g, second, target, o->label_smoothing));
        loss = weld_scale(g, weld_add(g, loss, second), 0.5);
    }
    weld_output(g, "loss", loss);
    return loss;
}

static weld_status add_gradients(const weld_train_graph *t, weld_value *loss, weld_error *err) {
    weld_graph *g = t->graph;
    char name[GRADIENT_NAME_SIZE];
    weld_value **parameters = weld_alloc(2 * t->parameter_count, sizeof(weld_value *));
    if (!parameters) {
        return weld_fail_memory(err, "training graph");
    }
    weld_value **gradients = parameters + t->parameter_count;
    size_t count = 0;
    for (size_t i = 0; i < t->parameter_count; i++) {
        if (t->trained[i]) {
            parameters[count++] = weld_graph_parameter(g, i);
        }
    }
    weld_status status = weld_differentiate(g, loss, parameters, count, gradients, err);
    for (size_t i = 0, at = 0; !status && i < t->parameter_count; i++) {
        if (t->trained[i]) {
            weld_output(g, gradient_name(g, i, name), gradients[at++]);
        }
    }
    weld_free(parameters);
    return status ? status : weld_graph_status(g, err);
}

static weld_status mark_trained(weld_train_graph *t, const weld_model_config *config, int frozen,
                                weld_error *err) {
    t->parameter_count = weld_graph_parameter_count(t->graph);
    t->trained = weld_alloc(t->parameter_count, sizeof *t->trained);
    if (!t->trained) {
        return weld_fail_memory(err, "training graph");
    }
    for (size_t i = 0; i < t->parameter_count; i++) {
        const char *name = weld_value_name(weld_graph_parameter(t->graph, i));
        t->trained[i] = weld_model_place_of(config, name).part >= frozen;
    }
    return WELD_OK;
}

/* Put what the passes make of the graph in its place. */
static weld_status fuse(weld_train_graph *t, const weld_fuse_options *options, weld_error *err) {
    weld_graph *fused;
    weld_status status = weld_fuse_training(t->graph, options, &fused, err);
    if (!status) {
        weld_graph_free(t->graph);
        t->graph = fused;
    }
    return status;
}

static weld_status build_forward(const weld_model_config *config, const weld_train_graph_options *o,
                                 weld_graph **out, weld_error *err) {
    weld_build_mode mode = {.training = true, .bn_eval = o->bn_eval, .frozen = o->frozen};
    weld_graph *built;
    weld_status status = weld_model_build_as(config, mode, o->batch, o->input_size, o->input_size,
                                             o->dtype, &built, err);
    if (status || o->precision == WELD_PRECISION_FP32) {
        *out = status ? NULL : built;
        return status;
    }
    status = weld_precision_bf16(built, out, err);
    weld_graph_free(built);
    return status;
}

weld_status weld_train_graph_build(const weld_model_config *config,
                                   const weld_train_graph_options *o, weld_train_graph *out,
                                   weld_error *err) {
    weld_train_graph t = {0};
    if (o->distillation != WELD_DISTILL_NONE && !config->distillation_head) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "training graph: distillation needs the distillation head");
    }
    weld_status status = build_forward(config, o, &t.graph, err);
    status = status ? status : mark_trained(&t, config, o->frozen, err);
    if (!status) {
        weld_value *loss = build_loss(t.graph, config, o);
        status = weld_graph_status(t.graph, err);
        status = status ? status : add_gradients(&t, loss, err);
        status = status ? status : fuse(&t, &o->fuse, err);
    }
    if (status) {
        weld_train_graph_free(&t);
        return status;
    }
    *out = t;
    return WELD_OK;
}

void weld_train_graph_free(weld_train_graph *t) {
    weld_graph_free(t->graph);
    weld_free(t->trained);
    *t = (weld_train_graph){0};
}

weld_status weld_train_graph_gradients(const weld_train_graph *t, weld_session *s,
                                       weld_tensor *gradients, weld_error *err) {
    char name[GRADIENT_NAME_SIZE];
    for (size_t i = 0; i < t->parameter_count; i++) {
        gradients[i] = t->trained[i] ? weld_session_output(s, gradient_name(t->graph, i, name))
                                     : (weld_tensor){0};
        if (t->trained[i] && !gradients[i].data) {
            return weld_fail(err, WELD_ERROR_NOT_FOUND, "training graph: no output %s", name);
        }
    }
    return WELD_OK;
}
