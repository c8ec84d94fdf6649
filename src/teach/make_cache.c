/* Making a cache; see make_cache.h. */
#include "teach/make_cache.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "data/bad_images.h"
#include "data/loader.h"
#include "data/rank_facts.h"
#include "datasets/tell.h"
#include "distributed/pieces.h"
#include "distributed/rank_kernels.h"
#include "formats/logit_cache.h"
#include "kernels/kernels.h"
#include "recipe/data_option.h"
#include "recipe/pixel_keys.h"
#include "recipe/recipe_split.h"
#include "tasks/task.h"
#include "infer/image_records.h"
#include "teach/cache_rows.h"
#include "teach/teacher.h"

enum { BATCH = 64, USUAL_VIEWS = 10, USUAL_TOP = 10, CONDITIONS_SIZE = 80 };
#define SYNC_SECONDS 30.0 /* so much work a crash may cost */

typedef struct maker {
    const weld_cache_settings *settings;
    weld_recipe recipe;
    weld_dataset *ds;
    weld_data_identity identity;
    weld_teacher *teacher;
    weld_loader *loader;
    weld_cache_layout layout;
    weld_cache_writer *writer;
    weld_group *group;
    bool leads;   /* it speaks and writes */
    int64_t done; /* rows */
    weld_bad_images *bad_images;
    weld_bad_sink sink; /* of the batch that is being made */
    weld_doubts doubts;
    float *images, *logits; /* of a batch */
    weld_cache_rows rows;
    double synced; /* weld_clock */
} maker;

/* --- Opening ---------------------------------------------------------------------------------- */

/* Of ranks, which have the same to say, the first speaks. */
static void say(void *maker_, const char *line) {
    const maker *m = maker_;
    if (m->leads) {
        m->settings->message(m->settings->context, line);
    }
}

