/* Where the nodes of a graph of a network stand, by the places of its leaves alone; see models.h.
 */
#include "graph/graph.h"
#include "models/models.h"

static void take(weld_model_place *at, weld_model_place other) {
    at->part = other.part > at->part ? other.part : at->part;
    at->layer = other.layer > at->layer ? other.layer : at->layer;
}

void weld_family_node_places(const weld_model_family *family, const weld_model_config *config,
                             const weld_graph *g, weld_model_place *places) {
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        places[i] = (weld_model_place){.part = 0};
        for (int k = 0; k < node->input_count; k++) {
            const weld_value *v = node->inputs[k];
            if (v && v->producer) {
                take(&places[i], places[v->producer->id]);
            } else if (v && v->kind != WELD_VALUE_INPUT) {
                take(&places[i], family->place(config, v->name));
            }
        }
    }
}
