/* Writing stores; see store.h. */
#include "formats/store.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/bytes.h"
#include "formats/file.h"
#include "formats/hdf5_lock.h"
#include "formats/hdf5_pages.h"
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

/* --- Laying the file out. These functions are called with the lock held. --- */

typedef struct layout {
    hid_t file, link_properties, dataset_properties;
} layout;

static hid_t create_file(weld_hdf5_pages *pages) {
    hid_t file = H5I_INVALID_HID;
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = weld_hdf5_pages_attach(pages);
    if (create >= 0 && access >= 0 && H5Pset_userblock(create, WELD_STORE_HEADER_SIZE) >= 0) {
        file = H5Fcreate("weld-store", H5F_ACC_TRUNC, create, access);
    }
    H5Pclose(create);
    H5Pclose(access);
    return file;
}

static bool layout_open(layout *l, weld_hdf5_pages *pages) {
    l->file = create_file(pages);
    l->link_properties = H5Pcreate(H5P_LINK_CREATE);
    l->dataset_properties = H5Pcreate(H5P_DATASET_CREATE);
    /* No times: the same contents give the same bytes. */
    return l->file >= 0 && l->link_properties >= 0 && l->dataset_properties >= 0 &&
           H5Pset_create_intermediate_group(l->link_properties, 1) >= 0 &&
           H5Pset_obj_track_times(l->dataset_properties, 0) >= 0 &&
           H5Pset_layout(l->dataset_properties, H5D_CONTIGUOUS) >= 0 &&
           H5Pset_alloc_time(l->dataset_properties, H5D_ALLOC_TIME_EARLY) >= 0 &&
           H5Pset_fill_time(l->dataset_properties, H5D_FILL_TIME_NEVER) >= 0;
}

static bool layout_close(layout *l) {
    H5Pclose(l->dataset_properties);
    H5Pclose(l->link_properties);
    return H5Fclose(l->file) >= 0;
}

static hid_t hdf5_type(const weld_store_entry *e) {
    switch (e->type) {
    case WELD_STORE_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case WELD_STORE_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case WELD_STORE_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case WELD_STORE_U8:
        return H5Tcopy(H5T_STD_U8LE);
    default:
        break;
    }
    hid_t text = H5Tcopy(H5T_C_S1);
    if (text >= 0 && (H5Tset_size(text, e->bytes) < 0 || H5Tset_cset(text, H5T_CSET_UTF8) < 0)) {
        H5Tclose(text);
        return H5I_INVALID_HID;
    }
    return text;
}

/* A stretch of the file that HDF5 does not write. */
typedef struct stretch {
    uint64_t at;
    const void *data;
    size_t bytes;
} stretch;

/* Make the dataset of an entry and tell where its bytes belong. */
static bool lay_out_entry(const layout *l, const weld_store_entry *e, stretch *out) {
    hsize_t dims[WELD_MAX_DIMS] = {0};
    for (int i = 0; i < e->shape.rank; i++) {
        dims[i] = (hsize_t)e->shape.dim[i];
    }
    hid_t type = hdf5_type(e);
    hid_t space =
        e->shape.rank ? H5Screate_simple(e->shape.rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t set = H5Dcreate2(l->file, e->path, type, space, l->link_properties, l->dataset_properties,
                           H5P_DEFAULT);
    haddr_t place = HADDR_UNDEF;
    if (set >= 0) {
        place = H5Dget_offset(set);
        H5Dclose(set);
    }
    H5Sclose(space);
    H5Tclose(type);
    *out = (stretch){.at = place, .data = e->data, .bytes = e->bytes};
    return place != HADDR_UNDEF;
}

/* All entries, and the index of them, which comes last in `stretches`. */
static weld_status lay_out(const weld_store_writer *w, const layout *l, unsigned char *index,
                           size_t index_bytes, stretch *stretches, const char *file,
                           weld_error *err) {
    unsigned char *to = index + 8;
    weld_save_u64(index, w->count);
    for (size_t i = 0; i < w->count; i++) {
        const weld_store_entry *e = &w->entries[i];
        if (!lay_out_entry(l, e, &stretches[i])) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "%s: cannot make %s: out of memory, or the name is taken", file,
                             e->path);
        }
        weld_store_entry_encode(e, stretches[i].at, to);
        to += weld_store_entry_size(e);
    }
    weld_store_entry self = {.path = WELD_STORE_INDEX_NAME,
                             .type = WELD_STORE_U8,
                             .shape = WELD_SHAPE((int64_t)index_bytes),
                             .bytes = index_bytes,
                             .data = index};
    return lay_out_entry(l, &self, &stretches[w->count]) ? WELD_OK : weld_fail_memory(err, file);
}

