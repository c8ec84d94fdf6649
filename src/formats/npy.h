/* NumPy array files (.npy), versions 1 and 2:
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 *
 * Little-endian (or of single bytes), in C order, with at most WELD_MAX_DIMS dimensions, not empty.
 */
#ifndef WELD_FORMATS_NPY_H
#define WELD_FORMATS_NPY_H

#include "formats/element.h"
#include "weld/tensor.h"

/* --- Reading in parts: memory is what the caller asks for. An open reader may be used by several
 * threads at once. --- */

typedef struct weld_npy_reader weld_npy_reader;

/* Reads the header and checks it against the length of the file. */
weld_status weld_npy_open(const char *path, weld_npy_reader **out, weld_error *err);
void weld_npy_close(weld_npy_reader *r); /* accepts NULL */
weld_shape weld_npy_shape(const weld_npy_reader *r);
weld_element weld_npy_element(const weld_npy_reader *r);
/* `count` elements from the one with index `first` on, row-major, converted (element.h) to `dtype`:
 * WELD_F32 or WELD_F64. */
weld_status weld_npy_read_part(const weld_npy_reader *r, int64_t first, int64_t count,
                               weld_dtype dtype, void *data, weld_error *err);

/* --- Writing arrays of WELD_F32, atomically. --- */

typedef struct weld_npy_writer weld_npy_writer;

weld_status weld_npy_create(const char *path, const weld_shape *shape, weld_npy_writer **out,
                            weld_error *err);
/* The next `count` elements. */
weld_status weld_npy_append(weld_npy_writer *w, const float *data, int64_t count, weld_error *err);
/* Put the file in place; an error where elements are missing. Frees w in any case. */
weld_status weld_npy_commit(weld_npy_writer *w, weld_error *err);
/* Leave what is at the path as it is; frees w (NULL allowed). */
void weld_npy_discard(weld_npy_writer *w);

#endif
