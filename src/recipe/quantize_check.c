/* What a recipe may not say beside `quantize`; see recipe_check.h. */
#include "recipe/recipe_check.h"
#include "base/error.h"
#include "models/models.h"
#include "tasks/task.h"

#define KEY(member) WELD_RECIPE_PLACE(member)

typedef struct misfit {
    bool is;
    size_t place;
    const char *reason;
} misfit;

static weld_status check_values(const weld_recipe *r, const weld_recipe_origins *o,
                                weld_error *err) {
    static const char few[] = "one bit holds no number and its opposite: give 2 to 8";
    WELD_TRY(r->quantize.weights == 1 ? weld_recipe_fail(o, KEY(quantize.weights), few, err)
                                      : WELD_OK);
    WELD_TRY(r->quantize.activations == 1 ? weld_recipe_fail(o, KEY(quantize.activations), few, err)
                                          : WELD_OK);
    const bool fine = r->quantize.weights == 8 && r->quantize.activations % 8 == 0;
    WELD_TRY(
        r->quantize.learn_steps && fine
            ? weld_recipe_fail(o, KEY(quantize.learn_steps),
                               "is for fewer than 8 bits, whose steps are coarse: give "
                               "quantize.weights or quantize.activations fewer, or set this to "
                               "false",
                               err)
            : WELD_OK);
    return r->quantize.start < (double)r->train.epochs
               ? WELD_OK
               : weld_recipe_fail(o, KEY(quantize.start), "the run is over by then: lower it", err);
}

weld_status weld_recipe_check_quantize(const weld_recipe *r, const weld_recipe_origins *o,
                                       weld_error *err) {
    const misfit misfits[] = {
        {!weld_task_of(&r->model)->can_be_taught && !weld_family_of(&r->model)->loss_outputs,
         KEY(quantize.weights), "is for networks that classify or detect: set it to null"},
        {r->train.precision != WELD_PRECISION_FP32, KEY(train.precision),
         "quantize needs fp32: what is rounded to codes is not to be rounded before"},
        {r->train.ema_decay > 0, KEY(train.ema_decay),
         "an average of weights that were learned for their codes has others: with quantize set "
         "this to null"},
        {r->train.recompute != WELD_SEGMENTS_NONE, KEY(train.recompute),
         "with quantize the network has no blocks that could be computed again: set this to none"},
        {r->data.size_count > 0, KEY(data.sizes),
         "with quantize images are of one size: set this to null"},
        {r->chance.drop_path > 0, KEY(chance.drop_path),
         "quantize trains the merged network, where nothing is dropped: set this to null"},
        {r->chance.dropout > 0, KEY(chance.dropout),
         "quantize trains the merged network, where nothing is dropped: set this to null"},
    };
    if (!r->quantize.weights) {
        return WELD_OK;
    }
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        if (misfits[i].is) {
            return weld_recipe_fail(o, misfits[i].place, misfits[i].reason, err);
        }
    }
    return check_values(r, o, err);
}
