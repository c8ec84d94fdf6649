/* Networks on the same images; see quantize_score.h. */
#include "infer/quantize_score.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "infer/model.h"

enum { BATCH = 16 };

/* What became of an image. */
typedef struct seen {
    bool counted, right;
    int answer;
} seen;

struct weld_standard {
    const weld_model *model;
    const weld_task *task;
    const weld_dataset *ds; /* NULL: images without labels */
    weld_evaluator_options options;
    weld_evaluation evaluation;
    seen *images; /* by number; NULL: images are not right or wrong by themselves */
    const weld_calibration *unlabelled;
    int threads;
};

/* --- With labels ------------------------------------------------------------------------------ */

typedef struct watching {
    const weld_standard *s;
    seen *images;
} watching;

static weld_status watch(void *arg, const weld_image_record *now, weld_error *err) {
    const watching *w = arg;
    weld_outcome outcome;
    (void)err;
    w->s->task->outcome(now->data, &outcome);
    w->images[now->index] =
        (seen){.counted = true, .right = outcome.right, .answer = outcome.answer};
    return WELD_OK;
}

static weld_status evaluate(const weld_standard *s, const weld_graph *g, weld_weights *w,
                            seen *images, bool tells, weld_evaluation *out, weld_error *err) {
    watching watcher = {.s = s, .images = images};
    weld_evaluator_options options = s->options;
    weld_evaluator *evaluator;
    options.seen = images ? watch : NULL;
    options.seen_arg = &watcher;
    options.bad_image = tells ? options.bad_image : NULL;
    WELD_TRY(weld_evaluator_create(s->task, g, w, &s->model->file.preprocessing, s->ds, &options,
                                   &evaluator, err));
    weld_status status = weld_evaluator_run(evaluator, out, err);
    weld_evaluator_free(evaluator);
    return status;
}

static weld_status make_images(const weld_standard *s, seen **out, weld_error *err) {
    *out = NULL;
    if (!s->task->outcome) {
        return WELD_OK;
    }
    *out = weld_alloc((size_t)weld_dataset_count(s->ds), sizeof **out);
    return *out ? WELD_OK : weld_fail_memory(err, weld_dataset_path(s->ds));
}

weld_status weld_standard_create(const weld_model *m, const weld_dataset *ds,
                                 const weld_evaluator_options *options, weld_standard **out,
                                 weld_error *err) {
    weld_standard *s = *out = weld_alloc(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, "evaluation");
    }
    *s = (weld_standard){.model = m, .task = weld_model_task(m), .ds = ds, .options = *options};
    s->options.temperature = m->file.temperature;
    weld_status status = make_images(s, &s->images, err);
    status = status ? status
                    : evaluate(s, m->graph, m->file.weights, s->images, true, &s->evaluation, err);
    if (status) {
        weld_standard_free(s);
        *out = NULL;
    }
    return status;
}

/* Points: hundredths, where the score is a share and no percentage. */
static double points(const weld_score *before, const weld_score *after) {
    const double scale = strchr(before->unit, '%') ? 1 : 100;
    return (before->value - after->value) * scale;
}

static void count_images(const weld_standard *s, const seen *now, weld_standoff *out) {
    out->lost = out->gained = out->same = 0;
    for (int64_t i = 0; i < weld_dataset_count(s->ds); i++) {
        const seen *a = &s->images[i], *b = &now[i];
        if (a->counted && b->counted) {
            out->lost += a->right && !b->right;
            out->gained += !a->right && b->right;
            out->same += a->answer == b->answer;
        }
    }
    out->error = 100 * sqrt((double)(out->lost + out->gained)) / (double)out->images;
}

static weld_status compare_labelled(const weld_standard *s, const weld_graph *g, weld_weights *w,
                                    weld_standoff *out, weld_error *err) {
    weld_evaluation now;
    seen *images;
    WELD_TRY(make_images(s, &images, err));
    weld_status status = evaluate(s, g, w, images, false, &now, err);
    if (!status) {
        *out = (weld_standoff){.images = now.images,
                               .labelled = true,
                               .before = weld_task_score(s->task, 0, s->evaluation.scores[0]),
                               .after = weld_task_score(s->task, 0, now.scores[0]),
                               .error = NAN,
                               .lost = -1,
                               .gained = -1,
                               .same = -1};
        out->drop = points(&out->before, &out->after) * (s->task->smaller_is_better ? -1 : 1);
        if (images) {
            count_images(s, images, out);
        }
    }
    weld_free(images);
    return status;
}

/* --- Without ---------------------------------------------------------------------------------- */

weld_status weld_standard_create_unlabelled(const weld_model *m, const weld_calibration *images,
                                            int threads, weld_standard **out, weld_error *err) {
    weld_standard *s = *out = weld_alloc(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, "evaluation");
    }
    *s = (weld_standard){
        .model = m, .task = weld_model_task(m), .unlabelled = images, .threads = threads};
    return WELD_OK;
}

/* Is one answer to an image another, or the same? Of boxes some always move a little. */
static bool has_answers(const weld_task *task) {
    return task->outcome && task->same_answer;
}

static weld_status run_both(const weld_standard *s, weld_session *const sessions[2],
                            weld_standoff *out, weld_error *err) {
    weld_tensor outputs[2][WELD_OUTPUTS_MAX], images[2];
    for (int i = 0; i < 2; i++) {
        WELD_TRY(weld_task_outputs(s->task, sessions[i], outputs[i], err));
        images[i] = weld_session_input(sessions[i], "images");
    }
    for (int64_t first = 0; first < out->images; first += BATCH) {
        const int64_t count = out->images - first < BATCH ? out->images - first : BATCH;
        WELD_TRY(weld_calibration_read(s->unlabelled, first, count, images[0].data, err));
        memcpy(images[1].data, images[0].data, weld_tensor_bytes(&images[0]));
        for (int i = 0; i < 2; i++) {
            weld_session_run(sessions[i], 0);
        }
        for (int64_t i = 0; i < count && out->same >= 0; i++) {
            out->same += s->task->same_answer(outputs[0], outputs[1], i);
        }
    }
    return WELD_OK;
}

static weld_status compare_unlabelled(const weld_standard *s, const weld_graph *g, weld_weights *w,
                                      weld_standoff *out, weld_error *err) {
    weld_session *sessions[2] = {NULL, NULL};
    *out = (weld_standoff){.images = weld_calibration_count(s->unlabelled),
                           .drop = NAN,
                           .error = NAN,
                           .lost = -1,
                           .gained = -1,
                           .same = has_answers(s->task) ? 0 : -1};
    weld_status status = weld_output_session(s->model->graph, s->model->file.weights, BATCH,
                                             s->threads, true, &sessions[0], err);
    status =
        status ? status : weld_output_session(g, w, BATCH, s->threads, true, &sessions[1], err);
    status = status ? status : run_both(s, sessions, out, err);
    weld_session_free(sessions[0]);
    weld_session_free(sessions[1]);
    return status;
}

/* --- Either ----------------------------------------------------------------------------------- */

void weld_standard_free(weld_standard *s) {
    if (s) {
        weld_free(s->images);
        weld_free(s);
    }
}

weld_status weld_standard_compare(const weld_standard *s, const weld_graph *g, weld_weights *w,
                                  weld_standoff *out, weld_error *err) {
    return s->ds ? compare_labelled(s, g, w, out, err) : compare_unlabelled(s, g, w, out, err);
}
