/* weld bench: speed and memory of a network, or speed of the data path. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cli/bench_simulate.h"
#include "cli/input_options.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "measure/bench.h"
#include "measure/bench_data.h"
#include "models/models.h"
#include "weld/model.h"

typedef struct bench_arguments {
    bool data, train, json, unmerged;
    bool int8;     /* the file's network is of integers */
    int precision; /* as CLI_PRECISION has it */
    cli_model_options model;
    int height, width; /* 0: the file's */
    int recompute;     /* a weld_segments */
    weld_bench_options o;
    int simulated[CLI_SIMULATED_MAX], simulated_count; /* threads; 0: nothing is simulated */
} bench_arguments;

static const char *precision_name(const bench_arguments *a) {
    return a->int8 ? "int8" : cli_precision_name(a->o.precision);
}

static double profiled_seconds(const weld_bench_result *r) {
    double total = 0;
    for (size_t i = 0; i < r->row_count; i++) {
        total += r->rows[i].seconds;
    }
    return total;
}

static double rate(double amount, double seconds) {
    return seconds > 0 ? amount / seconds / 1e9 : 0;
}

/* Of a network of codes not all are on floats. */
static const char *operations(const bench_arguments *a) {
    return a->int8 ? "GOP/s" : "GFLOP/s";
}

static void print_profile(const bench_arguments *a, const weld_bench_result *r) {
    const double total = profiled_seconds(r);
    printf("limits of %d threads: %.0f GFLOP/s fp32", r->threads, r->limits.flops / 1e9);
    if (r->limits.bf16_flops > 0) {
        printf(", %.0f GFLOP/s bf16 products", r->limits.bf16_flops / 1e9);
    }
    if (r->limits.int8_ops > 0) {
        printf(", %.0f GOP/s int8 products", r->limits.int8_ops / 1e9);
    }
    printf(", %.1f GB/s memory\n", r->limits.bandwidth / 1e9);
    printf("%-24s %6s %10s %7s %9s %8s %9s\n", "operator", "nodes", "ms", "share", operations(a),
           "GB/s", "of limit");
    for (size_t i = 0; i < r->row_count; i++) {
        const weld_profile_row *row = &r->rows[i];
        printf("%-24s %6d %10.3f %6.1f%% %9.1f %8.1f %8.0f%%%s%s\n", row->op, row->nodes,
               1e3 * row->seconds, 100 * row->seconds / total, rate(row->flops, row->seconds),
               rate(row->bytes, row->seconds), 1e11 * rate(row->limit, row->seconds),
               *row->name ? "  " : "", row->name);
    }
}

static json_t *limits_json(const weld_limits *limits) {
    return json_pack("{s:f, s:f, s:f, s:f}", "gflops_per_second", limits->flops / 1e9,
                     "bf16_gflops_per_second", limits->bf16_flops / 1e9, "int8_gops_per_second",
                     limits->int8_ops / 1e9, "gbytes_per_second", limits->bandwidth / 1e9);
}

static json_t *profile_json(const weld_bench_result *r) {
    const double total = profiled_seconds(r);
    json_t *rows = json_array();
    for (size_t i = 0; i < r->row_count; i++) {
        const weld_profile_row *row = &r->rows[i];
        json_t *one = json_pack(
            "{s:s, s:i, s:f, s:f, s:f, s:f, s:f}", "op", row->op, "nodes", row->nodes,
            "milliseconds", 1e3 * row->seconds, "share", row->seconds / total, "gflops_per_second",
            rate(row->flops, row->seconds), "gbytes_per_second", rate(row->bytes, row->seconds),
            "limit_share", 1e9 * rate(row->limit, row->seconds));
        if (*row->name) {
            json_object_set_new(one, "node", json_string(row->name));
        }
        json_array_append_new(rows, one);
    }
    return rows;
}

static json_t *known(double value) {
    return value < 0 ? json_null() : json_real(value);
}

