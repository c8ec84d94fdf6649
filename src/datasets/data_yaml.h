/* data.yaml, by which YOLO's programs find a data set: where the images of its parts are, and the
 * names of the classes. */
#ifndef WELD_DATASETS_DATA_YAML_H
#define WELD_DATASETS_DATA_YAML_H

#include <stdint.h>

#include "base/array.h"
#include "datasets/layout.h"

typedef struct weld_data_yaml {
    weld_array texts;             /* each with its zero; the numbers below say where one begins */
    weld_array parts[WELD_PARTS]; /* of uint64_t: folders, or lists of images; empty: not told */
    weld_array names;             /* of uint64_t, one a class */
    uint64_t path;                /* the folder that parts are relative to, */
    bool has_path;                /* where it is told */
} weld_data_yaml;

/* To be freed whatever the result. Errors name file and line: no YAML, no names, a class without a
 * name, a number of classes (nc) that is another. Other keys are passed over. */
weld_status weld_data_yaml_read(const char *path, weld_data_yaml *out, weld_error *err);
void weld_data_yaml_free(weld_data_yaml *y);
const char *weld_data_yaml_text(const weld_data_yaml *y, uint64_t at);

#endif
