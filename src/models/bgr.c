/* The order of an image's channels: networks of namings with `bgr` (names.h) read blue, green, red,
 * and weld's all red, green, blue. See models.h. */
#include <string.h>

#include "models/models.h"
#include "graph/graph.h"
#include "ops/ops.h"

bool weld_model_reads_images(const weld_graph *g, const weld_value *leaf) {
    const weld_value *images = weld_graph_find_leaf(g, "images");
    for (size_t i = 0; images && i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (node->op == &weld_op_conv2d && node->inputs[0] == images && node->inputs[1] == leaf) {
            return leaf->shape.dim[1] == images->shape.dim[3];
        }
    }
    return false;
}

void weld_turn_channels(const weld_tensor *weight, void *to) {
    const int64_t *dim = weight->shape.dim;
    const size_t plane = (size_t)(dim[2] * dim[3]) * weld_dtype_size(weight->dtype);
    for (int64_t o = 0; o < dim[0]; o++) {
        for (int64_t c = 0; c < dim[1]; c++) {
            const char *from = (const char *)weight->data + (size_t)(o * dim[1] + c) * plane;
            memcpy((char *)to + (size_t)(o * dim[1] + dim[1] - 1 - c) * plane, from, plane);
        }
    }
}
