/* Timing of training steps and of inference; see bench.h. */
#include "measure/bench.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/median.h"
#include "base/memory.h"
#include "passes/precision.h"
#include "passes/reparameterize.h"
#include "recipe/recipe.h"
#include "tasks/task.h"
#include "train/step.h"

enum { WARM_UP = 2 };

/* What is run again and again. */
typedef struct subject {
    weld_session *session;
    weld_train_step *step; /* that the session is of; NULL: inference */
} subject;

static void update(const subject *s, weld_profile *profile) {
    const weld_plan *plan = weld_session_plan(s->session);
    weld_session_event event = {.position = plan->order_count, .threads = plan->threads};
    event.begin = weld_clock();
    weld_train_step_update(s->step, 1e-4);
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
    if (s->step) {
        weld_train_step_run(s->step, step);
        weld_train_step_move_statistics(s->step);
        update(s, profile);
    } else {
        weld_session_run(s->session, step);
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

static void time_runs(const subject *s, int steps, double *seconds, weld_profile *profile,
                      weld_bench_result *out) {
    weld_quiet_moment begin = {0};
    for (int i = -WARM_UP; i < steps; i++) {
        if (i == 0) {
            begin = weld_quiet_now("");
        }
        if (i == 0 && profile) {
            weld_profile_reset(profile);
        }
        double time = run_once(s, (uint64_t)(i + WARM_UP), profile);
        if (i >= 0) {
            seconds[i] = time;
        }
    }
    const weld_quiet_moment end = weld_quiet_now("");
    out->seconds = weld_median(seconds, (size_t)steps);
    out->quiet = weld_quiet_between(&begin, &end, seconds, (size_t)steps);
    out->quiet.alike = true;
    out->quiet.crowded = out->threads > out->quiet.cpus;
}

static weld_status tell_profile(const weld_profile *profile, const weld_bench_options *o,
                                weld_bench_result *out, weld_error *err) {
    if (o->trace) {
        WELD_TRY(weld_profile_write_trace(profile, o->trace, err));
    }
    if (o->profile) {
        WELD_TRY(weld_limits_measure(out->threads, &out->limits, err));
        WELD_TRY(
            weld_profile_rows(profile, &out->limits, o->by_node, &out->rows, &out->row_count, err));
    }
    return WELD_OK;
}

/* Of the parameters that the optimizer updates. */
static int64_t trained_elements(const weld_train_step *s) {
    int64_t elements = 0;
    for (size_t i = 0; i < s->parameter_count; i++) {
        weld_shape shape = weld_value_shape(weld_graph_parameter(s->graph, i));
        elements += s->rates[i].trained ? weld_shape_count(&shape) : 0;
    }
    return elements;
}

static weld_status create_profile(const subject *s, const weld_bench_options *o, weld_profile **out,
                                  weld_error *err) {
    *out = NULL;
    if (!o->profile && !o->trace) {
        return WELD_OK;
    }
    const weld_plan *plan = weld_session_plan(s->session);
    return s->step ? weld_profile_create(plan, "adamw", trained_elements(s->step), out, err)
                   : weld_profile_create(plan, NULL, 0, out, err);
}

/* --- Simulations --- */

static void record_steps(const subject *s, weld_recording *r) {
    if (s->step) { /* which looks after the session's steps itself */
        s->step->after_step = r ? weld_recording_after_step : NULL;
        s->step->after_step_context = r;
    } else {
        weld_session_after_step(s->session, r ? weld_recording_after_step : NULL, r);
    }
}

static weld_status simulate(const subject *s, const weld_bench_options *o, weld_bench_result *out,
                            weld_error *err) {
    weld_recording *r;
    const weld_plan *plan = weld_session_plan(s->session);
    *out = (weld_bench_result){.flops = total_flops(plan),
                               .arena_bytes = weld_session_arena_bytes(s->session),
                               .threads = plan->threads};
    WELD_TRY(weld_recording_create(plan, s->step ? "adamw" : NULL, &r, err));
    run_once(s, 0, NULL);
    record_steps(s, r);
    for (int i = 0; i < o->steps; i++) {
        weld_recording_begin_run(r);
        run_once(s, (uint64_t)i + 1, NULL);
        weld_recording_end_run(r);
    }
    record_steps(s, NULL);
    const weld_status status = weld_recording_simulate(r, &out->simulated, err);
    out->seconds = out->simulated.seconds;
    weld_recording_free(r);
    return status;
}

static weld_status measure(const subject *s, const weld_bench_options *o, weld_bench_result *out,
                           weld_error *err) {
    if (o->simulate) {
        return simulate(s, o, out, err);
    }
    const weld_plan *plan = weld_session_plan(s->session);
    weld_profile *profile = NULL;
    double *seconds = weld_alloc((size_t)o->steps, sizeof *seconds);
    weld_status status =
        seconds ? create_profile(s, o, &profile, err) : weld_fail_memory(err, "bench");
    if (!status) {
        weld_session_observe(s->session, profile ? weld_profile_note : NULL, profile);
        *out = (weld_bench_result){
            .flops = total_flops(plan), .arena_bytes = plan->arena_bytes, .threads = plan->threads};
        time_runs(s, o->steps, seconds, profile, out);
        weld_session_observe(s->session, NULL, NULL);
        out->peak_bytes = weld_peak_bytes();
        status = profile ? tell_profile(profile, o, out, err) : WELD_OK;
    }
    weld_profile_free(profile);
    weld_free(seconds);
    return status;
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
    if (!status && o->precision == WELD_PRECISION_BF16) {
        status = weld_precision_bf16(g, &lower, err);
    }
    status = status ? status : weld_session_create(lower ? lower : g, w, &options, &s.session, err);
    if (!status) {
        weld_train_step_noise(weld_session_input(s.session, "images"));
        status = measure(&s, o, out, err);
    }
    weld_session_free(s.session);
    weld_graph_free(lower);
    return status;
}

weld_status weld_bench_network(const weld_model_config *config, int height, int width, bool merge,
                               const weld_bench_options *o, weld_bench_result *out,
                               weld_error *err) {
    weld_graph *graph = NULL, *merged = NULL;
    weld_weights *weights = NULL, *merged_weights = NULL;
    weld_status status = weld_model_build(config, false, 1, height, width, WELD_F32, &graph, err);
    status = status ? status : weld_graph_init_weights(graph, 0, &weights, err);
    if (!status && merge) {
        status = weld_reparameterize(graph, weights, &merged, &merged_weights, err);
    }
    status = status ? status
                    : weld_bench_inference(merged ? merged : graph,
                                           merged ? merged_weights : weights, o, out, err);
    weld_graph_free(graph);
    weld_graph_free(merged);
    weld_weights_free(weights);
    weld_weights_free(merged_weights);
    return status;
}

weld_status weld_bench_training(const weld_model_config *config, int height, int width,
                                const weld_bench_options *o, weld_bench_result *out,
                                weld_error *err) {
    const weld_task *task = weld_task_of(config);
    unsigned char values[WELD_TASK_VALUES_SIZE];
    const weld_loss_options loss = {.values = values};
    const weld_optimizer_options adamw = {
        .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.025};
    weld_train_step_options options = {.batch = o->batch,
                                       .height = height,
                                       .width = width,
                                       .build_loss = task->build_loss,
                                       .loss = &loss,
                                       .dtype = WELD_F32,
                                       .fuse = {.off = o->unfused},
                                       .recompute = o->recompute,
                                       .precision = o->precision,
                                       .threads = o->threads,
                                       .optimizer = &adamw};
    subject s = {0};
    WELD_TRY(check_options(o, err));
    weld_task_standard_values(task, values);
    if (o->freeze) {
        WELD_TRY(weld_recipe_parts_of(o->freeze, config, &options.rates.frozen, err));
    }
    WELD_TRY(weld_train_step_create(config, &options, NULL, &s.step, err));
    s.session = s.step->session;
    weld_train_step_noise(s.step->images);
    task->fill_noise(s.session);
    weld_status status = measure(&s, o, out, err);
    weld_train_step_free(s.step);
    return status;
}
