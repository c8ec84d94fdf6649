/* Making a cache; see make_cache.h. */
#include "teach/make_cache.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "data/loader.h"
#include "datasets/tell.h"
#include "formats/logit_cache.h"
#include "recipe/data_option.h"
#include "recipe/pixel_keys.h"
#include "recipe/recipe_split.h"
#include "tasks/task.h"
#include "teach/teacher.h"

enum { BATCH = 64, USUAL_VIEWS = 10, USUAL_TOP = 10 };
#define SYNC_SECONDS 30.0 /* so much work a crash may cost */

typedef struct maker {
    const weld_cache_settings *settings;
    weld_recipe recipe;
    weld_dataset *ds;
    weld_teacher *teacher;
    weld_loader *loader;
    weld_cache_layout layout;
    weld_cache_writer *writer;
    int64_t done; /* rows */
    int64_t bad;
    bool timing;                     /* what is found is found again */
    float *images, *logits, *values; /* of a batch */
    int32_t *classes;
} maker;

/* --- Opening ---------------------------------------------------------------------------------- */

static void tell_lines(const maker *m, const char *text) {
    while (*text) {
        char line[WELD_ERROR_MESSAGE_SIZE];
        text = weld_take_line(text, line, sizeof line);
        m->settings->message(m->settings->context, line);
    }
}

/* How the recipe learns matters to training alone: it may be one for the cache that is to be made,
 * and has then no teacher to learn from yet. */
static weld_status parse_recipe(maker *m, weld_error *err) {
    const weld_cache_settings *s = m->settings;
    const char **set = weld_alloc(s->set_count + 1, sizeof *set);
    weld_text notes = WELD_TEXT;
    if (!set) {
        return weld_fail_memory(err, s->recipe);
    }
    for (size_t i = 0; i < s->set_count; i++) {
        set[i] = s->set[i];
    }
    set[s->set_count] = "loss.distillation.kind=none";
    weld_recipe_source from = {
        .path = s->recipe, .set = set, .set_count = s->set_count + 1, .data = s->data};
    weld_status status = weld_recipe_open(&from, &m->recipe, &notes, err);
    tell_lines(m, weld_text_get(&notes));
    weld_text_free(&notes);
    weld_free(set);
    return status;
}

static weld_status read_recipe(maker *m, weld_error *err) {
    WELD_TRY(parse_recipe(m, err));
    return m->recipe.data.size_count
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: data.sizes: a cache is of images of one size: train with "
                           "loss.distillation.teacher, or at data.input_size alone "
                           "(--set data.sizes=null)",
                           m->settings->recipe)
               : WELD_OK;
}

/* What the recipe trains on. */
static weld_status take_part(maker *m, weld_error *err) {
    weld_data_split split;
    WELD_TRY(weld_recipe_split(&m->recipe, weld_task_of(&m->recipe.model)->annotation, m->ds,
                               m->settings->threads, &split, err));
    weld_status status =
        split.part ? weld_data_split_take(&split, WELD_PART_TRAIN, m->ds, err) : WELD_OK;
    weld_data_split_free(&split);
    return status;
}

static weld_status choose_classes(maker *m, weld_error *err) {
    weld_text told = WELD_TEXT;
    weld_status status = weld_dataset_choose_classes(m->ds, &m->recipe.data.classes, &told, err);
    tell_lines(m, weld_text_get(&told));
    weld_text_free(&told);
    return status;
}

static weld_status open_teacher(maker *m, weld_error *err) {
    const weld_recipe *r = &m->recipe;
    const char *path = m->settings->teacher ? m->settings->teacher : r->loss.distillation.teacher;
    bool bf16 = r->train.precision == WELD_PRECISION_BF16;
    weld_teacher_options options = {.preprocessing = &r->data.preprocessing,
                                    .batch = BATCH,
                                    .threads = m->settings->threads,
                                    .precision = bf16 ? WELD_PRECISION_BF16 : WELD_PRECISION_FP32};
    if (!*path) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: loss.distillation.teacher: missing: give it there or with --teacher",
                         m->settings->recipe);
    }
    WELD_TRY(weld_dataset_open(r->data.train, &m->ds, err));
    WELD_TRY(weld_dataset_spare(m->ds, m->settings->out, err));
    WELD_TRY(choose_classes(m, err));
    weld_dataset_tell(m->ds, m->recipe.data.preprocessing.scale16, m->settings->message,
                      m->settings->context);
    WELD_TRY(take_part(m, err));
    return weld_teacher_open(path, m->ds, &options, &m->teacher, err);
}

