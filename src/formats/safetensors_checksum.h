/* The checksum that safetensors files of weld carry, which the format itself does not have.
 *
 * It is the first text of __metadata__, at a fixed place, so that the file begins, behind its
 * length, with one of
 *
 *    {"__metadata__":{"weld.checksum":"0123456789abcdef0123456789abcdef",
 *    {"__metadata__":{"weld.header_checksum":"0123456789abcdef0123456789abcdef",
 *
 * the 32 digits being XXH3-128 (canonical, in hexadecimal) of all bytes of the file, or of those up
 * to the elements, with zeros ('0') in the place of the digits. A file that begins in another way
 * has none. So a program that reads such a file, changes it and writes it with the metadata that it
 * found makes a file without one, unless it keeps their order. */
#ifndef WELD_FORMATS_SAFETENSORS_CHECKSUM_H
#define WELD_FORMATS_SAFETENSORS_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

#define WELD_FILE_CHECKSUM "weld.checksum"
#define WELD_HEADER_CHECKSUM "weld.header_checksum"
/* The text until it is known. */
#define WELD_NO_CHECKSUM "00000000000000000000000000000000"
enum { WELD_CHECKSUM_DIGITS = sizeof WELD_NO_CHECKSUM - 1 };

/* What people are told of a file that has none. */
#define WELD_CHECKSUM_MISSING "none: whether it is as it was written cannot be checked"

/* Where the digits are in the `size` first bytes of a file, at least the header; 0: there are none.
 * *whole: they are of the whole file. */
size_t weld_safetensors_checksum_at(const char *start, size_t size, bool *whole);

/* A checksum in the making, to be released with weld_checksum_free; NULL: no memory. */
typedef struct XXH3_state_s weld_checksum;
weld_checksum *weld_checksum_start(void);
void weld_checksum_add(weld_checksum *sum, const void *data, size_t bytes);
void weld_checksum_digits(const weld_checksum *sum, char digits[WELD_CHECKSUM_DIGITS]);
void weld_checksum_free(weld_checksum *sum);

/* Hold the file, of `size` bytes, to the checksum that its start (length and header) has, if any.
 * *checked: it has one, and all that it is of is as it was written; *whole: that is the whole file.
 */
weld_status weld_safetensors_check(int descriptor, const char *path, const char *start,
                                   size_t start_size, uint64_t size, bool *checked, bool *whole,
                                   weld_error *err);

#endif
