/* Which parts a data set with boxes has; see layout.h. */
#include "datasets/layout.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "datasets/data_yaml.h"
#include "formats/file.h"

static weld_status yaml_has_part(const char *file, weld_part_name part, bool *has,
                                 weld_error *err) {
    weld_data_yaml yaml;
    const weld_status status = weld_data_yaml_read(file, &yaml, err);
    *has = status || yaml.parts[part].count;
    weld_data_yaml_free(&yaml);
    return status;
}

/* A folder of its own, or a list. */
static bool voc_is_of_parts(const weld_layout *l) {
    char path[PATH_MAX + 60];
    struct stat info;
    snprintf(path, sizeof path, "%s/ImageSets/Main/%s.txt", l->file, weld_part_text(l->part));
    return strcmp(l->file, l->path) != 0 || weld_file_look(path, &info) == 0;
}

/* Without lists all is of train. */
static bool voc_has_part(const weld_layout *l) {
    return voc_is_of_parts(l) || l->part == WELD_NAMED_TRAIN;
}

static bool coco_is_of_parts(const weld_layout *l) {
    return *l->file && strcmp(l->file, l->path) != 0;
}

bool weld_layout_is_of_parts(const weld_layout *l) {
    return !l->is_part && (l->kind == WELD_DATA_COCO  ? coco_is_of_parts(l)
                           : l->kind == WELD_DATA_VOC ? voc_is_of_parts(l)
                                                      : l->kind == WELD_DATA_YOLO);
}

static weld_status look(weld_layout *l, const char *path, weld_part_name part, bool *has,
                        weld_error *err) {
    *has = true;
    WELD_TRY(weld_layout_find(path, part, l, err));
    /* The path may name one part, or be that of one. */
    const bool is_other = l->part != part || (l->is_part && part != WELD_NAMED_TRAIN);
    if (!is_other && l->kind == WELD_DATA_YOLO) {
        return yaml_has_part(l->file, part, has, err);
    }
    *has = !is_other && (l->kind == WELD_DATA_COCO  ? coco_is_of_parts(l)
                         : l->kind == WELD_DATA_VOC ? voc_has_part(l)
                                                    : false);
    return WELD_OK;
}

weld_status weld_layout_has_part(const char *path, weld_part_name part, bool *has,
                                 weld_error *err) {
    weld_layout *l = weld_alloc_raw(1, sizeof *l);
    *has = true; /* where looking fails: opening will say why */
    const weld_status status = l ? look(l, path, part, has, err) : weld_fail_memory(err, path);
    weld_free(l);
    *has = *has && status != WELD_ERROR_NOT_FOUND;
    return status == WELD_ERROR_MEMORY ? status : WELD_OK;
}