static void note_bad(void *arg, int64_t index, const char *reason) {
    maker *m = arg;
    if (!m->timing) {
        m->bad++;
        m->settings->bad_image(m->settings->context, index, reason);
    }
}

static weld_status open_loader(maker *m, weld_error *err) {
    weld_loader_options options = {.preprocessing = m->recipe.data.preprocessing,
                                   .augmentation = m->recipe.augment,
                                   .batch_size = BATCH,
                                   .seed = (uint64_t)m->recipe.train.seed,
                                   .threads = m->settings->threads,
                                   .bad_image = note_bad,
                                   .bad_image_arg = m};
    return weld_loader_create(m->ds, &options, &m->loader, err);
}

static void choose_layout(maker *m) {
    const weld_cache_settings *s = m->settings;
    int64_t epochs = weld_recipe_epochs(&m->recipe);
    int classes = weld_teacher_get_facts(m->teacher).classes, top = s->top ? s->top : USUAL_TOP;
    int64_t usual = m->recipe.augment.kind == WELD_AUGMENT_NONE ? 1
                    : epochs < USUAL_VIEWS                      ? epochs
                                                                : USUAL_VIEWS;
    m->layout = (weld_cache_layout){.views = s->views ? s->views : usual,
                                    .images = weld_dataset_count(m->ds),
                                    .top = top < classes ? top : classes,
                                    .classes = classes,
                                    .log_probabilities = true};
}

static weld_status allocate(maker *m, weld_error *err) {
    const weld_preprocessing *p = &m->recipe.data.preprocessing;
    const size_t pixels = (size_t)p->height * (size_t)p->width, top = (size_t)m->layout.top;
    m->images = weld_alloc(BATCH * pixels, 3 * sizeof *m->images);
    m->logits = weld_alloc(BATCH * (size_t)m->layout.classes, sizeof *m->logits);
    m->values = weld_alloc(BATCH * top, sizeof *m->values);
    m->classes = weld_alloc(BATCH * top, sizeof *m->classes);
    return m->images && m->logits && m->values && m->classes
               ? WELD_OK
               : weld_fail_memory(err, "distillation cache");
}

static weld_status open_writer(maker *m, weld_error *err) {
    char samples[17], teacher[128], *augmentation;
    weld_teacher_facts facts = weld_teacher_get_facts(m->teacher);
    WELD_TRY(weld_pixel_keys_text(&m->recipe, &augmentation, err));
    weld_samples_identity(&m->recipe, m->ds, samples);
    weld_snprintf(teacher, sizeof teacher, "%.64s %s", facts.name, facts.identity);
    weld_cache_texts texts = {samples, augmentation, teacher};
    weld_status status =
        weld_cache_writer_open(m->settings->out, &m->layout, &texts, &m->writer, &m->done, err);
    weld_free(augmentation);
    return status;
}

/* --- One batch -------------------------------------------------------------------------------- */

/* The largest of a row's log-probabilities, in order; of equal ones the first classes. */
static void take_top(const float *row, int classes, int top, float *values, int32_t *of) {
    double sum = 0;
    float largest = row[0];
    for (int k = 1; k < classes; k++) {
        largest = fmaxf(largest, row[k]);
    }
    for (int k = 0; k < classes; k++) {
        sum += exp((double)row[k] - largest);
    }
    int count = 0;
    for (int k = 0; k < classes; k++) {
        if (count == top && !(row[k] > values[top - 1])) {
            continue;
        }
        int at = count < top ? count++ : top - 1;
        for (; at > 0 && row[k] > values[at - 1]; at--) {
            values[at] = values[at - 1];
            of[at] = of[at - 1];
        }
        values[at] = row[k];
        of[at] = k;
    }
    for (int i = 0; i < top; i++) {
        values[i] = (float)(values[i] - largest - log(sum));
    }
}

static weld_status check_finite(const maker *m, const weld_batch *batch, int64_t i,
                                weld_error *err) {
    const float *row = m->logits + i * m->layout.classes;
    for (int k = 0; k < m->layout.classes; k++) {
        if (!isfinite(row[k])) {
            return weld_fail(err, WELD_ERROR_NUMERIC,
                             "%s: the teacher's output for it is not finite: it is not usable",
                             weld_dataset_name(m->ds, batch->indices[i]));
        }
    }
    return WELD_OK;
}

