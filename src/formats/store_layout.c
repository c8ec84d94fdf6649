/* User block and index of stores; see store_layout.h and, for the layout, store.h. */
#include "formats/store_layout.h"

#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "formats/bytes.h"

/* As PNG's: a line end and a control byte show a file that was transferred as text. */
static const unsigned char magic[16] = "weld-store1\r\n\x1a\n";

enum { LENGTH_AT = 32, KIND_AT = 40, INDEX_AT = 64 };

void weld_store_header_encode(unsigned char *bytes, const weld_store_header *header) {
    memset(bytes, 0, WELD_STORE_HEADER_SIZE);
    memcpy(bytes, magic, sizeof magic);
    memcpy(bytes + KIND_AT, header->kind, sizeof header->kind);
    weld_save_u64(bytes + LENGTH_AT, header->length);
    weld_save_u64(bytes + INDEX_AT, header->index_at);
    weld_save_u64(bytes + INDEX_AT + 8, header->index_bytes);
}

bool weld_store_header_decode(const unsigned char *bytes, size_t size, weld_store_header *out) {
    if (size < WELD_STORE_HEADER_SIZE || memcmp(bytes, magic, sizeof magic) != 0) {
        return false;
    }
    *out = (weld_store_header){.length = weld_load_u64(bytes + LENGTH_AT),
                               .index_at = weld_load_u64(bytes + INDEX_AT),
                               .index_bytes = weld_load_u64(bytes + INDEX_AT + 8)};
    memcpy(out->kind, bytes + KIND_AT, sizeof out->kind);
    out->kind[sizeof out->kind - 1] = '\0';
    return true;
}

void weld_store_checksum(const unsigned char *bytes, size_t size, unsigned char sum[16]) {
    XXH128_canonicalFromHash(
        (XXH128_canonical_t *)sum,
        XXH3_128bits(bytes + WELD_STORE_CHECKED_FROM, size - WELD_STORE_CHECKED_FROM));
}

bool weld_store_type_of(weld_dtype dtype, weld_store_type *out) {
    switch (dtype) {
    case WELD_F32:
        *out = WELD_STORE_F32;
        return true;
    case WELD_F64:
        *out = WELD_STORE_F64;
        return true;
    case WELD_I64:
        *out = WELD_STORE_I64;
        return true;
    case WELD_U8:
        *out = WELD_STORE_U8;
        return true;
    case WELD_I8:
        *out = WELD_STORE_I8;
        return true;
    case WELD_I32:
        *out = WELD_STORE_I32;
        return true;
    default:
        return false;
    }
}

bool weld_store_shape_bytes(weld_store_type type, const weld_shape *shape, size_t *bytes) {
    size_t size = type == WELD_STORE_F32 || type == WELD_STORE_I32 ? 4
                  : type == WELD_STORE_U8 || type == WELD_STORE_I8 ? 1
                                                                   : 8;
    if (shape->rank < 0 || shape->rank > WELD_MAX_DIMS) {
        return false;
    }
    for (int i = 0; i < shape->rank; i++) {
        /* HDF5 has room for a dimension of 0, but nothing here has a use for it. */
        if (shape->dim[i] <= 0 || !weld_mul_size(size, (size_t)shape->dim[i], &size)) {
            return false;
        }
    }
    *bytes = size;
    return size <= INT64_MAX;
}

bool weld_store_path_valid(const char *path) {
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

static size_t padded(size_t rank, size_t path_length) {
    return weld_round_up(WELD_STORE_ENTRY_SIZE + 8 * rank + path_length, 8);
}

size_t weld_store_entry_size(const weld_store_entry *e) {
    return padded((size_t)e->shape.rank, strlen(e->path));
}

void weld_store_entry_encode(const weld_store_entry *e, uint64_t at, unsigned char *to) {
    size_t length = strlen(e->path);
    memset(to, 0, weld_store_entry_size(e));
    to[0] = (unsigned char)e->type;
    to[1] = (unsigned char)e->shape.rank;
    to[2] = (unsigned char)length;
    to[3] = (unsigned char)(length >> 8);
    weld_save_u64(to + 8, at);
    weld_save_u64(to + 16, e->bytes);
    to += WELD_STORE_ENTRY_SIZE;
    for (int i = 0; i < e->shape.rank; i++, to += 8) {
        weld_save_u64(to, (uint64_t)e->shape.dim[i]);
    }
    memcpy(to, e->path, length);
}

const char *weld_store_entry_decode(const unsigned char *from, size_t size,
                                    const unsigned char *file, size_t file_size,
                                    weld_store_entry *out, char *path, size_t *used) {
    if (size < WELD_STORE_ENTRY_SIZE) {
        return "it ends in the middle";
    }
    size_t rank = from[1], length = from[2] | (size_t)from[3] << 8;
    *used = padded(rank, length);
    if (from[0] >= WELD_STORE_TYPES || rank > WELD_MAX_DIMS || length >= WELD_STORE_MAX_PATH ||
        *used > size) {
        return "an entry without meaning";
    }
    *out =
        (weld_store_entry){.type = (weld_store_type)from[0], .shape.rank = (int)rank, .path = path};
    for (size_t i = 0; i < rank; i++) {
        out->shape.dim[i] = (int64_t)weld_load_u64(from + WELD_STORE_ENTRY_SIZE + 8 * i);
    }
    memcpy(path, from + WELD_STORE_ENTRY_SIZE + 8 * rank, length);
    path[length] = '\0';
    if (strlen(path) != length || !weld_store_path_valid(path)) {
        return "a name without meaning";
    }
    uint64_t at = weld_load_u64(from + 8), bytes = weld_load_u64(from + 16);
    if (at > file_size || bytes > file_size - at) {
        return "beyond the end of the file";
    }
    out->data = file + at;
    out->bytes = (size_t)bytes;
    if (out->type == WELD_STORE_TEXT) {
        bool ended =
            rank == 0 && bytes > 0 && memchr(out->data, '\0', out->bytes) == file + at + bytes - 1;
        return ended ? NULL : "not a text ended by a zero byte";
    }
    size_t expected;
    if (!weld_store_shape_bytes(out->type, &out->shape, &expected) || expected != bytes) {
        return "a shape that does not fit its size";
    }
    return NULL;
}
