/* A store: named tensors and texts in one HDF5 file, whole or not at all.
 *
 * Names are paths ("parameters/features.0.0.c.weight"): what stands before the last '/' are HDF5
 * groups. A tensor is one contiguous dataset of its own shape, little-endian; a text is a scalar
 * dataset holding a zero-ended string. So h5py, h5dump and the like open the file as it is.
 *
 * In front of the HDF5 data stands a user block of 512 bytes, integers little-endian:
 *
 *    0  16  "weld-store1\r\n\x1a\n\0\0"
 *   16  16  XXH3-128 (canonical, big-endian) of the bytes from 32 to the end of the file
 *   32   8  length of the file
 *   40  24  kind of the contents, padded with zeros ("checkpoint", "deploy")
 *   64   8  where the dataset /weld_index begins in the file
 *   72   8  its length
 *   80 432  zeros
 *
 * The index says where every dataset lies: u64 number of entries, then each, in bytewise order of
 * the paths, as u8 type (weld_store_type), u8 rank, u16 length of the path, u32 zero, u64 place in
 * the file, u64 bytes, u64 dimensions[rank], path, zeros up to a multiple of 8.
 *
 * A reader checks the length and the checksum, so that damage is found at once; and then goes by
 * the index alone, whose every number it checks, since a checksum proves no good will and the HDF5
 * library is not made for files that mean harm. A writer lays the file out (hdf5_structure.h),
 * passes over it once, writing the tensors from where they stand, and replaces the old one as
 * file.h says.
 */
#ifndef WELD_FORMATS_STORE_H
#define WELD_FORMATS_STORE_H

#include "weld/tensor.h"

typedef enum weld_store_type {
    WELD_STORE_F32, /* values are part of the file format */
    WELD_STORE_F64,
    WELD_STORE_I64,
    WELD_STORE_U8,
    WELD_STORE_TEXT, /* shape is of rank 0 */
    WELD_STORE_I8,   /* this and the next only in files of networks of integers */
    WELD_STORE_I32,
    WELD_STORE_TYPES
} weld_store_type;

/* The type that holds a dtype; false where there is none (bf16). */
bool weld_store_type_of(weld_dtype dtype, weld_store_type *out);

typedef struct weld_store_entry {
    const char *path;
    weld_store_type type;
    weld_shape shape;
    size_t bytes;     /* of a text: with its final zero */
    const void *data; /* row-major; aligned to WELD_ALIGNMENT in files of this version */
} weld_store_entry;

/* --- Writing. The writer keeps pointers: what is put must live until the commit. --- */

typedef struct weld_store_writer weld_store_writer;

/* kind: at most 23 characters. */
weld_status weld_store_writer_create(const char *kind, weld_store_writer **out, weld_error *err);
void weld_store_writer_free(weld_store_writer *w);
/* Paths are copied. A path is made of components that are neither empty, "." nor ".."; one that is
 * there already, or is a group of another, makes the commit fail. */
weld_status weld_store_put(weld_store_writer *w, const char *path, weld_store_type type,
                           const weld_shape *shape, const void *data, weld_error *err);
weld_status weld_store_put_tensor(weld_store_writer *w, const char *path, const weld_tensor *tensor,
                                  weld_error *err);
weld_status weld_store_put_text(weld_store_writer *w, const char *path, const char *text,
                                weld_error *err);
/* Write all to `file`, atomically. The same contents give the same bytes. */
weld_status weld_store_commit(weld_store_writer *w, const char *file, weld_error *err);
struct weld_replacement;
/* All but the last step: into what is to take the place of `file`, which is for messages. */
weld_status weld_store_write(weld_store_writer *w, const char *file, struct weld_replacement *to,
                             weld_error *err);

/* --- Reading. An open store does not change: several threads may read it. --- */

typedef struct weld_store weld_store;

/* Read and check the whole file, which may be replaced on disk while the store is open. Messages
 * say what the file is where it is not a store. */
weld_status weld_store_open(const char *file, weld_store **out, weld_error *err);
void weld_store_free(weld_store *s);
const char *weld_store_kind(const weld_store *s);
const char *weld_store_file(const weld_store *s); /* its name, for messages */
/* Entries in bytewise order of their paths; they live as long as the store. */
size_t weld_store_count(const weld_store *s);
const weld_store_entry *weld_store_entry_at(const weld_store *s, size_t i);
/* NULL where there is none of that path. */
const weld_store_entry *weld_store_find(const weld_store *s, const char *path);
/* The entry of a tensor, whose type and shape must be those of the file. */
weld_status weld_store_find_tensor(const weld_store *s, const char *path, weld_store_type type,
                                   const weld_shape *shape, const weld_store_entry **out,
                                   weld_error *err);
/* Copy the elements of such a tensor to `data`. */
weld_status weld_store_read(const weld_store *s, const char *path, weld_store_type type,
                            const weld_shape *shape, void *data, weld_error *err);
/* Give the bytes of the file away, in which all entries lie, to be freed by weld_free, so that
 * tensors need not be copied out of them; the store may be used for as long as they are there.
 * NULL, and nothing happens, where a tensor is not aligned to WELD_ALIGNMENT, as in files of
 * earlier versions, or shares bytes with another entry. */
void *weld_store_give_bytes(weld_store *s);
/* A text, which lives as long as the store. */
weld_status weld_store_text(const weld_store *s, const char *path, const char **out,
                            weld_error *err);

#endif
