/* Checkpoints of a training run; see checkpoint.h. */
#include "train/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "datasets/boxes.h"
#include "formats/json.h"
#include "train/best.h"
#include "train/say.h"

#define VALUE_SIZE (WELD_RECIPE_PATH_SIZE + 1)
/* Of the summary: what training started from, and what it learns from beside the labels. */
#define INIT_KEY "init"
#define BAD_IMAGES_KEY "bad_images" /* in last.h5: indices in the data set */
#define TEACHER_KEY "teacher"
#define TRAIN_KEY "train_identity" /* in last.h5: of both data sets (datasets/identity.h) */
#define VAL_KEY "val_identity"
#define MIXED_KEY "mixed"          /* of ranks on cpus of several kinds, in some part of the run */
#define ORDER_KEY "gradient_order" /* in last.h5, of more than three batches an update: "tree" */

/* --- Writing --- */

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

/* Up to three batches have been added in the tree's order ever since. */
static bool adds_by_tree(const weld_trainer *t) {
    return t->data.recipe.train.accumulate > 3;
}

/* A JSON number has not as many bits. */
static void add_identity(json_t *summary, const char *key, uint64_t identity) {
    if (identity) {
        json_object_set_new(summary, key, json_sprintf("%016llx", (unsigned long long)identity));
    }
}

/* What people and programs may want to know of a checkpoint's training, as JSON. */
static weld_status summarise(const weld_trainer *t, bool to_resume, char **text, weld_error *err) {
    const weld_evaluation *e = to_resume ? &t->evaluation.last : weld_trainer_best_evaluation(t);
    const bool averaged = e == &t->evaluation.last_ema; /* the weights are the average */
    const weld_task *task = t->data.task;
    json_t *summary =
        json_pack("{s:I, s:I, s:I}", "epochs", (json_int_t)t->state.epoch, "steps",
                  (json_int_t)t->state.step, "train_images", (json_int_t)t->state.train_images);
    if (t->init) { /* a name that is not UTF-8 is left out */
        json_object_set_new(summary, INIT_KEY, json_string(t->init));
    }
    if (t->data.distillation) {
        json_object_set_new(summary, TEACHER_KEY,
                            json_string(weld_distillation_identity(t->data.distillation)));
    }
    if (t->ranks.mixed || t->was_mixed) {
        json_object_set_new(summary, MIXED_KEY, json_true());
    }
    if (to_resume && weld_bad_images_count(t->data.bad_images)) {
        json_object_set_new(summary, BAD_IMAGES_KEY, weld_bad_images_json(t->data.bad_images));
    }
    if (to_resume) {
        add_identity(summary, TRAIN_KEY, t->data.train_identity);
        add_identity(summary, VAL_KEY, t->data.val_identity);
    }
    if (to_resume && adds_by_tree(t)) {
        json_object_set_new(summary, ORDER_KEY, json_string("tree"));
    }
    if (e->images) {
        json_object_set_new(summary, "val_images", json_integer(e->images));
        json_object_set_new(summary, "val_loss", json_real(e->loss));
        for (int i = 0; i < task->run_scores; i++) {
            json_object_set_new(summary, task->scores[i].key, json_real(e->scores[i]));
        }
    }
    if (averaged) {
        json_object_set_new(summary, "weights", json_string("average"));
    } else if (t->evaluation.last_ema.images) {
        char key[64];
        snprintf(key, sizeof key, "ema_%s", task->scores[0].key);
        json_object_set_new(summary, key, json_real(t->evaluation.last_ema.scores[0]));
    }
    return weld_json_text(summary, t->record.folder.last, text, err);
}

/* To resume: all there is. Otherwise the best weights alone, beside their average where they are
 * not the average themselves. */
