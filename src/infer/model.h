/* An open model file, from inside. */
#ifndef WELD_INFER_MODEL_H
#define WELD_INFER_MODEL_H

#include "serialization/model_file.h"
#include "tasks/task.h"

struct weld_model {
    weld_model_file file;
    weld_graph *graph;      /* the deploy file's own, or built from the checkpoint's config */
    weld_graph *lower;      /* the same with activations in bf16, or of the integers that
                             * file.weights are where there are file.quantization; NULL: to be run
                             * in f32 */
    weld_weights *original; /* the file's, where file.weights are these with tables of positions
                             * resized; NULL: they are the file's */
    weld_class_order class_order; /* where it has no names of classes */
};

/* weld_model_import, but of weights without a head too, for what is before it: m's head is zero
 * then. */
weld_status weld_model_import_backbone(const char *path, const weld_import_options *options,
                                       weld_model **out, weld_error *err);

/* WELD_ERROR_ARGUMENT with the advice where the network is of integers. */
weld_status weld_model_expect_floats(const weld_model *m, const char *advice, weld_error *err);
/* *graph, a part of `of`, which is m's graph or the same built for another size of images, as that
 * of m's integers, where it has such. */
weld_status weld_model_take_integers(const weld_model *m, const weld_graph *of, weld_graph **graph,
                                     weld_error *err);

/* The evaluation graph in the precision that was asked for. */
const weld_graph *weld_model_running_graph(const weld_model *m);

/* Cuts what it wants, for images of the size that it knows, out of an evaluation graph of m.
 * WELD_ERROR_SHAPE: the graph is not for that size. */
typedef weld_status (*weld_model_part)(const weld_graph *g, void *context, weld_graph **out,
                                       weld_error *err);
/* The part of m's graph, or, where that does not follow the size of images, of the same graph built
 * anew for images of height x width. */
weld_status weld_model_cut(const weld_model *m, int64_t height, int64_t width, weld_model_part part,
                           void *context, weld_graph **out, weld_error *err);

/* Where m, which is merged and of floats, has layers in the place of batch norms, as networks of
 * integers have: the norms. */
weld_status weld_model_restore_norms(weld_model *m, weld_error *err);

/* The branches of m merged, in memory: a model of its own, not compared with m yet and without a
 * verification record. */
weld_status weld_model_merged(const weld_model *m, weld_model **out, weld_error *err);

/* The parameters and buffers of g, copied from w in the order of g; not for a file where one is not
 * finite. */
weld_status weld_weights_take(const weld_graph *g, const weld_weights *w, weld_weights **out,
                              weld_error *err);

/* A session of an evaluation graph whose outputs have a row for each image of the batch. Those of a
 * graph that comes from a file need not, but for the batch that it was built with. */
weld_status weld_output_session(const weld_graph *g, weld_weights *w, int64_t batch, int threads,
                                bool constant_weights, weld_session **out, weld_error *err);

/* The outputs that a task's functions are given, in its order. */
weld_status weld_task_outputs(const weld_task *task, weld_session *s,
                              weld_tensor outputs[WELD_OUTPUTS_MAX], weld_error *err);

const weld_task *weld_model_task(const weld_model *m);
weld_labels weld_model_labels(const weld_model *m);
/* Which of them each class of a data set is: to[class count of ds], by name. All must be there; the
 * message says which are not. */
weld_status weld_model_find_labels(const weld_model *m, const weld_dataset *ds, int *to,
                                   weld_error *err);
/* weld_task_adopt_labels of the model, which must outlive the data set. */
weld_status weld_model_adopt_labels(const weld_model *m, weld_dataset *ds, weld_adoption *out,
                                    weld_error *err);

#endif
