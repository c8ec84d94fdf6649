/* weld models: the networks by name. */
#include <stdio.h>

#include "base/error.h"
#include "cli/cli.h"
#include "models/models.h"

static weld_status print_model(const char *name, weld_error *err) {
    weld_model_config config;
    weld_graph *graph;
    WELD_TRY(weld_model_config_named(name, &config, err));
    const weld_naming *naming = weld_model_find_naming(&config, NULL, NULL);
    const int size = weld_model_usual_preprocessing(&config, naming).input_size;
    WELD_TRY(weld_model_build(&config, false, 1, size, size, WELD_F32, &graph, err));
    weld_model_counts counts = weld_graph_counts(graph);
    printf("%-22s %12lld %12.1f %16.1f %10d\n", name, (long long)counts.parameters,
           (double)counts.macs / 1e6, (double)counts.attention_macs / 1e6, size);
    weld_graph_free(graph);
    return WELD_OK;
}

weld_status cli_models(cli_call *call, weld_error *err) {
    cli_parse(call, NULL, 0);
    printf("%-22s %12s %12s %16s %10s   (1000 classes, before merging)\n", "name", "parameters",
           "MACs [M]", "of attention [M]", "input size");
    for (size_t i = 0; weld_model_name(i); i++) {
        WELD_TRY(print_model(weld_model_name(i), err));
    }
    return WELD_OK;
}
