/* State dicts from outside: what their tensors are called, and which network they are of.
 *
 * A graph's leaves have the names of the reference implementation ("official") in the training form
 * (features.0.0.c.weight), and in the merged form those that merging gives (features.0.0.weight).
 * timm names the same tensors differently (stem.conv1.c.weight).
 */
#ifndef WELD_MODELS_NAMES_H
#define WELD_MODELS_NAMES_H

#include "weld/model.h"

#define WELD_TENSOR_NAME_SIZE 128

/* The name that a file in `naming` has for the tensor that weld's graph of the network, or what
 * merging made of it, calls `name`; into `out`. The two differ for WELD_NAMES_OFFICIAL too where a
 * merged head is concerned: merging calls it after the modules that went into it, the reference
 * implementation always "classifier". */
weld_status weld_model_tensor_name(const weld_model_config *config, weld_naming naming,
                                   const char *name, char out[WELD_TENSOR_NAME_SIZE],
                                   weld_error *err);

typedef struct weld_named_shape {
    const char *name;
    weld_shape shape;
} weld_named_shape;

/* Named shapes to be looked up by name. Points into the array it was made of. */
typedef struct weld_shape_index {
    const weld_named_shape **sorted;
    size_t count;
} weld_shape_index;

weld_status weld_shape_index_create(const weld_named_shape *tensors, size_t count,
                                    weld_shape_index *out, weld_error *err);
void weld_shape_index_free(weld_shape_index *index);
/* NULL where there is none of that name. */
const weld_named_shape *weld_shape_index_find(const weld_shape_index *index, const char *name);

typedef struct weld_recognized {
    weld_model_config config; /* stem_stride is 4: tensors do not tell */
    weld_naming naming;
    bool merged; /* then the layout and whether there were two heads do not show: both false */
} weld_recognized;

/* Which network are these tensors of? Goes by names and shapes alone and looks at no more of them
 * than it needs: that every tensor is there, and no other, is for the caller to check. config.name
 * is that of the variant with these channels and depths (of two, the one with this layout), or the
 * family's. An error says what was looked for. */
weld_status weld_model_recognize(const weld_shape_index *index, weld_recognized *out,
                                 weld_error *err);

/* Does a configuration have the channels and depths of the variant called `name`? Any has those of
 * its family. An unknown name is an error that lists the known ones. */
weld_status weld_model_check_variant(const weld_model_config *config, const char *name,
                                     weld_error *err);

#endif
