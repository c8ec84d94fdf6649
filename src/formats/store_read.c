/* Reading stores; see store.h. */
#include "formats/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/bytes.h"
#include "formats/file.h"
#include "formats/file_kind.h"
#include "formats/store_layout.h"

struct weld_store {
    weld_store_header header;
    char *file;
    unsigned char *bytes; /* the whole file */
    bool given;           /* to somebody else, who frees them */
    size_t size;
    weld_store_entry *entries; /* paths are owned */
    size_t count;
};

static weld_status check_header(weld_store *s, const unsigned char *block, size_t size,
                                uint64_t file_size, weld_error *err) {
    if (file_size == 0) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: is empty: restore it from a copy", s->file);
    }
    if (!weld_store_header_decode(block, size, &s->header)) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: not a model file of weld but %s: name a checkpoint or deploy file",
                         s->file, weld_file_text(s->file));
    }
    if (s->header.length != file_size) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: expected %llu bytes, found %llu: the file is cut or damaged: restore "
                         "it from a copy",
                         s->file, (unsigned long long)s->header.length,
                         (unsigned long long)file_size);
    }
    return WELD_OK;
}

static weld_status load(weld_store *s, weld_error *err) {
    int descriptor = -1;
    uint64_t size = 0;
    WELD_TRY(weld_file_open(s->file, &descriptor, &size, err));
    /* The head alone first: a huge file of another kind is not read to find that out. */
    unsigned char block[WELD_STORE_HEADER_SIZE];
    size_t head = size < sizeof block ? (size_t)size : sizeof block;
    weld_status status = weld_file_read_at(descriptor, s->file, block, head, 0, err);
    status = status ? status : check_header(s, block, head, size, err);
    if (!status) {
        s->size = (size_t)size;
        s->bytes = weld_alloc_raw(s->size, 1);
        status = s->bytes ? weld_file_read_at(descriptor, s->file, s->bytes, s->size, 0, err)
                          : weld_fail_memory(err, s->file);
    }
    close(descriptor);
    if (!status) {
        unsigned char sum[16];
        weld_store_checksum(s->bytes, s->size, sum);
        if (memcmp(s->bytes + WELD_STORE_CHECKSUM_AT, sum, sizeof sum) != 0) {
            status = weld_fail(err, WELD_ERROR_FORMAT,
                               "%s: checksum differs: the file is damaged: restore it from a copy",
                               s->file);
        }
    }
    return status;
}

static weld_status fail_index(const weld_store *s, const char *path, const char *reason,
                              weld_error *err) {
    return weld_fail(err, WELD_ERROR_FORMAT, "%s: index, %s: %s: the file was not made by weld",
                     s->file, path, reason);
}

static weld_status read_index(weld_store *s, weld_error *err) {
    uint64_t at = s->header.index_at, left = s->header.index_bytes;
    if (at > s->size || left > s->size - at || left < 8) {
        return fail_index(s, "its place", "beyond the end of the file", err);
    }
    const unsigned char *from = s->bytes + at;
    uint64_t count = weld_load_u64(from);
    from += 8;
    left -= 8;
    if (count > left / WELD_STORE_ENTRY_SIZE) {
        return fail_index(s, "its count", "more entries than there is room for", err);
    }
    s->entries = weld_alloc((size_t)count, sizeof *s->entries);
    if (!s->entries) {
        return weld_fail_memory(err, s->file);
    }
    size_t total = 0;
    while (s->count < count) {
        char path[WELD_STORE_MAX_PATH] = "";
        weld_store_entry e;
        size_t used;
        const char *wrong =
            weld_store_entry_decode(from, (size_t)left, s->bytes, s->size, &e, path, &used);
        if (!wrong && s->count && strcmp(s->entries[s->count - 1].path, path) >= 0) {
            wrong = "not in order";
        }
        /* Many names for the same bytes would ask for more memory than the file is long. */
        if (!wrong && e.bytes > s->size - total) {
            wrong = "more bytes than there are in the file";
        }
        if (wrong) {
            return fail_index(s, path, wrong, err);
        }
        total += e.bytes;
        e.path = weld_strdup(path);
        if (!e.path) {
            return weld_fail_memory(err, s->file);
        }
        s->entries[s->count++] = e;
        from += used;
        left -= used;
    }
    return WELD_OK;
}

