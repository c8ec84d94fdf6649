/* What a checkpoint says of its training; see summary.h. */
#include "train/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "datasets/boxes.h"
#include "formats/json.h"
#include "kernels/kernels.h"
#include "serialization/summary_keys.h"
#include "train/best.h"
#include "train/say.h"

#define AVERAGE_IMAGES_KEY WELD_SUMMARY_AVERAGE WELD_SUMMARY_IMAGES
#define AVERAGE_SKIPPED_KEY WELD_SUMMARY_AVERAGE WELD_SUMMARY_SKIPPED
#define LOSS_KEY "val_loss"
#define BAD_IMAGES_KEY "bad_images"
#define TRAIN_KEY "train_data"
#define VAL_KEY "val_data"
#define TRAIN_SAID_KEY "train_identity" /* of versions that noted weld_dataset_identity alone */
#define VAL_SAID_KEY "val_identity"
#define ORDER_KEY "gradient_order"
#define KERNELS_KEY "kernels"

enum { KEY_SIZE = 64 };

/* Of the moving average. */
static const char *average_key(const weld_trainer *t, char key[KEY_SIZE]) {
    snprintf(key, KEY_SIZE, WELD_SUMMARY_AVERAGE "%s", t->data.task->scores[0].key);
    return key;
}

/* Up to three batches have been added in the tree's order ever since. */
static bool adds_by_tree(const weld_trainer *t) {
    return t->data.recipe.train.accumulate > 3;
}

static const char *kernels_of(weld_dtype dtype) {
    const weld_kernels *kernels;
    return weld_kernels_select(dtype, NULL, &kernels, NULL) ? NULL : kernels->name;
}

/* --- Writing --- */

/* A JSON number has not as many bits. */
static json_t *bits_json(uint64_t bits) {
    return json_sprintf("%016llx", (unsigned long long)bits);
}

static void add_identity(json_t **summary, const char *key, const weld_data_identity *d) {
    if (d->images) {
        weld_json_set(summary, key,
                      json_pack("{s:I, s:o, s:o, s:o, s:o}", "images", (json_int_t)d->images,
                                "names", bits_json(d->names), "said", bits_json(d->said), "sizes",
                                bits_json(d->sizes), "contents", bits_json(d->contents)));
    }
}

/* JSON has no word for what is not finite. */
static void add_real(json_t **summary, const char *key, double value) {
    if (isfinite(value)) {
        weld_json_set(summary, key, json_real(value));
    }
}

/* Scores are of the weights that were evaluated, and no others have them. */
static void add_scores(const weld_trainer *t, bool to_resume, json_t **summary) {
    const weld_task *task = t->data.task;
    const weld_run_evaluation *run = &t->evaluation;
    const weld_evaluation *e = to_resume ? &run->last : weld_trainer_best_evaluation(t);
    const bool averaged = e == &run->last_ema; /* the weights are the average */
    char key[KEY_SIZE];
    if (averaged) {
        weld_json_set(summary, WELD_SUMMARY_WEIGHTS, json_string(WELD_SUMMARY_OF_AVERAGE));
    }
    if (e->images == 0 || run->step != t->state.step) {
        return;
    }
    weld_json_set(summary, WELD_SUMMARY_IMAGES, json_integer(e->images));
    if (e->skipped) {
        weld_json_set(summary, WELD_SUMMARY_SKIPPED, json_integer(e->skipped));
    }
    add_real(summary, LOSS_KEY, e->loss);
    for (int i = 0; i < task->run_scores; i++) {
        add_real(summary, task->scores[i].key, e->scores[i]);
    }
    if (!averaged && run->last_ema.images) {
        add_real(summary, average_key(t, key), run->last_ema.scores[0]);
        if (run->last_ema.images != e->images) {
            weld_json_set(summary, AVERAGE_IMAGES_KEY, json_integer(run->last_ema.images));
            weld_json_set(summary, AVERAGE_SKIPPED_KEY, json_integer(run->last_ema.skipped));
        }
    }
}

