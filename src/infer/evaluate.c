/* Scores of a network on a data set; see evaluate.h. */
#include "infer/evaluate.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "distributed/pieces.h"
#include "formats/file.h"
#include "formats/json_text.h"
#include "infer/model.h"

struct weld_evaluator {
    const weld_task *task;
    weld_session *session;
    weld_tensor outputs[WELD_OUTPUTS_MAX];
    weld_loader *loader;
    const weld_dataset *dataset;
    weld_evaluator_options options;
    void *tally;
    weld_evaluation counted, last; /* so far; in all, of the last run that succeeded */
    int64_t latest[2];             /* images that were counted, good and bad; -1: none */
    weld_array record, seen;       /* of one image */
    weld_reading how;              /* of the preprocessing */
    weld_doubts doubts;
    weld_bad_sink sink; /* of the batch that is being measured */
};

static weld_status open(weld_evaluator *e, const weld_graph *g, weld_weights *w,
                        const weld_preprocessing *preprocessing, weld_error *err) {
    const weld_evaluator_options *o = &e->options;
    weld_loader_options loader = {.preprocessing = *preprocessing,
                                  .augmentation = weld_augmentation_defaults(),
                                  .batch_size = o->batch_size,
                                  .annotation = e->task->annotation,
                                  .step = weld_pieces_step(o->group),
                                  .threads = o->threads,
                                  .bad_image = weld_image_records_note_bad,
                                  .bad_image_arg = &e->sink};
    loader.augmentation.kind = WELD_AUGMENT_NONE;
    /* Weights may change from one evaluation to the next: while training they do. */
    WELD_TRY(weld_output_session(g, w, o->batch_size, o->threads, false, &e->session, err));
    WELD_TRY(weld_loader_create(e->dataset, &loader, &e->loader, err));
    WELD_TRY(weld_task_outputs(e->task, e->session, e->outputs, err));
    return e->task->tally_create(e->dataset, e->outputs, &e->tally, err);
}

weld_status weld_evaluator_create(const weld_task *task, const weld_graph *g, weld_weights *w,
                                  const weld_preprocessing *preprocessing, const weld_dataset *ds,
                                  const weld_evaluator_options *options, weld_evaluator **out,
                                  weld_error *err) {
    *out = NULL;
    weld_evaluator *e = weld_alloc(1, sizeof *e);
    if (!e) {
        return weld_fail_memory(err, "evaluation");
    }
    int64_t count = weld_dataset_count(ds);
    *e = (weld_evaluator){.task = task,
                          .options = *options,
                          .dataset = ds,
                          .record = {.element = 1},
                          .seen = {.element = 1},
                          .how = weld_reading_of(preprocessing),
                          .doubts = WELD_DOUBTS};
    e->options.batch_size = options->batch_size < count ? options->batch_size : count;
    weld_status status = open(e, g, w, preprocessing, err);
    if (status) {
        weld_evaluator_free(e);
        return status;
    }
    *out = e;
    return WELD_OK;
}

weld_status weld_results_evaluator_create(const weld_task *task, const weld_results_source *from,
                                          const weld_dataset *ds, weld_text *notes,
                                          weld_evaluator **out, weld_error *err) {
    weld_evaluator *e = *out = weld_alloc(1, sizeof *e);
    if (!e) {
        return weld_fail_memory(err, "evaluation");
    }
    *e = (weld_evaluator){
        .task = task, .dataset = ds, .last = {.images = weld_dataset_count(ds), .loss = NAN}};
    const weld_status status = task->results->read(from, ds, &e->tally, notes, err);
    if (status) {
        weld_evaluator_free(e);
        *out = NULL;
        return status;
    }
    task->finish(e->tally, &e->last);
    return WELD_OK;
}

void weld_evaluator_free(weld_evaluator *e) {
    if (e) {
        weld_session_free(e->session);
        weld_loader_free(e->loader);
        e->task->tally_free(e->tally);
        weld_array_free(&e->record);
        weld_array_free(&e->seen);
        weld_doubts_free(&e->doubts);
        weld_free(e);
    }
}

static void soften(weld_evaluator *e) {
    const double temperature = e->task->has_temperature ? e->options.temperature : 0;
    for (int i = 0; temperature > 0 && temperature != 1 && e->task->outputs[i]; i++) {
        float *x = e->outputs[i].data;
        for (int64_t k = 0; k < weld_shape_count(&e->outputs[i].shape); k++) {
            x[k] = (float)(x[k] / temperature);
        }
    }
}

/* --- Measuring -------------------------------------------------------------------------------- */

