/* Sessions of evaluation graphs, and their outputs. */
#include "base/error.h"
#include "graph/graph.h"
#include "infer/model.h"

/* Is `made`, for `batch` images, what `built` is, but for their number? */
static bool is_for_batch(const weld_shape *made, const weld_shape *built, int64_t batch) {
    bool same = made->rank == built->rank && made->dim[0] == batch;
    for (int i = 1; same && i < built->rank; i++) {
        same = made->dim[i] == built->dim[i];
    }
    return same;
}

weld_status weld_output_session(const weld_graph *g, weld_weights *w, int64_t batch, int threads,
                                bool constant_weights, weld_session **out, weld_error *err) {
    weld_session_options options = {
        .batch = batch, .threads = threads, .constant_weights = constant_weights};
    WELD_TRY(weld_session_create(g, w, &options, out, err));
    for (size_t i = 0; i < g->output_count; i++) {
        const char *name = g->outputs[i].name;
        weld_shape built = weld_value_shape(g->outputs[i].value);
        weld_shape made = weld_session_output(*out, name).shape;
        if (!is_for_batch(&made, &built, batch)) {
            weld_session_free(*out);
            *out = NULL;
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "the network's %s are not one row for each of %lld images: the file "
                             "was not made by weld",
                             name, (long long)batch);
        }
    }
    return WELD_OK;
}

weld_status weld_task_outputs(const weld_task *task, weld_session *s,
                              weld_tensor outputs[WELD_OUTPUTS_MAX], weld_error *err) {
    for (int i = 0; task->outputs[i]; i++) {
        outputs[i] = weld_session_output(s, task->outputs[i]);
        if (!outputs[i].data) {
            return weld_fail(err, WELD_ERROR_SHAPE, "the network has no %s, which %s needs",
                             task->outputs[i], task->name);
        }
    }
    return WELD_OK;
}
