/* The evaluations of a training run; see evaluation.h. */
#include "train/evaluation.h"

#include "base/error.h"
#include "graph/plan.h"
#include "passes/precision.h"
#include "train/quantization.h"
#include "train/say.h"

/* Evaluations of a run in bf16 are in bf16 too: they take a third of a step's time an image. */
weld_status weld_trainer_build_evaluation(weld_trainer *t, weld_error *err) {
    const weld_recipe *r = &t->data.recipe;
    const weld_preprocessing *p = &r->data.preprocessing;
    int64_t batch = weld_loader_train_batch_size(t->data.loader);
    weld_graph *built;
    WELD_TRY(weld_model_build(&r->model, false, batch, p->height, p->width, WELD_F32, &built, err));
    if (r->train.precision == WELD_PRECISION_FP32) {
        t->evaluation.graph = built;
        return WELD_OK;
    }
    weld_status status = weld_precision_bf16(built, &t->evaluation.graph, err);
    weld_graph_free(built);
    return status;
}

/* Each evaluation meets it again, of the weights as of their average: it is named once. */
static void say_bad_image(void *arg, int64_t index, const char *reason) {
    const weld_trainer *t = arg;
    if (weld_bad_images_note(t->evaluation.bad_images, index, reason)) {
        weld_train_say(t->data.settings, "skipped: %s", reason);
    }
}

static bool go_on(void *arg, int64_t done, int64_t total) {
    const weld_trainer *t = arg;
    const weld_train_callbacks *c = &t->data.settings->callbacks;
    if (c->evaluated) {
        weld_train_evaluation e = {.epoch = t->state.epoch, .images_done = done, .images = total};
        c->evaluated(c->context, &e);
    }
    return !weld_train_stop_asked(t->data.settings);
}

/* NULL where there are no weights. */
static weld_status open_evaluator(weld_trainer *t, weld_weights *weights, weld_evaluator **out,
                                  weld_error *err) {
    weld_evaluator_options options = {.batch_size = weld_loader_train_batch_size(t->data.loader),
                                      .threads = t->data.settings->threads,
                                      .bad_image = say_bad_image,
                                      .progress = go_on,
                                      .arg = t,
                                      .group = t->ranks.group};
    const weld_graph *g = t->quantization.graph ? t->quantization.graph : t->evaluation.graph;
    return weights
               ? weld_evaluator_create(t->data.task, g, weights, &t->data.recipe.data.preprocessing,
                                       t->data.val, &options, out, err)
               : WELD_OK;
}

weld_status weld_trainer_open_evaluators(weld_trainer *t, weld_error *err) {
    if (!t->data.val) {
        return WELD_OK;
    }
    WELD_TRY(weld_bad_images_create(t->data.recipe.data.max_bad, weld_dataset_count(t->data.val),
                                    &t->evaluation.bad_images, err));
    WELD_TRY(open_evaluator(t, weld_trainer_run_weights(t), &t->evaluation.evaluator, err));
    return open_evaluator(t, t->ema, &t->evaluation.ema_evaluator, err);
}

void weld_trainer_close_evaluation(weld_trainer *t) {
    weld_evaluator_free(t->evaluation.evaluator);
    weld_evaluator_free(t->evaluation.ema_evaluator);
    weld_bad_images_free(t->evaluation.bad_images);
    weld_graph_free(t->evaluation.graph);
}

/* Scores on what few images are left would be taken for those of the data set. */
static weld_status check_enough(const weld_trainer *t, const weld_evaluation *e, weld_error *err) {
    const int64_t images = weld_dataset_count(t->data.val);
    const double max_bad = t->data.recipe.data.max_bad;
    const int64_t most = weld_bad_images_limit(max_bad, images);
    char source[WELD_BAD_IMAGES_SOURCE_SIZE];
    return e->skipped <= most
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: %lld of its %lld images are bad, which is more than %lld (%s): "
                           "weld check-data lists them all",
                           weld_dataset_title(t->data.val), (long long)e->skipped,
                           (long long)images, (long long)most,
                           weld_bad_images_source(max_bad, images, source));
}

static weld_status run(weld_trainer *t, weld_evaluator *evaluator, weld_evaluation *out,
                       weld_error *err) {
    weld_status status = weld_evaluator_run(evaluator, out, err);
    status = status
                 ? status
                 : weld_run_data_advise_bad(&t->data, t->data.val, check_enough(t, out, err), err);
    return status != WELD_ERROR_NUMERIC
               ? status
               : weld_fail_context(err, status, "update %lld, evaluation after epoch %lld",
                                   (long long)t->state.step, (long long)t->state.epoch);
}

/* average: images 0 where there is none. */
static void tell_images(const weld_trainer *t, const weld_evaluation *e,
                        const weld_evaluation *average) {
    const char *title = weld_dataset_title(t->data.val);
    const long long epoch = (long long)t->state.epoch + 1,
                    all = (long long)(e->images + e->skipped);
    if (e->skipped) {
        weld_train_say(t->data.settings,
                       "%s: %lld of its %lld images are bad: the scores after epoch %lld are of "
                       "%lld",
                       title, (long long)e->skipped, all, epoch, (long long)e->images);
    }
    if (average->images && average->images != e->images) {
        weld_train_say(
            t->data.settings,
            "%s: %lld of its %lld images are bad where the moving average was evaluated: "
            "its scores after epoch %lld are of %lld, and not compared with the weights'",
            title, (long long)average->skipped, all, epoch, (long long)average->images);
    }
}

weld_status weld_trainer_evaluate(weld_trainer *t, weld_error *err) {
    weld_evaluation e, average = {0};
    weld_group_doing(t->ranks.group, "the evaluation");
    WELD_TRY(run(t, t->evaluation.evaluator, &e, err));
    if (t->evaluation.ema_evaluator) {
        WELD_TRY(run(t, t->evaluation.ema_evaluator, &average, err));
    }
    t->evaluation.last = e;
    t->evaluation.last_ema = average;
    t->evaluation.step = t->state.step;
    tell_images(t, &e, &average);
    return WELD_OK;
}
