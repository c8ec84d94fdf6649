/* Timing of training steps and of inference; see bench.h. */
#include "measure/bench.h"

#include <sys/resource.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/median.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "passes/precision.h"
#include "optimize/optimizer.h"
#include "recipe/recipe.h"
#include "train/train_graph.h"

enum { WARM_UP = 2 };

/* What is run again and again; the optimizer is absent for inference. */
typedef struct subject {
    weld_session *session;
    weld_optimizer *optimizer;
    const weld_tensor *gradients;
    int64_t elements; /* that the optimizer updates */
} subject;

static void update(const subject *s, weld_profile *profile) {
    const weld_plan *plan = weld_session_plan(s->session);
    weld_session_event event = {.position = plan->order_count, .threads = plan->threads};
    event.begin = weld_clock();
    weld_optimizer_step(s->optimizer, s->gradients, 1e-4);
    event.end = weld_clock();
    if (profile) {
        weld_profile_note(profile, &event);
    }
}

static double run_once(const subject *s, uint64_t step, weld_profile *profile) {
    double start = weld_clock();
    if (profile) {
        weld_profile_begin_run(profile);
    }
    weld_session_run(s->session, step);
    if (s->optimizer) {
        update(s, profile);
    }
    if (profile) {
        weld_profile_end_run(profile);
    }
    return weld_clock() - start;
}

static double total_flops(const weld_plan *plan) {
    double total = 0;
    for (size_t at = 0; at < plan->order_count; at++) {
        double flops, bytes;
        weld_profile_cost(plan, plan->order[at], &flops, &bytes);
        total += flops;
    }
    return total;
}

static void time_runs(const subject *s, int steps, double *seconds, weld_profile *profile) {
    for (int i = -WARM_UP; i < steps; i++) {
        if (i == 0 && profile) {
            weld_profile_reset(profile);
        }
        double time = run_once(s, (uint64_t)(i + WARM_UP), profile);
        if (i >= 0) {
            seconds[i] = time;
        }
    }
}

static weld_status tell_profile(const weld_profile *profile, const weld_bench_options *o,
                                weld_bench_result *out, weld_error *err) {
    weld_status status = WELD_OK;
    if (o->trace) {
        status = weld_profile_write_trace(profile, o->trace, err);
    }
    if (status == WELD_OK && o->profile) {
        status = weld_limits_measure(out->threads, &out->limits, err);
    }
    if (status == WELD_OK && o->profile) {
        status =
            weld_profile_rows(profile, &out->limits, o->by_node, &out->rows, &out->row_count, err);
    }
    return status;
}

static weld_status measure(const subject *s, const weld_bench_options *o, weld_bench_result *out,
                           weld_error *err) {
    const weld_plan *plan = weld_session_plan(s->session);
    double *seconds = weld_alloc((size_t)o->steps, sizeof *seconds);
    if (!seconds) {
        return weld_fail_memory(err, "bench");
    }
    weld_profile *profile = NULL;
    weld_status status = WELD_OK;
    if (o->profile || o->trace) {
        status =
            weld_profile_create(plan, s->optimizer ? "adamw" : NULL, s->elements, &profile, err);
    }
    if (status == WELD_OK) {
        weld_session_observe(s->session, profile ? weld_profile_note : NULL, profile);
        time_runs(s, o->steps, seconds, profile);
        weld_session_observe(s->session, NULL, NULL);
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        *out = (weld_bench_result){.seconds = weld_median(seconds, (size_t)o->steps),
                                   .flops = total_flops(plan),
                                   .arena_bytes = plan->arena_bytes,
                                   .peak_bytes = (size_t)usage.ru_maxrss * 1024,
                                   .threads = plan->threads};
        status = profile ? tell_profile(profile, o, out, err) : WELD_OK;
    }
    weld_profile_free(profile);
    weld_free(seconds);
    return status;
}

static void fill_noise(weld_tensor t) {
    weld_random r = weld_random_start(0, 0, 0, WELD_RANDOM_TEST);
    int64_t count = weld_shape_count(&t.shape);
    for (int64_t i = 0; i < count; i++) {
        ((float *)t.data)[i] = (float)weld_random_normal(&r);
    }
}

