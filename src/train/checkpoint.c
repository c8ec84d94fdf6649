/* Checkpoints of a training run; see checkpoint.h. */
#include "train/checkpoint.h"

#include "base/error.h"
#include "base/memory.h"
#include "train/best.h"
#include "train/quantization.h"
#include "train/summary.h"

static weld_status check_finite(const weld_trainer *t, weld_error *err) {
    for (size_t i = 0; i < weld_weights_count(t->weights); i++) {
        weld_tensor w = weld_weights_tensor(t->weights, i);
        if (w.dtype == WELD_F32 &&
            t->step->kernels->first_not_finite(weld_shape_count(&w.shape), w.data) >= 0) {
            return weld_fail(
                err, WELD_ERROR_NUMERIC,
                "update %lld: %s is no longer finite: lower optimizer.lr; last.h5 stays "
                "as it was",
                (long long)t->state.step, weld_weights_name(t->weights, i));
        }
    }
    return WELD_OK;
}

/* To resume: all there is. Otherwise the best weights alone, beside their average where they are
 * not the average themselves. */
static weld_status save(weld_trainer *t, const char *path, bool to_resume, weld_error *err) {
    weld_weights *weights = to_resume ? t->weights : weld_trainer_best_weights(t);
    char *summary = NULL;
    WELD_TRY(check_finite(t, err));
    WELD_TRY(weld_metrics_sync(t->record.metrics, &t->state.metrics_bytes, err));
    t->state.metrics_tail = weld_metrics_tail(t->record.metrics);
    WELD_TRY(weld_summary_text(t, to_resume, &summary, err));
    weld_model_file file = {.kind = WELD_MODEL_CHECKPOINT,
                            .config = t->data.recipe.model,
                            .preprocessing = t->data.recipe.data.preprocessing,
                            .class_names = t->data.class_names,
                            .weights = weights,
                            .ema = weights == t->ema ? NULL : t->ema,
                            .recipe = t->recipe_text,
                            .summary = summary,
                            .trainer = t->state};
    weld_trainer_note_codes(t, &file);
    if (to_resume) {
        file.moment1 = weld_optimizer_first_moments(t->step->optimizer);
        file.moment2 = weld_optimizer_second_moments(t->step->optimizer);
    }
    weld_status status = weld_model_file_write(path, &file, err);
    weld_free(summary);
    return status;
}

weld_status weld_trainer_save_last(weld_trainer *t, weld_error *err) {
    return save(t, t->record.folder.last, true, err);
}

weld_status weld_trainer_save_epoch(weld_trainer *t, weld_error *err) {
    char *path;
    if (t->data.recipe.train.keep == 0) {
        return WELD_OK;
    }
    weld_status status = weld_run_folder_epoch(&t->record.folder, t->state.epoch, &path, err);
    status = status ? status : save(t, path, true, err);
    weld_free(path);
    return status;
}

weld_status weld_trainer_save_best(weld_trainer *t, weld_error *err) {
    WELD_TRY(save(t, t->record.folder.best, false, err));
    return weld_evaluator_write(weld_trainer_best_evaluator(t), t->record.folder.evaluation, err);
}
