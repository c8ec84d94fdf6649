/* What makes an HDF5 file of elements that lie in it: superblock, groups and object headers, as the
 * HDF5 File Format Specification says. Superblock of version 0, groups with symbol tables, object
 * headers of version 1: what every HDF5 library reads.
 *
 * Nothing here touches the file, and all memory is this library's own: the HDF5 library ends the
 * process, or crashes when it does, where an allocation of its own fails. It only reads what is
 * written here, in tests and in other programs.
 *
 * A file is the user block, the superblock, the elements wherever the caller puts them, and the
 * structure, which is small and comes last. */
#ifndef WELD_FORMATS_HDF5_STRUCTURE_H
#define WELD_FORMATS_HDF5_STRUCTURE_H

#include "base/array.h"
#include "weld/tensor.h"

#define WELD_HDF5_SUPERBLOCK_SIZE 96
#define WELD_HDF5_ALIGNMENT 8 /* of the structure and of all elements */

typedef enum weld_hdf5_type {
    WELD_HDF5_U8,
    WELD_HDF5_U32,
    WELD_HDF5_U64,
    WELD_HDF5_I8,
    WELD_HDF5_I32,
    WELD_HDF5_I64,
    WELD_HDF5_F32,
    WELD_HDF5_F64,
    WELD_HDF5_TEXT /* one UTF-8 text that a zero byte ends; the shape is of rank 0 */
} weld_hdf5_type;

/* A contiguous, little-endian dataset. */
typedef struct weld_hdf5_dataset {
    const char *path; /* names between '/', at most 256 deep */
    weld_hdf5_type type;
    weld_shape shape;
    uint64_t at, bytes; /* in the file, of its elements */
} weld_hdf5_dataset;

/* A whole number that belongs to the root group. */
typedef struct weld_hdf5_attribute {
    const char *name;
    int32_t value;
} weld_hdf5_attribute;

typedef struct weld_hdf5_file {
    const char *name;            /* for messages */
    uint64_t user_block;         /* bytes of it: 0, or 512 times a power of two */
    weld_hdf5_dataset *datasets; /* at least one; will be sorted */
    size_t count;
    const weld_hdf5_attribute *attributes;
    size_t attribute_count;
    uint64_t structure_at; /* where the structure will lie, with which the file ends */
} weld_hdf5_file;

/* The superblock, which belongs behind the user block, and the structure: an array of bytes, to be
 * released by weld_array_free in any case. WELD_ERROR_ARGUMENT: two things have one name. */
weld_status weld_hdf5_structure(const weld_hdf5_file *file,
                                unsigned char superblock[WELD_HDF5_SUPERBLOCK_SIZE],
                                weld_array *structure, weld_error *err);

#endif
