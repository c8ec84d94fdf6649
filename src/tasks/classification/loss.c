/* The loss of classification; see loss.h. */
#include "tasks/classification/loss.h"

#include <string.h>

#include "base/error.h"

_Static_assert(sizeof(weld_classification_loss) <= WELD_TASK_VALUES_SIZE,
               "a recipe has room for it");

weld_classification_loss weld_classification_loss_of(const weld_loss_options *o) {
    weld_classification_loss values;
    memcpy(&values, o->values, sizeof values);
    return values;
}

/* What a head makes of the labels. */
static weld_value *build_of_head(weld_graph *g, const weld_classification_loss *own,
                                 weld_value *logits, weld_value *target) {
    const double smoothing = own->class_weights == WELD_BALANCE_NONE ? own->label_smoothing : 0;
    return weld_mean(g, own->kind == WELD_LOSS_BCE
                            ? weld_binary_cross_entropy(g, logits, target, smoothing)
                            : weld_cross_entropy(g, logits, target, smoothing));
}

/* The distance of a head from the teacher; see loss.h. parts: by what `soft` is divided. The
 * teacher's entropy has no gradient: it is there so that the loss is a divergence, which is 0 where
 * the two agree. */
static weld_value *build_distillation(weld_graph *g, const weld_loss_options *o,
                                      weld_value *student, double parts) {
    weld_shape shape = weld_value_shape(student);
    weld_value *teacher = weld_input(g, "teacher", shape);
    if (o->distillation == WELD_DISTILL_HARD) {
        return weld_mean(g, weld_cross_entropy(g, student, teacher, 0));
    }
    weld_value *p = weld_softmax(g, teacher);
    student = weld_scale(g, student, 1 / o->temperature);
    weld_value *crossed = weld_mean(g, weld_cross_entropy(g, student, p, 0));
    weld_value *entropy = weld_mean(g, weld_cross_entropy(g, teacher, p, 0));
    weld_value *divergence = weld_add(g, crossed, weld_scale(g, entropy, -1));
    return weld_scale(g, divergence, o->temperature * o->temperature / parts);
}

weld_status weld_classification_loss_build(const weld_loss_options *o, weld_graph *g,
                                           weld_error *err) {
    const weld_classification_loss own = weld_classification_loss_of(o);
    weld_value *logits = weld_graph_output(g, "logits");
    weld_value *second = weld_graph_output(g, "logits_dist");
    if (own.kind == WELD_LOSS_BCE && own.class_weights != WELD_BALANCE_NONE) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "loss.class_weights: are for cross entropy, where a sample has one class: "
                         "set it to none (data.sampling evens classes out too), or loss.kind to "
                         "cross_entropy");
    }
    weld_value *target = weld_input(g, "target", weld_value_shape(logits));
    weld_value *loss = build_of_head(g, &own, logits, target);
    if (o->distillation != WELD_DISTILL_NONE) {
        const double parts = second ? (double)weld_value_shape(second).dim[1] : 1;
        weld_value *taught = build_distillation(g, o, second ? second : logits, parts);
        loss = weld_add(g, weld_scale(g, loss, 1 - o->alpha), weld_scale(g, taught, o->alpha));
    } else if (second) {
        second = build_of_head(g, &own, second, target);
        loss = weld_scale(g, weld_add(g, loss, second), 0.5);
    }
    weld_output(g, "loss", loss);
    return weld_graph_status(g, err);
}

static void fill(weld_tensor t) {
    float *row = t.data;
    for (int64_t i = 0; row && i < t.shape.dim[0]; i++, row += t.shape.dim[1]) {
        row[i % t.shape.dim[1]] = 1;
    }
}

void weld_classification_loss_fill(weld_session *s) {
    fill(weld_session_input(s, "target"));
    fill(weld_session_input(s, "teacher"));
}
