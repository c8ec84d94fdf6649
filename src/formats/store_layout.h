/* What reading and writing stores share: the user block, the index, and the rules for entries. */
#ifndef WELD_FORMATS_STORE_LAYOUT_H
#define WELD_FORMATS_STORE_LAYOUT_H

#include "formats/store.h"

#define WELD_STORE_HEADER_SIZE 512
#define WELD_STORE_CHECKSUM_AT 16
#define WELD_STORE_CHECKED_FROM 32 /* to the end of the file */
#define WELD_STORE_KIND_SIZE 24
#define WELD_STORE_INDEX_NAME "weld_index"
#define WELD_STORE_MAX_PATH 512

typedef struct weld_store_header {
    uint64_t length; /* of the file */
    char kind[WELD_STORE_KIND_SIZE];
    uint64_t index_at, index_bytes;
} weld_store_header;

/* Fill in the first WELD_STORE_HEADER_SIZE bytes of a file, all but the checksum. */
void weld_store_header_encode(unsigned char *bytes, const weld_store_header *header);
/* Read it from the first `size` bytes of a file; false where these are not those of a store. Checks
 * nothing more. */
bool weld_store_header_decode(const unsigned char *bytes, size_t size, weld_store_header *out);
/* What belongs at WELD_STORE_CHECKSUM_AT of the `size` bytes of a file, at least
 * WELD_STORE_HEADER_SIZE. */
void weld_store_checksum(const unsigned char *bytes, size_t size, unsigned char sum[16]);

/* One index entry is at least this long. */
#define WELD_STORE_ENTRY_SIZE 24
/* Bytes of an entry in the index. */
size_t weld_store_entry_size(const weld_store_entry *e);
/* Write one whose bytes are at `at` in the file. */
void weld_store_entry_encode(const weld_store_entry *e, uint64_t at, unsigned char *to);
/* Read one from the `size` bytes at `from`, of a file of file_size bytes that begins at `file`, and
 * check all that it says. `path` has WELD_STORE_MAX_PATH bytes; *used is set to the entry's size.
 * Returns NULL, or what is wrong. */
const char *weld_store_entry_decode(const unsigned char *from, size_t size,
                                    const unsigned char *file, size_t file_size,
                                    weld_store_entry *out, char *path, size_t *used);

/* Components that are neither empty, "." nor "..", shorter in all than WELD_STORE_MAX_PATH. */
bool weld_store_path_valid(const char *path);
/* Bytes of a tensor; false on overflow or where rank or a dimension has no meaning. */
bool weld_store_shape_bytes(weld_store_type type, const weld_shape *shape, size_t *bytes);

#endif
