/* The user block of a packed data set; see packed_header.h. */
#include "formats/packed_header.h"

#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/bytes.h"
#include "formats/file.h"

/* As PNG's: line ends and a control byte show a file that was transferred as text. */
static const unsigned char magic[16] = "weld-pack2\r\n\x1a\n";

enum {
    KIND_SIZE = 9, /* of the magic; then comes the version */
    FIELDS_AT = 16,
    OWN_CHECKSUM_AT = WELD_PACKED_HEADER_SIZE - 8
};

_Static_assert(FIELDS_AT + sizeof(weld_packed_header) <= OWN_CHECKSUM_AT, "the block holds it all");

void weld_packed_header_encode(const weld_packed_header *h,
                               unsigned char block[WELD_PACKED_HEADER_SIZE]) {
    memset(block, 0, WELD_PACKED_HEADER_SIZE);
    memcpy(block, magic, sizeof magic);
    if (h->box_tables[0].bytes) {
        block[KIND_SIZE] = '0' + WELD_PACKED_VERSION_BOXES;
    }
    memcpy(block + FIELDS_AT, h, sizeof *h);
    weld_save_u64(block + OWN_CHECKSUM_AT, XXH3_64bits(block, OWN_CHECKSUM_AT));
}

weld_status weld_packed_header_decode(const unsigned char block[WELD_PACKED_HEADER_SIZE],
                                      const char *path, weld_packed_header *out, weld_error *err) {
    const bool has_boxes = block[KIND_SIZE] == '0' + WELD_PACKED_VERSION_BOXES;
    if (memcmp(block, magic, KIND_SIZE) == 0 && !has_boxes &&
        block[KIND_SIZE] != magic[KIND_SIZE]) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: packed by another version of weld, this one reads versions %d and %d "
                         "of the format: pack it again",
                         path, WELD_PACKED_VERSION, WELD_PACKED_VERSION_BOXES);
    }
    if (memcmp(block, magic, KIND_SIZE) != 0 ||
        memcmp(block + KIND_SIZE + 1, magic + KIND_SIZE + 1, sizeof magic - KIND_SIZE - 1) != 0) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: not a packed data set: make one with weld pack", path);
    }
    if (weld_load_u64(block + OWN_CHECKSUM_AT) != XXH3_64bits(block, OWN_CHECKSUM_AT)) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: damaged: checksum of the first %d bytes is wrong: pack it again",
                         path, WELD_PACKED_HEADER_SIZE);
    }
    memcpy(out, block + FIELDS_AT, sizeof *out);
    return has_boxes == (out->box_tables[0].bytes > 0)
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: damaged: its version is not that of what it holds: pack it again",
                           path);
}

static weld_status hash_range(XXH3_state_t *state, int fd, uint64_t begin, uint64_t end,
                              unsigned char *chunk, size_t chunk_size, const char *path,
                              weld_error *err) {
    while (begin < end) {
        size_t size = end - begin < chunk_size ? (size_t)(end - begin) : chunk_size;
        WELD_TRY(weld_file_read_at(fd, path, chunk, size, begin, err));
        XXH3_64bits_update(state, chunk, size);
        begin += size;
    }
    return WELD_OK;
}

weld_status weld_packed_checksum(int fd, const weld_packed_header *h, const char *path,
                                 uint64_t *out, weld_error *err) {
    const size_t most = (size_t)1 << 20,
                 chunk_size = h->file_length < most ? (size_t)h->file_length : most;
    XXH3_state_t *state = XXH3_createState();
    unsigned char *chunk = weld_alloc_raw(chunk_size, 1);
    weld_status status = WELD_OK;
    if (!state || !chunk) {
        status = weld_fail_memory(err, path);
        goto done;
    }
    XXH3_64bits_reset(state);
    status = hash_range(state, fd, WELD_PACKED_HEADER_SIZE, h->images_offset, chunk, chunk_size,
                        path, err);
    status = status ? status
                    : hash_range(state, fd, h->images_offset + h->images_size, h->file_length,
                                 chunk, chunk_size, path, err);
    *out = XXH3_64bits_digest(state);
done:
    weld_free(chunk);
    XXH3_freeState(state);
    return status;
}
