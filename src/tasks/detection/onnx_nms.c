/* Non-maximum suppression in ONNX files: what weld_nms does for answers (nms.h), in standard
 * operators. Each anchor has its best class alone. NonMaxSuppression chooses among the anchors of
 * each class, of all images at once, in no order that is promised; so what it chose is marked, and
 * the best of each image are taken of the marked: by falling score, then by anchor, as weld does.
 * Rows of anchors that were not chosen are zero, and so are as many more as are told, so that the
 * best are always that many.
 */
#include <string.h>

#include "serialization/onnx_builder.h"
#include "tasks/detection/detection.h"

enum { ROW = 6 }; /* x1 y1 x2 y2, score, class */

static char *apply2(weld_onnx_builder *b, const char *form, char *x, char *y) {
    return weld_onnx_node(b, form, 2, (char *[]){x, y}, NULL);
}

static char *along(weld_onnx_builder *b, const char *form, int count, char *const *inputs,
                   int axis) {
    return weld_onnx_node(b, form, count, inputs,
                          (weld_onnx_attribute[]){weld_onnx_integer("axis", axis), {0}});
}

static char *turned(weld_onnx_builder *b, char *x) {
    return weld_onnx_node(b, "Transpose-1", 1, &x,
                          (weld_onnx_attribute[]){weld_onnx_integers("perm", 0, 2, 1), {0}});
}

static char *real(weld_onnx_builder *b, char *x) {
    const int type = WELD_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    return weld_onnx_node(b, "Cast-6", 1, &x,
                          (weld_onnx_attribute[]){weld_onnx_integer("to", type), {0}});
}

static char *one_integer(weld_onnx_builder *b, int64_t value) {
    return weld_onnx_list(b, &value, 1);
}

static char *one_real(weld_onnx_builder *b, double value) {
    const float element = (float)value;
    char *name = weld_onnx_text(b, "constant/list_%.9g", (double)element);
    return weld_onnx_reals_of(b, name, WELD_SHAPE(1), &element);
}

/* 0, 1, .. as a column for each class. */
static char *class_numbers(weld_onnx_builder *b, int64_t classes) {
    int64_t *values = weld_onnx_alloc(b, (size_t)classes, sizeof *values);
    for (int64_t i = 0; values && i < classes; i++) {
        values[i] = i;
    }
    char *name = weld_onnx_text(b, "constant/classes_%lld", (long long)classes);
    return values ? weld_onnx_integers_of(b, name, WELD_SHAPE(1, classes, 1), values) : NULL;
}

/* Scores as NonMaxSuppression takes them [batch, classes, anchors]: each anchor's best, and -1
 * for its other classes, which no threshold lets pass. */
static char *best_of_class(weld_onnx_builder *b, char *scores, char *best_class, int64_t classes) {
    char *is_best = apply2(b, "Equal-7", turned(b, best_class), class_numbers(b, classes));
    char *in[] = {is_best, turned(b, scores), weld_onnx_scalar(b, -1)};
    return weld_onnx_node(b, "Where-9", 3, in, NULL);
}

/* [batch, anchors, 1]: 1 for those that NonMaxSuppression chose, 0 for the others. */
static char *mark(weld_onnx_builder *b, char *chosen, char *best) {
    char *zeros = weld_onnx_node(b, "Shape-1", 1, &best, NULL);
    zeros = weld_onnx_node(b, "ConstantOfShape-9", 1, &zeros, NULL);
    char *image[] = {chosen, one_integer(b, 0)};
    char *anchor[] = {chosen, weld_onnx_list(b, (int64_t[]){0, 2}, 2)};
    char *ones = real(b, along(b, "Gather-1", 2, image, 1));
    ones = apply2(b, "Add-7", apply2(b, "Mul-7", ones, weld_onnx_scalar(b, 0)),
                  weld_onnx_scalar(b, 1));
    char *in[] = {zeros, along(b, "Gather-1", 2, anchor, 1), ones};
    return weld_onnx_node(b, "ScatterND-11", 3, in, NULL);
}

/* Of rows [batch, anchors, 6] the `kept` of the highest scores. */
static void take_best(weld_onnx_builder *b, char *rows, int64_t kept) {
    char *more[] = {rows, weld_onnx_list(b, (int64_t[]){0, 0, 0, 0, kept, 0}, 6)};
    rows = weld_onnx_node(b, "Pad-11", 2, more, NULL);
    char *score[] = {rows, one_integer(b, 4)};
    char *first[] = {along(b, "Gather-1", 2, score, 2), one_integer(b, kept)};
    along(b, "TopK-10", 2, first, 1);
    char *at = weld_onnx_second_output(b);
    at = apply2(b, "Expand-8", at, weld_onnx_list(b, (int64_t[]){1, 1, ROW}, 3));
    along(b, "GatherElements-11", 2, (char *[]){rows, at}, 1);
}

static void spell(weld_onnx_builder *b, const void *values) {
    weld_detection_answer answer;
    memcpy(&answer, values, sizeof answer);
    const weld_value *all = weld_graph_output(b->graph, "scores");
    char *boxes = weld_onnx_get(b, weld_graph_output(b->graph, "boxes"), WELD_ONNX_PLAIN);
    char *scores = weld_onnx_get(b, all, WELD_ONNX_PLAIN);
    char *best_class = along(b, "ArgMax-1", 1, &scores, 2);
    char *best = along(b, "GatherElements-11", 2, (char *[]){scores, best_class}, 2);
    char *by_class =
        answer.agnostic ? turned(b, best) : best_of_class(b, scores, best_class, all->shape.dim[2]);
    char *in[] = {boxes, by_class, one_integer(b, answer.max_det), one_real(b, answer.iou),
                  one_real(b, answer.conf)};
    char *chosen = weld_onnx_node(b, "NonMaxSuppression-10", 5, in, NULL);
    char *rows = along(b, "Concat-4", 3, (char *[]){boxes, best, real(b, best_class)}, 2);
    take_best(b, apply2(b, "Mul-7", rows, mark(b, chosen, best)), answer.max_det);
}

weld_onnx_ending weld_detection_nms_ending(const void *values) {
    weld_detection_answer answer;
    memcpy(&answer, values, sizeof answer);
    return (weld_onnx_ending){"output0", WELD_SHAPE(1, answer.max_det, ROW), spell, values};
}