static weld_status check_options(const weld_bench_options *o, weld_error *err) {
    return o->steps >= 1 && o->batch >= 1
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT, "bench: steps and batch must be at least 1");
}

weld_status weld_bench_inference(const weld_graph *g, weld_weights *w, const weld_bench_options *o,
                                 weld_bench_result *out, weld_error *err) {
    weld_session_options options = {.batch = o->batch,
                                    .threads = o->threads,
                                    .constant_weights = true,
                                    .node_by_node = o->unfused};
    subject s = {0};
    weld_graph *lower = NULL;
    weld_status status = check_options(o, err);
    if (status == WELD_OK && o->precision == WELD_PRECISION_BF16) {
        status = weld_precision_bf16(g, &lower, err);
    }
    if (status == WELD_OK) {
        status = weld_session_create(lower ? lower : g, w, &options, &s.session, err);
    }
    if (status == WELD_OK) {
        fill_noise(weld_session_input(s.session, "images"));
        status = measure(&s, o, out, err);
    }
    weld_session_free(s.session);
    weld_graph_free(lower);
    return status;
}

/* Class i of every k-th sample. */
static void fill_targets(weld_tensor t) {
    for (int64_t i = 0; i < t.shape.dim[0]; i++) {
        ((float *)t.data)[i * t.shape.dim[1] + i % t.shape.dim[1]] = 1.0F;
    }
}

static int64_t trained_elements(const weld_train_graph *t) {
    int64_t elements = 0;
    for (size_t i = 0; i < t->parameter_count; i++) {
        weld_shape shape = weld_value_shape(weld_graph_parameter(t->graph, i));
        elements += t->trained[i] ? weld_shape_count(&shape) : 0;
    }
    return elements;
}

weld_status weld_bench_training(const weld_model_config *config, int input_size,
                                const weld_bench_options *o, weld_bench_result *out,
                                weld_error *err) {
    weld_train_graph_options graph_options = {.batch = o->batch,
                                              .input_size = input_size,
                                              .label_smoothing = 0.1,
                                              .dtype = WELD_F32,
                                              .fuse = {.off = o->unfused},
                                              .precision = o->precision};
    weld_session_options session_options = {.threads = o->threads, .node_by_node = o->unfused};
    weld_optimizer_options optimizer_options = {
        .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.025, .threads = o->threads};
    weld_rate_options rate_options = {.head_scale = 1, .layer_decay = 1};
    weld_train_graph train = {0};
    weld_weights *weights = NULL;
    weld_parameter_rate *rates = NULL;
    weld_tensor *gradients = NULL;
    subject s = {0};
    weld_status status = check_options(o, err);
    if (status == WELD_OK && o->freeze) {
        status = weld_recipe_parts_of(o->freeze, config, &rate_options.frozen, err);
        graph_options.frozen = rate_options.frozen;
    }
    if (status == WELD_OK) {
        status = weld_train_graph_build(config, &graph_options, &train, err);
    }
    if (status == WELD_OK) {
        status = weld_graph_init_weights(train.graph, 0, &weights, err);
    }
    if (status == WELD_OK) {
        status = weld_parameter_rates_create(config, train.graph, &rate_options, &rates, err);
        optimizer_options.rates = rates;
    }
    if (status == WELD_OK) {
        status = weld_session_create(train.graph, weights, &session_options, &s.session, err);
    }
    if (status == WELD_OK) {
        optimizer_options.kernels = weld_session_plan(s.session)->kernels;
        status = weld_optimizer_create(train.graph, weights, &optimizer_options, &s.optimizer, err);
    }
    if (status == WELD_OK) {
        gradients = weld_alloc(train.parameter_count, sizeof *gradients);
        status = gradients ? weld_train_graph_gradients(&train, s.session, gradients, err)
                           : weld_fail_memory(err, "bench");
    }
    if (status == WELD_OK) {
        s.gradients = gradients;
        s.elements = trained_elements(&train);
        fill_noise(weld_session_input(s.session, "images"));
        fill_targets(weld_session_input(s.session, "target"));
        status = measure(&s, o, out, err);
    }
    weld_free(gradients);
    weld_free(rates);
    weld_optimizer_free(s.optimizer);
    weld_session_free(s.session);
    weld_weights_free(weights);
    weld_train_graph_free(&train);
    return status;
}
