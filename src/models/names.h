/* State dicts from outside: what their tensors are called, and which network they are of.
 *
 * Inside, tensors have the names of the reference implementation ("official"), in the training form
 * (features.0.0.c.weight) and in the merged one (features.0.0.weight). timm names the same tensors
 * differently (stem.conv1.c.weight).
 */
#ifndef WELD_MODELS_NAMES_H
#define WELD_MODELS_NAMES_H

#include "weld/model.h"

#define WELD_TENSOR_NAME_SIZE 128

/* The name in `naming` of the tensor that is officially called `name`, into `out`; either form. The
 * merged head is "classifier.weight" in the reference and "head.weight" in timm, whether or not
 * two heads went into it; merging a network of one head calls it "classifier.classifier.weight"
 * here, which is taken for the same. */
weld_status weld_model_tensor_name(const weld_model_config *config, weld_naming naming,
                                   const char *name, char out[WELD_TENSOR_NAME_SIZE],
                                   weld_error *err);

typedef struct weld_named_shape {
    const char *name;
    weld_shape shape;
} weld_named_shape;

typedef struct weld_recognized {
    weld_model_config config; /* stem_stride is 4: tensors do not tell */
    weld_naming naming;
    bool merged;
} weld_recognized;

/* Which network are these tensors of? Goes by names and shapes alone and looks at no more of them
 * than it needs: that every tensor is there, and no other, is for the caller to check. config.name
 * is that of the variant with these channels and depths, or the family's. An error says what was
 * looked for. */
weld_status weld_model_recognize(const weld_named_shape *tensors, size_t count,
                                 weld_recognized *out, weld_error *err);

#endif
