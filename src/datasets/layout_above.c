/* The data set that a folder of images is a part of; see layout.h. */
#include "datasets/layout.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

enum { LEVELS = 3 /* "images/train/camera1" below data.yaml */ };

/* The folder above, as the path names it; false: that is too long. */
static bool go_up(char path[PATH_MAX]) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        path[--length] = 0;
    }
    char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strcmp(name, "..") == 0) {
        return weld_append(path, PATH_MAX, "/..") && strlen(path) == length + 3;
    }
    if (strcmp(name, ".") == 0) {
        return weld_append(path, PATH_MAX, ".") && strlen(path) == length + 1;
    }
    if (slash) {
        slash[slash == path] = 0; /* "/" stays */
    } else {
        strcpy(path, ".");
    }
    return true;
}

bool weld_layout_above(const char *path, char out[PATH_MAX]) {
    char above[PATH_MAX];
    weld_layout *l = weld_alloc_raw(1, sizeof *l);
    bool found = false;
    bool goes_on = l && snprintf(above, sizeof above, "%s", path) < (int)sizeof above;
    for (int i = 0; i < LEVELS && goes_on && !found; i++) {
        goes_on = go_up(above);
        found =
            goes_on && weld_layout_find(above, WELD_NAMED_TRAIN, l, NULL) == WELD_OK &&
            (l->kind == WELD_DATA_COCO || l->kind == WELD_DATA_YOLO || l->kind == WELD_DATA_VOC);
    }
    if (found) {
        snprintf(out, PATH_MAX, "%s", l->kind == WELD_DATA_YOLO ? l->file : above);
    }
    weld_free(l);
    return found;
}
