/* Opening any file of tensors by name: what kind it is, and whose reader gets it; see state_dict.h.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/file_kind.h"
#include "formats/pth.h"
#include "formats/safetensors.h"
#include "formats/shards.h"
#include "formats/state_source.h"

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static weld_status check_names(const weld_state_dict *s, weld_error *err) {
    size_t count = weld_state_dict_count(s);
    const char **names = weld_alloc_raw(count, sizeof *names);
    if (!names) {
        return weld_fail_memory(err, weld_state_dict_file(s));
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = weld_state_dict_at(s, i)->name;
    }
    qsort(names, count, sizeof *names, by_name);
    weld_status status = WELD_OK;
    for (size_t i = 1; i < count && !status; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            status = weld_fail(err, WELD_ERROR_FORMAT,
                               "%s: two tensors are called %s (without \"module.\"): save one",
                               weld_state_dict_file(s), names[i]);
        }
    }
    weld_free(names);
    return status;
}

/* A file that cannot be opened is of unknown kind too. */
static weld_status fail_unknown(const char *path, weld_error *err) {
    int descriptor;
    uint64_t size;
    WELD_TRY(weld_file_open(path, &descriptor, &size, err));
    close(descriptor);
    return weld_fail(err, WELD_ERROR_FORMAT,
                     "%s: neither a PyTorch .pth nor a safetensors file: name one of these", path);
}

static weld_status open_one(weld_state_dict *s, const char *path, weld_file_kind kind,
                            const char *key, weld_error *err) {
    switch (kind) {
    case WELD_FILE_SAFETENSORS:
        return weld_safetensors_open(s, path, err);
    case WELD_FILE_PTH:
        return weld_pth_open(s, path, key, err);
    case WELD_FILE_PICKLE:
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: is in PyTorch's format of before 1.6: load it with torch.load and "
                         "save it again with torch.save",
                         path);
    case WELD_FILE_UNKNOWN:
        return fail_unknown(path, err);
    default:
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: is %s: name a PyTorch .pth or a safetensors file", path,
                         weld_file_kind_text(kind));
    }
}

/* An index does not tell what its files are: PyTorch's have no checksum of weld's. */
static weld_status open_shard(weld_state_dict *s, const char *path, weld_error *err) {
    const weld_file_kind kind = weld_file_kind_of(path);
    if (kind == WELD_FILE_PTH) {
        weld_state_dict_set_unchecked(s);
    }
    return open_one(s, path, kind, NULL, err);
}

static weld_status open_kind(weld_state_dict *s, const char *path, const char *key,
                             weld_error *err) {
    const weld_file_kind kind = weld_file_kind_of(path);
    if (key && kind != WELD_FILE_PTH && kind != WELD_FILE_UNKNOWN) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: is %s, which has no \"%s\" to choose: leave the choice out", path,
                         weld_file_kind_text(kind), key);
    }
    return kind == WELD_FILE_SHARDS ? weld_shards_open(s, path, open_shard, err)
                                    : open_one(s, path, kind, key, err);
}

weld_status weld_state_dict_open(const char *path, const char *key, weld_state_dict **out,
                                 weld_error *err) {
    weld_state_dict *s = NULL;
    weld_status status = weld_state_dict_create(path, &s, err);
    status = status ? status : open_kind(s, path, key, err);
    status = status ? status : check_names(s, err);
    if (status) {
        weld_state_dict_free(s);
        return status;
    }
    *out = s;
    return WELD_OK;
}
