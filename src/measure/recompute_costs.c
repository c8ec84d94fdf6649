/* Memory and operations of steps that compute again; see recompute_costs.h. */
#include "measure/recompute_costs.h"

#include "base/error.h"
#include "measure/profile.h"
#include "train/open_steps.h"
#include "train/recompute_segments.h"
#include "train/say.h"

typedef struct costs {
    size_t bytes;
    double flops;
} costs;

static weld_status costs_of(const weld_model_config *config, const weld_train_step_options *o,
                            costs *c, weld_error *err) {
    const weld_session_options run = weld_train_session_options(o);
    weld_graph *g;
    weld_plan *plan;
    WELD_TRY(weld_train_step_graph(config, o, &g, err));
    const weld_status status = weld_plan_create(g, &run, &plan, err);
    if (!status) {
        *c = (costs){.bytes = weld_plan_bytes(plan)};
        for (size_t at = 0; at < plan->order_count; at++) {
            double flops, moved;
            weld_profile_cost(plan, plan->order[at], &flops, &moved);
            c->flops += flops;
        }
        weld_plan_free(plan);
    }
    weld_graph_free(g);
    return status;
}

static double pixels(const weld_batch_shape *s) {
    return (double)s->count * s->height * s->width;
}

/* Of a step of the size of images that takes most. */
static weld_status find_costs(const weld_trainer *t, weld_segments by, costs *c, weld_error *err) {
    const weld_loss_options loss = weld_run_data_loss(&t->data);
    weld_train_step_options o = weld_trainer_step_options(&t->data);
    o.loss = &loss;
    o.recompute = by;
    int count;
    const weld_batch_shape *shapes = weld_loader_train_shapes(t->data.loader, &count);
    const weld_batch_shape *most = shapes;
    for (int i = 1; i < count; i++) {
        most = pixels(&shapes[i]) > pixels(most) ? &shapes[i] : most;
    }
    o.batch = most->count;
    o.height = most->height;
    o.width = most->width;
    return costs_of(&t->data.recipe.model, &o, c, err);
}

weld_status weld_trainer_tell_recompute(const weld_trainer *t, weld_error *err) {
    costs none, block, stage;
    WELD_TRY(find_costs(t, WELD_SEGMENTS_NONE, &none, err));
    WELD_TRY(find_costs(t, WELD_SEGMENTS_BLOCK, &block, err));
    WELD_TRY(find_costs(t, WELD_SEGMENTS_STAGE, &stage, err));
    weld_train_say(t->data.settings,
                   "train.recompute: none takes %.0f MB of activations and gradients, block %.0f "
                   "MB with %.0f %% more operations, stage %.0f MB with %.0f %%",
                   (double)none.bytes / 1e6, (double)block.bytes / 1e6,
                   100 * (block.flops / none.flops - 1), (double)stage.bytes / 1e6,
                   100 * (stage.flops / none.flops - 1));
    return WELD_OK;
}
