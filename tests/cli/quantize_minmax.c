/* quantize_minmax IN OUT: a file of integers of a network, by the least and largest numbers that
 * images of noise make. For trying what reads such files. */
#include "infer/model.h"
#include "../passes/minmax.h"

static int say(const weld_error *err) {
    fprintf(stderr, "%s\n", err->message);
    return 1;
}

int main(int argc, char **argv) {
    weld_error err = {.message = ""};
    weld_model *m, *merged;
    weld_weights *integers;
    if (argc != 3 || weld_model_open(argv[1], &m, &err)) {
        return say(&err);
    }
    if (weld_model_merged(m, &merged, &err)) {
        return say(&err);
    }
    weld_quantization q = minmax_quantization(merged->graph, merged->file.weights, 4, NULL);
    if (weld_quantize_weights(merged->graph, merged->file.weights, &q, &integers, &err)) {
        return say(&err);
    }
    weld_model_file file = merged->file;
    file.weights = integers;
    file.quantization = &q;
    if (weld_model_file_write(argv[2], &file, &err)) {
        return say(&err);
    }
    weld_quantization_free(&q);
    weld_weights_free(integers);
    weld_model_free(merged);
    weld_model_free(m);
    return 0;
}
