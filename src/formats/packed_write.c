/* Writing packed data sets; see packed.h.
 *
 * Image bytes, of unknown total size, go to their place behind the superblock as they come, and
 * what is known at the end behind them: the tables, and the structure that makes an HDF5 file of it
 * all.
 */
#include "formats/packed.h"

#include <libdeflate.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/hdf5_structure.h"
#include "formats/packed_header.h"

enum { IMAGES_AT = 4096 }; /* behind user block and superblock */

struct weld_packed_writer {
    char *path;
    weld_replacement *file;
    bool failed;
    weld_packed_layout layout;
    int class_count;
    uint64_t images_size;
    bool has_boxes, shape_areas;
    weld_array tables[WELD_PACKED_ALL_TABLES];
    weld_packed_extent extents[WELD_PACKED_ALL_TABLES]; /* known when they are written */
};

static const struct {
    const char *name;
    weld_hdf5_type type;
    size_t element;
} tables[WELD_PACKED_ALL_TABLES] = {
    [WELD_PACKED_OFFSETS] = {"offsets", WELD_HDF5_U64, sizeof(uint64_t)},
    [WELD_PACKED_LABELS] = {"labels", WELD_HDF5_I32, sizeof(int32_t)},
    [WELD_PACKED_CRC32] = {"crc32", WELD_HDF5_U32, sizeof(uint32_t)},
    [WELD_PACKED_NAMES] = {"names", WELD_HDF5_U8, 1},
    [WELD_PACKED_NAME_OFFSETS] = {"name_offsets", WELD_HDF5_U64, sizeof(uint64_t)},
    [WELD_PACKED_CLASS_NAMES] = {"class_names", WELD_HDF5_U8, 1},
    [WELD_PACKED_CLASS_NAME_OFFSETS] = {"class_name_offsets", WELD_HDF5_U64, sizeof(uint64_t)},
    [WELD_PACKED_BOXES] = {"boxes", WELD_HDF5_F64, sizeof(double)},
    [WELD_PACKED_BOX_OFFSETS] = {"box_offsets", WELD_HDF5_U64, sizeof(uint64_t)},
    [WELD_PACKED_SAMPLES] = {"samples", WELD_HDF5_I64, sizeof(int64_t)},
    [WELD_PACKED_CATEGORIES] = {"categories", WELD_HDF5_I64, sizeof(int64_t)}};

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
    return weld_replacement_write_at(w->file, bytes, size, offset, err);
}

/* --- What comes behind the images. ------------------------------------------------------------
 */

/* Write at the next place behind *end, which moves. */
static weld_status write_next(const weld_packed_writer *w, const void *bytes, size_t size,
                              uint64_t *end, uint64_t *at, weld_error *err) {
    *at = weld_round_up(*end, WELD_HDF5_ALIGNMENT);
    *end = *at + size;
    return write_at(w, bytes, size, *at, err);
}

static weld_hdf5_dataset dataset_of(const char *name, weld_hdf5_type type, size_t element,
                                    weld_packed_extent extent) {
    return (weld_hdf5_dataset){.path = name,
                               .type = type,
                               .shape = WELD_SHAPE((int64_t)(extent.bytes / element)),
                               .at = extent.offset,
                               .bytes = extent.bytes};
}

static weld_status write_tables(weld_packed_writer *w, uint64_t *end, weld_error *err) {
    for (int i = 0; i < table_count(w); i++) {
        const weld_array *t = &w->tables[i];
        weld_packed_extent *e = &w->extents[i];
        e->bytes = t->count * t->element;
        WELD_TRY(write_next(w, t->data, (size_t)e->bytes, end, &e->offset, err));
    }
    return WELD_OK;
}

/* The superblock and the structure, with which the file ends. */
static weld_status write_structure(const weld_packed_writer *w, uint64_t *end, weld_error *err) {
    weld_hdf5_dataset sets[1 + WELD_PACKED_ALL_TABLES];
    const int count = table_count(w);
    for (int i = 0; i < count; i++) {
        sets[i] = dataset_of(tables[i].name, tables[i].type, tables[i].element, w->extents[i]);
    }
    sets[count] =
        dataset_of("images", WELD_HDF5_U8, 1, (weld_packed_extent){IMAGES_AT, w->images_size});
    const weld_hdf5_attribute attributes[] = {
        {"version", w->has_boxes ? WELD_PACKED_VERSION_BOXES : WELD_PACKED_VERSION},
        {"height", w->layout.height},
        {"width", w->layout.width},
        {"channels", w->layout.channels},
        {"scale16", w->layout.scale16}};
    const size_t all = sizeof attributes / sizeof *attributes;
    const weld_hdf5_file file = {.name = w->path,
                                 .user_block = WELD_PACKED_HEADER_SIZE,
                                 .datasets = sets,
                                 .count = (size_t)count + 1,
                                 .attributes = attributes,
                                 .attribute_count = w->layout.scale16 ? all : all - 1,
                                 .structure_at = weld_round_up(*end, WELD_HDF5_ALIGNMENT)};
    unsigned char superblock[WELD_HDF5_SUPERBLOCK_SIZE];
    weld_array structure;
    weld_status status = weld_hdf5_structure(&file, superblock, &structure, err);
    if (!status) {
        uint64_t at;
        status = write_next(w, structure.data, structure.count, end, &at, err);
    }
    weld_array_free(&structure);
    return status ? status
                  : write_at(w, superblock, sizeof superblock, WELD_PACKED_HEADER_SIZE, err);
}

/* --- The writer --------------------------------------------------------------------------------
 */

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
    weld_status status =
        ok ? weld_replacement_open(path, &w->file, err) : weld_fail_memory(err, path);
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
    weld_status status = write_at(w, bytes, size, IMAGES_AT + w->images_size, err);
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

static weld_status write_header(const weld_packed_writer *w, uint64_t end, weld_error *err) {
    weld_packed_header header = {.file_length = end,
                                 .images_offset = IMAGES_AT,
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
    WELD_TRY(weld_packed_checksum(weld_replacement_descriptor(w->file), &header, w->path,
                                  &header.checksum, err));
    weld_packed_header_encode(&header, block);
    return write_at(w, block, sizeof block, 0, err);
}

weld_status weld_packed_writer_finish(weld_packed_writer *w, weld_error *err) {
    if (w->failed || w->tables[WELD_PACKED_LABELS].count == 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: no image could be packed: nothing was written", w->path);
    }
    w->failed = true;
    w->images_size += w->images_size == 0; /* a byte for images that are all empty */
    uint64_t end = IMAGES_AT + w->images_size;
    WELD_TRY(fill_boxes(w, err));
    WELD_TRY(write_tables(w, &end, err));
    WELD_TRY(write_structure(w, &end, err));
    WELD_TRY(write_header(w, end, err));
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
