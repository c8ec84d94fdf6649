/* weld models: the networks by name. */
#include <stdio.h>

#include "cli/cli.h"
#include "weld/model.h"

static int print_model(const char *name) {
    weld_model_config config;
    weld_graph *graph = NULL;
    weld_error err;
    weld_status status = weld_model_config_named(name, &config, &err);
    status =
        status ? status : weld_model_build(&config, false, 1, 224, 224, WELD_F32, &graph, &err);
    if (status) {
        return cli_fail(&err);
    }
    weld_model_counts counts = weld_graph_counts(graph);
    printf("%-12s %12lld %12.1f\n", name, (long long)counts.parameters, (double)counts.macs / 1e6);
    weld_graph_free(graph);
    return CLI_DONE;
}

int cli_models(const cli_command *command, int argc, char **argv) {
    int count, status;
    if (!cli_parse(command, argc, argv, NULL, 0, 0, 0, &count, &status)) {
        return status;
    }
    printf("%-12s %12s %12s   (1000 classes, 224 x 224, before merging)\n", "name", "parameters",
           "MACs [M]");
    status = CLI_DONE;
    for (size_t i = 0; weld_model_name(i) && status == CLI_DONE; i++) {
        status = print_model(weld_model_name(i));
    }
    return status;
}
