/* Reading stores; see store.h. */
#include "formats/store.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/file_kind.h"
#include "formats/hdf5_lock.h"
#include "formats/store_header.h"

enum { MAX_DEPTH = 16 };

struct weld_store {
    char kind[WELD_STORE_KIND_SIZE];
    char *file_name;
    unsigned char *bytes; /* the whole file */
    size_t size;
    hid_t file;
    weld_store_entry *entries; /* paths are owned */
    size_t count, capacity;
};

/* --- The file's bytes as HDF5's image of it, without copies ------------------------------------
 * HDF5 asks for memory for an image and copies it there, twice; answering with the memory that
 * holds the bytes already spares both. The file is opened for reading only, so none is changed. */

static void *image_malloc(size_t size, H5FD_file_image_op_t operation, void *store) {
    (void)operation;
    weld_store *s = store;
    return size == s->size ? s->bytes : NULL;
}

static void *image_memcpy(void *to, const void *from, size_t size, H5FD_file_image_op_t operation,
                          void *store) {
    (void)operation;
    weld_store *s = store;
    return to == s->bytes && from == s->bytes && size == s->size ? to : NULL;
}

static herr_t image_free(void *memory, H5FD_file_image_op_t operation, void *store) {
    (void)memory;
    (void)operation;
    (void)store;
    return 0;
}

static void *image_share(void *store) {
    return store;
}

static herr_t image_unshare(void *store) {
    (void)store;
    return 0;
}

static hid_t open_image(weld_store *s) {
    H5FD_file_image_callbacks_t callbacks = {.image_malloc = image_malloc,
                                             .image_memcpy = image_memcpy,
                                             .image_free = image_free,
                                             .udata_copy = image_share,
                                             .udata_free = image_unshare,
                                             .udata = s};
    hid_t file = H5I_INVALID_HID;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0 && H5Pset_fapl_core(access, 65536, 0) >= 0 &&
        H5Pset_file_image_callbacks(access, &callbacks) >= 0 &&
        H5Pset_file_image(access, s->bytes, s->size) >= 0) {
        file = H5Fopen("weld-store", H5F_ACC_RDONLY, access);
    }
    H5Pclose(access);
    return file;
}

/* --- Listing what is there. --- */

typedef struct listing {
    weld_store *store;
    weld_error *err;
    weld_status status;
    size_t visits, total_bytes;
    int depth;
    char path[WELD_STORE_MAX_PATH];
    size_t length;
} listing;

static herr_t refuse(listing *l, const char *reason) {
    l->status = weld_fail(l->err, WELD_ERROR_FORMAT, "%s: %s: %s: the file was not made by weld",
                          l->store->file_name, l->length ? l->path : "/", reason);
    return -1;
}

static bool read_type(hid_t set, weld_store_type *type, size_t *text_bytes) {
    hid_t found = H5Dget_type(set);
    bool known = false;
    *text_bytes = 0;
    for (int t = WELD_STORE_F32; !known && t <= WELD_STORE_U8; t++) {
        hid_t candidate = weld_store_hdf5_type((weld_store_type)t, 1);
        known = H5Tequal(found, candidate) > 0;
        *type = (weld_store_type)t;
        H5Tclose(candidate);
    }
    if (!known && H5Tget_class(found) == H5T_STRING && H5Tis_variable_str(found) == 0) {
        *type = WELD_STORE_TEXT;
        *text_bytes = H5Tget_size(found);
        known = *text_bytes > 0;
    }
    H5Tclose(found);
    return known;
}

static bool read_shape(hid_t set, weld_shape *shape) {
    hid_t space = H5Dget_space(set);
    H5S_class_t kind = H5Sget_simple_extent_type(space);
    int rank = H5Sget_simple_extent_ndims(space);
    hsize_t dims[WELD_MAX_DIMS] = {0};
    bool good = (kind == H5S_SCALAR || kind == H5S_SIMPLE) && rank >= 0 && rank <= WELD_MAX_DIMS &&
                H5Sget_simple_extent_dims(space, dims, NULL) == rank;
    *shape = (weld_shape){.rank = good ? rank : 0};
    for (int i = 0; good && i < rank; i++) {
        good = dims[i] <= INT64_MAX;
        shape->dim[i] = (int64_t)dims[i];
    }
    H5Sclose(space);
    return good;
}

