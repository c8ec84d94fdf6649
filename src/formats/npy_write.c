/* Writing NumPy array files; see npy.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/npy.h"

struct weld_npy_writer {
    weld_replacement *file;
    int64_t left; /* elements that are still to come */
};

/* The header of version 1 with its length, padded so that the elements begin at a multiple of 64.
 */
static size_t make_header(const weld_shape *shape, char text[256]) {
    char dims[160] = "";
    size_t used = 0;
    for (int i = 0; i < shape->rank; i++) {
        used += (size_t)snprintf(dims + used, sizeof dims - used, i ? " %lld," : "%lld,",
                                 (long long)shape->dim[i]);
    }
    if (shape->rank > 1) {
        dims[used - 1] = '\0';
    }
    memset(text, ' ', 256);
    memcpy(text, "\x93NUMPY", 6);
    int length =
        snprintf(text + 10, 240, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", dims);
    text[10 + length] = ' ';
    size_t total = weld_round_up(10 + (size_t)length + 1, 64);
    text[6] = 1;
    text[7] = 0;
    text[8] = (char)((total - 10) & 255);
    text[9] = (char)((total - 10) >> 8);
    text[total - 1] = '\n';
    return total;
}

weld_status weld_npy_create(const char *path, const weld_shape *shape, weld_npy_writer **out,
                            weld_error *err) {
    char header[256];
    *out = NULL;
    weld_npy_writer *w = weld_alloc(1, sizeof *w);
    if (!w) {
        return weld_fail_memory(err, path);
    }
    w->left = weld_shape_count(shape);
    weld_status status = w->left < 0
                             ? weld_fail(err, WELD_ERROR_ARGUMENT, "%s: too many elements", path)
                             : weld_replacement_open(path, &w->file, err);
    if (!status) {
        size_t size = make_header(shape, header);
        status = weld_replacement_write(w->file, header, size, err);
    }
    if (status) {
        weld_npy_discard(w);
        return status;
    }
    *out = w;
    return WELD_OK;
}

weld_status weld_npy_append(weld_npy_writer *w, const float *data, int64_t count, weld_error *err) {
    if (count < 0 || count > w->left) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%lld elements where %lld are left to write",
                         (long long)count, (long long)w->left);
    }
    w->left -= count;
    return weld_replacement_write(w->file, data, (size_t)count * sizeof *data, err);
}

weld_status weld_npy_commit(weld_npy_writer *w, weld_error *err) {
    if (w->left > 0) {
        long long left = w->left;
        weld_npy_discard(w);
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%lld elements were not written", left);
    }
    weld_replacement *file = w->file;
    weld_free(w);
    return weld_replacement_commit(file, err);
}

void weld_npy_discard(weld_npy_writer *w) {
    if (w) {
        weld_replacement_discard(w->file);
        weld_free(w);
    }
}