weld_status weld_store_open(const char *file, weld_store **out, weld_error *err) {
    weld_store *s = weld_alloc(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, file);
    }
    s->file = weld_strdup(file);
    weld_status status = s->file ? load(s, err) : weld_fail_memory(err, file);
    status = status ? status : read_index(s, err);
    if (status) {
        weld_store_free(s);
        return status;
    }
    *out = s;
    return WELD_OK;
}

void weld_store_free(weld_store *s) {
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        weld_free((char *)s->entries[i].path);
    }
    weld_free(s->entries);
    weld_free(s->given ? NULL : s->bytes);
    weld_free(s->file);
    weld_free(s);
}

const char *weld_store_kind(const weld_store *s) {
    return s->header.kind;
}

const char *weld_store_file(const weld_store *s) {
    return s->file;
}

size_t weld_store_count(const weld_store *s) {
    return s->count;
}

const weld_store_entry *weld_store_entry_at(const weld_store *s, size_t i) {
    return i < s->count ? &s->entries[i] : NULL;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const weld_store_entry *)a)->path, ((const weld_store_entry *)b)->path);
}

const weld_store_entry *weld_store_find(const weld_store *s, const char *path) {
    weld_store_entry key = {.path = path};
    return bsearch(&key, s->entries, s->count, sizeof key, by_path);
}

weld_status weld_store_find_tensor(const weld_store *s, const char *path, weld_store_type type,
                                   const weld_shape *shape, const weld_store_entry **out,
                                   weld_error *err) {
    const weld_store_entry *e = weld_store_find(s, path);
    if (!e) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s: no %s in it", s->file, path);
    }
    if (e->type != type || type == WELD_STORE_TEXT) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: %s: of another type than expected", s->file,
                         path);
    }
    if (!weld_shape_equal(&e->shape, shape)) {
        char found[128], expected[128];
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: %s: expected shape %s, found %s", s->file,
                         path, weld_shape_text(shape, expected, sizeof expected),
                         weld_shape_text(&e->shape, found, sizeof found));
    }
    *out = e;
    return WELD_OK;
}

weld_status weld_store_read(const weld_store *s, const char *path, weld_store_type type,
                            const weld_shape *shape, void *data, weld_error *err) {
    const weld_store_entry *e;
    weld_status status = weld_store_find_tensor(s, path, type, shape, &e, err);
    if (!status) {
        memcpy(data, e->data, e->bytes);
    }
    return status;
}

void *weld_store_give_bytes(weld_store *s) {
    /* A writer lays entries out in their order. */
    const unsigned char *end = s->bytes;
    for (size_t i = 0; i < s->count; i++) {
        const weld_store_entry *e = &s->entries[i];
        const unsigned char *data = e->data;
        const bool aligned = (size_t)(data - s->bytes) % WELD_ALIGNMENT == 0;
        if (data < end || (e->type != WELD_STORE_TEXT && !aligned)) {
            return NULL;
        }
        end = data + e->bytes;
    }
    s->given = true;
    return s->bytes;
}

weld_status weld_store_text(const weld_store *s, const char *path, const char **out,
                            weld_error *err) {
    const weld_store_entry *e = weld_store_find(s, path);
    if (!e || e->type != WELD_STORE_TEXT) {
        return weld_fail(err, e ? WELD_ERROR_FORMAT : WELD_ERROR_NOT_FOUND, "%s: no text %s in it",
                         s->file, path);
    }
    *out = e->data;
    return WELD_OK;
}
