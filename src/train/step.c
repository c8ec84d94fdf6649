/* A training step; see step.h. */
#include "train/step.h"

#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "graph/graph.h"
#include "models/models.h"
#include "passes/precision.h"

/* Outputs need names: a gradient's is its parameter's behind this. */
#define GRADIENT_NAME_SIZE 256

static const char *gradient_name(const weld_graph *g, size_t i, char name[GRADIENT_NAME_SIZE]) {
    snprintf(name, GRADIENT_NAME_SIZE, "gradient/%s", weld_value_name(weld_graph_parameter(g, i)));
    return name;
}

/* --- The graph --- */

static weld_status build_forward(const weld_model_config *config, const weld_train_step_options *o,
                                 weld_graph **out, weld_error *err) {
    weld_build_mode mode = {.training = true,
                            .bn_eval = o->bn_eval,
                            .frozen = o->rates.frozen,
                            .drop_path = o->drop_path,
                            .dropout = o->dropout};
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

static weld_status add_gradients(const weld_train_step *s, weld_error *err) {
    weld_graph *g = s->graph;
    char name[GRADIENT_NAME_SIZE];
    weld_value **parameters = weld_alloc(2 * s->parameter_count, sizeof(weld_value *));
    if (!parameters) {
        return weld_fail_memory(err, "training graph");
    }
    weld_value **gradients = parameters + s->parameter_count;
    size_t count = 0;
    for (size_t i = 0; i < s->parameter_count; i++) {
        if (s->rates[i].trained) {
            parameters[count++] = weld_graph_parameter(g, i);
        }
    }
    weld_status status =
        weld_differentiate(g, weld_graph_output(g, "loss"), parameters, count, gradients, err);
    for (size_t i = 0, at = 0; !status && i < s->parameter_count; i++) {
        if (s->rates[i].trained) {
            weld_output(g, gradient_name(g, i, name), gradients[at++]);
        }
    }
    weld_free(parameters);
    return status ? status : weld_graph_status(g, err);
}

/* Put what the passes make of the graph in its place. */
static weld_status fuse(weld_train_step *s, const weld_fuse_options *options, weld_error *err) {
    weld_graph *fused;
    WELD_TRY(weld_fuse_training(s->graph, options, &fused, err));
    weld_graph_free(s->graph);
    s->graph = fused;
    return WELD_OK;
}

static weld_status build(weld_train_step *s, const weld_model_config *config,
                         const weld_train_step_options *o, weld_error *err) {
    WELD_TRY(build_forward(config, o, &s->graph, err));
    s->parameter_count = weld_graph_parameter_count(s->graph);
    WELD_TRY(weld_parameter_rates_create(config, s->graph, &o->rates, &s->rates, err));
    WELD_TRY(o->build_loss(o->loss, s->graph, err));
    WELD_TRY(add_gradients(s, err));
    return fuse(s, &o->fuse, err);
}

/* --- What runs it --- */

static weld_status find_gradients(weld_train_step *s, weld_error *err) {
    char name[GRADIENT_NAME_SIZE];
    s->gradients = weld_alloc(s->parameter_count, sizeof *s->gradients);
    if (!s->gradients) {
        return weld_fail_memory(err, "training");
    }
    for (size_t i = 0; i < s->parameter_count; i++) {
        if (s->rates[i].trained) {
            s->gradients[i] = weld_session_output(s->session, gradient_name(s->graph, i, name));
        }
    }
    return WELD_OK;
}

static weld_status open_session(weld_train_step *s, const weld_train_step_options *o,
                                weld_error *err) {
    weld_session_options run = {
        .threads = o->threads, .seed = o->seed, .isa = o->isa, .node_by_node = o->fuse.off};
    WELD_TRY(weld_session_create(s->graph, s->weights, &run, &s->session, err));
    weld_session_mark(s->session, weld_graph_output(s->graph, "loss"));
    s->images = weld_session_input(s->session, "images");
    s->loss = weld_session_output(s->session, "loss");
    return find_gradients(s, err);
}

static weld_status open_optimizer(weld_train_step *s, const weld_train_step_options *o,
                                  weld_error *err) {
    WELD_TRY(weld_kernels_select(o->dtype, o->isa, &s->kernels, err));
    if (o->optimizer) {
        weld_optimizer_options options = *o->optimizer;
        options.rates = s->rates;
        options.threads = o->threads;
        options.kernels = s->kernels;
        WELD_TRY(weld_optimizer_create(s->graph, s->weights, &options, &s->optimizer, err));
    }
    return o->accumulate > 1 ? weld_gradient_mean_create(s->gradients, s->parameter_count,
                                                         s->kernels, o->threads, &s->mean, err)
                             : WELD_OK;
}

weld_status weld_train_step_create(const weld_model_config *config,
                                   const weld_train_step_options *options, weld_weights *weights,
                                   weld_train_step **out, weld_error *err) {
    weld_train_step *s = weld_alloc(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, "training");
    }
    weld_status status = build(s, config, options, err);
    if (!status && !weights) {
        status = weld_graph_init_weights(s->graph, options->seed, &s->own_weights, err);
    }
    s->weights = weights ? weights : s->own_weights;
    status = status ? status : open_session(s, options, err);
    status = status ? status : open_optimizer(s, options, err);
    if (status) {
        weld_train_step_free(s);
        return status;
    }
    *out = s;
    return WELD_OK;
}

void weld_train_step_free(weld_train_step *s) {
    if (s) {
        weld_gradient_mean_free(s->mean);
        weld_optimizer_free(s->optimizer);
        weld_free(s->gradients);
        weld_session_free(s->session);
        weld_weights_free(s->own_weights);
        weld_free(s->rates);
        weld_graph_free(s->graph);
        weld_free(s);
    }
}

weld_tensor weld_train_step_input(const weld_train_step *s, const char *name) {
    return weld_session_input(s->session, name);
}

/* --- Steps --- */

double weld_train_step_run(weld_train_step *s, uint64_t number) {
    weld_session_run(s->session, number);
    double loss = s->loss.dtype == WELD_F64 ? *(const double *)s->loss.data
                                            : (double)*(const float *)s->loss.data;
    if (s->mean && isfinite(loss)) {
        weld_gradient_mean_add(s->mean);
    }
    return loss;
}

void weld_train_step_update(weld_train_step *s, double lr) {
    s->updated = s->mean ? weld_gradient_mean_take(s->mean) : s->gradients;
    weld_optimizer_step(s->optimizer, s->updated, lr);
}

void weld_train_step_noise(weld_tensor images) {
    weld_random r = weld_random_start(0, 0, 0, WELD_RANDOM_TEST);
    int64_t count = weld_shape_count(&images.shape);
    for (int64_t i = 0; i < count; i++) {
        ((float *)images.data)[i] = (float)weld_random_normal(&r);
    }
}
