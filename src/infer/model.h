/* An open model file, from inside. */
#ifndef WELD_INFER_MODEL_H
#define WELD_INFER_MODEL_H

#include "serialization/model_file.h"

struct weld_model {
    weld_model_file file;
    weld_graph *graph; /* the deploy file's own, or built from the checkpoint's config */
    weld_graph *lower; /* the same with activations in bf16; NULL: to be run in f32 */
};

/* The evaluation graph in the precision that was asked for. */
const weld_graph *weld_model_running_graph(const weld_model *m);

/* The branches of m merged, in memory: a model of its own, not compared with m yet and without a
 * verification record. */
weld_status weld_model_merged(const weld_model *m, weld_model **out, weld_error *err);

/* A session of an evaluation graph whose logits are [batch, classes]. Those of a graph that comes
 * from a file need not be, but for the batch that it was built with. */
weld_status weld_logits_session(const weld_graph *g, weld_weights *w, int64_t batch, int threads,
                                bool constant_weights, weld_session **out, weld_error *err);

#endif
