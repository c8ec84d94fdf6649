/* Fuzz input as a store (formats/store.h), whose checksum, lengths and places a mutation of the
 * bytes alone would never get right. Two forms:
 *
 *   Bytes that begin with "weld-store": a file; its magic, length and checksum are set right. So
 *   the index comes to be read, with whatever numbers are in it.
 *
 *   Anything else: a description, of which a sound store is made. So what stands in the entries
 *   comes to be read. The first line is the kind; then every line that begins with '@' is an entry,
 *   "@PATH TYPE DIMENSION..." with TYPE one of f32, f64, i64, u8, text, i8, i32. What follows until
 * the next such line is its contents, filled up with zeros or cut as its shape asks.
 */
#ifndef WELD_TESTS_FUZZ_STORE_INPUT_H
#define WELD_TESTS_FUZZ_STORE_INPUT_H

#include <stddef.h>
#include <stdint.h>

/* The file's bytes in memory to be released with free. */
unsigned char *fuzz_store(const uint8_t *data, size_t size, size_t *out_size);

/* Read a model file: refused, or what was read survives being written and read again. */
void fuzz_read_model_file(const char *path);

/* What the targets checkpoint and deploy do: that, with the bytes as they are and as a store. */
void fuzz_model_file(const uint8_t *data, size_t size);

#endif
