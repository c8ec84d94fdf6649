/* detect MODEL IMAGE CONFIDENCE: the whole of what it takes to find things in a program. */
#include <stdio.h>
#include <stdlib.h>

#include <weld/detect.h>

int main(int argc, char **argv) {
    weld_model *model = NULL;
    weld_detector *detector = NULL;
    weld_found found[300];
    weld_error err;
    int count = 0, status = 1;
    if (argc != 4) {
        fprintf(stderr, "usage: detect MODEL IMAGE CONFIDENCE\n");
        return 2;
    }
    const weld_detector_options options = {.confidence = atof(argv[3])};
    if (weld_model_open(argv[1], &model, &err) == WELD_OK &&
        weld_detector_create(model, &options, &detector, &err) == WELD_OK &&
        weld_detector_run_file(detector, argv[2], found, 300, &count, &err) == WELD_OK) {
        status = 0;
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    for (int i = 0; i < count; i++) {
        const char *name = weld_model_class_name(model, found[i].class_index);
        printf("%s %.6f at %.1f, %.1f: %.1f x %.1f\n", name ? name : "unknown",
               (double)found[i].score, (double)found[i].x, (double)found[i].y,
               (double)found[i].width, (double)found[i].height);
    }
    weld_detector_free(detector);
    weld_model_free(model);
    return status;
}
