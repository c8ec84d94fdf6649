/* Whole arrays, in one call, from the parts that formats/npy.h reads and writes. */
#ifndef WELD_TESTS_FORMATS_NPY_FILE_H
#define WELD_TESTS_FORMATS_NPY_FILE_H

#include "base/memory.h"
#include "formats/npy.h"

/* out->data is released with weld_free. */
static inline weld_status npy_file_read(const char *path, weld_dtype dtype, weld_tensor *out,
                                        weld_error *err) {
    weld_npy_reader *r;
    weld_status status = weld_npy_open(path, &r, err);
    if (status != WELD_OK) {
        return status;
    }
    weld_tensor t = {dtype, weld_npy_shape(r), NULL};
    t.data = weld_alloc_raw(weld_tensor_bytes(&t), 1);
    status = t.data ? weld_npy_read_part(r, 0, weld_shape_count(&t.shape), dtype, t.data, err)
                    : WELD_ERROR_MEMORY;
    weld_npy_close(r);
    if (status != WELD_OK) {
        weld_free(t.data);
        return status;
    }
    *out = t;
    return WELD_OK;
}

/* A tensor of f32. */
static inline weld_status npy_file_write(const char *path, const weld_tensor *tensor,
                                         weld_error *err) {
    weld_npy_writer *w;
    weld_status status = weld_npy_create(path, &tensor->shape, &w, err);
    if (status != WELD_OK) {
        return status;
    }
    status = weld_npy_append(w, tensor->data, weld_shape_count(&tensor->shape), err);
    if (status != WELD_OK) {
        weld_npy_discard(w);
        return status;
    }
    return weld_npy_commit(w, err);
}

#endif
