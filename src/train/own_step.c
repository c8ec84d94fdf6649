/* Steps of networks that programs build themselves; see weld/step.h. */
#include "train/own_step.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/copy.h"
#include "infer/model.h"
#include "optimize/schedule.h"
#include "passes/precision.h"
#include "tasks/classification/loss.h"

weld_step_options weld_step_defaults(void) {
    return (weld_step_options){.lr = 1e-3,
                               .weight_decay = 0.025,
                               .betas = {0.9, 0.999},
                               .eps = 1e-8,
                               .alpha = 0.9,
                               .momentum = 0.9,
                               .clip_mode = WELD_CLIP_NORM,
                               .label_smoothing = 0.1,
                               .accumulate = 1};
}

/* --- Options --- */

static weld_status check_options(const weld_step_options *o, weld_error *err) {
    const struct {
        const char *name;
        double value, min, below; /* min <= value < below */
    } numbers[] = {{"lr", o->lr, 0, HUGE_VAL},
                   {"weight_decay", o->weight_decay, 0, HUGE_VAL},
                   {"betas[0]", o->betas[0], 0, 1},
                   {"betas[1]", o->betas[1], 0, 1},
                   {"eps", o->eps, 1e-30, HUGE_VAL},
                   {"alpha", o->alpha, 0, 1},
                   {"momentum", o->momentum, 0, 1},
                   {"clip", o->clip, 0, HUGE_VAL},
                   {"warmup", (double)o->warmup, 0, HUGE_VAL},
                   {"updates", (double)o->updates, 0, HUGE_VAL},
                   {"decay_updates", (double)o->decay_updates, 0, HUGE_VAL},
                   {"decay_rate", o->decay_rate, 0, HUGE_VAL},
                   {"warmup_lr", o->warmup_lr, 0, HUGE_VAL},
                   {"min_lr", o->min_lr, 0, HUGE_VAL},
                   {"average_decay", o->average_decay, 0, 1},
                   {"label_smoothing", o->label_smoothing, 0, 1},
                   {"accumulate", (double)o->accumulate, 1, HUGE_VAL},
                   {"threads", o->threads, 0, HUGE_VAL}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!(numbers[i].value >= numbers[i].min && numbers[i].value < numbers[i].below)) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "step: %s %g is out of its range: begin with weld_step_defaults",
                             numbers[i].name, numbers[i].value);
        }
    }
    if (o->updates && o->decay_updates) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "step: updates and decay_updates are two ways down: set one to 0");
    }
    return WELD_OK;
}

static weld_optimizer_options optimizer_of(const weld_step_options *o, weld_weights *average) {
    return (weld_optimizer_options){.method = o->method,
                                    .weight_decay = o->weight_decay,
                                    .decay_on = o->decay_on,
                                    .beta1 = o->betas[0],
                                    .beta2 = o->betas[1],
                                    .eps = o->eps,
                                    .alpha = o->alpha,
                                    .momentum = o->momentum,
                                    .nesterov = o->nesterov,
                                    .clip = o->clip,
                                    .clip_mode = o->clip_mode,
                                    .ema = average,
                                    .ema_decay = o->average_decay,
                                    .ema_warmup = o->average_warmup};
}

/* --- The network and its loss --- */

/* The program's own, or that of classification. */
static weld_status build_loss(const weld_loss_options *options, weld_graph *g, weld_error *err) {
    const weld_value *logits = weld_graph_output(g, "logits");
    char text[96];
    if (weld_graph_output(g, "loss")) {
        return WELD_OK;
    }
    if (!logits) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "step: the network has neither an output \"logits\" [batch, classes] to "
                         "make a loss of nor an output \"loss\"");
    }
    if (logits->shape.rank != 2) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "step: logits are %s, not [batch, classes]",
                         weld_shape_text(&logits->shape, text, sizeof text));
    }
    return weld_classification_loss_build(options, g, err);
}