static weld_status measure_image(weld_evaluator *e, int64_t i, const weld_batch *batch,
                                 weld_error *err) {
    const weld_seen seen = {e->outputs, i, batch};
    e->record.count = e->seen.count = 0;
    const weld_status status = e->task->measure(e->tally, e->outputs, i, batch, &e->record, err);
    if (status == WELD_ERROR_NUMERIC) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "%s: the network's output for it is not finite: its weights are not "
                         "usable",
                         weld_dataset_name(e->dataset, batch->indices[i]));
    }
    WELD_TRY(status);
    WELD_TRY(e->options.see ? e->options.see(e->options.seen_arg, &seen, &e->seen, err) : WELD_OK);
    const weld_image_record record = {.index = batch->indices[i],
                                      .data = e->record.data,
                                      .bytes = e->record.count,
                                      .seen = e->seen.data,
                                      .seen_bytes = e->seen.count};
    return weld_image_records_add(e->sink.records, &record) ? WELD_OK
                                                            : weld_fail_memory(err, "evaluation");
}

weld_status weld_evaluator_measure(weld_evaluator *e, int64_t number, weld_array *records,
                                   weld_error *err) {
    weld_batch batch;
    e->sink = (weld_bad_sink){.records = records};
    WELD_TRY(weld_loader_eval_batch(e->loader, number,
                                    weld_session_input(e->session, "images").data, &batch, err));
    WELD_TRY(e->sink.lost ? weld_fail_memory(err, "evaluation") : WELD_OK);
    if (batch.count > 0) {
        weld_session_run(e->session, 0);
        soften(e);
    }
    /* One by one, so that a bad one can be named. */
    for (int64_t i = 0; i < batch.count; i++) {
        WELD_TRY(measure_image(e, i, &batch, err));
    }
    return WELD_OK;
}

/* --- Counting --------------------------------------------------------------------------------- */

weld_status weld_evaluator_begin(weld_evaluator *e, weld_error *err) {
    e->counted = (weld_evaluation){.loss = NAN};
    e->latest[0] = e->latest[1] = -1;
    return e->task->tally_clear(e->tally, err);
}

/* Indices rise, of those that are counted as of those that are bad. */
static weld_status count_record(weld_evaluator *e, const weld_image_record *r, weld_error *err) {
    const weld_evaluator_options *o = &e->options;
    int64_t *latest = &e->latest[r->bad];
    if (r->index <= *latest || r->index >= weld_dataset_count(e->dataset)) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "evaluation: image %lld of %lld, after %lld, in what came of a part",
                         (long long)r->index, (long long)weld_dataset_count(e->dataset),
                         (long long)*latest);
    }
    *latest = r->index;
    if (r->bad) {
        if (o->bad_image) {
            o->bad_image(o->arg, r->index, r->data);
        }
        e->counted.skipped++;
        return WELD_OK;
    }
    WELD_TRY(e->task->count(e->tally, r->index, r->data, r->bytes, err));
    e->counted.images++;
    return o->seen ? o->seen(o->seen_arg, r, err) : WELD_OK;
}

weld_status weld_evaluator_count(weld_evaluator *e, const void *records, size_t bytes,
                                 weld_error *err) {
    while (bytes > 0) {
        weld_image_record record;
        WELD_TRY(weld_image_records_next(&records, &bytes, &record, err));
        WELD_TRY(count_record(e, &record, err));
    }
    return WELD_OK;
}

weld_status weld_evaluator_finish(weld_evaluator *e, weld_evaluation *out, weld_error *err) {
    const int64_t total = weld_dataset_count(e->dataset);
    if (e->counted.images + e->counted.skipped != total) {
        return weld_fail(err, WELD_ERROR_FORMAT, "evaluation: %lld images of %lld in all parts",
                         (long long)(e->counted.images + e->counted.skipped), (long long)total);
    }
    if (e->counted.images == 0) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: none of its %lld %s can be read",
                         weld_dataset_path(e->dataset), (long long)total,
                         weld_plural(total, "image", "images"));
    }
    e->task->finish(e->tally, &e->counted);
    *out = e->last = e->counted;
    return WELD_OK;
}

/* --- All of it -------------------------------------------------------------------------------- */

int64_t weld_evaluator_batches(const weld_evaluator *e) {
    return weld_loader_eval_batches(e->loader);
}

static weld_status make_piece(void *evaluator, int64_t batch, weld_array *bytes, weld_error *err) {
    return weld_evaluator_measure(evaluator, batch, bytes, err);
}

static weld_status take_piece(void *evaluator, int64_t batch, const void *data, size_t bytes,
                              weld_error *err) {
    (void)batch;
    return weld_evaluator_count(evaluator, data, bytes, err);
}

static bool doubt_piece(void *evaluator, int rank, const void *data, size_t bytes) {
    weld_doubts *doubts = &((weld_evaluator *)evaluator)->doubts;
    weld_image_records_doubt(data, bytes, rank, doubts);
    return weld_doubts_any(doubts);
}

