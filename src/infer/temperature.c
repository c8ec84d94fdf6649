/* Fitting a temperature; see temperature.h. */
#include "infer/temperature.h"

#include <math.h>

#include "base/array.h"
#include "base/error.h"
#include "infer/model.h"
#include "tasks/classification/classification.h"

enum { STEPS = 100 };

/* Of the mean loss as a function of b = 1 / temperature, which is convex. */
typedef struct curve {
    double loss, slope, bend;
} curve;

static curve look(const float *logits, const int32_t *labels, int64_t n, int classes, double b) {
    curve c = {0};
    for (int64_t i = 0; i < n; i++, logits += classes) {
        double top = logits[0], sum = 0, mean = 0, square = 0;
        for (int k = 1; k < classes; k++) {
            top = logits[k] > top ? logits[k] : top;
        }
        for (int k = 0; k < classes; k++) {
            const double z = logits[k] - top, e = exp(b * z);
            sum += e;
            mean += e * z;
            square += e * z * z;
        }
        mean /= sum;
        const double label = logits[labels[i]] - top;
        c.loss += log(sum) - b * label;
        c.slope += mean - label;
        c.bend += square / sum - mean * mean;
    }
    return (curve){c.loss / (double)n, c.slope / (double)n, c.bend / (double)n};
}

weld_status weld_temperature_of(const float *logits, const int32_t *labels, int64_t n, int classes,
                                weld_temperature_fit *out, weld_error *err) {
    double low = 1 / WELD_MAX_TEMPERATURE, high = 1 / WELD_MIN_TEMPERATURE, b = 1;
    if (look(logits, labels, n, classes, low).slope >= 0 ||
        look(logits, labels, n, classes, high).slope <= 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "no temperature fits: the network is right of all images, or of no more "
                         "than by chance: take others, that it was not trained on");
    }
    for (int i = 0; i < STEPS && high - low > 1e-12 * high; i++) {
        const curve c = look(logits, labels, n, classes, b);
        *(c.slope > 0 ? &high : &low) = b;
        const double newton = c.bend > 0 ? b - c.slope / c.bend : low;
        const double next = newton > low && newton < high ? newton : 0.5 * (low + high);
        if (fabs(next - b) <= 1e-12 * b) {
            break;
        }
        b = next;
    }
    *out = (weld_temperature_fit){.temperature = 1 / b,
                                  .loss_before = look(logits, labels, n, classes, 1).loss,
                                  .loss_after = look(logits, labels, n, classes, b).loss,
                                  .images = n};
    return WELD_OK;
}

typedef struct collection {
    int classes;
    const weld_dataset *ds;
    weld_array logits, labels;
} collection;

static weld_status see(void *arg, const weld_seen *seen, weld_array *bytes, weld_error *err) {
    const collection *c = arg;
    const float *row = (const float *)seen->outputs[0].data + seen->row * c->classes;
    return weld_array_append(bytes, row, (size_t)c->classes * sizeof *row)
               ? WELD_OK
               : weld_fail_memory(err, "logits");
}

static weld_status collect(void *arg, const weld_image_record *image, weld_error *err) {
    collection *c = arg;
    const int32_t label = weld_dataset_label(c->ds, image->index);
    const size_t row = (size_t)c->classes * sizeof(float);
    if (image->seen_bytes != row) {
        return weld_fail(err, WELD_ERROR_FORMAT, "evaluation: what came of a part is damaged");
    }
    return weld_array_append(&c->logits, image->seen, row) &&
                   weld_array_append(&c->labels, &label, 1)
               ? WELD_OK
               : weld_fail_memory(err, "logits");
}

/* Rank 0 has them all, and tells the others. */
static weld_status fit_all(weld_group *g, const collection *c, weld_temperature_fit *out,
                           weld_error *err) {
    weld_status status = WELD_OK;
    if (weld_group_rank(g) == 0) {
        status = weld_temperature_of(c->logits.data, c->labels.data, (int64_t)c->labels.count,
                                     c->classes, out, err);
    }
    WELD_TRY(weld_group_agree(g, status, err));
    return weld_group_broadcast(g, out, sizeof *out, err);
}

weld_status weld_temperature_fit_to(const weld_model *m, const weld_dataset *ds,
                                    const weld_evaluator_options *options,
                                    weld_temperature_fit *out, weld_error *err) {
    collection c = {.classes = m->file.config.num_classes,
                    .ds = ds,
                    .logits.element = 1,
                    .labels.element = sizeof(int32_t)};
    weld_evaluator_options o = *options;
    weld_evaluator *evaluator = NULL;
    weld_evaluation e;
    if (weld_model_task(m) != &weld_task_classification) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "the network is for %s: temperatures are for classification",
                         weld_model_task(m)->name);
    }
    o.temperature = 0;
    o.see = see;
    o.seen = collect;
    o.seen_arg = &c;
    weld_status status = weld_model_evaluator_create(m, ds, &o, &evaluator, err);
    status = weld_group_agree(o.group, status, err);
    status = status ? status : weld_evaluator_run(evaluator, &e, err);
    weld_evaluator_free(evaluator);
    status = status ? status : fit_all(o.group, &c, out, err);
    weld_array_free(&c.logits);
    weld_array_free(&c.labels);
    return status;
}
