/* Labels of YOLO data sets whose image is not there; see yolo_lost.h. */
#define _GNU_SOURCE
#include "datasets/yolo_lost.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locale.h"
#include "datasets/yolo_images.h"
#include "datasets/yolo_label.h"
#include "formats/file.h"

enum { DEEPEST = 32, /* folders */ FIRST = 4096 /* bytes of a file, in which a row ends */ };

typedef struct pair {
    uint64_t labels, images; /* where their paths begin in `texts` */
} pair;

/* --- The folders --- */

static bool add_folder_of(weld_array *texts, const char *path, uint64_t *at) {
    const char *slash = strrchr(path, '/');
    *at = texts->count;
    return weld_array_append(texts, path, slash ? (size_t)(slash - path) : 0) &&
           weld_array_append(texts, "", 1);
}

bool weld_yolo_folders_add(weld_yolo_folders *f, const char *image, const char *label) {
    const size_t before = f->texts.count, count = f->pairs.count;
    pair one;
    if (!add_folder_of(&f->texts, label, &one.labels) ||
        !add_folder_of(&f->texts, image, &one.images)) {
        return false;
    }
    const char *texts = f->texts.data;
    const pair *last = count ? (const pair *)f->pairs.data + count - 1 : NULL;
    if (last && strcmp(texts + last->labels, texts + one.labels) == 0 &&
        strcmp(texts + last->images, texts + one.images) == 0) {
        f->texts.count = before; /* images of one folder follow each other */
        return true;
    }
    return weld_array_append(&f->pairs, &one, 1);
}

void weld_yolo_folders_free(weld_yolo_folders *f) {
    weld_array_free(&f->texts);
    weld_array_free(&f->pairs);
}

static int compare_pairs(const void *a, const void *b, void *texts) {
    return strcmp((const char *)texts + ((const pair *)a)->labels,
                  (const char *)texts + ((const pair *)b)->labels);
}

/* --- Names in a folder --- */

typedef struct names {
    weld_array texts, at; /* of char; of uint64_t, where each begins */
} names;

#define NAMES ((names){.texts = {.element = 1}, .at = {.element = sizeof(uint64_t)}})

static void free_names(names *n) {
    weld_array_free(&n->texts);
    weld_array_free(&n->at);
}

static bool add_name(names *n, const char *text, size_t length) {
    const uint64_t at = n->texts.count;
    return weld_array_append(&n->texts, text, length) && weld_array_append(&n->texts, "", 1) &&
           weld_array_append(&n->at, &at, 1);
}

static const char *name_at(const names *n, size_t i) {
    return (const char *)n->texts.data + ((const uint64_t *)n->at.data)[i];
}

static int compare_names(const void *a, const void *b, void *texts) {
    return strcmp((const char *)texts + *(const uint64_t *)a,
                  (const char *)texts + *(const uint64_t *)b);
}

static void sort_names(names *n) {
    if (n->at.count) {
        qsort_r(n->at.data, n->at.count, sizeof(uint64_t), compare_names, n->texts.data);
    }
}

