/* weld run: what a network says about an array of normalised images: logits, boxes and scores,
 * or the maps of its stages. Images and results go through in slices, so that the array may be
 * larger than memory. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "formats/file.h"
#include "formats/npy.h"
#include "weld/model.h"

enum { PATH_SIZE = 4096 };
#define SLICE_BYTES (16 << 20) /* of images, about */

/* A file of results, with the part of it that a slice of images gives. */
typedef struct result {
    char path[PATH_SIZE];
    weld_npy_writer *file;
    float *data;
    weld_shape shape; /* whole */
    int64_t size;     /* elements for one image */
} result;

typedef struct job {
    weld_npy_reader *input;
    weld_runner *runner;
    int64_t images, image_size, slice; /* slice: images at once */
    float *data;                       /* of a slice */
    result results[WELD_MAX_STAGES];
} job;

static weld_status open_images(const char *path, job *j, weld_shape *shape, weld_error *err) {
    WELD_TRY(weld_npy_open(path, &j->input, err));
    *shape = weld_npy_shape(j->input);
    if (shape->rank != 4 || shape->dim[1] != 3) {
        char text[128];
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "%s: it is %s, but images are [n, 3, height, width]: transpose or reshape "
                         "it",
                         path, weld_shape_text(shape, text, sizeof text));
    }
    j->images = shape->dim[0];
    j->image_size = weld_shape_count(shape) / j->images;
    int64_t slice = SLICE_BYTES / (int64_t)sizeof(float) / j->image_size;
    j->slice = slice < 1 ? 1 : slice > j->images ? j->images : slice;
    j->data = weld_alloc_raw((size_t)j->slice, (size_t)j->image_size * sizeof *j->data);
    return j->data ? WELD_OK : weld_fail_memory(err, path);
}

/* Where there are several they are called after themselves, maps after their stride: "Y.npy"
 * becomes "Y.boxes.npy" or "Y.stride4.npy". */
static weld_status make_path(const char *output, const weld_runner *runner, size_t i,
                             char path[PATH_SIZE], weld_error *err) {
    static const char ending[] = ".npy";
    size_t length = strlen(output), cut = length;
    if (length > strlen(ending) && strcmp(output + length - strlen(ending), ending) == 0) {
        cut -= strlen(ending);
    }
    const int stride = weld_runner_output_stride(runner, i);
    const int used = stride
                         ? snprintf(path, PATH_SIZE, "%.*s.stride%d.npy", (int)cut, output, stride)
                     : weld_runner_output_count(runner) > 1
                         ? snprintf(path, PATH_SIZE, "%.*s.%s.npy", (int)cut, output,
                                    weld_runner_output_name(runner, i))
                         : snprintf(path, PATH_SIZE, "%s", output);
    return used < PATH_SIZE ? WELD_OK
                            : weld_fail(err, WELD_ERROR_ARGUMENT, "--output: the name is too long");
}

/* Names that are made of --output may be that of --input, which is still being read. */
static weld_status check_path(const char *path, const char *input, weld_error *err) {
    return weld_is_same_file(path, input)
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "--output: %s would be written over --input: give another name", path)
               : WELD_OK;
}

static weld_status open_result(job *j, size_t i, const char *input, const char *output,
                               weld_error *err) {
    result *r = &j->results[i];
    weld_shape one = weld_runner_output_shape(j->runner, i);
    r->size = weld_shape_count(&one);
    r->shape.rank = one.rank + 1;
    r->shape.dim[0] = j->images;
    memcpy(r->shape.dim + 1, one.dim, (size_t)one.rank * sizeof *one.dim);
    WELD_TRY(make_path(output, j->runner, i, r->path, err));
    WELD_TRY(check_path(r->path, input, err));
    r->data = weld_alloc_raw((size_t)j->slice, (size_t)r->size * sizeof *r->data);
    return r->data ? weld_npy_create(r->path, &r->shape, &r->file, err)
                   : weld_fail_memory(err, r->path);
}

static weld_status run_slice(job *j, int64_t first, weld_error *err) {
    int64_t count = j->images - first < j->slice ? j->images - first : j->slice;
    size_t outputs = weld_runner_output_count(j->runner);
    float *data[WELD_MAX_STAGES];
    for (size_t i = 0; i < outputs; i++) {
        data[i] = j->results[i].data;
    }
    weld_status status = weld_npy_read_part(j->input, first * j->image_size, count * j->image_size,
                                            WELD_F32, j->data, err);
    status = status ? status : weld_runner_run(j->runner, j->data, count, data, err);
    if (status && first > 0) {
        weld_fail_context(err, status, "behind the first %lld images", (long long)first);
    }
    for (size_t i = 0; i < outputs && !status; i++) {
        status = weld_npy_append(j->results[i].file, data[i], count * j->results[i].size, err);
    }
    return status;
}

/* Put all files in place and say so. */
static weld_status commit(job *j, weld_error *err) {
    for (size_t i = 0; i < weld_runner_output_count(j->runner); i++) {
        result *r = &j->results[i];
        char shape[128];
        weld_npy_writer *file = r->file;
        r->file = NULL;
        WELD_TRY(weld_npy_commit(file, err));
        fprintf(stderr, "%s written: %s\n", r->path,
                weld_shape_text(&r->shape, shape, sizeof shape));
    }
    return WELD_OK;
}

static weld_status run_all(job *j, const weld_model *m, const char *input, const char *output,
                           bool features, int threads, weld_error *err) {
    weld_shape shape;
    weld_status status = open_images(input, j, &shape, err);
    status = status ? status
                    : (features ? weld_runner_create_features : weld_runner_create)(
                          m, shape.dim[2], shape.dim[3], threads, &j->runner, err);
    if (status) {
        return status;
    }
    for (size_t i = 0; i < weld_runner_output_count(j->runner) && !status; i++) {
        status = open_result(j, i, input, output, err);
    }
    cli_progress progress = {.what = "run"};
    for (int64_t first = 0; first < j->images && !status; first += j->slice) {
        cli_progress_show(&progress, first, j->images);
        status = run_slice(j, first, err);
    }
    cli_progress_end(&progress);
    return status ? status : commit(j, err);
}

static void free_job(job *j) {
    for (int i = 0; i < WELD_MAX_STAGES; i++) {
        weld_npy_discard(j->results[i].file);
        weld_free(j->results[i].data);
    }
    weld_npy_close(j->input);
    weld_runner_free(j->runner);
    weld_free(j->data);
}

weld_status cli_run(cli_call *call, weld_error *err) {
    const char *input = NULL, *output = NULL;
    int threads = 0;
    bool features = false;
    cli_model_options model = {0};
    const cli_option options[] = {
        {"input", 0, CLI_NEEDED, &input, "X.npy", "images [n, 3, height, width], normalised"},
        {"output", 0, CLI_OUTPUT_NEEDED, &output, "Y.npy",
         "where the logits [n, classes] go; several outputs: Y.boxes.npy, ..."},
        {"features", 0, CLI_FLAG, &features, NULL,
         "the stages' maps instead, in Y.stride4.npy, ..."},
        {"threads", 0, CLI_THREADS, &threads, "N", "threads (all)"},
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_SIZE(model),
        CLI_MODEL_PRECISION(model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    model.backbone = features;
    weld_model *m;
    job j = {0};
    WELD_TRY(cli_open_model(call->arguments[0], &model, &m, err));
    weld_status status = run_all(&j, m, input, output, features, threads, err);
    free_job(&j);
    weld_model_free(m);
    return status;
}
