/* The user block of stores, and their types; see store_header.h. */
#include "formats/store_header.h"

#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file_kind.h"

/* As PNG's: a line end and a control byte show a file that was transferred as text. */
const unsigned char weld_store_magic[WELD_STORE_MAGIC_SIZE] = "weld-store1\r\n\x1a\n";

enum { CHECKSUM_AT = 16, LENGTH_AT = 32, KIND_AT = 40, REST_AT = 64 };

size_t weld_store_type_size(weld_store_type type) {
    switch (type) {
    case WELD_STORE_F32:
        return 4;
    case WELD_STORE_F64:
    case WELD_STORE_I64:
        return 8;
    default:
        return 1;
    }
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
    default:
        return false;
    }
}

bool weld_store_shape_bytes(weld_store_type type, const weld_shape *shape, size_t *bytes) {
    size_t size = weld_store_type_size(type);
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

hid_t weld_store_hdf5_type(weld_store_type type, size_t bytes) {
    switch (type) {
    case WELD_STORE_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case WELD_STORE_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case WELD_STORE_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case WELD_STORE_U8:
        return H5Tcopy(H5T_STD_U8LE);
    default:
        break;
    }
    hid_t text = H5Tcopy(H5T_C_S1);
    if (text >= 0 && (H5Tset_size(text, bytes) < 0 || H5Tset_cset(text, H5T_CSET_UTF8) < 0)) {
        H5Tclose(text);
        return H5I_INVALID_HID;
    }
    return text;
}

static uint64_t load_u64(const unsigned char *at) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

static XXH128_canonical_t checksum(const unsigned char *bytes, size_t size) {
    XXH128_canonical_t out;
    XXH128_canonicalFromHash(&out, XXH3_128bits(bytes + LENGTH_AT, size - LENGTH_AT));
    return out;
}

void weld_store_header_encode(unsigned char *bytes, size_t size, const char *kind) {
    memset(bytes, 0, WELD_STORE_HEADER_SIZE);
    memcpy(bytes, weld_store_magic, WELD_STORE_MAGIC_SIZE);
    for (int i = 0; i < 8; i++) {
        bytes[LENGTH_AT + i] = (unsigned char)((uint64_t)size >> (8 * i));
    }
    memcpy(bytes + KIND_AT, kind, strlen(kind));
    XXH128_canonical_t sum = checksum(bytes, size);
    memcpy(bytes + CHECKSUM_AT, &sum, sizeof sum);
}

bool weld_store_header_kind(const unsigned char *bytes, size_t size, char *kind) {
    if (size < WELD_STORE_HEADER_SIZE ||
        memcmp(bytes, weld_store_magic, WELD_STORE_MAGIC_SIZE) != 0) {
        return false;
    }
    memcpy(kind, bytes + KIND_AT, WELD_STORE_KIND_SIZE);
    kind[WELD_STORE_KIND_SIZE - 1] = '\0';
    return true;
}

weld_status weld_store_header_check(const unsigned char block[WELD_STORE_HEADER_SIZE],
                                    uint64_t file_size, const char *file, char *kind,
                                    weld_error *err) {
    if (!weld_store_header_kind(block, WELD_STORE_HEADER_SIZE, kind)) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: not a model file of weld but %s: name a checkpoint or deploy file",
                         file, weld_file_kind_text(weld_file_kind_of(file)));
    }
    uint64_t expected = load_u64(block + LENGTH_AT);
    if (expected != file_size) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: expected %llu bytes, found %llu: the file is cut or damaged: restore "
                         "it from a copy",
                         file, (unsigned long long)expected, (unsigned long long)file_size);
    }
    return WELD_OK;
}

weld_status weld_store_checksum_check(const unsigned char *bytes, size_t size, const char *file,
                                      weld_error *err) {
    XXH128_canonical_t sum = checksum(bytes, size);
    if (memcmp(bytes + CHECKSUM_AT, &sum, sizeof sum) != 0) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: checksum differs: the file is damaged: restore it from a copy", file);
    }
    return WELD_OK;
}