/* Plain bytes in this file: no filters (which may load plug-ins), no other files. */
static bool is_plain(hid_t set) {
    hid_t properties = H5Dget_create_plist(set);
    bool plain = H5Pget_layout(properties) == H5D_CONTIGUOUS && H5Pget_nfilters(properties) == 0 &&
                 H5Pget_external_count(properties) == 0;
    H5Pclose(properties);
    return plain;
}

static herr_t add_dataset(listing *l, hid_t set) {
    weld_store *s = l->store;
    weld_store_entry e = {.path = NULL};
    size_t text_bytes;
    if (!is_plain(set)) {
        return refuse(l, "not stored as plain bytes");
    }
    if (!read_type(set, &e.type, &text_bytes)) {
        return refuse(l, "of a type that is not supported");
    }
    if (!read_shape(set, &e.shape) || !weld_store_shape_bytes(e.type, &e.shape, &e.bytes) ||
        (e.type == WELD_STORE_TEXT && e.shape.rank > 0)) {
        return refuse(l, "of a shape that is not supported");
    }
    e.bytes = text_bytes ? text_bytes : e.bytes;
    if (e.bytes > s->size - l->total_bytes || H5Dget_storage_size(set) != e.bytes) {
        return refuse(l, "larger than the file");
    }
    l->total_bytes += e.bytes;
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 64;
        weld_store_entry *grown = weld_grow(s->entries, s->count, capacity, sizeof *grown);
        if (!grown) {
            l->status = weld_fail_memory(l->err, s->file_name);
            return -1;
        }
        s->entries = grown;
        s->capacity = capacity;
    }
    e.path = weld_strdup(l->path);
    if (!e.path) {
        l->status = weld_fail_memory(l->err, s->file_name);
        return -1;
    }
    s->entries[s->count++] = e;
    return 0;
}

static herr_t list_link(hid_t group, const char *name, const H5L_info_t *info, void *arg);

static herr_t list_object(listing *l, hid_t object) {
    switch (H5Iget_type(object)) {
    case H5I_DATASET:
        return add_dataset(l, object);
    case H5I_GROUP:
        if (l->depth >= MAX_DEPTH) {
            return refuse(l, "groups within groups without end");
        }
        l->depth++;
        herr_t result = H5Literate(object, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, list_link, l);
        l->depth--;
        if (result < 0 && l->status == WELD_OK) {
            return refuse(l, "a group that HDF5 cannot list");
        }
        return result;
    default:
        return refuse(l, "neither a group nor a dataset");
    }
}

static herr_t list_link(hid_t group, const char *name, const H5L_info_t *info, void *arg) {
    listing *l = arg;
    size_t before = l->length, length = strlen(name);
    if (++l->visits > WELD_STORE_MAX_ENTRIES) {
        return refuse(l, "more entries than a file may have");
    }
    /* Soft links may run in circles and external ones lead to other files. */
    if (info->type != H5L_TYPE_HARD || before + length + 2 > sizeof l->path) {
        return refuse(l, "a link, or a name too long");
    }
    if (before) {
        l->path[l->length++] = '/';
    }
    memcpy(l->path + l->length, name, length + 1);
    l->length += length;
    hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    herr_t result = object >= 0 ? list_object(l, object) : refuse(l, "HDF5 cannot open it");
    H5Oclose(object);
    l->length = before;
    l->path[before] = '\0';
    return result;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const weld_store_entry *)a)->path, ((const weld_store_entry *)b)->path);
}

static weld_status list_all(weld_store *s, weld_error *err) {
    listing l = {.store = s, .err = err};
    weld_hdf5_lock();
    s->file = open_image(s);
    hid_t root = s->file >= 0 ? H5Gopen2(s->file, "/", H5P_DEFAULT) : H5I_INVALID_HID;
    herr_t result = root >= 0 ? list_object(&l, root) : refuse(&l, "HDF5 cannot open it");
    H5Gclose(root);
    weld_hdf5_unlock();
    if (result < 0) {
        return l.status;
    }
    if (s->count) {
        qsort(s->entries, s->count, sizeof *s->entries, by_path);
    }
    return WELD_OK;
}

/* --- The interface. --- */

