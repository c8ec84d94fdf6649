/* weld predict: what a network says about images: for classification classes with probabilities. */
#include <jansson.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/input_options.h"
#include "cli/model_options.h"
#include "infer/image_runner.h"
#include "infer/model.h"

static void append_json(json_t *all, const char *image, json_t *predictions) {
    /* A file name need not be UTF-8, which JSON must be. */
    json_t *name = json_string(image);
    json_array_append_new(all, json_pack("{s:o, s:o}", "image",
                                         name ? name : json_string("(name is not UTF-8)"),
                                         "predictions", predictions));
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
        append_json(all, image, predictions);
    } else if (!status) {
        printf("%s\n%s", image, weld_text_get(&text));
    }
    weld_text_free(&text);
    return status;
}

static int predict_images(const weld_model *m, char **images, int count, int top, json_t *json) {
    weld_error err;
    weld_image_runner *runner = NULL;
    weld_status status = weld_image_runner_create(m, 0, &runner, &err);
    for (int i = 0; i < count && !status; i++) {
        status = predict(m, runner, images[i], top, json, &err);
    }
    weld_image_runner_free(runner);
    return status ? cli_fail(&err) : CLI_DONE;
}

int cli_predict(const cli_command *command, int argc, char **argv) {
    int top = 5, count, status;
    bool json = false;
    cli_model_options model = {0};
    cli_input_options input = {0};
    cli_inputs inputs;
    const cli_option options[] = {
        {"top", 'k', CLI_COUNT, &top, "K", "how many classes an image (5)"},
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON array"},
        CLI_INPUT_OPTIONS(input, ""),
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_PRECISION(model),
    };
    if (!cli_parse(command, argc, argv, options, sizeof options / sizeof *options, 2, -1, &count,
                   &status)) {
        return status;
    }
    if (!cli_inputs_read(command, &input, 1, &inputs, &status)) {
        return status;
    }
    weld_error err;
    weld_model *m;
    if (cli_open_model(argv[1], &model, &m, &err) != WELD_OK) {
        return cli_fail(&err);
    }
    weld_preprocessing own = *weld_model_get_preprocessing(m);
    if (cli_set_input(m, &own, &inputs.items[0], &err) != WELD_OK) {
        weld_model_free(m);
        return cli_fail(&err);
    }
    json_t *array = json ? json_array() : NULL;
    status = predict_images(m, argv + 2, count - 1, top, array);
    if (array && status == CLI_DONE) {
        json_dumpf(array, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(7));
        putchar('\n');
    }
    json_decref(array);
    weld_model_free(m);
    return status;
}
