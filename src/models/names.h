/* State dicts from outside, for the files of families: what their tensors are called.
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
    /* Weights, by their own names, of 1x1 convolutions that are linear layers there; ends with
     * NULL. NULL: none are. */
    const char *const *linear;
    /* Networks under it are for images of blue, green and red: the weight of the first convolution
     * is turned when a file is read or written. */
    bool bgr;
} weld_naming;

/* The shape that a file in `naming` has for the tensor that weld's graph calls `name`: that of a
 * linear layer has no height and width. */
weld_shape weld_naming_shape(const weld_naming *naming, const char *name, weld_shape shape);

/* Modules that stand together in the network, by naming: the place in the tree ("" is its root),
 * with {s} for the stage, {b} for the block in it and {f} for the feature; and below that the
 * module. Ends with an empty row. */
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

/* A module that holds tensors and no other modules: what the graph's leaves call it, and what each
 * naming does. {s} and the like are numbers, a letter each; {s+1} and {s-1} in a naming's name are
 * one more and one less. Ends with an empty row. For families whose files are trees of one form;
 * the first row that fits counts. */
typedef struct weld_module_row {
    const char *own;
    const char *in[WELD_MAX_NAMINGS];
} weld_module_row;

/* The name in the naming of that number of the tensor that the graph calls `name`; false where its
 * module is none of the rows, or the name is too long. */
bool weld_row_tensor_name(const weld_module_row *rows, size_t naming, const char *name,
                          char out[WELD_TENSOR_NAME_SIZE]);

typedef struct weld_named_shape {
    const char *name;
    weld_shape shape;
} weld_named_shape;

/* Named shapes to be looked up by name. Points into the array it was made of. */
typedef struct weld_shape_index {
    const weld_named_shape **sorted;
    size_t count;
    /* Whose see_sizes it is shown to, which asks by that family's namings; else NULL. */
    const struct weld_model_family *family;
} weld_shape_index;

weld_status weld_shape_index_create(const weld_named_shape *tensors, size_t count,
                                    weld_shape_index *out, weld_error *err);
void weld_shape_index_free(weld_shape_index *index);
/* NULL where there is none of that name. */
const weld_named_shape *weld_shape_index_find(const weld_shape_index *index, const char *name);

typedef struct weld_recognized {
    const weld_model_config *stated; /* what the file says that it is of, to be tried; or NULL */
    weld_model_config config;        /* what tensors do not tell is as nobody set it */
    int input_size; /* of the images that its tables of positions are for; 0: it has none */
    const weld_naming *naming;
    bool merged;   /* then keys with WELD_KEY_MERGED_AWAY are as nobody set them too */
    bool headless; /* tensors of the head are missing, those with a row for each class among them;
                    * config.num_classes is then as nobody set it */
    bool partial;  /* not all of its tensors are there, as they are of no other found so far */
} weld_recognized;

#endif
