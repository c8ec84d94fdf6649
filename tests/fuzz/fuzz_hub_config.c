/* config.json beside weights (serialization/hub_config.h). */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "serialization/hub_config.h"
#include "weld/model.h"

static char folder[80], config[100];

static void remove_folder(void) {
    unlink(config);
    rmdir(folder);
}

static void write_config(const uint8_t *data, size_t size) {
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%s.hub", fuzz_output());
        snprintf(config, sizeof config, "%s/config.json", folder);
        FUZZ_CHECK(mkdir(folder, 0700) == 0);
        atexit(remove_folder);
    }
    FILE *out = fopen(config, "wb");
    FUZZ_CHECK(out);
    FUZZ_CHECK(fwrite(data, 1, size, out) == size);
    FUZZ_CHECK(fclose(out) == 0);
}

static void check_read(const weld_hub_config *hub) {
    const weld_preprocessing *p = &hub->preprocessing;
    FUZZ_CHECK(p->height >= 1 && p->height <= WELD_MAX_INPUT_SIZE);
    FUZZ_CHECK(p->width >= 1 && p->width <= WELD_MAX_INPUT_SIZE);
    FUZZ_CHECK(p->crop_fraction >= WELD_MIN_CROP_FRACTION &&
               p->crop_fraction <= WELD_MAX_CROP_FRACTION);
    for (int c = 0; c < 3; c++) {
        FUZZ_CHECK(p->std[c] > 0 && p->mean[c] >= -1e3F && p->mean[c] <= 1e3F);
    }
    FUZZ_CHECK(hub->num_classes >= 0 && hub->name_count >= 0);
    for (int i = 0; i < hub->name_count; i++) {
        FUZZ_CHECK(hub->class_names[i] && hub->class_names[i][0]);
    }
    FUZZ_CHECK(memchr(hub->architecture, '\0', sizeof hub->architecture));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    weld_error err = fuzz_error();
    char weights[120];
    weld_hub_config *hub = calloc(1, sizeof *hub);
    FUZZ_CHECK(hub);
    write_config(data, size);
    snprintf(weights, sizeof weights, "%s/model.safetensors", folder);
    hub->preprocessing = weld_preprocessing_of(224);
    weld_status status = weld_hub_config_read(weights, hub, &err);
    fuzz_check_status(status, &err);
    if (status == WELD_OK) {
        check_read(hub);
    }
    weld_hub_config_free(hub);
    free(hub);
    return 0;
}
