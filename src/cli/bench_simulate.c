/* What a simulation of more threads came to; see bench_simulate.h. */
#include "cli/bench_simulate.h"

#include <stdio.h>

#include "base/threads.h"
#include "cli/input_options.h"

enum { ROWS_SHOWN = 8 };

int cli_read_thread_counts(const char *text, int threads[CLI_SIMULATED_MAX]) {
    int count = 1;
    threads[0] = 1;
    while (text) {
        double number;
        if (!cli_read_number(text, 1, WELD_THREADS_MAX, &number, &text) ||
            number != (double)(int)number || count == CLI_SIMULATED_MAX) {
            return 0;
        }
        threads[count] = (int)number;
        count += number > 1;
    }
    return count;
}

/* Seconds of all threads in which they wait. */
static double waiting(const weld_bench_result *r) {
    return r->threads * r->seconds - r->simulated.work;
}

static double waiting_row(const weld_bench_result *r, const weld_simulated_row *row) {
    const double all = waiting(r);
    return all > 0 ? (r->threads * row->seconds - row->work) / all : 0;
}

void cli_print_simulated(const weld_bench_result *results, int count, int batch) {
    puts("simulated from the times of single pieces of work on one thread, without the bandwidth "
         "of memory, caches and clock rates\nthat threads share, and what handing work out costs: "
         "an upper bound of what so many cores reach");
    printf("%8s %10s %9s %9s %10s %9s\n", "threads", "images/s", "speed-up", "of ideal", "alone ms",
           "arena MB");
    for (int i = 0; i < count; i++) {
        const weld_bench_result *r = &results[i];
        const double speed_up = results[0].seconds / r->seconds;
        printf("%8d %10.1f %9.2f %8.0f%% %10.2f %9.0f\n", r->threads, batch / r->seconds, speed_up,
               100 * speed_up / r->threads, 1e3 * r->simulated.alone, (double)r->arena_bytes / 1e6);
    }
    const weld_bench_result *last = &results[count - 1];
    if (last->threads == 1) {
        return;
    }
    printf("what keeps %d threads waiting\n", last->threads);
    printf("%-32s %6s %12s %9s %11s %9s %9s\n", "operator", "steps", "least pieces", "ms on 1",
           "ms on all", "alone ms", "share");
    for (size_t i = 0; i < last->simulated.row_count && i < ROWS_SHOWN; i++) {
        const weld_simulated_row *row = &last->simulated.rows[i];
        printf("%-24s%-8s %6d %12lld %9.2f %11.3f %9.3f %8.1f%%\n", row->op,
               row->stream ? " stream" : "", row->steps, (long long)row->items, 1e3 * row->work,
               1e3 * row->seconds, 1e3 * row->alone, 100 * waiting_row(last, row));
    }
}

static json_t *rows_json(const weld_bench_result *r) {
    json_t *rows = json_array();
    for (size_t i = 0; i < r->simulated.row_count; i++) {
        const weld_simulated_row *row = &r->simulated.rows[i];
        json_array_append_new(
            rows,
            json_pack("{s:s, s:b, s:i, s:I, s:f, s:f, s:f, s:f}", "op", row->op, "stream",
                      row->stream, "steps", row->steps, "least_pieces", (json_int_t)row->items,
                      "work_milliseconds", 1e3 * row->work, "alone_milliseconds", 1e3 * row->alone,
                      "milliseconds", 1e3 * row->seconds, "waiting_share", waiting_row(r, row)));
    }
    return rows;
}

json_t *cli_simulated_json(const weld_bench_result *results, int count, int batch) {
    json_t *array = json_array();
    for (int i = 0; i < count; i++) {
        const weld_bench_result *r = &results[i];
        json_array_append_new(
            array,
            json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:I, s:o}", "threads", r->threads,
                      "images_per_second", batch / r->seconds, "milliseconds", 1e3 * r->seconds,
                      "speed_up", results[0].seconds / r->seconds, "work_milliseconds",
                      1e3 * r->simulated.work, "alone_milliseconds", 1e3 * r->simulated.alone,
                      "arena_bytes", (json_int_t)r->arena_bytes, "operators", rows_json(r)));
    }
    return array;
}
