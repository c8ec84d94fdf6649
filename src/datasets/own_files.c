/* Which files are a data set's; see dataset.h. */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "datasets/dataset_private.h"
#include "formats/file.h"

static bool is_file(const char *path, const struct stat *of) {
    struct stat info;
    return weld_file_look(path, &info) == 0 && info.st_dev == of->st_dev &&
           info.st_ino == of->st_ino;
}

/* Files that say what is on images, which may be beside these. */
static bool is_annotation(const weld_dataset *ds, const struct stat *of) {
    const weld_array *files = &ds->boxes->files;
    const char *begin = files->data;
    for (const char *at = begin; at < begin + files->count; at += strlen(at) + 1) {
        if (is_file(at, of)) {
            return true;
        }
    }
    return false;
}

/* All that are stored, of whatever part. */
static bool is_image(const weld_dataset *ds, const struct stat *of) {
    char path[2 * PATH_MAX];
    for (int64_t i = 0; i < (int64_t)ds->listing.samples.count; i++) {
        const char *name = weld_listing_name(&ds->listing, i);
        if (weld_dataset_path_of(ds, name, path, sizeof path) && is_file(path, of)) {
            return true;
        }
    }
    return false;
}

static bool is_of_part(const weld_dataset *ds, const struct stat *of) {
    const bool has_files = !ds->packed && ds->tar < 0;
    return is_file(ds->path, of) || (ds->boxes && is_annotation(ds, of)) ||
           (has_files && is_image(ds, of));
}

/* Who names a data set that has several parts means all of it. A part that cannot be read has no
 * files that are known. */
static bool is_of_other_part(const weld_dataset *ds, const struct stat *of) {
    bool found = false;
    for (int i = 0; ds->part && i < WELD_PARTS && !found; i++) {
        const weld_dataset_options options = {.part = (weld_part_name)i};
        weld_dataset *other;
        bool has = false;
        if (strcmp(weld_part_text(options.part), ds->part) != 0 &&
            weld_layout_has_part(ds->path, options.part, &has, NULL) == WELD_OK && has &&
            weld_dataset_open_with(ds->path, &options, &other, NULL) == WELD_OK) {
            found = is_of_part(other, of);
            weld_dataset_free(other);
        }
    }
    return found;
}

weld_status weld_dataset_spare(const weld_dataset *ds, const char *path, weld_error *err) {
    struct stat of;
    if (weld_file_look(path, &of) != 0 || !S_ISREG(of.st_mode)) {
        return WELD_OK;
    }
    return is_of_part(ds, &of) || is_of_other_part(ds, &of)
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: is a file of the data set that is read, %s, and would be lost: "
                           "choose another name",
                           path, ds->path)
               : WELD_OK;
}
