/* weld quantize: make a network of 8-bit integers, compare, write the deploy file, report. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/locale.h"
#include "base/text.h"
#include "cli/data_options.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "formats/file.h"
#include "infer/quantize_data.h"
#include "measure/quiet.h"

enum { MOST_FLOAT = 64, MOST_TOLD = 5 };

typedef struct request {
    const char *out, *data, *evaluate, *max_drop, *float_layers, *report;
    int images, method, threads;
    cli_model_options model;
    weld_quiet quiet; /* while it ran */
    cli_progress progress;
    char names[1024]; /* of float_layers */
    const char *floats[MOST_FLOAT];
} request;

/* --- What is told ----------------------------------------------------------------------------- */

/* "10,000" */
static const char *grouped(int64_t n, char text[32]) {
    char plain[24];
    const int length = snprintf(plain, sizeof plain, "%lld", (long long)n);
    char *at = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = plain[i];
    }
    *at = '\0';
    return text;
}

/* "weights of 4 bits, activations of 8, as it was trained for" */
static void print_trained(const weld_quantize_report *r) {
    printf("weights of %d bits", r->trained_weights);
    if (r->trained_activations) {
        printf(", activations of %d", r->trained_activations);
    }
    printf(", as it was trained for");
    if (r->trained_activations && r->trained_activations < 8) {
        printf(" (activations here of 8, in the same ranges)");
    }
}

static void print_head(const char *path, const weld_quantize_report *r) {
    printf("%s written: int8, ", path);
    if (r->method != WELD_QUANTIZE_TRAINED) {
        printf("%s of %lld %s",
               r->method == WELD_QUANTIZE_MINMAX ? "all of the range" : "99.99 percentile",
               (long long)r->images, weld_plural(r->images, "image", "images"));
        printf(r->trained_weights ? ", " : "");
    }
    if (r->trained_weights) {
        print_trained(r);
    }
    if (r->equalised) {
        printf(", stream equalised");
    }
    if (r->equalised && isfinite(r->equalised_gain)) {
        printf(" (%+.1f dB)", r->equalised_gain);
    }
    puts(r->corrected ? ", biases corrected" : "");
}

/* Which images were for what. */
static void print_images(const request *q, const weld_quantize_report *r) {
    char line[2400] = "", number[32];
    weld_append(line, sizeof line, "%s on %s %s of %s",
                r->method == WELD_QUANTIZE_TRAINED ? "tried" : "calibrated",
                grouped(r->images, number), weld_plural(r->images, "image", "images"), q->data);
    if (r->chosen_by > 0 && strcmp(r->compared_on, "chosen_by") != 0) {
        weld_append(line, sizeof line, ", chosen by %s others", grouped(r->chosen_by, number));
    }
    grouped(r->evaluated, number);
    if (strcmp(r->compared_on, "evaluation") == 0) {
        weld_append(line, sizeof line, ", compared on %s of %s", number, q->evaluate);
    } else if (strcmp(r->compared_on, "calibrated") == 0) {
        weld_append(line, sizeof line, ", compared on %s: there %s no other",
                    r->images == 1 ? "itself" : "themselves", r->images == 1 ? "is" : "are");
    } else {
        weld_append(line, sizeof line, ", compared on %s %s", number,
                    weld_plural(r->evaluated, "other", "others"));
    }
    printf("%s\n%-24s%-14s%s\n", line, "", "float32", "int8");
}

static void print_row(const char *title, const char *before, const char *after, const char *rest) {
    printf("%-24s%-14s%-12s%s\n", title, before, after, rest);
}

static void print_scores(const weld_quantize_report *r) {
    char title[80], before[40], after[40], rest[120] = "", number[32];
    snprintf(title, sizeof title, "%s on %s", r->before.label, grouped(r->evaluated, number));
    snprintf(before, sizeof before, "%.*f%s", r->before.decimals, r->before.value, r->before.unit);
    snprintf(after, sizeof after, "%.*f%s", r->after.decimals, r->after.value, r->after.unit);
    weld_append(rest, sizeof rest, "drop %.2f", r->drop);
    if (r->lost >= 0) {
        weld_append(rest, sizeof rest, " +- %.2f; %lld lost, %lld gained", r->drop_error,
                    (long long)r->lost, (long long)r->gained);
    } else {
        weld_append(rest, sizeof rest, " points");
    }
    print_row(title, before, after, rest);
}

/* Why nothing stands behind the drop. */
static void print_errorless(const request *q, const weld_quantize_report *r) {
    if (r->labelled && isnan(r->drop_error)) {
        printf("%s is of all images together, so its drop has no +-: weld compare of both files on "
               "%s gives an interval\n",
               r->before.label, q->evaluate ? q->evaluate : q->data);
    }
}

