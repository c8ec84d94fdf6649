/* weld eval: how well a model does on a data set, at one input size or several. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/data_options.h"
#include "cli/eval.h"
#include "cli/input_options.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "infer/evaluate.h"
#include "infer/model.h"
#include "infer/results_file.h"
#include "infer/temperature.h"
#include "models/models.h"

typedef struct request {
    const cli_call *call;
    const char *data, *results, *written, *fitted;
    int batch, threads;
    bool json, split;
    cli_eval_details details;
    cli_model_options model;
    cli_input_options input;
    cli_inputs inputs;
} request;

static json_t *make_json(const request *r, const weld_evaluator *evaluator,
                         const weld_adoption *adopted, const weld_preprocessing *input) {
    const weld_evaluation *e = weld_evaluator_result(evaluator);
    json_t *object = json_pack("{s:I, s:I, s:I}", "images", (json_int_t)e->images, "skipped",
                               (json_int_t)e->skipped, "left_out", (json_int_t)adopted->left_out);
    weld_evaluator_json(evaluator, false, object);
    json_object_set_new(object, "input_size", cli_size_json(input->height, input->width));
    json_object_set_new(object, "resize", json_string(cli_resize_name(input->resize)));
    json_object_set_new(object, "crop_fraction", json_real(input->crop_fraction));
    json_object_set_new(object, "interpolation",
                        json_string(cli_interpolation_name(input->interpolation)));
    if (r->details.per_class) {
        weld_evaluator_json(evaluator, true, object);
    }
    return object;
}

/* The model as it is now; results are printed, or appended to `array`. */
static weld_status evaluate(const request *r, const weld_model *m, const weld_model_data *data,
                            json_t *array, weld_error *err) {
    const weld_preprocessing *input = weld_model_get_preprocessing(m);
    weld_evaluator *evaluator = NULL;
    cli_progress progress = {.what = "eval"};
    weld_evaluator_options options = {.batch_size = r->batch,
                                      .threads = r->threads,
                                      .bad_image = cli_bad_image,
                                      .progress = cli_evaluation_progress,
                                      .arg = &progress,
                                      .temperature = m->file.temperature};
    const weld_task *task = weld_model_task(m);
    weld_evaluation result;
    weld_results_file *file = NULL;
    if (r->written) {
        WELD_TRY(weld_results_file_create(r->written, task, data->ds, &file, err));
        options.seen = weld_results_file_seen;
        options.seen_arg = file;
    }
    weld_status status = weld_model_evaluator_create(m, data->ds, &options, &evaluator, err);
    status = status ? status : weld_evaluator_run(evaluator, &result, err);
    status = weld_results_file_finish(file, status, err);
    cli_progress_end(&progress);
    status = status ? status : cli_eval_write(&r->details, evaluator, err);
    if (!status && r->json) {
        json_array_append_new(array, make_json(r, evaluator, &data->adopted, input));
    } else if (!status) {
        cli_eval_print(&r->details, task, evaluator, r->inputs.count > 1 ? input : NULL);
    }
    weld_evaluator_free(evaluator);
    return status;
}

/* The temperature that these images ask for, into a copy of the model. */
static weld_status fit(const request *r, weld_model *m, const weld_dataset *ds, weld_error *err) {
    weld_temperature_fit found;
    cli_progress progress = {.what = "eval"};
    const weld_evaluator_options options = {.batch_size = r->batch,
                                            .threads = r->threads,
                                            .bad_image = cli_bad_image,
                                            .progress = cli_evaluation_progress,
                                            .arg = &progress};
    weld_status status = weld_temperature_fit_to(m, ds, &options, &found, err);
    cli_progress_end(&progress);
    WELD_TRY(status);
    m->file.temperature = found.temperature;
    WELD_TRY(weld_model_save(m, r->fitted, err));
    fprintf(
        stderr, "%s written: temperature %.4f: on %lld images the loss goes from %.4f to %.4f\n",
        r->fitted, found.temperature, (long long)found.images, found.loss_before, found.loss_after);
    return WELD_OK;
}

static weld_status evaluate_all(const request *r, weld_model *m, json_t *array, weld_error *err) {
    weld_preprocessing own = *weld_model_get_preprocessing(m);
    weld_model_data data;
    const cli_data_request from = {
        .call = r->call, .path = r->data, .split = r->split ? m : NULL, .threads = r->threads};
    weld_status status = cli_open_data(&from, m, &data, err);
    for (size_t i = 0; !status && i < r->inputs.count; i++) {
        status = cli_set_input(m, &own, &r->inputs.items[i], err);
        status = !status && r->fitted ? fit(r, m, data.ds, err) : status;
        status = status ? status : evaluate(r, m, &data, array, err);
    }
    weld_model_data_close(&data);
    return status;
}

