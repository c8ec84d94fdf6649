/* Shapes, element types and views of memory.
 *
 * Activations are NHWC ([batch, height, width, channels]), vectors [batch, channels]. Weights have
 * the shapes of PyTorch's checkpoints: convolutions [out, in / groups, kh, kw], linear [out, in].
 */
#ifndef WELD_TENSOR_H
#define WELD_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The last three are what networks of integers are made of: activations, weights, biases. */
typedef enum weld_dtype {
    WELD_F32,
    WELD_F64,
    WELD_BF16,
    WELD_I64,
    WELD_U8,
    WELD_I8,
    WELD_I32
} weld_dtype;

#define WELD_MAX_DIMS 6

typedef struct weld_shape {
    int rank;
    int64_t dim[WELD_MAX_DIMS];
} weld_shape;

/* A view: contiguous, row-major; does not own `data`. */
typedef struct weld_tensor {
    weld_dtype dtype;
    weld_shape shape;
    void *data;
} weld_tensor;

/* weld_shape_of(4, n, h, w, c) written as WELD_SHAPE(n, h, w, c). */
#define WELD_SHAPE(...)                                                                            \
    ((weld_shape){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),               \
                  .dim = {__VA_ARGS__}})

WELD_API size_t weld_dtype_size(weld_dtype dtype);      /* bytes of one element */
WELD_API const char *weld_dtype_name(weld_dtype dtype); /* "f32", "f64", "bf16", "i64", "u8", ... */
/* The product; 1 for rank 0; -1 where it overflows or the shape is none. */
WELD_API int64_t weld_shape_count(const weld_shape *s);
WELD_API size_t
weld_tensor_bytes(const weld_tensor *t); /* of its elements, whose shape must be one */
WELD_API bool weld_shape_equal(const weld_shape *a, const weld_shape *b);
/* "[32, 56, 56, 48]" into `text`; returns text. */
WELD_API const char *weld_shape_text(const weld_shape *s, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
