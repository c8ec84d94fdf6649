/* Reading packed data sets; see packed.h. */
#include "formats/packed.h"

#include <hdf5.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/hdf5_lock.h"
#include "formats/packed_header.h"

struct weld_packed {
    int fd;
    char *path;
    weld_packed_header header;
    weld_packed_layout layout;
    int64_t count;
    int class_count;
    uint64_t *offsets; /* count + 1, relative to /images */
    int32_t *labels;
    uint32_t *crc;
    char *names, *class_names;
    uint64_t *name_offsets, *class_name_offsets;
};

bool weld_packed_is(const char *path) {
    unsigned char block[WELD_PACKED_HEADER_SIZE];
    weld_packed_header header;
    uint64_t size;
    int fd;
    if (weld_file_open(path, &fd, &size, NULL) != WELD_OK) {
        return false;
    }
    bool is = weld_file_read_at(fd, path, block, sizeof block, 0, NULL) == WELD_OK &&
              weld_packed_header_decode(block, path, &header, NULL) == WELD_OK;
    close(fd);
    return is;
}

static weld_status damaged(const weld_packed *p, const char *what, weld_error *err) {
    return weld_fail(err, WELD_ERROR_FORMAT, "%s: damaged: %s: pack it again", p->path, what);
}

/* Length, extents and checksum, before HDF5 sees a byte of the file. */
static weld_status check_file(weld_packed *p, weld_error *err) {
    unsigned char block[WELD_PACKED_HEADER_SIZE];
    uint64_t length;
    weld_status status = weld_file_open(p->path, &p->fd, &length, err);
    if (!status && length < sizeof block) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: not a packed data set: make one with weld pack", p->path);
    }
    if (!status) {
        status = weld_file_read_at(p->fd, p->path, block, sizeof block, 0, err);
    }
    if (!status) {
        status = weld_packed_header_decode(block, p->path, &p->header, err);
    }
    if (status) {
        return status;
    }
    const weld_packed_header *h = &p->header;
    if (length != h->file_length) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: %s: has %llu bytes where %llu were written: copy or pack it again",
                         p->path, length < h->file_length ? "cut" : "damaged",
                         (unsigned long long)length, (unsigned long long)h->file_length);
    }
    if (h->images_offset < WELD_PACKED_HEADER_SIZE || h->images_offset > length ||
        h->images_size > length - h->images_offset || h->count > length / sizeof(uint64_t)) {
        return damaged(p, "impossible lengths in its header", err);
    }
    uint64_t checksum;
    status = weld_packed_checksum(p->fd, h, p->path, &checksum, err);
    if (!status && checksum != h->checksum) {
        status = damaged(p, "checksum of its tables is wrong", err);
    }
    return status;
}

/* A whole one-dimensional dataset of integers into new memory. expected < 0: any length, which is
 * stored in *count. HDF5 must be locked. */
static weld_status read_table(const weld_packed *p, hid_t file, const char *name, hid_t type,
                              int64_t expected, void **out, int64_t *count, weld_error *err) {
    weld_status status = WELD_OK;
    hid_t space = H5I_INVALID_HID, stored = H5I_INVALID_HID;
    hsize_t length = 0;
    size_t element = H5Tget_size(type);
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set >= 0) {
        space = H5Dget_space(set);
        stored = H5Dget_type(set);
    }
    if (set < 0 || space < 0 || stored < 0 || H5Sget_simple_extent_ndims(space) != 1 ||
        H5Sget_simple_extent_dims(space, &length, NULL) != 1 ||
        H5Tget_class(stored) != H5T_INTEGER || H5Tget_size(stored) != element ||
        length > p->header.file_length / element ||
        (expected >= 0 && length != (hsize_t)expected)) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: %s is missing or not as expected: pack it again", p->path, name);
        goto done;
    }
    *out = weld_alloc_raw(length, element);
    if (!*out) {
        status = weld_fail_memory(err, p->path);
    } else if (H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *out) < 0) {
        status =
            weld_fail(err, WELD_ERROR_FORMAT, "%s: cannot read %s: pack it again", p->path, name);
    }
    if (count) {
        *count = (int64_t)length;
    }
