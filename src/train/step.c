/* A training step; see step.h. */
#include "train/step.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "graph/session.h"
#include "models/models.h"
#include "ops/ops.h"
#include "passes/precision.h"
#include "train/recompute_segments.h"

/* Outputs need names: a gradient's is its parameter's behind this. */
#define GRADIENT_NAME_SIZE 256

static const char *gradient_name(const weld_graph *g, size_t i, char name[GRADIENT_NAME_SIZE]) {
    snprintf(name, GRADIENT_NAME_SIZE, "gradient/%s", weld_value_name(weld_graph_parameter(g, i)));
    return name;
}

/* --- The graph --- */

/* What a graph for training has beside those of one for evaluation. */
static weld_status add_loss_outputs(const weld_model_config *config, weld_graph *g,
                                    weld_error *err) {
    const weld_model_family *family = weld_family_of(config);
    const weld_status status = family->loss_outputs ? family->loss_outputs(g, err) : WELD_OK;
    if (status) {
        weld_graph_free(g);
    }
    return status;
}

static weld_status build_forward(const weld_model_config *config, const weld_train_step_options *o,
                                 weld_graph **out, weld_error *err) {
    weld_build_mode mode = {.training = true,
                            .bn_eval = o->bn_eval,
                            .frozen = o->rates.frozen,
                            .drop_path = o->drop_path,
                            .dropout = o->dropout};
    weld_graph *built;
    if (o->quantize.weights) {
        mode = (weld_build_mode){.training = false};
    }
    weld_status status =
        weld_model_build_as(config, mode, o->batch, o->height, o->width, o->dtype, &built, err);
    if (!status && o->quantize.weights) {
        status = weld_fake_quantized(built, o->quantize, out, NULL, err);
        weld_graph_free(built);
        return status ? status : add_loss_outputs(config, *out, err);
    }
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
static weld_status rewrite(weld_train_step *s, const weld_model_config *config,
                           const weld_train_step_options *o, weld_error *err) {
    weld_graph *made;
    WELD_TRY(weld_fuse_training(s->graph, &o->fuse, &made, err));
    weld_graph_free(s->graph);
    s->graph = made;
    if (o->recompute) {
        WELD_TRY(weld_recompute_segments(config, s->graph, o, &made, err));
        weld_graph_free(s->graph);
        s->graph = made;
    }
    return WELD_OK;
}

/* Normalised by its own mean and a variance of 0 a single row comes out as the bias, whatever it
 * was: nothing would be learned behind it, and nobody told. */
static weld_status check_statistics(const weld_graph *g, weld_error *err) {
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        const weld_value *x = node->inputs[0];
        char text[160];
        if (node->op == &weld_op_batch_norm &&
            weld_shape_count(&x->shape) == x->shape.dim[x->shape.rank - 1]) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "%s would take its statistics from a batch of one value per channel, "
                             "which leaves nothing of it: take a batch (train.batch_size; each of "
                             "train.accumulate counts by itself) of 2 or more images, or "
                             "train.bn_eval true with weights to start from",
                             weld_node_text(node, text, sizeof text));
        }
    }
    return WELD_OK;
}

