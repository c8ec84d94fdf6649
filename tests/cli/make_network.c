/* make_network NAME OUT.h5: a deploy file of that network as `weld reparam` would write it, with
 * random weights and for images of 224 x 224. */
#include <stdio.h>

#include "passes/reparameterize.h"
#include "serialization/model_file.h"

int main(int argc, char **argv) {
    weld_error err = {.message = "usage: make_network NAME OUT.h5"};
    weld_model_file file = {.kind = WELD_MODEL_DEPLOY,
                            .preprocessing = {.height = 224,
                                              .width = 224,
                                              .crop_fraction = 0.875,
                                              .mean = {0.5F, 0.5F, 0.5F},
                                              .std = {0.25F, 0.25F, 0.25F}}};
    weld_graph *graph = NULL;
    weld_weights *weights = NULL;
    int size = file.preprocessing.height;
    if (argc != 3 || weld_model_config_named(argv[1], &file.config, &err) != WELD_OK ||
        weld_model_build(&file.config, false, 1, size, size, WELD_F32, &graph, &err) != WELD_OK ||
        weld_graph_init_weights(graph, 0, &weights, &err) != WELD_OK ||
        weld_reparameterize(graph, weights, &file.graph, &file.weights, &err) != WELD_OK ||
        weld_model_file_write(argv[2], &file, &err) != WELD_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    weld_graph_free(graph);
    weld_weights_free(weights);
    weld_graph_free(file.graph);
    weld_weights_free(file.weights);
    return 0;
}
