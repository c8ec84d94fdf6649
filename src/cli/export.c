/* weld export: a model as a file for other programs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/data_options.h"
#include "cli/input_options.h"
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

typedef struct pixels {
    int height, width; /* 0: the model's */
} pixels;

/* "dynamic", "224" or "224x320". */
static bool parse_size(const char *text, pixels *size, bool *any) {
    const char *more = NULL;
    *any = strcmp(text, "dynamic") == 0;
    return *any || (cli_read_size(text, &size->height, &size->width, &more) && !more);
}

static weld_status set_size(weld_model *m, const pixels *size, weld_error *err) {
    weld_preprocessing p = *weld_model_get_preprocessing(m);
    if (!size->height) {
        return WELD_OK;
    }
    p.height = size->height;
    p.width = size->width;
    return weld_model_set_preprocessing(m, &p, err);
}

/* "4,8,16" */
static bool parse_strides(const char *text, int strides[WELD_MAX_STAGES], int *count) {
    for (*count = 0; *count < WELD_MAX_STAGES; text++) {
        char *end;
        const long stride = strtol(text, &end, 10);
        if (end == text || stride < 1 || stride > INT32_MAX || (*end && *end != ',')) {
            return false;
        }
        strides[(*count)++] = (int)stride;
        text = end;
        if (!*end) {
            return true;
        }
    }
    return false;
}

static bool is_onnx(const char *path) {
    const char *ending = strrchr(path, '.');
    return ending && strcmp(ending, ".onnx") == 0;
}

/* Images a run where nothing is said of them. */
static int64_t usual_batch(const weld_model *m, const weld_export_options *o) {
    return o->any_size || o->features ? 0 : weld_model_task(m)->file_batch;
}

static void print_onnx(const weld_export_options *o, const weld_model *m,
                       const weld_export_report *r) {
    const weld_preprocessing *p = weld_model_get_preprocessing(m);
    const int step = weld_family_of(weld_model_get_config(m))->size_step;
    char text[32];
    printf("%-24s %14d\n%-24s %14d\n", "opset", r->opset, "IR version", r->ir_version);
    snprintf(text, sizeof text, "%lld", (long long)o->batch);
    printf("%-24s %14s", "batch", o->batch ? text : "dynamic");
    if (!o->batch && usual_batch(m, o)) {
        printf(" (programs may take height and width for dynamic too: Ultralytics does)");
    }
    putchar('\n');
    snprintf(text, sizeof text, "%d x %d", p->height, p->width);
    printf("%-24s %14s", "height and width", o->any_size ? "dynamic" : text);
    if (o->any_size && step) {
        printf(", multiples of %d", step);
    }
    putchar('\n');
    printf("%-24s %14s\n", "outputs", r->output_shapes);
}

static void print_report(const char *path, const weld_export_options *o, const weld_naming *names,
                         const weld_model *m, const weld_export_report *r) {
    const bool onnx = is_onnx(path);
    printf("%s written\n", path);
    printf("%-24s %14s\n", "form", o->form == WELD_EXPORT_TRAINING ? "training" : "merged");
    if (onnx) {
        print_onnx(o, m, r);
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
        printf("%s", !onnx                     ? ""
                     : o->tensorrt             ? "codes around 0, simulated, "
                     : weld_model_is_merged(m) ? "the network "
                                               : "merging ");
        cli_print_comparison(&r->comparison);
    }
    if (o->tensorrt) {
        printf("noise of activations on noise %.1f dB below the %ss (%.1f dB as the file has it)\n",
               r->noise, weld_model_task(m)->output_word, r->noise_before);
    }
    if (onnx) {
        printf("the ONNX file itself was not run: compare its %ss with those of weld run\n",
               o->features ? "map" : weld_model_task(m)->output_word);
    }
}

/* Options as they were given. */
typedef struct asked {
    const char *out, *verify, *form, *batch, *size, *strides, *runtime;
    pixels input;
    int stride_list[WELD_MAX_STAGES];
    bool nms, raw, as_float;
    cli_keys settings;
} asked;

