/* Which parts a data set with boxes has; see layout.h. */
#include "datasets/layout.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "datasets/data_yaml.h"

static bool yaml_has_part(const char *file, weld_part_name part) {
    weld_data_yaml yaml;
    const bool has = weld_data_yaml_read(file, &yaml, NULL) == WELD_OK && yaml.parts[part].count;
    weld_data_yaml_free(&yaml);
    return has;
}

/* A folder of its own, or a list; without lists all is of train. */
static bool voc_has_part(const weld_layout *l) {
    char path[PATH_MAX + 60];
    struct stat info;
    const bool is_part = strcmp(l->file, l->path) != 0;
    snprintf(path, sizeof path, "%s/ImageSets/Main/%s.txt", l->file, weld_part_text(l->part));
    return is_part || stat(path, &info) == 0 || l->part == WELD_NAMED_TRAIN;
}

bool weld_layout_has_part(const char *path, weld_part_name part) {
    weld_layout *l = weld_alloc_raw(1, sizeof *l);
    const bool found = l && weld_layout_find(path, part, l, NULL) == WELD_OK;
    /* The path may name one part, or be that of one. */
    const bool is_other = found && (l->part != part || (l->is_part && part != WELD_NAMED_TRAIN));
    const bool has = !found || is_other          ? false
                     : l->kind == WELD_DATA_COCO ? *l->file && strcmp(l->file, l->path) != 0
                     : l->kind == WELD_DATA_YOLO ? yaml_has_part(l->file, part)
                     : l->kind == WELD_DATA_VOC  ? voc_has_part(l)
                                                 : false;
    weld_free(l);
    return has;
}
