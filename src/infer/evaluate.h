/* Accuracy and loss of a network on a data set. */
#ifndef WELD_INFER_EVALUATE_H
#define WELD_INFER_EVALUATE_H

#include "data/loader.h"
#include "tasks/classification/evaluation_details.h"
#include "weld/model.h"

typedef struct weld_evaluation {
    int64_t images, skipped;  /* counted, and left out because they are bad */
    double top1, top5;        /* percent; top5 is 100 where there are at most 5 classes */
    double loss;              /* mean of -log softmax(logits)[label] */
    double calibration_error; /* percent; see evaluation_details.h */
} weld_evaluation;

/* Called after every batch; returning false ends the evaluation with WELD_ERROR_INTERRUPTED. */
typedef bool weld_evaluation_progress(void *arg, int64_t done, int64_t total);

typedef struct weld_evaluator_options {
    int64_t batch_size; /* memory only: the result does not depend on it */
    int threads;        /* 0: all that the process may use */
    weld_bad_image_function *bad_image;
    weld_evaluation_progress *progress; /* may be NULL */
    void *arg;                          /* of both */
} weld_evaluator_options;

typedef struct weld_evaluator weld_evaluator;

/* The graph (input "images", output "logits"), its weights and the data set must outlive the
 * evaluator; weights may change between runs. */
weld_status weld_evaluator_create(const weld_graph *g, weld_weights *w,
                                  const weld_preprocessing *preprocessing, const weld_dataset *ds,
                                  const weld_evaluator_options *options, weld_evaluator **out,
                                  weld_error *err);
void weld_evaluator_free(weld_evaluator *e);
/* Every image counts exactly once, in double and in order. Logits that are not finite are
 * WELD_ERROR_NUMERIC, naming the image. */
weld_status weld_evaluator_run(weld_evaluator *e, weld_evaluation *out, weld_error *err);
/* Of the last run that succeeded; the evaluator's, until the next. */
const weld_evaluation_details *weld_evaluator_details(const weld_evaluator *e);

/* The data set's classes must be the model's: the same names in the same order, or, where the model
 * has no names, as many. The message says which are missing, unknown to the model or at another
 * index. */
weld_status weld_model_check_classes(const weld_model *m, const weld_dataset *ds, weld_error *err);

#endif
