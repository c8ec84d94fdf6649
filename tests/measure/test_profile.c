/* Profiles and traces, of a small training step. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "fixture.h"
#include "files.h"
#include "suite.h"
#include "measure/bench.h"

enum { THREADS = 2, STEPS = 2 };

static weld_error err;

static weld_bench_result bench(bool profile, bool by_node, const char *trace) {
    weld_weights *fixture = fixture_load("adamw.fixture");
    weld_model_config config = fixture_config(fixture);
    weld_bench_options o = {.batch = 2,
                            .threads = THREADS,
                            .steps = STEPS,
                            .profile = profile,
                            .by_node = by_node,
                            .trace = trace};
    weld_bench_result result = {0};
    ck_assert_msg(!weld_bench_training(&config, 32, 32, &o, &result, &err), "%s", err.message);
    weld_weights_free(fixture);
    return result;
}

static const weld_profile_row *find(const weld_bench_result *r, const char *op) {
    for (size_t i = 0; i < r->row_count; i++) {
        if (strcmp(r->rows[i].op, op) == 0) {
            return &r->rows[i];
        }
    }
    ck_abort_msg("no row of %s", op);
}

START_TEST(a_profile_by_operator_adds_up_what_a_profile_by_node_tells) {
    weld_bench_result nodes = bench(true, true, NULL), ops = bench(true, false, NULL);
    const weld_profile_row *gathered = find(&ops, "conv2d");
    int count = 0;
    double flops = 0, bytes = 0, total = 0;
    for (size_t i = 0; i < nodes.row_count; i++) {
        const weld_profile_row *row = &nodes.rows[i];
        if (strcmp(row->op, "conv2d") == 0) {
            ck_assert_int_eq(row->nodes, 1);
            ck_assert_ptr_nonnull(strstr(row->name, "conv2d#"));
            count++;
            flops += row->flops;
            bytes += row->bytes;
        }
    }
    ck_assert_int_gt(count, 1);
    ck_assert_int_eq(gathered->nodes, count);
    ck_assert_str_eq(gathered->name, "");
    ck_assert_double_eq_tol(gathered->flops, flops, 1e-9 * flops);
    ck_assert_double_eq_tol(gathered->bytes, bytes, 1e-9 * bytes);
    for (size_t i = 0; i < ops.row_count; i++) {
        total += ops.rows[i].flops;
    }
    ck_assert_double_eq_tol(total, ops.flops, 1e-9 * ops.flops);
    ck_assert_int_eq(find(&ops, "adamw")->nodes, 1);
    ck_assert_str_eq(ops.rows[ops.row_count - 1].op, "(waiting)");
    weld_free(nodes.rows);
    weld_free(ops.rows);
}
END_TEST

START_TEST(a_row_is_measured_by_the_limits_of_the_machine) {
    weld_bench_result r = bench(true, false, NULL);
    ck_assert(r.limits.flops > 0 && r.limits.bandwidth > 0);
    for (size_t i = 0; i + 1 < r.row_count; i++) {
        ck_assert(r.rows[i].seconds >= 0);
        ck_assert(i == 0 || r.rows[i].seconds <= r.rows[i - 1].seconds);
        ck_assert(r.rows[i].limit >= (1 - 1e-9) * r.rows[i].bytes / r.limits.bandwidth);
    }
    weld_free(r.rows);
}
END_TEST

static double number(const json_t *event, const char *key) {
    const json_t *value = json_object_get(event, key);
    ck_assert_msg(json_is_number(value), "%s is no number", key);
    return json_number_value(value);
}

/* The stretches of one thread in order of time: none begins before the last one ended. */
static int by_start(const void *a, const void *b) {
    double x = number(*(json_t *const *)a, "ts"), y = number(*(json_t *const *)b, "ts");
    return (x > y) - (x < y);
}

static void check_thread(json_t **events, size_t count) {
    qsort(events, count, sizeof(json_t *), by_start);
    double end = 0;
    for (size_t i = 0; i < count; i++) {
        ck_assert(number(events[i], "ts") >= end - 1e-3);
        end = number(events[i], "ts") + number(events[i], "dur");
    }
}

START_TEST(a_trace_holds_what_each_thread_did_one_after_the_other) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "trace.json");
    bench(false, false, path);
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    test_folder_remove(folder);
    json_t *events = json_object_get(root, "traceEvents");
    size_t count = json_array_size(events), counts[THREADS] = {0}, updates = 0;
    ck_assert_uint_gt(count, 50);
    json_t **of_thread[THREADS];
    for (int t = 0; t < THREADS; t++) {
        of_thread[t] = calloc(count, sizeof *of_thread[t]);
    }
    for (size_t i = 0; i < count; i++) {
        json_t *event = json_array_get(events, i);
        ck_assert_str_eq(json_string_value(json_object_get(event, "ph")), "X");
        ck_assert(number(event, "dur") >= 0);
        int thread = (int)number(event, "tid");
        ck_assert(thread >= 0 && thread < THREADS);
        of_thread[thread][counts[thread]++] = event;
        const char *name = json_string_value(json_object_get(event, "name"));
        updates += thread == 0 && strcmp(name, "adamw") == 0;
    }
    ck_assert_uint_eq(updates, 1); /* of the last step alone */
    for (int t = 0; t < THREADS; t++) {
        ck_assert_uint_gt(counts[t], 0);
        check_thread(of_thread[t], counts[t]);
        free(of_thread[t]);
    }
    json_decref(root);
}
END_TEST

START_TEST(a_trace_that_cannot_be_written_is_an_error) {
    weld_weights *fixture = fixture_load("adamw.fixture");
    weld_model_config config = fixture_config(fixture);
    weld_bench_options o = {.batch = 2, .steps = 1, .trace = "/nowhere/trace.json"};
    weld_bench_result result;
    ck_assert_int_eq(weld_bench_training(&config, 32, 32, &o, &result, &err), WELD_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "/nowhere/trace.json"));
    weld_weights_free(fixture);
}
END_TEST

RUN_SUITE("measure/profile", a_profile_by_operator_adds_up_what_a_profile_by_node_tells,
          a_row_is_measured_by_the_limits_of_the_machine,
          a_trace_holds_what_each_thread_did_one_after_the_other,
          a_trace_that_cannot_be_written_is_an_error)