done:
    if (stored >= 0) {
        H5Tclose(stored);
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    if (set >= 0) {
        H5Dclose(set);
    }
    return status;
}

static bool read_attribute(hid_t file, const char *name, int *out) {
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
    bool ok = false;
    if (attribute >= 0) {
        hid_t space = H5Aget_space(attribute), type = H5Aget_type(attribute);
        ok = space >= 0 && type >= 0 && H5Sget_simple_extent_npoints(space) == 1 &&
             H5Tget_class(type) == H5T_INTEGER && H5Aread(attribute, H5T_NATIVE_INT, out) >= 0;
        H5Tclose(type);
        H5Sclose(space);
        H5Aclose(attribute);
    }
    return ok;
}

static weld_status read_attributes(weld_packed *p, hid_t file, weld_error *err) {
    int version;
    weld_packed_layout *l = &p->layout;
    if (!read_attribute(file, "version", &version) || !read_attribute(file, "height", &l->height) ||
        !read_attribute(file, "width", &l->width) ||
        !read_attribute(file, "channels", &l->channels)) {
        return damaged(p, "attributes are missing", err);
    }
    if (version != WELD_PACKED_VERSION) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: version %d of the format, this program knows %d: pack it again",
                         p->path, version, WELD_PACKED_VERSION);
    }
    bool encoded = l->height == 0 && l->width == 0 && l->channels == 0;
    bool raw = l->height > 0 && l->height <= WELD_PACKED_MAX_SIDE && l->width > 0 &&
               l->width <= WELD_PACKED_MAX_SIDE && (l->channels == 1 || l->channels == 3);
    return encoded || raw ? WELD_OK : damaged(p, "impossible image size", err);
}

static weld_status read_tables(weld_packed *p, hid_t file, weld_error *err) {
    int64_t n = (int64_t)p->header.count, classes = 0;
    struct {
        const char *name;
        hid_t type;
        int64_t expected;
        void **out;
        int64_t *count;
    } tables[] = {
        {"offsets", H5T_NATIVE_UINT64, n + 1, (void **)&p->offsets, NULL},
        {"labels", H5T_NATIVE_INT32, n, (void **)&p->labels, NULL},
        {"crc32", H5T_NATIVE_UINT32, n, (void **)&p->crc, NULL},
        {"name_offsets", H5T_NATIVE_UINT64, n + 1, (void **)&p->name_offsets, NULL},
        {"class_name_offsets", H5T_NATIVE_UINT64, -1, (void **)&p->class_name_offsets, &classes},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        weld_status status = read_table(p, file, tables[i].name, tables[i].type, tables[i].expected,
                                        tables[i].out, tables[i].count, err);
        if (status) {
            return status;
        }
    }
    if (classes < 2 || classes - 1 > INT32_MAX || p->name_offsets[n] > INT64_MAX ||
        p->class_name_offsets[classes - 1] > INT64_MAX) {
        return damaged(p, "impossible number of classes or length of names", err);
    }
    p->count = n;
    p->class_count = (int)(classes - 1);
    weld_status status = read_table(p, file, "names", H5T_NATIVE_UINT8, (int64_t)p->name_offsets[n],
                                    (void **)&p->names, NULL, err);
    return status ? status
                  : read_table(p, file, "class_names", H5T_NATIVE_UINT8,
                               (int64_t)p->class_name_offsets[p->class_count],
                               (void **)&p->class_names, NULL, err);
}

/* The image bytes must lie where the header says: that is where they will be read. */
static weld_status check_images(const weld_packed *p, hid_t file, weld_error *err) {
    hid_t set = H5Dopen2(file, "images", H5P_DEFAULT);
    bool ok = set >= 0 && H5Dget_offset(set) == p->header.images_offset &&
              H5Dget_storage_size(set) == p->header.images_size;
    if (set >= 0) {
        H5Dclose(set);
    }
    return ok ? WELD_OK : damaged(p, "images are not where its header says", err);
}

