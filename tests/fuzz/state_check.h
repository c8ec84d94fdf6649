/* What the targets pth and safetensors do with a file of either kind. */
#ifndef WELD_TESTS_FUZZ_STATE_CHECK_H
#define WELD_TESTS_FUZZ_STATE_CHECK_H

#include <stddef.h>

/* Between the parts of an input that describes a file. */
#define FUZZ_SEPARATOR "\xff\xfe\xfd\n"
enum { FUZZ_SEPARATOR_SIZE = 4 };

/* Refused, as a state dict and as a model file, or: what stands in it fits into memory in
 * proportion to the file, every tensor can be read, and all of them survive being written as
 * safetensors and read again; a network survives being written as a model file. */
void fuzz_state_file(const void *bytes, size_t size);

#endif
