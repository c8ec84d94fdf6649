/* The loss of a detector as nodes: the assigner, three losses and what they come to; see
 * weld_detection_loss of weld/graph.h. */
#include "ops/detection.h"

weld_detection_loss_options weld_detection_loss_defaults(int64_t height, int64_t width) {
    return (weld_detection_loss_options){.height = height,
                                         .width = width,
                                         .strides = {8, 16, 32},
                                         .topk = 10,
                                         .alpha = 0.5,
                                         .beta = 6,
                                         .least_side = 16,
                                         .box_gain = 7.5,
                                         .class_gain = 0.5,
                                         .dfl_gain = 1.5};
}

static weld_shape anchors_attribute(const weld_detection_loss_options *o) {
    weld_shape shape = {.rank = 2, .dim = {o->height, o->width}};
    while (shape.rank < 2 + WELD_MAX_LEVELS && o->strides[shape.rank - 2]) {
        shape.dim[shape.rank] = o->strides[shape.rank - 2];
        shape.rank++;
    }
    return shape;
}

weld_value *weld_detection_assign(weld_graph *g, weld_value *boxes, weld_value *classes,
                                  weld_value *targets, const weld_detection_loss_options *o) {
    const weld_attributes a = {.shape = anchors_attribute(o),
                               .count = o->topk,
                               .alpha = o->alpha,
                               .beta = o->beta,
                               .low = o->least_side};
    return weld_graph_node(g, &weld_op_detection_assign, &a,
                           (weld_value *[]){boxes, classes, targets}, 3, 3);
}

weld_value *weld_detection_term(weld_graph *g, const weld_op *op, weld_value *x,
                                weld_value *matches, weld_value *divisor, double gain,
                                const weld_detection_loss_options *o) {
    const weld_attributes a = {.shape = anchors_attribute(o), .factor = gain};
    return weld_graph_node(g, op, &a, (weld_value *[]){x, matches, divisor}, 3, 3);
}

weld_value *weld_detection_loss(weld_graph *g, weld_value *boxes, weld_value *distances,
                                weld_value *classes, weld_value *targets,
                                const weld_detection_loss_options *o, weld_detection_parts *parts) {
    *parts = (weld_detection_parts){0};
    weld_value *matches = weld_detection_assign(g, boxes, classes, targets, o);
    if (!matches) {
        return NULL;
    }
    weld_value *const *assigned = matches->producer->outputs;
    weld_value *divisor = assigned[WELD_ASSIGNED_DIVISOR];
    parts->box = weld_detection_term(g, &weld_op_detection_box_loss, boxes, matches, divisor,
                                     o->box_gain, o);
    parts->classes = weld_detection_term(g, &weld_op_detection_class_loss, classes, matches,
                                         divisor, o->class_gain, o);
    parts->dfl = weld_detection_term(g, &weld_op_detection_dfl_loss, distances, matches, divisor,
                                     o->dfl_gain, o);
    parts->positives = assigned[WELD_ASSIGNED_POSITIVES];
    parts->objects = assigned[WELD_ASSIGNED_OBJECTS];
    parts->missed = assigned[WELD_ASSIGNED_MISSED];
    return weld_add(g, weld_add(g, parts->box, parts->classes), parts->dfl);
}