weld_status weld_summary_text(const weld_trainer *t, bool to_resume, char **text, weld_error *err) {
    json_t *summary = json_pack("{s:I, s:I, s:I}", WELD_SUMMARY_EPOCHS, (json_int_t)t->state.epoch,
                                WELD_SUMMARY_STEPS, (json_int_t)t->state.step,
                                WELD_SUMMARY_TRAIN_IMAGES, (json_int_t)t->state.train_images);
    if (t->init && weld_is_utf8(t->init, strlen(t->init))) { /* another name is left out */
        weld_json_set(&summary, WELD_SUMMARY_INIT, json_string(t->init));
    }
    if (t->data.distillation) {
        weld_json_set(&summary, WELD_SUMMARY_TEACHER,
                      json_string(weld_distillation_identity(t->data.distillation)));
    }
    if (t->ranks.mixed || t->was_mixed) {
        weld_json_set(&summary, WELD_SUMMARY_MIXED, json_true());
    }
    if (to_resume && weld_bad_images_count(t->data.bad_images)) {
        weld_json_set(&summary, BAD_IMAGES_KEY, weld_bad_images_json(t->data.bad_images));
    }
    if (to_resume) {
        add_identity(&summary, TRAIN_KEY, &t->data.train_identity);
        add_identity(&summary, VAL_KEY, &t->data.val_identity);
    }
    if (to_resume) {
        weld_json_set(
            &summary, KERNELS_KEY,
            json_pack("{s:s, s:s}", "fp32", kernels_of(WELD_F32), "bf16", kernels_of(WELD_BF16)));
    }
    if (to_resume && adds_by_tree(t)) {
        weld_json_set(&summary, ORDER_KEY, json_string("tree"));
    }
    add_scores(t, to_resume, &summary);
    return weld_json_text(summary, t->record.folder.last, text, err);
}

/* --- Reading --- */

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
    t->was_mixed = json_is_true(json_object_get(summary, WELD_SUMMARY_MIXED));
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

/* Another processor has other kernels, or WELD_ISA chose them. In bf16 those for floats compute
 * too.
 */
static void tell_kernels(const weld_trainer *t, const json_t *summary) {
    static const struct {
        const char *key;
        weld_dtype dtype;
    } types[] = {{"fp32", WELD_F32}, {"bf16", WELD_BF16}};
    const int count = t->data.recipe.train.precision == WELD_PRECISION_BF16 ? 2 : 1;
    const json_t *kernels = json_object_get(summary, KERNELS_KEY);
    for (int i = 0; i < count && !t->ranks.mixed; i++) {
        const char *was = json_string_value(json_object_get(kernels, types[i].key));
        const char *is = kernels_of(types[i].dtype);
        if (was && is && strcmp(was, is) != 0) {
            weld_train_say(t->data.settings,
                           "%s: was trained by the kernels %.40s in %s, and goes on by %s: from "
                           "here on it is rounded otherwise",
                           t->record.folder.last, was, types[i].key, is);
        }
    }
}

static uint64_t bits_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? strtoull(text, NULL, 16) : 0;
}

/* Numbers that nobody noted are 0. */
static weld_data_identity read_identity(const json_t *summary, const char *key, const char *said) {
    const json_t *d = json_object_get(summary, key);
    weld_data_identity was = {.images = json_integer_value(json_object_get(d, "images")),
                              .names = bits_of(d, "names"),
                              .said = bits_of(d, "said"),
                              .sizes = bits_of(d, "sizes"),
                              .contents = bits_of(d, "contents")};
    was.said = was.said ? was.said : bits_of(summary, said);
    return was;
}

static bool differ(uint64_t was, uint64_t now) {
    return was && now && was != now;
}

/* Of a data set, in words that go on with "when it was written"; false: nothing that was noted. */
static bool tell_difference(const weld_dataset *ds, const weld_data_identity *was,
                            const weld_data_identity *now, char *text, size_t size) {
    const char *said = weld_dataset_has_boxes(ds) ? "boxes" : "labels";
    text[0] = 0;
    if (differ((uint64_t)was->images, (uint64_t)now->images)) {
        snprintf(text, size, "has %lld %s, but had %lld", (long long)now->images,
                 weld_plural(now->images, "image", "images"), (long long)was->images);
    } else if (differ(was->names, now->names)) {
        snprintf(text, size, "its images had other names, or were in other folders,");
    } else if (differ(was->said, now->said)) {
        snprintf(text, size, "its %s%s or classes were others", was->names ? "" : "images, ", said);
    } else if (differ(was->sizes, now->sizes)) {
        snprintf(text, size, "some of its files had other sizes");
    } else if (differ(was->contents, now->contents)) {
        snprintf(text, size, "it was another packed file");
    }
    return text[0] != 0;
}

/* Scores on other images could not be compared with those that there are. */
static weld_status check_identity(const weld_trainer *t, const weld_dataset *ds,
                                  const weld_data_identity *was, const weld_data_identity *now,
                                  weld_error *err) {
    char text[160];
    return ds && tell_difference(ds, was, now, text, sizeof text)
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: %s when %s was written: resume with what the run began with, or "
                           "train into another --out",
                           weld_dataset_title(ds), text, t->record.folder.last)
               : WELD_OK;
}

