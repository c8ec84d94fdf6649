/* State dicts in several files; see shards.h. */
#include "formats/shards.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/json_tree.h"

enum { MAX_INDEX = 32 << 20, MAX_SHARDS = 256, PATH_SIZE = 4096 };

typedef struct shards {
    const char *path; /* of the index; the caller's, for opening alone */
    weld_open_shard *open;
    size_t *first; /* of each file: the number of its first tensor, and at last of all */
    weld_state_dict **dicts;
    size_t count;
} shards;

static weld_status read_tensor(void *self, size_t i, weld_dtype dtype, void *data,
                               weld_error *err) {
    const shards *all = self;
    size_t file = 0;
    while (i >= all->first[file + 1]) {
        file++;
    }
    return weld_state_dict_read(all->dicts[file], i - all->first[file], dtype, data, err);
}

static void free_shards(void *self) {
    shards *all = self;
    for (size_t i = 0; i < all->count; i++) {
        weld_state_dict_free(all->dicts[i]);
    }
    weld_free(all->dicts);
    weld_free(all->first);
    weld_free(all);
}

static const weld_state_source source = {read_tensor, NULL, free_shards};

static weld_status fail(const shards *all, const char *what, weld_error *err) {
    return weld_fail(err, WELD_ERROR_FORMAT, "%s: %s", all->path, what);
}

/* Its names come from outside: files of the folder alone. */
static weld_status open_file(shards *all, const char *name, weld_error *err) {
    const char *slash = strrchr(all->path, '/');
    char path[PATH_SIZE];
    const int used = snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash + 1 - all->path) : 0,
                              all->path, name);
    if (strchr(name, '/') || used >= PATH_SIZE) {
        return fail(all, "names a file that is not in its folder", err);
    }
    WELD_TRY(weld_state_dict_create(path, &all->dicts[all->count], err));
    return all->open(all->dicts[all->count++], path, err);
}

static bool is_open(const shards *all, const char *name) {
    for (size_t i = 0; i < all->count; i++) {
        const char *path = weld_state_dict_file(all->dicts[i]);
        const char *slash = strrchr(path, '/');
        if (strcmp(slash ? slash + 1 : path, name) == 0) {
            return true;
        }
    }
    return false;
}

static weld_status open_files(shards *all, const json_t *map, weld_error *err) {
    const char *tensor;
    json_t *file;
    json_object_foreach((json_t *)map, tensor, file) {
        const char *name = json_string_value(file);
        if (!name) {
            return fail(all, "weight_map: expected the name of a file for each tensor", err);
        }
        if (is_open(all, name)) {
            continue;
        }
        if (all->count == MAX_SHARDS) {
            return fail(all, "weight_map: names more than 256 files", err);
        }
        WELD_TRY(open_file(all, name, err));
    }
    return WELD_OK;
}

static weld_status add_tensors(shards *all, weld_state_dict *s, size_t named, weld_error *err) {
    for (size_t file = 0; file < all->count; file++) {
        const weld_state_dict *d = all->dicts[file];
        all->first[file] = weld_state_dict_count(s);
        if (weld_state_dict_is_unchecked(d)) {
            weld_state_dict_set_unchecked(s);
        }
        for (size_t i = 0; i < weld_state_dict_count(d); i++) {
            const weld_state_entry *e = weld_state_dict_at(d, i);
            WELD_TRY(weld_state_dict_add(s, e->name, strlen(e->name), e->element, &e->shape, err));
        }
    }
    all->first[all->count] = weld_state_dict_count(s);
    return weld_state_dict_count(s) == named
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: names %zu tensors, but its %zu files hold %zu: one of them belongs "
                           "to other weights",
                           all->path, named, all->count, weld_state_dict_count(s));
}

static weld_status read_index(const char *path, json_t **out, weld_error *err) {
    weld_json_fault fault;
    void *text;
    size_t size;
    WELD_TRY(weld_file_read(path, MAX_INDEX, &text, &size, err));
    *out = weld_json_tree(text, size, NULL, &fault);
    weld_free(text);
    return *out ? WELD_OK
           : fault.status == WELD_ERROR_MEMORY
               ? weld_fail_memory(err, path)
               : weld_fail(err, WELD_ERROR_FORMAT, "%s: byte %zu: %s", path, fault.at,
                           fault.what.message);
}

weld_status weld_shards_open(weld_state_dict *s, const char *path, weld_open_shard *open,
                             weld_error *err) {
    json_t *index;
    WELD_TRY(read_index(path, &index, err));
    const json_t *map = json_object_get(index, "weight_map");
    shards *all = weld_alloc(1, sizeof *all);
    if (!all) {
        json_decref(index);
        return weld_fail_memory(err, path);
    }
    weld_state_dict_provide(s, &source, all);
    all->path = path;
    all->open = open;
    all->dicts = weld_alloc(MAX_SHARDS, sizeof(weld_state_dict *));
    all->first = weld_alloc(MAX_SHARDS + 1, sizeof *all->first);
    weld_status status = !all->dicts || !all->first ? weld_fail_memory(err, path)
                         : json_object_size(map) == 0
                             ? fail(all, "has no weight_map that names files", err)
                             : open_files(all, map, err);
    status = status ? status : add_tensors(all, s, json_object_size(map), err);
    json_decref(index);
    return status;
}

bool weld_shards_is_one(const char *path, char *index, size_t size, int *count) {
    int number, length = 0;
    for (const char *at = path; (at = strchr(at, '-')); at++) {
        if (sscanf(at, "-%5d-of-%5d%n", &number, count, &length) == 2 && length == 15 &&
            at[length] == '.' && *count > 1) {
            snprintf(index, size, "%.*s%s.index.json", (int)(at - path), path, at + length);
            return true;
        }
    }
    return false;
}
