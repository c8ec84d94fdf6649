/* What a training run is made from; see run_data.h. */
#include "train/run_data.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "datasets/tell.h"
#include "formats/file.h"
#include "models/models.h"
#include "recipe/data_option.h"
#include "recipe/recipe_split.h"
#include "train/run_folder.h"
#include "train/say.h"

/* --- The file to start from, and the recipe --- */

static weld_status check_last(const weld_model_file *file, const char *path, weld_error *err) {
    return file->kind == WELD_MODEL_CHECKPOINT && file->moment1
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: has no optimizer state: only a last.h5 can be resumed", path);
}

static weld_status read_last(weld_run_data *d, weld_error *err) {
    char *path;
    bool there;
    if (!d->settings->resume || !d->settings->out) {
        return WELD_OK;
    }
    weld_status status = weld_run_folder_last(d->settings->out, &path, err);
    status = status ? status : weld_file_is_there(path, &there, err);
    if (!status && there) {
        status = weld_model_file_read(path, &d->start_file, err);
        status = status ? status : check_last(&d->start_file, path, err);
        d->resumes = !status;
    }
    if (status == WELD_ERROR_FORMAT || status == WELD_ERROR_ARGUMENT) {
        weld_run_folder_tell_rest(d->settings->out, err);
    }
    weld_free(path);
    return status;
}

static weld_status read_init(weld_run_data *d, weld_error *err) {
    const char *path = d->settings->init;
    if (!path || d->resumes) {
        return WELD_OK;
    }
    const weld_import_options known = {.key = d->settings->init_key};
    WELD_TRY(weld_model_file_import_backbone(path, &known, &d->start_file, err));
    if (weld_model_is_in_files_alone(&d->start_file.config)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: is a network that a program built (%s): only that program can build "
                         "it to be trained",
                         path, d->start_file.config.name);
    }
    return d->start_file.kind == WELD_MODEL_CHECKPOINT
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: is a merged network: give the file that it was made of", path);
}

/* The file that a run which is resumed began with, as far as it still needs it: a network that is
 * trained for codes learns from it. "": no file, or --init says where it is now. */
static weld_status find_beginning(const weld_run_data *d, char path[WELD_RECIPE_PATH_SIZE],
                                  weld_error *err) {
    const char *text = d->start_file.recipe;
    path[0] = '\0';
    if (!d->resumes || d->settings->init || !text) {
        return WELD_OK;
    }
    weld_recipe *begun = weld_alloc(1, sizeof *begun);
    const weld_status status =
        begun ? weld_recipe_parse(d->settings->out, text, strlen(text), NULL, 0, begun, NULL)
              : WELD_ERROR_MEMORY;
    if (!status && begun->quantize.weights) {
        snprintf(path, WELD_RECIPE_PATH_SIZE, "%s", begun->loss.distillation.teacher);
    }
    weld_free(begun);
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, d->settings->out) : WELD_OK;
}

static weld_status read_recipe(weld_run_data *d, weld_error *err) {
    const weld_train_settings *s = d->settings;
    const weld_model_file *file = &d->start_file;
    char begun[WELD_RECIPE_PATH_SIZE];
    WELD_TRY(find_beginning(d, begun, err));
    weld_recipe_start start = {.model = &file->config,
                               .preprocessing = &file->preprocessing,
                               .resumed = d->resumes,
                               .path = *begun ? begun : s->init};
    weld_recipe_source from = {.path = s->recipe,
                               .set = s->set,
                               .set_count = s->set_count,
                               .data = s->data,
                               .start = file->weights ? &start : NULL,
                               .trains = true};
    weld_text notes = WELD_TEXT;
    weld_status status = weld_recipe_open(&from, &d->recipe, &notes, err);
    weld_train_say_lines(s, weld_text_get(&notes));
    weld_text_free(&notes);
    if (!status && s->extend && !d->resumes) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "--extend %d: there is no last.h5 in %s to go on from: leave it out",
                         s->extend, s->out ? s->out : "the run's folder");
    }
    if (!status && s->extend > WELD_MAX_EPOCHS) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "--extend %d: at most %.0f", s->extend,
                         WELD_MAX_EPOCHS);
    }
    if (s->extend) {
        d->recipe.train.epochs = s->extend;
    }
    return status;
}

