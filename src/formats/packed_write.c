/* Writing packed data sets; see packed.h.
 *
 * How image bytes of unknown total size get into one contiguous dataset without passing through
 * memory or a second file: they are written by plain writes to the place where HDF5 will put the
 * dataset, and the dataset is created over them at the end, allocated but never filled. Where that
 * place is, HDF5 is asked at the beginning, on a trial file: with an alignment set, it is the first
 * aligned address behind the file's few bytes of structure, whatever the size. */
#define _GNU_SOURCE
#include "formats/packed.h"

#include <errno.h>
#include <hdf5.h>
#include <libdeflate.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/hdf5_lock.h"
#include "formats/packed_header.h"

enum {
    IMAGES_ALIGNMENT = 64 << 10, /* and the least size of /images, so that alignment applies */
    STRUCTURE_RESERVE = 1 << 20  /* more than all of HDF5's own headers */
};

struct weld_packed_writer {
    char *path;
    weld_replacement *file;
    const char *temporary; /* its name and descriptor until it is in place */
    int fd;
    bool failed;
    weld_packed_layout layout;
    int class_count;
    uint64_t images_offset, images_size;
    bool has_boxes, shape_areas;
    weld_array tables[WELD_PACKED_ALL_TABLES];
    weld_packed_extent extents[WELD_PACKED_ALL_TABLES]; /* known when they are written */
};

static const struct {
    const char *name;
    size_t element;
} tables[WELD_PACKED_ALL_TABLES] = {
    [WELD_PACKED_OFFSETS] = {"offsets", sizeof(uint64_t)},
    [WELD_PACKED_LABELS] = {"labels", sizeof(int32_t)},
    [WELD_PACKED_CRC32] = {"crc32", sizeof(uint32_t)},
    [WELD_PACKED_NAMES] = {"names", 1},
    [WELD_PACKED_NAME_OFFSETS] = {"name_offsets", sizeof(uint64_t)},
    [WELD_PACKED_CLASS_NAMES] = {"class_names", 1},
    [WELD_PACKED_CLASS_NAME_OFFSETS] = {"class_name_offsets", sizeof(uint64_t)},
    [WELD_PACKED_BOXES] = {"boxes", sizeof(double)},
    [WELD_PACKED_BOX_OFFSETS] = {"box_offsets", sizeof(uint64_t)},
    [WELD_PACKED_SAMPLES] = {"samples", sizeof(int64_t)},
    [WELD_PACKED_CATEGORIES] = {"categories", sizeof(int64_t)}};

static int table_count(const weld_packed_writer *w) {
    return w->has_boxes ? WELD_PACKED_ALL_TABLES : WELD_PACKED_TABLE_COUNT;
}

static bool append_u64(weld_packed_writer *w, weld_packed_table table, uint64_t value) {
    return weld_array_append(&w->tables[table], &value, 1);
}

static bool append_name(weld_packed_writer *w, weld_packed_table names, weld_packed_table offsets,
                        const char *name) {
    weld_array *blob = &w->tables[names];
    return weld_array_append_text(blob, name) && append_u64(w, offsets, blob->count);
}

static weld_status write_at(const weld_packed_writer *w, const void *bytes, size_t size,
                            uint64_t offset, weld_error *err) {
    int code = weld_file_put(w->fd, bytes, size, offset);
    return code ? weld_file_fail(err, w->path, "write", code) : WELD_OK;
}

/* --- HDF5; every function below is called with HDF5 locked. ------------------------------------
 */

static bool create_file(const char *path) {
    hid_t plan = H5Pcreate(H5P_FILE_CREATE);
    bool ok = plan >= 0 && H5Pset_userblock(plan, WELD_PACKED_HEADER_SIZE) >= 0;
    hid_t file = ok ? H5Fcreate(path, H5F_ACC_TRUNC, plan, H5P_DEFAULT) : H5I_INVALID_HID;
    ok = file >= 0 && H5Fclose(file) >= 0;
    if (plan >= 0) {
        H5Pclose(plan);
    }
    return ok;
}

static hid_t open_aligned(const char *path) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    hid_t file = H5I_INVALID_HID;
    if (access >= 0) {
        if (H5Pset_alignment(access, IMAGES_ALIGNMENT, IMAGES_ALIGNMENT) >= 0) {
            file = H5Fopen(path, H5F_ACC_RDWR, access);
        }
        H5Pclose(access);
    }
    return file;
}