static weld_status make_rates(const weld_graph *network, const weld_step_options *o,
                              weld_parameter_rate **out, weld_error *err) {
    const size_t count = weld_graph_parameter_count(network);
    size_t trained = 0;
    weld_parameter_rate *rates = *out = weld_alloc(count + 1, sizeof *rates);
    if (!rates) {
        return weld_fail_memory(err, "step");
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = weld_value_name(weld_graph_parameter(network, i));
        const double scale = o->rate ? o->rate(o->context, name) : 1;
        if (!(scale >= 0 && scale < HUGE_VAL)) {
            weld_free(rates);
            return weld_fail(err, WELD_ERROR_ARGUMENT, "step: the rate of %s is %g", name, scale);
        }
        rates[i] = (weld_parameter_rate){scale > 0, scale};
        trained += scale > 0;
    }
    if (!trained) {
        weld_free(rates);
        return weld_fail(err, WELD_ERROR_ARGUMENT, "step: no parameter of the network is trained");
    }
    *out = rates;
    return WELD_OK;
}

/* A copy that the step's nodes are added to. */
static weld_status copy_network(const weld_graph *network, weld_precision precision,
                                weld_graph **out, weld_error *err) {
    WELD_TRY(weld_graph_status(network, err));
    return precision == WELD_PRECISION_BF16 ? weld_precision_bf16(network, out, err)
                                            : weld_copy_graph(network, NULL, NULL, out, err);
}

static weld_status make_weights(weld_step *s, const weld_graph *network, const weld_weights *start,
                                weld_error *err) {
    WELD_TRY(start ? weld_weights_take(network, start, &s->weights, err)
                   : weld_graph_init_weights(network, s->options.seed, &s->weights, err));
    return s->options.average_decay > 0 ? weld_weights_clone(s->weights, &s->average, err)
                                        : WELD_OK;
}

/* All gradients of a run are taken when it is over. */
static weld_status open_mean(weld_step *s, weld_error *err) {
    const weld_train_step *step = s->step;
    size_t *ready = weld_alloc(step->parameter_count, sizeof *ready);
    if (!ready) {
        return weld_fail_memory(err, "step");
    }
    const weld_exchange_options options = {.groups = s->options.accumulate,
                                           .gradients = step->gradients,
                                           .count = step->parameter_count,
                                           .plans = 1,
                                           .ready = (const size_t *const[]){ready},
                                           .kernels = step->kernels,
                                           .threads = s->options.threads};
    const weld_status status = weld_exchange_create(NULL, &options, &s->mean, err);
    weld_free(ready);
    return status;
}

static weld_status open(weld_step *s, const weld_graph *network, const weld_weights *start,
                        weld_error *err) {
    const weld_step_options *o = &s->options;
    const weld_classification_loss own = {.label_smoothing = o->label_smoothing};
    const weld_loss_options loss = {.values = &own};
    weld_parameter_rate *rates;
    weld_graph *copy;
    WELD_TRY(check_options(o, err));
    WELD_TRY(weld_graph_status(network, err));
    WELD_TRY(make_weights(s, network, start, err));
    const weld_optimizer_options optimizer = optimizer_of(o, s->average);
    const weld_train_step_options options = {.build_loss = build_loss,
                                             .loss = &loss,
                                             .threads = o->threads,
                                             .seed = o->seed,
                                             .optimizer = &optimizer};
    WELD_TRY(make_rates(network, o, &rates, err));
    weld_status status = copy_network(network, o->precision, &copy, err);
    if (status) {
        weld_free(rates);
        return status;
    }
    WELD_TRY(weld_train_step_create_of(copy, rates, &options, s->weights, &s->step, err));
    return open_mean(s, err);
}

weld_status weld_step_create(const weld_graph *network, const weld_weights *start,
                             const weld_step_options *options, weld_step **out, weld_error *err) {
    *out = NULL;
    weld_step *s = weld_alloc(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, "step");
    }
    s->options = options ? *options : weld_step_defaults();
    weld_status status = open(s, network, start, err);
    if (status) {
        weld_step_free(s);
        return status;
    }
    *out = s;
    return WELD_OK;
}