/* --- Data sets --- */

static void say(void *context, const char *line) {
    const weld_run_data *d = context;
    weld_train_say(d->settings, "%s", line);
}

/* The part of `train` that is trained on, where that is not all of it. */
static weld_status take_part(weld_run_data *d, weld_error *err) {
    char text[400];
    WELD_TRY(weld_recipe_split(&d->recipe, d->task->annotation, d->train, d->settings->threads,
                               &d->split, err));
    if (d->split.part) {
        weld_train_say(d->settings, "%s: %s", weld_dataset_path(d->train),
                       weld_data_split_text(&d->split, text, sizeof text));
        return weld_data_split_take(&d->split, WELD_PART_TRAIN, d->train, err);
    }
    return WELD_OK;
}

static void say_chosen(const weld_run_data *d, const weld_dataset *ds, weld_text *told) {
    if (told->bytes.count) {
        weld_train_say(d->settings, "%s: %s", weld_dataset_title(ds), weld_text_get(told));
    }
}

static weld_status choose_classes(weld_run_data *d, weld_error *err) {
    weld_text told = WELD_TEXT;
    weld_status status = weld_dataset_choose_classes(d->train, &d->recipe.data.classes, &told, err);
    say_chosen(d, d->train, &told);
    weld_text_free(&told);
    return status;
}

/* As for training, by the names that the network has then. */
static weld_status choose_alike(weld_run_data *d, weld_error *err) {
    weld_text told = WELD_TEXT;
    weld_status status = weld_dataset_choose_alike(d->val, &d->recipe.data.classes,
                                                   (const char *const *)d->class_names, &told, err);
    if (!(d->recipe.data.split > 0)) { /* else it was said */
        say_chosen(d, d->val, &told);
    }
    weld_text_free(&told);
    return status;
}

static weld_status open_train(weld_run_data *d, weld_error *err) {
    weld_recipe *r = &d->recipe;
    WELD_TRY(weld_dataset_open(r->data.train, &d->train, err));
    WELD_TRY(weld_task_check_data(d->task, d->train, err));
    WELD_TRY(choose_classes(d, err));
    if (d->task->check_training) {
        WELD_TRY(d->task->check_training(d->train, err));
    }
    weld_dataset_tell(d->train, r->data.preprocessing.scale16, say, d);
    WELD_TRY(take_part(d, err));
    int classes = weld_dataset_class_count(d->train);
    if (r->model.num_classes && r->model.num_classes != classes) {
        return weld_fail(
            err, WELD_ERROR_ARGUMENT,
            "%s: model.num_classes is %d, but %s has %d classes: set it to %d or remove "
            "it",
            d->settings->recipe, r->model.num_classes, r->data.train, classes, classes);
    }
    r->model.num_classes = classes;
    d->class_names = weld_alloc((size_t)classes, sizeof *d->class_names);
    if (!d->class_names) {
        return weld_fail_memory(err, "training");
    }
    for (int i = 0; i < classes; i++) {
        /* The model file's type is char **, for those who own their names. */
        d->class_names[i] = (char *)(uintptr_t)weld_dataset_class_name(d->train, i);
    }
    return WELD_OK;
}

static weld_status open_val(weld_run_data *d, weld_error *err) {
    weld_adoption adopted;
    if (d->recipe.data.split > 0) {
        WELD_TRY(weld_dataset_open(d->recipe.data.train, &d->val, err));
        WELD_TRY(choose_alike(d, err));
        WELD_TRY(weld_data_split_take(&d->split, WELD_PART_VALIDATION, d->val, err));
    } else {
        WELD_TRY(weld_dataset_open_to_judge(d->recipe.data.val, &d->val, err));
        if (weld_is_same_file(weld_dataset_path(d->train), weld_dataset_path(d->val)) &&
            weld_dataset_is_same_part(d->train, d->val)) {
            weld_train_say(d->settings,
                           "data.val is what is trained on (%s): its scores say nothing of other "
                           "images: set some aside with data.split",
                           d->recipe.data.val);
        }
        WELD_TRY(choose_alike(d, err));
        weld_dataset_tell(d->val, d->recipe.data.preprocessing.scale16, say, d);
    }
    const weld_labels labels = {.count = d->recipe.model.num_classes,
                                .names = (const char *const *)d->class_names};
    WELD_TRY(weld_task_adopt_labels(d->task, d->val, &labels, &adopted, err));
    if (*adopted.text) {
        weld_train_say(d->settings, "%s", adopted.text);
    }
    return WELD_OK;
}