static weld_status load(weld_store *s, const char *file, weld_error *err) {
    int descriptor;
    uint64_t size;
    weld_status status = weld_file_open(file, &descriptor, &size, err);
    if (status != WELD_OK) {
        return status;
    }
    unsigned char block[WELD_STORE_HEADER_SIZE] = {0};
    size_t header = size < sizeof block ? (size_t)size : sizeof block;
    status = weld_file_read_at(descriptor, file, block, header, 0, err);
    if (status == WELD_OK) {
        status = weld_store_header_check(block, size, file, s->kind, err);
    }
    if (status == WELD_OK && size <= sizeof block) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: expected more than %zu bytes, found %llu",
                           file, sizeof block, (unsigned long long)size);
    }
    if (status == WELD_OK) {
        s->size = (size_t)size;
        s->bytes = weld_alloc_raw(s->size, 1);
        status = s->bytes ? weld_file_read_at(descriptor, file, s->bytes, s->size, 0, err)
                          : weld_fail_memory(err, file);
    }
    close(descriptor);
    return status == WELD_OK ? weld_store_checksum_check(s->bytes, s->size, file, err) : status;
}

weld_status weld_store_open(const char *file, weld_store **out, weld_error *err) {
    weld_store *s = weld_alloc(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, file);
    }
    s->file = H5I_INVALID_HID;
    s->file_name = weld_strdup(file);
    weld_status status = s->file_name ? load(s, file, err) : weld_fail_memory(err, file);
    if (status == WELD_OK) {
        status = list_all(s, err);
    }
    if (status != WELD_OK) {
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
    if (s->file >= 0) {
        weld_hdf5_lock();
        H5Fclose(s->file);
        weld_hdf5_unlock();
    }
    for (size_t i = 0; i < s->count; i++) {
        weld_free((char *)s->entries[i].path);
    }
    weld_free(s->entries);
    weld_free(s->bytes);
    weld_free(s->file_name);
    weld_free(s);
}

const char *weld_store_kind(const weld_store *s) {
    return s->kind;
}

const char *weld_store_file(const weld_store *s) {
    return s->file_name;
}

size_t weld_store_count(const weld_store *s) {
    return s->count;
}

const weld_store_entry *weld_store_entry_at(const weld_store *s, size_t i) {
    return i < s->count ? &s->entries[i] : NULL;
}

const weld_store_entry *weld_store_find(const weld_store *s, const char *path) {
    weld_store_entry key = {.path = path};
    return s->count ? bsearch(&key, s->entries, s->count, sizeof key, by_path) : NULL;
}

static weld_status read_entry(weld_store *s, const weld_store_entry *e, void *data,
                              weld_error *err) {
    weld_hdf5_lock();
    hid_t set = H5Dopen2(s->file, e->path, H5P_DEFAULT);
    hid_t type = weld_store_hdf5_type(e->type, e->bytes);
    bool good =
        set >= 0 && type >= 0 && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    H5Tclose(type);
    H5Dclose(set);
    weld_hdf5_unlock();
    return good ? WELD_OK
                : weld_fail(err, WELD_ERROR_FORMAT, "%s: %s: HDF5 cannot read it", s->file_name,
                            e->path);
}

weld_status weld_store_read(weld_store *s, const char *path, weld_store_type type,
                            const weld_shape *shape, void *data, weld_error *err) {
    const weld_store_entry *e = weld_store_find(s, path);
    if (!e) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s: no %s in it", s->file_name, path);
    }
    if (e->type != type || type == WELD_STORE_TEXT) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: %s: of another type than expected",
                         s->file_name, path);
    }
    if (!weld_shape_equal(&e->shape, shape)) {
        char found[128], expected[128];
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: %s: expected shape %s, found %s",
                         s->file_name, path, weld_shape_text(shape, expected, sizeof expected),
                         weld_shape_text(&e->shape, found, sizeof found));
    }
    return read_entry(s, e, data, err);
}

weld_status weld_store_read_text(weld_store *s, const char *path, char **out, weld_error *err) {
    const weld_store_entry *e = weld_store_find(s, path);
    if (!e || e->type != WELD_STORE_TEXT) {
        return weld_fail(err, e ? WELD_ERROR_FORMAT : WELD_ERROR_NOT_FOUND, "%s: no text %s in it",
                         s->file_name, path);
    }
    char *text = weld_alloc(e->bytes, 1);
    if (!text) {
        return weld_fail_memory(err, path);
    }
    weld_status status = read_entry(s, e, text, err);
    if (status == WELD_OK && memchr(text, '\0', e->bytes) != text + e->bytes - 1) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: %s: not ended by a zero byte", s->file_name,
                           path);
    }
    if (status != WELD_OK) {
        weld_free(text);
        return status;
    }
    *out = text;
    return WELD_OK;
}