static weld_status check_identities(weld_trainer *t, const json_t *summary, weld_error *err) {
    weld_run_data *d = &t->data;
    const weld_data_identity train = read_identity(summary, TRAIN_KEY, TRAIN_SAID_KEY);
    const weld_data_identity val = read_identity(summary, VAL_KEY, VAL_SAID_KEY);
    WELD_TRY(check_identity(t, d->train, &train, &d->train_identity, err));
    WELD_TRY(check_identity(t, d->val, &val, &d->val_identity, err));
    d->val_identity = d->val ? d->val_identity : val; /* it may be evaluated again */
    if (!d->val && val.images) {
        weld_train_say(
            d->settings,
            "data.val is null: what follows is not evaluated, as the run was on %lld %s: "
            "the best stays what it is",
            (long long)val.images, weld_plural(val.images, "image", "images"));
    }
    /* What was known stays so where it cannot be told today. */
    d->train_identity.sizes = d->train_identity.sizes ? d->train_identity.sizes : train.sizes;
    d->val_identity.sizes = d->val_identity.sizes ? d->val_identity.sizes : val.sizes;
    if (!train.said) {
        weld_train_say(d->settings,
                       "%s: was written by an earlier version of weld, which did not note what "
                       "its data were: that these are the same is not checked",
                       t->record.folder.last);
    }
    return WELD_OK;
}

/* A number that is not there was not finite. */
static double real_of(const json_t *summary, const char *key) {
    const json_t *number = json_object_get(summary, key);
    return json_is_number(number) ? json_number_value(number) : NAN;
}

/* What last.h5 says of its weights. Earlier versions did so of weights that were not evaluated too,
 * within an epoch and after one without evaluation. */
static void take_scores(weld_trainer *t, const json_t *summary) {
    const weld_task *task = t->data.task;
    weld_run_evaluation *run = &t->evaluation;
    char key[KEY_SIZE];
    const int64_t images = json_integer_value(json_object_get(summary, WELD_SUMMARY_IMAGES));
    if (images <= 0 || !json_object_get(summary, TRAIN_KEY)) {
        return;
    }
    run->step = t->data.start_file.trainer.step;
    run->last = (weld_evaluation){
        .images = images,
        .skipped = json_integer_value(json_object_get(summary, WELD_SUMMARY_SKIPPED)),
        .loss = real_of(summary, LOSS_KEY)};
    for (int i = 0; i < task->run_scores; i++) {
        run->last.scores[i] = real_of(summary, task->scores[i].key);
    }
    if (json_object_get(summary, average_key(t, key))) {
        const json_t *other = json_object_get(summary, AVERAGE_IMAGES_KEY);
        run->last_ema = (weld_evaluation){
            .images = other ? json_integer_value(other) : images,
            .skipped = other ? json_integer_value(json_object_get(summary, AVERAGE_SKIPPED_KEY))
                             : run->last.skipped,
            .scores = {real_of(summary, key)}};
    }
}

/* What it learns from beside the labels. */
static weld_status check_teacher(const weld_trainer *t, const json_t *summary, weld_error *err) {
    const char *was = json_string_value(json_object_get(summary, WELD_SUMMARY_TEACHER));
    const char *is = t->data.distillation ? weld_distillation_identity(t->data.distillation) : NULL;
    return was && is && strcmp(was, is) != 0
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: learned from %.40s, but now from %s (%.200s): resume with the same",
                           t->record.folder.last, was, is,
                           weld_distillation_text(t->data.distillation))
               : WELD_OK;
}

weld_status weld_summary_take(weld_trainer *t, weld_error *err) {
    weld_json json = {.where = t->record.folder.last, .err = err};
    json_t *summary =
        t->data.start_file.summary ? weld_json_parse(&json, t->data.start_file.summary) : NULL;
    const char *init = json_string_value(json_object_get(summary, WELD_SUMMARY_INIT));
    WELD_TRY(json.status);
    t->init = init ? weld_strdup(init) : NULL;
    weld_status status = init && !t->init ? weld_fail_memory(err, t->record.folder.last) : WELD_OK;
    status = status ? status : check_teacher(t, summary, err);
    status = status ? status : check_identities(t, summary, err);
    tell_order(t, summary);
    tell_mixed(t, summary);
    tell_kernels(t, summary);
    take_scores(t, summary);
    weld_bad_images_restore(t->data.bad_images, json_object_get(summary, BAD_IMAGES_KEY));
    json_decref(summary);
    return status;
}