/* --- Batches --- */

static weld_status batching_of(const weld_run_data *d, weld_batching *out, weld_error *err) {
    const weld_recipe *r = &d->recipe;
    const weld_batching_options options = {.count = weld_dataset_count(d->train),
                                           .batch_size = r->train.batch_size,
                                           .height = r->data.preprocessing.height,
                                           .width = r->data.preprocessing.width,
                                           .sizes = r->data.sizes,
                                           .size_count = r->data.size_count,
                                           .accumulate = r->train.accumulate,
                                           .seed = (uint64_t)r->train.seed};
    return weld_batching_init(out, &options, err);
}

/* Every size that may be drawn must leave an epoch an update. */
static weld_status check_updates(const weld_run_data *d, weld_error *err) {
    const int64_t images = weld_dataset_count(d->train), of_update = d->recipe.train.accumulate;
    char size[64] = "";
    weld_batching batching;
    WELD_TRY(batching_of(d, &batching, err));
    const weld_batch_shape *shapes = batching.shapes;
    for (int i = 0; i < batching.shape_count; i++) {
        const int64_t batches = images / shapes[i].count;
        if (batches < of_update) {
            if (batching.shape_count > 1) {
                snprintf(size, sizeof size, " of %d x %d", shapes[i].height, shapes[i].width);
            }
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "train.accumulate %lld: an epoch of %s has only %lld %s of %lld "
                             "images%s: lower it",
                             (long long)of_update, d->recipe.data.train, (long long)batches,
                             weld_plural(batches, "batch", "batches"), (long long)shapes[i].count,
                             size);
        }
    }
    return WELD_OK;
}

/* --- All of it --- */

/* Data that a run goes on with are not there: they were moved, or named by --set or --data, which
 * are left off now. */
static weld_status tell_beginning(const weld_run_data *d, weld_status status, weld_error *err) {
    const char *out = d->settings->out, *text = d->resumes ? d->start_file.recipe : NULL;
    weld_recipe *begun =
        text && status == WELD_ERROR_NOT_FOUND ? weld_alloc(1, sizeof *begun) : NULL;
    if (begun && err && !weld_recipe_parse(out, text, strlen(text), NULL, 0, begun, NULL)) {
        if (strcmp(begun->data.train, d->recipe.data.train) != 0 ||
            strcmp(begun->data.val, d->recipe.data.val) != 0) {
            weld_append(err->message, sizeof err->message,
                        ": the run was begun with other data: give %s/recipe.yaml, which holds "
                        "what it was begun with, in the place of %s",
                        out, d->settings->recipe);
        } else {
            weld_append(err->message, sizeof err->message,
                        ": where the run's data were moved, say where they are now with --data");
        }
    }
    weld_free(begun);
    return status;
}

weld_status weld_run_data_read(weld_run_data *d, const weld_train_settings *settings,
                               weld_error *err) {
    *d = (weld_run_data){.settings = settings};
    WELD_TRY(read_last(d, err));
    WELD_TRY(read_init(d, err));
    return read_recipe(d, err);
}

weld_status weld_run_data_take(weld_run_data *d, const weld_train_settings *settings,
                               const char *recipe, weld_error *err) {
    *d = (weld_run_data){.settings = settings};
    return weld_recipe_parse(settings->recipe, recipe, strlen(recipe), NULL, 0, &d->recipe, err);
}