static void tell_lines(maker *m, const char *text) {
    while (*text) {
        char line[WELD_ERROR_MESSAGE_SIZE];
        text = weld_take_line(text, line, sizeof line);
        say(m, line);
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

/* Rank 0's, on all of them. */
static weld_status share_recipe(maker *m, weld_error *err) {
    char *text = NULL;
    weld_status status = m->leads ? read_recipe(m, err) : WELD_OK;
    if (!m->group) {
        return status;
    }
    status = !status && m->leads ? weld_recipe_text(&m->recipe, &text, err) : status;
    status = weld_group_agree(m->group, status, err);
    status = status ? status : weld_group_tell_text(m->group, &text, err);
    if (status) { /* on all of them */
        weld_free(text);
        return status;
    }
    if (!m->leads) {
        status =
            weld_recipe_parse(m->settings->recipe, text, strlen(text), NULL, 0, &m->recipe, err);
    }
    weld_free(text);
    return weld_group_agree(m->group, status, err);
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

static const char *path_of_teacher(const maker *m) {
    return m->settings->teacher ? m->settings->teacher : m->recipe.loss.distillation.teacher;
}

static weld_precision precision_of(const maker *m) {
    return m->recipe.train.precision == WELD_PRECISION_BF16 ? WELD_PRECISION_BF16
                                                            : WELD_PRECISION_FP32;
}

/* What training judges by is not written over either. A set that cannot be read has no files that
 * are known; of a split all are data.train's. */
static weld_status spare_val(const maker *m, weld_error *err) {
    const weld_recipe *r = &m->recipe;
    weld_dataset *val;
    if (!r->data.val[0] || r->data.split > 0 || access(m->settings->out, F_OK) != 0 ||
        weld_dataset_open_to_judge(r->data.val, &val, NULL) != WELD_OK) {
        return WELD_OK;
    }
    const weld_status status = weld_dataset_spare(val, m->settings->out, err);
    weld_dataset_free(val);
    return status;
}

static weld_status open_teacher(void *context, weld_error *err) {
    maker *m = context;
    const weld_recipe *r = &m->recipe;
    const char *path = path_of_teacher(m);
    weld_teacher_options options = {.preprocessing = &r->data.preprocessing,
                                    .batch = BATCH,
                                    .threads = m->settings->threads,
                                    .precision = precision_of(m)};
    if (!*path) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: loss.distillation.teacher: missing: give it there or with --teacher",
                         m->settings->recipe);
    }
    WELD_TRY(weld_dataset_open(r->data.train, &m->ds, err));
    WELD_TRY(weld_dataset_spare(m->ds, m->settings->out, err));
    WELD_TRY(spare_val(m, err));
    WELD_TRY(choose_classes(m, err));
    weld_dataset_tell(m->ds, m->recipe.data.preprocessing.scale16, say, m);
    WELD_TRY(take_part(m, err));
    return weld_teacher_open(path, m->ds, &options, &m->teacher, err);
}

/* All ranks must have the same. */
static weld_status compare(maker *m, weld_error *err) {
    const weld_teacher_facts facts = weld_teacher_get_facts(m->teacher);
    char network[120];
    m->identity = weld_dataset_identify(m->ds, m->settings->threads);
    if (!m->group) {
        return WELD_OK;
    }
    WELD_TRY(weld_rank_kernels_compare(m->group, false, "", NULL, err));
    weld_snprintf(network, sizeof network, "%.64s %s", facts.name, facts.identity);
    const weld_rank_facts mine = {.sets = {m->ds},
                                  .identities = {&m->identity},
                                  .network = network,
                                  .verb = "asks",
                                  .path = path_of_teacher(m)};
    return weld_rank_facts_compare(m->group, &mine, err);
}

static weld_status open_loader(maker *m, weld_error *err) {
    weld_loader_options options = {.preprocessing = m->recipe.data.preprocessing,
                                   .augmentation = m->recipe.augment,
                                   .batch_size = BATCH,
                                   .seed = (uint64_t)m->recipe.train.seed,
                                   .step = weld_pieces_step(m->group),
                                   .threads = m->settings->threads,
                                   .bad_image = weld_image_records_note_bad,
                                   .bad_image_arg = &m->sink};
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
    const size_t pixels = (size_t)p->height * (size_t)p->width;
    m->images = weld_alloc(BATCH * pixels, 3 * sizeof *m->images);
    m->logits = weld_alloc(BATCH * (size_t)m->layout.classes, sizeof *m->logits);
    WELD_TRY(weld_bad_images_create(m->recipe.data.max_bad, m->layout.images, &m->bad_images, err));
    return m->images && m->logits
               ? weld_cache_rows_create(&m->rows, m->layout.classes, m->layout.top, BATCH, err)
               : weld_fail_memory(err, "distillation cache");
}

/* What rows depend on besides what the file says: who goes on with it must have the same. */
static weld_status find_conditions(const maker *m, char text[CONDITIONS_SIZE], weld_error *err) {
    const bool bf16 = precision_of(m) == WELD_PRECISION_BF16;
    const weld_kernels *kernels;
    WELD_TRY(weld_kernels_select(bf16 ? WELD_BF16 : WELD_F32, NULL, &kernels, err));
    weld_snprintf(text, CONDITIONS_SIZE, "%s %s %016llx %016llx", bf16 ? "bf16" : "fp32",
                  kernels->name, (unsigned long long)m->identity.sizes,
                  (unsigned long long)m->identity.contents);
    return WELD_OK;
}

static weld_status check_bad(const maker *m, weld_error *err) {
    return weld_bad_images_check(m->bad_images, weld_dataset_path(m->ds), err);
}

/* Those that whoever began the file met, which are in its first view if anywhere: they were told
 * then. */
static weld_status count_kept_bad(maker *m, weld_error *err) {
    const int64_t images = m->layout.images, rows = m->done < images ? m->done : images;
    bool *unknown = weld_alloc((size_t)images, sizeof *unknown);
    weld_status status = unknown ? weld_cache_writer_find_unknown(m->writer, rows, unknown, err)
                                 : weld_fail_memory(err, "bad images");
    for (int64_t i = 0; i < rows && !status; i++) {
        char reason[WELD_ERROR_MESSAGE_SIZE];
        if (unknown[i]) {
            snprintf(reason, sizeof reason, "%s: could not be read when the cache was begun",
                     weld_dataset_name(m->ds, i));
            (void)weld_bad_images_note(m->bad_images, i, reason);
        }
    }
    weld_free(unknown);
    return status ? status : check_bad(m, err);
}

static weld_status open_writer(maker *m, weld_error *err) {
    char samples[17], teacher[128], conditions[CONDITIONS_SIZE], note[WELD_ERROR_MESSAGE_SIZE];
    char *augmentation;
    weld_teacher_facts facts = weld_teacher_get_facts(m->teacher);
    WELD_TRY(find_conditions(m, conditions, err));
    WELD_TRY(weld_pixel_keys_text(&m->recipe, &augmentation, err));
    weld_samples_identity(&m->recipe, m->ds, samples);
    weld_snprintf(teacher, sizeof teacher, "%.64s %s", facts.name, facts.identity);
    weld_cache_texts texts = {samples, augmentation, teacher, conditions};
    weld_status status =
        weld_cache_writer_open(m->settings->out, &m->layout, &texts, &m->writer, &m->done, err);
    weld_free(augmentation);
    if (!status && weld_cache_writer_note(m->writer, note, sizeof note)) {
        say(m, note);
    }
    return status ? status : count_kept_bad(m, err);
}

/* --- One batch -------------------------------------------------------------------------------- */

/* Of all views, one after the other. */
static weld_status make_batch(void *context, int64_t piece, weld_array *records, weld_error *err) {
    maker *m = context;
    const int64_t batches = weld_loader_eval_batches(m->loader);
    weld_batch batch;
    m->sink = (weld_bad_sink){.records = records};
    WELD_TRY(weld_loader_view_batch(m->loader, (uint32_t)(piece / batches), piece % batches,
                                    m->images, &batch, err));
    WELD_TRY(m->sink.lost ? weld_fail_memory(err, "distillation cache") : WELD_OK);
    weld_teacher_run(m->teacher, batch.height, batch.width, m->images, batch.count, m->logits);
    for (int64_t i = 0; i < batch.count; i++) {
        const int64_t image = batch.indices[i];
        WELD_TRY(weld_cache_rows_add(&m->rows, image, weld_dataset_name(m->ds, image),
                                     m->logits + i * m->layout.classes, records, err));
    }
    return WELD_OK;
}

/* An image is told once, however many views there are of it. */
static void tell_bad(void *context, int64_t index, const char *reason) {
    maker *m = context;
    if (weld_bad_images_note(m->bad_images, index, reason)) {
        m->settings->bad_image(m->settings->context, index, reason);
    }
}

static weld_status sync_rows(maker *m, weld_error *err) {
    m->synced = weld_clock();
    return weld_cache_writer_sync(m->writer, m->done, err);
}

static weld_status take_batch(void *context, int64_t piece, const void *records, size_t bytes,
                              weld_error *err) {
    maker *m = context;
    const weld_cache_settings *s = m->settings;
    const int64_t images = m->layout.images, total = m->layout.views * images;
    const int64_t first = piece % weld_loader_eval_batches(m->loader) * BATCH;
    const int64_t count = images - first < BATCH ? images - first : BATCH;
    WELD_TRY(weld_cache_rows_take(&m->rows, records, bytes, first, count, tell_bad, m, err));
    WELD_TRY(check_bad(m, err));
    WELD_TRY(weld_cache_writer_put(m->writer, m->done, count, m->rows.values, m->rows.of, err));
    m->done += count;
    s->progress(s->context, m->done, total);
    return weld_clock() - m->synced > SYNC_SECONDS ? sync_rows(m, err) : WELD_OK;
}

static bool doubt_batch(void *context, int rank, const void *records, size_t bytes) {
    weld_doubts *doubts = &((maker *)context)->doubts;
    weld_image_records_doubt(records, bytes, rank, doubts);
    return weld_doubts_any(doubts);
}

static weld_status settle(void *context, weld_error *err) {
    maker *m = context;
    return weld_doubts_settle(&m->doubts, m->group, m->ds,
                              weld_reading_of(&m->recipe.data.preprocessing), err);
}

static bool stops(void *context, int64_t piece) {
    const maker *m = context;
    (void)piece;
    return m->settings->stop(m->settings->context);
}

/* --- All of it -------------------------------------------------------------------------------- */

static void tell_plan(const maker *m, double batch_seconds) {
    if (!m->leads) {
        return;
    }
    weld_teacher_facts f = weld_teacher_get_facts(m->teacher);
    char teacher[256];
    int64_t total = m->layout.views * m->layout.images;
    weld_cache_plan plan = {.teacher = weld_teacher_text(&f, teacher, sizeof teacher),
                            .images = m->layout.images,
                            .views = m->layout.views,
                            .top = m->layout.top,
                            .classes = m->layout.classes,
                            .bytes = weld_cache_bytes(&m->layout),
                            .seconds = batch_seconds * (double)(total - m->done) / BATCH /
                                       weld_group_size(m->group),
                            .done = m->done,
                            .total = total};
    m->settings->planned(m->settings->context, &plan);
}

/* Twice, for the first time is not like the others; by all ranks, which may share cpus. */
static weld_status time_batch(maker *m, double *seconds, weld_error *err) {
    weld_array records = {.element = 1};
    weld_status status = WELD_OK;
    for (int i = 0; i < 2 && !status; i++) {
        double begin = weld_clock();
        records.count = 0;
        status = make_batch(m, 0, &records, err);
        *seconds = weld_clock() - begin;
    }
    weld_array_free(&records);
    int64_t count = m->layout.images < BATCH ? m->layout.images : BATCH;
    *seconds *= (double)BATCH / (double)count;
    return status;
}

/* On all ranks, all of it but what is written. */
static weld_status open_all(maker *m, double *seconds, weld_error *err) {
    WELD_TRY(share_recipe(m, err));
    WELD_TRY(weld_group_in_turn(m->group, open_teacher, m, err));
    WELD_TRY(compare(m, err));
    weld_status status = open_loader(m, err);
    if (!status) {
        choose_layout(m);
        status = allocate(m, err);
    }
    status = status ? status : time_batch(m, seconds, err);
    status = !status && m->leads ? open_writer(m, err) : status;
    WELD_TRY(weld_group_agree(m->group, status, err));
    return weld_group_broadcast(m->group, &m->done, sizeof m->done, err);
}

static weld_status make_all(maker *m, bool *stopped, weld_error *err) {
    const int64_t images = m->layout.images, batches = weld_loader_eval_batches(m->loader);
    /* Whole batches only, so that they are those of a run that was never stopped. */
    m->done -= m->done % images % BATCH;
    m->synced = weld_clock();
    const weld_pieces pieces = {.first = m->done / images * batches + m->done % images / BATCH,
                                .end = m->layout.views * batches,
                                .compared = true,
                                .what = "batch",
                                .make = make_batch,
                                .doubts = doubt_batch,
                                .settle = settle,
                                .take = take_batch,
                                .stop = stops,
                                .context = m};
    if (m->group && pieces.end - pieces.first < weld_group_size(m->group)) {
        char text[120];
        weld_snprintf(text, sizeof text, "%d ranks, but %lld batches of %d images in all views",
                      weld_group_size(m->group), (long long)(pieces.end - pieces.first), BATCH);
        say(m, text);
    }
    weld_group_doing(m->group, "the cache");
    return weld_pieces_do(m->group, &pieces, stopped, err);
}

static weld_status finish(maker *m, bool stopped, weld_error *err) {
    if (!m->leads) {
        return WELD_OK;
    }
    if (stopped) {
        return sync_rows(m, err);
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
    weld_bad_images_free(m->bad_images);
    weld_cache_rows_free(&m->rows);
    weld_doubts_free(&m->doubts);
    weld_free(m);
}

weld_status weld_make_cache(const weld_cache_settings *settings, weld_cache_result *result,
                            weld_error *err) {
    bool stopped = false;
    double seconds = 0;
    maker *m = weld_alloc(1, sizeof *m);
    if (!m) {
        return weld_group_break(settings->group, weld_fail_memory(err, settings->out), err);
    }
    m->settings = settings;
    m->group = settings->group;
    m->doubts = WELD_DOUBTS;
    m->leads = weld_group_rank(m->group) == 0;
    weld_status status = open_all(m, &seconds, err);
    if (!status) {
        tell_plan(m, seconds);
        status = make_all(m, &stopped, err);
        status = status ? status : weld_group_agree(m->group, finish(m, stopped, err), err);
    }
    *result = (weld_cache_result){.interrupted = stopped,
                                  .bad = m->bad_images ? weld_bad_images_count(m->bad_images) : 0};
    close_all(m);
    return status;
}
