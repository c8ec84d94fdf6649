/* weld report: one HTML page about one or several training runs, and a row a run. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"
#include "formats/file.h"
#include "report/report.h"

enum { CELL_SIZE = 64 };

/* --- Cells: "-" where nothing is known --- */

static double number_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text_at(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

static const char *number_cell(char cell[CELL_SIZE], double value, int decimals) {
    if (isfinite(value)) {
        snprintf(cell, CELL_SIZE, "%.*f", decimals, value);
    } else {
        strcpy(cell, "-");
    }
    return cell;
}

/* "top-1 92.20 %, epoch 3" */
static const char *best_cell(char cell[CELL_SIZE], const json_t *run) {
    const json_t *score = json_array_get(json_object_get(run, "scores"), 0);
    const json_t *best = json_object_get(run, "best");
    const double value = number_at(best, text_at(score, "key"));
    if (!isfinite(value)) {
        return strcpy(cell, "-");
    }
    snprintf(cell, CELL_SIZE, "%s %.*f%s, epoch %.0f", text_at(score, "label"),
             (int)number_at(score, "decimals"), value, text_at(score, "unit"),
             number_at(best, "epoch"));
    return cell;
}

/* --- The table --- */

static int name_width(const json_t *runs, const char *key) {
    size_t most = strlen(key);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const size_t length = strlen(text_at(json_array_get(runs, i), key));
        most = length > most ? length : most;
    }
    return most < 40 ? (int)most : 40;
}

static void print_row(const json_t *run, int names, int models) {
    const json_t *merged = json_object_get(run, "merged"),
                 *latency = json_object_get(run, "latency");
    char parameters[CELL_SIZE], parameters_merged[CELL_SIZE], macs[CELL_SIZE],
        macs_merged[CELL_SIZE], best[CELL_SIZE], loss[CELL_SIZE], time[CELL_SIZE];
    printf("%-*s  %-*s  %10s %10s  %8s %8s  %-24s %8s", names, text_at(run, "name"), models,
           text_at(run, "model"), number_cell(parameters, number_at(run, "parameters"), 0),
           number_cell(parameters_merged, number_at(merged, "parameters"), 0),
           number_cell(macs, number_at(run, "macs") / 1e6, 1),
           number_cell(macs_merged, number_at(merged, "macs") / 1e6, 1), best_cell(best, run),
           number_cell(loss, number_at(json_object_get(run, "final"), "train_loss"), 4));
    if (latency) {
        printf(" %8s%s", number_cell(time, number_at(latency, "milliseconds"), 2),
               json_is_false(json_object_get(latency, "quiet")) ? " not quiet" : "");
    }
    putchar('\n');
}

static void print_table(const json_t *report, bool latency) {
    const json_t *runs = json_object_get(report, "runs");
    const int names = name_width(runs, "name"), models = name_width(runs, "model");
    printf("%-*s  %-*s  %10s %10s  %8s %8s  %-24s %8s%s\n", names, "run", models, "network",
           "parameters", "merged", "MACs [M]", "merged", "best", "loss",
           latency ? "  ms/image" : "");
    for (size_t i = 0; i < json_array_size(runs); i++) {
        print_row(json_array_get(runs, i), names, models);
    }
}

/* How latency was measured, and what it is of. */
static void print_latency_notes(const json_t *report) {
    const json_t *runs = json_object_get(report, "runs"), *busy = NULL;
    const char *cpu = text_at(report, "cpu");
    double threads = NAN;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i), *latency = json_object_get(run, "latency");
        threads = latency ? number_at(latency, "threads") : threads;
        busy = !busy && json_is_false(json_object_get(latency, "quiet")) ? run : busy;
    }
    if (isfinite(threads)) {
        printf("ms/image: of one image of the run's size, merged, fp32, threads %.0f%s%s\n",
               threads, *cpu ? ", " : "", cpu);
    }
    if (busy) {
        printf("%s was %s\n", text_at(busy, "name"),
               text_at(json_object_get(busy, "latency"), "told"));
    }
}

/* What a run's folder lacks, or has damaged, stands in the page and is said here too. */
static void tell_notes(const json_t *report) {
    const json_t *runs = json_object_get(report, "runs");
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i), *notes = json_object_get(run, "notes");
        for (size_t k = 0; k < json_array_size(notes); k++) {
            fprintf(stderr, "note: %s: %s\n", text_at(run, "name"),
                    json_string_value(json_array_get(notes, k)));
        }
    }
}

/* Files of runs and of their data are many; a page that is written over is one of ours, or of
 * another program's. */
static weld_status check_page(const char *path, weld_error *err) {
    static const char begin[] = "<!DOCTYPE html>";
    char text[sizeof begin - 1];
    int descriptor;
    uint64_t size;
    if (weld_file_open(path, &descriptor, &size, NULL)) {
        return WELD_OK; /* there is none, or writing says what is wrong */
    }
    const bool is_page =
        size == 0 ||
        (size >= sizeof text && !weld_file_read_at(descriptor, path, text, sizeof text, 0, NULL) &&
         memcmp(text, begin, sizeof text) == 0);
    close(descriptor);
    return is_page ? WELD_OK
                   : weld_fail(err, WELD_ERROR_ARGUMENT,
                               "%s: is there and is no page, and would be lost: choose another "
                               "name (-o)",
                               path);
}

weld_status cli_report(cli_call *call, weld_error *err) {
    const char *out = "report.html";
    weld_report_options o = {0};
    const cli_option options[] = {
        {"output", 'o', CLI_OUTPUT, &out, "FILE", "the page to write (report.html)"},
        {"latency", 0, CLI_FLAG, &o.latency, NULL,
         "time the runs' merged networks on this machine"},
        {"threads", 0, CLI_THREADS, &o.threads, "N", "of --latency: threads (all)"},
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    if (o.threads && !o.latency) {
        cli_usage(call, "--threads goes with --latency");
    }
    const char *const *runs = (const char *const *)call->arguments;
    json_t *report;
    WELD_TRY(check_page(out, err));
    WELD_TRY(weld_report_collect(runs, (size_t)call->count, &o, &report, err));
    const weld_status status = weld_report_write_page(report, out, err);
    if (!status) {
        tell_notes(report);
        printf("%s: report of %d run%s\n", out, call->count, call->count == 1 ? "" : "s");
        print_table(report, o.latency);
        print_latency_notes(report);
    }
    json_decref(report);
    return status;
}
