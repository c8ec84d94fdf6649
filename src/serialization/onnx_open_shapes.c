/* Shapes in files for images of any height and width: what a reshape is told in the place of sizes.
 * See onnx_sizes.c for what becomes of those that go by sizes nevertheless. */
#include "serialization/onnx_builder.h"

/* Of the latest image: where another one happens to be as large, it is not for other sizes. */
char *weld_onnx_size_like(weld_onnx_builder *b, const weld_value *v) {
    const weld_value *like = NULL;
    for (size_t i = 0; b->values && i < b->graph->value_count; i++) {
        const weld_value *x = b->graph->values[i];
        if (x->shape.rank == 4 && x->shape.dim[1] == v->shape.dim[1] &&
            x->shape.dim[2] == v->shape.dim[2] &&
            weld_onnx_layout_of(b, x) == WELD_ONNX_CHANNELS_FIRST) {
            like = x;
        }
    }
    if (!like) {
        return NULL;
    }
    char *shape = weld_onnx_get(b, like, WELD_ONNX_CHANNELS_FIRST);
    shape = weld_onnx_node(b, "Shape-1", 1, &shape, NULL);
    char *in[] = {shape, weld_onnx_list(b, (int64_t[]){2}, 1), weld_onnx_list(b, (int64_t[]){4}, 1),
                  weld_onnx_list(b, (int64_t[]){0}, 1)};
    return weld_onnx_node(b, "Slice-10", 4, in, NULL);
}

char *weld_onnx_open_target(weld_onnx_builder *b, const weld_value *x, const weld_value *y) {
    const weld_shape *from = &x->shape, *to = &y->shape;
    weld_shape target = *to;
    target.dim[0] = 0;
    if (from->dim[0] != to->dim[0] || from->rank < 3 || to->rank < 3) {
        return NULL;
    }
    if (from->rank == 4 && to->dim[1] == from->dim[1] * from->dim[2]) {
        target.dim[1] = -1;
    } else if (to->dim[1] == from->dim[1]) {
        target.dim[1] = 0;
    } else if (to->rank == 4 && from->rank == 3 && from->dim[1] == to->dim[1] * to->dim[2]) {
        char *parts[] = {weld_onnx_list(b, target.dim, 1), weld_onnx_size_like(b, y),
                         weld_onnx_list(b, to->dim + 3, 1)};
        weld_onnx_attribute axis[] = {weld_onnx_integer("axis", 0), {0}};
        return parts[1] ? weld_onnx_node(b, "Concat-4", 3, parts, axis) : NULL;
    } else {
        return NULL;
    }
    return weld_onnx_list(b, target.dim, target.rank);
}