static void print_same(const weld_quantize_report *r) {
    char title[64], share[40], rest[64] = "", number[32];
    snprintf(title, sizeof title, "same %s", r->answer_word);
    snprintf(share, sizeof share, "%.2f %%",
             100 * (double)r->same_answer / (double)(r->evaluated ? r->evaluated : 1));
    if (!r->labelled) {
        snprintf(rest, sizeof rest, "of %s without labels", grouped(r->evaluated, number));
    }
    print_row(title, "", share, rest);
}

static void print_sizes(const request *q, const weld_quantize_report *r) {
    char before[40], after[40];
    snprintf(before, sizeof before, "%.2f MB", (double)r->bytes_before / 1e6);
    snprintf(after, sizeof after, "%.2f MB", (double)r->bytes_after / 1e6);
    print_row("file", before, after, "");
    snprintf(before, sizeof before, "%.2f ms", r->milliseconds_before);
    snprintf(after, sizeof after, "%.2f ms", r->milliseconds_after);
    print_row("latency, one image", before, after,
              weld_quiet_judge(&q->quiet) == WELD_QUIET_NO
                  ? "the machine was not quiet: do not quote this, weld bench tells"
                  : "");
}

static void print_part(const weld_quantize_report *r, const weld_quantize_part *p) {
    const char *what = p->place == 0 ? "stem" : p->place == r->parts_in_all - 1 ? "head" : NULL;
    what = what && strcmp(what, p->name) != 0 ? what : NULL;
    printf(what ? "%s (%s)" : "%s%s", what ? what : "", p->name);
}

static void print_noise(const weld_quantize_report *r) {
    const char *on = strcmp(r->compared_on, "calibrated") != 0 ? ""
                     : r->images == 1 ? ", on the image that was calibrated on"
                                      : ", on the images that were calibrated on";
    printf("noise %.1f dB below the %ss%s. Of it:", r->sqnr, r->output_word, on);
    for (int i = 0; i < r->part_count && i < MOST_TOLD && !r->parts[i].is_float; i++) {
        printf("  %.0f %% ", 100 * r->parts[i].share);
        print_part(r, &r->parts[i]);
    }
    puts(r->parts_in_all > MOST_TOLD ? "  ..." : "");
}

static void print_float(const weld_quantize_report *r) {
    if (r->float_parts > 0) {
        printf("%d of %d parts %s float: %s\n", r->float_parts, r->parts_in_all,
               weld_plural(r->float_parts, "is", "are"), r->float_names);
    }
}

static void print_report(const request *q, const weld_quantize_report *r) {
    print_head(q->out, r);
    print_images(q, r);
    if (r->labelled) {
        print_scores(r);
    }
    if (r->same_answer >= 0) {
        print_same(r);
    }
    print_sizes(q, r);
    print_errorless(q, r);
    print_noise(r);
    print_float(r);
    if (r->trained_weights) {
        puts("float32 is this network without the rounding that it was trained for: what integers "
             "cost tells the network that its training began with");
    }
}

/* --- What is asked for ------------------------------------------------------------------------ */

static double read_drop(const cli_call *call, const char *text) {
    char *end;
    const double drop = weld_strtod(text, &end);
    if (end == text || *end || !(drop >= 0 && drop <= 100)) {
        cli_usage(call, "--max-drop wants points from 0 to 100, not '%s'", text);
    }
    return drop;
}

static void check_ending(const cli_call *call, const char *path) {
    static const char *const foreign[] = {".onnx", ".safetensors", ".pth", ".pt", ".ckpt",
                                          ".bin",  ".tflite",      ".xml", ".npz"};
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending && i < sizeof foreign / sizeof *foreign; i++) {
        if (strcmp(ending, foreign[i]) == 0) {
            cli_usage(call, "-o %s: it would be no %s file: write an .h5, then weld export", path,
                      foreign[i]);
        }
    }
}

/* Names with commas between them. */
static size_t part_names(const cli_call *call, request *r) {
    size_t count = 0;
    if (strlen(r->float_layers) >= sizeof r->names) {
        cli_usage(call, "--float: too long");
    }
    strcpy(r->names, r->float_layers);
    for (char *at = r->names; *at || !count; count++) {
        char *end = at + strcspn(at, ",");
        if (end == at || count == MOST_FLOAT) {
            cli_usage(call, "--float wants names of layers with commas between them, %d at most",
                      (int)MOST_FLOAT);
        }
        r->floats[count] = at;
        at = end + (*end == ',');
        *end = '\0';
    }
    return count;
}

/* Images that are passed over are told as everywhere. */
static void say(void *context, const char *text) {
    cli_progress_end(&((request *)context)->progress);
    if (strncmp(text, "skipped: ", 9) == 0) {
        cli_message(NULL, text);
    } else {
        cli_say("note: %s", text);
    }
}

/* "quantize: comparing 3008/10000" */
static void show(void *context, const char *stage, int64_t done, int64_t total) {
    char line[120];
    snprintf(line, sizeof line, "quantize: %s %lld/%lld", stage, (long long)done, (long long)total);
    cli_progress_line(&((request *)context)->progress, line);
}