static weld_status save(weld_trainer *t, const char *path, bool to_resume, weld_error *err) {
    weld_weights *weights = to_resume ? t->weights : weld_trainer_best_weights(t);
    char *summary = NULL;
    WELD_TRY(check_finite(t, err));
    WELD_TRY(weld_metrics_sync(t->record.metrics, &t->state.metrics_bytes, err));
    WELD_TRY(summarise(t, to_resume, &summary, err));
    weld_model_file file = {.kind = WELD_MODEL_CHECKPOINT,
                            .config = t->data.recipe.model,
                            .preprocessing = t->data.recipe.data.preprocessing,
                            .class_names = t->data.class_names,
                            .weights = weights,
                            .ema = weights == t->ema ? NULL : t->ema,
                            .recipe = t->recipe_text,
                            .summary = summary,
                            .trainer = t->state};
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

/* --- Resuming --- */

/* A recipe of a run has all keys written out. One that lacks some is of a version that did not do
 * what they say by default: to go on would be another training, and nothing else would tell. */
static weld_status check_keys(const weld_trainer *t, const weld_model_file *file,
                              const weld_recipe *old, weld_error *err) {
    char *text = NULL;
    char last[4 * WELD_RECIPE_PATH_SIZE];
    weld_status status = weld_recipe_text(old, &text, err);
    if (!status && strcmp(text, file->recipe) != 0) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: was begun by a version of weld (%s) whose recipes have other keys: "
                           "end the run with that version, or begin another one with --init %s",
                           t->record.folder.last, file->program_version,
                           weld_shell_word(t->record.folder.last, last, sizeof last));
    }
    weld_free(text);
    return status;
}

/* A run that goes on to more epochs; what else its recipe says stays. */
static weld_status extend(weld_trainer *t, weld_recipe *old, weld_error *err) {
    const int64_t epochs = t->data.settings->extend;
    if (epochs && epochs < old->train.epochs) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: is of a run of %lld epochs: --extend takes more, all of them counted",
                         t->record.folder.last, (long long)old->train.epochs);
    }
    if (epochs > old->train.epochs) {
        t->extended_from = old->train.epochs;
        old->train.epochs = epochs;
    }
    return WELD_OK;
}

/* What can be done where the run cannot go on as it is. */
static weld_status fail_other_recipe(const weld_trainer *t, const weld_recipe *old, const char *key,
                                     const char *was, const char *is, weld_error *err) {
    char last[4 * WELD_RECIPE_PATH_SIZE], more[64] = "";
    if (t->data.recipe.train.epochs > old->train.epochs && strcmp(key, "train.epochs") == 0) {
        snprintf(more, sizeof more, "go on to as many with --extend %lld, ",
                 (long long)t->data.recipe.train.epochs);
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "%s: was made with %s %s, but now it is %s: %sresume with %s, or begin "
                     "another run from its weights with --init %s",
                     t->record.folder.last, key, was, is, more, t->record.folder.recipe,
                     weld_shell_word(t->record.folder.last, last, sizeof last));
}

static weld_status check_recipe(weld_trainer *t, const weld_model_file *file, weld_error *err) {
    if (!file->recipe) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: has no recipe: it is not of a training run",
                         t->record.folder.last);
    }
    char key[64];
    char *values = weld_alloc(2, VALUE_SIZE);
    weld_recipe *old = weld_alloc(1, sizeof *old);
    weld_status status = values && old ? WELD_OK : weld_fail_memory(err, t->record.folder.last);
    status = status ? status
                    : weld_recipe_parse(t->record.folder.last, file->recipe, strlen(file->recipe),
                                        NULL, 0, old, err);
    status = status ? status : check_keys(t, file, old, err);
    status = status ? status : extend(t, old, err);
    if (!status && weld_recipe_difference(old, &t->data.recipe, key, sizeof key, values,
                                          values + VALUE_SIZE, VALUE_SIZE)) {
        status = fail_other_recipe(t, old, key, values, values + VALUE_SIZE, err);
    }
    if (!status && old->train.precision != t->data.recipe.train.precision) {
        weld_train_say(t->data.settings, "%s: was trained in another precision so far",
                       t->record.folder.last);
    }
    weld_free(values);
    weld_free(old);
    return status;
}

