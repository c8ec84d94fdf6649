/* A run that is resumed; see resume.h. */
#define _POSIX_C_SOURCE 200809L
#include "train/resume.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/file.h"
#include "formats/json_tree.h"
#include "serialization/summary_keys.h"
#include "train/best.h"
#include "train/quantization.h"
#include "train/say.h"
#include "train/summary.h"

#define VALUE_SIZE (WELD_RECIPE_PATH_SIZE + 1)

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
    char last[4 * WELD_RECIPE_PATH_SIZE], more[64] = "", with[WELD_RECIPE_PATH_SIZE];
    if (t->data.recipe.train.epochs > old->train.epochs && strcmp(key, "train.epochs") == 0) {
        snprintf(more, sizeof more, "go on to as many with --extend %lld, ",
                 (long long)t->data.recipe.train.epochs);
    }
    const bool is_own = weld_is_same_file(t->data.settings->recipe, t->record.folder.recipe);
    snprintf(with, sizeof with, is_own ? "that %s again" : "%s",
             is_own ? key : t->record.folder.recipe);
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "%s: was made with %s %s, but now it is %s: %sresume with %s, or begin "
                     "another run from its weights with --init %s",
                     t->record.folder.last, key, was, is, more, with,
                     weld_shell_word(t->record.folder.last, last, sizeof last));
}

/* The recipe that a file of the run has, of weld_alloc. */
static weld_status read_recipe(const char *path, const char *text, weld_recipe **out,
                               weld_error *err) {
    *out = weld_alloc(1, sizeof **out);
    return *out ? weld_recipe_parse(path, text, strlen(text), NULL, 0, *out, err)
                : weld_fail_memory(err, path);
}

static weld_status check_recipe(weld_trainer *t, const weld_model_file *file, weld_error *err) {
    if (!file->recipe) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: has no recipe: it is not of a training run",
                         t->record.folder.last);
    }
    char key[64], was[VALUE_SIZE], is[VALUE_SIZE];
    weld_recipe *old;
    weld_status status = read_recipe(t->record.folder.last, file->recipe, &old, err);
    status = status ? status : check_keys(t, file, old, err);
    status = status ? status : extend(t, old, err);
    if (!status &&
        weld_recipe_difference(old, &t->data.recipe, key, sizeof key, was, is, VALUE_SIZE)) {
        status = fail_other_recipe(t, old, key, was, is, err);
    }
    if (!status && old->train.precision != t->data.recipe.train.precision) {
        weld_train_say(t->data.settings, "%s: was trained in another precision so far",
                       t->record.folder.last);
    }
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

/* --- best.h5 --- */

/* NaN is the same as NaN. */
static bool is_same_number(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

/* Is a best.h5 of a run by the same recipe? *goes_on: by one that comes to the same from here on;
 * else it may be of fewer epochs, or evaluate more seldom. */
static weld_status is_of_recipe(const weld_trainer *t, const weld_model_file *best, bool *is,
                                bool *goes_on, weld_error *err) {
    const weld_recipe *now = &t->data.recipe;
    char key[64], value[VALUE_SIZE], ours[VALUE_SIZE];
    weld_recipe *r;
    *is = *goes_on = false;
    if (best->kind != WELD_MODEL_CHECKPOINT || !best->recipe) {
        return WELD_OK;
    }
    const weld_status status = read_recipe(t->record.folder.best, best->recipe, &r, err);
    if (!status) {
        const bool is_as_long = r->train.epochs == now->train.epochs;
        r->train.epochs = now->train.epochs;
        *is = !weld_recipe_difference(r, now, key, sizeof key, value, ours, VALUE_SIZE);
        *goes_on = *is && is_as_long && r->train.eval_every == now->train.eval_every;
    }
    weld_free(r);
    return status == WELD_ERROR_MEMORY ? status : WELD_OK; /* else it is another's */
}

/* Did its run start from what this one did? */
static weld_status is_of_start(const weld_trainer *t, const weld_model_file *best, bool *is,
                               weld_error *err) {
    weld_json_fault fault = {.status = WELD_OK};
    json_t *summary = best->summary ? weld_json_tree_of(best->summary, &fault) : NULL;
    const char *init = json_string_value(json_object_get(summary, WELD_SUMMARY_INIT));
    *is = init && t->init ? strcmp(init, t->init) == 0 : !init && !t->init;
    json_decref(summary);
    return fault.status == WELD_ERROR_MEMORY ? weld_fail_memory(err, t->record.folder.best)
                                             : WELD_OK;
}

/* Is what a file says of the run's best what the run has noted? Two runs may come to one score, but
 * hardly to one loss. */
static bool is_noted_best(const weld_trainer_state *b, const weld_trainer_state *s) {
    return b->step <= s->step && b->best_epoch == s->best_epoch &&
           b->best_images == s->best_images && is_same_number(b->best_score, s->best_score) &&
           is_same_number(b->best_loss, s->best_loss) &&
           is_same_number(b->best_average, s->best_average);
}

/* Is it what the run that is resumed had left there? One that was written after last.h5 will be so
 * again, unless the run has been made longer since: the rate is another then. */
static weld_status check_best(const weld_trainer *t, weld_error *err) {
    const weld_trainer_state *s = &t->state;
    bool is_own, goes_on, is_begun_so = false;
    const char *path = t->record.folder.best;
    weld_model_file best;
    if (!t->record.folder.holds_best) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s: is not there any more", path);
    }
    WELD_TRY(weld_model_file_read(path, &best, err));
    const weld_trainer_state b = best.trainer;
    weld_status status = is_of_recipe(t, &best, &is_own, &goes_on, err);
    status = status ? status : is_of_start(t, &best, &is_begun_so, err);
    weld_model_file_free(&best);
    WELD_TRY(status);
    const bool comes_again = b.step > s->step && goes_on;
    return is_own && is_begun_so && b.seed == s->seed && (comes_again || is_noted_best(&b, s))
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_FORMAT, "%s: is not of the run's best epoch, %lld", path,
                           (long long)s->best_epoch + 1);
}