static void add_quiet(json_t *json, const weld_quiet *q) {
    const weld_quiet_verdict verdict = weld_quiet_judge(q);
    json_object_set_new(json, "threads_used", json_real(q->threads));
    json_object_set_new(json, "milliseconds_shortest", json_real(1e3 * q->shortest));
    json_object_set_new(json, "milliseconds_longest", json_real(1e3 * q->longest));
    json_object_set_new(json, "quiet",
                        verdict == WELD_QUIET_UNTOLD ? json_null()
                                                     : json_boolean(verdict == WELD_QUIET_YES));
    json_object_set_new(json, "waited_share", known(q->waited));
    json_object_set_new(json, "others_cpus", known(q->others));
    json_object_set_new(json, "steal_share", known(q->steal));
    json_object_set_new(json, "throttled_share", known(q->throttled));
}

static void print_quiet(const weld_quiet *q) {
    char text[WELD_QUIET_TEXT_SIZE];
    puts(weld_quiet_text(q, text));
}

static void print_json(const char *what, const bench_arguments *a, const weld_bench_result *r) {
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:i, s:o, s:i, s:f, s:f, s:f, s:I, s:I}", "model", what, "work",
                  a->train ? "train" : "inference", "precision", precision_name(a), "batch",
                  a->o.batch, "size", cli_size_json(a->height, a->width), "threads", r->threads,
                  "images_per_second", a->o.batch / r->seconds, "milliseconds", 1e3 * r->seconds,
                  "gflops_per_second", r->flops / r->seconds / 1e9, "arena_bytes",
                  (json_int_t)r->arena_bytes, "peak_bytes", (json_int_t)r->peak_bytes);
    add_quiet(json, &r->quiet);
    if (a->o.profile) {
        json_object_set_new(json, "limits", limits_json(&r->limits));
        json_object_set_new(json, "profile", profile_json(r));
    }
    cli_print_json(json, 6);
}

static void print_result(const char *what, const bench_arguments *a, const weld_bench_result *r) {
    if (a->json) {
        print_json(what, a, r);
        return;
    }
    printf("%s, %s, %s, batch %d, %d x %d, threads %.1f of %d: %.1f images/s, %.2f ms (median), "
           "%.1f %s, arena %.0f MB, peak %.0f MB\n",
           what, a->train ? "training step" : "inference", precision_name(a), a->o.batch, a->height,
           a->width, r->quiet.threads, r->threads, a->o.batch / r->seconds, 1e3 * r->seconds,
           r->flops / r->seconds / 1e9, operations(a), (double)r->arena_bytes / 1e6,
           (double)r->peak_bytes / 1e6);
    print_quiet(&r->quiet);
    if (a->o.profile) {
        print_profile(a, r);
    }
}

/* A network by name, fresh: for inference merged, since that is what is deployed. */
static weld_status bench_named(const weld_model_config *config, const bench_arguments *a,
                               weld_bench_result *out, weld_error *err) {
    return a->train
               ? weld_bench_training(config, a->height, a->width, &a->o, out, err)
               : weld_bench_network(config, a->height, a->width, !a->unmerged, &a->o, out, err);
}

static weld_status bench_file(const char *path, bench_arguments *a, weld_bench_result *out,
                              weld_error *err) {
    weld_model *m;
    WELD_TRY(cli_open_model(path, &a->model, &m, err));
    if (a->train && weld_model_is_int8(m)) {
        weld_model_free(m);
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: the network is int8, and networks are trained in floats: time the "
                         "training step of the file that it was made of",
                         path);
    }
    weld_status status;
    weld_preprocessing p = *weld_model_get_preprocessing(m);
    a->height = a->height ? a->height : p.height;
    a->width = a->width ? a->width : p.width;
    p.height = a->height;
    p.width = a->width;
    if (a->train) {
        status =
            weld_bench_training(weld_model_get_config(m), a->height, a->width, &a->o, out, err);
    } else {
        status = weld_model_set_preprocessing(m, &p, err);
        if (!status && weld_model_is_int8(m) && a->precision) {
            status = weld_model_set_precision(m, a->o.precision, err);
            status = status ? weld_fail_context(err, status, "%s", path) : WELD_OK;
        }
        a->int8 = weld_model_is_int8(m);
        status = status ? status
                        : weld_bench_inference(weld_model_graph(m), weld_model_weights(m), &a->o,
                                               out, err);
    }
    weld_model_free(m);
    return status;
}

