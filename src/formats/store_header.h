/* What reading and writing stores share: the user block, and types. */
#ifndef WELD_FORMATS_STORE_HEADER_H
#define WELD_FORMATS_STORE_HEADER_H

#include <hdf5.h>

#include "formats/store.h"

/* Limits on what is written, and on what a file may ask of its reader. */
#define WELD_STORE_MAX_PATH 512
#define WELD_STORE_MAX_ENTRIES 200000

/* Bytes of a tensor; false on overflow or where rank or a dimension has no meaning. */
bool weld_store_shape_bytes(weld_store_type type, const weld_shape *shape, size_t *bytes);

/* A new HDF5 type: of elements as they are in files and (little-endian) in memory, or of a text of
 * `bytes` with its final zero. Call with the lock held. */
hid_t weld_store_hdf5_type(weld_store_type type, size_t bytes);

/* Fill in the first WELD_STORE_HEADER_SIZE of the `size` bytes of a file. */
void weld_store_header_encode(unsigned char *bytes, size_t size, const char *kind);
/* Whether the `size` first bytes begin as a store does; then its kind, which has
 * WELD_STORE_KIND_SIZE bytes. */
bool weld_store_header_kind(const unsigned char *bytes, size_t size, char *kind);
/* Check the first bytes against the size of the file; messages say what it is where it is no store.
 * `kind` has WELD_STORE_KIND_SIZE bytes. */
weld_status weld_store_header_check(const unsigned char block[WELD_STORE_HEADER_SIZE],
                                    uint64_t file_size, const char *file, char *kind,
                                    weld_error *err);
/* Check the checksum of a whole file whose header is good. */
weld_status weld_store_checksum_check(const unsigned char *bytes, size_t size, const char *file,
                                      weld_error *err);

#endif
