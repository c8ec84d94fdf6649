/* Accuracy and loss of a network on a data set; see evaluate.h. */
#include "infer/evaluate.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "infer/model.h"
#include "tasks/classification/scores.h"

struct weld_evaluator {
    weld_session *session;
    weld_loader *loader;
    const weld_dataset *dataset;
    weld_evaluator_options options;
    int classes;
    weld_evaluation_details details;
};

weld_status weld_evaluator_create(const weld_graph *g, weld_weights *w,
                                  const weld_preprocessing *preprocessing, const weld_dataset *ds,
                                  const weld_evaluator_options *options, weld_evaluator **out,
                                  weld_error *err) {
    *out = NULL;
    weld_evaluator *e = weld_alloc(1, sizeof *e);
    if (!e) {
        return weld_fail_memory(err, "evaluation");
    }
    int64_t count = weld_dataset_count(ds);
    e->options = *options;
    e->options.batch_size = options->batch_size < count ? options->batch_size : count;
    e->dataset = ds;
    weld_loader_options loader = {.preprocessing = *preprocessing,
                                  .augmentation = weld_augmentation_defaults(),
                                  .batch_size = e->options.batch_size,
                                  .threads = options->threads,
                                  .bad_image = options->bad_image,
                                  .bad_image_arg = options->arg};
    loader.augmentation.kind = WELD_AUGMENT_NONE;
    /* Weights may change from one evaluation to the next: while training they do. */
    weld_status status =
        weld_logits_session(g, w, e->options.batch_size, options->threads, false, &e->session, err);
    if (status == WELD_OK) {
        status = weld_loader_create(ds, &loader, &e->loader, err);
    }
    if (status != WELD_OK) {
        weld_evaluator_free(e);
        return status;
    }
    e->classes = (int)weld_session_output(e->session, "logits").shape.dim[1];
    if (e->classes != weld_dataset_class_count(ds)) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: it has %d classes, the network %d: they must be the same",
                           weld_dataset_path(ds), weld_dataset_class_count(ds), e->classes);
        weld_evaluator_free(e);
        return status;
    }
    *out = e;
    return WELD_OK;
}

void weld_evaluator_free(weld_evaluator *e) {
    if (e) {
        weld_session_free(e->session);
        weld_loader_free(e->loader);
        weld_evaluation_details_free(&e->details);
        weld_free(e);
    }
}

/* Adds the images one by one, so that a bad one can be named. */
static weld_status count_batch(weld_evaluator *e, const weld_batch *batch, const float *logits,
                               weld_scores *scores, weld_error *err) {
    for (int64_t i = 0; i < batch->count; i++, logits += e->classes) {
        weld_image_score image = weld_image_score_of(logits, e->classes, batch->labels[i]);
        if (!isfinite(image.loss)) {
            return weld_fail(err, WELD_ERROR_NUMERIC,
                             "%s: the network's output for it is not finite: its weights are not "
                             "usable",
                             weld_dataset_name(e->dataset, batch->indices[i]));
        }
        weld_scores_count(scores, &image);
        weld_status status =
            weld_evaluation_details_add(&e->details, batch->indices[i], &image, err);
        if (status != WELD_OK) {
            return status;
        }
    }
    return WELD_OK;
}

weld_status weld_evaluator_run(weld_evaluator *e, weld_evaluation *out, weld_error *err) {
    int64_t batches = weld_loader_eval_batches(e->loader), total = weld_dataset_count(e->dataset);
    float *images = weld_session_input(e->session, "images").data;
    const float *logits = weld_session_output(e->session, "logits").data;
    weld_scores scores = {0};
    int64_t skipped = 0;
    weld_status status = weld_evaluation_details_begin(&e->details, e->classes, err);
    if (status != WELD_OK) {
        return status;
    }
    for (int64_t b = 0; b < batches; b++) {
        weld_batch batch;
        status = weld_loader_eval_batch(e->loader, b, images, &batch, err);
        if (status == WELD_OK && batch.count > 0) {
            weld_session_run(e->session, 0);
            status = count_batch(e, &batch, logits, &scores, err);
        }
        if (status != WELD_OK) {
            return status;
        }
        skipped += batch.bad;
        if (e->options.progress &&
            !e->options.progress(e->options.arg, scores.images + skipped, total)) {
            return weld_fail(err, WELD_ERROR_INTERRUPTED, "evaluation: interrupted");
        }
    }
    if (scores.images == 0) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: none of its %lld images can be read",
                         weld_dataset_path(e->dataset), (long long)total);
    }
    weld_evaluation_details_finish(&e->details);
    *out = (weld_evaluation){.images = scores.images,
                             .skipped = skipped,
                             .top1 = weld_scores_top1(&scores),
                             .top5 = weld_scores_top5(&scores),
                             .loss = weld_scores_loss(&scores),
                             .calibration_error = weld_evaluation_calibration_error(&e->details)};
    return WELD_OK;
}

const weld_evaluation_details *weld_evaluator_details(const weld_evaluator *e) {
    return &e->details;
}