/* Allocate /images without writing to it. *offset: where it lies. */
static bool create_images(hid_t file, uint64_t bytes, uint64_t *offset) {
    hsize_t length = bytes;
    hid_t plan = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &length, NULL);
    hid_t set = H5I_INVALID_HID;
    if (plan >= 0 && space >= 0 && H5Pset_layout(plan, H5D_CONTIGUOUS) >= 0 &&
        H5Pset_alloc_time(plan, H5D_ALLOC_TIME_EARLY) >= 0 &&
        H5Pset_fill_time(plan, H5D_FILL_TIME_NEVER) >= 0 &&
        H5Pset_obj_track_times(plan, false) >= 0) {
        set = H5Dcreate2(file, "images", H5T_STD_U8LE, space, H5P_DEFAULT, plan, H5P_DEFAULT);
    }
    haddr_t at = set >= 0 ? H5Dget_offset(set) : HADDR_UNDEF;
    *offset = at;
    if (set >= 0) {
        H5Dclose(set);
    }
    H5Sclose(space);
    H5Pclose(plan);
    return at != HADDR_UNDEF;
}

/* Where /images will lie in a file made the way finish makes it. */
static bool find_images_offset(const char *path, uint64_t *offset) {
    hid_t file = create_file(path) ? open_aligned(path) : H5I_INVALID_HID;
    bool ok = file >= 0 && create_images(file, IMAGES_ALIGNMENT, offset);
    ok = file >= 0 && H5Fclose(file) >= 0 && ok;
    return ok && create_file(path);
}

/* The type of a table's elements. */
static hid_t hdf5_type(weld_packed_table table) {
    return table == WELD_PACKED_LABELS                                       ? H5T_STD_I32LE
           : table == WELD_PACKED_BOXES                                      ? H5T_IEEE_F64LE
           : table == WELD_PACKED_SAMPLES || table == WELD_PACKED_CATEGORIES ? H5T_STD_I64LE
           : tables[table].element == 1                                      ? H5T_STD_U8LE
           : tables[table].element == 4                                      ? H5T_STD_U32LE
                                                                             : H5T_STD_U64LE;
}

static bool write_table(hid_t file, weld_packed_writer *w, weld_packed_table table) {
    const weld_array *t = &w->tables[table];
    hsize_t length = t->count;
    hid_t type = hdf5_type(table);
    hid_t plan = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &length, NULL);
    hid_t set = H5I_INVALID_HID;
    /* Without times: the same images make the same file. */
    if (plan >= 0 && space >= 0 && H5Pset_obj_track_times(plan, false) >= 0) {
        set = H5Dcreate2(file, tables[table].name, type, space, H5P_DEFAULT, plan, H5P_DEFAULT);
    }
    bool ok = set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, t->data) >= 0;
    if (set >= 0) {
        haddr_t at = ok ? H5Dget_offset(set) : HADDR_UNDEF;
        w->extents[table] = (weld_packed_extent){at, t->count * t->element};
        ok = at != HADDR_UNDEF;
        ok = H5Dclose(set) >= 0 && ok;
    }
    H5Sclose(space);
    H5Pclose(plan);
    return ok;
}