static weld_quantize_options options_of(const cli_call *call, request *r) {
    weld_quantize_options o = weld_quantize_defaults();
    o.images = r->images ? r->images : o.images;
    o.evaluate = r->evaluate;
    o.max_drop = r->max_drop ? read_drop(call, r->max_drop) : o.max_drop;
    o.method = r->method > 0 ? (weld_quantize_method)(r->method - 1) : o.method;
    o.float_count = r->float_layers ? part_names(call, r) : 0;
    o.float_layers = r->floats;
    o.threads = r->threads;
    o.message = say;
    o.progress = show;
    o.context = r;
    return o;
}

/* --- All of it -------------------------------------------------------------------------------- */

static weld_status open_data(const cli_call *call, const request *r, const weld_model *m,
                             const weld_quantize_options *o, weld_quantize_data *d,
                             weld_error *err) {
    const cli_data_request evaluation = {.call = call, .path = r->evaluate, .threads = r->threads};
    WELD_TRY(cli_open_data(&evaluation, m, &d->evaluation, err));
    WELD_TRY(weld_quantize_data_open(m, r->data, o, d, err));
    cli_tell_data(d->ds, weld_model_get_preprocessing(m)->scale16);
    if (d->parted && d->evaluation.ds && *d->evaluation.adopted.text) {
        cli_say("note: %s", d->evaluation.adopted.text);
    }
    return cli_spare_data(call, d->ds, err);
}

static weld_status quantize(const cli_call *call, request *r, const weld_model *m,
                            weld_error *err) {
    const weld_quantize_options options = options_of(call, r);
    weld_quantize_data data = {.ds = NULL};
    weld_quantize_report report = {.json = NULL};
    weld_status status = open_data(call, r, m, &options, &data, err);
    const weld_quiet_moment begin = weld_quiet_now("");
    status = status ? status : weld_model_quantize_on(m, &data, &options, r->out, &report, err);
    const weld_quiet_moment end = weld_quiet_now("");
    cli_progress_end(&r->progress);
    weld_quantize_data_close(&data);
    if (!status) {
        r->quiet =
            weld_quiet_between(&begin, &end, (double[]){1e-3 * report.milliseconds_after}, 1);
        print_report(r, &report);
        status =
            r->report ? weld_file_write(r->report, report.json, strlen(report.json), err) : WELD_OK;
    }
    weld_quantize_report_free(&report);
    return status;
}

weld_status cli_quantize(cli_call *call, weld_error *err) {
    request r = {.progress = {.shown = weld_clock()}}; /* what takes no longer says nothing */
    const cli_option options[] = {
        {"output", 'o', CLI_OUTPUT_NEEDED, &r.out, "OUT.h5", "the deploy file of integers"},
        {"data", 0, CLI_NEEDED, &r.data, "DIR",
         "images to calibrate on, with labels or without; half stay to be compared on without "
         "--eval"},
        {"eval", 0, CLI_TEXT, &r.evaluate, "DIR",
         "images to compare on (those of --data that are left)"},
        {"images", 0, CLI_COUNT, &r.images, "N",
         "to calibrate on, at most (256); a quarter as many more choose the best way"},
        {"max-drop", 0, CLI_TEXT, &r.max_drop, "P",
         "points that may be lost (of AP 100 x AP): parts become float until no more are, at most "
         "half of them (any)"},
        {"method", 0, CLI_CHOICE, &r.method, "auto|minmax|percentile|trained",
         "range of an activation: all, or but the outermost 0.01 %, or what the network was "
         "trained for (the last if there is one, else the better)"},
        {"float", 0, CLI_TEXT, &r.float_layers, "NAME,...",
         "layers, or modules of them, that stay float (also stem, head)"},
        {"report", 0, CLI_OUTPUT, &r.report, "FILE.json", "write what came of it, by layer"},
        {"threads", 0, CLI_THREADS, &r.threads, "N", "threads (all)"},
        CLI_MODEL_OPTIONS(r.model),
        CLI_MODEL_PIXELS(r.model),
        CLI_MODEL_CROP(r.model),
        CLI_MODEL_CLASS_ORDER(r.model),
        CLI_MODEL_SIZE(r.model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    check_ending(call, r.out);
    WELD_TRY(weld_replacement_try(r.out, err));
    WELD_TRY(r.report ? weld_replacement_try(r.report, err) : WELD_OK);
    weld_model *m;
    WELD_TRY(cli_open_model(call->arguments[0], &r.model, &m, err));
    weld_status status =
        weld_model_is_int8(m)
            ? weld_fail(err, WELD_ERROR_ARGUMENT,
                        "%s is int8 already: quantise the file that it was made of",
                        call->arguments[0])
            : WELD_OK;
    if (!status) {
        cli_tell_preparing(call->arguments[0], m);
        status = quantize(call, &r, m, err);
    }
    weld_model_free(m);
    return status;
}
