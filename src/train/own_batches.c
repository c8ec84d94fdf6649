/* Batches for programs that train networks of their own; see weld/batches.h. */
#include "weld/batches.h"

#include "base/error.h"
#include "base/memory.h"
#include "data/bad_images.h"
#include "data/loader.h"
#include "recipe/augment_set.h"
#include "tasks/classification/classification.h"
#include "tasks/task.h"

struct weld_batches {
    weld_dataset *dataset;
    weld_loader *loader;
    weld_bad_images *bad_images; /* of training */
    const char **class_names;
    weld_batches_options options;
    bool training; /* what is being loaded */
};

weld_batches_options weld_batches_defaults(void) {
    return (weld_batches_options){.batch_size = 32,
                                  .preprocessing = weld_preprocessing_of(224),
                                  .shuffle = true,
                                  .max_bad = 100};
}

/* Of training each is met again in later epochs: it is named once. */
static void note_bad_image(void *arg, int64_t index, const char *reason) {
    const weld_batches *b = arg;
    const bool is_new = !b->training || weld_bad_images_note(b->bad_images, index, reason);
    if (is_new && b->options.message) {
        b->options.message(b->options.context, reason);
    }
}

static weld_status name_classes(weld_batches *b, weld_error *err) {
    const int count = weld_dataset_class_count(b->dataset);
    b->class_names = weld_alloc((size_t)count, sizeof *b->class_names);
    for (int i = 0; b->class_names && i < count; i++) {
        b->class_names[i] = weld_dataset_class_name(b->dataset, i);
    }
    return b->class_names ? WELD_OK : weld_fail_memory(err, "batches");
}

static weld_status open(weld_batches *b, const char *path, weld_error *err) {
    const weld_batches_options *o = &b->options;
    weld_loader_options loader = {.preprocessing = o->preprocessing,
                                  .batch_size = o->batch_size,
                                  .seed = o->seed,
                                  .shuffle = o->shuffle,
                                  .annotation = &weld_class_annotation,
                                  .threads = o->threads,
                                  .bad_image = note_bad_image,
                                  .bad_image_arg = b};
    if (o->batch_size < 1 || o->max_bad < 0 || o->max_bad > WELD_MAX_BAD_IMAGES) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "batches: batch_size %lld must be at least 1, max_bad %lld in 0..%d",
                         (long long)o->batch_size, (long long)o->max_bad, WELD_MAX_BAD_IMAGES);
    }
    WELD_TRY(weld_augmentation_set(o->augment, o->augment_count, &loader.augmentation, err));
    WELD_TRY(weld_dataset_open(path, &b->dataset, err));
    WELD_TRY(weld_bad_images_create((double)o->max_bad, weld_dataset_count(b->dataset),
                                    &b->bad_images, err));
    WELD_TRY(weld_task_check_data(weld_task_find("classification"), b->dataset, err));
    WELD_TRY(name_classes(b, err));
    return weld_loader_create(b->dataset, &loader, &b->loader, err);
}

weld_status weld_batches_open(const char *path, const weld_batches_options *options,
                              weld_batches **out, weld_error *err) {
    *out = NULL;
    weld_batches *b = weld_alloc(1, sizeof *b);
    if (!b) {
        return weld_fail_memory(err, "batches");
    }
    b->options = options ? *options : weld_batches_defaults();
    weld_status status = open(b, path, err);
    b->options.augment = NULL; /* the caller's */
    if (status) {
        weld_batches_free(b);
        return status;
    }
    *out = b;
    return WELD_OK;
}

void weld_batches_free(weld_batches *b) {
    if (b) {
        weld_loader_free(b->loader);
        weld_bad_images_free(b->bad_images);
        weld_free(b->class_names);
        weld_dataset_free(b->dataset);
        weld_free(b);
    }
}

int64_t weld_batches_images(const weld_batches *b) {
    return weld_dataset_count(b->dataset);
}

int weld_batches_class_count(const weld_batches *b) {
    return weld_dataset_class_count(b->dataset);
}

const char *const *weld_batches_class_names(const weld_batches *b) {
    return b->class_names;
}

int64_t weld_batches_size(const weld_batches *b) {
    return weld_loader_train_batch_size(b->loader);
}

int64_t weld_batches_per_epoch(const weld_batches *b) {
    return weld_loader_train_batches(b->loader, 0);
}

int64_t weld_batches_evaluations(const weld_batches *b) {
    return weld_loader_eval_batches(b->loader);
}

/* --- Loading --- */

static weld_status check_tensor(const weld_batches *b, const char *what, const weld_tensor *t,
                                weld_shape wanted, weld_error *err) {
    char is[96], should[96];
    if (t->data && t->dtype == WELD_F32 && weld_shape_equal(&t->shape, &wanted)) {
        return WELD_OK;
    }
    return weld_fail(
        err, WELD_ERROR_SHAPE, "%s: %s of %s %s, which must be of f32 %s",
        weld_dataset_path(b->dataset), what, t->data ? weld_dtype_name(t->dtype) : "nothing,",
        weld_shape_text(&t->shape, is, sizeof is), weld_shape_text(&wanted, should, sizeof should));
}

static weld_status check_number(const weld_batches *b, int64_t number, int64_t count,
                                weld_error *err) {
    return number >= 0 && number < count
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT, "%s: batch %lld of %lld",
                           weld_dataset_path(b->dataset), (long long)number, (long long)count);
}

weld_status weld_batches_train(weld_batches *b, uint32_t epoch, int64_t number, weld_tensor images,
                               weld_tensor target, weld_error *err) {
    const int64_t size = weld_batches_size(b);
    const weld_preprocessing *p = &b->options.preprocessing;
    const int classes = weld_batches_class_count(b);
    weld_batch batch;
    WELD_TRY(check_number(b, number, weld_batches_per_epoch(b), err));
    WELD_TRY(check_tensor(b, "images", &images, WELD_SHAPE(size, p->height, p->width, 3), err));
    if (target.data) {
        WELD_TRY(check_tensor(b, "target", &target, WELD_SHAPE(size, classes), err));
    }
    b->training = true;
    WELD_TRY(weld_loader_train_batch(b->loader, epoch, number, NULL, images.data, &batch, err));
    if (target.data) {
        weld_class_targets(&batch, classes, target.data);
    }
    return weld_bad_images_check(b->bad_images, weld_dataset_path(b->dataset), err);
}

weld_status weld_batches_evaluate(weld_batches *b, int64_t number, weld_tensor images, int *labels,
                                  int64_t *count, weld_error *err) {
    const weld_preprocessing *p = &b->options.preprocessing;
    weld_batch batch;
    WELD_TRY(check_number(b, number, weld_batches_evaluations(b), err));
    WELD_TRY(check_tensor(b, "images", &images,
                          WELD_SHAPE(b->options.batch_size, p->height, p->width, 3), err));
    b->training = false;
    WELD_TRY(weld_loader_eval_batch(b->loader, number, images.data, &batch, err));
    for (int64_t i = 0; labels && i < batch.count; i++) {
        labels[i] = weld_class_label(&batch, i);
    }
    *count = batch.count;
    return WELD_OK;
}
