/* Why a loss is not finite; see not_finite.h. */
#include "train/not_finite.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "graph/graph.h"
#include "train/batch.h"

/* Names in the one-line message; the file has them all. */
enum { NAMES_IN_MESSAGE = 4 };

/* The batch again, into the session's inputs: a run may have overwritten them. */
static weld_status run_again(weld_trainer *t, int64_t number, weld_batch *batch, weld_error *err) {
    WELD_TRY(weld_trainer_load_batch(t, number, batch, err));
    WELD_TRY(weld_trainer_ask_teacher(t, batch, err));
    return weld_train_step_explain(t->step, weld_trainer_run_number(t, number), err);
}

static weld_status write_story(const weld_trainer *t, const weld_batch *batch, const char *cause,
                               char *path, size_t path_size, weld_error *err) {
    size_t size = WELD_ERROR_MESSAGE_SIZE + 256;
    for (int64_t i = 0; i < batch->count; i++) {
        size += strlen(weld_dataset_name(t->data.train, batch->indices[i])) + 1;
    }
    char *text = weld_alloc(size, 1);
    if (!text) {
        return weld_fail_memory(err, "training");
    }
    int used = snprintf(text, size,
                        "update %lld, epoch %lld: the loss is not finite\n"
                        "first bad value: %s\nimages of the batch:\n",
                        (long long)t->state.step + 1, (long long)t->state.epoch, cause);
    for (int64_t i = 0; i < batch->count; i++) {
        used += snprintf(text + used, size - (size_t)used, "%s\n",
                         weld_dataset_name(t->data.train, batch->indices[i]));
    }
    snprintf(path, path_size, "%s/not_finite.txt", t->record.folder.path);
    weld_status status = weld_file_write(path, text, strlen(text), err);
    weld_free(text);
    return status;
}

weld_status weld_trainer_fail_not_finite(weld_trainer *t, int64_t number, weld_error *err) {
    weld_error cause = {.message = ""};
    weld_batch batch = {.count = 0};
    char names[512] = "", path[4200] = "";
    if (run_again(t, number, &batch, &cause) != WELD_ERROR_NUMERIC) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "update %lld, epoch %lld: the loss is not finite (its cause cannot be "
                         "found: %.300s)",
                         (long long)t->state.step + 1, (long long)t->state.epoch, cause.message);
    }
    for (int64_t i = 0; i < batch.count && i < NAMES_IN_MESSAGE; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%.100s", i ? ", " : "",
                 weld_dataset_name(t->data.train, batch.indices[i]));
    }
    if (!t->record.folder.path || write_story(t, &batch, cause.message, path, sizeof path, NULL)) {
        snprintf(path, sizeof path, "(a file that could not be written)");
    }
    return weld_fail(err, WELD_ERROR_NUMERIC,
                     "update %lld, epoch %lld: the loss is not finite: first bad value: %.200s; "
                     "images of the batch: %s%s (all %lld in %.200s); last.h5 stays as it was: "
                     "lower optimizer.lr, or look at these images",
                     (long long)t->state.step + 1, (long long)t->state.epoch, cause.message, names,
                     batch.count > NAMES_IN_MESSAGE ? ", ..." : "", (long long)batch.count, path);
}
