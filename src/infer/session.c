/* Sessions that classify. */
#include "base/error.h"
#include "infer/model.h"

weld_status weld_logits_session(const weld_graph *g, weld_weights *w, int64_t batch, int threads,
                                bool constant_weights, weld_session **out, weld_error *err) {
    weld_session_options options = {
        .batch = batch, .threads = threads, .constant_weights = constant_weights};
    weld_status status = weld_session_create(g, w, &options, out, err);
    if (status != WELD_OK) {
        return status;
    }
    weld_shape built = weld_value_shape(weld_graph_output(g, "logits"));
    weld_shape logits = weld_session_output(*out, "logits").shape;
    if (logits.rank != 2 || logits.dim[0] != batch || logits.dim[1] != built.dim[1]) {
        weld_session_free(*out);
        *out = NULL;
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "the network's logits are not one row for each of %lld images: the file "
                         "was not made by weld",
                         (long long)batch);
    }
    return WELD_OK;
}
