/* How well a model does on a data set, for programs; see weld/model.h. */
#include "infer/evaluate.h"

#include "base/error.h"
#include "infer/model_data.h"

_Static_assert((int)WELD_SCORES_MAX == (int)WELD_MODEL_SCORES_MAX, "one room for all scores");

enum { BATCH = 32 };

weld_status weld_model_evaluator_create(const weld_model *m, const weld_dataset *ds,
                                        const weld_evaluator_options *options, weld_evaluator **out,
                                        weld_error *err) {
    return weld_evaluator_create(weld_model_task(m), weld_model_running_graph(m), m->file.weights,
                                 &m->file.preprocessing, ds, options, out, err);
}

static weld_status evaluate(const weld_model *m, const weld_dataset *ds, int threads,
                            weld_evaluation *out, weld_error *err) {
    const weld_evaluator_options options = {
        .batch_size = BATCH, .threads = threads, .temperature = m->file.temperature};
    weld_evaluator *evaluator;
    WELD_TRY(weld_model_evaluator_create(m, ds, &options, &evaluator, err));
    weld_status status = weld_evaluator_run(evaluator, out, err);
    weld_evaluator_free(evaluator);
    return status;
}

weld_status weld_model_evaluate(const weld_model *m, const char *data, int threads,
                                weld_model_evaluation *out, weld_error *err) {
    const weld_task *task = weld_model_task(m);
    weld_evaluation e;
    weld_model_data d;
    WELD_TRY(weld_model_data_open(m, data, &d, err));
    const int64_t left_out = d.adopted.left_out;
    weld_status status = evaluate(m, d.ds, threads, &e, err);
    weld_model_data_close(&d);
    if (!status) {
        *out = (weld_model_evaluation){.images = e.images,
                                       .skipped = e.skipped,
                                       .left_out = left_out,
                                       .loss = e.loss,
                                       .score_count = task->score_count};
        for (int i = 0; i < task->score_count; i++) {
            out->scores[i] = weld_task_score(task, i, e.scores[i]);
        }
    }
    return status;
}
