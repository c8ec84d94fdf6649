/* weld predict: what a network says about images: for classification classes with probabilities. */
#include <jansson.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/input_options.h"
#include "cli/model_options.h"
#include "infer/image_runner.h"
#include "infer/model.h"

/* What `key` is of an image: its predictions or its error. */
static void append_json(json_t *all, const char *image, const char *key, json_t *value) {
    /* A file name need not be UTF-8, which JSON must be. */
    json_t *name = json_string(image);
    json_array_append_new(all, json_pack("{s:o, s:o}", "image",
                                         name ? name : json_string("(name is not UTF-8)"), key,
                                         value ? value : json_string("(not UTF-8)")));
}

static weld_status predict(const weld_model *m, weld_image_runner *runner, const char *image,
                           int top, json_t *all, weld_error *err) {
    const weld_tensor *outputs;
    const weld_task *task = weld_model_task(m);
    const weld_labels labels = weld_model_labels(m);
    weld_text text = WELD_TEXT;
    json_t *predictions = NULL;
    WELD_TRY(weld_image_runner_run_file(runner, image, &outputs, err));
    weld_status status = task->answer(outputs, &labels, top, &text, all ? &predictions : NULL, err);
    if (!status && all) {
        append_json(all, image, "predictions", predictions);
    } else if (!status) {
        printf("%s\n%s", image, weld_text_get(&text));
    }
    weld_text_free(&text);
    return status;
}

/* A failure that says nothing about the next image. */
static bool is_of_image(weld_status status) {
    return status == WELD_ERROR_IO || status == WELD_ERROR_FORMAT || status == WELD_ERROR_NOT_FOUND;
}

/* An image that cannot be read is said and counted, and the others come all the same. */
static weld_status predict_images(const weld_model *m, char **images, int count, int top,
                                  json_t *json, int *failed, weld_error *err) {
    weld_image_runner *runner = NULL;
    weld_status status = weld_image_runner_create(m, 0, &runner, err);
    int bad = 0;
    for (int i = 0; i < count && !status; i++) {
        status = predict(m, runner, images[i], top, json, err);
        if (is_of_image(status)) {
            fprintf(stderr, "weld: %s\n", err->message);
            if (json) {
                append_json(json, images[i], "error", json_string(err->message));
            }
            status = WELD_OK;
            bad++;
        }
    }
    weld_image_runner_free(runner);
    *failed = bad;
    return status;
}

weld_status cli_predict(cli_call *call, weld_error *err) {
    int top = 5;
    bool json = false;
    cli_model_options model = {0};
    cli_input_options input = {0};
    cli_inputs inputs;
    const cli_option options[] = {
        {"top", 'k', CLI_COUNT, &top, "K", "how many classes an image (5)"},
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON array"},
        CLI_INPUT_OPTIONS(input, ""),
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_PIXELS(model),
        CLI_MODEL_PRECISION(model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    cli_inputs_read(call, &input, 1, &inputs);
    int failed = 0;
    weld_model *m;
    WELD_TRY(cli_open_model(call->arguments[0], &model, &m, err));
    cli_tell_preparing(call->arguments[0], m);
    weld_preprocessing own = *weld_model_get_preprocessing(m);
    json_t *array = json ? json_array() : NULL;
    weld_status status = cli_set_input(m, &own, &inputs.items[0], err);
    status =
        status ? status
               : predict_images(m, call->arguments + 1, call->count - 1, top, array, &failed, err);
    if (array && !status) {
        json_dumpf(array, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(7));
        putchar('\n');
    }
    json_decref(array);
    weld_model_free(m);
    if (!status && failed) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%d of %d images could not be read", failed,
                           call->count - 1);
        if (call->count == 2) {
            err->message[0] = '\0'; /* all is said */
        }
    }
    return status;
}
