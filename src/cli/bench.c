/* weld bench: speed and memory of a network. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/bench_data.h"
#include "cli/model_options.h"
#include "passes/reparameterize.h"
#include "measure/bench.h"
#include "weld/model.h"

typedef struct bench_arguments {
    bool data, train, profile, by_node, json, unmerged, unfused;
    cli_model_options model;
    int batch, size, threads, steps;
    const char *freeze, *trace;
    weld_precision precision;
} bench_arguments;

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

static void print_profile(const weld_bench_result *r) {
    const double total = profiled_seconds(r);
    printf("limits of %d threads: %.0f GFLOP/s fp32", r->threads, r->limits.flops / 1e9);
    if (r->limits.bf16_flops > 0) {
        printf(", %.0f GFLOP/s bf16 products", r->limits.bf16_flops / 1e9);
    }
    printf(", %.1f GB/s memory\n", r->limits.bandwidth / 1e9);
    printf("%-24s %6s %10s %7s %9s %8s %9s\n", "operator", "nodes", "ms", "share", "GFLOP/s",
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
    return json_pack("{s:f, s:f, s:f}", "gflops_per_second", limits->flops / 1e9,
                     "bf16_gflops_per_second", limits->bf16_flops / 1e9, "gbytes_per_second",
                     limits->bandwidth / 1e9);
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

static void print_json(const char *what, const bench_arguments *a, const weld_bench_result *r) {
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:f, s:f, s:f, s:I, s:I}", "model", what, "work",
                  a->train ? "train" : "inference", "precision", cli_precision_name(a->precision),
                  "batch", a->batch, "size", a->size, "threads", r->threads, "images_per_second",
                  a->batch / r->seconds, "milliseconds", 1e3 * r->seconds, "gflops_per_second",
                  r->flops / r->seconds / 1e9, "arena_bytes", (json_int_t)r->arena_bytes,
                  "peak_bytes", (json_int_t)r->peak_bytes);
    if (a->profile) {
        json_object_set_new(json, "limits", limits_json(&r->limits));
        json_object_set_new(json, "profile", profile_json(r));
    }
    json_dumpf(json, stdout, JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(json);
}

static void print_result(const char *what, const bench_arguments *a, const weld_bench_result *r) {
    if (a->json) {
        print_json(what, a, r);
        return;
    }
    printf("%s, %s, %s, batch %d, %d x %d, %d threads: %.1f images/s, %.2f ms (median), "
           "%.1f GFLOP/s, arena %.0f MB, peak %.0f MB\n",
           what, a->train ? "training step" : "inference", cli_precision_name(a->precision),
           a->batch, a->size, a->size, r->threads, a->batch / r->seconds, 1e3 * r->seconds,
           r->flops / r->seconds / 1e9, (double)r->arena_bytes / 1e6, (double)r->peak_bytes / 1e6);
    if (a->profile) {
        print_profile(r);
    }
}

/* A network by name, fresh: for inference merged, since that is what is deployed. */
static weld_status bench_named(const weld_model_config *config, const bench_arguments *a,
                               const weld_bench_options *o, weld_bench_result *out,
                               weld_error *err) {
    if (a->train) {
        return weld_bench_training(config, a->size, o, out, err);
    }
    weld_graph *graph = NULL, *merged = NULL;
    weld_weights *weights = NULL, *merged_weights = NULL;
    weld_status status =
        weld_model_build(config, false, 1, a->size, a->size, WELD_F32, &graph, err);
    status = status ? status : weld_graph_init_weights(graph, 0, &weights, err);
    if (!status && !a->unmerged) {
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

static weld_status bench_file(const char *path, bench_arguments *a, const weld_bench_options *o,
                              weld_bench_result *out, weld_error *err) {
    weld_model *m;
    weld_status status = cli_open_model(path, &a->model, &m, err);
    if (status) {
        return status;
    }
    weld_preprocessing p = *weld_model_get_preprocessing(m);
    a->size = a->size ? a->size : p.input_size;
    p.input_size = a->size;
    if (a->train) {
        status = weld_bench_training(weld_model_get_config(m), a->size, o, out, err);
    } else {
        status = weld_model_set_preprocessing(m, &p, err);
        status =
            status ? status
                   : weld_bench_inference(weld_model_graph(m), weld_model_weights(m), o, out, err);
    }
    weld_model_free(m);
    return status;
}

static int bench_network(const char *what, bench_arguments *a) {
    a->batch = a->batch ? a->batch : 1;
    weld_bench_options o = {.batch = a->batch,
                            .threads = a->threads,
                            .steps = a->steps,
                            .profile = a->profile,
                            .by_node = a->by_node,
                            .trace = a->trace,
                            .freeze = a->freeze,
                            .precision = a->precision,
                            .unfused = a->unfused};
    weld_bench_result result = {0};
    weld_model_config config;
    weld_error err;
    weld_status done;
    if (access(what, F_OK) != 0) {
        a->size = a->size ? a->size : 224;
        done = weld_model_config_named(what, &config, &err);
        done = done == WELD_OK ? bench_named(&config, a, &o, &result, &err) : done;
    } else {
        done = bench_file(what, a, &o, &result, &err);
    }
    if (done != WELD_OK) {
        return cli_fail(&err);
    }
    print_result(what, a, &result);
    weld_free(result.rows);
    return CLI_DONE;
}

int cli_bench(const cli_command *command, int argc, char **argv) {
    bench_arguments a = {.steps = 10};
    cli_texts set = {0};
    const cli_option options[] = {
        {"train", 0, CLI_FLAG, &a.train, NULL, "time training steps, not inference"},
        {"data", 0, CLI_FLAG, &a.data, NULL, "time the making of a RECIPE's training batches"},
        {"set", 0, CLI_TEXTS, &set, "KEY=VALUE", "of --data: override a key of the recipe"},
        {"freeze", 0, CLI_TEXT, &a.freeze, "PART", "of --train: frozen up to stem, stage1, ..."},
        {"unfused", 0, CLI_FLAG, &a.unfused, NULL, "operator by operator, to compare"},
        {"unmerged", 0, CLI_FLAG, &a.unmerged, NULL, "MODEL's inference before merging"},
        {"batch", 0, CLI_COUNT, &a.batch, "N", "images a run (1)"},
        {"size", 0, CLI_COUNT, &a.size, "N", "height and width (the file's, or 224)"},
        {"threads", 0, CLI_COUNT, &a.threads, "N", "threads (all)"},
        {"steps", 0, CLI_COUNT, &a.steps, "N", "timed runs, after two that are not (10)"},
        {"precision", 0, CLI_PRECISION, &a.precision, "P", "of activations: fp32 (default), bf16"},
        {"profile", 0, CLI_FLAG, &a.profile, NULL, "a table of the operators"},
        {"by-node", 0, CLI_FLAG, &a.by_node, NULL, "of --profile: a row a node"},
        {"trace", 0, CLI_TEXT, &a.trace, "FILE", "write what threads did in the last run (JSON)"},
        {"json", 0, CLI_FLAG, &a.json, NULL, "print one JSON object"},
        CLI_MODEL_OPTIONS(a.model),
    };
    int count, status;
    if (!cli_parse(command, argc, argv, options, sizeof options / sizeof *options, 1, 1, &count,
                   &status)) {
        weld_free(set.items);
        return status;
    }
    if (a.data) {
        status = a.batch || a.size || a.train
                     ? cli_usage(command, "--data times what the recipe says: use --set")
                     : cli_bench_data(argv[1], &set, a.threads, a.steps, a.json);
    } else if (set.count) {
        status = cli_usage(command, "--set changes a recipe: it goes with --data");
    } else {
        status = bench_network(argv[1], &a);
    }
    weld_free(set.items);
    return status;
}
