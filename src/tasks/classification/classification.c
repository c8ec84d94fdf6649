/* Classification as a task; see classification.h. */
#include "tasks/classification/classification.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tasks/class_names.h"
#include "tasks/classification/evaluation_details.h"
#include "tasks/classification/loss.h"

static const weld_score_kind scores[] = {
    [WELD_TOP1] = {"top1", "top-1", " %", 2, "accuracy"},
    [WELD_TOP5] = {"top5", "top-5", " %", 2, "accuracy"},
    [WELD_CALIBRATION_ERROR] = {"calibration_error", "calibration error", " %", 2, "accuracy"},
};

static const char *const balances[] = {"none", "balanced", "sqrt", NULL};

static const char *const kinds[] = {"cross_entropy", "bce", NULL};

static const weld_key keys[] = {
    {"kind", WELD_KEY_CHOICE, WELD_KEY_ONE(weld_classification_loss, kind), .choices = kinds,
     .null = "cross_entropy",
     .help = "`cross_entropy`: of the softmax, one class against the others; `bce`: binary cross "
             "entropy, each class a question of its own: the mean over the batch and the classes "
             "of -(t log p + (1 - t) log(1 - p)) with p the sigmoid of the logit and t the target, "
             "smoothed and mixed, as timm's `--bce-loss` has it. The loss is smaller by about the "
             "number of classes: recipes for it have rates of their own. Evaluation stays the "
             "cross entropy, as in timm"},
    {"label_smoothing", WELD_KEY_REAL, WELD_KEY_ONE(weld_classification_loss, label_smoothing),
     .max = 0.999, .null = "0", .standard = "0.1",
     .help = "share of the target spread over all classes"},
    {"class_weights", WELD_KEY_CHOICE, WELD_KEY_ONE(weld_classification_loss, class_weights),
     .choices = balances, .null = "none",
     .help =
         "what a sample counts in the loss by its class, for uneven folders: `balanced`: n / (K "
         "n_c) for n images of K classes, n_c of this one; `sqrt`: proportional to the root of "
         "that. Counted from the places of an epoch, so that with `data.sampling: sqrt` `balanced` "
         "makes up for the other half, and after `balanced` sampling nothing is left to weigh. The "
         "mean weight of a sample is 1, and the loss of a batch is the sum over its samples "
         "divided by their number, as PyTorch's `CrossEntropyLoss(weight)` has it for targets that "
         "are probabilities (smoothed or mixed targets are weighed class by class). `train_loss` "
         "is the weighed one; evaluation and what a teacher says are not weighed"},
};

/* --- Counting: a tally is a weld_evaluation_details, a record a weld_image_score --- */

static weld_status create_tally(const weld_dataset *ds, const weld_tensor *outputs, void **tally,
                                weld_error *err) {
    const int classes = (int)outputs[0].shape.dim[1];
    WELD_TRY(weld_class_check_network(classes, err));
    if (classes != weld_dataset_class_count(ds)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: it has %d classes, the network %d: they must be the same",
                         weld_dataset_path(ds), weld_dataset_class_count(ds), classes);
    }
    weld_evaluation_details *d = weld_alloc(1, sizeof *d);
    if (!d) {
        return weld_fail_memory(err, "evaluation");
    }
    d->classes = classes;
    *tally = d;
    return WELD_OK;
}

static void free_tally(void *tally) {
    if (tally) {
        weld_evaluation_details_free(tally);
        weld_free(tally);
    }
}

static weld_status clear_tally(void *tally, weld_error *err) {
    weld_evaluation_details *d = tally;
    return weld_evaluation_details_begin(d, d->classes, err);
}

static weld_status measure(const void *tally, const weld_tensor *outputs, int64_t i,
                           const weld_batch *batch, weld_array *record, weld_error *err) {
    (void)tally;
    const int64_t classes = outputs[0].shape.dim[1];
    const float *logits = (const float *)outputs[0].data + i * classes;
    const int32_t label = weld_class_label(batch, i);
    weld_image_score score = weld_image_score_of(logits, classes, label);
    if (!isfinite(score.loss)) {
        return weld_fail(err, WELD_ERROR_NUMERIC, "logits are not finite");
    }
    return weld_array_append(record, &score, sizeof score) ? WELD_OK
                                                           : weld_fail_memory(err, "evaluation");
}

static weld_status count(void *tally, int64_t index, const void *record, size_t bytes,
                         weld_error *err) {
    weld_image_score score;
    if (bytes != sizeof score) {
        return weld_fail(err, WELD_ERROR_FORMAT, "evaluation: an image's score is of %zu bytes",
                         bytes);
    }
    memcpy(&score, record, sizeof score);
    return weld_evaluation_details_add(tally, index, &score, err);
}

static void outcome(const void *record, weld_outcome *out) {
    weld_image_score score;
    memcpy(&score, record, sizeof score);
    *out = (weld_outcome){.label = score.label,
                          .answer = score.predicted,
                          .right = score.rank < 1,
                          .loss = score.loss};
}

static void finish(void *tally, weld_evaluation *out) {
    weld_evaluation_details *d = tally;
    weld_evaluation_details_finish(d);
    out->loss = weld_scores_loss(&d->scores);
    out->scores[WELD_TOP1] = weld_scores_top1(&d->scores);
    out->scores[WELD_TOP5] = weld_scores_top5(&d->scores);
    out->scores[WELD_CALIBRATION_ERROR] = weld_evaluation_calibration_error(d);
}

const weld_task weld_task_classification = {
    .name = "classification",
    .outputs = {"logits"},
    .output_word = "logit",
    .answer_word = "class",
    .has_temperature = true,
    .can_be_taught = true,
    .scores = scores,
    .score_count = 3,
    .run_scores = 2,
    .annotation = &weld_class_annotation,
    .check_training = weld_class_check_data,
    .match_labels = weld_class_names_match,
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .start_recipe = "recipes/finetune.yaml",
    .inputs = {"target"},
    .build_loss = weld_classification_loss_build,
    .fill_noise = weld_classification_loss_fill,
    .targets_create = weld_class_targets_create,
    .targets_free = weld_class_targets_free,
    .target_size = weld_class_target_size,
    .targets_fill = weld_class_targets_fill,
    .caption = weld_class_caption,
    .caption_help = "below each: the shares of its classes as mixing leaves them; label smoothing "
                    "follows in the loss",
    .targets_tell = weld_class_targets_tell,
    .tally_create = create_tally,
    .tally_free = free_tally,
    .tally_clear = clear_tally,
    .measure = measure,
    .count = count,
    .outcome = outcome,
    .finish = finish,
    .tell = weld_class_tell,
    .tell_classes = weld_class_tell_classes,
    .json_classes = weld_class_json_classes,
    .write_details = weld_class_write_details,
    .write_confusion = weld_class_write_confusion,
    .report = &weld_class_report_view,
    .answer = weld_class_answer,
    .answer_columns = {"class", "index", "probability"},
    .same_answer = weld_class_same_answer,
};
