/* weld eval: how well a model does on a data set, at one input size or several. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/data_options.h"
#include "cli/eval.h"
#include "cli/input_options.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "cli/ranks.h"
#include "data/rank_facts.h"
#include "distributed/group.h"
#include "distributed/rank_kernels.h"
#include "infer/evaluate.h"
#include "infer/identity.h"
#include "infer/model.h"
#include "infer/results_file.h"
#include "infer/temperature.h"
#include "models/models.h"
#include "serialization/take_average.h"

typedef struct request {
    const cli_call *call;
    const char *data, *results, *written, *fitted;
    int batch, threads;
    double timeout; /* of ranks */
    bool json, split;
    cli_eval_details details;
    cli_model_options model;
    cli_input_options input;
    cli_inputs inputs;
    weld_group *group;
    bool leads; /* it is the one process that counts, prints and writes */
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

static weld_evaluator_options options_of(const request *r, cli_progress *progress) {
    return (weld_evaluator_options){.batch_size = r->batch,
                                    .threads = r->threads,
                                    .bad_image = cli_bad_image,
                                    .progress = cli_evaluation_progress,
                                    .arg = progress,
                                    .group = r->group,
                                    .compared = true};
}

/* Results are written, and printed or appended to `array`. */
static weld_status tell(const request *r, const weld_model *m, const weld_model_data *data,
                        const weld_evaluator *evaluator, json_t *array, weld_error *err) {
    const weld_preprocessing *input = weld_model_get_preprocessing(m);
    WELD_TRY(cli_eval_write(&r->details, evaluator, err));
    if (r->json) {
        json_array_append_new(array, make_json(r, evaluator, &data->adopted, input));
    } else {
        cli_eval_print(&r->details, weld_model_task(m), evaluator,
                       r->inputs.count > 1 ? input : NULL);
    }
    return WELD_OK;
}

/* The model as it is now, by all ranks. */
static weld_status evaluate(const request *r, const weld_model *m, const weld_model_data *data,
                            json_t *array, weld_error *err) {
    weld_evaluator *evaluator = NULL;
    cli_progress progress = {.what = "eval"};
    weld_evaluator_options options = options_of(r, &progress);
    weld_evaluation result;
    weld_results_file *file = NULL;
    weld_status status = WELD_OK;
    options.temperature = m->file.temperature;
    if (r->written) {
        status = weld_results_file_create(r->written, weld_model_task(m), data->ds, r->leads, &file,
                                          err);
        options.see = weld_results_file_see;
        options.seen = weld_results_file_seen;
        options.seen_arg = file;
    }
    status = status ? status : weld_model_evaluator_create(m, data->ds, &options, &evaluator, err);
    status = weld_group_agree(r->group, status, err);
    if (!status && weld_evaluator_batches(evaluator) < weld_group_size(r->group)) {
        cli_say("note: %d ranks, but %lld %s of images: --batch makes them smaller",
                weld_group_size(r->group), (long long)weld_evaluator_batches(evaluator),
                weld_plural(weld_evaluator_batches(evaluator), "batch", "batches"));
    }
    status = status ? status : weld_evaluator_run(evaluator, &result, err);
    status = weld_results_file_finish(file, status, err);
    cli_progress_end(&progress);
    status = !status && r->leads ? tell(r, m, data, evaluator, array, err) : status;
    weld_evaluator_free(evaluator);
    return status;
}

/* The temperature that these images ask for, into a copy of the model: no run goes on from that, so
 * that it can be written again. Its scores were of what it was before. */
static weld_status fit(const request *r, weld_model *m, const weld_dataset *ds, weld_error *err) {
    weld_temperature_fit found;
    cli_progress progress = {.what = "eval"};
    const weld_evaluator_options options = options_of(r, &progress);
    weld_status status = weld_temperature_fit_to(m, ds, &options, &found, err);
    cli_progress_end(&progress);
    WELD_TRY(status);
    m->file.temperature = found.temperature;
    weld_weights_free(m->file.moment1);
    weld_weights_free(m->file.moment2);
    m->file.moment1 = m->file.moment2 = NULL;
    WELD_TRY(weld_model_drop_scores(r->fitted, &m->file, err));
    WELD_TRY(r->leads ? weld_model_save(m, r->fitted, err) : WELD_OK);
    cli_say("%s written: temperature %.4f: on %lld images the loss goes from %.4f to %.4f",
            r->fitted, found.temperature, (long long)found.images, found.loss_before,
            found.loss_after);
    return WELD_OK;
}

