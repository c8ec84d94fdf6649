/* Families of networks, from inside. A family is one file that builds graphs from a config, one
 * that knows what its tensors are called elsewhere, and one line in registry.c.
 */
#ifndef WELD_MODELS_MODELS_H
#define WELD_MODELS_MODELS_H

#include "models/names.h"
#include "models/outputs.h"
#include "weld/model.h"

/* How a network is built. Parts are numbered from the input on: 0 the stem, 1 to stage_count the
 * stages (each with what leads into it from the stage before), then the head. */
typedef struct weld_build_mode {
    bool training; /* two heads stay apart, batch norms use and update the batch's statistics... */
    bool bn_eval;  /* ...but for these use their running statistics and leave them as they are... */
    int frozen;    /* ...or those of the first `frozen` parts do */
} weld_build_mode;

/* Where a parameter or buffer stands. */
typedef struct weld_model_place {
    int part;
    int layer;      /* depth in blocks: 0 the stem, the last one the head */
    bool per_class; /* it has a row for each class */
} weld_model_place;

typedef struct weld_model_family {
    const char *name;
    const char *task;                /* what its networks are for (tasks/); NULL: classification */
    const weld_output_form *outputs; /* of its evaluation graphs; NULL: weld_logits_output */
    const weld_model_config *variants; /* complete but for num_classes */
    size_t variant_count;

    /* Is the config one that this family can build? */
    weld_status (*check)(const weld_model_config *config, weld_error *err);
    /* Append the network to g, outputs included. Errors stay in the graph. */
    void (*build)(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images);
    /* Where the tensor of that name, or the module it belongs to, stands. */
    weld_model_place (*place)(const weld_model_config *config, const char *name);
    /* weld_model_tensor_name; false where no tensor of the network has that name. */
    bool (*tensor_name)(const weld_model_config *config, weld_naming naming, const char *name,
                        char out[WELD_TENSOR_NAME_SIZE]);
    /* weld_model_recognize, less the config's name; WELD_ERROR_NOT_FOUND where the tensors are of
     * no network of this family. `check` comes after it. */
    weld_status (*recognize)(const weld_shape_index *index, weld_recognized *out, weld_error *err);
    /* What the last block of stage `stage` gives, in a graph of the network whether merged or not;
     * *stride: the pixels, in each direction, that one of its positions stands for. NULL where the
     * graph, which may come from a file, has no such value. */
    weld_value *(*stage_end)(const weld_graph *g, const weld_model_config *config, int stage,
                             int *stride);
} weld_model_family;

extern const weld_model_family weld_family_repvit;
extern const weld_model_family *const weld_families[];
extern const size_t weld_family_count;

/* The family that a name belongs to, or NULL with an error that lists the known names; *variant is
 * NULL where the name is the family's own. */
const weld_model_family *weld_family_find(const char *name, const weld_model_config **variant,
                                          weld_error *err);

/* RepViT's names: repvit_names.c. */
bool weld_repvit_tensor_name(const weld_model_config *config, weld_naming naming, const char *name,
                             char out[WELD_TENSOR_NAME_SIZE]);
weld_status weld_repvit_recognize(const weld_shape_index *index, weld_recognized *out,
                                  weld_error *err);

/* As weld_model_build, which is this for {training} alone. */
weld_status weld_model_build_as(const weld_model_config *config, weld_build_mode mode,
                                int64_t batch, int64_t height, int64_t width, weld_dtype dtype,
                                weld_graph **out, weld_error *err);

/* Of a config that can be built; `name` is a parameter or buffer of its network. */
weld_model_place weld_model_place_of(const weld_model_config *config, const char *name);

/* stage_end of the family that the config is of; `stage` in 0..config->stage_count - 1. */
weld_value *weld_model_stage_end(const weld_graph *g, const weld_model_config *config, int stage,
                                 int *stride);

#endif
