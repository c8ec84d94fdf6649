/* What readers and writers of safetensors files (safetensors.h) share of the header. */
#ifndef WELD_FORMATS_SAFETENSORS_HEADER_H
#define WELD_FORMATS_SAFETENSORS_HEADER_H

#include <stdint.h>

#include "base/text.h"
#include "formats/safetensors_checksum.h"
#include "weld/tensor.h"

enum {
    WELD_SAFETENSORS_LENGTH = 8, /* bytes of the header's length, before it */
    WELD_SAFETENSORS_HEADER_MAX = 100 * 1000 * 1000
};

/* With what the header of a file of weld begins: a checksum (safetensors_checksum.h) under this
 * key, whose digits follow. */
#define WELD_SAFETENSORS_BEGIN(key) "{\"__metadata__\":{\"" key "\":\""

/* What a writer's text begins with: room for the length, and a checksum without its digits yet. */
#define WELD_SAFETENSORS_START(key) "????????" WELD_SAFETENSORS_BEGIN(key) WELD_NO_CHECKSUM "\""

/* After a tensor's name: what it is. */
void weld_safetensors_add_place(weld_text *h, const char *dtype, const weld_shape *shape,
                                uint64_t begin, uint64_t end);
/* The end, padded so that elements are aligned, and the length. */
void weld_safetensors_end_header(weld_text *h);

#endif
