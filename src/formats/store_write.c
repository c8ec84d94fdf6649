/* Writing stores; see store.h. */
#include "formats/store.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/bytes.h"
#include "formats/file.h"
#include "formats/hdf5_structure.h"
#include "formats/store_layout.h"

struct weld_store_writer {
    char kind[WELD_STORE_KIND_SIZE];
    weld_store_entry *entries; /* paths are owned */
    size_t count, capacity;
};

weld_status weld_store_writer_create(const char *kind, weld_store_writer **out, weld_error *err) {
    if (strlen(kind) >= WELD_STORE_KIND_SIZE) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "kind \"%s\": longer than %d characters", kind,
                         WELD_STORE_KIND_SIZE - 1);
    }
    weld_store_writer *w = weld_alloc(1, sizeof *w);
    if (!w) {
        return weld_fail_memory(err, kind);
    }
    memcpy(w->kind, kind, strlen(kind));
    *out = w;
    return WELD_OK;
}

void weld_store_writer_free(weld_store_writer *w) {
    if (!w) {
        return;
    }
    for (size_t i = 0; i < w->count; i++) {
        weld_free((char *)w->entries[i].path);
    }
    weld_free(w->entries);
    weld_free(w);
}

static weld_status put(weld_store_writer *w, weld_store_entry entry, weld_error *err) {
    if (!weld_store_path_valid(entry.path)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "\"%.100s\": not a path in a file", entry.path);
    }
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 64;
        weld_store_entry *grown = weld_grow(w->entries, w->count, capacity, sizeof *grown);
        if (!grown) {
            return weld_fail_memory(err, entry.path);
        }
        w->entries = grown;
        w->capacity = capacity;
    }
    char *path = weld_strdup(entry.path);
    if (!path) {
        return weld_fail_memory(err, entry.path);
    }
    entry.path = path;
    w->entries[w->count++] = entry;
    return WELD_OK;
}

weld_status weld_store_put(weld_store_writer *w, const char *path, weld_store_type type,
                           const weld_shape *shape, const void *data, weld_error *err) {
    weld_store_entry entry = {.path = path, .type = type, .shape = *shape, .data = data};
    if (type == WELD_STORE_TEXT || !weld_store_shape_bytes(type, shape, &entry.bytes)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: not a tensor that a file can hold", path);
    }
    return put(w, entry, err);
}

weld_status weld_store_put_tensor(weld_store_writer *w, const char *path, const weld_tensor *tensor,
                                  weld_error *err) {
    weld_store_type type;
    if (!weld_store_type_of(tensor->dtype, &type)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: tensors of %s cannot be written", path,
                         weld_dtype_name(tensor->dtype));
    }
    return weld_store_put(w, path, type, &tensor->shape, tensor->data, err);
}

weld_status weld_store_put_text(weld_store_writer *w, const char *path, const char *text,
                                weld_error *err) {
    weld_store_entry entry = {
        .path = path, .type = WELD_STORE_TEXT, .bytes = strlen(text) + 1, .data = text};
    return put(w, entry, err);
}

/* --- Laying the file out: user block, superblock, elements in order of the paths, the index, the
 * structure. --- */

typedef struct layout {
    weld_hdf5_dataset *datasets; /* of the entries, and of the index, which comes last */
    unsigned char *index;
    unsigned char superblock[WELD_HDF5_SUPERBLOCK_SIZE];
    weld_array structure;
    weld_store_header header;
} layout;

static weld_hdf5_dataset dataset_of(const weld_store_entry *e, uint64_t at) {
    static const weld_hdf5_type types[] = {
        [WELD_STORE_F32] = WELD_HDF5_F32,   [WELD_STORE_F64] = WELD_HDF5_F64,
        [WELD_STORE_I64] = WELD_HDF5_I64,   [WELD_STORE_U8] = WELD_HDF5_U8,
        [WELD_STORE_TEXT] = WELD_HDF5_TEXT, [WELD_STORE_I8] = WELD_HDF5_I8,
        [WELD_STORE_I32] = WELD_HDF5_I32};
    return (weld_hdf5_dataset){
        .path = e->path, .type = types[e->type], .shape = e->shape, .at = at, .bytes = e->bytes};
}

/* Tensors may be used where they lie (weld_store_give_bytes). */
static size_t alignment_of(const weld_store_entry *e) {
    return e->type == WELD_STORE_TEXT ? WELD_HDF5_ALIGNMENT : WELD_ALIGNMENT;
}

/* Give all their places, and make the index. Returns where the structure belongs. */
static uint64_t place(const weld_store_writer *w, layout *l) {
    uint64_t at = WELD_STORE_HEADER_SIZE + WELD_HDF5_SUPERBLOCK_SIZE;
    unsigned char *to = l->index + 8;
    weld_save_u64(l->index, w->count);
    for (size_t i = 0; i < w->count; i++) {
        const weld_store_entry *e = &w->entries[i];
        at = weld_round_up(at, alignment_of(e));
        l->datasets[i] = dataset_of(e, at);
        weld_store_entry_encode(e, at, to);
        to += weld_store_entry_size(e);
        at += e->bytes;
    }
    const weld_store_entry self = {.path = WELD_STORE_INDEX_NAME,
                                   .type = WELD_STORE_U8,
                                   .shape = WELD_SHAPE((int64_t)l->header.index_bytes),
                                   .bytes = (size_t)l->header.index_bytes};
    l->header.index_at = weld_round_up(at, WELD_HDF5_ALIGNMENT);
    l->datasets[w->count] = dataset_of(&self, l->header.index_at);
    return weld_round_up(l->header.index_at + l->header.index_bytes, WELD_HDF5_ALIGNMENT);
}

