/* Timing of training steps and of inference; see bench.h. */
#include "train/bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/median.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "train/optimizer.h"
#include "train/recipe.h"
#include "train/train_graph.h"

enum { WARM_UP = 2 };

/* What is run again and again; the optimizer is absent for inference. */
typedef struct subject {
    weld_session *session;
    weld_optimizer *optimizer;
    const weld_tensor *gradients;
    weld_bench_row *rows; /* with profile: one a node, and one for the optimizer */
} subject;

static void run_once(subject *s, uint64_t step) {
    const weld_plan *plan = weld_session_plan(s->session);
    for (size_t at = 0; at < plan->order_count; at++) {
        double start = s->rows ? weld_clock() : 0;
        weld_session_run_node(s->session, at, step);
        if (s->rows) {
            s->rows[at].seconds += weld_clock() - start;
        }
    }
    if (s->optimizer) {
        double start = weld_clock();
        weld_optimizer_step(s->optimizer, s->gradients, 1e-4);
        if (s->rows) {
            s->rows[plan->order_count].seconds += weld_clock() - start;
        }
    }
}

static void node_cost(const weld_plan *plan, const weld_node *node, double *flops, double *bytes) {
    weld_tensor in[64] = {0}, out[WELD_MAX_OUTPUTS];
    *flops = *bytes = 0;
    for (int i = 0; i < node->input_count; i++) {
        weld_tensor t = node->inputs[i] ? plan->specs[node->inputs[i]->id] : (weld_tensor){0};
        if (i < 64) {
            in[i] = t;
        }
        *bytes += node->inputs[i]
                      ? (double)weld_shape_count(&t.shape) * (double)weld_dtype_size(t.dtype)
                      : 0.0;
    }
    for (int i = 0; i < node->output_count; i++) {
        out[i] = plan->specs[node->outputs[i]->id];
        *bytes += (double)weld_shape_count(&out[i].shape) * (double)weld_dtype_size(out[i].dtype);
    }
    if (node->op->cost && node->input_count <= 64) {
        node->op->cost(node, in, out, flops, bytes);
    }
}

static double total_flops(const weld_plan *plan) {
    double total = 0;
    for (size_t at = 0; at < plan->order_count; at++) {
        double flops, bytes;
        node_cost(plan, plan->order[at], &flops, &bytes);
        total += flops;
    }
    return total;
}

static int slower_first(const void *a, const void *b) {
    const weld_bench_row *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* One row a node -> one row an operator. */
static size_t gather_rows(const weld_plan *plan, weld_bench_row *rows, size_t count, int runs) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        weld_bench_row row = {.op = "adamw", .nodes = 1, .seconds = rows[i].seconds / runs};
        if (i < plan->order_count) {
            row.op = plan->order[i]->op->name;
            node_cost(plan, plan->order[i], &row.flops, &row.bytes);
        }
        size_t at = 0;
        while (at < kept && strcmp(rows[at].op, row.op) != 0) {
            at++;
        }
        if (at == kept) {
            rows[kept++] = row;
        } else {
            rows[at].nodes++;
            rows[at].seconds += row.seconds;
            rows[at].flops += row.flops;
            rows[at].bytes += row.bytes;
        }
    }
    qsort(rows, kept, sizeof *rows, slower_first);
    return kept;
}

static weld_status time_runs(subject *s, const weld_bench_options *o, weld_bench_result *out,
                             weld_error *err) {
    const weld_plan *plan = weld_session_plan(s->session);
    size_t row_count = plan->order_count + (s->optimizer != NULL);
    double *seconds = weld_alloc((size_t)o->steps, sizeof *seconds);
    weld_bench_row *rows = o->profile ? weld_alloc(row_count, sizeof *rows) : NULL;
    if (!seconds || (o->profile && !rows)) {
        weld_free(seconds);
        weld_free(rows);
        return weld_fail_memory(err, "bench");
    }
    for (int i = -WARM_UP; i < o->steps; i++) {
        s->rows = i >= 0 ? rows : NULL;
        double start = weld_clock();
        run_once(s, (uint64_t)(i + WARM_UP));
        if (i >= 0) {
            seconds[i] = weld_clock() - start;
        }
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    *out = (weld_bench_result){.seconds = weld_median(seconds, (size_t)o->steps),
                               .flops = total_flops(plan),
                               .arena_bytes = plan->arena_bytes,
                               .peak_bytes = (size_t)usage.ru_maxrss * 1024,
                               .threads = plan->threads,
                               .rows = rows};
    if (rows) {
        out->row_count = gather_rows(plan, rows, row_count, o->steps);
    }
    weld_free(seconds);
    return WELD_OK;
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
    weld_session_options options = {.batch = o->batch, .threads = o->threads};
    subject s = {0};
    weld_status status = check_options(o, err);
    if (status == WELD_OK) {
        status = weld_session_create(g, w, &options, &s.session, err);
    }
    if (status == WELD_OK) {
        fill_noise(weld_session_input(s.session, "images"));
        status = time_runs(&s, o, out, err);
    }
    weld_session_free(s.session);
    return status;
}

/* Class i of every k-th sample. */
static void fill_targets(weld_tensor t) {
    for (int64_t i = 0; i < t.shape.dim[0]; i++) {
        ((float *)t.data)[i * t.shape.dim[1] + i % t.shape.dim[1]] = 1.0F;
    }
}

weld_status weld_bench_training(const weld_model_config *config, int input_size,
                                const weld_bench_options *o, weld_bench_result *out,
                                weld_error *err) {
    weld_train_graph_options graph_options = {
        .batch = o->batch, .input_size = input_size, .label_smoothing = 0.1, .dtype = WELD_F32};
    weld_session_options session_options = {.threads = o->threads};
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
        fill_noise(weld_session_input(s.session, "images"));
        fill_targets(weld_session_input(s.session, "target"));
        status = time_runs(&s, o, out, err);
    }
    weld_free(gradients);
    weld_free(rates);
    weld_optimizer_free(s.optimizer);
    weld_session_free(s.session);
    weld_weights_free(weights);
    weld_train_graph_free(&train);
    return status;
}
