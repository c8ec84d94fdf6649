/* One tensor of a PyTorch checkpoint: from the call by which its pickle spells it to its place in
 * the archive, and from there to numbers. For pth.c. */
#ifndef WELD_FORMATS_PTH_TENSOR_H
#define WELD_FORMATS_PTH_TENSOR_H

#include "formats/zip.h"
#include "formats/element.h"
#include "formats/pickle.h"
#include "weld/tensor.h"

typedef struct weld_pth_place {
    weld_zip_entry storage;
    weld_element element;
    weld_shape shape;
    size_t count;                   /* elements of the tensor */
    bool contiguous;                /* row-major, without gaps */
    uint64_t offset;                /* of the first element in the storage, */
    uint64_t extent;                /* elements from there to the last, */
    uint64_t stride[WELD_MAX_DIMS]; /* and from one to the next, all in elements */
} weld_pth_place;

/* Is this value a tensor, of whatever kind? */
bool weld_pth_is_tensor(const weld_pickle *p, weld_pickle_ref v);

/* A text, a number, or the full name of a class, printable and cut to `size`; returns `text`. */
const char *weld_pth_text(const weld_pickle *p, weld_pickle_ref v, char *text, size_t size);

/* Where tensor v is, checked to lie within its storage and to have no more elements than that;
 * `name` is a value too, for messages. */
weld_status weld_pth_find_tensor(const weld_zip *a, const weld_pickle *p, weld_pickle_ref name,
                                 weld_pickle_ref v, weld_pth_place *out, weld_error *err);

/* All elements, row-major, converted as weld_element_convert does. */
weld_status weld_pth_read_tensor(weld_zip *a, const weld_pth_place *place, weld_dtype dtype,
                                 void *data, weld_error *err);

#endif
