/* State dicts from outside: what their tensors are called, and which network they are of.
 *
 * A graph's leaves have the names of a reference implementation, the family's own naming. Other
 * implementations put the same modules into trees of their own. A table says how they correspond;
 * what follows a module's name (".c.weight", ".bn.bias", and ".weight" of a merged one) is the
 * same.
 */
#ifndef WELD_MODELS_NAMES_H
#define WELD_MODELS_NAMES_H

#include "weld/model.h"

#define WELD_TENSOR_NAME_SIZE 128
#define WELD_MAX_NAMINGS 4

/* A way of naming tensors, one of its family's list. */
typedef struct weld_naming {
    const char *name;  /* "timm" */
    const char *whose; /* "timm's" names */
    const char *text;  /* for a message: (timm's), (the authors' name) */
} weld_naming;

/* Modules that stand together in the network, by naming: the place in the tree, with {s} for the
 * stage, {b} for the block in it and {f} for the feature; and below that the module, "" for all
 * that is there. Ends with an empty row. */
typedef struct weld_module_names {
    const char *in[WELD_MAX_NAMINGS];
} weld_module_names;

typedef struct weld_place_names {
    weld_module_names place;
    const weld_module_names *modules;
} weld_place_names;

/* Such a place, with the numbers that stand in its name. */
typedef struct weld_named_place {
    const weld_place_names *names;
    int stage, block, feature;
} weld_named_place;

/* The name in the naming of that number of what the first naming calls `place.module...`; false
 * where there is no such module, or the name is too long. */
bool weld_place_tensor_name(const weld_named_place *at, size_t naming, const char *module,
                            char out[WELD_TENSOR_NAME_SIZE]);

/* The naming called so in the family that the config is of (NULL: the first), or NULL with an error
 * that lists them. */
const weld_naming *weld_model_find_naming(const weld_model_config *config, const char *name,
                                          weld_error *err);
/* "official or timm", of all families; returns text. Is `name` one of them? */
const char *weld_naming_list(char *text, size_t size);
bool weld_naming_is_known(const char *name);

/* The name that a file in `naming` has for the tensor that weld's graph of the network, or what
 * merging made of it, calls `name`; into `out`. The two may differ for the family's own naming too:
 * merging calls RepViT's head after the modules that went into it, the reference implementation
 * always "classifier". */
weld_status weld_model_tensor_name(const weld_model_config *config, const weld_naming *naming,
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
    weld_model_config config; /* what tensors do not tell is as nobody set it */
    const weld_naming *naming;
    bool merged; /* then keys with WELD_KEY_MERGED_AWAY are as nobody set them too */
} weld_recognized;

/* Which network are these tensors of? Goes by names and shapes alone and looks at no more of them
 * than it needs: that every tensor is there, and no other, is for the caller to check. config.name
 * is that of the variant with these sizes (of two, the one with this layout), or the family's. An
 * error says what was looked for, of each family. */
weld_status weld_model_recognize(const weld_shape_index *index, weld_recognized *out,
                                 weld_error *err);

/* Does a configuration have the sizes of the variant called `name`? Any has those of its family. An
 * unknown name is an error that lists the known ones. */
weld_status weld_model_check_variant(const weld_model_config *config, const char *name,
                                     weld_error *err);

#endif
