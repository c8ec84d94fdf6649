/* Why a loss is not finite; see not_finite.h. */
#include "train/not_finite.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "formats/file.h"
#include "train/batch.h"

/* Names in the one-line message; the file has them all. */
enum { NAMES_IN_MESSAGE = 4 };

/* The batch again, into the session's inputs: a run may have overwritten them. */
static weld_status run_again(weld_trainer *t, int64_t number, weld_batch *batch, weld_error *err) {
    WELD_TRY(weld_trainer_load_batch(t, number, batch, err));
    WELD_TRY(weld_trainer_ask_teacher(t, batch, err));
    return weld_train_step_explain(t->step, weld_trainer_run_number(t, number), err);
}

static void add_name(const weld_trainer *t, const weld_batch *batch, int64_t i, weld_text *story,
                     weld_not_finite *out) {
    const char *name = weld_dataset_name(t->data.train, batch->indices[i]);
    weld_text_add(story, name);
    weld_text_add(story, "\n");
    if (i < NAMES_IN_MESSAGE) {
        weld_append(out->names, sizeof out->names, "%s%.100s", i ? ", " : "", name);
    }
}

void weld_trainer_explain_not_finite(weld_trainer *t, int64_t number, weld_not_finite *out,
                                     weld_text *story) {
    char update[80];
    weld_batch batch = {.count = 0};
    *out = (weld_not_finite){.found = false};
    out->found = run_again(t, number, &batch, &out->cause) == WELD_ERROR_NUMERIC;
    out->images = batch.count;
    snprintf(update, sizeof update, "update %lld, epoch %lld: the loss is not finite\n",
             (long long)t->state.step + 1, (long long)t->state.epoch);
    weld_text_add(story, update);
    weld_text_add(story, "first bad value: ");
    weld_text_add(story, out->cause.message);
    weld_text_add(story, "\nimages of the batch:\n");
    for (int64_t i = 0; i < batch.count; i++) {
        add_name(t, &batch, i, story, out);
    }
    if (batch.count > NAMES_IN_MESSAGE) {
        weld_append(out->names, sizeof out->names, ", ...");
    }
}

weld_status weld_trainer_fail_not_finite(const weld_trainer *t, const weld_not_finite *why,
                                         const char *story, weld_error *err) {
    char path[4200];
    if (!why->found) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "update %lld, epoch %lld: the loss is not finite (its cause cannot be "
                         "found: %.300s)",
                         (long long)t->state.step + 1, (long long)t->state.epoch,
                         why->cause.message);
    }
    const char *folder = t->record.folder.path; /* NULL: a dry run */
    snprintf(path, sizeof path, "%s/not_finite.txt", folder ? folder : "");
    if (!folder || !*story || weld_file_write(path, story, strlen(story), NULL)) {
        snprintf(path, sizeof path, "(a file that could not be written)");
    }
    return weld_fail(err, WELD_ERROR_NUMERIC,
                     "update %lld, epoch %lld: the loss is not finite: first bad value: %.200s; "
                     "images of the batch: %s (all %lld in %.200s); last.h5 stays as it was: "
                     "lower optimizer.lr, or look at these images",
                     (long long)t->state.step + 1, (long long)t->state.epoch, why->cause.message,
                     why->names, (long long)why->images, path);
}