weld_status weld_run_data_open_sets(weld_run_data *d, bool train_only, weld_error *err) {
    d->task = weld_task_of(&d->recipe.model);
    weld_status status = open_train(d, err);
    status = status ? status : check_updates(d, err);
    if (!status && !train_only && weld_recipe_evaluates(&d->recipe)) {
        status = open_val(d, err);
    }
    if (status) {
        return tell_beginning(d, status, err);
    }
    if (!train_only) {
        d->train_identity = weld_dataset_identify(d->train, d->settings->threads);
    }
    if (d->val) {
        d->val_identity = weld_dataset_identify(d->val, d->settings->threads);
    }
    return WELD_OK;
}

weld_status weld_run_data_open(weld_run_data *d, const weld_train_settings *settings,
                               bool train_only, weld_error *err) {
    WELD_TRY(weld_run_data_read(d, settings, err));
    return weld_run_data_open_sets(d, train_only, err);
}

/* --- Teacher and batches --- */

/* Of the images that are trained on. Each is met again in later epochs: it is named once. */
bool weld_run_data_count_bad(weld_run_data *d, int64_t index, const char *reason) {
    const bool is_new = weld_bad_images_note(d->bad_images, index, reason);
    if (is_new) {
        char told[WELD_BAD_IMAGES_TOLD_SIZE];
        weld_train_say(d->settings, "skipped: %s (%s)", reason,
                       weld_bad_images_told(d->bad_images, told));
    }
    return is_new;
}

weld_status weld_run_data_advise_bad(const weld_run_data *d, const weld_dataset *ds,
                                     weld_status status, weld_error *err) {
    const int64_t images = weld_dataset_count(ds);
    if (status && weld_bad_images_limit(d->recipe.data.max_bad, images) < images / 2) {
        weld_append(err->message, sizeof err->message,
                    "; to go on without them: --resume --set data.max_bad=N, more than now");
    }
    if (status) {
        weld_append(err->message, sizeof err->message,
                    "; mended files are other data, for a new run");
    }
    return status;
}

weld_status weld_run_data_check_bad(const weld_run_data *d, weld_error *err) {
    const weld_status status =
        weld_bad_images_check(d->bad_images, weld_dataset_path(d->train), err);
    return weld_run_data_advise_bad(d, d->train, status, err);
}

static void meet_bad_image(void *arg, int64_t index, const char *reason) {
    weld_run_data *d = arg;
    weld_met_image met = {.index = index};
    if (!d->met) {
        weld_run_data_count_bad(d, index, reason);
        return;
    }
    snprintf(met.reason, sizeof met.reason, "%s", reason);
    d->met_lost |= !weld_array_append(d->met, &met, 1);
}

weld_status weld_run_data_open_teacher(weld_run_data *d, weld_error *err) {
    const weld_recipe *r = &d->recipe;
    weld_batching batching;
    if (r->loss.distillation.kind == WELD_DISTILL_NONE) {
        return WELD_OK;
    }
    if (!d->task->can_be_taught) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "loss.distillation: networks for %s cannot be taught: leave it out",
                         d->task->name);
    }
    WELD_TRY(batching_of(d, &batching, err));
    const weld_status status =
        weld_distillation_open(r, d->train, &batching, d->settings->threads, &d->distillation, err);
    if (status == WELD_ERROR_NOT_FOUND && d->resumes && err) {
        weld_append(err->message, sizeof err->message,
                    ": the run learns from it still: where it was moved, say where it is now with "
                    "--set loss.distillation.teacher=FILE");
    }
    WELD_TRY(status);
    weld_train_say(d->settings, "%s", weld_distillation_text(d->distillation));
    return WELD_OK;
}

weld_loss_options weld_run_data_loss(const weld_run_data *d) {
    const weld_recipe *r = &d->recipe;
    return (weld_loss_options){.values = r->loss.values,
                               .sampling = (weld_balance)r->data.sampling,
                               .distillation = (weld_distillation_kind)r->loss.distillation.kind,
                               .alpha = r->loss.distillation.alpha,
                               .temperature = r->loss.distillation.temperature,
                               .target_size = d->targets ? d->task->target_size(d->targets, 0) : 0};
}

