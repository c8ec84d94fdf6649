/* classify MODEL IMAGE: the whole of what it takes to use a deploy file in a program. */
#include <stdio.h>
#include <stdlib.h>

#include <weld/model.h>

int main(int argc, char **argv) {
    weld_model *model = NULL;
    weld_classifier *classifier = NULL;
    float *probabilities = NULL;
    weld_error err;
    int best = 0, status = 1;
    if (argc != 3) {
        fprintf(stderr, "usage: classify MODEL IMAGE\n");
        return 2;
    }
    if (weld_model_open(argv[1], &model, &err) != WELD_OK) {
        goto done;
    }
    int classes = weld_model_get_config(model)->num_classes;
    probabilities = malloc((size_t)classes * sizeof *probabilities);
    if (weld_classifier_create(model, 0, &classifier, &err) != WELD_OK ||
        weld_classifier_run_file(classifier, argv[2], probabilities, &err) != WELD_OK) {
        goto done;
    }
    for (int i = 1; i < classes; i++) {
        best = probabilities[i] > probabilities[best] ? i : best;
    }
    printf("%s %.4f\n", weld_model_class_name(model, best), (double)probabilities[best]);
    status = 0;
done:
    if (status) {
        fprintf(stderr, "%s\n", err.message);
    }
    weld_classifier_free(classifier);
    weld_model_free(model);
    free(probabilities);
    return status;
}