/* What is added to a network, s->graph. */
static weld_status build(weld_train_step *s, const weld_model_config *config,
                         const weld_train_step_options *o, weld_error *err) {
    s->parameter_count = weld_graph_parameter_count(s->graph);
    WELD_TRY(check_statistics(s->graph, err));
    WELD_TRY(o->build_loss(o->loss, s->graph, err));
    WELD_TRY(add_gradients(s, err));
    WELD_TRY(weld_batch_statistics_outputs(s->graph, err));
    return rewrite(s, config, o, err);
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

static weld_status open_sessions(weld_train_step *const *steps, int count,
                                 const weld_train_step_options *o, weld_error *err) {
    const weld_session_options run = weld_train_session_options(o);
    const weld_graph *graphs[WELD_SIZES_MAX] = {NULL};
    weld_session *sessions[WELD_SIZES_MAX];
    for (int i = 0; i < count; i++) {
        graphs[i] = steps[i]->graph;
    }
    WELD_TRY(weld_sessions_create(graphs, (size_t)count, steps[0]->weights, &run, sessions, err));
    for (int i = 0; i < count; i++) {
        steps[i]->session = sessions[i];
    }
    return WELD_OK;
}

static void after_step(void *context, size_t step) {
    weld_train_step *s = context;
    if (step == s->loss_step) {
        s->loss_known = weld_clock();
    }
    if (s->after_step) {
        s->after_step(s->after_step_context, step);
    }
}

static weld_status open_outputs(weld_train_step *s, weld_error *err) {
    s->loss_step = weld_session_step_of(s->session, weld_graph_output(s->graph, "loss"));
    weld_session_after_step(s->session, after_step, s);
    s->images = weld_session_input(s->session, "images");
    s->loss = weld_session_output(s->session, "loss");
    WELD_TRY(find_gradients(s, err));
    WELD_TRY(weld_batch_statistics_create(s->session, &s->statistics, err));
    s->block = weld_alloc(weld_batch_statistics_count(s->statistics), sizeof *s->block);
    return s->block ? WELD_OK : weld_fail_memory(err, "training");
}

static weld_status open_optimizer(weld_train_step *s, const weld_train_step_options *o,
                                  weld_error *err) {
    WELD_TRY(weld_kernels_select(s->graph->dtype, o->isa, &s->kernels, err));
    if (s->lead) {
        s->optimizer = s->lead->optimizer;
        return WELD_OK;
    }
    if (o->optimizer) {
        weld_optimizer_options options = *o->optimizer;
        options.rates = s->rates;
        options.threads = o->threads;
        WELD_TRY(weld_kernels_select(s->graph->dtype, o->update_isa ? o->update_isa : o->isa,
                                     &options.kernels, err));
        WELD_TRY(weld_optimizer_create(s->graph, s->weights, &options, &s->optimizer, err));
    }
    return WELD_OK;
}

/* The graph of a step, from a network and its rates, which are taken. */
static weld_status open_graph(const weld_model_config *config, weld_graph *network,
                              weld_parameter_rate *rates, const weld_train_step_options *o,
                              weld_train_step **out, weld_error *err) {
    weld_train_step *s = *out = weld_alloc(1, sizeof *s);
    if (!s) {
        weld_graph_free(network);
        weld_free(rates);
        return weld_fail_memory(err, "training");
    }
    s->graph = network;
    s->rates = rates;
    return build(s, config, o, err);
}

/* The same for a network by its config. */
static weld_status open_known(const weld_model_config *config, const weld_train_step_options *o,
                              weld_train_step **out, weld_error *err) {
    weld_graph *network;
    weld_parameter_rate *rates;
    WELD_TRY(build_forward(config, o, &network, err));
    weld_status status = weld_parameter_rates_create(config, network, &o->rates, &rates, err);
    if (status) {
        weld_graph_free(network);
        return status;
    }
    return open_graph(config, network, rates, o, out, err);
}

/* The weights that it needs. */
static weld_status open_weights(weld_train_step *s, const weld_train_step_options *o,
                                weld_weights *weights, const weld_train_step *lead,
                                weld_error *err) {
    s->lead = lead;
    s->weights = weights ? weights : lead ? lead->weights : NULL;
    if (!s->weights) {
        WELD_TRY(weld_graph_init_weights(s->graph, o->seed, &s->own_weights, err));
        s->weights = s->own_weights;
    }
    return WELD_OK;
}

/* What runs steps whose graphs are there. */
static weld_status open_runs(weld_train_step **steps, int count,
                             const weld_train_step_options *options, weld_error *err) {
    WELD_TRY(open_sessions(steps, count, options, err));
    for (int i = 0; i < count; i++) {
        WELD_TRY(open_outputs(steps[i], err));
        WELD_TRY(open_optimizer(steps[i], options, err));
    }
    return WELD_OK;
}

static weld_status open_all(const weld_model_config *config, const weld_train_step_options *options,
                            const weld_batch_shape *shapes, int count, weld_weights *weights,
                            weld_train_step **out, weld_error *err) {
    for (int i = 0; i < count; i++) {
        weld_train_step_options o = *options;
        o.batch = shapes[i].count;
        o.height = shapes[i].height;
        o.width = shapes[i].width;
        weld_status status = open_known(config, &o, &out[i], err);
        status = status ? status : open_weights(out[i], &o, weights, i ? out[0] : NULL, err);
        if (status) {
            return count > 1 ? weld_fail_context(err, status, "images of %d x %d", shapes[i].height,
                                                 shapes[i].width)
                             : status;
        }
    }
    return open_runs(out, count, options, err);
}

weld_status weld_train_steps_create(const weld_model_config *config,
                                    const weld_train_step_options *options,
                                    const weld_batch_shape *shapes, int count,
                                    weld_weights *weights, weld_train_step **out, weld_error *err) {
    memset(out, 0, (size_t)count * sizeof(weld_train_step *));
    const weld_status status = open_all(config, options, shapes, count, weights, out, err);
    for (int i = count - 1; i >= 0 && status; i--) {
        weld_train_step_free(out[i]);
        out[i] = NULL;
    }
    return status;
}

weld_status weld_train_step_create(const weld_model_config *config,
                                   const weld_train_step_options *options, weld_weights *weights,
                                   weld_train_step **out, weld_error *err) {
    const weld_batch_shape shape = {(int)options->height, (int)options->width, options->batch};
    return weld_train_steps_create(config, options, &shape, 1, weights, out, err);
}

weld_status weld_train_step_create_of(weld_graph *network, weld_parameter_rate *rates,
                                      const weld_train_step_options *options, weld_weights *weights,
                                      weld_train_step **out, weld_error *err) {
    weld_status status = open_graph(NULL, network, rates, options, out, err);
    status = status ? status : open_weights(*out, options, weights, NULL, err);
    status = status ? status : open_runs(out, 1, options, err);
    if (status) {
        weld_train_step_free(*out);
        *out = NULL;
    }
    return status;
}

weld_status weld_train_step_graph(const weld_model_config *config,
                                  const weld_train_step_options *options, weld_graph **out,
                                  weld_error *err) {
    weld_train_step *s = NULL;
    const weld_status status = open_known(config, options, &s, err);
    *out = NULL;
    if (!status) {
        *out = s->graph;
        s->graph = NULL;
    }
    weld_train_step_free(s);
    return status;
}

void weld_train_step_free(weld_train_step *s) {
    if (s) {
        weld_optimizer_free(s->lead ? NULL : s->optimizer);
        weld_batch_statistics_free(s->statistics);
        weld_free(s->block);
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

size_t weld_train_step_ready(const weld_train_step *s, size_t parameter) {
    char name[GRADIENT_NAME_SIZE];
    return s->rates[parameter].trained
               ? weld_session_step_of(
                     s->session,
                     weld_graph_output(s->graph, gradient_name(s->graph, parameter, name)))
               : 0;
}

static double number_of(const weld_tensor *t) {
    return t->dtype == WELD_F64 ? *(const double *)t->data : (double)*(const float *)t->data;
}

double weld_train_step_output(const weld_train_step *s, const char *name) {
    const weld_tensor t = weld_session_output(s->session, name);
    return number_of(&t);
}

/* --- Steps --- */

double weld_train_step_run(weld_train_step *s, uint64_t number) {
    weld_session_run(s->session, number);
    return number_of(&s->loss);
}

void weld_train_step_move_statistics(weld_train_step *s) {
    weld_batch_statistics_copy(s->statistics, s->block);
    weld_batch_statistics_move(s->statistics, s->block);
}

weld_status weld_train_step_explain(weld_train_step *s, uint64_t number, weld_error *err) {
    WELD_TRY(weld_session_run_checked(s->session, number, err));
    return weld_fail(err, WELD_ERROR_NUMERIC, "it is finite when it is computed again");
}

/* --- Updates --- */

void weld_train_step_update_by(weld_train_step *s, const weld_tensor *gradients,
                               const weld_update_rates *rates) {
    s->updated = gradients;
    weld_optimizer_step(s->optimizer, gradients, rates);
}

void weld_train_step_update(weld_train_step *s, double lr) {
    const weld_update_rates rates = weld_optimizer_rates(s->optimizer, lr);
    weld_train_step_update_by(s, s->gradients, &rates);
}

void weld_train_step_noise(weld_tensor images) {
    weld_random r = weld_random_start(0, 0, 0, WELD_RANDOM_TEST);
    int64_t count = weld_shape_count(&images.shape);
    for (int64_t i = 0; i < count; i++) {
        ((float *)images.data)[i] = (float)weld_random_normal(&r);
    }
}
