/* safetensors files (https://github.com/huggingface/safetensors): tensors by name, little-endian.
 *
 *    0  8  N, the length of the header, at most 100,000,000
 *    8  N  JSON, one object, perhaps with white space after it:
 *            {"__metadata__": {"KEY": "TEXT", ...},
 *             "NAME": {"dtype": "F32", "shape": [8, 3, 3, 3], "data_offsets": [0, 864]}, ...}
 *    8 + N  elements, row-major; data_offsets count from here, end exclusive
 *
 * The elements of all tensors, put in the order of their offsets, lie one after the other without
 * gap or overlap from the first byte after the header to the last of the file.
 */
#ifndef WELD_FORMATS_SAFETENSORS_H
#define WELD_FORMATS_SAFETENSORS_H

#include "formats/file.h"
#include "formats/metadata.h"
#include "formats/state_source.h"

/* The reader behind weld_state_dict_open. All that the format demands is checked, and also that no
 * key comes twice, that every type is one that weld_element has and every rank at most
 * WELD_MAX_DIMS. Tensors are in the order of their offsets. Memory stays in proportion to the
 * header. */
weld_status weld_safetensors_open(weld_state_dict *s, const char *path, weld_error *err);

/* The same file for those who read elements by their place in it, checked in the same way. */
typedef struct weld_safetensors weld_safetensors;

weld_status weld_safetensors_index(const char *path, weld_safetensors **out, weld_error *err);
void weld_safetensors_free(weld_safetensors *f); /* accepts NULL */

typedef struct weld_safetensors_place {
    weld_element element;
    weld_shape shape;
    uint64_t offset; /* of the first element in the file, which has all of them */
} weld_safetensors_place;

/* False where there is no tensor of that name. */
bool weld_safetensors_find(const weld_safetensors *f, const char *name,
                           weld_safetensors_place *out);
/* A text of __metadata__; NULL: there is none. */
const char *weld_safetensors_metadata(const weld_safetensors *f, const char *key);
/* Weld wrote it, and it was found to be as written: its header and, where what weld.checksum says
 * is of the whole file, its elements (safetensors_checksum.h). False: that cannot be checked. */
bool weld_safetensors_is_checked(const weld_safetensors *f);
/* To read with (file.h); it stays f's. */
int weld_safetensors_descriptor(const weld_safetensors *f);

typedef struct weld_safetensors_tensor {
    const char *name;
    weld_tensor tensor; /* F32, F64, BF16 or I64, any shape */
} weld_safetensors_tensor;

/* Write a whole file into a replacement that nothing was written to yet; committing or discarding
 * it is the caller's. Elements go from where they lie to the file without a copy. The same contents
 * give the same bytes: tensors stand in the order that the reference implementation gives them
 * (those of larger elements first, so that all are aligned; then by name, bytewise), and the header
 * is padded with spaces to a multiple of 8 bytes. __metadata__ holds the checksum of the file
 * (safetensors_checksum.h), "format": "pt", by which PyTorch users' tools know the layout, and then
 * `metadata` (NULL: no more).
 *
 * Errors: WELD_ERROR_ARGUMENT for a name that is not UTF-8 or comes twice; of writing. */
weld_status weld_safetensors_write(weld_replacement *r, const weld_safetensors_tensor *tensors,
                                   size_t count, const weld_metadata *metadata, weld_error *err);

#endif