/* --- What is evaluated, and on what --- */

typedef struct job {
    const request *request;
    weld_model *model;
    weld_model_data data;
} job;

static weld_status open_job(void *context, weld_error *err) {
    job *j = context;
    const request *r = j->request;
    WELD_TRY(cli_open_model(r->call->arguments[0], &r->model, &j->model, err));
    cli_tell_preparing(r->call->arguments[0], j->model);
    const cli_data_request from = {.call = r->call,
                                   .path = r->data,
                                   .split = r->split ? j->model : NULL,
                                   .threads = r->threads};
    return cli_open_data(&from, j->model, &j->data, err);
}

/* On all ranks, which must have the same. */
static weld_status open_all(job *j, weld_error *err) {
    const request *r = j->request;
    char network[WELD_MODEL_IDENTITY_SIZE];
    WELD_TRY(weld_rank_kernels_compare(r->group, false, "", NULL, err));
    WELD_TRY(weld_group_in_turn(r->group, open_job, j, err));
    if (!r->group) {
        return WELD_OK;
    }
    WELD_TRY(weld_group_agree(r->group, weld_model_identity(j->model, network, err), err));
    const weld_data_identity identity = weld_dataset_identify(j->data.ds, r->threads);
    const weld_rank_facts facts = {.sets = {j->data.ds},
                                   .identities = {&identity},
                                   .network = network,
                                   .verb = "evaluates",
                                   .path = r->call->arguments[0]};
    return weld_rank_facts_compare(r->group, &facts, err);
}

static weld_status evaluate_inputs(const request *r, const job *j, json_t *array, weld_error *err) {
    const weld_preprocessing own = *weld_model_get_preprocessing(j->model);
    weld_status status = WELD_OK;
    weld_group_doing(r->group, "the evaluation");
    for (size_t i = 0; !status && i < r->inputs.count; i++) {
        status = cli_set_input(j->model, &own, &r->inputs.items[i], err);
        status = weld_group_agree(r->group, status, err);
        status = !status && r->fitted ? fit(r, j->model, j->data.ds, err) : status;
        status = weld_group_agree(r->group, status, err);
        status = status ? status : evaluate(r, j->model, &j->data, array, err);
        status = weld_group_agree(r->group, status, err);
    }
    return status;
}

static weld_status evaluate_all(const request *r, json_t *array, weld_error *err) {
    job j = {.request = r};
    weld_status status = open_all(&j, err);
    status = status ? status : evaluate_inputs(r, &j, array, err);
    weld_model_data_close(&j.data);
    weld_model_free(j.model);
    if (!status && r->json && r->leads) { /* of one an object, of several a list of them */
        cli_print_json(json_incref(r->inputs.count == 1 ? json_array_get(array, 0) : array), 9);
    }
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
    request r = {.call = call, .batch = 64, .timeout = weld_group_defaults().timeout};
    char kinds[CLI_RESULTS_HELP], written[CLI_RESULTS_HELP];
    const cli_option options[] = {
        CLI_DATA_OPTION(r.data),
        {"results", 0, CLI_TEXT, &r.results, "R.json", cli_results_help(CLI_RESULTS_READ, kinds)},
        CLI_DATA_SPLIT(r.split),
        {"batch", 0, CLI_COUNT, &r.batch, "N", "images a run (64)"},
        CLI_RANK_THREADS(r.threads),
        CLI_RANK_TIMEOUT(r.timeout),
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
    cli_progress waiting = {.what = "eval"};
    WELD_TRY(cli_ranks_begin(call, r.timeout, &waiting, &r.threads, &r.group, err));
    r.leads = weld_group_rank(r.group) == 0;
    json_t *array = json_array();
    const weld_status status = evaluate_all(&r, array, err);
    json_decref(array);
    return cli_ranks_close(r.group, status, err);
}
