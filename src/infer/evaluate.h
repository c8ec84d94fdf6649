/* How well a network does on a data set, by the scores of its task. */
#ifndef WELD_INFER_EVALUATE_H
#define WELD_INFER_EVALUATE_H

#include "data/loader.h"
#include "distributed/group.h"
#include "infer/image_records.h"
#include "tasks/task.h"
#include "weld/model.h"

/* Called after every batch that is not compared (see below); returning false ends the evaluation
 * with WELD_ERROR_INTERRUPTED. */
typedef bool weld_evaluation_progress(void *arg, int64_t done, int64_t total);

/* One image that was measured: a row of outputs and of the batch. */
typedef struct weld_seen {
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
    /* Of each image that counts, either may be NULL: what else is to be known of it is appended to
     * an array of bytes... */
    weld_status (*see)(void *arg, const weld_seen *seen, weld_array *bytes, weld_error *err);
    /* ...and got where the images are counted, in their order. */
    weld_status (*seen)(void *arg, const weld_image_record *image, weld_error *err);
    void *seen_arg;
    /* NULL: one process. Else its ranks share the batches out; rank 0 counts them, hears of bad
     * images and of what was seen, and alone can tell more than the result. All ask for progress,
     * so that any may end it. */
    weld_group *group;
    bool compared; /* first all ranks make sure that they say the same of the first batch */
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
/* Every image counts exactly once, in double and in order: to the same bits for any number of
 * ranks, which all get *out. Outputs that are not finite are WELD_ERROR_NUMERIC, naming the image.
 */
weld_status weld_evaluator_run(weld_evaluator *e, weld_evaluation *out, weld_error *err);

/* What a run is made of; callers take weld_evaluator_run, these are for tests. Nothing is counted
 * yet... */
weld_status weld_evaluator_begin(weld_evaluator *e, weld_error *err);
/* ...so many batches there are... */
int64_t weld_evaluator_batches(const weld_evaluator *e);
/* ...of which one is measured: what is known of each of its images is appended to *records, an
 * array of bytes (image_records.h), by any evaluator of the same network with the same batch_size,
 * as every rank has one... */
weld_status weld_evaluator_measure(weld_evaluator *e, int64_t batch, weld_array *records,
                                   weld_error *err);
/* ...records are counted, in the order of the data set, and bad images told.
 * WELD_ERROR_FORMAT: they are not those that come next, or none... */
weld_status weld_evaluator_count(weld_evaluator *e, const void *records, size_t bytes,
                                 weld_error *err);
/* ...and what they come to. WELD_ERROR_FORMAT: they were not all of the data set, or all bad. */
weld_status weld_evaluator_finish(weld_evaluator *e, weld_evaluation *out, weld_error *err);

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
