/* Checking recipes; see recipe_check.h. */
#include "recipe/recipe_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "data/rand_augment.h"
#include "optimize/optimizer.h"
#include "optimize/schedule.h"
#include "recipe/duration.h"
#include "tasks/task.h"

/* A key by the member of weld_recipe that it sets, or by the row of its family. */
#define KEY(member) WELD_RECIPE_PLACE(member)

static size_t family_key(const weld_key *row) {
    return WELD_RECIPE_PLACE(model.values) + row->offset;
}

bool weld_recipe_was_given(const weld_recipe_origins *o, size_t place) {
    size_t i = weld_recipe_key_index(&o->keys, place);
    return o->line[i] || o->option[i];
}

weld_status weld_recipe_fail(const weld_recipe_origins *o, size_t place, const char *reason,
                             weld_error *err) {
    size_t i = weld_recipe_key_index(&o->keys, place);
    const weld_recipe_key *key = &o->keys.at[i];
    char where[WELD_ERROR_MESSAGE_SIZE];
    if (o->option[i]) {
        snprintf(where, sizeof where, "--set %s", o->option[i]);
    } else if (o->line[i]) {
        snprintf(where, sizeof where, "%s:%d", o->file, o->line[i]);
    } else {
        snprintf(where, sizeof where, "%s", o->file);
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: %s.%s: %s", where, key->section, key->row->name,
                     reason);
}

static weld_status fail_missing_sizes(const weld_recipe *r, const weld_recipe_origins *o,
                                      const weld_key *key, weld_error *err) {
    const weld_model_family *family = weld_family_of(&r->model);
    char names[128], reason[256];
    weld_key_names(family->keys, family->key_count, WELD_KEY_SIZE, names, sizeof names);
    snprintf(reason, sizeof reason, "missing: a family name takes %s", names);
    return weld_recipe_fail(o, family_key(key), reason, err);
}

/* The first key with sizes of which some test says no, or the last that was given. */
static weld_status check_sizes(const weld_recipe *r, const weld_recipe_origins *o,
                               weld_error *err) {
    const weld_model_family *family = weld_family_of(&r->model);
    const weld_key *first = weld_family_next_key(family, NULL, WELD_KEY_SIZE), *given = first;
    const bool is_variant = weld_model_is_variant(r->model.name);
    weld_model_config named;
    char names[128], reason[256];
    WELD_TRY(weld_model_config_named(r->model.name, &named, err));
    const weld_key *differs = weld_model_difference(&r->model, &named, WELD_KEY_SIZE);
    for (const weld_key *key = first; key; key = weld_family_next_key(family, key, WELD_KEY_SIZE)) {
        given = weld_recipe_was_given(o, family_key(key)) ? key : given;
    }
    if (first && !is_variant && differs != first) {
        return fail_missing_sizes(r, o, first, err);
    }
    if (!weld_model_lists_agree(&r->model)) {
        snprintf(reason, sizeof reason, "%s must be lists of the same length",
                 weld_model_list_names(&r->model, names, sizeof names));
        return weld_recipe_fail(o, family_key(given), reason, err);
    }
    if (is_variant && differs) {
        snprintf(
            reason, sizeof reason,
            "the named variant has others: remove the key, or give the name of the family (%s)",
            family->name);
        return weld_recipe_fail(o, family_key(differs), reason, err);
    }
    return WELD_OK;
}

static weld_status check_model(const weld_recipe *r, const weld_recipe_origins *o,
                               weld_error *err) {
    const weld_key *key;
    weld_error reason = {.message = ""};
    WELD_TRY(check_sizes(r, o, err));
    if (!weld_model_config_check(&r->model, &key, &reason)) {
        return WELD_OK;
    }
    if (key && key->flags & WELD_KEY_SIZE && !weld_recipe_was_given(o, family_key(key)) &&
        !weld_model_is_variant(r->model.name)) {
        return fail_missing_sizes(r, o, key, err);
    }
    return weld_recipe_fail(o, key ? family_key(key) : KEY(model.name), reason.message, err);
}

/* Why train.freeze asks for more than the network has; false where it does not. */
static bool freezes_too_much(int freeze, const weld_model_config *model, char *reason,
                             size_t size) {
    int stages = weld_model_stage_count(model);
    snprintf(reason, size, "the network has %d stage%s: give at most stage%d", stages,
             stages == 1 ? "" : "s", stages);
    return freeze != WELD_FREEZE_BACKBONE && freeze > stages + 1;
}

static weld_status check_freeze(const weld_recipe *r, const weld_recipe_origins *o,
                                weld_error *err) {
    char reason[80];
    return freezes_too_much(r->train.freeze, &r->model, reason, sizeof reason)
               ? weld_recipe_fail(o, KEY(train.freeze), reason, err)
               : WELD_OK;
}

