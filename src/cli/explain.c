/* weld explain: where in an image a decision came from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/input_options.h"
#include "cli/model_options.h"
#include "formats/file.h"
#include "images/encode_png.h"
#include "infer/explain.h"
#include "infer/model.h"

/* A class by its name, or else by its number; NULL: the likeliest, -1. */
static weld_status find_class(const weld_model *m, const char *text, int *out, weld_error *err) {
    const int count = weld_model_get_config(m)->num_classes;
    char *end;
    *out = -1;
    for (int i = 0; text && i < count; i++) {
        const char *name = weld_model_class_name(m, i);
        if (name && strcmp(name, text) == 0) {
            *out = i;
            return WELD_OK;
        }
    }
    const long number = text ? strtol(text, &end, 10) : -1;
    if (text && (!*text || *end || number < 0 || number >= count)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "--class %.80s: the network has no such class: give a name of its %d, or "
                         "a number from 0",
                         text, count);
    }
    *out = (int)number;
    return WELD_OK;
}

static weld_status write_picture(const weld_explanation *e, const char *path, weld_error *err) {
    weld_bytes png = {0};
    weld_status status = weld_encode_png(&e->picture, &png, err);
    status = status ? status : weld_file_write(path, png.data, png.size, err);
    weld_bytes_free(&png);
    return status;
}

static void print(const weld_model *m, const weld_explanation *e, const char *out) {
    const char *name = weld_model_class_name(m, e->class_index);
    float largest = 0;
    int at = 0;
    for (int i = 0; i < e->height * e->width; i++) {
        at = e->map[i] > largest ? i : at;
        largest = e->map[i] > largest ? e->map[i] : largest;
    }
    printf("%s written: class %d%s%s, %.2f %%; ", out, e->class_index, name ? ", " : "",
           name ? name : "", 100 * e->probability);
    if (largest > 0) {
        printf("most of it at %.0f %% from the left and %.0f %% from the top (a map of %d x %d)\n",
               100 * (at % e->width + 0.5) / e->width, 100 * (at / e->width + 0.5) / e->height,
               e->width, e->height);
    } else {
        puts("no place in the image speaks for it");
    }
}

static weld_status explain(const weld_model *m, const char *image, const char *class_text,
                           const char *out, int threads, weld_error *err) {
    weld_explanation e;
    int class_index;
    WELD_TRY(find_class(m, class_text, &class_index, err));
    WELD_TRY(weld_explain(m, image, class_index, threads, &e, err));
    weld_status status = write_picture(&e, out, err);
    if (!status) {
        print(m, &e, out);
    }
    weld_explanation_free(&e);
    return status;
}

weld_status cli_explain(cli_call *call, weld_error *err) {
    const char *out = NULL, *class_text = NULL;
    int threads = 0;
    cli_model_options model = {0};
    cli_input_options input = {0};
    cli_inputs inputs;
    const cli_option options[] = {
        {"output", 'o', CLI_OUTPUT_NEEDED, &out, "OUT.png",
         "the image as the network sees it, and where the decision came from"},
        {"class", 0, CLI_TEXT, &class_text, "NAME", "explain this class, not the likeliest"},
        {"threads", 0, CLI_THREADS, &threads, "N", "threads (all)"},
        CLI_INPUT_OPTIONS(input, ""),
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_PIXELS(model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    cli_inputs_read(call, &input, 1, &inputs);
    weld_model *m;
    WELD_TRY(cli_open_model(call->arguments[0], &model, &m, err));
    cli_tell_preparing(call->arguments[0], m);
    weld_preprocessing own = *weld_model_get_preprocessing(m);
    weld_status status = cli_set_input(m, &own, &inputs.items[0], err);
    status = status ? status : explain(m, call->arguments[1], class_text, out, threads, err);
    weld_model_free(m);
    return status;
}
