/* weld export: a model as a file for other programs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/data_options.h"
#include "cli/model_options.h"
#include "models/models.h"

/* "dynamic" or a number from 1. */
static bool parse_batch(const char *text, int64_t *batch) {
    char *end;
    *batch = 0;
    if (strcmp(text, "dynamic") == 0) {
        return true;
    }
    *batch = strtol(text, &end, 10);
    return end != text && *end == '\0' && *batch > 0 && *batch <= INT32_MAX;
}

static void print_report(const char *path, const weld_export_options *o, const weld_naming *names,
                         const weld_task *task, const weld_export_report *r) {
    bool onnx = strcmp(strrchr(path, '.'), ".onnx") == 0;
    printf("%s written\n", path);
    printf("%-24s %14s\n", "form", o->form == WELD_EXPORT_TRAINING ? "training" : "merged");
    if (onnx && o->batch) {
        printf("%-24s %14lld\n", "batch", (long long)o->batch);
    } else if (onnx) {
        printf("%-24s %14s\n", "batch", "dynamic");
    } else {
        printf("%-24s %14s%s\n", "names", names->name,
               names->bgr ? ", for BGR images: the first convolution is turned" : "");
    }
    printf("%-24s %14lld\n", "tensors", (long long)r->counts.tensors);
    printf("%-24s %14lld\n", "parameters", (long long)r->counts.parameters);
    printf("%-24s %14.2f\n", "file [MB]", (double)r->bytes / 1e6);
    if (r->comparison.labelled) {
        const weld_score *before = &r->comparison.before, *after = &r->comparison.after;
        char title[CLI_TITLE_SIZE];
        printf("%-24s %14.*f (%.*f before)\n", cli_score_title(after, title), after->decimals,
               after->value, before->decimals, before->value);
    }
    if (r->comparison.images) {
        cli_print_comparison(&r->comparison);
    }
    if (onnx) {
        printf("an ONNX file is not read again: compare its %ss with those of weld run\n",
               task->output_word);
    }
}

weld_status cli_export(cli_call *call, weld_error *err) {
    const char *out = NULL, *verify = NULL, *form = "merged", *batch = "dynamic";
    char known[128], names_help[160];
    weld_export_options export = {0};
    cli_model_options model = {0};
    weld_naming_list(known, sizeof known);
    snprintf(names_help, sizeof names_help, "tensors' names: %s (official)", known);
    const cli_option options[] = {
        {"output", 'o', CLI_TEXT, &out, "OUT",
         "the file; its ending, .onnx or .safetensors, tells"},
        {"form", 0, CLI_TEXT, &form, "FORM", "merged, or of a checkpoint training (merged)"},
        {"names", 0, CLI_TEXT, &export.names, "WHOSE", names_help},
        {"batch", 0, CLI_TEXT, &batch, "N", "ONNX: fixed batch, or dynamic (dynamic)"},
        {"verify", 0, CLI_TEXT, &verify, "DIR", "compare on these images (else on noise)"},
        {"threads", 0, CLI_COUNT, &export.threads, "N", "threads (all)"},
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_PIXELS(model),
        CLI_MODEL_CROP(model),
        CLI_MODEL_CLASS_ORDER(model),
        CLI_MODEL_SIZE(model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    const bool training = strcmp(form, "training") == 0;
    if (!out) {
        cli_usage(call, "-o OUT.onnx or OUT.safetensors is missing");
    }
    if (!training && strcmp(form, "merged") != 0) {
        cli_usage(call, "--form wants merged or training, not '%s'", form);
    }
    if (export.names && !weld_naming_is_known(export.names)) {
        cli_usage(call, "--names wants %s, not '%s'", known, export.names);
    }
    if (!parse_batch(batch, &export.batch)) {
        cli_usage(call, "--batch wants dynamic or a whole number from 1, not '%s'", batch);
    }
    export.form = training ? WELD_EXPORT_TRAINING : WELD_EXPORT_MERGED;
    weld_model *m;
    weld_export_report report;
    weld_model_data data;
    WELD_TRY(cli_open_model(call->arguments[0], &model, &m, err));
    cli_tell_preparing(call->arguments[0], m);
    weld_status status = cli_open_data(&(cli_data_request){.path = verify}, m, &data, err);
    status = status ? status : weld_model_export_on(m, &data, out, &export, &report, err);
    weld_model_data_close(&data);
    const weld_naming *names = weld_model_find_naming(weld_model_get_config(m), export.names, NULL);
    const weld_task *task = weld_model_task(m);
    weld_model_free(m);
    if (!status) {
        print_report(out, &export, names, task, &report);
    }
    return status;
}