/* Who may have a second head learns from a teacher with it, unless the recipe says that it has
 * none. */
static weld_status check_distillation(weld_recipe *r, const weld_recipe_origins *o,
                                      weld_error *err) {
    weld_distillation_recipe *d = &r->loss.distillation;
    const weld_key *head = weld_model_second_head_key(&r->model);
    if (!d->kind) { /* said, it turns off what else is there */
        const bool is_said = weld_recipe_was_given(o, KEY(loss.distillation.kind));
        return is_said || (!d->teacher[0] && !d->cache[0])
                   ? WELD_OK
                   : weld_recipe_fail(o,
                                      d->teacher[0] ? KEY(loss.distillation.teacher)
                                                    : KEY(loss.distillation.cache),
                                      "teaches nothing without loss.distillation.kind: set that "
                                      "to soft or hard (or to none)",
                                      err);
    }
    if (!d->teacher[0] && !d->cache[0] && r->quantize.weights && o->start && o->start->path) {
        snprintf(d->teacher, sizeof d->teacher, "%s", o->start->path); /* itself, unrounded */
    }
    if (!d->teacher[0] && !d->cache[0]) {
        return weld_recipe_fail(o, KEY(loss.distillation.teacher),
                                r->quantize.weights
                                    ? "missing: give the file of a network to learn from, or "
                                      "repeat --init, whose file it is else"
                                    : "missing: give the file of a network to learn from (or "
                                      "loss.distillation.cache)",
                                err);
    }
    if (head && !weld_recipe_was_given(o, family_key(head)) && !r->quantize.weights) {
        weld_model_set_second_head(&r->model, true);
    }
    return WELD_OK;
}

static weld_status check_input(const weld_recipe *r, const weld_recipe_origins *o,
                               weld_error *err) {
    const weld_preprocessing *p = &r->data.preprocessing;
    weld_error reason = {.message = ""};
    if (weld_model_check_input(&r->model, p->height, p->width, &reason)) {
        return weld_recipe_fail(o, KEY(data.input_size), reason.message, err);
    }
    if (weld_task_of(&r->model)->annotation->of_boxes && p->orientation != WELD_ORIENTATION_EXIF) {
        return weld_recipe_fail(o, KEY(data.preprocessing.orientation),
                                "is ignore: boxes lie on upright images: leave it out", err);
    }
    if (r->data.size_count && p->height != p->width) {
        return weld_recipe_fail(
            o, KEY(data.sizes),
            "are of square images, and data.input_size is not: set this to null", err);
    }
    if (r->data.padding_count && r->data.padding_count != 3) {
        return weld_recipe_fail(o, KEY(data.padding), "takes three numbers, as [114, 114, 114]",
                                err);
    }
    return WELD_OK;
}

/* A size that is named twice would be drawn twice as often. */
static weld_status check_data_sizes(const weld_recipe *r, const weld_recipe_origins *o,
                                    weld_error *err) {
    const int count = r->data.size_count;
    const weld_batching_options batching = {.count = INT64_MAX,
                                            .batch_size = r->train.batch_size,
                                            .height = r->data.preprocessing.height,
                                            .width = r->data.preprocessing.width,
                                            .sizes = r->data.sizes,
                                            .size_count = count};
    weld_batching batches;
    weld_error reason = {.message = ""};
    for (int i = 1; i < count; i++) {
        if (r->data.sizes[i] <= r->data.sizes[i - 1]) {
            return weld_recipe_fail(o, KEY(data.sizes), "must rise, each size once", err);
        }
    }
    for (int i = 0; i < count; i++) {
        if (weld_model_check_input(&r->model, r->data.sizes[i], r->data.sizes[i], &reason)) {
            return weld_recipe_fail(o, KEY(data.sizes), reason.message, err);
        }
    }
    if (count && weld_batching_init(&batches, &batching, &reason)) {
        return weld_recipe_fail(o, KEY(data.sizes), reason.message, err);
    }
    if (count && weld_family_of(&r->model)->position_grids) {
        return weld_recipe_fail(o, KEY(data.sizes),
                                "the network has tables of positions, for images of one size: set "
                                "this to null",
                                err);
    }
    if (count && r->augment.kind == WELD_AUGMENT_SMALL && r->data.sizes[count - 1] > 32) {
        return weld_recipe_fail(o, KEY(data.sizes),
                                "augment.kind small is for sizes of 32 and less: use imagenet",
                                err);
    }
    if (count && r->loss.distillation.kind && r->loss.distillation.cache[0]) {
        return weld_recipe_fail(o, KEY(data.sizes),
                                "loss.distillation.cache knows images of one size: set this to "
                                "null, or name a teacher in place of the cache",
                                err);
    }
    return WELD_OK;
}