/* What makes targets of a batch; it says what it does about uneven data. */
static weld_status open_targets(weld_run_data *d, weld_error *err) {
    int count, largest = 0;
    const weld_batch_shape *shapes = weld_loader_train_shapes(d->loader, &count);
    for (int i = 1; i < count; i++) {
        largest = shapes[i].width > shapes[largest].width ? i : largest;
    }
    const weld_target_options options = {.batch = weld_loader_train_most(d->loader),
                                         .parts = weld_loader_sample_parts(d->loader),
                                         .classes = d->recipe.model.num_classes,
                                         .height = shapes[largest].height,
                                         .width = shapes[largest].width,
                                         .loss = weld_run_data_loss(d)};
    weld_text text = WELD_TEXT;
    WELD_TRY(d->task->targets_create(d->train, &options, &d->targets, err));
    weld_status status =
        d->task->targets_tell ? d->task->targets_tell(d->targets, &text, err) : WELD_OK;
    if (!status) {
        weld_train_say_lines(d->settings, weld_text_get(&text));
    }
    weld_text_free(&text);
    return status;
}

weld_status weld_run_data_open_loader(weld_run_data *d, weld_error *err) {
    weld_loader_options options = {
        .preprocessing = d->recipe.data.preprocessing,
        .augmentation = d->recipe.augment,
        .batch_size = d->recipe.train.batch_size,
        .sizes = d->recipe.data.sizes,
        .size_count = d->recipe.data.size_count,
        .accumulate = d->recipe.train.accumulate,
        .seed = (uint64_t)d->recipe.train.seed,
        .views = d->distillation ? weld_distillation_views(d->distillation) : 0,
        .epochs = weld_recipe_epochs(&d->recipe),
        .shuffle = d->recipe.train.shuffle,
        .sampling = (weld_balance)d->recipe.data.sampling,
        .annotation = d->task->annotation,
        .threads = d->settings->threads,
        .bad_image = meet_bad_image,
        .bad_image_arg = d};
    WELD_TRY(weld_bad_images_create(d->recipe.data.max_bad, weld_dataset_count(d->train),
                                    &d->bad_images, err));
    WELD_TRY(weld_loader_create(d->train, &options, &d->loader, err));
    return open_targets(d, err);
}

void weld_run_data_close(weld_run_data *d) {
    if (d->targets) {
        d->task->targets_free(d->targets);
    }
    weld_loader_free(d->loader);
    weld_bad_images_free(d->bad_images);
    weld_distillation_free(d->distillation);
    weld_free(d->class_names);
    weld_data_split_free(&d->split);
    weld_dataset_free(d->val);
    weld_dataset_free(d->train);
    weld_model_file_free(&d->start_file);
    *d = (weld_run_data){0};
}

int64_t weld_run_data_updates(const weld_run_data *d, int64_t epochs) {
    int64_t updates = 0;
    for (int64_t epoch = 0; epoch < epochs; epoch++) {
        updates += weld_loader_train_updates(d->loader, (uint32_t)epoch);
    }
    return updates;
}

int64_t weld_run_data_update_images(const weld_run_data *d) {
    return weld_loader_train_batch_size(d->loader) * d->recipe.train.accumulate;
}

weld_status weld_run_data_inputs(const weld_run_data *d, float *inputs[WELD_OUTPUTS_MAX],
                                 weld_error *err) {
    const size_t batch = (size_t)weld_loader_train_most(d->loader);
    for (int i = 0; d->task->inputs[i]; i++) {
        inputs[i] = weld_alloc_raw(batch * d->task->target_size(d->targets, i), sizeof(float));
        if (!inputs[i]) {
            return weld_fail_memory(err, "targets");
        }
    }
    return WELD_OK;
}

void weld_run_data_free_inputs(float *inputs[WELD_OUTPUTS_MAX]) {
    for (int i = 0; i < WELD_OUTPUTS_MAX; i++) {
        weld_free(inputs[i]);
        inputs[i] = NULL;
    }
}
