/* The images below a folder of class folders, for dataset.c. */
#ifndef WELD_DATA_FOLDER_H
#define WELD_DATA_FOLDER_H

#include <stdint.h>

#include "base/array.h"
#include "weld/status.h"

typedef struct weld_folder {
    weld_array samples;     /* of weld_folder_sample */
    weld_array names;       /* texts, each with its zero */
    weld_array classes;     /* of size_t: where a class name begins in class_names */
    weld_array class_names; /* texts */
    int64_t count;
    int class_count;
} weld_folder;

typedef struct weld_folder_sample {
    size_t name;          /* where its path, relative to the folder, begins in `names` */
    uint32_t folder_size; /* bytes of that path up to its last slash */
    int32_t label;
} weld_folder_sample;

/* Fill in *out, which the caller frees whatever the result. Messages name the folder concerned. */
weld_status weld_folder_scan(const char *path, weld_folder *out, weld_error *err);
void weld_folder_free(weld_folder *f);

const char *weld_folder_class_name(const weld_folder *f, int i);
const char *weld_folder_name(const weld_folder *f, int64_t i);
int weld_folder_label(const weld_folder *f, int64_t i);

#endif