/* Samples that are drawn by their class come in no order of the files, and more than once. */
static weld_status check_sampling(const weld_recipe *r, const weld_recipe_origins *o,
                                  weld_error *err) {
    if (r->data.sampling && !r->train.shuffle) {
        return weld_recipe_fail(o, KEY(data.sampling),
                                "draws at random: set train.shuffle to true, or this to all", err);
    }
    if (r->data.sampling && r->loss.distillation.kind && r->loss.distillation.cache[0]) {
        return weld_recipe_fail(
            o, KEY(data.sampling),
            "takes images more often than loss.distillation.cache knows them: set it "
            "to all, or name a teacher",
            err);
    }
    return WELD_OK;
}

static weld_status check_auto_augment(weld_recipe *r, const weld_recipe_origins *o,
                                      weld_error *err) {
    weld_error reason = {.message = ""};
    weld_rand_augment parsed;
    char *text = r->augment.auto_augment;
    if (weld_rand_augment_parse(text, &parsed, &reason)) {
        return weld_recipe_fail(o, KEY(augment.auto_augment), reason.message, err);
    }
    if (!text[0]) { /* a word that can be written down */
        snprintf(text, sizeof r->augment.auto_augment, "none");
    }
    return WELD_OK;
}

/* Plateau needs scores, and more than that of the end. */
static weld_status check_schedule(const weld_recipe *r, const weld_recipe_origins *o,
                                  weld_error *err) {
    const bool plateau = r->schedule.name == WELD_SCHEDULE_PLATEAU;
    if (plateau && !weld_recipe_evaluates(r)) {
        return weld_recipe_fail(o, KEY(schedule.name),
                                "plateau waits for scores on data.val, and there is none: give it "
                                "(or data.split), or take cosine or step",
                                err);
    }
    if (plateau && r->train.eval_every == 0) {
        return weld_recipe_fail(o, KEY(train.eval_every),
                                "schedule.name plateau waits for evaluations during the run: set "
                                "this to 1",
                                err);
    }
    double seconds;
    if (r->train.time[0] && !weld_duration_read(r->train.time, &seconds)) {
        return weld_recipe_fail(o, KEY(train.time), "is no duration: write 2h, 90m or 1h30m", err);
    }
    if (r->train.patience > 0 && !weld_recipe_evaluates(r)) {
        return weld_recipe_fail(o, KEY(train.patience),
                                "waits for scores on data.val, and there is none: give it (or "
                                "data.split), or set this to 0",
                                err);
    }
    if (r->train.patience > 0 && r->train.eval_every == 0) {
        return weld_recipe_fail(
            o, KEY(train.eval_every),
            "train.patience waits for evaluations during the run: set this to 1", err);
    }
    if (r->schedule.name != WELD_SCHEDULE_COSINE && r->schedule.cooldown_epochs > 0) {
        return weld_recipe_fail(o, KEY(schedule.cooldown_epochs),
                                "belongs to the cosine: set it to 0, or schedule.name to cosine",
                                err);
    }
    return WELD_OK;
}

static weld_status check_optimizer(const weld_recipe *r, const weld_recipe_origins *o,
                                   weld_error *err) {
    if (r->optimizer.nesterov && r->optimizer.name != WELD_SGD) {
        return weld_recipe_fail(o, KEY(optimizer.nesterov),
                                "is for sgd: set it to false, or optimizer.name to sgd", err);
    }
    if (r->train.ema_warmup == WELD_RECIPE_WARMUP_ON && !(r->train.ema_decay > 0)) {
        return weld_recipe_fail(o, KEY(train.ema_warmup),
                                "there is no average: give train.ema_decay, or set this to false",
                                err);
    }
    if (r->train.best == WELD_RECIPE_BEST_EMA && !(r->train.ema_decay > 0)) {
        return weld_recipe_fail(o, KEY(train.best),
                                "there is no average: give train.ema_decay, or set this to weights",
                                err);
    }
    if (r->train.best == WELD_RECIPE_BEST_LOSS && weld_task_of(&r->model)->has_no_loss) {
        return weld_recipe_fail(o, KEY(train.best),
                                "evaluations of such networks have no loss: take weights or ema",
                                err);
    }
    if (r->train.best != WELD_RECIPE_BEST_WEIGHTS && !weld_recipe_evaluates(r)) {
        return weld_recipe_fail(o, KEY(train.best),
                                "needs what is evaluated on data.val, and there is none: give it "
                                "(or data.split), or set this to weights",
                                err);
    }
    return WELD_OK;
}