void weld_step_free(weld_step *s) {
    if (s) {
        weld_exchange_free(s->mean);
        weld_train_step_free(s->step);
        weld_weights_free(s->weights);
        weld_weights_free(s->average);
        weld_free(s);
    }
}

/* --- What it holds --- */

weld_tensor weld_step_input(const weld_step *s, const char *name) {
    return weld_train_step_input(s->step, name);
}

weld_tensor weld_step_output(const weld_step *s, const char *name) {
    return weld_session_output(s->step->session, name);
}

weld_tensor weld_step_gradient(const weld_step *s, const char *parameter) {
    for (size_t i = 0; i < s->step->parameter_count; i++) {
        if (strcmp(weld_value_name(weld_graph_parameter(s->step->graph, i)), parameter) == 0) {
            return s->step->gradients[i];
        }
    }
    return (weld_tensor){.data = NULL};
}

weld_weights *weld_step_weights(const weld_step *s) {
    return s->weights;
}

weld_weights *weld_step_average(const weld_step *s) {
    return s->average;
}

int64_t weld_step_updates(const weld_step *s) {
    return s->updates;
}

/* --- Running --- */

/* What dropout draws by. */
static uint64_t run_number(const weld_step *s) {
    return (uint64_t)(s->updates * s->options.accumulate + s->runs + 1);
}

weld_status weld_step_run(weld_step *s, double *loss, weld_error *err) {
    if (s->runs == s->options.accumulate) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "step: all %lld runs of update %lld are done: make the update first",
                         (long long)s->runs, (long long)s->updates + 1);
    }
    const double found = weld_train_step_run(s->step, run_number(s));
    if (!isfinite(found)) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "step: the loss of update %lld is not finite: lower the learning rate, or "
                         "look at the batch (weld_step_explain finds the first bad value)",
                         (long long)s->updates + 1);
    }
    weld_train_step_move_statistics(s->step);
    if (s->runs == 0) {
        weld_exchange_begin(s->mean, s->updates + 1);
    }
    weld_exchange_add(s->mean, s->runs++, 0, s->step->gradients);
    weld_exchange_ready(s->mean, SIZE_MAX); /* the next run writes where they are */
    if (loss) {
        *loss = found;
    }
    return WELD_OK;
}

weld_status weld_step_explain(weld_step *s, weld_error *err) {
    weld_status status = weld_train_step_explain(s->step, run_number(s), err);
    return weld_fail_context(err, status, "step: update %lld: the loss is not finite",
                             (long long)s->updates + 1);
}

double weld_step_rate(const weld_step *s) {
    const weld_step_options *o = &s->options;
    const weld_schedule schedule = {.name = o->updates ? WELD_SCHEDULE_COSINE : WELD_SCHEDULE_STEP,
                                    .base_lr = o->lr,
                                    .warmup_lr = o->warmup_lr,
                                    .min_lr = o->min_lr,
                                    .warmup_epochs = (double)o->warmup,
                                    .epochs = o->updates,
                                    .steps_per_epoch = 1,
                                    .decay_rate = o->decay_rate,
                                    .decay_epochs = (double)o->decay_updates};
    const bool falls = o->updates || o->decay_updates;
    return falls || s->updates < o->warmup
               ? weld_schedule_rate(&schedule, s->updates, s->updates, 0)
               : o->lr;
}

weld_status weld_step_update(weld_step *s, double lr, weld_error *err) {
    if (!s->runs) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "step: nothing was run since update %lld: there are no gradients",
                         (long long)s->updates);
    }
    if (!(lr >= 0 && lr < HUGE_VAL)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "step: an update with rate %g", lr);
    }
    const weld_tensor *means;
    WELD_TRY(weld_exchange_finish(s->mean, &means, err));
    const weld_update_rates rates = weld_optimizer_rates(s->step->optimizer, lr);
    weld_train_step_update_by(s->step, means, &rates);
    weld_weights_changed(s->weights);
    if (s->average) {
        weld_weights_changed(s->average);
    }
    s->runs = 0;
    s->updates++;
    return WELD_OK;
}
