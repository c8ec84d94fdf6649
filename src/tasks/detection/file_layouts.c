/* What ONNX files of detectors give (weld_task.layouts): "output0" as the runtimes of YOLO read it,
 * a row for each anchor's centre x and y, width, height and scores; with suppression inside; or the
 * maps of the head as they are, for what has no more than convolutions. */
#include <stdio.h>

#include "base/error.h"
#include "graph/graph.h"
#include "ops/ops.h"
#include "tasks/detection/detection.h"

/* Corners to centres and sizes. */
static weld_value *centred(weld_graph *g, weld_value *boxes) {
    weld_value *low = weld_slice(g, boxes, 2, 0, 2), *high = weld_slice(g, boxes, 2, 2, 4);
    weld_value *both[] = {weld_scale(g, weld_add(g, low, high), 0.5),
                          weld_add(g, high, weld_scale(g, low, -1))};
    return weld_concat(g, both, 2, 2);
}

static weld_status build_rows(weld_graph *g, weld_named_value *values, size_t *count,
                              weld_error *err) {
    weld_value *columns[] = {centred(g, weld_graph_output(g, "boxes")),
                             weld_graph_output(g, "scores")};
    (void)err;
    *count = 1;
    values[0] = (weld_named_value){
        "output0", weld_permute(g, weld_concat(g, columns, 2, 2), (int[]){0, 2, 1})};
    return WELD_OK;
}

/* Those that are looked through for the best. */
static weld_status build_all(weld_graph *g, weld_named_value *values, size_t *count,
                             weld_error *err) {
    (void)err;
    *count = 2;
    values[0] = (weld_named_value){"boxes", weld_graph_output(g, "boxes")};
    values[1] = (weld_named_value){"scores", weld_graph_output(g, "scores")};
    return WELD_OK;
}

/* --- The maps of the head ---
 * boxes = concat(box_decode(sides)..), scores = sigmoid(concat(reshape(classes)..)). */

static const weld_node *made_by(const weld_value *v, const weld_op *op) {
    return v && v->producer && v->producer->op == op ? v->producer : NULL;
}

/* Level i of the head; false where it is not to be found. */
static bool find_level(const weld_node *boxes, const weld_node *logits, int i, weld_value **sides,
                       weld_value **classes) {
    const weld_node *decode = made_by(boxes->inputs[i], &weld_op_box_decode);
    const weld_node *row = made_by(logits->inputs[i], &weld_op_reshape);
    if (!decode || !row) {
        return false;
    }
    *sides = decode->inputs[0];
    *classes = row->inputs[0];
    return (*classes)->shape.rank == 4 && (*classes)->shape.dim[1] == (*sides)->shape.dim[1] &&
           (*classes)->shape.dim[2] == (*sides)->shape.dim[2];
}

static const char *map_name(int stride) {
    return stride == 8 ? "stride8" : stride == 16 ? "stride16" : stride == 32 ? "stride32" : NULL;
}

static weld_status build_maps(weld_graph *g, weld_named_value *values, size_t *count,
                              weld_error *err) {
    const weld_node *boxes = made_by(weld_graph_output(g, "boxes"), &weld_op_concat);
    const weld_node *scores = made_by(weld_graph_output(g, "scores"), &weld_op_activation);
    const weld_node *logits = scores ? made_by(scores->inputs[0], &weld_op_concat) : NULL;
    bool found = boxes && logits && scores->attributes.function == WELD_SIGMOID &&
                 boxes->input_count == logits->input_count &&
                 boxes->input_count <= WELD_OUTPUTS_MAX;
    *count = found ? (size_t)boxes->input_count : 0;
    for (int i = 0; found && i < (int)*count; i++) {
        weld_value *parts[2];
        found = find_level(boxes, logits, i, &parts[0], &parts[1]);
        const char *name =
            found ? map_name(boxes->inputs[i]->producer->attributes.stride[0]) : NULL;
        found = name != NULL;
        values[i] = (weld_named_value){name, found ? weld_concat(g, parts, 2, 3) : NULL};
    }
    return found ? WELD_OK
                 : weld_fail(err, WELD_ERROR_NOT_FOUND,
                             "the maps of the head are not to be found in the network's graph: "
                             "leave out raw");
}

const weld_file_layout weld_detection_layouts[] = {
    {NULL, "images", build_rows, NULL},
    {"nms", "images", build_all, weld_detection_nms_ending},
    {"raw", "images", build_maps, NULL},
    {0},
};
