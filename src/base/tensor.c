/* Shapes and element types; see weld/tensor.h. */
#include <stdio.h>

#include "base/text.h"
#include "weld/tensor.h"

size_t weld_dtype_size(weld_dtype dtype) {
    switch (dtype) {
    case WELD_F32:
    case WELD_I32:
        return 4;
    case WELD_U8:
    case WELD_I8:
        return 1;
    case WELD_BF16:
        return 2;
    case WELD_F64:
    case WELD_I64:
        return 8;
    }
    return 0;
}

const char *weld_dtype_name(weld_dtype dtype) {
    switch (dtype) {
    case WELD_F32:
        return "f32";
    case WELD_F64:
        return "f64";
    case WELD_BF16:
        return "bf16";
    case WELD_I64:
        return "i64";
    case WELD_U8:
        return "u8";
    case WELD_I8:
        return "i8";
    case WELD_I32:
        return "i32";
    }
    return "unknown";
}

int64_t weld_shape_count(const weld_shape *s) {
    int64_t count = s->rank < 0 || s->rank > WELD_MAX_DIMS ? -1 : 1;
    for (int i = 0; i < s->rank && count >= 0; i++) {
        if (s->dim[i] < 0 || __builtin_mul_overflow(count, s->dim[i], &count)) {
            return -1;
        }
    }
    return count;
}

size_t weld_tensor_bytes(const weld_tensor *t) {
    return (size_t)weld_shape_count(&t->shape) * weld_dtype_size(t->dtype);
}

bool weld_shape_equal(const weld_shape *a, const weld_shape *b) {
    bool equal = a->rank == b->rank;
    for (int i = 0; equal && i < a->rank; i++) {
        equal = a->dim[i] == b->dim[i];
    }
    return equal;
}

const char *weld_shape_text(const weld_shape *s, char *text, size_t size) {
    snprintf(text, size, "[");
    for (int i = 0; i < s->rank && i < WELD_MAX_DIMS; i++) {
        weld_append(text, size, i ? ", %lld" : "%lld", (long long)s->dim[i]);
    }
    return weld_append(text, size, "]");
}