static weld_status read_hdf5(weld_packed *p, weld_error *err) {
    weld_status status;
    weld_hdf5_lock();
    hid_t file = H5Fopen(p->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) {
        status = damaged(p, "not readable as HDF5", err);
    } else {
        status = read_attributes(p, file, err);
        if (!status) {
            status = read_tables(p, file, err);
        }
        if (!status) {
            status = check_images(p, file, err);
        }
        H5Fclose(file);
    }
    weld_hdf5_unlock();
    return status;
}

/* Texts ended by zero bytes, at non-decreasing offsets inside a blob of offsets[count] bytes. */
static bool names_are_sound(const char *blob, const uint64_t *offsets, int64_t count) {
    if (offsets[0] != 0) {
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        if (offsets[i] >= offsets[i + 1] || offsets[i + 1] > offsets[count] ||
            blob[offsets[i + 1] - 1] != 0) {
            return false;
        }
    }
    return true;
}

static weld_status check_tables(const weld_packed *p, weld_error *err) {
    if (!names_are_sound(p->names, p->name_offsets, p->count) ||
        !names_are_sound(p->class_names, p->class_name_offsets, p->class_count)) {
        return damaged(p, "its names overlap or do not end", err);
    }
    uint64_t raw =
        (uint64_t)p->layout.height * (uint64_t)p->layout.width * (uint64_t)p->layout.channels;
    if (p->offsets[0] != 0 || p->offsets[p->count] > p->header.images_size) {
        return damaged(p, "its images do not fit their table", err);
    }
    for (int64_t i = 0; i < p->count; i++) {
        if (p->offsets[i] > p->offsets[i + 1] ||
            (raw && p->offsets[i + 1] - p->offsets[i] != raw) || p->labels[i] < 0 ||
            p->labels[i] >= p->class_count) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: damaged: offset or label of sample %lld: pack it again", p->path,
                             (long long)i);
        }
    }
    return WELD_OK;
}

weld_status weld_packed_open(const char *path, weld_packed **out, weld_error *err) {
    weld_packed *p = weld_alloc(1, sizeof *p);
    if (!p) {
        return weld_fail_memory(err, path);
    }
    p->fd = -1;
    p->path = weld_strdup(path);
    weld_status status = p->path ? check_file(p, err) : weld_fail_memory(err, path);
    if (!status) {
        status = read_hdf5(p, err);
    }
    if (!status) {
        status = check_tables(p, err);
    }
    if (status) {
        weld_packed_close(p);
        return status;
    }
    *out = p;
    return WELD_OK;
}

void weld_packed_close(weld_packed *p) {
    if (p) {
        if (p->fd >= 0) {
            close(p->fd);
        }
        weld_free(p->path);
        weld_free(p->offsets);
        weld_free(p->labels);
        weld_free(p->crc);
        weld_free(p->names);
        weld_free(p->class_names);
        weld_free(p->name_offsets);
        weld_free(p->class_name_offsets);
        weld_free(p);
    }
}

weld_packed_layout weld_packed_get_layout(const weld_packed *p) {
    return p->layout;
}

int64_t weld_packed_count(const weld_packed *p) {
    return p->count;
}

int weld_packed_class_count(const weld_packed *p) {
    return p->class_count;
}

const char *weld_packed_class_name(const weld_packed *p, int i) {
    return p->class_names + p->class_name_offsets[i];
}

const char *weld_packed_name(const weld_packed *p, int64_t i) {
    return p->names + p->name_offsets[i];
}

int weld_packed_label(const weld_packed *p, int64_t i) {
    return p->labels[i];
}

size_t weld_packed_size(const weld_packed *p, int64_t i) {
    return (size_t)(p->offsets[i + 1] - p->offsets[i]);
}

weld_status weld_packed_read(const weld_packed *p, int64_t i, void *buffer, weld_error *err) {
    size_t size = weld_packed_size(p, i);
    weld_status status = weld_file_read_at(p->fd, p->path, buffer, size,
                                           p->header.images_offset + p->offsets[i], err);
    if (!status && crc32_z(0, buffer, size) != p->crc[i]) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: sample %lld (%s) is damaged: its checksum is wrong: pack it again",
                           p->path, (long long)i, weld_packed_name(p, i));
    }
    return status;
}