static weld_status settle(void *evaluator, weld_error *err) {
    weld_evaluator *e = evaluator;
    return weld_doubts_settle(&e->doubts, e->options.group, e->dataset, e->how, err);
}

static bool stops(void *evaluator, int64_t batch) {
    const weld_evaluator *e = evaluator;
    const int64_t total = weld_dataset_count(e->dataset);
    const int64_t end = (batch + 1) * e->options.batch_size;
    return e->options.progress &&
           !e->options.progress(e->options.arg, end < total ? end : total, total);
}

weld_status weld_evaluator_run(weld_evaluator *e, weld_evaluation *out, weld_error *err) {
    weld_group *g = e->options.group;
    const weld_pieces pieces = {.end = weld_evaluator_batches(e),
                                .compared = e->options.compared,
                                .what = "batch",
                                .make = make_piece,
                                .doubts = doubt_piece,
                                .settle = settle,
                                .take = take_piece,
                                .stop = stops,
                                .context = e};
    bool stopped;
    WELD_TRY(weld_group_agree(g, weld_evaluator_begin(e, err), err));
    WELD_TRY(weld_pieces_do(g, &pieces, &stopped, err));
    if (stopped) {
        return weld_fail(err, WELD_ERROR_INTERRUPTED, "evaluation: interrupted");
    }
    const bool counts = weld_group_rank(g) == 0;
    WELD_TRY(weld_group_agree(g, counts ? weld_evaluator_finish(e, out, err) : WELD_OK, err));
    WELD_TRY(weld_group_broadcast(g, out, sizeof *out, err));
    e->last = *out;
    return WELD_OK;
}

/* --- Once more, by chance --------------------------------------------------------------------- */

weld_status weld_evaluator_resample_create(const weld_evaluator *e, void **resample,
                                           weld_error *err) {
    return e->task->resample_create(e->tally, resample, err);
}

/* --- What came of it -------------------------------------------------------------------------- */

const weld_evaluation *weld_evaluator_result(const weld_evaluator *e) {
    return &e->last;
}

void weld_evaluator_tell(const weld_evaluator *e, bool classes, weld_text *out) {
    void (*tell)(const void *, const weld_dataset *, weld_text *) =
        classes ? e->task->tell_classes : e->task->tell;
    if (tell) {
        tell(e->tally, e->dataset, out);
    }
}

weld_status weld_evaluator_write_confusion(const weld_evaluator *e, const char *path,
                                           weld_error *err) {
    return e->task->write_confusion
               ? e->task->write_confusion(path, e->tally, e->dataset, err)
               : weld_fail(err, WELD_ERROR_ARGUMENT, "%s: %s has no confusion matrix", path,
                           e->task->name);
}

/* Member i of the numbers of an evaluation: the scores of runs, the loss where there is one, the
 * other scores. False past the end. */
static bool number_at(const weld_evaluator *e, int i, const char **key, double *value) {
    const weld_task *task = e->task;
    const int loss = task->has_no_loss ? -1 : task->run_scores;
    const int score = loss >= 0 && i > loss ? i - 1 : i;
    if (i != loss && score == task->score_count) {
        return false;
    }
    *key = i == loss ? "loss" : task->scores[score].key;
    *value = i == loss ? e->last.loss : e->last.scores[score];
    return true;
}

void weld_evaluator_json(const weld_evaluator *e, bool classes, json_t *object) {
    const char *key;
    double value;
    for (int i = 0; !classes && number_at(e, i, &key, &value); i++) {
        json_object_set_new(object, key, weld_json_number(value));
    }
    if (classes && e->task->json_classes) {
        e->task->json_classes(e->tally, e->dataset, object);
    }
}

weld_status weld_evaluator_write(const weld_evaluator *e, const char *path, weld_error *err) {
    weld_text t = WELD_TEXT;
    const char *key;
    double value;
    weld_text_add(&t, "{\"data\":");
    weld_json_add_name(&t, weld_dataset_path(e->dataset));
    weld_text_format(&t, ",\n\"images\":%lld,\n\"skipped\":%lld", (long long)e->last.images,
                     (long long)e->last.skipped);
    for (int i = 0; number_at(e, i, &key, &value); i++) {
        weld_text_add(&t, ",\n");
        weld_json_add_member(&t, key, value);
    }
    if (e->task->write_details) {
        weld_text_add(&t, ",\n");
        e->task->write_details(e->tally, e->dataset, &t);
    }
    weld_text_add(&t, "}\n");
    weld_status status = t.failed ? weld_fail_memory(err, path)
                                  : weld_file_write(path, t.bytes.data, t.bytes.count, err);
    weld_text_free(&t);
    return status;
}
