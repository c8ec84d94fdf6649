/* Where the stages of a network end, found in its graph by the places of its leaves alone: the part
 * that a value belongs to is the last of those whose leaves went into it. See models.h. */
#include "base/memory.h"
#include "models/models.h"
#include "ops/ops.h"

/* The mean over a map begins the head, or is a squeeze that the map is multiplied with later. */
static bool is_map(const weld_value *v) {
    return v->shape.rank == 4 && v->producer->op != &weld_op_global_avg_pool;
}

/* Strides are powers of two; sizes are rounded up at each. */
static int stride_of(const weld_value *images, const weld_value *map) {
    int stride = 1;
    while (map->shape.dim[1] * stride < images->shape.dim[1]) {
        stride *= 2;
    }
    return stride;
}

static weld_value *find_by_places(const weld_model_family *family, const weld_graph *g,
                                  const weld_model_config *config, int stage, int *stride) {
    const weld_value *images = weld_graph_find_leaf(g, "images");
    weld_model_place *places = weld_alloc(g->node_count, sizeof *places);
    weld_value *end = NULL;
    if (places) {
        weld_family_node_places(family, config, g, places);
    }
    for (size_t i = 0; places && images && i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (places[i].part == stage + 1 && is_map(node->outputs[0])) {
            end = node->outputs[0];
        }
    }
    weld_free(places);
    *stride = end ? stride_of(images, end) : 0;
    return end;
}

weld_value *weld_family_stage_end(const weld_model_family *family, const weld_graph *g,
                                  const weld_model_config *config, int stage, int *stride) {
    return family->stage_end ? family->stage_end(g, config, stage, stride)
                             : find_by_places(family, g, config, stage, stride);
}
