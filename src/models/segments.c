/* What the nodes of a graph of a network are cut into; see models.h. */
#include "base/error.h"
#include "base/memory.h"
#include "graph/graph.h"
#include "models/models.h"

weld_status weld_model_segments(const weld_model_config *config, const weld_graph *g,
                                weld_segments by, int *segments, weld_error *err) {
    weld_model_place *places = weld_alloc(g->node_count, sizeof *places);
    if (!places) {
        return weld_fail_memory(err, "network");
    }
    weld_family_node_places(weld_family_of(config), config, g, places);
    for (size_t i = 0; i < g->node_count; i++) {
        segments[i] = by == WELD_SEGMENTS_STAGE ? places[i].part : places[i].layer;
    }
    weld_free(places);
    return WELD_OK;
}