/* Is it asked what another program's results are worth? */
static bool is_of_results(const cli_call *call) {
    static const char name[] = "--results";
    bool found = false;
    for (int i = 1; i < call->count; i++) {
        const char *word = call->arguments[i];
        found =
            found || (strcspn(word, "=") == strlen(name) && strncmp(word, name, strlen(name)) == 0);
    }
    return found;
}

/* Of results there is nothing to run: what says how a model is run says nothing. */
static void refuse_of_models(const cli_call *call, const cli_option *options, size_t count) {
    static const char *const both[] = {"results",   "data",      "json",
                                       "per-class", "confusion", "details"};
    for (int i = 1; i < call->count && strcmp(call->arguments[i], "--") != 0; i++) {
        const char *word = call->arguments[i];
        const size_t length = strcspn(word, "=");
        for (size_t k = 0; k < count && strncmp(word, "--", 2) == 0; k++) {
            const char *name = options[k].name;
            bool is_other = strlen(name) + 2 == length && memcmp(word + 2, name, length - 2) == 0;
            for (size_t b = 0; b < sizeof both / sizeof *both && is_other; b++) {
                is_other = strcmp(name, both[b]) != 0;
            }
            if (is_other) {
                cli_usage(call, "--%s is of a model, in whose place --results stands: leave it out",
                          name);
            }
        }
    }
}

weld_status cli_eval(cli_call *call, weld_error *err) {
    request r = {.call = call, .batch = 64};
    char kinds[CLI_RESULTS_HELP], written[CLI_RESULTS_HELP];
    const cli_option options[] = {
        CLI_DATA_OPTION(r.data),
        {"results", 0, CLI_TEXT, &r.results, "R.json", cli_results_help(CLI_RESULTS_READ, kinds)},
        CLI_DATA_SPLIT(r.split),
        {"batch", 0, CLI_COUNT, &r.batch, "N", "images a run (64)"},
        {"threads", 0, CLI_COUNT, &r.threads, "N", "threads (all)"},
        {"json", 0, CLI_FLAG, &r.json, NULL, "print one JSON object"},
        {"fit-temperature", 0, CLI_OUTPUT, &r.fitted, "OUT.h5",
         "write the model with the temperature that fits these images"},
        {"per-class", 0, CLI_FLAG, &r.details.per_class, NULL,
         "print images, recall, precision of each"},
        CLI_EVAL_CONFUSION(r.details),
        {"details", 0, CLI_OUTPUT, &r.details.file, "FILE",
         "write all of it, and the worst images, as JSON"},
        {"write-results", 0, CLI_OUTPUT, &r.written, "R.json",
         cli_results_help(CLI_RESULTS_WRITE, written)},
        CLI_INPUT_OPTIONS(r.input, ", or several: 192,224"),
        CLI_MODEL_OPTIONS(r.model),
        CLI_MODEL_PIXELS(r.model),
        CLI_MODEL_CLASS_ORDER(r.model),
        CLI_MODEL_PRECISION(r.model),
    };
    if (is_of_results(call)) {
        refuse_of_models(call, options, sizeof options / sizeof *options);
        return cli_eval_results(call, err);
    }
    cli_parse(call, options, sizeof options / sizeof *options);
    if (call->count < 1) {
        cli_usage(call, "something is missing: it takes FILE, or --results");
    }
    cli_inputs_read(call, &r.input, CLI_INPUTS_MAX, &r.inputs);
    if (r.inputs.count > 1 && (r.details.confusion || r.details.file || r.fitted || r.written)) {
        cli_usage(call,
                  "--confusion, --details, --fit-temperature and --write-results are of one "
                  "evaluation, not of %zu",
                  r.inputs.count);
    }
    weld_model *m;
    WELD_TRY(cli_open_model(call->arguments[0], &r.model, &m, err));
    cli_tell_preparing(call->arguments[0], m);
    json_t *array = json_array();
    weld_status status = evaluate_all(&r, m, array, err);
    weld_model_free(m);
    if (!status && r.json) { /* of one evaluation an object, of several a list of them */
        cli_print_json(json_incref(r.inputs.count == 1 ? json_array_get(array, 0) : array), 9);
    }
    json_decref(array);
    return status;
}