static weld_status bench_once(const char *what, bench_arguments *a, weld_bench_result *result,
                              weld_error *err) {
    if (access(what, F_OK) == 0 || strpbrk(what, "./")) { /* which no network's name has */
        return bench_file(what, a, result, err);
    }
    weld_model_config config;
    WELD_TRY(weld_model_config_named(what, &config, err));
    const weld_preprocessing usual =
        weld_model_usual_preprocessing(&config, weld_model_find_naming(&config, NULL, NULL));
    a->height = a->height ? a->height : usual.height;
    a->width = a->width ? a->width : usual.width;
    return bench_named(&config, a, result, err);
}

static void print_simulated(const char *what, const bench_arguments *a,
                            const weld_bench_result *results) {
    if (!a->json) {
        printf("%s, %s, %s, batch %d, %d x %d\n", what, a->train ? "training step" : "inference",
               precision_name(a), a->o.batch, a->height, a->width);
        cli_print_simulated(results, a->simulated_count, a->o.batch);
        return;
    }
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:i, s:o, s:o}", "model", what, "work",
                  a->train ? "train" : "inference", "precision", precision_name(a), "batch",
                  a->o.batch, "size", cli_size_json(a->height, a->width), "simulated",
                  cli_simulated_json(results, a->simulated_count, a->o.batch));
    cli_print_json(json, 6);
}

static weld_status bench_simulated(const char *what, bench_arguments *a, weld_error *err) {
    weld_bench_result results[CLI_SIMULATED_MAX] = {{0}};
    weld_status status = WELD_OK;
    a->o.simulate = true;
    for (int i = 0; i < a->simulated_count && !status; i++) {
        a->o.threads = a->simulated[i];
        status = bench_once(what, a, &results[i], err);
    }
    if (!status) {
        print_simulated(what, a, results);
    }
    for (int i = 0; i < a->simulated_count; i++) {
        weld_free(results[i].simulated.rows);
    }
    return status;
}

static weld_status bench_network(const char *what, bench_arguments *a, weld_error *err) {
    a->o.batch = a->o.batch ? a->o.batch : 1;
    if (a->simulated_count) {
        return bench_simulated(what, a, err);
    }
    weld_bench_result result = {0};
    WELD_TRY(bench_once(what, a, &result, err));
    print_result(what, a, &result);
    weld_free(result.rows);
    return WELD_OK;
}

/* --- The data of a recipe --------------------------------------------------------------------- */

static void print_data_json(const char *recipe, const weld_bench_data_result *r) {
    json_t *json = json_pack("{s:s, s:s, s:I, s:o, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:I}",
                             "recipe", recipe, "work", "data", "batch", (json_int_t)r->batch,
                             "size", cli_size_json(r->height, r->width), "threads", r->threads,
                             "images_per_second", (double)r->batch / r->seconds, "milliseconds",
                             1e3 * r->seconds, "processor_milliseconds", 1e3 * r->processor_seconds,
                             "wait_share", r->wait, "decode_share", r->decode, "augment_share",
                             r->augment, "bad_images", (json_int_t)r->bad);
    add_quiet(json, &r->quiet);
    cli_print_json(json, 6);
}

static weld_status bench_data(const cli_call *call, const bench_arguments *a, weld_error *err) {
    const char *recipe = call->arguments[0];
    weld_bench_data_options o = {.settings = weld_train_defaults(), .steps = a->o.steps};
    o.settings.recipe = recipe;
    o.settings.set = call->texts;
    o.settings.set_count = call->text_count;
    o.settings.threads = a->o.threads;
    o.settings.callbacks.message = cli_message;
    weld_bench_data_result r;
    WELD_TRY(weld_bench_data(&o, &r, err));
    if (a->json) {
        print_data_json(recipe, &r);
        return WELD_OK;
    }
    printf("%s, making training batches, batch %lld, %d x %d, threads %.1f of %d: %.1f images/s, "
           "%.2f ms "
           "(median); waiting %.1f %%, decoding %.1f %%, augmenting %.1f %%\n",
           recipe, (long long)r.batch, r.height, r.width, r.quiet.threads, r.threads,
           (double)r.batch / r.seconds, 1e3 * r.seconds, 100 * r.wait, 100 * r.decode,
           100 * r.augment);
    print_quiet(&r.quiet);
    return WELD_OK;
}

