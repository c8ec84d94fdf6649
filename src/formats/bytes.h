/* The contents of files in memory that grows on demand and is used again. */
#ifndef WELD_FORMATS_BYTES_H
#define WELD_FORMATS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "weld/status.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files hold numbers as memory does");

/* Whole numbers in files are little-endian, and aligned to nothing. */
static inline uint64_t weld_load_u64(const void *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline void weld_save_u64(void *at, uint64_t value) {
    memcpy(at, &value, sizeof value);
}

/* Start with all zero. */
typedef struct weld_bytes {
    uint8_t *data;
    size_t size, capacity;
} weld_bytes;

/* Room for `size` bytes at *data whose old contents do not matter; false: memory is short. */
bool weld_bytes_make_room(uint8_t **data, size_t *capacity, size_t size);

/* Set the size and make room; the contents are undefined. */
weld_status weld_bytes_resize(weld_bytes *bytes, size_t size, weld_error *err);
void weld_bytes_free(weld_bytes *bytes);

#define WELD_MAX_FILE_SIZE ((uint64_t)1 << 30) /* of an image */

/* The contents of a regular file, of at most WELD_MAX_FILE_SIZE. Messages name the path. */
weld_status weld_read_file(const char *path, weld_bytes *out, weld_error *err);

#endif
