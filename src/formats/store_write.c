/* Writing stores; see store.h. */
#include "formats/store.h"

#include <hdf5.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/hdf5_lock.h"
#include "formats/store_header.h"

typedef struct pending {
    weld_store_entry entry; /* its path is owned */
    const void *data;
} pending;

struct weld_store_writer {
    char kind[WELD_STORE_KIND_SIZE];
    pending *items;
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
    memcpy(w->kind, kind, strlen(kind) + 1);
    *out = w;
    return WELD_OK;
}

void weld_store_writer_free(weld_store_writer *w) {
    if (!w) {
        return;
    }
    for (size_t i = 0; i < w->count; i++) {
        weld_free((char *)w->items[i].entry.path);
    }
    weld_free(w->items);
    weld_free(w);
}

static bool valid_path(const char *path) {
    for (const char *at = path;;) {
        size_t length = strcspn(at, "/");
        if (length == 0 || (length == 1 && at[0] == '.') ||
            (length == 2 && at[0] == '.' && at[1] == '.')) {
            return false;
        }
        if (!at[length]) {
            return strlen(path) < WELD_STORE_MAX_PATH;
        }
        at += length + 1;
    }
}

static weld_status put(weld_store_writer *w, const weld_store_entry *entry, const void *data,
                       weld_error *err) {
    if (!valid_path(entry->path)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "\"%.100s\": not a path in a file", entry->path);
    }
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 64;
        pending *grown = weld_grow(w->items, w->count, capacity, sizeof *grown);
        if (!grown) {
            return weld_fail_memory(err, entry->path);
        }
        w->items = grown;
        w->capacity = capacity;
    }
    char *path = weld_strdup(entry->path);
    if (!path) {
        return weld_fail_memory(err, entry->path);
    }
    pending *item = &w->items[w->count++];
    *item = (pending){.entry = *entry, .data = data};
    item->entry.path = path;
    return WELD_OK;
}

weld_status weld_store_put(weld_store_writer *w, const char *path, weld_store_type type,
                           const weld_shape *shape, const void *data, weld_error *err) {
    weld_store_entry entry = {.path = path, .type = type, .shape = *shape};
    if (type == WELD_STORE_TEXT || !weld_store_shape_bytes(type, shape, &entry.bytes)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: not a tensor that a file can hold", path);
    }
    return put(w, &entry, data, err);
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
    weld_store_entry entry = {.path = path, .type = WELD_STORE_TEXT, .bytes = strlen(text) + 1};
    return put(w, &entry, text, err);
}

/* --- HDF5, all with the lock held. --- */

/* Property lists that all datasets share, and the file. */
typedef struct image {
    hid_t file, link_properties, dataset_properties;
} image;

static hid_t create_file(size_t expected_bytes) {
    hid_t file = H5I_INVALID_HID;
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
    /* In memory and never written by HDF5 itself, which does not survive a full disk. */
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

static bool write_item(const image *m, const pending *item) {
    const weld_store_entry *e = &item->entry;
    hsize_t dims[WELD_MAX_DIMS];
    for (int i = 0; i < e->shape.rank; i++) {
        dims[i] = (hsize_t)e->shape.dim[i];
    }
    bool done = false;
    hid_t type = weld_store_hdf5_type(e->type, e->bytes);
    hid_t space =
        e->shape.rank ? H5Screate_simple(e->shape.rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t set = H5Dcreate2(m->file, e->path, type, space, m->link_properties, m->dataset_properties,
                           H5P_DEFAULT);
    if (set >= 0) {
        done = H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, item->data) >= 0;
        done = H5Dclose(set) >= 0 && done;
    }
    H5Sclose(space);
    H5Tclose(type);
    return done;
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

weld_status weld_store_commit(weld_store_writer *w, const char *file, weld_error *err) {
    size_t expected = 65536;
    for (size_t i = 0; i < w->count; i++) {
        expected += w->items[i].entry.bytes + 1024; /* and what HDF5 says about it */
    }
    image m;
    weld_status status = WELD_OK;
    weld_hdf5_lock();
    bool good = image_open(&m, expected);
    for (size_t i = 0; good && i < w->count; i++) {
        if (!write_item(&m, &w->items[i])) {
            status = weld_fail(err, WELD_ERROR_ARGUMENT,
                               "%s: cannot make %s: out of memory, or the name is taken", file,
                               w->items[i].entry.path);
            good = false;
        }
    }
    unsigned char *bytes;
    size_t size;
    if (good && image_bytes(&m, &bytes, &size)) {
        weld_hdf5_unlock(); /* the bytes stay while others work, which may take as long as a disk */
        weld_store_header_encode(bytes, size, w->kind);
        status = weld_file_write(file, bytes, size, err);
        weld_hdf5_lock();
    } else if (status == WELD_OK) {
        status =
            weld_fail(err, WELD_ERROR_MEMORY, "%s: out of memory while building the file", file);
    }
    image_close(&m);
    weld_hdf5_unlock();
    return status;
}