weld_status cli_bench(cli_call *call, weld_error *err) {
    bench_arguments a = {0};
    const char *size = NULL, *simulated = NULL, *more;
    const cli_option options[] = {
        {"train", 0, CLI_FLAG, &a.train, NULL, "time training steps, not inference"},
        {"data", 0, CLI_FLAG, &a.data, NULL, "time the making of a RECIPE's training batches"},
        {"set", 0, CLI_TEXTS, NULL, "KEY=VALUE", "of --data: override a key of the recipe"},
        {"freeze", 0, CLI_TEXT, &a.o.freeze, "PART", "of --train: frozen up to stem, stage1, ..."},
        {"recompute", 0, CLI_CHOICE, &a.recompute, "block|stage",
         "of --train: as the recipes' train.recompute"},
        {"unfused", 0, CLI_FLAG, &a.o.unfused, NULL, "operator by operator, to compare"},
        {"unmerged", 0, CLI_FLAG, &a.unmerged, NULL, "MODEL's inference before merging"},
        {"batch", 0, CLI_COUNT, &a.o.batch, "N", "images a run (1)"},
        {"size", 0, CLI_TEXT, &size, "N|HxW", "height and width (the file's, or the usual ones)"},
        {"threads", 0, CLI_THREADS, &a.o.threads, "N", "threads (all)"},
        {"steps", 0, CLI_COUNT, &a.o.steps, "N",
         "timed runs, after two that are not (10; simulated: 3)"},
        {"precision", 0, CLI_PRECISION, &a.precision, "P",
         "of activations: fp32 (default; of int8: int8), bf16"},
        {"profile", 0, CLI_FLAG, &a.o.profile, NULL, "a table of the operators"},
        {"by-node", 0, CLI_FLAG, &a.o.by_node, NULL, "of --profile: a row a node"},
        {"trace", 0, CLI_OUTPUT, &a.o.trace, "FILE",
         "write what threads did in the last run (JSON)"},
        {"simulate-threads", 0, CLI_TEXT, &simulated, "N[,N...]",
         "what so many threads would reach, without the limits of memory"},
        {"json", 0, CLI_FLAG, &a.json, NULL, "print one JSON object"},
        CLI_MODEL_OPTIONS(a.model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    a.o.precision = a.precision ? (weld_precision)(a.precision - 1) : WELD_PRECISION_FP32;
    if (a.data && (a.o.batch || size || a.train)) {
        cli_usage(call, "--data times what the recipe says: use --set");
    }
    if (!a.data && call->text_count) {
        cli_usage(call, "--set changes a recipe: it goes with --data");
    }
    if (a.o.by_node && !a.o.profile) {
        cli_usage(call, "--by-node goes with --profile");
    }
    a.o.recompute = (weld_segments)a.recompute;
    if (a.recompute && !a.train) {
        cli_usage(call, "--recompute goes with --train");
    }
    if (a.o.freeze && !a.train) {
        cli_usage(call, "--freeze goes with --train");
    }
    if (size && (!cli_read_size(size, &a.height, &a.width, &more) || more)) {
        cli_usage(call, "--size wants " CLI_SIZE_WANTED ", not '%s'", size);
    }
    if (simulated && (a.data || a.o.profile || a.o.trace || a.o.threads)) {
        cli_usage(call,
                  "--simulate-threads goes with none of --data, --profile, --trace, --threads");
    }
    a.simulated_count = simulated ? cli_read_thread_counts(simulated, a.simulated) : 0;
    if (simulated && !a.simulated_count) {
        cli_usage(call, "--simulate-threads wants numbers from 1 to %d, at most %d, not '%s'",
                  WELD_THREADS_MAX, CLI_SIMULATED_MAX - 1, simulated);
    }
    a.o.steps = a.o.steps ? a.o.steps : simulated ? 3 : 10;
    return a.data ? bench_data(call, &a, err) : bench_network(call->arguments[0], &a, err);
}
