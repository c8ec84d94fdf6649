/* Scores of a network on a data set; see evaluate.h. */
#include "infer/evaluate.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/file.h"
#include "formats/json_text.h"
#include "infer/model.h"

struct weld_evaluator {
    const weld_task *task;
    weld_session *session;
    weld_tensor outputs[WELD_OUTPUTS_MAX];
    weld_loader *loader;
    const weld_dataset *dataset;
    weld_evaluator_options options;
    void *tally;
    weld_evaluation last;
    weld_array record; /* of one image */
};

static weld_status open(weld_evaluator *e, const weld_graph *g, weld_weights *w,
                        const weld_preprocessing *preprocessing, weld_error *err) {
    const weld_evaluator_options *o = &e->options;
    weld_loader_options loader = {.preprocessing = *preprocessing,
                                  .augmentation = weld_augmentation_defaults(),
                                  .batch_size = o->batch_size,
                                  .annotation = e->task->annotation,
                                  .threads = o->threads,
                                  .bad_image = o->bad_image,
                                  .bad_image_arg = o->arg};
    loader.augmentation.kind = WELD_AUGMENT_NONE;
    /* Weights may change from one evaluation to the next: while training they do. */
    WELD_TRY(weld_output_session(g, w, o->batch_size, o->threads, false, &e->session, err));
    WELD_TRY(weld_loader_create(e->dataset, &loader, &e->loader, err));
    WELD_TRY(weld_task_outputs(e->task, e->session, e->outputs, err));
    return e->task->tally_create(e->dataset, e->outputs, &e->tally, err);
}

weld_status weld_evaluator_create(const weld_task *task, const weld_graph *g, weld_weights *w,
                                  const weld_preprocessing *preprocessing, const weld_dataset *ds,
                                  const weld_evaluator_options *options, weld_evaluator **out,
                                  weld_error *err) {
    *out = NULL;
    weld_evaluator *e = weld_alloc(1, sizeof *e);
    if (!e) {
        return weld_fail_memory(err, "evaluation");
    }
    int64_t count = weld_dataset_count(ds);
    *e = (weld_evaluator){
        .task = task, .options = *options, .dataset = ds, .record = {.element = 1}};
    e->options.batch_size = options->batch_size < count ? options->batch_size : count;
    weld_status status = open(e, g, w, preprocessing, err);
    if (status) {
        weld_evaluator_free(e);
        return status;
    }
    *out = e;
    return WELD_OK;
}

weld_status weld_results_evaluator_create(const weld_task *task, const char *path,
                                          const weld_dataset *ds, weld_text *notes,
                                          weld_evaluator **out, weld_error *err) {
    weld_evaluator *e = *out = weld_alloc(1, sizeof *e);
    if (!e) {
        return weld_fail_memory(err, "evaluation");
    }
    *e = (weld_evaluator){
        .task = task, .dataset = ds, .last = {.images = weld_dataset_count(ds), .loss = NAN}};
    const weld_status status = task->results->read(path, ds, &e->tally, notes, err);
    if (status) {
        weld_evaluator_free(e);
        *out = NULL;
        return status;
    }
    task->finish(e->tally, &e->last);
    return WELD_OK;
}

void weld_evaluator_free(weld_evaluator *e) {
    if (e) {
        weld_session_free(e->session);
        weld_loader_free(e->loader);
        e->task->tally_free(e->tally);
        weld_array_free(&e->record);
        weld_free(e);
    }
}

static void soften(weld_evaluator *e) {
    const double temperature = e->task->has_temperature ? e->options.temperature : 0;
    for (int i = 0; temperature > 0 && temperature != 1 && e->task->outputs[i]; i++) {
        float *x = e->outputs[i].data;
        for (int64_t k = 0; k < weld_shape_count(&e->outputs[i].shape); k++) {
            x[k] = (float)(x[k] / temperature);
        }
    }
}

/* Adds the images one by one, so that a bad one can be named. */
static weld_status count_batch(weld_evaluator *e, const weld_batch *batch, weld_error *err) {
    const weld_task *task = e->task;
    for (int64_t i = 0; i < batch->count; i++) {
        const int64_t index = batch->indices[i];
        e->record.count = 0;
        weld_status status = task->measure(e->tally, e->outputs, i, batch, &e->record, err);
        if (status == WELD_ERROR_NUMERIC) {
            return weld_fail(err, WELD_ERROR_NUMERIC,
                             "%s: the network's output for it is not finite: its weights are not "
                             "usable",
                             weld_dataset_name(e->dataset, index));
        }
        status =
            status ? status : task->count(e->tally, index, e->record.data, e->record.count, err);
        if (status) {
            return status;
        }
        if (e->options.seen) {
            e->options.seen(e->options.seen_arg,
                            &(weld_seen){index, e->record.data, e->outputs, i, batch});
        }
    }
    return WELD_OK;
}