/* A checkpoint that was kept after the best epoch has the same weights, unless best.h5 has their
 * average. *path NULL: there is none. */
static weld_status find_kept(const weld_trainer *t, char **path, weld_error *err) {
    WELD_TRY(weld_run_folder_epoch(&t->record.folder, t->state.best_epoch + 1, path, err));
    if (access(*path, F_OK) < 0 || t->data.recipe.train.best == WELD_RECIPE_BEST_EMA) {
        weld_free(*path);
        *path = NULL;
    }
    return WELD_OK;
}

/* A best that is lost is beaten by the first that comes. Where none comes the folder does not hold
 * what the run is said to have come to. */
static weld_status miss_best(weld_trainer *t, const weld_error *why, weld_error *err) {
    char *kept, instead[WELD_RECIPE_PATH_SIZE + 64];
    WELD_TRY(find_kept(t, &kept, err));
    snprintf(instead, sizeof instead,
             kept ? "copy %s there, which has the same weights" : "its last weights are in %s",
             kept ? kept : t->record.folder.last);
    weld_free(kept);
    if (weld_trainer_is_over(t)) {
        return weld_fail(err, why->status,
                         "%s: the run has ended, and no other follows: %s, or go "
                         "on to more epochs with --extend",
                         why->message, instead);
    }
    weld_train_say(t->data.settings, "%s: the next will be the best of what follows", why->message);
    t->state.best_epoch = -1;
    return WELD_OK;
}

/* What cannot be read now is not lost: the next time it may be read, if nothing takes its place. */
static weld_status take_best(weld_trainer *t, weld_error *err) {
    weld_error why = {.message = ""};
    const weld_status status = t->state.best_epoch >= 0 ? check_best(t, &why) : WELD_OK;
    const bool lost = status == WELD_ERROR_NOT_FOUND || status == WELD_ERROR_FORMAT;
    return status == WELD_OK ? WELD_OK
           : lost            ? miss_best(t, &why, err)
                             : weld_fail(err, status, "%s", why.message);
}

/* --- last.h5 --- */

weld_status weld_trainer_load_last(weld_trainer *t, weld_error *err) {
    weld_model_file *file = &t->data.start_file;
    weld_status status = check_recipe(t, file, err);
    status = status ? status : check_data(t, file, err);
    status = status ? status : check_state(t, &file->trainer, err);
    if (!status && t->data.recipe.train.ema_decay > 0 && !file->ema) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: has no moving average of the weights: train into another --out",
                           t->record.folder.last);
    }
    status = status ? status : weld_summary_take(t, err);
    status = status ? status : weld_run_data_check_bad(&t->data, err);
    if (!status) {
        t->weights = file->weights;
        t->ema = file->ema;
        file->weights = file->ema = NULL;
        t->state = file->trainer;
    }
    return status ? status : take_best(t, err);
}

/* Of the network's parameters: those of learned steps are elsewhere. */
static weld_status copy_moments(weld_weights *to, const weld_weights *from, const char *path,
                                weld_error *err) {
    const size_t count = weld_weights_count(to) - weld_weights_find(to, WELD_FAKE_STEPS, NULL);
    if (weld_weights_count(from) != count) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: the optimizer's state has %zu parameters, the recipe trains %zu",
                         path, weld_weights_count(from), count);
    }
    for (size_t i = 0; i < weld_weights_count(to); i++) {
        weld_tensor a = weld_weights_tensor(to, i), b;
        if (strcmp(weld_weights_name(to, i), WELD_FAKE_STEPS) == 0) {
            continue;
        }
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
    weld_trainer_load_step_moments(t);
    weld_status status = copy_moments(weld_optimizer_first_moments(t->step->optimizer),
                                      file->moment1, t->record.folder.last, err);
    if (!status && !second != !file->moment2) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: the optimizer's state is of another one",
                           t->record.folder.last);
    }
    return status || !second ? status
                             : copy_moments(second, file->moment2, t->record.folder.last, err);
}
