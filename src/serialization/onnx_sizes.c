/* Files for images of any height and width. A file is that where it is, node for node, the file of
 * the same network for other sizes too: what stands in it of sizes (targets of reshapes, indices,
 * scales) is an initialiser whose name says its elements, or an attribute. */
#include <string.h>

#include "base/error.h"
#include "serialization/onnx_builder.h"

static uint8_t *packed(weld_onnx_builder *b, const WeldOnnx__NodeProto *node, size_t *size) {
    *size = weld_onnx__node_proto__get_packed_size(node);
    uint8_t *bytes = weld_onnx_alloc(b, 1, *size);
    if (bytes) {
        weld_onnx__node_proto__pack(node, bytes);
    }
    return bytes;
}

/* Both are packed into memory of `b`. */
static bool same_node(weld_onnx_builder *b, const WeldOnnx__NodeProto *x,
                      const WeldOnnx__NodeProto *y) {
    size_t x_size, y_size;
    const uint8_t *x_bytes = packed(b, x, &x_size), *y_bytes = packed(b, y, &y_size);
    return !x_bytes || !y_bytes || (x_size == y_size && memcmp(x_bytes, y_bytes, x_size) == 0);
}

/* Another network, or one with outputs of other dimensions, is the caller's mistake. */
static bool same_outputs(const weld_graph *a, const weld_graph *b) {
    bool same = a->output_count == b->output_count;
    for (size_t i = 0; same && i < a->output_count; i++) {
        same = strcmp(a->outputs[i].name, b->outputs[i].name) == 0 &&
               a->outputs[i].value->shape.rank == b->outputs[i].value->shape.rank;
    }
    return same;
}

/* The first node that is not the same in both: of b, or of `other` where that is one of another
 * kind or one more. NULL: there is none. */
static const WeldOnnx__NodeProto *find_difference(const weld_onnx_builder *b,
                                                  weld_onnx_builder *other) {
    WeldOnnx__NodeProto *const *x = b->nodes.data, *const *y = other->nodes.data;
    const size_t counts[] = {b->nodes.count, other->nodes.count};
    size_t i = 0;
    while (i < counts[0] && i < counts[1] && same_node(other, x[i], y[i])) {
        i++;
    }
    if (i == counts[0] || i == counts[1]) {
        return i < counts[0] ? x[i] : i < counts[1] ? y[i] : NULL;
    }
    return strcmp(x[i]->op_type, y[i]->op_type) == 0 ? x[i] : y[i];
}

static void compare(const weld_onnx_builder *b, weld_onnx_builder *other) {
    const WeldOnnx__NodeProto *node = other->status == WELD_OK ? find_difference(b, other) : NULL;
    if (node) {
        weld_onnx_fail(other, WELD_ERROR_SHAPE,
                       "height and width cannot be left open: '%s' (%s) goes by them: give a "
                       "fixed size",
                       node->name, node->op_type);
    } else if (!same_outputs(b->graph, other->graph)) {
        weld_onnx_fail(other, WELD_ERROR_SHAPE,
                       "height and width cannot be left open: the network has other outputs for "
                       "images of other sizes");
    }
}

weld_status weld_onnx_check_size(weld_onnx_builder *b, size_t i, const weld_onnx_options *options) {
    const weld_graph *other = options->others[i];
    weld_onnx_options own = *options;
    own.codes = options->codes ? &options->other_codes[i] : NULL;
    weld_onnx_builder second;
    weld_status status =
        weld_onnx_builder_start(&second, other, b->weights, &own, b->where, b->err);
    if (!status) {
        weld_onnx_spell_graph(&second);
        compare(b, &second);
        status = second.status;
    }
    weld_onnx_builder_free(&second);
    return status;
}