/* The layout is released by layout_free in any case. */
static weld_status lay_out(const weld_store_writer *w, const char *file, layout *l,
                           weld_error *err) {
    *l = (layout){.header.index_bytes = 8};
    memcpy(l->header.kind, w->kind, sizeof l->header.kind);
    for (size_t i = 0; i < w->count; i++) {
        l->header.index_bytes += weld_store_entry_size(&w->entries[i]);
    }
    l->index = weld_alloc((size_t)l->header.index_bytes, 1);
    l->datasets = weld_alloc(w->count + 1, sizeof *l->datasets);
    if (!l->index || !l->datasets) {
        return weld_fail_memory(err, file);
    }
    const weld_hdf5_file made = {.name = file,
                                 .user_block = WELD_STORE_HEADER_SIZE,
                                 .datasets = l->datasets,
                                 .count = w->count + 1,
                                 .structure_at = place(w, l)};
    WELD_TRY(weld_hdf5_structure(&made, l->superblock, &l->structure, err));
    l->header.length = made.structure_at + l->structure.count;
    return WELD_OK;
}

static void layout_free(layout *l) {
    weld_array_free(&l->structure);
    weld_free(l->datasets);
    weld_free(l->index);
}

/* --- Writing it, from the first byte to the last, with the checksum taken on the way. --- */

enum { BUFFER = 256 << 10 };

typedef struct output {
    weld_replacement *file;
    XXH3_state_t *sum;
    unsigned char *buffer; /* of BUFFER bytes: most tensors are small */
    size_t used;
    uint64_t at; /* bytes so far, those in the buffer included */
    weld_status status;
    weld_error *err;
} output;

static void send(output *o, const void *data, size_t bytes) {
    if (o->status == WELD_OK) {
        XXH3_128bits_update(o->sum, data, bytes);
        o->status = weld_replacement_write(o->file, data, bytes, o->err);
    }
}

static void flush(output *o) {
    send(o, o->buffer, o->used);
    o->used = 0;
}

static void append(output *o, const void *data, size_t bytes) {
    if (bytes > BUFFER - o->used) {
        flush(o);
    }
    if (bytes > BUFFER) {
        send(o, data, bytes);
    } else {
        memcpy(o->buffer + o->used, data, bytes);
        o->used += bytes;
    }
    o->at += bytes;
}

/* Zeros up to the next place. */
static void append_padding(output *o, size_t alignment) {
    static const char zeros[WELD_ALIGNMENT];
    append(o, zeros, weld_round_up(o->at, alignment) - o->at);
}

/* Everything behind the checksum, which is left in `block`. */
static weld_status write_contents(output *o, unsigned char *block, const weld_store_writer *w,
                                  const layout *l) {
    XXH3_128bits_reset(o->sum);
    o->at = WELD_STORE_CHECKED_FROM;
    append(o, block + WELD_STORE_CHECKED_FROM, WELD_STORE_HEADER_SIZE - WELD_STORE_CHECKED_FROM);
    append(o, l->superblock, sizeof l->superblock);
    for (size_t i = 0; i < w->count; i++) {
        append_padding(o, alignment_of(&w->entries[i]));
        append(o, w->entries[i].data, w->entries[i].bytes);
    }
    append_padding(o, WELD_HDF5_ALIGNMENT);
    append(o, l->index, (size_t)l->header.index_bytes);
    append_padding(o, WELD_HDF5_ALIGNMENT);
    append(o, l->structure.data, l->structure.count);
    flush(o);
    XXH128_canonicalFromHash((XXH128_canonical_t *)(block + WELD_STORE_CHECKSUM_AT),
                             XXH3_128bits_digest(o->sum));
    return o->status;
}

static weld_status write_file(const char *file, const weld_store_writer *w, const layout *l,
                              weld_replacement *to, weld_error *err) {
    unsigned char block[WELD_STORE_HEADER_SIZE];
    output o = {
        .file = to, .sum = XXH3_createState(), .buffer = weld_alloc_raw(BUFFER, 1), .err = err};
    weld_store_header_encode(block, &l->header);
    o.status = o.sum && o.buffer ? WELD_OK : weld_fail_memory(err, file);
    if (o.status == WELD_OK) {
        /* What comes before the checksummed part holds the place until the sum is known. */
        o.status = weld_replacement_write(o.file, block, WELD_STORE_CHECKED_FROM, err);
    }
    if (o.status == WELD_OK) {
        write_contents(&o, block, w, l);
    }
    if (o.status == WELD_OK) {
        o.status = weld_replacement_write_at(o.file, block, WELD_STORE_CHECKED_FROM, 0, err);
    }
    XXH3_freeState(o.sum);
    weld_free(o.buffer);
    return o.status;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const weld_store_entry *)a)->path, ((const weld_store_entry *)b)->path);
}

weld_status weld_store_write(weld_store_writer *w, const char *file, weld_replacement *to,
                             weld_error *err) {
    if (w->count) {
        qsort(w->entries, w->count, sizeof *w->entries, by_path);
    }
    layout l;
    weld_status status = lay_out(w, file, &l, err);
    status = status ? status : write_file(file, w, &l, to, err);
    layout_free(&l);
    return status;
}

weld_status weld_store_commit(weld_store_writer *w, const char *file, weld_error *err) {
    weld_replacement *to;
    WELD_TRY(weld_replacement_open(file, &to, err));
    weld_status status = weld_store_write(w, file, to, err);
    if (status) {
        weld_replacement_discard(to);
        return status;
    }
    return weld_replacement_commit(to, err);
}
