/* weld eval: top-1, top-5 and loss of a model on a data set. */
#include <jansson.h>
#include <stdio.h>

#include "cli/model_options.h"
#include "cli/progress.h"
#include "infer/evaluate.h"
#include "infer/model.h"

static void print_evaluation(const weld_evaluation *e, bool json) {
    if (json) {
        json_t *object =
            json_pack("{s:I, s:I, s:f, s:f, s:f}", "images", (json_int_t)e->images, "skipped",
                      (json_int_t)e->skipped, "top1", e->top1, "top5", e->top5, "loss", e->loss);
        json_dumpf(object, stdout, JSON_REAL_PRECISION(9));
        putchar('\n');
        json_decref(object);
        return;
    }
    printf("%lld images: top-1 %.2f %%, top-5 %.2f %%, loss %.4f\n", (long long)e->images, e->top1,
           e->top5, e->loss);
}

static weld_status evaluate(const weld_model *m, const char *data, int batch, int threads,
                            weld_evaluation *out, weld_error *err) {
    weld_dataset *ds = NULL;
    weld_evaluator *evaluator = NULL;
    cli_progress progress = {.what = "eval"};
    weld_evaluator_options options = {.batch_size = batch,
                                      .threads = threads,
                                      .bad_image = cli_bad_image,
                                      .progress = cli_evaluation_progress,
                                      .arg = &progress};
    weld_status status = weld_dataset_open(data, &ds, err);
    if (status == WELD_OK) {
        status = weld_model_check_classes(m, ds, err);
    }
    if (status == WELD_OK && !weld_model_class_name(m, 0)) {
        fprintf(stderr, "note: the model has no names of classes, so that the data's are taken in "
                        "their order (--classes gives names)\n");
    }
    if (status == WELD_OK) {
        status =
            weld_evaluator_create(weld_model_running_graph(m), weld_model_weights(m),
                                  weld_model_get_preprocessing(m), ds, &options, &evaluator, err);
    }
    if (status == WELD_OK) {
        status = weld_evaluator_run(evaluator, out, err);
        cli_progress_end(&progress);
    }
    weld_evaluator_free(evaluator);
    weld_dataset_free(ds);
    return status;
}

int cli_eval(const cli_command *command, int argc, char **argv) {
    const char *data = NULL;
    int batch = 64, threads = 0, count, status;
    bool json = false;
    cli_model_options model = {0};
    const cli_option options[] = {
        {"data", 0, CLI_TEXT, &data, "DIR", "folder of class folders, or packed data set"},
        {"batch", 0, CLI_COUNT, &batch, "N", "images a run (64)"},
        {"threads", 0, CLI_COUNT, &threads, "N", "threads (all)"},
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON object"},
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_SIZE(model),
        CLI_MODEL_PRECISION(model),
    };
    if (!cli_parse(command, argc, argv, options, sizeof options / sizeof *options, 1, 1, &count,
                   &status)) {
        return status;
    }
    if (!data) {
        return cli_usage(command, "--data DIR is missing");
    }
    weld_error err;
    weld_model *m;
    weld_evaluation result;
    if (cli_open_model(argv[1], &model, &m, &err) != WELD_OK) {
        return cli_fail(&err);
    }
    weld_status done = evaluate(m, data, batch, threads, &result, &err);
    weld_model_free(m);
    if (done != WELD_OK) {
        return cli_fail(&err);
    }
    print_evaluation(&result, json);
    return CLI_DONE;
}
