/* weld predict: what a network says about images: for classification classes with probabilities. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/image_list.h"
#include "cli/input_options.h"
#include "cli/model_options.h"
#include "cli/predict_files.h"
#include "cli/predict_output.h"
#include "infer/image_runner.h"
#include "infer/model.h"
#include "tasks/drawn_names.h"

/* A failure that says nothing about the next image. */
static bool is_of_image(weld_status status) {
    return status == WELD_ERROR_IO || status == WELD_ERROR_FORMAT || status == WELD_ERROR_NOT_FOUND;
}

static weld_tiling tiling_of(const cli_answers *answers) {
    return answers->task->tiling ? answers->task->tiling(answers->question.values)
                                 : (weld_tiling){.side = 0};
}

/* *of_image: an error says nothing about the next one. */
static weld_status predict(weld_image_runner *runner, weld_image_queue *queue, const char *image,
                           cli_answers *answers, const cli_answer_files *files, bool *of_image,
                           weld_error *err) {
    const weld_tiling tiling = tiling_of(answers);
    weld_prepared_image input;
    const weld_tensor *outputs;
    weld_status read = weld_image_queue_next(queue, &input, err);
    *of_image = is_of_image(read);
    if (read) {
        return read;
    }
    weld_array tiles = {.element = 1};
    weld_question *question = &answers->question;
    weld_status status = WELD_OK;
    question->placement = &input.placement;
    question->tiles = NULL;
    if (input.image && weld_tile_count(&tiling, input.image->width, input.image->height)) {
        status = weld_image_runner_gather(runner, input.image, &tiling, question, &tiles, err);
        question->tiles = &tiles;
    }
    status = status ? status : weld_image_runner_run_input(runner, input.pixels, &outputs, err);
    if (status) {
        weld_array_free(&tiles);
        return weld_fail_context(err, status, "%s", image);
    }
    status = cli_answer_files_add(files, image, outputs, question, err);
    status = status ? status : cli_answers_add(answers, image, outputs, err);
    weld_array_free(&tiles);
    return status;
}

/* An image that cannot be read is said and counted, and the others come all the same. */
static weld_status predict_all(weld_image_runner *runner, const cli_image_list *images, int jobs,
                               cli_answers *answers, cli_answer_files *files, size_t *failed,
                               weld_error *err) {
    weld_image_queue *queue;
    const weld_image_queue_options options = {.transform = weld_image_runner_transform(runner),
                                              .paths = images->paths,
                                              .count = (int64_t)images->count,
                                              .with_images = tiling_of(answers).side > 0,
                                              .jobs = jobs};
    WELD_TRY(weld_image_queue_create(&options, &queue, err));
    weld_status status = cli_answer_files_begin(files, images, err);
    status = status ? status : cli_answers_begin(answers, err);
    for (size_t i = 0; i < images->count && !status && !ferror(stdout); i++) {
        bool of_image;
        status = predict(runner, queue, images->paths[i], answers, files, &of_image, err);
        if (of_image) {
            fprintf(stderr, "weld: %s\n", err->message);
            status = cli_answers_fail(answers, images->paths[i], err->message, err);
            ++*failed;
        }
    }
    cli_answers_end(answers, !status);
    cli_answer_files_end(files);
    weld_image_queue_free(queue);
    return status;
}

static void tell_letters(const cli_answers *answers, const cli_answer_files *files) {
    const weld_labels *labels = answers->question.labels;
    char text[512];
    if (files->draw && labels->names &&
        *weld_drawn_names_tell(labels->names, labels->count, text, sizeof text)) {
        fprintf(stderr, "note: --draw: %s\n", text);
    }
}

static weld_status predict_images(const weld_model *m, const cli_image_list *images, int jobs,
                                  cli_answers *answers, cli_answer_files *files, weld_error *err) {
    weld_image_runner *runner;
    size_t failed = 0;
    WELD_TRY(weld_image_runner_create(m, 0, &runner, err));
    files->how = weld_reading_of(&weld_image_runner_transform(runner)->preprocessing);
    tell_letters(answers, files);
    weld_status status = predict_all(runner, images, jobs, answers, files, &failed, err);
    weld_image_runner_free(runner);
    if (!status && failed) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%zu of %zu images could not be read", failed,
                           images->count);
        if (images->count == 1) {
            err->message[0] = '\0'; /* all is said */
        }
    }
    return status;
}

weld_status cli_predict(cli_call *call, weld_error *err) {
    int jobs = 1;
    bool json = false, csv = false;
    const char *reject = NULL, *rest = NULL;
    int most = 0;
    cli_answers answers = {.reject = 0};
    cli_answer_files files = {.draw = NULL};
    cli_keys keys = {.count = 0};
    cli_model_options model = {0};
    cli_input_options input = {0};
    cli_inputs inputs;
    const cli_option options[] = {
        {"top", 'k', CLI_COUNT, &most, "K", "most answers an image (classes: 5; boxes: --max-det)"},
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON array"},
        {"csv", 0, CLI_FLAG, &csv, NULL, "print CSV: a row for each class of an image"},
        {"reject", 0, CLI_TEXT, &reject, "P",
         "none of these, where the likeliest class has less: 0.5"},
        {"draw", 0, CLI_TEXT, &files.draw, "DIR", "write each image with what it shows drawn"},
        {"txt", 0, CLI_TEXT, &files.labels, "DIR",
         "write a file of YOLO labels for each image: class, box, score"},
        {"no-conf", 0, CLI_FLAG, &files.no_conf, NULL,
         "of --txt: without the score, as labels to train on are"},
        {"", 0, CLI_ANSWER_KEYS, &keys, NULL, NULL},
        {"jobs", 'j', CLI_COUNT, &jobs, "N", "threads that read and decode images ahead (1)"},
        CLI_INPUT_OPTIONS(input, ""),
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_PIXELS(model),
        CLI_MODEL_PRECISION(model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    cli_inputs_read(call, &input, 1, &inputs);
    if (json && csv) {
        cli_usage(call, "--json and --csv: one of them");
    }
    if (files.no_conf && !files.labels) {
        cli_usage(call, "--no-conf goes with --txt");
    }
    if (reject && (!cli_read_number(reject, 0, 1, &answers.reject, &rest) || rest)) {
        cli_usage(call, "--reject %s: give a probability, 0 to 1", reject);
    }
    answers.format = json ? CLI_ANSWER_JSON : csv ? CLI_ANSWER_CSV : CLI_ANSWER_TEXT;
    weld_model *m;
    WELD_TRY(cli_open_model(call->arguments[0], &model, &m, err));
    cli_tell_preparing(call->arguments[0], m);
    weld_labels labels = weld_model_labels(m);
    unsigned char values[WELD_TASK_VALUES_SIZE];
    answers.task = files.task = weld_model_task(m);
    answers.question = (weld_question){.labels = &labels, .most = most, .values = values};
    weld_preprocessing own = *weld_model_get_preprocessing(m);
    cli_image_list images = {.count = 0};
    weld_status status = cli_check_answer_keys(&keys, answers.task, false, err);
    status = status
                 ? status
                 : weld_task_answer_values(answers.task, false, keys.set, keys.count, values, err);
    status = status ? status : cli_set_input(m, &own, &inputs.items[0], err);
    status =
        status ? status : cli_image_list_make(call->arguments + 1, call->count - 1, &images, err);
    status = status ? status : predict_images(m, &images, jobs, &answers, &files, err);
    cli_image_list_free(&images);
    weld_model_free(m);
    return status;
}
