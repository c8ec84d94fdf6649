/* Element types of other programs' files, little-endian, and their conversion to ours. */
#ifndef WELD_FORMATS_ELEMENT_H
#define WELD_FORMATS_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "weld/tensor.h"

typedef enum weld_element {
    WELD_ELEMENT_F64,
    WELD_ELEMENT_F32,
    WELD_ELEMENT_F16,
    WELD_ELEMENT_BF16,
    WELD_ELEMENT_I64,
    WELD_ELEMENT_I32,
    WELD_ELEMENT_I16,
    WELD_ELEMENT_I8,
    WELD_ELEMENT_U8,
    WELD_ELEMENT_BOOL
} weld_element;

size_t weld_element_size(weld_element element);
const char *weld_element_name(weld_element element); /* "float32", "bfloat16", "int64" */
bool weld_element_is_float(weld_element element);

/* Convert `count` elements at `from` (aligned to nothing) to dtype WELD_F32, WELD_F64 or WELD_I64
 * at `to`. Rounds to nearest; a float does not become an integer: that is for the caller to
 * refuse. */
void weld_element_convert(weld_element element, const void *from, size_t count, weld_dtype dtype,
                          void *to);

#endif
