/* A network's tensors out of a state dict. */
#ifndef WELD_SERIALIZATION_STATE_LOAD_H
#define WELD_SERIALIZATION_STATE_LOAD_H

#include "formats/state_dict.h"
#include "models/models.h"

/* A state dict whose tensors can be looked up by name. */
typedef struct weld_state_index {
    const weld_state_dict *dict;
    weld_named_shape *tensors; /* by number in the dict */
    weld_shape_index names;
} weld_state_index;

weld_status weld_state_index_create(const weld_state_dict *dict, weld_state_index *out,
                                    weld_error *err);
void weld_state_index_free(weld_state_index *index);

/* The parameters and buffers of `network` under their own names and in its order, from a file that
 * names them in `naming`. Strict: see weld_model_import. Nothing is read, and little allocated,
 * before all names, shapes and types are known to fit. */
weld_status weld_state_load(const weld_state_index *index, const weld_graph *network,
                            const weld_model_config *config, const weld_naming *naming,
                            weld_weights **out, weld_error *err);

#endif
