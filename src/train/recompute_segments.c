/* Which segments are computed again; see recompute_segments.h. */
#include "train/recompute_segments.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "passes/rematerialize.h"

weld_session_options weld_train_session_options(const weld_train_step_options *o) {
    return (weld_session_options){.threads = weld_threads_count(o->threads),
                                  .seed = o->seed,
                                  .isa = o->isa,
                                  .node_by_node = o->fuse.off};
}

enum { HARDLY = 50 /* a fiftieth of the memory is not worth time */ };

typedef struct search {
    weld_session_options options;
    const weld_plan *plan; /* of the graph that keeps all */
    const weld_value *loss;
    const int *segments;
} search;

/* The graph in which the first `below` segments are computed again, and the memory it takes. */
static weld_status make(const search *s, int below, weld_graph **out, size_t *bytes,
                        weld_error *err) {
    weld_plan *plan = NULL;
    WELD_TRY(weld_rematerialize(s->plan, s->loss, s->segments, below, out, err));
    const weld_status status = weld_plan_create(*out, &s->options, &plan, err);
    if (status) {
        weld_graph_free(*out);
        *out = NULL;
        return status;
    }
    *bytes = weld_plan_bytes(plan);
    weld_plan_free(plan);
    return WELD_OK;
}

/* The fewest segments with which it takes hardly more memory than with `most`. */
static weld_status find_fewest(const search *s, int most, weld_graph **out, weld_error *err) {
    size_t least, bytes;
    WELD_TRY(make(s, most, out, &least, err));
    const size_t enough_bytes = least + least / HARDLY;
    for (int too_few = -1, enough = most; enough - too_few > 1;) {
        const int below = too_few + (enough - too_few) / 2;
        weld_graph *made;
        const weld_status status = make(s, below, &made, &bytes, err);
        weld_graph_free(status || bytes <= enough_bytes ? *out : made);
        *out = status ? NULL : bytes <= enough_bytes ? made : *out;
        WELD_TRY(status);
        enough = bytes <= enough_bytes ? below : enough;
        too_few = bytes <= enough_bytes ? too_few : below;
    }
    return WELD_OK;
}

/* The segment that the loss is in is read first of all. */
static weld_status choose(search *s, const weld_model_config *config, const weld_graph *g,
                          weld_segments by, weld_graph **out, weld_error *err) {
    int *segments = weld_alloc(g->node_count, sizeof *segments);
    if (!segments) {
        return weld_fail_memory(err, "training graph");
    }
    s->segments = segments;
    weld_status status = weld_model_segments(config, g, by, segments, err);
    status = status ? status : find_fewest(s, segments[s->loss->producer->id], out, err);
    weld_free(segments);
    return status;
}

weld_status weld_recompute_segments(const weld_model_config *config, const weld_graph *g,
                                    const weld_train_step_options *options, weld_graph **out,
                                    weld_error *err) {
    search s = {.options = weld_train_session_options(options),
                .loss = weld_graph_output(g, "loss")};
    weld_plan *plan;
    *out = NULL;
    WELD_TRY(weld_plan_create(g, &s.options, &plan, err));
    s.plan = plan;
    const weld_status status = choose(&s, config, g, options->recompute, out, err);
    weld_plan_free(plan);
    return status;
}
