/* weld run: logits for an array of normalised images. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/model_options.h"
#include "formats/npy.h"
#include "weld/model.h"

static weld_status run_file(const char *file, const cli_model_options *model, const char *input,
                            const char *output, int threads, weld_error *err) {
    weld_model *m = NULL;
    weld_tensor x = {0}, y = {0};
    weld_status status = cli_open_model(file, model, &m, err);
    if (status == WELD_OK) {
        status = weld_npy_read(input, WELD_F32, &x, err);
    }
    if (status == WELD_OK && (x.shape.rank != 4 || x.shape.dim[1] != 3)) {
        char text[128];
        status =
            weld_fail(err, WELD_ERROR_SHAPE, "%s: images must be [n, 3, height, width], not %s",
                      input, weld_shape_text(&x.shape, text, sizeof text));
    }
    if (status == WELD_OK) {
        y.dtype = WELD_F32;
        y.shape = WELD_SHAPE(x.shape.dim[0], weld_model_get_config(m)->num_classes);
        y.data = weld_alloc((size_t)weld_shape_count(&y.shape), sizeof(float));
        status = y.data ? weld_model_run(m, x.data, x.shape.dim[0], x.shape.dim[2], x.shape.dim[3],
                                         threads, y.data, err)
                        : weld_fail(err, WELD_ERROR_MEMORY, "%s: out of memory", output);
    }
    if (status == WELD_OK) {
        status = weld_npy_write(output, &y, err);
    }
    weld_free(x.data);
    weld_free(y.data);
    weld_model_free(m);
    return status;
}

int cli_run(const cli_command *command, int argc, char **argv) {
    const char *input = NULL, *output = NULL;
    int threads = 0, count, status;
    cli_model_options model = {0};
    const cli_option options[] = {
        {"input", 0, CLI_TEXT, &input, "X.npy", "images [n, 3, height, width], normalised"},
        {"output", 0, CLI_TEXT, &output, "Y.npy", "where the logits [n, classes] go"},
        {"threads", 0, CLI_COUNT, &threads, "N", "threads (all)"},
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_SIZE(model),
    };
    if (!cli_parse(command, argc, argv, options, sizeof options / sizeof *options, 1, 1, &count,
                   &status)) {
        return status;
    }
    if (!input || !output) {
        return cli_usage(command, "--%s is missing", input ? "output Y.npy" : "input X.npy");
    }
    weld_error err;
    return run_file(argv[1], &model, input, output, threads, &err) == WELD_OK ? CLI_DONE
                                                                              : cli_fail(&err);
}
