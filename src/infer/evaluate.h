/* How well a network does on a data set, by the scores of its task. */
#ifndef WELD_INFER_EVALUATE_H
#define WELD_INFER_EVALUATE_H

#include "data/loader.h"
#include "tasks/task.h"
#include "weld/model.h"

/* Called after every batch; returning false ends the evaluation with WELD_ERROR_INTERRUPTED. */
typedef bool weld_evaluation_progress(void *arg, int64_t done, int64_t total);

/* One image: its record, and its row in the outputs and the batch that this was made of. */
typedef struct weld_seen {
    int64_t index;
    const void *record;
    const weld_tensor *outputs;
    int64_t row;
    const weld_batch *batch;
} weld_seen;

typedef struct weld_evaluator_options {
    int64_t batch_size; /* memory only: the result does not depend on it */
    int threads;        /* 0: all that the process may use */
    weld_bad_image_function *bad_image;
    weld_evaluation_progress *progress; /* may be NULL */
    void *arg;                          /* of both */
    double temperature; /* outputs are divided by it before they are measured; 0: by nothing */
    /* Each image that counts; may be NULL. */
    void (*seen)(void *arg, const weld_seen *seen);
    void *seen_arg;
} weld_evaluator_options;

typedef struct weld_evaluator weld_evaluator;

/* The graph (input "images", the task's outputs), its weights and the data set must outlive the
 * evaluator; weights may change between runs. */
weld_status weld_evaluator_create(const weld_task *task, const weld_graph *g, weld_weights *w,
                                  const weld_preprocessing *preprocessing, const weld_dataset *ds,
                                  const weld_evaluator_options *options, weld_evaluator **out,
                                  weld_error *err);
/* Of a model as it is now: its graph, weights and preprocessing. */
weld_status weld_model_evaluator_create(const weld_model *m, const weld_dataset *ds,
                                        const weld_evaluator_options *options, weld_evaluator **out,
                                        weld_error *err);
/* One that has counted what a file of results (weld_task.results) says of the data set, with *notes
 * as weld_results_format.read has them. It needs no network, and is not run. */
weld_status weld_results_evaluator_create(const weld_task *task, const weld_results_source *from,
                                          const weld_dataset *ds, weld_text *notes,
                                          weld_evaluator **out, weld_error *err);
void weld_evaluator_free(weld_evaluator *e);
/* Every image counts exactly once, in double and in order. Outputs that are not finite are
 * WELD_ERROR_NUMERIC, naming the image. */
weld_status weld_evaluator_run(weld_evaluator *e, weld_evaluation *out, weld_error *err);

/* A data set in parts, which several evaluators go through, in other processes too, of the same
 * network with the same batch_size: so many batches... */
int64_t weld_evaluator_batches(const weld_evaluator *e);
/* ...of which those from `first` on, before `end`, are measured: what is known of each of their
 * images is appended to *records, an array of bytes (image_records.h), and nothing is counted or
 * seen; bad images are told later. Progress is that of the part... */
weld_status weld_evaluator_measure(weld_evaluator *e, int64_t first, int64_t end,
                                   weld_array *records, weld_error *err);
/* ...and counted, the parts in the order of the data set: as weld_evaluator_run, to the bit. Bad
 * images are told now. WELD_ERROR_FORMAT: they are not all of the data set, or no such records. */
weld_status weld_evaluator_count(weld_evaluator *e, const weld_array *parts, size_t count,
                                 weld_evaluation *out, weld_error *err);

/* resample_create of its task, of the last run, which succeeded; the evaluator must outlive it. */
weld_status weld_evaluator_resample_create(const weld_evaluator *e, void **resample,
                                           weld_error *err);

/* The last run that succeeded: its scores... */
const weld_evaluation *weld_evaluator_result(const weld_evaluator *e);
/* ...lines for people, or a table of each class where `classes`... */
void weld_evaluator_tell(const weld_evaluator *e, bool classes, weld_text *out);
/* ...members of a JSON object: scores and loss in the order of evaluation.json, or each class... */
void weld_evaluator_json(const weld_evaluator *e, bool classes, json_t *object);
/* ...what is taken for what, as CSV: the task says how, or WELD_ERROR_ARGUMENT... */
weld_status weld_evaluator_write_confusion(const weld_evaluator *e, const char *path,
                                           weld_error *err);
/* ...and all of it, written atomically as one JSON object, in text that is the same for the same
 * evaluation: `data`, the path of the data set; `images` and `skipped`; the scores by their keys
 * and `loss`, unless the task has none; and the task's details (for classification see
 * tasks/classification/classification.h). Names that are not UTF-8 get question marks in place of
 * bytes above 126. */
weld_status weld_evaluator_write(const weld_evaluator *e, const char *path, weld_error *err);

#endif
