/* Scanning folders of class folders; see folder.h. */
#define _GNU_SOURCE
#include "data/folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"

enum { MAX_DEPTH = 32 }; /* of folders: links may form a circle */

typedef enum entry_kind { ENTRY_FOLDER, ENTRY_FILE, ENTRY_OTHER } entry_kind;

const char *weld_folder_class_name(const weld_folder *f, int i) {
    return (const char *)f->class_names.data + ((const size_t *)f->classes.data)[i];
}

static const weld_folder_sample *sample_at(const weld_folder *f, int64_t i) {
    return (const weld_folder_sample *)f->samples.data + i;
}

const char *weld_folder_name(const weld_folder *f, int64_t i) {
    return (const char *)f->names.data + sample_at(f, i)->name;
}

int weld_folder_label(const weld_folder *f, int64_t i) {
    return sample_at(f, i)->label;
}

void weld_folder_free(weld_folder *f) {
    weld_array_free(&f->samples);
    weld_array_free(&f->names);
    weld_array_free(&f->classes);
    weld_array_free(&f->class_names);
}

static bool is_image_name(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
                   strcasecmp(dot, ".png") == 0);
}

/* Links count as what they lead to; most file systems spare us the question. */
static entry_kind kind_of(const struct dirent *entry, const char *path) {
    struct stat info;
    if (entry->d_type == DT_DIR || entry->d_type == DT_REG) {
        return entry->d_type == DT_DIR ? ENTRY_FOLDER : ENTRY_FILE;
    }
    if ((entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN) || stat(path, &info) != 0) {
        return ENTRY_OTHER;
    }
    return S_ISDIR(info.st_mode) ? ENTRY_FOLDER : S_ISREG(info.st_mode) ? ENTRY_FILE : ENTRY_OTHER;
}

/* Calls visit for every entry that is not hidden, with its full path, until one fails. */
typedef weld_status visitor(void *arg, const char *name, const char *path, entry_kind kind,
                            weld_error *err);

static weld_status visit_entries(const char *folder, visitor *visit, void *arg, weld_error *err) {
    weld_status status = WELD_OK;
    DIR *dir = opendir(folder);
    if (!dir) {
        return weld_fail(err, WELD_ERROR_IO, "%s: cannot open folder: %s", folder, strerror(errno));
    }
    while (!status) {
        char path[PATH_MAX];
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            status = errno == 0 ? WELD_OK
                                : weld_fail(err, WELD_ERROR_IO, "%s: cannot read folder: %s",
                                            folder, strerror(errno));
            break;
        }
        if (entry->d_name[0] == '.') {
            continue;
        }
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) {
            status =
                weld_fail(err, WELD_ERROR_IO, "%s/%s: path is too long", folder, entry->d_name);
        } else {
            status = visit(arg, entry->d_name, path, kind_of(entry, path), err);
        }
    }
    closedir(dir);
    return status;
}

typedef struct class_scan {
    weld_folder *folder;
    size_t root_size; /* bytes of the data set's path and the slash behind it */
    int label, depth;
} class_scan;

static weld_status add_entry(void *arg, const char *name, const char *path, entry_kind kind,
                             weld_error *err) {
    class_scan *scan = arg;
    weld_folder *f = scan->folder;
    if (kind == ENTRY_FOLDER) {
        if (scan->depth == MAX_DEPTH) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: folders are nested more than %d deep: does a link lead upwards?",
                             path, MAX_DEPTH);
        }
        scan->depth++;
        weld_status status = visit_entries(path, add_entry, scan, err);
        scan->depth--;
        return status;
    }
    if (kind != ENTRY_FILE || !is_image_name(name)) {
        return WELD_OK;
    }
    const char *relative = path + scan->root_size;
    weld_folder_sample sample = {.name = f->names.count,
                                 .folder_size = (uint32_t)(strrchr(relative, '/') - relative),
                                 .label = scan->label};
    return weld_array_append_text(&f->names, relative) && weld_array_append(&f->samples, &sample, 1)
               ? WELD_OK
               : weld_fail_memory(err, path);
}

static int compare_bytes(const char *a, size_t a_size, const char *b, size_t b_size) {
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_samples(const void *a, const void *b, void *names) {
    const weld_folder_sample *x = a, *y = b;
    const char *x_name = (const char *)names + x->name, *y_name = (const char *)names + y->name;
    int order = compare_bytes(x_name, x->folder_size, y_name, y->folder_size);
    return order ? order : strcmp(x_name + x->folder_size, y_name + y->folder_size);
}

static weld_status scan_class(const char *root, int label, weld_folder *f, weld_error *err) {
    char path[PATH_MAX];
    class_scan scan = {.folder = f, .root_size = strlen(root) + 1, .label = label};
    size_t before = f->samples.count;
    if (snprintf(path, sizeof path, "%s/%s", root, weld_folder_class_name(f, label)) >=
        (int)sizeof path) {
        return weld_fail(err, WELD_ERROR_IO, "%s: path is too long", root);
    }
    weld_status status = visit_entries(path, add_entry, &scan, err);
    if (status) {
        return status;
    }
    size_t added = f->samples.count - before;
    if (added == 0) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: class folder without a .jpg, .jpeg or .png file: put images there or "
                         "remove it",
                         path);
    }
    qsort_r((weld_folder_sample *)f->samples.data + before, added, sizeof(weld_folder_sample),
            compare_samples, f->names.data);
    return WELD_OK;
}

static weld_status add_class(void *arg, const char *name, const char *path, entry_kind kind,
                             weld_error *err) {
    weld_folder *f = arg;
    size_t at = f->class_names.count;
    if (kind != ENTRY_FOLDER) {
        return WELD_OK;
    }
    return weld_array_append_text(&f->class_names, name) && weld_array_append(&f->classes, &at, 1)
               ? WELD_OK
               : weld_fail_memory(err, path);
}

static int compare_classes(const void *a, const void *b, void *names) {
    return strcmp((const char *)names + *(const size_t *)a,
                  (const char *)names + *(const size_t *)b);
}

weld_status weld_folder_scan(const char *path, weld_folder *out, weld_error *err) {
    *out = (weld_folder){.samples.element = sizeof(weld_folder_sample),
                         .names.element = 1,
                         .classes.element = sizeof(size_t),
                         .class_names.element = 1};
    weld_status status = visit_entries(path, add_class, out, err);
    if (status) {
        return status;
    }
    if (out->classes.count == 0 || out->classes.count > INT32_MAX) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: holds no class folders: a data set is a folder with one folder of "
                         "images per class",
                         path);
    }
    out->class_count = (int)out->classes.count;
    qsort_r(out->classes.data, out->classes.count, sizeof(size_t), compare_classes,
            out->class_names.data);
    for (int label = 0; !status && label < out->class_count; label++) {
        status = scan_class(path, label, out, err);
    }
    out->count = (int64_t)out->samples.count;
    return status;
}
