/* reload_library LIBRARY MODEL IMAGE: load weld, classify, unload it, and all that again, as the
 * host of a plug-in does. The library's threads must not miss it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include <weld/model.h>

/* The function of this name in the library that is open as `library`. */
#define FIND(name) ((__typeof__(&name))dlsym(library, #name))

static int classify(void *library, const char *file, const char *image) {
    weld_model *model;
    weld_classifier *classifier;
    float p[16];
    int failed = FIND(weld_model_open)(file, &model, NULL) != WELD_OK ||
                 FIND(weld_model_get_config)(model)->num_classes > 16 ||
                 FIND(weld_classifier_create)(model, 4, &classifier, NULL) != WELD_OK;
    for (int i = 0; i < 20 && !failed; i++) {
        failed = FIND(weld_classifier_run_file)(classifier, image, p, NULL) != WELD_OK;
    }
    if (!failed) {
        FIND(weld_classifier_free)(classifier);
        FIND(weld_model_free)(model);
    }
    return failed;
}

int main(int argc, char **argv) {
    int failed = argc != 4;
    for (int i = 0; i < 2 && !failed; i++) {
        void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        failed = !library || classify(library, argv[2], argv[3]) || dlclose(library);
        usleep(20000);
    }
    return failed;
}
