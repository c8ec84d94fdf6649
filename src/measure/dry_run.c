/* A dry run: everything up to the first updates, and how long all of them will take; see
 * weld/train.h. Nothing is written. */
#include "base/error.h"
#include "measure/limits.h"
#include "measure/recompute_costs.h"
#include "train/pace.h"
#include "train/tell_ranks.h"
#include "train/tell_start.h"
#include "train/trainer_open.h"

weld_status weld_train_dry_run(const weld_train_settings *settings, weld_train_plan *out,
                               weld_error *err) {
    weld_train_plan plan = {.steps = 0};
    weld_error own;
    weld_trainer t;
    err = err ? err : &own;
    if (!settings->recipe || settings->resume) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "dry run: needs a recipe, and resumes nothing");
    }
    WELD_TRY(weld_trainer_open(&t, settings, true, err));
    plan.steps = t.updates;
    plan.memory = weld_trainer_memory(&t);
    weld_status status = weld_ranks_settle(&t, weld_trainer_tell_start(&t, err), err);
    if (!status) {
        weld_trainer_tell_ranks(&t);
    }
    status = status ? status : weld_ranks_settle(&t, weld_trainer_tell_recompute(&t, err), err);
    status = status ? status : weld_trainer_measure(&t, 0, &plan, err);
    status = status ? status : weld_trainer_tell_speed(&t, err);
    plan.seconds =
        plan.step_seconds * (double)plan.steps + plan.evaluation_seconds * (double)plan.evaluations;
    plan.peak_bytes = weld_peak_bytes();
    weld_trainer_close(&t);
    if (!status) {
        *out = plan;
    }
    return status;
}
