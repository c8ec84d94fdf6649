/* Writing stores; see store.h. */
#include "formats/store.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/hdf5_lock.h"
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

/* --- The file in HDF5's memory. These functions are called with the lock held. --- */

typedef struct image {
    hid_t file, link_properties, dataset_properties;
} image;

static hid_t create_file(size_t expected_bytes) {
    hid_t file = H5I_INVALID_HID;
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
    /* Never written by HDF5 itself, which does not survive a full disk. */
    if (create >= 0 && access >= 0 && H5Pset_userblock(create, WELD_STORE_HEADER_SIZE) >= 0 &&
        H5Pset_fapl_core(access, expected_bytes, 0) >= 0) {
        file = H5Fcreate("weld-store", H5F_ACC_TRUNC, create, access);
    }
    H5Pclose(create);
    H5Pclose(access);
    return file;
}

static bool image_open(image *m, size_t expected_bytes) {
    m->file = create_file(expected_bytes);
    m->link_properties = H5Pcreate(H5P_LINK_CREATE);
    m->dataset_properties = H5Pcreate(H5P_DATASET_CREATE);
    /* No times: the same contents give the same bytes. */
    return m->file >= 0 && m->link_properties >= 0 && m->dataset_properties >= 0 &&
           H5Pset_create_intermediate_group(m->link_properties, 1) >= 0 &&
           H5Pset_obj_track_times(m->dataset_properties, 0) >= 0 &&
           H5Pset_layout(m->dataset_properties, H5D_CONTIGUOUS) >= 0 &&
           H5Pset_fill_time(m->dataset_properties, H5D_FILL_TIME_NEVER) >= 0;
}

static void image_close(image *m) {
    H5Pclose(m->dataset_properties);
    H5Pclose(m->link_properties);
    H5Fclose(m->file);
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

/* Make the dataset of an entry and tell where its bytes are in the file. */
static bool write_entry(const image *m, const weld_store_entry *e, uint64_t *at) {
    hsize_t dims[WELD_MAX_DIMS] = {0};
    for (int i = 0; i < e->shape.rank; i++) {
        dims[i] = (hsize_t)e->shape.dim[i];
    }
    bool done = false;
    hid_t type = hdf5_type(e);
    hid_t space =
        e->shape.rank ? H5Screate_simple(e->shape.rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t set = H5Dcreate2(m->file, e->path, type, space, m->link_properties, m->dataset_properties,
                           H5P_DEFAULT);
    if (set >= 0) {
        done = H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, e->data) >= 0;
        haddr_t place = H5Dget_offset(set);
        *at = (uint64_t)place;
        done = H5Dclose(set) >= 0 && done && place != HADDR_UNDEF;
    }
    H5Sclose(space);
    H5Tclose(type);
    return done;
}

/* All entries, and the index of them. */
static weld_status build(const weld_store_writer *w, const image *m, unsigned char *index,
                         weld_store_header *header, const char *file, weld_error *err) {
    unsigned char *to = index + 8;
    weld_store_save_u64(index, w->count);
    for (size_t i = 0; i < w->count; i++) {
        const weld_store_entry *e = &w->entries[i];
        uint64_t at;
        if (!write_entry(m, e, &at)) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "%s: cannot make %s: out of memory, or the name is taken", file,
                             e->path);
        }
        weld_store_entry_encode(e, at, to);
        to += weld_store_entry_size(e);
    }
    weld_store_entry self = {.path = WELD_STORE_INDEX_NAME,
                             .type = WELD_STORE_U8,
                             .shape = WELD_SHAPE((int64_t)header->index_bytes),
                             .bytes = (size_t)header->index_bytes,
                             .data = index};
    return write_entry(m, &self, &header->index_at) ? WELD_OK : weld_fail_memory(err, file);
}

/* The bytes of the file, user block included, in HDF5's memory: valid until the file is closed. */
static bool image_bytes(const image *m, unsigned char **bytes, size_t *size) {
    void **memory = NULL;
    if (H5Fflush(m->file, H5F_SCOPE_LOCAL) < 0) {
        return false;
    }
    ssize_t length = H5Fget_file_image(m->file, NULL, 0); /* without the user block */
    if (length <= 0 || H5Fget_vfd_handle(m->file, H5P_DEFAULT, (void **)&memory) < 0 || !memory ||
        !*memory) {
        return false;
    }
    *bytes = *memory;
    *size = WELD_STORE_HEADER_SIZE + (size_t)length;
    return true;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const weld_store_entry *)a)->path, ((const weld_store_entry *)b)->path);
}

weld_status weld_store_commit(weld_store_writer *w, const char *file, weld_error *err) {
    weld_store_header header = {.index_bytes = 8};
    memcpy(header.kind, w->kind, sizeof header.kind);
    size_t expected = 65536;
    for (size_t i = 0; i < w->count; i++) {
        size_t entry = weld_store_entry_size(&w->entries[i]);
        header.index_bytes += entry;
        expected += w->entries[i].bytes + entry + 1024; /* and what HDF5 says about it */
    }
    unsigned char *index = weld_alloc((size_t)header.index_bytes, 1);
    if (!index) {
        return weld_fail_memory(err, file);
    }
    if (w->count) {
        qsort(w->entries, w->count, sizeof *w->entries, by_path);
    }
    image m;
    unsigned char *bytes = NULL;
    size_t size = 0;
    weld_hdf5_lock();
    weld_status status = image_open(&m, expected) ? build(w, &m, index, &header, file, err)
                                                  : weld_fail_memory(err, file);
    if (status == WELD_OK && !image_bytes(&m, &bytes, &size)) {
        status = weld_fail_memory(err, file);
    }
    if (status == WELD_OK) {
        weld_hdf5_unlock(); /* writing may take as long as a disk does; the bytes stay */
        header.length = size;
        weld_store_header_encode(bytes, &header);
        status = weld_file_write(file, bytes, size, err);
        weld_hdf5_lock();
    }
    image_close(&m);
    weld_hdf5_unlock();
    weld_free(index);
    return status;
}
