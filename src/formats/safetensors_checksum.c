/* The checksum of weld's safetensors files; see safetensors_checksum.h. */
#include "formats/safetensors_checksum.h"

#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/safetensors_header.h"

enum { CHUNK = 256 << 10 };

size_t weld_safetensors_checksum_at(const char *start, size_t size, bool *whole) {
    static const char *const begins[] = {WELD_SAFETENSORS_BEGIN(WELD_HEADER_CHECKSUM),
                                         WELD_SAFETENSORS_BEGIN(WELD_FILE_CHECKSUM)};
    for (int i = 0; i < 2; i++) {
        const size_t length = strlen(begins[i]),
                     end = WELD_SAFETENSORS_LENGTH + length + WELD_CHECKSUM_DIGITS;
        if (size > end && memcmp(start + WELD_SAFETENSORS_LENGTH, begins[i], length) == 0 &&
            start[end] == '"') {
            *whole = i == 1;
            return WELD_SAFETENSORS_LENGTH + length;
        }
    }
    return 0;
}

weld_checksum *weld_checksum_start(void) {
    weld_checksum *sum = XXH3_createState();
    if (sum) {
        XXH3_128bits_reset(sum);
    }
    return sum;
}

void weld_checksum_add(weld_checksum *sum, const void *data, size_t bytes) {
    XXH3_128bits_update(sum, data, bytes);
}

void weld_checksum_digits(const weld_checksum *sum, char digits[WELD_CHECKSUM_DIGITS]) {
    static const char hexadecimal[] = "0123456789abcdef";
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, XXH3_128bits_digest(sum));
    for (size_t i = 0; i < sizeof bytes.digest; i++) {
        digits[2 * i] = hexadecimal[bytes.digest[i] >> 4];
        digits[2 * i + 1] = hexadecimal[bytes.digest[i] & 15];
    }
}

void weld_checksum_free(weld_checksum *sum) {
    XXH3_freeState(sum);
}

static weld_status add_file(weld_checksum *sum, int descriptor, const char *path, uint64_t from,
                            uint64_t to, weld_error *err) {
    const size_t most = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
    unsigned char *chunk = weld_alloc_raw(most, 1);
    weld_status status = chunk ? WELD_OK : weld_fail_memory(err, path);
    for (size_t n; from < to && !status; from += n) {
        n = to - from < most ? (size_t)(to - from) : most;
        status = weld_file_read_at(descriptor, path, chunk, n, from, err);
        if (!status) {
            weld_checksum_add(sum, chunk, n);
        }
    }
    weld_free(chunk);
    return status;
}

weld_status weld_safetensors_check(int descriptor, const char *path, const char *start,
                                   size_t start_size, uint64_t size, bool *checked, bool *whole,
                                   weld_error *err) {
    *whole = false;
    const size_t at = weld_safetensors_checksum_at(start, start_size, whole);
    *checked = at > 0;
    if (!at) {
        return WELD_OK;
    }
    weld_checksum *sum = weld_checksum_start();
    if (!sum) {
        return weld_fail_memory(err, path);
    }
    const char *behind = start + at + WELD_CHECKSUM_DIGITS;
    weld_checksum_add(sum, start, at);
    weld_checksum_add(sum, WELD_NO_CHECKSUM, WELD_CHECKSUM_DIGITS);
    weld_checksum_add(sum, behind, (size_t)(start + start_size - behind));
    weld_status status = *whole ? add_file(sum, descriptor, path, start_size, size, err) : WELD_OK;
    char digits[WELD_CHECKSUM_DIGITS];
    weld_checksum_digits(sum, digits);
    weld_checksum_free(sum);
    if (!status && memcmp(digits, start + at, sizeof digits) != 0) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: checksum differs: the file is damaged: restore it from a copy (or, "
                         "where another program changed it on purpose, take %s out of its "
                         "metadata)",
                         path, *whole ? WELD_FILE_CHECKSUM : WELD_HEADER_CHECKSUM);
    }
    return status;
}