static bool write_attribute(hid_t file, const char *name, int value) {
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(file, name, H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = attribute >= 0 && H5Awrite(attribute, H5T_NATIVE_INT, &value) >= 0;
    if (attribute >= 0) {
        H5Aclose(attribute);
    }
    H5Sclose(space);
    return ok;
}

static bool write_hdf5(weld_packed_writer *w) {
    uint64_t at = 0;
    hid_t file = open_aligned(w->temporary);
    bool ok = file >= 0 && create_images(file, w->images_size, &at) && at == w->images_offset &&
              write_attribute(file, "version",
                              w->has_boxes ? WELD_PACKED_VERSION_BOXES : WELD_PACKED_VERSION) &&
              write_attribute(file, "height", w->layout.height) &&
              write_attribute(file, "width", w->layout.width) &&
              write_attribute(file, "channels", w->layout.channels) &&
              (!w->layout.scale16 || write_attribute(file, "scale16", w->layout.scale16));
    for (int i = 0; ok && i < table_count(w); i++) {
        ok = write_table(file, w, (weld_packed_table)i);
    }
    return file >= 0 && H5Fclose(file) >= 0 && ok;
}

/* --- The writer --------------------------------------------------------------------------------
 */

/* Claim the room from `offset` on for what HDF5 will write: a full disk is found here, by an error
 * that can be reported, and not inside HDF5, which cannot close a file that it cannot write. */
static weld_status reserve(const weld_packed_writer *w, uint64_t offset, weld_error *err) {
    size_t bytes = STRUCTURE_RESERVE;
    for (int i = 0; i < table_count(w); i++) {
        bytes += w->tables[i].count * tables[i].element;
    }
    int code = weld_file_reserve(w->fd, offset, bytes);
    return code ? weld_file_fail(err, w->path, "write", code) : WELD_OK;
}

static weld_status open_temporary(weld_packed_writer *w, weld_error *err) {
    WELD_TRY(weld_replacement_open(w->path, &w->file, err));
    w->temporary = weld_replacement_temporary(w->file);
    w->fd = weld_replacement_descriptor(w->file);
    WELD_TRY(reserve(w, 0, err));
    weld_hdf5_lock();
    bool ok = find_images_offset(w->temporary, &w->images_offset);
    weld_hdf5_unlock();
    return ok ? WELD_OK
              : weld_fail(err, WELD_ERROR_IO, "%s: cannot write %s as HDF5: is the disk full?",
                          w->path, w->temporary);
}

static weld_status check_arguments(const char *path, weld_packed_layout layout, int class_count,
                                   weld_error *err) {
    bool encoded = layout.height == 0 && layout.width == 0 && layout.channels == 0;
    bool raw =
        layout.height > 0 && layout.width > 0 && (layout.channels == 1 || layout.channels == 3);
    if ((!encoded && !raw) || class_count < 1) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: cannot pack %d classes of images of %d x %d x %d", path, class_count,
                         layout.height, layout.width, layout.channels);
    }
    return WELD_OK;
}

weld_status weld_packed_writer_create(const char *path, weld_packed_layout layout,
                                      const char *const *class_names, int class_count,
                                      weld_packed_writer **out, weld_error *err) {
    WELD_TRY(check_arguments(path, layout, class_count, err));
    weld_packed_writer *w = weld_alloc(1, sizeof *w);
    if (!w) {
        return weld_fail_memory(err, path);
    }
    w->layout = layout;
    w->class_count = class_count;
    for (int i = 0; i < WELD_PACKED_ALL_TABLES; i++) {
        w->tables[i].element = tables[i].element;
    }
    w->path = weld_strdup(path);
    bool ok = w->path && append_u64(w, WELD_PACKED_OFFSETS, 0) &&
              append_u64(w, WELD_PACKED_NAME_OFFSETS, 0) &&
              append_u64(w, WELD_PACKED_CLASS_NAME_OFFSETS, 0);
    for (int i = 0; ok && i < class_count; i++) {
        ok =
            append_name(w, WELD_PACKED_CLASS_NAMES, WELD_PACKED_CLASS_NAME_OFFSETS, class_names[i]);
    }
    weld_status status = ok ? open_temporary(w, err) : weld_fail_memory(err, path);
    if (status) {
        weld_packed_writer_free(w);
        return status;
    }
    *out = w;
    return WELD_OK;
}

void weld_packed_writer_set_scale16(weld_packed_writer *w, int scale16) {
    w->layout.scale16 = scale16;
}

weld_status weld_packed_writer_add(weld_packed_writer *w, const void *bytes, size_t size, int label,
                                   const char *name, weld_error *err) {
    size_t raw = (size_t)w->layout.height * (size_t)w->layout.width * (size_t)w->layout.channels;
    if (label < 0 || label >= w->class_count || (raw && size != raw) || w->failed) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: cannot pack %s: label %d of %d, %zu bytes, or an earlier failure",
                         w->path, name, label, w->class_count, size);
    }
    weld_status status = write_at(w, bytes, size, w->images_offset + w->images_size, err);
    if (!status) {
        int32_t stored_label = label;
        uint32_t crc = libdeflate_crc32(0, bytes, size);
        w->images_size += size;
        if (!append_u64(w, WELD_PACKED_OFFSETS, w->images_size) ||
            !weld_array_append(&w->tables[WELD_PACKED_LABELS], &stored_label, 1) ||
            !weld_array_append(&w->tables[WELD_PACKED_CRC32], &crc, 1) ||
            !append_name(w, WELD_PACKED_NAMES, WELD_PACKED_NAME_OFFSETS, name)) {
            status = weld_fail_memory(err, w->path);
        }
    }
    w->failed = status; /* the tables may now differ in length */
    return status;
}

