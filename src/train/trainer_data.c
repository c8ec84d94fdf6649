/* What a training run learns from: data sets, teacher, batches, and what is bad among the images;
 * see trainer.h. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "train/trainer.h"

static weld_status check_val(const weld_trainer *t, weld_error *err) {
    int count = weld_dataset_class_count(t->train);
    if (weld_dataset_class_count(t->val) != count) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: has %d classes where %s has %d: they must be the same",
                         weld_dataset_path(t->val), weld_dataset_class_count(t->val),
                         weld_dataset_path(t->train), count);
    }
    for (int i = 0; i < count; i++) {
        const char *name = weld_dataset_class_name(t->val, i);
        if (strcmp(name, t->class_names[i]) != 0) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "%s: class %d is '%s' where %s has '%s': they must be the same",
                             weld_dataset_path(t->val), i, name, weld_dataset_path(t->train),
                             t->class_names[i]);
        }
    }
    return WELD_OK;
}

/* Whether a large data set was listed anew or by its index. */
static void say_listing(weld_trainer *t, const weld_dataset *ds) {
    if (*weld_dataset_note(ds)) {
        weld_trainer_say(t, "%s: %lld images: %s", weld_dataset_path(ds),
                         (long long)weld_dataset_count(ds), weld_dataset_note(ds));
    }
}

weld_status weld_trainer_open_data(weld_trainer *t, weld_error *err) {
    weld_recipe *r = &t->recipe;
    weld_status status = weld_dataset_open(r->data.train, &t->train, err);
    if (status) {
        return status;
    }
    say_listing(t, t->train);
    int classes = weld_dataset_class_count(t->train);
    if (r->model.num_classes && r->model.num_classes != classes) {
        return weld_fail(
            err, WELD_ERROR_ARGUMENT,
            "%s: model.num_classes is %d, but %s has %d classes: set it to %d or remove "
            "it",
            t->settings->recipe, r->model.num_classes, r->data.train, classes, classes);
    }
    r->model.num_classes = classes;
    t->class_names = weld_alloc((size_t)classes, sizeof *t->class_names);
    if (!t->class_names) {
        return weld_fail_memory(err, "training");
    }
    for (int i = 0; i < classes; i++) {
        /* The model file's type is char **, for those who own their names. */
        t->class_names[i] = (char *)(uintptr_t)weld_dataset_class_name(t->train, i);
    }
    if (r->data.val[0]) {
        status = weld_dataset_open(r->data.val, &t->val, err);
        if (status) {
            return status;
        }
        say_listing(t, t->val);
        status = check_val(t, err);
    }
    return status;
}

void weld_trainer_say_bad_image(void *arg, int64_t index, const char *reason) {
    (void)index;
    weld_trainer_say(arg, "skipped: %s", reason);
}

/* Of the images that are trained on. Each is met again in later epochs: it is named once. */
static void note_bad_image(void *arg, int64_t index, const char *reason) {
    weld_trainer *t = arg;
    if (weld_bad_images_note(t->bad_images, index, reason)) {
        weld_trainer_say(t, "skipped: %s (%lld so far; data.max_bad is %lld)", reason,
                         (long long)weld_bad_images_count(t->bad_images),
                         (long long)t->recipe.data.max_bad);
    }
}

weld_status weld_trainer_open_distillation(weld_trainer *t, weld_error *err) {
    const weld_recipe *r = &t->recipe;
    int64_t count = weld_dataset_count(t->train), batch = r->train.batch_size;
    if (r->loss.distillation.kind == WELD_DISTILL_NONE) {
        return WELD_OK;
    }
    weld_status status = weld_distillation_open(r, t->train, batch < count ? batch : count,
                                                t->settings->threads, &t->distillation, err);
    if (!status) {
        weld_trainer_say(t, "%s", weld_distillation_text(t->distillation));
    }
    return status;
}

/* What is done about classes of uneven size. */
static weld_status open_balance(weld_trainer *t, weld_error *err) {
    const weld_recipe *r = &t->recipe;
    weld_status status = WELD_OK;
    char text[300];
    if (r->data.sampling != WELD_BALANCE_NONE) {
        status =
            weld_sampling_text(t->train, (weld_balance)r->data.sampling, text, sizeof text, err);
        if (!status) {
            weld_trainer_say(t, "data.sampling: times that an image comes in an epoch: %s", text);
        }
    }
    if (status || r->loss.class_weights == WELD_BALANCE_NONE) {
        return status;
    }
    status = weld_class_weights_create(
        t->train, (weld_balance)r->loss.class_weights, (weld_balance)r->data.sampling,
        r->loss.label_smoothing, weld_loader_train_batch_size(t->loader), &t->class_weights, err);
    if (!status) {
        weld_class_weights_text(t->class_weights, t->train, text, sizeof text);
        weld_trainer_say(t, "loss.class_weights: %s", text);
    }
    return status;
}

weld_status weld_trainer_open_loader(weld_trainer *t, weld_error *err) {
    weld_loader_options options = {
        .preprocessing = t->recipe.data.preprocessing,
        .augmentation = t->recipe.augment,
        .batch_size = t->recipe.train.batch_size,
        .seed = (uint64_t)t->recipe.train.seed,
        .views = t->distillation ? weld_distillation_views(t->distillation) : 0,
        .shuffle = t->recipe.train.shuffle,
        .sampling = (weld_balance)t->recipe.data.sampling,
        .threads = t->settings->threads,
        .bad_image = note_bad_image,
        .bad_image_arg = t};
    weld_status status = weld_bad_images_create(t->recipe.data.max_bad, &t->bad_images, err);
    status = status ? status : weld_loader_create(t->train, &options, &t->loader, err);
    return status ? status : open_balance(t, err);
}
