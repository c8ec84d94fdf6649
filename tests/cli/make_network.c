/* make_network NAME OUT.h5 [SIZE [KEY=VALUE]...]: a deploy file of that network as `weld reparam`
 * would write it, with random weights, for images of SIZE x SIZE (224). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "models/models.h"
#include "passes/reparameterize.h"
#include "serialization/model_file.h"

static weld_status set_values(weld_model_config *config, int count, char **values,
                              weld_error *err) {
    weld_status status = weld_model_config_named(values[0], config, err);
    for (int i = 3; i < count && !status; i++) {
        char *equals = strchr(values[i], '=');
        if (!equals) {
            return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: no KEY=VALUE", values[i]);
        }
        *equals = '\0';
        status = weld_model_config_set(config, values[i], equals + 1, err);
    }
    return status;
}

/* As they start, some say nothing: scales of 0, biases of 0. */
static void fill(weld_weights *w) {
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        weld_random r = weld_random_start(1, 0, i, WELD_RANDOM_TEST);
        const int64_t count = weld_shape_count(&t.shape);
        const double inputs = t.shape.rank > 1 ? (double)(count / t.shape.dim[0]) : 4;
        const bool variances = strstr(weld_weights_name(w, i), "running_var") != NULL;
        for (int64_t k = 0; t.dtype == WELD_F32 && k < count; k++) {
            const double number = weld_random_normal(&r) / sqrt(inputs);
            ((float *)t.data)[k] = (float)(variances ? 0.5 + fabs(number) : number);
        }
    }
}

int main(int argc, char **argv) {
    weld_error err = {.message = "usage: make_network NAME OUT.h5 [SIZE [KEY=VALUE]...]"};
    const int size = argc > 3 ? atoi(argv[3]) : 224;
    weld_model_file file = {.kind = WELD_MODEL_DEPLOY,
                            .preprocessing = {.height = size,
                                              .width = size,
                                              .crop_fraction = 0.875,
                                              .mean = {0.5F, 0.5F, 0.5F},
                                              .std = {0.25F, 0.25F, 0.25F}}};
    const weld_model_family *family;
    weld_graph *graph = NULL;
    weld_weights *weights = NULL;
    if (argc < 3 || set_values(&file.config, argc - 1, argv + 1, &err) != WELD_OK ||
        weld_model_build(&file.config, false, 1, size, size, WELD_F32, &graph, &err) != WELD_OK ||
        weld_graph_init_weights(graph, 0, &weights, &err) != WELD_OK ||
        weld_reparameterize(graph, weights, &file.graph, &file.weights, &err) != WELD_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    family = weld_family_of(&file.config);
    if (strcmp(family->task, "detection") == 0) { /* such files are for images in 0..1 */
        file.preprocessing = family->usual(&file.config, family->namings);
        file.preprocessing.height = file.preprocessing.width = size;
    }
    fill(file.weights);
    if (weld_model_file_write(argv[2], &file, &err) != WELD_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    weld_graph_free(graph);
    weld_weights_free(weights);
    weld_graph_free(file.graph);
    weld_weights_free(file.weights);
    return 0;
}