static weld_status check_names(const weld_class_choice *c, const weld_recipe_origins *o,
                               weld_error *err) {
    for (int i = 0; i < c->count; i++) {
        for (int k = 0; k < i; k++) {
            if (strcmp(c->names[i], c->names[k]) == 0) {
                char reason[WELD_CHOICE_NAME_SIZE + 40];
                snprintf(reason, sizeof reason, "has '%s' twice: name each class once",
                         c->names[i]);
                return weld_recipe_fail(o, KEY(data.classes.names), reason, err);
            }
        }
    }
    return WELD_OK;
}

static weld_status check_classes(const weld_recipe *r, const weld_recipe_origins *o,
                                 weld_error *err) {
    WELD_TRY(check_names(&r->data.classes, o, err));
    const bool of_boxes = weld_task_of(&r->model)->annotation->of_boxes;
    if (r->data.classes.count == 1 && !of_boxes) {
        return weld_recipe_fail(o, KEY(data.classes.names),
                                "is one class: of images of it alone there is nothing to learn: "
                                "name two or more",
                                err);
    }
    if (r->data.classes.single && !of_boxes) {
        return weld_recipe_fail(o, KEY(data.classes.single),
                                "is for data with boxes: of images of one class there is nothing "
                                "to learn: remove the key",
                                err);
    }
    return WELD_OK;
}

static weld_status check_max_bad(const weld_recipe *r, const weld_recipe_origins *o,
                                 weld_error *err) {
    const double most = r->data.max_bad;
    return most < 1 || most == floor(most)
               ? WELD_OK
               : weld_recipe_fail(o, KEY(data.max_bad),
                                  "is a whole number of images, or below 1 a share of them", err);
}

weld_status weld_recipe_check(weld_recipe *r, const weld_recipe_origins *o, weld_error *err) {
    WELD_TRY(check_model(r, o, err));
    WELD_TRY(check_freeze(r, o, err));
    WELD_TRY(check_distillation(r, o, err));
    WELD_TRY(check_input(r, o, err));
    WELD_TRY(check_data_sizes(r, o, err));
    WELD_TRY(check_classes(r, o, err));
    WELD_TRY(check_sampling(r, o, err));
    WELD_TRY(check_max_bad(r, o, err));
    WELD_TRY(check_schedule(r, o, err));
    if (r->data.split > 0 && r->data.val[0]) {
        return weld_recipe_fail(o, KEY(data.split),
                                "there is data.val to evaluate on: set one of the two to null",
                                err);
    }
    WELD_TRY(check_optimizer(r, o, err));
    WELD_TRY(check_auto_augment(r, o, err));
    if (!r->data.train[0]) {
        return weld_recipe_fail(
            o, KEY(data.train),
            o->start && o->start->resumed
                ? "missing: name the data that the run was begun with, or give the recipe.yaml in "
                  "its folder, which does"
            : weld_task_of(&r->model)->annotation->of_boxes
                ? "missing: give a COCO JSON file, a data.yaml of YOLO, a folder of VOC or a "
                  "packed .h5"
                : "missing: give a folder of class folders, a .tar, a packed .h5 or a .csv",
            err);
    }
    if (r->augment.crop_scale[0] > r->augment.crop_scale[1]) {
        return weld_recipe_fail(o, KEY(augment.crop_scale), "the lower end must come first", err);
    }
    if (r->augment.crop_ratio[0] > r->augment.crop_ratio[1]) {
        return weld_recipe_fail(o, KEY(augment.crop_ratio), "the lower end must come first", err);
    }
    if (r->augment.kind == WELD_AUGMENT_SMALL &&
        (r->data.preprocessing.height > 32 || r->data.preprocessing.width > 32)) {
        return weld_recipe_fail(o, KEY(augment.kind),
                                "small is for data.input_size of 32 and less: use imagenet", err);
    }
    return WELD_OK;
}

static int frozen_parts(int freeze, const weld_model_config *model) {
    return freeze == WELD_FREEZE_BACKBONE ? weld_model_stage_count(model) + 1 : freeze;
}

int weld_recipe_frozen_parts(const weld_recipe *r) {
    return frozen_parts(r->train.freeze, &r->model);
}

weld_status weld_recipe_parts_of(const char *freeze, const weld_model_config *config, int *parts,
                                 weld_error *err) {
    char reason[80];
    int value;
    weld_recipe_keys keys;
    weld_recipe_keys_of(config->name, &keys);
    weld_key alone = *keys.at[weld_recipe_key_index(&keys, KEY(train.freeze))].row;
    alone.offset = 0; /* in an int of its own, not in a recipe */
    *parts = 0;
    weld_status status = weld_key_set_element(&alone, &value, 0, freeze, err);
    if (status) {
        return weld_fail_context(err, status, "freeze");
    }
    if (freezes_too_much(value, config, reason, sizeof reason)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "freeze: %s", reason);
    }
    *parts = frozen_parts(value, config);
    return WELD_OK;
}