/* Ends the program where they are wrong usage. */
static void read_options(const cli_call *call, asked *a, weld_export_options *export) {
    const bool training = strcmp(a->form, "training") == 0;
    char known[128];
    weld_naming_list(known, sizeof known);
    if (!a->out) {
        cli_usage(call, "-o OUT.onnx or OUT.safetensors is missing");
    }
    if (!training && strcmp(a->form, "merged") != 0) {
        cli_usage(call, "--form wants merged or training, not '%s'", a->form);
    }
    if (export->names && !weld_naming_is_known(export->names)) {
        cli_usage(call, "--names wants %s, not '%s'", known, export->names);
    }
    if (a->batch && !parse_batch(a->batch, &export->batch)) {
        cli_usage(call, "--batch wants dynamic or a whole number from 1, not '%s'", a->batch);
    }
    if (a->size && !parse_size(a->size, &a->input, &export->any_size)) {
        cli_usage(call,
                  "--size wants dynamic or pixels from 1 to 4096, as 224 or 224x320, not '%s'",
                  a->size);
    }
    if (a->strides && !parse_strides(a->strides, a->stride_list, &export->stride_count)) {
        cli_usage(call, "--strides wants numbers with commas, as 8,16,32, not '%s'", a->strides);
    }
    export->tensorrt = a->runtime && strcmp(a->runtime, "tensorrt") == 0;
    if (a->runtime && !export->tensorrt && strcmp(a->runtime, "ort") != 0) {
        cli_usage(call, "--for wants ort or tensorrt, not '%s'", a->runtime);
    }
    if (a->nms && a->raw) {
        cli_usage(call, "--nms and --raw: one of them");
    }
    if (a->settings.count && !a->nms) {
        const char *set = a->settings.set[0];
        cli_usage(call, "--%.*s: is for --nms", (int)strcspn(set, "="), set);
    }
    export->outputs = a->nms ? "nms" : a->raw ? "raw" : NULL;
    export->settings = a->settings.set;
    export->setting_count = (int)a->settings.count;
    export->strides = a->stride_list;
    export->form = training ? WELD_EXPORT_TRAINING : WELD_EXPORT_MERGED;
}

weld_status cli_export(cli_call *call, weld_error *err) {
    asked a = {.form = "merged"};
    char known[128], names_help[160];
    weld_export_options export = {0};
    cli_model_options model = {0};
    weld_naming_list(known, sizeof known);
    snprintf(names_help, sizeof names_help, "tensors' names: %s (official)", known);
    const cli_option options[] = {
        {"output", 'o', CLI_OUTPUT, &a.out, "OUT",
         "the file; its ending, .onnx or .safetensors, tells"},
        {"form", 0, CLI_TEXT, &a.form, "FORM", "merged, or of a checkpoint training (merged)"},
        {"names", 0, CLI_TEXT, &export.names, "WHOSE", names_help},
        {"batch", 0, CLI_TEXT, &a.batch, "N",
         "ONNX: fixed batch, or dynamic (dynamic; a detector of one size: 1)"},
        {"size", 0, CLI_TEXT, &a.size, "N|HxW",
         "height and width of inputs (the model's); ONNX: or dynamic"},
        {"opset", 0, CLI_COUNT, &export.opset, "N",
         "ONNX: operator set (the lowest that suffices)"},
        {"for", 0, CLI_TEXT, &a.runtime, "WHOM",
         "ONNX of an int8 network: ort (and others: codes as they are), or tensorrt (ort)"},
        {"features", 0, CLI_FLAG, &export.features, NULL,
         "ONNX: the stages' maps instead, as stride4, ..."},
        {"nms", 0, CLI_FLAG, &a.nms, NULL,
         "ONNX of a detector: with suppression, boxes as predict tells them"},
        {"raw", 0, CLI_FLAG, &a.raw, NULL, "ONNX of a detector: the maps of its head"},
        {"", 0, CLI_FILE_KEYS, &a.settings, NULL, NULL},
        {"float", 0, CLI_FLAG, &a.as_float, NULL, "of an int8 file: what its integers stand for"},
        {"strides", 0, CLI_TEXT, &a.strides, "N,N", "of features: these alone (all)"},
        {"verify", 0, CLI_TEXT, &a.verify, "DIR",
         "compare on these images (else on noise); ONNX: before and after merging"},
        {"threads", 0, CLI_THREADS, &export.threads, "N", "threads (all)"},
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_PIXELS(model),
        CLI_MODEL_CROP(model),
        CLI_MODEL_CLASS_ORDER(model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    read_options(call, &a, &export);
    model.backbone = export.features;
    model.precision = a.as_float ? 1 + (int)WELD_PRECISION_FP32 : 0;
    weld_model *m;
    weld_export_report report;
    weld_model_data data = {0};
    WELD_TRY(cli_open_model(call->arguments[0], &model, &m, err));
    if (!a.batch && is_onnx(a.out)) {
        export.batch = usual_batch(m, &export);
    }
    weld_status status = cli_check_answer_keys(&a.settings, weld_model_task(m), true, err);
    status = status ? status : set_size(m, &a.input, err);
    cli_tell_preparing(call->arguments[0], m);
    status =
        status ? status
               : cli_open_data(&(cli_data_request){.call = call, .path = a.verify}, m, &data, err);
    status = status ? status : weld_model_export_on(m, &data, a.out, &export, &report, err);
    weld_model_data_close(&data);
    const weld_naming *names = weld_model_find_naming(weld_model_get_config(m), export.names, NULL);
    if (!status) {
        print_report(a.out, &export, names, m, &report);
    }
    weld_model_free(m);
    return status;
}