static weld_status check_data(const weld_trainer *t, const weld_model_file *file, weld_error *err) {
    const weld_labels labels = {.count = file->config.num_classes,
                                .names = (const char *const *)file->class_names,
                                .of = WELD_LABELS_OF_RUN,
                                .path = t->record.folder.last};
    WELD_TRY(weld_task_check_labels(t->data.task, t->data.train, &labels, err));
    if (file->trainer.train_images != weld_dataset_count(t->data.train)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: was trained on %lld images, %s has %lld: resume with the same data",
                         t->record.folder.last, (long long)file->trainer.train_images,
                         weld_dataset_path(t->data.train),
                         (long long)weld_dataset_count(t->data.train));
    }
    return WELD_OK;
}

/* The checksum of the file is right, but whoever made it may not be: nothing below may divide by,
 * loop over or seek to a number that makes no sense. */
static weld_status check_state(const weld_trainer *t, const weld_trainer_state *s,
                               weld_error *err) {
    const weld_run_data *d = &t->data;
    bool sane =
        s->epoch >= 0 && s->epoch <= weld_schedule_epochs(&t->schedule) && s->position >= 0 &&
        s->position <= weld_loader_train_updates(d->loader, (uint32_t)s->epoch) &&
        s->step == weld_run_data_updates(d, s->epoch) + s->position && s->metrics_bytes >= 0 &&
        s->epoch_samples >= 0 && s->plateau_since <= s->epoch && s->stale_evaluations >= 0;
    return sane ? WELD_OK
                : weld_fail(err, WELD_ERROR_FORMAT,
                            "%s: its epoch, position and step do not fit together: it cannot be "
                            "resumed",
                            t->record.folder.last);
}

/* Earlier versions added one batch after the other. */
static void tell_order(const weld_trainer *t, const json_t *summary) {
    if (adds_by_tree(t) && !json_object_get(summary, ORDER_KEY)) {
        weld_train_say(t->data.settings,
                       "%s: was begun by an earlier version of weld, which added up the gradients "
                       "of an update's %lld batches in another order: from here on they are "
                       "rounded otherwise",
                       t->record.folder.last, (long long)t->data.recipe.train.accumulate);
    }
}

/* Bits of one process, or of several cpus: what was before and what comes are not of one kind. */
static void tell_mixed(weld_trainer *t, const json_t *summary) {
    t->was_mixed = json_is_true(json_object_get(summary, MIXED_KEY));
    if (t->was_mixed && !t->ranks.mixed) {
        weld_train_say(t->data.settings,
                       "%s: was trained with --mixed, by cpus of several kinds: from here on all "
                       "that compute come to the same bits",
                       t->record.folder.last);
    } else if (t->ranks.mixed && !t->was_mixed) {
        weld_train_say(t->data.settings,
                       "%s: was trained without --mixed: from here on it is no longer what one "
                       "process would come to",
                       t->record.folder.last);
    }
}

/* Does the run go on with the data that the summary speaks of? Scores on other images could not be
 * compared with those that there are. */
static weld_status check_identity(const weld_trainer *t, const json_t *summary, const char *key,
                                  const weld_dataset *ds, uint64_t now, uint64_t *was,
                                  weld_error *err) {
    const char *text = json_string_value(json_object_get(summary, key));
    *was = text ? strtoull(text, NULL, 16) : 0;
    if (!ds || !*was || now == *was) {
        return WELD_OK;
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "%s: its images, %s or classes are others than when %s was written: resume "
                     "with what the run began with, or train into another --out",
                     weld_dataset_title(ds), weld_dataset_has_boxes(ds) ? "boxes" : "labels",
                     t->record.folder.last);
}

static weld_status check_identities(weld_trainer *t, const json_t *summary, weld_error *err) {
    weld_run_data *d = &t->data;
    uint64_t train, val;
    WELD_TRY(check_identity(t, summary, TRAIN_KEY, d->train, d->train_identity, &train, err));
    WELD_TRY(check_identity(t, summary, VAL_KEY, d->val, d->val_identity, &val, err));
    d->val_identity = d->val ? d->val_identity : val; /* it may be evaluated again */
    if (!train) {
        weld_train_say(d->settings,
                       "%s: was written by an earlier version of weld, which did not note what "
                       "its data were: that these are the same is not checked",
                       t->record.folder.last);
    }
    return WELD_OK;
}

/* A run that is resumed started where the first one did, learns from the same teacher and counts on
 * from the same bad images. */