static bool has_name(const names *sorted, const char *text, size_t length) {
    size_t low = 0, high = sorted->at.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const char *name = name_at(sorted, middle);
        const int order = strncmp(name, text, length);
        if (order == 0 && !name[length]) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static size_t stem_length(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && dot > name ? (size_t)(dot - name) : strlen(name);
}

static bool is_folder(const char *folder, const struct dirent *entry) {
    char path[2 * PATH_MAX];
    struct stat info;
    return entry->d_type == DT_DIR ||
           (entry->d_type == DT_UNKNOWN &&
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path &&
            lstat(path, &info) == 0 && S_ISDIR(info.st_mode));
}

/* What is wanted of a folder: names without endings of what may be images, or names of label files,
 * and of folders, with a slash behind. A folder that is not there has none. */
static weld_status list(const char *folder, bool of_images, names *out, weld_error *err) {
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    bool kept = true;
    while (entries && kept && (entry = readdir(entries))) {
        const char *name = entry->d_name;
        const size_t length = strlen(name), stem = stem_length(name);
        if (*name == '.') {
            continue;
        }
        if (is_folder(folder, entry)) {
            char within[NAME_MAX + 2];
            kept = of_images || (snprintf(within, sizeof within, "%s/", name) >= 0 &&
                                 add_name(out, within, length + 1));
        } else if (of_images) {
            kept = weld_yolo_is_no_image(name) || add_name(out, name, stem);
        } else if (weld_strcasecmp(name + stem, ".txt") == 0) {
            kept = add_name(out, name, length);
        }
    }
    if (entries) {
        closedir(entries);
    }
    sort_names(out);
    return kept ? WELD_OK : weld_fail_memory(err, folder);
}

/* --- What is lost --- */

typedef struct looking {
    const weld_yolo_folders *folders;
    const weld_box_options *options;
    weld_box_store *store;
    int depth;
    weld_error *err;
} looking;

/* By its first row; an empty file is one of a background where images are elsewhere. */
static bool is_label(const char *path, bool beside) {
    char text[FIRST], what[200];
    int descriptor;
    uint64_t size;
    weld_yolo_row row;
    if (weld_file_open(path, &descriptor, &size, NULL) != WELD_OK) {
        return false;
    }
    const size_t look = size < sizeof text ? (size_t)size : sizeof text;
    const weld_status status = weld_file_read_at(descriptor, path, text, look, 0, NULL);
    close(descriptor);
    const char *at = text, *end = text + (status ? 0 : look);
    at += end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* a mark of UTF-8 */
    while (at < end && strchr(" \t\r\n", *at) && *at) {
        at++;
    }
    const size_t row_size = weld_yolo_row_size(at, (size_t)(end - at));
    const weld_yolo_problem problem = weld_yolo_row_read(at, row_size, &row, what);
    return problem == WELD_YOLO_EMPTY ? !beside && !status : problem != WELD_YOLO_MALFORMED;
}

/* Is it one of the folders of labels, which are in order? */
static bool is_listed(const weld_yolo_folders *f, const char *path) {
    const pair *pairs = f->pairs.data;
    size_t low = 0, high = f->pairs.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp((const char *)f->texts.data + pairs[middle].labels, path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < f->pairs.count &&
           strcmp((const char *)f->texts.data + pairs[low].labels, path) == 0;
}

static weld_status look_in(looking *l, const char *labels, const char *images);

static weld_status look_within(looking *l, const char *labels, const char *images,
                               const char *name) {
    char own[PATH_MAX], others[PATH_MAX];
    const int length = (int)strlen(name) - 1;
    if (l->depth == DEEPEST ||
        snprintf(own, sizeof own, "%s/%.*s", labels, length, name) >= (int)sizeof own ||
        snprintf(others, sizeof others, "%s/%.*s", images, length, name) >= (int)sizeof others) {
        return WELD_OK;
    }
    if (is_listed(l->folders, own)) {
        return WELD_OK; /* it is looked in by itself */
    }
    l->depth++;
    const weld_status status = look_in(l, own, others);
    l->depth--;
    return status;
}

static weld_status look_at(looking *l, const char *labels, const char *images, const char *name) {
    char path[2 * PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", labels, name) >= (int)sizeof path ||
        !is_label(path, strcmp(labels, images) == 0)) {
        return WELD_OK;
    }
    return weld_array_append_text(&l->store->files, path)
               ? weld_box_store_fault(l->store, l->options, WELD_BOX_NO_IMAGE, path, 0, true,
                                      l->err, "there is no image %.*s in %s",
                                      (int)stem_length(name), name, images)
               : weld_fail_memory(l->err, path);
}

static weld_status look_in(looking *l, const char *labels, const char *images) {
    names there = NAMES, found = NAMES;
    weld_status status = list(images, true, &there, l->err);
    status = status ? status : list(labels, false, &found, l->err);
    for (size_t i = 0; i < found.at.count && !status; i++) {
        const char *name = name_at(&found, i);
        if (name[strlen(name) - 1] == '/') {
            status = look_within(l, labels, images, name);
        } else if (!has_name(&there, name, stem_length(name))) {
            status = look_at(l, labels, images, name);
        }
    }
    free_names(&there);
    free_names(&found);
    return status;
}

weld_status weld_yolo_find_lost(weld_yolo_folders *f, const weld_box_options *options,
                                weld_box_store *store, weld_error *err) {
    looking l = {.folders = f, .options = options, .store = store, .err = err};
    const pair *pairs = f->pairs.data;
    weld_status status = WELD_OK;
    if (f->pairs.count) {
        qsort_r(f->pairs.data, f->pairs.count, sizeof *pairs, compare_pairs, f->texts.data);
    }
    for (size_t i = 0; i < f->pairs.count && !status; i++) {
        if (i == 0 || compare_pairs(&pairs[i - 1], &pairs[i], f->texts.data) != 0) {
            const char *texts = f->texts.data;
            status = look_in(&l, texts + pairs[i].labels, texts + pairs[i].images);
        }
    }
    return status;
}