/* The rows of a batch of a view: m->values and m->classes, with nothing known of bad images. */
static weld_status make_rows(maker *m, int64_t view, int64_t number, weld_error *err) {
    weld_batch batch;
    size_t elements = (size_t)BATCH * (size_t)m->layout.top;
    WELD_TRY(weld_loader_view_batch(m->loader, (uint32_t)view, number, m->images, &batch, err));
    memset(m->values, 0, elements * sizeof *m->values);
    memset(m->classes, -1, elements * sizeof *m->classes);
    weld_teacher_run(m->teacher, batch.height, batch.width, m->images, batch.count, m->logits);
    for (int64_t i = 0; i < batch.count; i++) {
        int64_t slot = batch.indices[i] - number * BATCH;
        take_top(m->logits + i * m->layout.classes, m->layout.classes, m->layout.top,
                 m->values + slot * m->layout.top, m->classes + slot * m->layout.top);
        WELD_TRY(check_finite(m, &batch, i, err));
    }
    return WELD_OK;
}

/* --- All of it -------------------------------------------------------------------------------- */

static void tell_plan(const maker *m, double batch_seconds) {
    weld_teacher_facts f = weld_teacher_get_facts(m->teacher);
    char teacher[256];
    int64_t total = m->layout.views * m->layout.images;
    weld_cache_plan plan = {.teacher = weld_teacher_text(&f, teacher, sizeof teacher),
                            .images = m->layout.images,
                            .views = m->layout.views,
                            .top = m->layout.top,
                            .classes = m->layout.classes,
                            .bytes = weld_cache_bytes(&m->layout),
                            .seconds = batch_seconds * (double)(total - m->done) / BATCH,
                            .done = m->done,
                            .total = total};
    m->settings->planned(m->settings->context, &plan);
}

/* Twice, for the first time is not like the others. */
static weld_status time_batch(maker *m, double *seconds, weld_error *err) {
    weld_status status = WELD_OK;
    m->timing = true;
    for (int i = 0; i < 2 && !status; i++) {
        double begin = weld_clock();
        status = make_rows(m, 0, 0, err);
        *seconds = weld_clock() - begin;
    }
    int64_t count = m->layout.images < BATCH ? m->layout.images : BATCH;
    *seconds *= (double)BATCH / (double)count;
    m->timing = false;
    return status;
}

static weld_status make_all(maker *m, bool *stopped, weld_error *err) {
    const weld_cache_settings *s = m->settings;
    int64_t images = m->layout.images, total = m->layout.views * images;
    int64_t batches = weld_loader_eval_batches(m->loader);
    double synced = weld_clock();
    /* Whole batches only, so that they are those of a run that was never stopped. */
    m->done -= m->done % images % BATCH;
    while (m->done < total && !*stopped) {
        int64_t view = m->done / images, number = m->done % images / BATCH;
        int64_t count = number + 1 < batches ? BATCH : images - number * BATCH;
        WELD_TRY(make_rows(m, view, number, err));
        WELD_TRY(weld_cache_writer_put(m->writer, m->done, count, m->values, m->classes, err));
        m->done += count;
        s->progress(s->context, m->done, total);
        *stopped = m->done < total && s->stop(s->context);
        if (*stopped || weld_clock() - synced > SYNC_SECONDS) {
            WELD_TRY(weld_cache_writer_sync(m->writer, m->done, err));
            synced = weld_clock();
        }
    }
    return WELD_OK;
}

static weld_status finish(maker *m, bool stopped, weld_error *err) {
    if (stopped) {
        return WELD_OK;
    }
    weld_status status = weld_cache_writer_commit(m->writer, err);
    m->writer = NULL;
    return status;
}

static void close_all(maker *m) {
    weld_cache_writer_close(m->writer);
    weld_loader_free(m->loader);
    weld_teacher_free(m->teacher);
    weld_dataset_free(m->ds);
    weld_free(m->images);
    weld_free(m->logits);
    weld_free(m->values);
    weld_free(m->classes);
    weld_free(m);
}

weld_status weld_make_cache(const weld_cache_settings *settings, weld_cache_result *result,
                            weld_error *err) {
    bool stopped = false;
    double seconds = 0;
    maker *m = weld_alloc(1, sizeof *m);
    if (!m) {
        return weld_fail_memory(err, settings->out);
    }
    m->settings = settings;
    weld_status status = read_recipe(m, err);
    status = status ? status : open_teacher(m, err);
    status = status ? status : open_loader(m, err);
    if (!status) {
        choose_layout(m);
        status = allocate(m, err);
    }
    status = status ? status : time_batch(m, &seconds, err);
    status = status ? status : open_writer(m, err);
    if (!status) {
        tell_plan(m, seconds);
        status = make_all(m, &stopped, err);
    }
    status = status ? status : finish(m, stopped, err);
    *result = (weld_cache_result){.interrupted = stopped, .bad = m->bad};
    close_all(m);
    return status;
}