weld_status weld_packed_writer_have_boxes(weld_packed_writer *w, const int64_t *categories,
                                          bool shape_areas, weld_error *err) {
    w->has_boxes = true;
    w->shape_areas = shape_areas;
    w->failed = !weld_array_append(&w->tables[WELD_PACKED_CATEGORIES], categories,
                                   (size_t)w->class_count) ||
                !append_u64(w, WELD_PACKED_BOX_OFFSETS, 0);
    return w->failed ? weld_fail_memory(err, w->path) : WELD_OK;
}

weld_status weld_packed_writer_add_boxes(weld_packed_writer *w, const double *rows, int64_t count,
                                         const int64_t sample[WELD_PACKED_SAMPLE_NUMBERS],
                                         weld_error *err) {
    weld_array *boxes = &w->tables[WELD_PACKED_BOXES];
    w->failed =
        w->failed || !weld_array_append(boxes, rows, (size_t)count * WELD_PACKED_BOX_NUMBERS) ||
        !append_u64(w, WELD_PACKED_BOX_OFFSETS, boxes->count / WELD_PACKED_BOX_NUMBERS) ||
        !weld_array_append(&w->tables[WELD_PACKED_SAMPLES], sample, WELD_PACKED_SAMPLE_NUMBERS);
    return w->failed ? weld_fail_memory(err, w->path) : WELD_OK;
}

/* A table must have something in it. */
static weld_status fill_boxes(weld_packed_writer *w, weld_error *err) {
    static const double none[WELD_PACKED_BOX_NUMBERS];
    return !w->has_boxes || w->tables[WELD_PACKED_BOXES].count ||
                   weld_array_append(&w->tables[WELD_PACKED_BOXES], none, WELD_PACKED_BOX_NUMBERS)
               ? WELD_OK
               : weld_fail_memory(err, w->path);
}

static weld_status write_header(const weld_packed_writer *w, weld_error *err) {
    struct stat info;
    if (fstat(w->fd, &info) != 0) {
        return weld_file_fail(err, w->path, "write", errno);
    }
    weld_packed_header header = {.file_length = (uint64_t)info.st_size,
                                 .images_offset = w->images_offset,
                                 .images_size = w->images_size,
                                 .count = w->tables[WELD_PACKED_LABELS].count,
                                 .class_count = (uint64_t)w->class_count,
                                 .height = (uint64_t)w->layout.height,
                                 .width = (uint64_t)w->layout.width,
                                 .channels = (uint64_t)w->layout.channels,
                                 .scale16 = (uint64_t)w->layout.scale16};
    header.shape_areas = w->shape_areas;
    for (int i = 0; i < table_count(w); i++) {
        *weld_packed_extent_of(&header, i) = w->extents[i];
    }
    unsigned char block[WELD_PACKED_HEADER_SIZE];
    WELD_TRY(weld_packed_checksum(w->fd, &header, w->temporary, &header.checksum, err));
    weld_packed_header_encode(&header, block);
    return write_at(w, block, sizeof block, 0, err);
}

weld_status weld_packed_writer_finish(weld_packed_writer *w, weld_error *err) {
    if (w->failed || w->tables[WELD_PACKED_LABELS].count == 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: no image could be packed: nothing was written", w->path);
    }
    w->failed = true;
    if (w->images_size < IMAGES_ALIGNMENT) {
        w->images_size = IMAGES_ALIGNMENT;
    }
    WELD_TRY(fill_boxes(w, err));
    WELD_TRY(reserve(w, w->images_offset + w->images_size, err));
    weld_hdf5_lock();
    bool ok = write_hdf5(w);
    weld_hdf5_unlock();
    if (!ok) {
        return weld_fail(err, WELD_ERROR_IO,
                         "%s: HDF5 could not write its tables: is the disk full?", w->path);
    }
    WELD_TRY(write_header(w, err));
    weld_replacement *file = w->file;
    w->file = NULL;
    return weld_replacement_commit(file, err);
}

void weld_packed_writer_free(weld_packed_writer *w) {
    if (!w) {
        return;
    }
    weld_replacement_discard(w->file);
    for (int i = 0; i < WELD_PACKED_ALL_TABLES; i++) {
        weld_array_free(&w->tables[i]);
    }
    weld_free(w->path);
    weld_free(w);
}