weld_status weld_evaluator_run(weld_evaluator *e, weld_evaluation *out, weld_error *err) {
    int64_t batches = weld_loader_eval_batches(e->loader), total = weld_dataset_count(e->dataset);
    float *images = weld_session_input(e->session, "images").data;
    weld_evaluation done = {.loss = NAN};
    WELD_TRY(e->task->tally_clear(e->tally, err));
    for (int64_t b = 0; b < batches; b++) {
        weld_batch batch;
        WELD_TRY(weld_loader_eval_batch(e->loader, b, images, &batch, err));
        if (batch.count > 0) {
            weld_session_run(e->session, 0);
            soften(e);
            WELD_TRY(count_batch(e, &batch, err));
        }
        done.images += batch.count;
        done.skipped += batch.bad;
        if (e->options.progress &&
            !e->options.progress(e->options.arg, done.images + done.skipped, total)) {
            return weld_fail(err, WELD_ERROR_INTERRUPTED, "evaluation: interrupted");
        }
    }
    if (done.images == 0) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: none of its %lld %s can be read",
                         weld_dataset_path(e->dataset), (long long)total,
                         weld_plural(total, "image", "images"));
    }
    e->task->finish(e->tally, &done);
    *out = e->last = done;
    return WELD_OK;
}

weld_status weld_evaluator_resample_create(const weld_evaluator *e, void **resample,
                                           weld_error *err) {
    return e->task->resample_create(e->tally, resample, err);
}

/* --- What came of it -------------------------------------------------------------------------- */

const weld_evaluation *weld_evaluator_result(const weld_evaluator *e) {
    return &e->last;
}

void weld_evaluator_tell(const weld_evaluator *e, bool classes, weld_text *out) {
    void (*tell)(const void *, const weld_dataset *, weld_text *) =
        classes ? e->task->tell_classes : e->task->tell;
    if (tell) {
        tell(e->tally, e->dataset, out);
    }
}

weld_status weld_evaluator_write_confusion(const weld_evaluator *e, const char *path,
                                           weld_error *err) {
    return e->task->write_confusion
               ? e->task->write_confusion(path, e->tally, e->dataset, err)
               : weld_fail(err, WELD_ERROR_ARGUMENT, "%s: %s has no confusion matrix", path,
                           e->task->name);
}

/* Member i of the numbers of an evaluation: the scores of runs, the loss where there is one, the
 * other scores. False past the end. */
static bool number_at(const weld_evaluator *e, int i, const char **key, double *value) {
    const weld_task *task = e->task;
    const int loss = task->has_no_loss ? -1 : task->run_scores;
    const int score = loss >= 0 && i > loss ? i - 1 : i;
    if (i != loss && score == task->score_count) {
        return false;
    }
    *key = i == loss ? "loss" : task->scores[score].key;
    *value = i == loss ? e->last.loss : e->last.scores[score];
    return true;
}

void weld_evaluator_json(const weld_evaluator *e, bool classes, json_t *object) {
    const char *key;
    double value;
    for (int i = 0; !classes && number_at(e, i, &key, &value); i++) {
        json_object_set_new(object, key, weld_json_number(value));
    }
    if (classes && e->task->json_classes) {
        e->task->json_classes(e->tally, e->dataset, object);
    }
}

weld_status weld_evaluator_write(const weld_evaluator *e, const char *path, weld_error *err) {
    weld_text t = WELD_TEXT;
    const char *key;
    double value;
    weld_text_add(&t, "{\"data\":");
    weld_json_add_name(&t, weld_dataset_path(e->dataset));
    weld_text_format(&t, ",\n\"images\":%lld,\n\"skipped\":%lld", (long long)e->last.images,
                     (long long)e->last.skipped);
    for (int i = 0; number_at(e, i, &key, &value); i++) {
        weld_text_add(&t, ",\n");
        weld_json_add_member(&t, key, value);
    }
    if (e->task->write_details) {
        weld_text_add(&t, ",\n");
        e->task->write_details(e->tally, e->dataset, &t);
    }
    weld_text_add(&t, "}\n");
    weld_status status = t.failed ? weld_fail_memory(err, path)
                                  : weld_file_write(path, t.bytes.data, t.bytes.count, err);
    weld_text_free(&t);
    return status;
}