/* Have HDF5 make the file but for its elements. */
static weld_status make_structure(const weld_store_writer *w, unsigned char *index,
                                  size_t index_bytes, stretch *stretches, weld_hdf5_pages *pages,
                                  const char *file, weld_error *err) {
    layout l;
    weld_hdf5_lock();
    weld_status status = layout_open(&l, pages)
                             ? lay_out(w, &l, index, index_bytes, stretches, file, err)
                             : weld_fail_memory(err, file);
    bool closed = layout_close(&l);
    weld_hdf5_pages_detach(pages);
    weld_hdf5_unlock();
    return !status && (!closed || pages->failed) ? weld_fail_memory(err, file) : status;
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

/* What HDF5 wrote, up to the byte at `end`. */
static void append_pages(output *o, const weld_hdf5_pages *pages, uint64_t end) {
    while (o->at < end) {
        if (o->used == BUFFER) {
            flush(o);
        }
        size_t room = BUFFER - o->used, n = end - o->at < room ? (size_t)(end - o->at) : room;
        weld_hdf5_pages_read(pages, o->at, o->buffer + o->used, n);
        o->used += n;
        o->at += n;
    }
}

static int by_place(const void *a, const void *b) {
    uint64_t x = ((const stretch *)a)->at, y = ((const stretch *)b)->at;
    return (x > y) - (x < y);
}

/* Everything behind the checksum, which is left in `block`. */
static weld_status write_contents(output *o, unsigned char *block, const weld_hdf5_pages *pages,
                                  const stretch *stretches, size_t count) {
    XXH3_128bits_reset(o->sum);
    o->at = WELD_STORE_CHECKED_FROM;
    append(o, block + WELD_STORE_CHECKED_FROM, WELD_STORE_HEADER_SIZE - WELD_STORE_CHECKED_FROM);
    for (size_t i = 0; i < count; i++) {
        append_pages(o, pages, stretches[i].at);
        append(o, stretches[i].data, stretches[i].bytes);
    }
    append_pages(o, pages, pages->end);
    flush(o);
    XXH128_canonicalFromHash((XXH128_canonical_t *)(block + WELD_STORE_CHECKSUM_AT),
                             XXH3_128bits_digest(o->sum));
    return o->status;
}

static weld_status write_file(const char *file, const weld_store_header *header,
                              const weld_hdf5_pages *pages, const stretch *stretches, size_t count,
                              weld_error *err) {
    unsigned char block[WELD_STORE_HEADER_SIZE];
    output o = {.sum = XXH3_createState(), .buffer = weld_alloc_raw(BUFFER, 1), .err = err};
    weld_store_header_encode(block, header);
    o.status =
        o.sum && o.buffer ? weld_replacement_open(file, &o.file, err) : weld_fail_memory(err, file);
    if (o.status == WELD_OK) {
        /* What comes before the checksummed part holds the place until the sum is known. */
        o.status = weld_replacement_write(o.file, block, WELD_STORE_CHECKED_FROM, err);
    }
    if (o.status == WELD_OK) {
        write_contents(&o, block, pages, stretches, count);
    }
    if (o.status == WELD_OK) {
        o.status = weld_replacement_write_at(o.file, block, WELD_STORE_CHECKED_FROM, 0, err);
    }
    if (o.status == WELD_OK) {
        o.status = weld_replacement_commit(o.file, err);
    } else {
        weld_replacement_discard(o.file);
    }
    XXH3_freeState(o.sum);
    weld_free(o.buffer);
    return o.status;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const weld_store_entry *)a)->path, ((const weld_store_entry *)b)->path);
}

weld_status weld_store_commit(weld_store_writer *w, const char *file, weld_error *err) {
    weld_store_header header = {.index_bytes = 8};
    memcpy(header.kind, w->kind, sizeof header.kind);
    for (size_t i = 0; i < w->count; i++) {
        header.index_bytes += weld_store_entry_size(&w->entries[i]);
    }
    if (w->count) {
        qsort(w->entries, w->count, sizeof *w->entries, by_path);
    }
    size_t count = w->count + 1; /* with the index */
    unsigned char *index = weld_alloc((size_t)header.index_bytes, 1);
    stretch *stretches = weld_alloc(count, sizeof *stretches);
    weld_hdf5_pages pages = {0};
    weld_status status = index && stretches ? make_structure(w, index, (size_t)header.index_bytes,
                                                             stretches, &pages, file, err)
                                            : weld_fail_memory(err, file);
    if (!status) {
        header.length = pages.end;
        header.index_at = stretches[count - 1].at;
        qsort(stretches, count, sizeof *stretches, by_place);
        status = write_file(file, &header, &pages, stretches, count, err);
    }
    weld_hdf5_pages_free(&pages);
    weld_free(stretches);
    weld_free(index);
    return status;
}