static weld_status take_summary(weld_trainer *t, weld_error *err) {
    weld_json json = {.where = t->record.folder.last};
    json_t *summary =
        t->data.start_file.summary ? weld_json_parse(&json, t->data.start_file.summary) : NULL;
    const char *init = json_string_value(json_object_get(summary, INIT_KEY));
    t->init = init ? weld_strdup(init) : NULL;
    weld_status status = init && !t->init ? weld_fail_memory(err, t->record.folder.last) : WELD_OK;
    const char *was = json_string_value(json_object_get(summary, TEACHER_KEY));
    const char *is = t->data.distillation ? weld_distillation_identity(t->data.distillation) : NULL;
    if (!status && was && is && strcmp(was, is) != 0) {
        status =
            weld_fail(err, WELD_ERROR_ARGUMENT,
                      "%s: learned from %.40s, but now from %s (%.200s): resume with the same",
                      t->record.folder.last, was, is, weld_distillation_text(t->data.distillation));
    }
    status = status ? status : check_identities(t, summary, err);
    tell_order(t, summary);
    tell_mixed(t, summary);
    weld_bad_images_restore(t->data.bad_images, json_object_get(summary, BAD_IMAGES_KEY));
    json_decref(summary);
    return status;
}

/* A best that is no longer there is beaten by the first that comes. */
static void miss_best(weld_trainer *t) {
    if (t->state.best_epoch >= 0 && !t->record.folder.holds_best) {
        weld_train_say(t->data.settings,
                       "%s: is not there any more: the next will be the best of what follows",
                       t->record.folder.best);
        t->state.best_epoch = -1;
    }
}

weld_status weld_trainer_load_last(weld_trainer *t, weld_error *err) {
    weld_model_file *file = &t->data.start_file;
    weld_status status = WELD_OK;
    if (file->kind != WELD_MODEL_CHECKPOINT || !file->moment1) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: has no optimizer state: only a last.h5 can be resumed",
                           t->record.folder.last);
    }
    status = status ? status : check_recipe(t, file, err);
    status = status ? status : check_data(t, file, err);
    status = status ? status : check_state(t, &file->trainer, err);
    if (!status && t->data.recipe.train.ema_decay > 0 && !file->ema) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: has no moving average of the weights: train into another --out",
                           t->record.folder.last);
    }
    status = status ? status : take_summary(t, err);
    if (!status) {
        t->weights = file->weights;
        t->ema = file->ema;
        file->weights = file->ema = NULL;
        t->state = file->trainer;
        miss_best(t);
    }
    return status;
}

static weld_status copy_moments(weld_weights *to, const weld_weights *from, const char *path,
                                weld_error *err) {
    if (weld_weights_count(from) != weld_weights_count(to)) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: the optimizer's state has %zu parameters, the recipe trains %zu",
                         path, weld_weights_count(from), weld_weights_count(to));
    }
    for (size_t i = 0; i < weld_weights_count(to); i++) {
        weld_tensor a = weld_weights_tensor(to, i), b;
        if (!weld_weights_find(from, weld_weights_name(to, i), &b) || a.dtype != b.dtype ||
            !weld_shape_equal(&a.shape, &b.shape)) {
            return weld_fail(err, WELD_ERROR_FORMAT, "%s: the optimizer's state lacks %s", path,
                             weld_weights_name(to, i));
        }
        memcpy(a.data, b.data, weld_tensor_bytes(&a));
    }
    return WELD_OK;
}

weld_status weld_trainer_load_moments(weld_trainer *t, weld_error *err) {
    const weld_model_file *file = &t->data.start_file;
    weld_weights *second = weld_optimizer_second_moments(t->step->optimizer);
    weld_optimizer_set_updates(t->step->optimizer, t->state.step);
    weld_status status = copy_moments(weld_optimizer_first_moments(t->step->optimizer),
                                      file->moment1, t->record.folder.last, err);
    if (!status && !second != !file->moment2) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: the optimizer's state is of another one",
                           t->record.folder.last);
    }
    return status || !second ? status
                             : copy_moments(second, file->moment2, t->record.folder.last, err);
}
